"""What labellers get: nothing that is unsearched, undecided or not yet covered, unless params.yaml says so."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench import tables
from workbench.adapters import dvc
from workbench.cli import labelling
from workbench.cli.redaction_covering import forget_uncovered, note_uncovered
from workbench.cli.wiring import Workspace
from workbench.domain.geometry import Box
from workbench.domain.redaction import Decision, Region, State
from workbench.layout import Layout
from workbench.redaction.decisions import append_decisions

ROOT = Path(__file__).resolve().parents[3]
Run = Callable[..., dict[str, Any]]
FACE = {"x_min": 10.0, "y_min": 10.0, "x_max": 50.0, "y_max": 60.0, "score": 0.9}


def _row(letter: str, **changes: Any) -> dict[str, Any]:
    row = dict.fromkeys(tables.IMAGES.names) | {"image_id": letter * 64, "file_sha256": letter.upper() * 64}
    row |= {"width_px": 200, "height_px": 100, "path": f"01_intake/c/images/{letter}.jpg", "origin": "real"}
    row |= {"licence": "CC0-1.0", "work_key": "k", "contribution_id": "c", "partner_id": "lab"}
    return row | changes


def _searched(row: dict[str, Any], *faces: dict[str, float]) -> dict[str, Any]:
    return {name: row[name] for name in ("image_id", "file_sha256", "work_key")} | {"faces": list(faces)}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Four photographs: clear, with a face found, not searched, with an accepted region that is not covered."""
    layout = Layout(tmp_path / "workspace")
    layout.root.mkdir()
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(ROOT / name, layout.root / name)
    shutil.copytree(ROOT / "label_configs", layout.label_configs)
    rows = [_row(letter) for letter in "abcd"]
    tables.write_table(layout.intake / "c" / "images.parquet", tables.IMAGES, rows)
    searched = [_searched(rows[0]), _searched(rows[1], FACE), _searched(rows[3])]
    tables.write_table(layout.redaction / "searched.parquet", tables.SEARCHED, searched)
    box = Box(x_min=0, y_min=0, x_max=20, y_max=20)
    region = Region(image_id="d" * 64, box=box, category="context.plate", source="person")
    accepted = Decision(region=region, state=State.ACCEPTED, decided_by="x", decided_at="2026-01-01T00:00:00+00:00")
    append_decisions(layout, [accepted])
    return layout


