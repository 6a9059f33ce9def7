"""What must not be seen is covered, from the working copy to the release; labels stay where they were."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workbench.cli.labelling_import import admitted
from workbench.cli.wiring import Workspace
from workbench.labelling.tasks import plan_tasks

pytestmark = pytest.mark.tools

Run = Callable[..., dict[str, Any]]

#: What is to be covered in the first photograph, edges in pixels: drawn in colours that nothing else has.
SECRET = (33, 41, 110, 122)
OTHER = (200, 30, 280, 100)


def _magenta_frac(image: Image.Image) -> float:
    """Return how much of a picture has the secret's colours: strong red and blue, no green."""
    pixels = np.asarray(image.convert("RGB"), np.int64)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return float(((red - green > 90) & (blue - green > 60)).mean())


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory, draw_photograph: Callable[..., dict[str, Any]]) -> Path:
    """Six photographs; the first shows something to be covered, which a labeller boxed as a document."""
    folder = tmp_path_factory.mktemp("partner") / "delivery"
    rng = np.random.default_rng(5)
    coco: dict[str, Any] = {"images": [], "annotations": []}
    coco["categories"] = [{"id": 1, "name": "pipe"}, {"id": 2, "name": "paper"}]
    for number in range(6):
        name = f"{number}.jpg"
        truth = draw_photograph(folder / name, seed=70 + number)
        boxes = [(box, 1) for box in truth["boxes_xyxy"]]
        if number == 0:
            image = Image.open(folder / name)
            left, top, right, bottom = SECRET
            noise = rng.integers(0, 60, (bottom - top, right - left, 3)) + np.array([190, 0, 190])
            image.paste(Image.fromarray(noise.astype(np.uint8)), (left, top))
            image.save(folder / name, quality=95)
            boxes.append((SECRET, 2))
        coco["images"].append({"id": number, "file_name": name, "width": 320, "height": 240})
        for (x_min, y_min, x_max, y_max), category in boxes:
            bbox = [x_min, y_min, x_max - x_min, y_max - y_min]
            entry = {"id": len(coco["annotations"]), "image_id": number, "category_id": category, "bbox": bbox}
            coco["annotations"].append(entry | {"area": bbox[2] * bbox[3], "iscrowd": 0})
    folder.with_name("labels.json").write_text(json.dumps(coco))
    folder.with_name("classes.yaml").write_text("pipe: negative.plumbing_or_tube\npaper: context.document\n")
    return folder


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, workbench: Run, delivery: Path) -> Path:
    """A workspace that has walked up to augmented copies before anybody covered anything."""
    root = tmp_path_factory.mktemp("lab") / "workspace"
    at = ("--workspace", root)
    workbench("init", root)
    params = root / "params.yaml"
    text = params.read_text().replace("images: 12", "images: 0")
    params.write_text(text.replace("{train: 0.7, val: 0.15, test: 0.15}", "{train: 1.0, val: 0.0, test: 0.0}"))
    workbench("partner", "add", "lab", "--name", "Lab", "--licence", "CC0-1.0", *at)
    workbench("receive", delivery, "--partner", "lab", *at)
    workbench("intake", *at)
    labels, classes = delivery.with_name("labels.json"), delivery.with_name("classes.yaml")
    workbench("labelling", "import", labels, "--format", "coco", "--classes", classes, *at)
    for stage in ("adjudication", "curation", "augmentation"):
        workbench(stage, *at)
    return root


