"""`workbench adjudication report`: how the labellers agree and work, as a page for the labelling lead."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from workbench import tables
from workbench.adapters import pixels
from workbench.adjudication.differences import differences
from workbench.adjudication.marks import read_marks
from workbench.adjudication.objects import pair_answers
from workbench.adjudication.report_page import Measured, report_page
from workbench.adjudication.stage import check_params
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import WorkbenchError, refused
from workbench.domain.geometry import Box

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]

#: Longer side of a picture on the page.
_SIDE_PX = 360


def report(
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("agreement.html"),
    pictures: Annotated[
        int, typer.Option("--pictures", min=0, help="How many differences of each pair of labellers are shown.")
    ] = 12,
    *,
    workspace: Workspace,
    dry_run: DryRunOption = False,
) -> Report:
    """Write a page: who agrees with whom, what is confused, how long answers take, whether sessions tire."""
    params = workspace.section("adjudication")
    check_params(params)
    agreement, labellers = (_measured(workspace, name) for name in ("agreement", "labellers"))
    marks = read_marks(workspace.layout, workspace.taxonomy)
    pairs = pair_answers(marks, match_iou=params["match_iou"])
    found = {
        (marks.annotators[one], marks.annotators[other]): listed
        for (one, other), listed in differences(marks, pairs, accept_iou=params["accept_iou"], each=pictures).items()
    }
    shown = sum(len(listed) for listed in found.values())
    if not dry_run:
        page = report_page(
            Measured(agreement=agreement, labellers=labellers, differences=found), crop=_Crops(workspace).crop
        )
        _write_text(out, page)
    verb = "would be written" if dry_run else "is written"
    return Report(
        summary=f"{out} {verb}: {len(labellers)} labellers, {agreement['overall']['photographs']} photographs answered by "
        f"two or more, {shown} differences to look at. It holds parts of photographs: keep it where they are kept.",
        data={"page": str(out), "labellers": len(labellers), "differences": shown},
        next_command=None if dry_run else f"xdg-open {out}",
    )


def _measured(workspace: Workspace, name: str) -> dict[str, Any]:
    path = workspace.layout.adjudication / f"{name}.json"
    if not path.is_file():
        raise refused(
            "workspace.input-missing",
            f"data/03_adjudication/{name}.json",
            "is not there.",
            "Run `workbench adjudication`.",
        )
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


class _Crops:
    """Cuts places out of working copies; a picture is decoded once while its places come one after another."""

    def __init__(self, workspace: Workspace) -> None:
        paths = sorted(workspace.layout.intake.glob("*/images.parquet"))
        rows = tables.read_all_rows(paths, tables.IMAGES, ["image_id", "path"])
        self._paths = {row["image_id"]: workspace.layout.data / row["path"] for row in rows}
        self._pixels = lru_cache(maxsize=16)(pixels.read_rgb)

    def crop(self, image_id: str, box: Box) -> tuple[bytes, tuple[int, int, int, int]] | None:
        """Return the place as JPEG and the whole pixels it shows; null where the picture cannot be read."""
        path = self._paths.get(image_id)
        try:
            image: NDArray[np.uint8] | None = self._pixels(path) if path else None
        except WorkbenchError:
            return None
        return None if image is None else pixels.crop_jpeg(image, box.xyxy, side_px=_SIDE_PX)


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
