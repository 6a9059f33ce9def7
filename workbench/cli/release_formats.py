"""What a release is drawn with, and one format of a release laid out for its readers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.geometry import Ring
from workbench.release.card import Draw


def real_draw() -> Draw:
    """Return what draws a card's map and a mask's outlines."""
    from workbench.adapters.masks import decode_mask, mask_rings
    from workbench.adapters.world_map import world_map_svg

    def outline(counts: str, *, width_px: int, height_px: int) -> Sequence[Ring]:
        return mask_rings(decode_mask(counts, height_px=height_px, width_px=width_px))

    return Draw(world=world_map_svg, outline=outline)


def export_format(
    workspace: Workspace, record: Any, folder: Path, destination: Path, name: str, *, dry_run: bool
) -> Report:
    """Write one format of a release into a new folder, pictures and all, and enter the hand-over in the ledger."""
    from workbench.cli import release_ledger
    from workbench.custody.ledger import Ledger
    from workbench.domain.findings import Refused
    from workbench.release.layouts import require_layout, write_layout
    from workbench.release.manifest import check_files

    require_layout(name)
    if dry_run:
        return Report(summary=f"Would write release {record.name} as {name} to {destination}.", data={"dry_run": True})
    found = [finding for finding, _ in zip(check_files(folder), range(20), strict=False)]
    if found:
        raise Refused(*found)
    release_ledger.enter_export(Ledger.open(workspace.layout.custody), record.name, record.manifest_sha256)
    count = write_layout(destination, folder, name, workspace.taxonomy, outline=real_draw().outline)
    return Report(
        summary=f"Release {record.name} is in {destination} as {name}: {count} files, each in MANIFEST.sha256.",
        data={"release": record.name, "format": name, "path": str(destination), "files": count},
    )
