"""Every place that may hold something of a contribution: how to look there, and how to clear it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from workbench.adapters import dvc, dvc_purge
from workbench.cli.wiring import Workspace
from workbench.curation import decisions
from workbench.custody import withdrawal
from workbench.custody.prune import concerned, prune_files, remove_empty
from workbench.custody.traces import TOMBSTONE, Traces
from workbench.custody.withdrawal import Plan
from workbench.labelling.snapshot import write_manifest

#: Folders of .workbench/ that a server keeps; what it says there it must be asked to forget.
_SERVERS = ("label-studio", "mongod", "logs")
#: Where Label Studio leaves each export it ever made.
_EXPORTS = "export"
#: What lists the files of a labelling snapshot.
_SNAPSHOT = "snapshot.json"

#: Seconds FiftyOne's database may take to open.
_MONGOD_READY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place: ``find`` says how much of the contribution it holds, ``purge`` removes that."""

    name: str
    find: Callable[[], int]
    purge: Callable[[], None]


def places(workspace: Workspace, plan: Plan, held: ExitStack) -> list[Place]:
    """Return the places of a workspace in the order they are cleared: the key first, then what it sealed.

    A database that has to be started for the while runs until ``held`` is closed.
    """
    custody, cid = workspace.layout.custody, plan.contribution_id
    return [
        Place(
            name="key that unseals the originals",
            find=lambda: len(withdrawal.keys_of(custody, cid)),
            purge=lambda: withdrawal.shred_keys(custody, cid),
        ),
        Place(
            name="sealed originals and file names",
            find=lambda: len(withdrawal.originals_of(custody, cid)),
            purge=lambda: withdrawal.remove_originals(custody, cid),
        ),
        Place(
            name="custody's copy of the receipt, and what was viewed",
            find=lambda: len(withdrawal.records_of(custody, plan.traces)),
            purge=lambda: withdrawal.remove_records(custody, plan.traces),
        ),
        _data(workspace, plan),
        _caches(workspace, plan.traces),
        _label_studio(workspace, plan.traces),
        _fiftyone(workspace, plan.traces, held),
    ]


def _data(workspace: Workspace, plan: Plan) -> Place:
    layout, traces = workspace.layout, plan.traces

    def find() -> int:
        return sum(1 for _ in concerned(layout.data, traces))

    def purge() -> None:
        found = list(concerned(layout.data, traces))
        for folder in _made_anew(workspace, found):
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
        if layout.curation_decisions / decisions.NAME in found:
            decisions.rewrite_without(layout.curation_decisions, traces.images, traces.blanked)
            found.remove(layout.curation_decisions / decisions.NAME)
        left = [path for path in found if path.exists()]
        kept = prune_files(layout.data, left, traces)
        _seal_snapshots(kept)
        remove_empty(layout.data, {path.parent for path in left})

    return Place(name="data: tables, labels, working copies and what was made of them", find=find, purge=purge)


def _made_anew(workspace: Workspace, found: Sequence[Path]) -> list[Path]:
    """Return the outputs that hold some of the files and that their stage makes anew: they go whole."""
    root = workspace.layout.root
    # A release keeps what did not change, but its files fit together: with some of them gone it is none.
    outputs = [*(root / out for out in sorted(dvc_purge.rebuilt(root))), workspace.layout.release]
    return [folder for folder in outputs if any(path.is_relative_to(folder) for path in found)]


def staying_files(workspace: Workspace, plan: Plan) -> list[Path]:
    """Return the tables and texts below data/ that a withdrawal leaves as they are."""
    data = workspace.layout.data
    found = set(concerned(data, plan.traces))
    found |= {path.parent / _SNAPSHOT for path in found}  # it lists the hashes of the files beside it
    folders = _made_anew(workspace, sorted(found))
    there = (path for path in sorted(data.rglob("*")) if path.is_file() and path.suffix not in dvc_purge.PICTURES)
    return [path for path in there if path not in found and not any(path.is_relative_to(f) for f in folders)]


def _seal_snapshots(changed: list[Path]) -> None:
    """Write snapshot.json anew where files it lists were pruned."""
    for folder in sorted({path.parent for path in changed if (path.parent / _SNAPSHOT).is_file()}):
        listed = json.loads((folder / _SNAPSHOT).read_text(encoding="utf-8")).get("sha256", {})
        write_manifest(folder, [name for name in listed if (folder / name).is_file()])


