"""Printed stand-ins: their origin, their group by design, and renders of a design that is tested with."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.domain.lineage import sha256_hex
from workbench.intake.admit import ACTIVITY, Verdict, run_intake
from workbench.layout import Layout
from workbench.ports import silent
from workbench.release.basis import renders_of_tested_designs
from workbench.tables import FILES, IMAGES, ITEMS, POSES, read_designs, read_rows, write_table

FACTS = {
    "width_px": 4,
    "height_px": 3,
    "original_width_px": 4,
    "original_height_px": 3,
    "orientation": 1,
    "scale": 1.0,
}


def _delivery(layout: Layout) -> None:
    """Write a contribution of three objects: a stand-in of a bracket, an object, and one without a table."""
    folder = layout.deliveries / "c1"
    told = {"contribution_id": "c1", "partner_id": "lab", "licence": "CC0-1.0", "size_bytes": 10, "suffix": ".jpg"}
    of = {"printed": ("lab/s1", "lab/1"), "real": ("lab/s1", "lab/2"), "untold": (None, None)}
    rows = [
        {**told, "image_id": sha256_hex(name.encode()), "name_digest": name, "seizure_id": seizure, "item_id": item}
        for name, (seizure, item) in of.items()
    ]
    write_table(folder / "files.parquet", FILES, sorted(rows, key=lambda row: str(row["image_id"])))
    items = [
        {"item_id": "lab/1", "seizure_id": "lab/s1", "contribution_id": "c1", "replica_of": "bracket"},
        {"item_id": "lab/2", "seizure_id": "lab/s1", "contribution_id": "c1"},
    ]
    write_table(folder / "items.parquet", ITEMS, items)
    (folder / "contribution.json").write_text(json.dumps({"contribution_id": "c1"}))


def test_a_photograph_of_a_stand_in_is_a_replica_and_any_other_is_real(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    _delivery(layout)
    for _ in range(2):  # the second run reuses the verdicts of the first
        run_intake(
            layout,
            {"activity": ACTIVITY, "jpeg_quality": 95},
            inspect=lambda rows: (
                (n, Verdict(jpeg=row["image_id"].encode(), facts=FACTS)) for n, row in enumerate(rows)
            ),
            track=silent,
        )
        origins = {row["image_id"]: row["origin"] for row in read_rows(layout.intake / "c1" / "images.parquet", IMAGES)}
        assert [origins[sha256_hex(name)] for name in (b"printed", b"real", b"untold")] == ["replica", "real", "real"]


def test_renders_of_a_design_stay_out_while_a_photograph_of_its_stand_in_tests(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    _delivery(layout)
    assert read_designs([layout.deliveries / "c1"]) == {("lab/s1", "lab/1"): "bracket"}
    photograph = {"seizure_id": "lab/s1", "item_id": "lab/1"}
    other = {"seizure_id": "lab/s1", "item_id": "lab/2", "split": "test"}
    assert renders_of_tested_designs(layout, [{**photograph, "split": "test"}, other]) == frozenset()
    # Whatever else a pose must tell.
    told = {f.name: {"string": "-", "int64": 1, "double": 1.0}.get(str(f.type), [0.0] * 8) for f in POSES}
    told |= {"keypoints": None, "distortion": None, "mesh_sha256": None, "object_to_camera": [0.0] * 16}
    poses = [
        {
            **told,
            "image_id": image,
            "instance_id": f"{image}-{part}",
            "part_id": part,
        }
        for image, part in (("r1", "bracket"), ("r1", "gear"), ("r2", "gear"))
    ]
    write_table(layout.synthesis / "poses.parquet", POSES, poses)
    for split, held in (("test", {"r1"}), ("val", {"r1"}), ("train", set()), (None, set())):
        assert renders_of_tested_designs(layout, [{**photograph, "split": split}, other]) == held
