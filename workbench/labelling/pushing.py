"""Tasks brought to the server until it holds exactly what it should, whatever happens on the way.

An import whose answer is lost may have been done, may be done later, or never. So nothing is asked twice blindly: what is
there is looked at before each attempt, and a repeat that turns out to have been one too many is taken back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from workbench.domain.findings import Busy
from workbench.labelling.editions import Edition, guide_version, with_edition
from workbench.labelling.label_config import LabelConfig
from workbench.labelling.tasks import TaskPlan
from workbench.ports import Labeller, LabellerProject

#: Seconds until the first repeat; each further one waits twice as long, up to the longest.
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0

#: Seconds to let a request run out whose answer was lost, before what is there is believed.
_SETTLE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A project on the server as it should be: its page, and who sees what."""

    title: str
    config: LabelConfig
    overlap: int
    suggestions: bool = True
    xml: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Persistence:
    """How long a server that stumbles is waited for, and how waiting is done."""

    patience_s: float = 60.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(slots=True)
class Push:
    """What a push did, added up over its attempts."""

    new: int = 0
    predictions: int = 0
    moved: int = 0
    removed: int = 0
    projects: dict[str, int] = field(default_factory=dict)


def apply_plan(
    server: Labeller,
    target: Target,
    plan: TaskPlan,
    *,
    media_root: Path,
    known: LabellerProject | None,
    taxonomy_version: str,
    now: str,
    done: Push,
) -> None:
    """Bring one project to its plan, and note in its description which guide and taxonomy are shown from now on."""
    edition = Edition(guide=guide_version(target.config.instructions), taxonomy=taxonomy_version, since=now)
    project_id = server.ensure_project(
        target.title,
        label_config=target.xml or target.config.xml,
        instructions=target.config.instructions,
        overlap=target.overlap,
        suggestions=target.suggestions,
        description=with_edition(known.description if known else "", edition),
    )
    done.projects[target.title] = project_id
    server.ensure_media(project_id, [media_root / name for name in plan.media])
    if plan.surplus:
        server.remove_untouched(project_id, plan.surplus)
        done.removed += len(plan.surplus)
    done.new += server.import_tasks(project_id, plan.new)
    server.import_predictions(project_id, plan.predictions)
    done.predictions += len(plan.predictions)
    if plan.shows and target.suggestions:
        server.show_suggestions(project_id, plan.shows)
    for task in plan.moved:
        server.update_task(task["task"], task["data"])
        done.moved += 1


def converge(attempt: Callable[[], bool], how: Persistence, *, unsure: bool = False) -> None:
    """Repeat an attempt until it goes through; it looks at what is there first and says whether all was there already.

    Once an attempt has failed, nobody knows what was done of it: then attempts go on until one finds nothing to do, twice.

    Parameters
    ----------
    unsure
        Whether an earlier command was cut short in the middle.

    Raises
    ------
    Busy
        What the last attempt raised, when the patience is over.

    """
    began, pause_s, wanted = how.clock(), _FIRST_PAUSE_S, 2 if unsure else 0
    while True:
        try:
            settled = attempt()
        except Busy:
            wanted = 2
            if how.clock() - began + pause_s > how.patience_s:
                raise
            how.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            continue
        wanted = wanted - 1 if settled else wanted
        if wanted <= 0 or how.clock() - began > how.patience_s:
            return  # what the server keeps though it was asked to remove it, somebody has touched
        how.sleep(_SETTLE_S)


class Intent:
    """A note on disk that tasks are being brought, so that a command killed in the middle is known to the next one."""

    def __init__(self, path: Path) -> None:
        """Name the note."""
        self._path = path

    @property
    def left(self) -> bool:
        """Whether a command did not get to its end."""
        return self._path.exists()

    def begin(self) -> None:
        """Write the note."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()

    def end(self) -> None:
        """Remove the note: what was to be brought is there."""
        self._path.unlink(missing_ok=True)
