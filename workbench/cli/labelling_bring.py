"""Bringing tasks to Label Studio: looking, planning and doing, again and again until all is there once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from workbench.cli.redaction_state import now
from workbench.cli.wiring import Workspace
from workbench.labelling.pushing import Intent, Persistence, Push, Target, apply_plan, converge
from workbench.labelling.tasks import TaskPlan
from workbench.ports import Labeller, LabellerProject

#: Looks at what the server holds, and says what each project lacks.
Look = Callable[[Mapping[str, LabellerProject]], Sequence[tuple[Target, TaskPlan]]]


def bring(
    workspace: Workspace, server: Labeller, look: Look, *, media_root: Path, dry_run: bool
) -> tuple[Sequence[tuple[Target, TaskPlan]], Push]:
    """Bring each project what it lacks; return what was lacking at first, and what was done.

    A server that stumbles is waited for (WORKBENCH_LABEL_STUDIO_PATIENCE_S, 60); one that does not answer at all at first is
    not.

    Raises
    ------
    Busy
        ``labelling.server-away``; repeating the command completes what was begun. ``workspace.busy``.

    """
    done = Push()
    looks: list[Sequence[tuple[Target, TaskPlan]]] = []
    oldest(server)  # a server that is not there is said at once
    with workspace.exclusive("labelling"):
        if dry_run:
            looks.append(look(oldest(server)))
            return looks[0], done
        intent = Intent(workspace.layout.state / "labelling" / "bringing")

        def attempt() -> bool:
            projects = oldest(server)
            plans = look(projects)
            looks.append(plans)
            for target, plan in plans:
                if len(looks) > 1 and plan.settled and not plan.shows:  # tasks do not tell whose suggestions are shown
                    continue
                known = projects.get(target.title)
                apply_plan(
                    server,
                    target,
                    plan,
                    media_root=media_root,
                    known=known,
                    taxonomy_version=workspace.taxonomy.version,
                    now=now(),
                    done=done,
                )
            return all(plan.settled for _, plan in plans)

        left = intent.left
        intent.begin()
        patience_s = float(os.environ.get("WORKBENCH_LABEL_STUDIO_PATIENCE_S") or Persistence().patience_s)
        converge(attempt, Persistence(patience_s=patience_s), unsure=left)
        intent.end()
    return looks[0], done


def oldest(server: Labeller) -> dict[str, LabellerProject]:
    """Return the server's projects by title; of several of one title the oldest."""
    found: dict[str, LabellerProject] = {}
    for project in server.projects():
        found.setdefault(project.title, project)
    return found
