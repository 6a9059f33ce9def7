from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from workbench import tables
from workbench.domain.annotation import Instance, Shape
from workbench.domain.findings import Refused
from workbench.domain.geometry import Box
from workbench.domain.taxonomy import Taxonomy
from workbench.labelling import predictions, pseudonyms, snapshot
from workbench.labelling.exchange import results_from_instances
from workbench.labelling.label_config import LabelConfig, read_label_config
from workbench.labelling.tasks import plan_tasks

CONFIGS = Path(__file__).resolve().parents[3] / "label_configs"
ROOT = Path("/workspace/data")


@pytest.fixture(scope="module")
def config() -> LabelConfig:
    taxonomy = Taxonomy.from_mapping(yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8")))
    return read_label_config(CONFIGS / "parts", taxonomy)


def _row(letter: str, **changes: Any) -> dict[str, Any]:
    row = dict.fromkeys(tables.IMAGES.names) | {"image_id": letter * 64, "width_px": 200, "height_px": 100}
    path = f"01_intake/c 1/images/{letter * 2}/{letter * 64}.jpg"
    return row | {"path": path, "contribution_id": "c 1", "partner_id": "p"} | changes


def _box(letter: str = "a", name: str = "part.barrel") -> Instance:
    box = Box(x_min=1, y_min=2, x_max=31.123457, y_max=42)
    return Instance(instance_id=f"box-{letter}", image_id=letter * 64, category=name, shape=Shape.BOX, box=box)


def test_the_fake_server_keeps_the_contract(fakes: ModuleType, tmp_path: Path) -> None:
    server = fakes.FakeLabeller()
    fakes.check_contract(server, tmp_path, server.acting_as)


def test_pushing_twice_gives_each_photograph_one_task(fakes: ModuleType) -> None:
    server = fakes.FakeLabeller()
    project = server.ensure_project("T", label_config="", instructions="", overlap=2)
    rows = [_row("a"), _row("b"), _row("b", contribution_id="c2"), _row("c", excluded="near-duplicate")]
    for expected in (2, 0):
        plan = plan_tasks(rows, server.tasks(project), data=ROOT, media_root=ROOT)
        assert (len(plan.new), plan.kept) == (expected, 2 - expected)
        server.import_tasks(project, plan.new)
    assert sorted(task.sha256[0] for task in server.tasks(project)) == ["a", "b"]


def test_a_photograph_sent_back_gets_one_more_task_each_time_and_no_pre_annotation_in_it(fakes: ModuleType) -> None:
    server = fakes.FakeLabeller()
    project = server.ensure_project("T", label_config="", instructions="", overlap=2)
    ready = {"a" * 64: {"model_version": "m", "result": []}}
    for times, expected in ((0, 2), (1, 1), (1, 0), (3, 2)):
        plan = plan_tasks(
            [_row("a"), _row("b")],
            server.tasks(project),
            data=ROOT,
            media_root=ROOT,
            predictions=ready,
            sent_back={"a" * 64: times} if times else {},
        )
        assert len(plan.new) == expected
        assert [task for task in plan.new if times and "predictions" in task] == []
        server.import_tasks(project, plan.new)
    assert sorted(task.sha256[0] for task in server.tasks(project)) == ["a", "a", "a", "a", "b"]
    never = plan_tasks([_row("a")], [], data=ROOT, media_root=ROOT, predictions=ready, sent_back={"a" * 64: 1})
    assert ["predictions" in task for task in never.new] == [True, False]


def test_a_task_points_below_the_media_root_and_says_no_more_than_needed() -> None:
    plan = plan_tasks([_row("a")], [], data=ROOT, media_root=ROOT)
    assert plan.new[0]["data"] == {
        "image": f"/data/local-files/?d=01_intake/c%201/images/aa/{'a' * 64}.jpg",
        "sha256": "a" * 64,
        "contribution": "c 1",
        "partner": "p",
    }
    assert plan.media == ("01_intake",)


def test_a_file_outside_the_media_root_is_refused() -> None:
    with pytest.raises(Refused, match="labelling.outside-media"):
        plan_tasks([_row("a")], [], data=ROOT, media_root=Path("/elsewhere"))


def test_suggestions_reach_tasks_old_and_new_but_only_once(fakes: ModuleType, config: LabelConfig) -> None:
    rows = [("imported-1", tables.instance_row(_box(letter))) for letter in "ab"]
    images = {row["image_id"]: row for row in (_row("a"), _row("b"))}
    shown, notes = predictions.plan_predictions(rows, config=config, images=images)
    assert notes == []
    server = fakes.FakeLabeller()
    project = server.ensure_project("T", label_config="", instructions="", overlap=2)
    server.import_tasks(project, plan_tasks([_row("a")], [], data=ROOT, media_root=ROOT).new)
    for _ in range(2):
        plan = plan_tasks(images.values(), server.tasks(project), data=ROOT, media_root=ROOT, predictions=shown)
        server.import_tasks(project, plan.new)
        server.import_predictions(project, plan.predictions)
    assert [task.predictions for task in server.tasks(project)] == [1, 1]


@pytest.fixture
def answered(fakes: ModuleType, config: LabelConfig) -> Callable[..., list[dict[str, Any]]]:
    def answer(*results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        server = fakes.FakeLabeller()
        project = server.ensure_project("T", label_config=config.xml, instructions="", overlap=2)
        server.import_tasks(project, plan_tasks([_row("a")], [], data=ROOT, media_root=ROOT).new)
        for number, result in enumerate(results):
            server.acting_as(f"person{number}@example.org").answer(1, result, lead_time_s=1.5)
        exported: list[dict[str, Any]] = server.export(project)
        return exported

    return answer


def _read(exported: list[dict[str, Any]], config: LabelConfig, *rows: dict[str, Any]) -> snapshot.Snapshot:
    images = {row["image_id"]: row for row in rows or (_row("a"),)}
    return snapshot.read_answers(
        exported, images=images, config=config, pseudonym=lambda email: pseudonyms.pseudonym(b"key", email)
    )


def test_an_unknown_label_keeps_one_answer_out_and_loses_nothing_else(
    answered: Callable[..., list[dict[str, Any]]], config: LabelConfig
) -> None:
    good, _ = results_from_instances([_box()], config=config, size_wh=(200, 100))
    bad = [{**good[0], "value": {**good[0]["value"], "rectanglelabels": ["part.wing"]}}]
    frozen = _read(answered(good, bad), config)
    assert [annotation.pass_ for annotation in frozen.annotations] == ["blind1"]
    (instance,) = frozen.instances
    assert instance.box == _box().box
    (finding,) = frozen.findings
    assert finding.code == "labelling.unknown-label"
    assert finding.subject.startswith("task 1 of project parts")
    assert "part.wing" in finding.message


def test_the_same_answers_freeze_to_the_same_bytes_without_names(
    answered: Callable[..., list[dict[str, Any]]], config: LabelConfig, tmp_path: Path
) -> None:
    good, _ = results_from_instances([_box()], config=config, size_wh=(200, 100))
    exported = answered(good, good, [])
    hashes = [
        snapshot.write_snapshot(tmp_path / name, _read(order, config), taxonomy_version="1")
        for name, order in (("one", exported), ("two", list(reversed(exported))))
    ]
    assert hashes[0] == hashes[1]
    assert set(hashes[0]) == {"annotations.parquet", "instances.parquet", "tags.parquet", "export.json"}
    assert not any(b"example.org" in path.read_bytes() for path in tmp_path.rglob("*.*"))
    rows = tables.read_rows(tmp_path / "one" / "annotations.parquet", tables.ANNOTATIONS)
    assert sorted(row["pass_"] for row in rows) == ["blind1", "blind2", "review"]


def test_a_task_about_an_unknown_photograph_is_a_warning(
    answered: Callable[..., list[dict[str, Any]]], config: LabelConfig
) -> None:
    frozen = _read(answered([]), config, _row("z"))
    assert frozen.annotations == ()
    assert [(f.code, f.severity) for f in frozen.findings] == [("labelling.unknown-photograph", "warning")]


def test_a_skipped_task_is_no_answer(answered: Callable[..., list[dict[str, Any]]], config: LabelConfig) -> None:
    exported = answered([])
    exported[0]["annotations"][0]["was_cancelled"] = True
    assert _read(exported, config).annotations == ()


def test_the_key_of_pseudonyms_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "custody" / "annotators.key"
    key = pseudonyms.read_or_make_key(path)
    assert pseudonyms.read_or_make_key(path) == key
    assert path.stat().st_mode & 0o077 == 0
    assert [file.name for file in path.parent.iterdir()] == ["annotators.key"]