def track_data(workspace: Workspace, plan: Plan, *, withdrawn_at: str) -> list[Path]:
    """Leave the tombstone, and have DVC track what the pruning left; return the files of git that changed."""
    layout = workspace.layout
    folder = layout.deliveries / plan.contribution_id
    if not (folder / TOMBSTONE).is_file():
        withdrawal.write_tombstone(folder, plan, withdrawn_at=withdrawn_at)
    tracked = dvc_purge.tracked(layout.root)
    for path in tracked:
        path.mkdir(parents=True, exist_ok=True)
    own = [path for path in tracked if path != layout.catalogue]
    if own:
        dvc.add(layout.root, own)
    return sorted(set(tracked.values()))


def _caches(workspace: Workspace, traces: Traces) -> Place:
    state = workspace.layout.state

    def skip(path: Path) -> bool:
        inside = path.relative_to(state).parts
        if inside[0] == _SERVERS[0]:
            return len(inside) < 2 or inside[1] != _EXPORTS  # noqa: PLR2004 -- a file of the folder itself
        return inside[0] in _SERVERS or path.suffix == ".lock" or inside[0] in {"credentials.json", "servers.json"}

    # DVC runs experiments in copies of the workspace.
    roots = ((state, skip), (workspace.layout.root / ".dvc" / "tmp" / "exps", lambda _: False))

    def find() -> int:
        return sum(1 for root, passed in roots for _ in concerned(root, traces, skip=passed))

    def purge() -> None:
        for root, passed in roots:
            found = list(concerned(root, traces, skip=passed))
            prune_files(root, found, traces)
            remove_empty(root, {path.parent for path in found})

    return Place(name="caches, leftovers and exports in .workbench and .dvc/tmp", find=find, purge=purge)


def _label_studio(workspace: Workspace, traces: Traces) -> Place:
    used = (workspace.layout.state / "label-studio").exists() or bool(os.environ.get("WORKBENCH_LABEL_STUDIO_URL"))

    def visit(*, remove: bool) -> int:
        if not used:
            return 0
        from workbench.cli.label_studio import connect

        server, _ = connect(workspace)
        found = 0
        for project_id in server.project_ids():
            tasks = [task.task_id for task in server.tasks(project_id) if task.sha256 in traces.images]
            found += len(tasks)
            if remove and tasks:
                server.delete_tasks(project_id, tasks)
        return found

    return Place(
        name="Label Studio tasks with their answers",
        find=lambda: visit(remove=False),
        purge=lambda: _ignore(visit(remove=True)),
    )


def _ignore(_: int) -> None:
    """Drop a count: a place's purge answers nothing, it is looked at again instead."""


def _fiftyone(workspace: Workspace, traces: Traces, held: ExitStack) -> Place:
    known: list[str] = []

    def visit(*, remove: bool) -> int:
        if not (workspace.layout.state / "mongod").is_dir() and not _running_mongod(workspace):
            return 0
        from workbench.adapters.fiftyone import count_samples

        if not known:
            known.append(_running_mongod(workspace) or held.enter_context(_own_mongod(workspace)))
        images = sorted(traces.images)
        return count_samples(mongo_uri=known[0], contribution_id=traces.contribution_id, images=images, remove=remove)

    return Place(
        name="FiftyOne samples",
        find=lambda: visit(remove=False),
        purge=lambda: _ignore(visit(remove=True)),
    )


def _running_mongod(workspace: Workspace) -> str | None:
    """Return where FiftyOne's database answers, nothing if `workbench up` does not run."""
    try:
        record = json.loads((workspace.layout.state / "servers.json").read_text(encoding="utf-8"))
        return str(record["mongod"]["uri"])
    except (FileNotFoundError, KeyError, ValueError):
        return None


@contextmanager
def _own_mongod(workspace: Workspace) -> Iterator[str]:
    """Run FiftyOne's database for the while; nobody else may start it meanwhile."""
    from workbench.adapters import servers, servers_process

    with workspace.exclusive("servers"):
        port = servers.Ports.free().mongo
        child = servers_process.spawn(servers.plan_mongod(workspace.layout, port))
        try:
            servers_process.wait_until(child, lambda: True, deadline=time.monotonic() + _MONGOD_READY_S)
            yield servers.mongo_uri(port)
        finally:
            servers_process.stop([child])