def _pictures(root: Path) -> Iterator[tuple[Path, Image.Image]]:
    """Yield every file that decodes as a picture, in the data folders, the caches and the state."""
    for folder in ("data", ".dvc", ".workbench", "releases"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.read_bytes()[:3] == b"\xff\xd8\xff":
                yield path, Image.open(path)


def _showing(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path, image in _pictures(root) if _magenta_frac(image) > 0.002]


def test_what_a_labeller_boxed_is_covered_in_every_copy_and_nowhere_left(workspace: Path, workbench: Run) -> None:
    at = ("--workspace", workspace)
    # The harness can fail: before, the working copy, its augmented copy, and DVC's cache of both show the secret.
    assert len(_showing(workspace)) == 4
    before = _images(workspace)

    proposed = workbench("redaction", "propose", *at)
    assert proposed["data"] == {"proposed": 0, "accepted": 1}
    assert workbench("redaction", "propose", *at)["data"] == {"proposed": 0, "accepted": 0}
    assert workbench("redaction", "status", *at)["data"]["photographs"]["not applied"] == 1
    assert [f["code"] for f in workbench("redaction", "status", *at)["findings"]] == ["redaction.not-applied"]

    foreseen = workbench("redaction", "apply", "--dry-run", *at)["data"]
    assert len(_showing(workspace)) == 4, "a dry run changes nothing"
    applied = workbench("redaction", "apply", *at)
    assert applied["data"] == foreseen
    assert len(applied["data"]["files"]) == 2
    assert _showing(workspace) == []

    after = _images(workspace)
    (parent,) = set(before["image_id"]) - set(after["image_id"])
    (row,) = after[after["parent_image_id"] == parent].to_dict("records")
    assert row["image_id"] == row["file_sha256"]
    assert _is_covered(Image.open(workspace / "data" / row["path"]), SECRET)
    lineage = pd.concat(pd.read_parquet(p) for p in (workspace / "data" / "01_intake").glob("*/redactions.parquet"))
    (derived,) = lineage.to_dict("records")
    assert (derived["parent_image_id"], derived["image_id"]) == (parent, row["image_id"])
    assert [tuple(region.values()) for region in derived["regions"]] == [tuple(map(float, SECRET))]
    entries = workbench("ledger", "show", "--limit", 500, *at)["data"]["entries"]
    (entered,) = [entry for entry in entries if entry["kind"] == "redact"]
    assert entered["object_sha256"] == parent
    assert row["image_id"] in entered["reason"]


def _images(root: Path) -> pd.DataFrame:
    return pd.concat(pd.read_parquet(path) for path in (root / "data" / "01_intake").glob("*/images.parquet"))


def _is_covered(image: Image.Image, box: tuple[int, ...]) -> bool:
    return np.asarray(image)[box[1] : box[3], box[0] : box[2]].max() == 0


def test_labels_given_before_follow_to_the_covered_image_in_every_stage(workspace: Path, workbench: Run) -> None:
    at = ("--workspace", workspace)
    workbench("release", "build", "v1", *at)
    workbench("release", "verify", "v1", *at)
    release = workspace / "data" / "07_release"
    images, instances = (pd.read_parquet(release / f"{name}.parquet") for name in ("images", "instances"))
    real = images[images["origin"] == "real"]
    (row,) = real.dropna(subset="parent_image_id").to_dict("records")
    mine = instances[instances["image_id"] == row["image_id"]]
    assert sorted(mine["category"]) == ["context.document", *["negative.plumbing_or_tube"] * 2]
    (paper,) = mine[mine["category"] == "context.document"].to_dict("records")
    assert tuple(paper[name] for name in ("x_min", "y_min", "x_max", "y_max")) == SECRET
    assert _is_covered(Image.open(release / row["path"]), SECRET)
    assert len(real) == 6, "nobody lost a photograph"
    copies = images[images["parent_image_id"] == row["image_id"]]
    assert len(copies) == 1, "its augmented copy is made of the covered image"
    assert _showing(workspace) == []


def test_a_task_shows_the_covered_image_and_keeps_the_photograph_s_name(workspace: Path) -> None:
    found = Workspace.find(workspace, quiet=True)
    rows = admitted(found)
    plan = plan_tasks(rows.values(), [], data=found.layout.data, media_root=found.layout.data)
    parents = set(_images(workspace)["parent_image_id"].dropna())
    (task,) = [task for task in plan.new if task["data"]["sha256"] in parents]
    path = found.layout.data / task["data"]["image"].split("?d=")[1]
    assert _is_covered(Image.open(path), SECRET)


def test_a_region_drawn_later_is_covered_too_and_the_release_that_shows_it_is_named(
    workspace: Path, workbench: Run
) -> None:
    at = ("--workspace", workspace)
    (row,) = _images(workspace).dropna(subset="parent_image_id").to_dict("records")
    box = ",".join(map(str, OTHER))
    workbench("redaction", "add", row["parent_image_id"][:10], "--box", box, "--reason", "a plate", *at)
    splits = pd.read_parquet(workspace / "data" / "04_curation" / "images.parquet").set_index("image_id")
    answer = workbench("redaction", "apply", *at)
    assert [finding["code"] for finding in answer["findings"]] == ["redaction.released"]
    assert answer["data"]["files"] == [], "what a release holds is kept for it"
    (again,) = _images(workspace).dropna(subset="parent_image_id").to_dict("records")
    assert again["parent_image_id"] == row["parent_image_id"]
    assert again["image_id"] != row["image_id"]
    image = Image.open(workspace / "data" / again["path"])
    assert _is_covered(image, SECRET)
    assert _is_covered(image, OTHER)
    workbench("curation", *at)
    placed = pd.read_parquet(workspace / "data" / "04_curation" / "images.parquet").set_index("image_id")
    same = ["group_id", "split"]
    assert list(placed.loc[again["image_id"], same]) == list(splits.loc[row["image_id"], same])
    truth = pd.read_parquet(workspace / "data" / "03_adjudication" / "instances.parquet")
    assert (truth["image_id"] == again["image_id"]).sum() == 3


def test_a_decision_taken_back_uncovers_from_the_original(workspace: Path, workbench: Run) -> None:
    at = ("--workspace", workspace)
    listed = workbench("redaction", "list", *at)["data"]["regions"]
    (drawn,) = [region for region in listed if region["source"] == "person"]
    workbench("redaction", "decide", drawn["region_id"][:8], "--as", "rejected", "--reason", "no plate", *at)
    workbench("redaction", "apply", *at)
    (row,) = _images(workspace).dropna(subset="parent_image_id").to_dict("records")
    image = Image.open(workspace / "data" / row["path"])
    assert _is_covered(image, SECRET)
    assert not _is_covered(image, OTHER)
    decisions = pd.read_parquet(workspace / "data" / "01_decisions" / "redaction.parquet")
    assert list(decisions[decisions["region_id"] == drawn["region_id"]]["state"]) == ["accepted", "rejected"]


def test_a_lost_table_of_decisions_is_refused_rather_than_uncovering(workspace: Path, workbench: Run) -> None:
    path = workspace / "data" / "01_decisions" / "redaction.parquet"
    kept = path.read_bytes()
    path.unlink()
    try:
        for line in (("intake",), ("intake", "--stage"), ("redaction", "status")):
            answer = workbench(*line, "--workspace", workspace, expect=1)
            assert answer["findings"][0]["code"] in {"workspace.input-missing", "dvc.failed"}
    finally:
        path.write_bytes(kept)
    assert _showing(workspace) == []