@pytest.fixture
def server(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("fake_labeller", ROOT / "tests" / "fakes" / "labeller.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    fake = module.FakeLabeller()
    monkeypatch.setattr(labelling, "connect", lambda _: (fake, layout.intake))
    return fake


def _shown(server: Any) -> list[str]:
    return sorted(task.sha256[0] for task in server.tasks(1)) if server.find_project("Parts and ammunition") else []


def test_unreviewed_photographs_are_left_out_counted_and_named(layout: Layout, server: Any, workbench: Run) -> None:
    answer = workbench("labelling", "push", "--workspace", layout.root)
    assert _shown(server) == ["a"]
    assert (answer["data"]["new"], answer["data"]["held"]) == (1, 3)
    assert "3 photographs are held back" in answer["summary"]
    codes = {finding["code"]: finding["subject"] for finding in answer["findings"]}
    assert set(codes) == {"redaction.unsearched", "redaction.unreviewed", "redaction.not-applied"}
    assert "b" * 12 in codes["redaction.unreviewed"]


@pytest.mark.parametrize(("policy", "findings"), [("warn", 3), ("allow", 0)])
def test_params_may_let_them_through_with_or_without_a_warning(
    layout: Layout, server: Any, workbench: Run, policy: str, findings: int
) -> None:
    text = layout.params.read_text(encoding="utf-8")
    layout.params.write_text(text.replace("unreviewed: block", f"unreviewed: {policy}"), encoding="utf-8")
    answer = workbench("labelling", "push", "--workspace", layout.root)
    assert _shown(server) == ["a", "b", "c", "d"]
    assert len(answer["findings"]) == findings


@pytest.mark.usefixtures("server")
def test_the_project_where_people_look_for_what_to_cover_sees_all(layout: Layout, workbench: Run) -> None:
    shutil.copytree(layout.label_configs / "parts", layout.label_configs / "redaction", dirs_exist_ok=True)
    answer = workbench("labelling", "push", "--project", "redaction", "--workspace", layout.root)
    assert (answer["data"]["new"], answer["data"]["held"]) == (4, 0)


def test_a_covered_photograph_keeps_its_task_and_answers_and_shows_the_covered_image(
    layout: Layout, server: Any, workbench: Run
) -> None:
    at = ("--workspace", layout.root)
    workbench("labelling", "push", *at)
    (task,) = server.tasks(1)
    server.answer(task.task_id, [], lead_time_s=1)
    child = _row("e", parent_image_id="a" * 64)
    tables.write_table(layout.intake / "c" / "images.parquet", tables.IMAGES, [child])
    tables.write_table(layout.redaction / "searched.parquet", tables.SEARCHED, [_searched(child)])
    box = Box(x_min=0, y_min=0, x_max=20, y_max=20)
    region = Region(image_id="a" * 64, box=box, category="context.plate", source="person")
    append_decisions(
        layout, [Decision(region=region, state=State.ACCEPTED, decided_by="x", decided_at="2026-01-02T00:00:00+00:00")]
    )
    edges = dict(zip(("x_min", "y_min", "x_max", "y_max"), map(float, box.xyxy), strict=True))
    lineage = {"image_id": "e" * 64, "parent_image_id": "a" * 64, "activity": "x/1", "parameter_digest": "d"}
    tables.write_table(layout.intake / "c" / "redactions.parquet", tables.REDACTIONS, [lineage | {"regions": [edges]}])
    assert workbench("labelling", "push", "--dry-run", *at)["data"]["moved"] == 1
    assert server.tasks(1)[0].image == task.image
    answer = workbench("labelling", "push", *at)
    assert (answer["data"]["new"], answer["data"]["kept"], answer["data"]["moved"]) == (0, 1, 1)
    (after,) = server.tasks(1)
    assert (after.sha256, after.answers) == ("a" * 64, 1)
    assert after.image.endswith("e.jpg")
    assert workbench("labelling", "push", *at)["data"]["moved"] == 0


def test_regions_are_listed_and_shown_on_a_page_before_they_are_decided(
    layout: Layout, workbench: Run, tmp_path: Path
) -> None:
    page = tmp_path / "pages" / "review.html"
    answer = workbench("redaction", "list", "--page", page, "--workspace", layout.root)
    states = {region["image_id"][0]: region["state"] for region in answer["data"]["regions"]}
    assert states == {"b": "proposed", "d": "accepted"}
    text = page.read_text(encoding="utf-8")
    assert text.count("<section>") == 2
    assert "../workspace/data/01_intake/c/images/b.jpg" in text
    assert not list(page.parent.glob("*.part"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("decide", "r-nothing", "--as", "accepted"), "redaction.unknown-region"),
        (("decide", "r-", "--as", "accepted"), "redaction.unknown-region"),
        (("add", "a" * 9, "--box", "0,0,500,10"), "redaction.outside-image"),
        (("add", "a" * 9, "--box", "5,5,5,5"), "redaction.outside-image"),
        (("add", "a" * 9, "--box", "1,1,9,9", "--category", "context.ghost"), "taxonomy.unknown-code"),
    ],
)
def test_what_cannot_be_decided_about_is_refused(
    layout: Layout, workbench: Run, arguments: tuple[str, ...], code: str
) -> None:
    before = (layout.redaction_decisions / "redaction.parquet").read_bytes()
    answer = workbench("redaction", *arguments, "--workspace", layout.root, expect=1)
    assert answer["findings"][0]["code"] == code
    assert (layout.redaction_decisions / "redaction.parquet").read_bytes() == before


@pytest.mark.parametrize(
    "arguments", [("zz", "--box", "0,0,5,5"), ("aa", "--box", "1,2,3"), ("aa", "--box", "9,9,1,1")]
)
def test_what_is_no_photograph_or_no_box_is_wrong_usage(
    layout: Layout, workbench: Run, arguments: tuple[str, ...]
) -> None:
    workbench("redaction", "add", *arguments, "--workspace", layout.root, expect=2)


def test_a_dry_run_decides_nothing(layout: Layout, workbench: Run) -> None:
    before = (layout.redaction_decisions / "redaction.parquet").read_bytes()
    at = ("--workspace", layout.root)
    assert workbench("redaction", "decide", "all", "--as", "rejected", "--dry-run", *at)["data"]["decided"] == 1
    workbench("redaction", "add", "aaaa", "--box", "0,0,9,9", "--dry-run", *at)
    assert workbench("redaction", "propose", "--dry-run", *at)["data"]["proposed"] == 1
    assert (layout.redaction_decisions / "redaction.parquet").read_bytes() == before


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The MD5 sums that DVC's cache is asked to forget; the cache itself has its test in tests/pipeline."""
    asked: list[str] = []
    monkeypatch.setattr(dvc, "forget", lambda _, md5s: asked.extend(md5s))
    monkeypatch.setattr(dvc, "remotes", lambda _: ["offsite"])
    return asked


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _files(layout: Layout) -> dict[str, Path]:
    """Write the working copy of the photograph that waits, an augmented copy of it, one of another, and a render on it."""
    copies = [_row("x", parent_image_id="d" * 64, path="06_augmentation/images/x.jpg")]
    copies.append(_row("y", parent_image_id="a" * 64, path="06_augmentation/images/y.jpg"))
    tables.write_table(layout.augmentation / "images.parquet", tables.IMAGES, copies)
    render = _row("z", parent_image_id="d" * 64, path="06_composition/images/z.jpg")
    tables.write_table(layout.composition / "images.parquet", tables.IMAGES, [render])
    paths = {"d": "01_intake/c/images/d.jpg"} | {row["image_id"][0]: row["path"] for row in [*copies, render]}
    files = {letter: layout.data / path for letter, path in paths.items()}
    for letter, file in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(letter.encode())
    return files


def test_what_showed_the_region_is_removed_though_another_command_covered_it(
    layout: Layout, forgotten: list[str]
) -> None:
    workspace, files = Workspace.find(layout.root, quiet=True), _files(layout)
    note_uncovered(
        workspace
    )  # as the stage does before it covers; then it is cut short, or somebody else's command ran it
    rows = [_row(letter) for letter in "abc"] + [_row("e", parent_image_id="d" * 64)]
    tables.write_table(layout.intake / "c" / "images.parquet", tables.IMAGES, rows)
    findings = forget_uncovered(workspace)
    assert {letter: file.exists() for letter, file in files.items()} == {
        "d": False,
        "x": False,
        "y": True,
        "z": False,
    }
    assert sorted(forgotten) == sorted(map(_md5, "dxz"))
    assert [(finding.code, finding.subject) for finding in findings] == [
        ("redaction.kept-elsewhere", "DVC remote offsite")
    ]
    assert forget_uncovered(workspace) == []


def test_a_decision_taken_back_before_it_was_applied_removes_nothing(layout: Layout, forgotten: list[str]) -> None:
    workspace, files = Workspace.find(layout.root, quiet=True), _files(layout)
    note_uncovered(workspace)
    forget_uncovered(workspace)  # the photograph still stands in data/01_intake as it was
    assert files["d"].exists()
    assert _md5("d") not in forgotten


def test_a_release_that_shows_it_is_named_and_keeps_its_files(layout: Layout, forgotten: list[str]) -> None:
    workspace, files = Workspace.find(layout.root, quiet=True), _files(layout)
    splits = layout.records / "v1" / "splits.csv"
    splits.parent.mkdir(parents=True)
    splits.write_text(f"image_id,group_id,split\n{'d' * 64},g-1,train\n", encoding="utf-8")
    note_uncovered(workspace)
    (finding,) = forget_uncovered(workspace)
    assert (finding.code, finding.subject) == ("redaction.released", "release v1")
    assert all(file.exists() for file in files.values())
    assert forgotten == []
