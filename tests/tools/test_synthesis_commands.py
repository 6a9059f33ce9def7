"""A CAD file becomes a sealed part of the catalogue, and renders are made of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
import yaml

from workbench.adapters import dvc
from workbench.adapters.cad import mesh_to_bytes
from workbench.synthesis.parts import bracket
from workbench.tables import POSES, read_rows

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a small workspace whose recipe renders two little images."""
    root = tmp_path / "workspace"
    root.mkdir()
    shutil.copy(ROOT / "dvc.yaml", root)
    shutil.copytree(ROOT / "label_configs", root / "label_configs")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["synthesis"] |= {"images": 2, "size_px": 64, "samples_per_pixel": 2}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    dvc.init(root)
    return root


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Return a bracket as an STL file in millimetres."""
    mesh = bracket()
    path = tmp_path / "Clip.stl"
    trimesh.Trimesh(mesh.vertices_m * 1000, mesh.faces, process=False).export(path)
    return path


def test_an_added_part_is_sealed_listed_and_rendered(
    workbench: Any, workspace: Path, clip: Path, tmp_path: Path
) -> None:
    add = ("synthesis", "add", clip, "--category", "negative.tool", "--unit", "mm", "--workspace", workspace)
    planned = workbench(*add, "--dry-run")
    assert planned["data"]["extent_mm"] == [50.0, 40.0, 40.0]
    assert not (workspace / "data").exists()
    assert not (workspace / "custody").exists()
    added = workbench(*add)
    assert added["data"]["part"] == "clip"
    assert added["data"]["watertight"] is True
    assert "already, as clip" in workbench(*add)["summary"]
    renamed = clip.with_name("other-name.stl")
    shutil.copy(clip, renamed)
    assert "already, as clip" in workbench(*add[:2], renamed, *add[3:])["summary"]
    catalogue = workspace / "data" / "00_catalogue" / "catalogue.json"
    parts = [row for row in json.loads(catalogue.read_text()) if row["part_id"] == "clip"]
    assert len(parts) == 1
    catalogue.write_text(json.dumps(parts))
    dry = ("synthesis", "--dry-run", "--workspace", workspace)
    assert workbench(*dry)["data"] == {"to_render": 2, "known": 0, "dry_run": True}
    rendered = workbench("synthesis", "--stage", "--workspace", workspace)
    assert rendered["data"]["rendered"] == 2
    assert workbench(*dry)["data"] == {"to_render": 0, "known": 2, "dry_run": True}
    poses = read_rows(workspace / "data" / "05_synthesis" / "poses.parquet", POSES)
    assert "clip" in {row["part_id"] for row in poses}
    sheet = tmp_path / "sheet.png"
    workbench("synthesis", "sheet", sheet, "--workspace", workspace)
    assert sheet.stat().st_size > 1000
    assert_no_geometry(workspace, bracket())
    leak = workspace / "data" / "05_synthesis" / "leak.bin"
    leak.write_bytes(mesh_to_bytes(bracket()))
    with pytest.raises(AssertionError):  # it would be seen
        assert_no_geometry(workspace, bracket())
    leak.unlink()
    gone = workbench("synthesis", "remove", "clip", "--reason", "wrong part", "--workspace", workspace)
    assert gone["data"]["renders"] == len({row["image_id"] for row in poses if row["part_id"] == "clip"})
    assert json.loads(catalogue.read_text()) == []


def assert_no_geometry(workspace: Path, mesh: Any) -> None:
    """Look for runs of the part's vertices, as text and in the usual binary forms, in everything outside custody."""
    files = [path for path in workspace.rglob("*") if path.is_file() and "custody" not in path.parts]
    assert any(path.name == "poses.parquet" for path in files)
    content = [path.read_bytes() for path in files]
    corners = mesh.vertices_m[mesh.faces[:40].ravel()]
    for scale in (1, 1000):
        for kind in ("<f4", "<f8"):
            # Two corners that follow one another: a lone number may come up anywhere.
            for pair in (corners * scale).astype(kind).reshape(-1, 2, 3)[::7]:
                if np.unique(pair).size > 3:
                    assert not any(pair.tobytes() in data for data in content)
    sealed = list((workspace / "custody" / "objects").rglob("*"))
    assert sum(path.is_file() for path in sealed) == 2  # the file as it came, and the mesh made of it
    assert not any(b"WBMESH" in path.read_bytes() for path in sealed if path.is_file())


