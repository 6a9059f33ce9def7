"""What is covered in working copies: which regions, in which photographs, and the lineage of what stands for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.domain.geometry import Box
from workbench.domain.lineage import parameter_digest, work_key

#: Name and version of the activity that makes working copies, covered ones too: raise the number whenever equal input may
#: give other bytes or verdicts.
ACTIVITY = "working-copy/2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Covers:
    """What is to be covered: boxes in pixels of the working copy, by photograph; and what covers them in a JPEG."""

    boxes: Mapping[str, Sequence[Box]]
    fill: Callable[[bytes, Sequence[Box]], bytes]

    def of(self, image_id: str) -> Sequence[Box]:
        """Return the boxes to be covered in a photograph, in the order of their edges; none for most."""
        return sorted(self.boxes.get(image_id, ()), key=lambda box: box.xyxy)

    def key(self, image_id: str, copy_key: str) -> str:
        """Return the work key of the image that stands for a photograph: its copy's, and what is covered in it."""
        boxes = [list(box.xyxy) for box in self.of(image_id)]
        return work_key(activity=ACTIVITY, parameters={"covered": boxes}, inputs=(copy_key,)) if boxes else copy_key


#: Nothing is covered.
NO_COVERS = Covers(boxes={}, fill=lambda jpeg, _: jpeg)


def redaction_rows(images: Sequence[Mapping[str, Any]], covers: Covers, *, activity: str) -> list[dict[str, Any]]:
    """Return a row for each photograph with covered regions: its lineage."""
    rows = []
    for row in images:
        if (parent := row.get("parent_image_id")) is not None:
            names = ("x_min", "y_min", "x_max", "y_max")
            regions = [dict(zip(names, map(float, box.xyxy), strict=True)) for box in covers.of(parent)]
            rows.append(
                {
                    "image_id": row["image_id"],
                    "parent_image_id": parent,
                    "activity": activity,
                    "parameter_digest": parameter_digest({"covered": regions}),
                    "regions": regions,
                }
            )
    return rows
