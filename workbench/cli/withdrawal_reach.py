"""How far a contribution reaches: every table of every version that can still be read is asked what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from workbench.adapters import dvc_purge
from workbench.cli.wiring import Workspace
from workbench.custody.standing import Standing
from workbench.custody.traces import Lineage, Traces, digests_in, is_table, lineage_rows, trace
from workbench.custody.withdrawal import Plan
from workbench.layout import Layout


def judge(traces: Traces) -> dvc_purge.Judge:
    """Return what decides about DVC's objects.

    A picture is named by its hash or its image_id, so a name with no withdrawn one in it proves that it may stay.
    """

    def clean(path: str) -> bool:
        named = any(digests_in(PurePosixPath(path).name.encode()))
        return PurePosixPath(path).suffix in dvc_purge.PICTURES and named and not traces.named(path)

    return dvc_purge.Judge(in_file=traces.in_file, named=traces.named, clean=clean)


def reach(workspace: Workspace, plan: Plan, standing: Standing) -> Plan:
    """Return the plan with all that leads back to its contribution, and to nothing that stays."""
    layout = workspace.layout
    staying = list(_staying(layout, plan.contribution_id))
    rows = [row for path in sorted(layout.data.rglob("*.parquet")) for row in lineage_rows(path)]
    with dvc_purge.stores(layout.root, layout.state) as stores:
        for path in dvc_purge.tables(stores):
            if is_table(path):
                rows += lineage_rows(path)
    found = plan.traces.joined(trace(plan.contribution_id, standing.files, rows, staying=staying))
    # What somebody else gave meanwhile stays, even if an earlier run had it on its list.
    kept = {row.image_id for row in staying}
    shown = {row.file_sha256 for row in staying}
    return replace(plan, images=tuple(sorted(found.images - kept)), files=tuple(sorted(found.files - shown)))


def _staying(layout: Layout, contribution_id: str) -> Iterator[Lineage]:
    """Yield what the other contributions hold now: their files, and the working copies made of these."""
    for pattern in ("00_deliveries/*/files.parquet", "01_intake/*/images.parquet"):
        for path in sorted(layout.data.glob(pattern)):
            if path.parent.name != contribution_id:
                yield from lineage_rows(path)
