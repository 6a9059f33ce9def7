"""A release whose renders are made anew: `release reproduce` renders, and every byte is the same."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.adapters import dvc, git
from workbench.layout import Layout
from workbench.synthesis.catalogue import ensure_builtin_catalogue
from workbench.synthesis.stage import ACTIVITY

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parents[2]
_PIPELINE = """stages:
  synthesis:
    cmd: workbench synthesis --stage
    deps: [data/00_catalogue]
    params: [synthesis]
    outs:
      - data/05_synthesis: {persist: true}
  release:
    cmd: workbench release assemble
    deps: [data/03_adjudication, data/04_curation, data/05_synthesis, data/06_augmentation]
    params: [release]
    outs: [data/07_release]
"""
_PARAMS = f"""synthesis:
  activity: {ACTIVITY}
  recipe: evidence-table
  images: 1
  seed: 3
  size_px: 48
  samples_per_pixel: 1
release: {{activity: release/2, title: Drawn sample, purpose: tests}}
"""


def _drawn(root: Path) -> Layout:
    path = ROOT / "tests" / "unit" / "release" / "conftest.py"
    spec = importlib.util.spec_from_file_location("drawn_rerendered", path)
    assert spec is not None
    assert spec.loader is not None
    drawn = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawn)
    layout: Layout = drawn._make(root)
    return layout


def test_renders_that_are_gone_are_rendered_again_byte_for_byte(
    tmp_path: Path, workbench: Callable[..., dict[str, Any]]
) -> None:
    layout = _drawn(tmp_path / "workspace")
    shutil.rmtree(layout.synthesis)
    ensure_builtin_catalogue(layout)
    (layout.root / "dvc.yaml").write_text(_PIPELINE)
    layout.params.write_text(_PARAMS)
    (layout.root / ".gitignore").write_text("/custody/\n/.workbench/\n")
    git.init(layout.root)
    dvc.init(layout.root)
    inputs = (
        layout.catalogue,
        layout.deliveries,
        layout.intake,
        layout.adjudication,
        layout.curation,
        layout.augmentation,
    )
    dvc.add(layout.root, [folder for folder in inputs if folder.is_dir()])
    git.commit(layout.root, [layout.root / name for name in (".gitignore", ".dvc/config", ".dvc/.gitignore")], "Start")
    workbench("release", "build", "v1", "--workspace", layout.root)
    pictures = [path.name for path in (layout.release / "images").rglob("*.jpg")]
    rendered = [path for path in (layout.synthesis / "images").rglob("*.jpg") if path.name in pictures]
    assert len(rendered) == 1
    # the render is deleted wherever it lies, in DVC's cache too: only rendering can bring it back
    gone = rendered[0].read_bytes()
    for path in layout.root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size == len(gone) and path.read_bytes() == gone:
            path.unlink()
    planned = workbench("release", "reproduce", "v1", "--dry-run", "--workspace", layout.root)
    assert planned["data"]["remade"] == ["synthesis", "release"]
    answer = workbench("release", "reproduce", "v1", "--workspace", layout.root)
    assert answer["data"]["reproduced"] is True, answer
    assert answer["data"]["stored"] == {}
