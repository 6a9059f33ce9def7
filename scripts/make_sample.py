"""Make the sample delivery: rendered photographs of benign parts as a partner would hand them in, and their truth.

Writes samples/delivery (photographs with fictional EXIF, two files that are no photographs, a seizure table) and
samples/truth.json (what each photograph shows, for the demo's openly simulated labellers). Run it from anywhere:
``python scripts/make_sample.py``. The same engine on the same kind of CPU gives the same bytes.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from workbench.adapters.cad import resting_poses
from workbench.adapters.masks import mask_box, mask_rings
from workbench.adapters.mitsuba import MitsubaRenderer
from workbench.domain.scene import Card, PlacedPart, Scene, Table
from workbench.ports import Rendering
from workbench.synthesis.catalogue import builtin_parts
from workbench.synthesis.scene import (
    RestingPart,
    as_pose,
    evidence_tag,
    footprint,
    look_at,
    sample_camera,
    sample_lights,
    sample_material,
    scale_bar,
    turned_pose,
)
from workbench.synthesis.surfaces import TABLES, textures_of

_ROOT = Path(__file__).resolve().parents[1] / "samples"
_LARGEST_BYTES = 70_000
_SAMPLES_PER_PIXEL = 16
#: Pixels an object must show to be labelled; fewer is a sliver at the frame's edge.
_LEAST_PX = 60

#: Each seizure: its table, its photographs' names, and its items as (item id, part, material, x, y, turn) in metres, degrees.
_SEIZURES: dict[str, tuple[str, tuple[str, ...], tuple[tuple[str, str, str, float, float, float], ...]]] = {
    "SZ-2031": ("wood", ("IMG_2031_1.jpg", "IMG_2031_2.jpg", "IMG_2031_3.jpg"), (
        ("A-1", "gear", "pla", -0.045, 0.02, 15), ("A-2", "hex-bolt", "steel", 0.03, 0.045, 60),
        ("A-3", "tube", "copper", 0.055, -0.02, 20), ("A-4", "washer", "brass", -0.005, -0.045, 0))),
    "SZ-2044": ("paper", ("IMG_2044_1.jpg", "IMG_2044_2.jpg", "IMG_2044_3.jpg"), (
        ("B-1", "spanner", "brushed_steel", 0.0, 0.045, 20), ("B-2", "spool", "pla", -0.045, -0.035, 0),
        ("B-3", "pipe-elbow", "brass", 0.04, -0.02, 200))),
    "SZ-2052": ("cloth", ("DSC00417.jpg", "DSC00418.jpg"), (
        ("C-1", "open-box", "pla", -0.04, 0.03, 30), ("C-2", "toy-brick", "gloss", 0.04, 0.035, 75),
        ("C-3", "hex-bolt", "black_oxide", 0.02, -0.04, 10), ("C-4", "washer", "steel", -0.035, -0.04, 0))),
    "SZ-2060": ("mat", ("photo-0007.jpg", "photo-0008.jpg", "photo-0009.jpg"), (
        ("D-1", "bracket", "brushed_steel", -0.04, 0.015, 50), ("D-2", "tube", "brass", 0.045, 0.03, 80),
        ("D-3", "gear", "pla", 0.03, -0.045, 0))),
    "SZ-2071": ("cardboard", ("evidence_a.jpg", "evidence_b.jpg", "evidence_c.jpg"), (
        ("E-1", "spool", "polymer", -0.055, 0.028, 0), ("E-2", "pipe-elbow", "copper", 0.05, 0.04, 120),
        ("E-3", "spanner", "steel", 0.015, -0.035, 160), ("E-4", "toy-brick", "gloss", 0.0, 0.06, 20))),
}  # fmt: skip

#: EXIF orientation (CIPA DC-008, tag 0x0112) of the photographs that are stored turned.
_ORIENTATION = {"IMG_2044_2.jpg": 6, "photo-0008.jpg": 3}
_PORTRAIT = {"IMG_2044_2.jpg"}

_FACETS = {
    "pla": {"production_method_visible": "additive_layers_visible", "material": "polymer"},
    "polymer": {"production_method_visible": "industrial", "material": "polymer"},
    "gloss": {"production_method_visible": "industrial", "material": "polymer"},
    "steel": {"production_method_visible": "industrial", "material": "metal_ferrous"},
    "brushed_steel": {"production_method_visible": "machined", "material": "metal_ferrous"},
    "black_oxide": {"production_method_visible": "industrial", "material": "metal_ferrous"},
    "brass": {"production_method_visible": "industrial", "material": "metal_brass_or_copper"},
    "copper": {"production_method_visible": "industrial", "material": "metal_brass_or_copper"},
}


#: What the sample's partner tells of each seizure: date and country. Nothing was seized: the event type says `staged`.
_TOLD = {
    "SZ-2031": ("2026-02-11", "FR"),
    "SZ-2044": ("2026-03", "SN"),
    "SZ-2052": ("2026-03-27", "PT"),
    "SZ-2060": ("2026", "UA"),
    "SZ-2071": ("2026-05-04", "MX"),
}


def main() -> None:
    """Render the delivery and write the truth beside it."""
    delivery = _ROOT / "delivery"
    delivery.mkdir(parents=True, exist_ok=True)
    parts = {part.part_id: part for part in builtin_parts(resting_poses)}
    renderer = MitsubaRenderer(samples_per_pixel=_SAMPLES_PER_PIXEL)
    truth: dict[str, object] = {}
    rows = ["path,seizure_id,item_id,view,event_type,date,country"]
    for number, (seizure, (kind, names, items)) in enumerate(_SEIZURES.items()):
        for view, name in enumerate(names):
            scene = _scene(number, view, kind, items, parts, portrait=name in _PORTRAIT)
            shot = renderer.render(scene, meshes={k: p.mesh for k, p in parts.items()}, textures=textures_of(scene))
            _write_photograph(delivery / name, shot.image_hwc, seizure=number, view=view)
            truth[name] = _truth(scene, shot)
            close = view == len(names) - 1 and len(names) > 2  # noqa: PLR2004 -- the last of three shows one item
            rows.append(_row(name, seizure, items[0][0] if close else ""))
            print(name, (delivery / name).stat().st_size, "bytes")
    rows += _write_trouble(delivery, truth)
    (delivery / "seizures.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (_ROOT / "truth.json").write_text(json.dumps(truth, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _scene(
    number: int,
    view: int,
    kind: str,
    items: tuple[tuple[str, str, str, float, float, float], ...],
    parts: dict[str, RestingPart],
    *,
    portrait: bool,
) -> Scene:
    """Return one view of a seizure: the same table, lamps and objects; another camera; the last shows one item close."""
    rng = np.random.default_rng([2026, number])
    lights = sample_lights(rng)
    placed = tuple(_placed(item, parts[item[1]], rng) for item in items)
    outlines = [footprint(parts[p.part_id].mesh.vertices_m, np.reshape(p.pose, (4, 4))) for p in placed]
    if any(a.intersects(b) for a, b in combinations(outlines, 2)):
        raise SystemExit(f"items of seizure {number} overlap on the table: move one")
    tag = evidence_tag(items[0][0][0] + f"-{17 + 6 * number}", as_pose(turned_pose(-0.03, -0.088, 0.06, 0.0006)))
    bar = scale_bar(as_pose(turned_pose(0.04, -0.085, -0.03, 0.0006)))
    size_px = (600, 800) if portrait else (800, 600)
    view_rng = np.random.default_rng([2026, number, view])
    camera = sample_camera(view_rng, size_px=size_px, reach_m=0.1)
    elevation, azimuth = np.radians(view_rng.uniform(50, 78)), np.radians(view_rng.uniform(-125, -55))
    target, distance = np.array([0.0, -0.015, 0.0]), 0.33 if portrait else 0.31
    if view == 2:  # noqa: PLR2004 -- the third photograph is a close-up of the first item
        target, distance = np.array([items[0][3], items[0][4], 0.005]), 0.17
    eye = target + distance * np.array(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    )
    pose = look_at(eye, target, roll=float(view_rng.normal(0, 0.05)))
    return Scene(
        recipe="sample-delivery",
        seed=100 * number + view,
        room_seed=number,
        room_strength=0.35,
        parts=placed,
        cards=(bar, tag),
        camera=replace(camera, focal_px=1.05 * 800, pose=pose),
        lights=lights,
        table=Table(kind=kind, seed=number, tile_m=0.45, roughness=TABLES[kind]),
    )


def _placed(item: tuple[str, str, str, float, float, float], part: RestingPart, rng: np.random.Generator) -> PlacedPart:
    _, part_id, material, x, y, turn = item
    # A tube is shown lying: its axis, the pose's third column, has no upward component.
    lying = [pose for pose in part.resting if abs(pose[10]) < 0.1] if part_id == "tube" else []  # noqa: PLR2004
    rest = np.reshape((lying or part.resting)[0], (4, 4))
    middle = footprint(part.mesh.vertices_m, rest).centroid
    pose = turned_pose(x, y, np.radians(turn)) @ turned_pose(-middle.x, -middle.y, 0.0) @ rest
    return PlacedPart(
        part_id=part_id,
        mesh_sha256=part.mesh_sha256,
        category=part.category,
        material=sample_material(material, rng),
        pose=as_pose(pose),
    )


def _truth(scene: Scene, shot: Rendering) -> dict[str, object]:
    """Return what a photograph shows, in pixels of its upright form."""
    instances = []
    for index, thing in enumerate(scene.instances):
        mask = shot.instance_hw == index
        box = mask_box(mask)
        if box is None or mask.sum() < _LEAST_PX:
            continue
        is_card = isinstance(thing, Card)
        instances.append(
            {
                "category": thing.category,
                "box": list(box.xyxy),
                "rings": [list(ring) for ring in mask_rings(mask)[:1]],
                "facets": {}
                if isinstance(thing, Card)
                else {**_FACETS[thing.material.name], "completeness": "finished"},
                "transcription": thing.text if is_card and thing.kind == "evidence_tag" else None,
            }
        )
    return {"width_px": scene.camera.width_px, "height_px": scene.camera.height_px, "instances": instances}


def _exif(seizure: int, view: int, orientation: int) -> Image.Exif:
    """Return what a phone writes; maker, model and person are fictional, the place is open sea."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Fictograph", f"FG-{seizure % 3 + 1}"
    exif[0x0112] = orientation
    exif[0x013B] = "Officer Sample"
    moment = f"2024:0{seizure + 3}:1{seizure} 09:1{view}:2{view}"
    exif[0x0132] = moment
    exif.get_ifd(0x8769).update(
        {0x9003: moment, 0x829A: IFDRational(1, 60), 0x8827: 200, 0xA431: f"SN-{7000 + seizure}"}
    )
    degrees = (IFDRational(31, 1), IFDRational(10 + seizure, 1), IFDRational(1250 + 100 * view, 100))
    west = (IFDRational(40, 1), IFDRational(20 + seizure, 1), IFDRational(3075, 100))
    exif.get_ifd(0x8825).update({1: "N", 2: degrees, 3: "W", 4: west})
    return exif


