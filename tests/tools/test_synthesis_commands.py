"""A CAD file becomes a sealed part of the catalogue, and renders are made of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trimesh
import yaml
from typer.testing import CliRunner

from workbench.adapters import dvc
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


def test_an_added_part_is_sealed_listed_and_rendered(workbench: Any, workspace: Path, tmp_path: Path) -> None:
    mesh = bracket()
    path = tmp_path / "Clip.stl"
    trimesh.Trimesh(mesh.vertices_m * 1000, mesh.faces, process=False).export(path)
    add = ("synthesis", "add", path, "--category", "negative.tool", "--unit", "mm", "--workspace", workspace)
    planned = workbench(*add, "--dry-run")
    assert planned["data"]["extent_mm"] == [50.0, 40.0, 40.0]
    assert not (workspace / "data").exists()
    assert workbench(*add)["data"]["part"] == "clip"
    assert "already" in workbench(*add)["summary"]
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


def test_a_wrong_unit_is_refused_with_the_size_it_would_have(workspace: Path, tmp_path: Path) -> None:
    from workbench.cli.main import app

    mesh = bracket()
    path = tmp_path / "clip.stl"
    trimesh.Trimesh(mesh.vertices_m * 1000, mesh.faces, process=False).export(path)
    add = ["synthesis", "add", str(path), "--category", "negative.tool", "--unit", "m", "--workspace", str(workspace)]
    result = CliRunner().invoke(app, add)
    assert result.exit_code == 1
    assert "50 m across" in result.stderr
    assert not (workspace / "custody").exists()