def test_a_purged_part_is_gone_from_custody_and_may_come_back(workbench: Any, workspace: Path, clip: Path) -> None:
    add = ("synthesis", "add", clip, "--category", "negative.tool", "--unit", "mm", "--workspace", workspace)
    remove = ("synthesis", "remove", "clip", "--reason", "not ours to keep", "--workspace", workspace)
    workbench(*add)
    objects = workspace / "custody" / "objects"
    assert workbench(*remove, "--purge", "--dry-run")["data"]["dry_run"]
    assert [path for path in objects.rglob("*") if path.is_file()]
    assert "destroyed" in workbench(*remove, "--purge", "--yes")["summary"]
    assert not [path for path in objects.rglob("*") if path.is_file()]
    assert not list((workspace / "custody" / "keys" / "contributions").iterdir())
    assert workbench("fixity", "--workspace", workspace)["data"]["missing"] == 0
    unknown = workbench(*remove, expect=1)
    assert unknown["findings"][0]["code"] == "synthesis.part-unknown"
    workbench(*add)
    assert [path for path in objects.rglob("*") if path.is_file()]
    assert workbench("fixity", "--workspace", workspace)["data"]["total"] == 2


def test_an_assembly_is_added_whole_or_split_and_seen_turning(
    workbench: Any, workspace: Path, shared_data: Path, tmp_path: Path
) -> None:
    step = shared_data / "cad/stepcode/data/ap214e3/as1-oc-214.stp"
    add = ("synthesis", "add", step, "--category", "negative.tool", "--workspace", workspace)
    whole = workbench(*add, "--id", "assembly")
    assert len(whole["data"]["components"]) == 18
    assert {body["name"] for body in whole["data"]["components"]} == {"bolt", "nut", "plate", "rod", "l-bracket"}
    split = workbench(*add, "--split")
    assert len(split["data"]["parts"]) == 5
    assert workbench(*add, "--split")["summary"].startswith("as1-oc-214.stp is in the catalogue already")
    held = workbench(
        "synthesis", "remove", "assembly", "--reason", "x", "--purge", "--yes", "--workspace", workspace, expect=1
    )
    assert "bodies of the same file" in held["findings"][0]["message"]
    out = tmp_path / "turn.png"
    workbench("synthesis", "turntable", "assembly", out, "--size", "64", "--workspace", workspace)
    from PIL import Image

    with Image.open(out) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    # Its own colours: the green brackets are there to be seen.
    assert ((pixels[..., 1] > pixels[..., 0] + 40) & (pixels[..., 1] > pixels[..., 2] + 40)).mean() > 0.02


def test_keypoints_and_axis_of_a_file_are_kept(workbench: Any, workspace: Path, clip: Path, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text("name,x_mm,y_mm,z_mm\nhole,12,25,3\n")
    add = ("synthesis", "add", clip, "--category", "negative.tool", "--unit", "mm", "--workspace", workspace)
    workbench(*add, "--keypoints", points)
    rows = json.loads((workspace / "data" / "00_catalogue" / "catalogue.json").read_text())
    (row,) = (row for row in rows if row["part_id"] == "clip")
    assert row["keypoints"] == {"hole": [0.012, 0.025, 0.003]}
    assert row["diameter_m"] > 0.06
    clash = workbench(*add, expect=1)
    assert clash["findings"][0]["code"] == "synthesis.part-exists"
    assert "keypoints" in clash["findings"][0]["message"]
    assert workbench(*add, "--replace")["data"]["added"] == 1


def test_a_wrong_or_missing_unit_is_refused(workbench: Any, workspace: Path, clip: Path) -> None:
    add = ("synthesis", "add", clip, "--category", "negative.tool", "--workspace", workspace)
    wrong = workbench(*add, "--unit", "m", expect=1)
    assert wrong["findings"][0]["code"] == "synthesis.size-doubtful"
    assert "50 m across" in wrong["findings"][0]["message"]
    assert "--unit mm" in wrong["findings"][0]["remedy"]
    assert "needs --unit" in workbench(*add, expect=2)["findings"][0]["message"]
    assert not (workspace / "custody").exists()