def _write_photograph(path: Path, upright_hwc: NDArray[np.uint8], *, seizure: int, view: int) -> None:
    """Write a photograph as the sensor stored it: turned, with its orientation in EXIF, and small enough."""
    orientation = _ORIENTATION.get(path.name, 1)
    # Orientation 6 is shown turned 90 degrees clockwise, so it is stored turned the other way; 3 is half a turn.
    stored = np.rot90(upright_hwc, {1: 0, 6: 1, 3: 2}[orientation])
    path.write_bytes(_jpeg(Image.fromarray(np.ascontiguousarray(stored)), _exif(seizure, view, orientation)))


def _jpeg(image: Image.Image, exif: Image.Exif) -> bytes:
    """Return the best JPEG within the size a sample may have."""
    for quality in range(92, 40, -3):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, optimize=True, exif=exif)
        if buffer.tell() <= _LARGEST_BYTES:
            break
    return buffer.getvalue()


def _write_trouble(delivery: Path, truth: dict[str, object]) -> list[str]:
    """Write a near-duplicate, a cut-off photograph and a text file named as a photograph; return their table rows."""
    with Image.open(delivery / "IMG_2031_1.jpg") as original:
        brighter = Image.fromarray(np.clip(np.asarray(original, np.int16) + 6, 0, 255).astype(np.uint8))
    (delivery / "IMG_2031_1_forwarded.jpg").write_bytes(_jpeg(brighter, Image.Exif()))
    truth["IMG_2031_1_forwarded.jpg"] = truth["IMG_2031_1.jpg"]
    whole = (delivery / "DSC00418.jpg").read_bytes()
    (delivery / "DSC00419.jpg").write_bytes(whole[: len(whole) // 3])
    (delivery / "notes.jpg").write_text(
        "Photographs taken on the evidence table, see seizures.csv.\n", encoding="utf-8"
    )
    told = {"IMG_2031_1_forwarded.jpg": "SZ-2031", "DSC00419.jpg": "SZ-2052", "notes.jpg": "SZ-2052"}
    return [_row(name, seizure, "") for name, seizure in told.items()]


def _row(name: str, seizure: str, item: str) -> str:
    """Return a line of the seizure table; what one line says of a seizure holds for all of it."""
    return ",".join([name, seizure, item, "detail" if item else "overall", "staged", *_TOLD[seizure]])


if __name__ == "__main__":
    main()
