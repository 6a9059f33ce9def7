"""Personal metadata: canaries in eleven places of four formats, and in the names; none may leave the sealed original."""

from __future__ import annotations

import base64
import importlib.util
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from workbench import tables
from workbench.labelling.tasks import plan_tasks

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Invoke = Callable[..., dict[str, Any]]

#: What a baseline or progressive JPEG needs to be shown, and nothing else: start, JFIF head, tables, frame, scan, end.
_NEEDED = {0xD8, 0xE0, 0xDB, 0xC0, 0xC2, 0xC4, 0xDD, 0xDA, 0xD9}


@pytest.fixture(scope="module")
def makers() -> ModuleType:
    """The module canary_images.py."""
    path = Path(__file__).with_name("canary_images.py")
    spec = importlib.util.spec_from_file_location("canary_images", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _forms(text: str) -> list[bytes]:
    """Return the forms in which a canary may hide: plain, wide, and in base64 at any of three offsets."""
    plain = text.encode()
    shifted = [base64.b64encode(b"x" * lead + plain)[4:-4] for lead in range(3)]
    return [plain, text.encode("utf-16-le"), text.encode("utf-16-be"), *shifted]


def _found(folder: Path, canaries: list[str]) -> dict[str, str]:
    """Return the canaries found in the files of a folder, names included, and where."""
    found = {}
    for path in folder.rglob("*"):
        data = str(path.relative_to(folder)).encode() + (path.read_bytes() if path.is_file() else b"")
        if b"Canary" in data or any(form in data for text in canaries for form in _forms(text)):
            found |= {text: str(path) for text in canaries if any(form in data for form in _forms(text))} or {
                "some canary": str(path)
            }
    return found


def _markers(jpeg: bytes) -> list[int]:
    """Return the markers of a JPEG up to its scan, and what follows the end of the picture as marker 0."""
    markers, at = [0xD8], 2
    while jpeg[at + 1] != 0xDA:
        markers.append(jpeg[at + 1])
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    end = jpeg.rindex(b"\xff\xd9")
    return [*markers, 0xDA, 0xD9, *([0] if end + 2 != len(jpeg) else [])]


@pytest.fixture(scope="module")
def delivered(makers: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with every canary at once, with all but a tail, and with one canary each."""
    folder = tmp_path_factory.mktemp("canaries") / "delivery"
    folder.mkdir()
    every = frozenset(makers.PLACES)
    seed = 0
    for kind in makers.FORMATS:
        sets = {"all": every, "but-tail": every - {"tail"}, **{place: frozenset({place}) for place in makers.PLACES}}
        for label, places in sets.items():
            seed += 1
            name = f"{makers.canary('name', kind)}-{label}.{kind}"
            (folder / name).write_bytes(makers.picture(kind, places, seed=seed))
    return folder


def test_the_canaries_are_in_the_originals(makers: ModuleType, delivered: Path) -> None:
    for kind in makers.FORMATS:
        for place in makers.PLACES:
            whole = next(delivered.glob(f"*-all.{kind}")).read_bytes()
            text = makers.canary(place, kind)
            # Profiles lie compressed in a PNG: that one is looked for in what a reader takes out of it.
            assert text.encode() in whole or _in_profile(whole, text), (place, kind)


def _in_profile(data: bytes, text: str) -> bool:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return text.encode() in image.info.get("icc_profile", b"")


def _walk(root: Path, invoke: Invoke, delivery: Path) -> None:
    """Take the delivery to a built release, with one label on each admitted photograph."""
    from workbench.cli.custody import delivered_names
    from workbench.cli.wiring import Workspace

    at = ("--workspace", root)
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("images: 12", "images: 0"))
    invoke("receive", delivery, "--partner", "lab", *at)
    invoke("intake", *at)
    images = pd.concat(pd.read_parquet(path) for path in (root / "data" / "01_intake").glob("*/images.parquet"))
    names = {image_id: name for name, image_id in delivered_names(Workspace.find(root)).items()}
    coco: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "pipe"}]}
    for number, row in enumerate(images.itertuples()):
        coco["images"].append(
            {"id": number, "file_name": names[row.image_id], "width": row.width_px, "height": row.height_px}
        )
        box = {"bbox": [20, 20, 60, 60], "area": 3600, "iscrowd": 0, "category_id": 1}
        coco["annotations"].append(box | {"id": number, "image_id": number})
    labels = root.parent / "labels.json"
    labels.write_text(json.dumps(coco))
    (root.parent / "classes.yaml").write_text("pipe: negative.plumbing_or_tube\n")
    classes = ("--classes", root.parent / "classes.yaml")
    invoke("labelling", "import", labels, "--format", "coco", *classes, *at)
    for command in ("adjudication", "curation"):
        invoke(command, *at)
    invoke("release", "build", "v1", *at)


def test_no_canary_leaves_the_sealed_original(
    makers: ModuleType, delivered: Path, empty: Path, workbench: Invoke, tmp_path: Path, record: Any
) -> None:
    import shutil

    root = tmp_path / "lab" / "workspace"
    shutil.copytree(empty, root, symlinks=True)
    _walk(root, workbench, delivered)
    canaries = [makers.canary(place, kind) for place in (*makers.PLACES, "name") for kind in makers.FORMATS]
    images = tables.read_all_rows(sorted((root / "data" / "01_intake").glob("*/images.parquet")), tables.IMAGES)
    held = tables.read_all_rows(sorted((root / "data" / "01_intake").glob("*/quarantine.parquet")), tables.QUARANTINE)
    assert len(images) + len(held) == len(list(delivered.iterdir()))
    # A tail may be refused as something that does not belong; a picture without one is admitted in each format.
    assert len(images) >= len(makers.FORMATS) * (len(makers.PLACES))
    assert _found(root / "data", canaries) == {}
    assert _found(root / "releases", canaries) == {}
    assert _found(root / ".dvc" / "cache", canaries) == {}
    plan = plan_tasks(images, (), data=root / "data", media_root=root / "data" / "01_intake")
    assert len(plan.new) == len(images)
    assert "Canary" not in json.dumps(plan.new)
    assert "Canary" not in "".join(sqlite3.connect(root / "custody" / "ledger.db").iterdump())
    for row in images:
        assert set(_markers((root / "data" / row["path"]).read_bytes())) <= _NEEDED
    released = list((root / "data" / "07_release").rglob("*.jpg"))
    assert len(released) >= len(images)
    # The harness must see one where it is: in the sealed list of names, unsealed; and in a copy that carries one.
    planted = root / "data" / images[0]["path"]
    planted.write_bytes(planted.read_bytes() + makers.canary("tail", "jpg").encode("utf-16-le"))
    assert _found(root / "data", canaries) == {makers.canary("tail", "jpg"): str(planted)}
    measured = (
        f"{len(canaries)} canaries ({len(makers.PLACES)} places and the name, {len(makers.FORMATS)} formats) in "
        f"{len(images) + len(held)} files: 0 in {len(images)} working copies, tasks, tables, ledger, DVC cache, release"
    )
    record(7, measured, "canaries, plain, UTF-16, base64")
