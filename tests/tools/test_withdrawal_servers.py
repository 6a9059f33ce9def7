"""Withdrawal from the real Label Studio and a real FiftyOne database; what is away is done when it is back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.adapters.fiftyone import show_dataset
from workbench.adapters.label_studio import LabelStudioServer
from workbench.cli.label_studio import connect
from workbench.cli.wiring import Workspace
from workbench.cli.withdrawal import complete_pending
from workbench.labelling.label_config import read_label_config
from workbench.tables import IMAGES, read_rows

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def labelled(
    label_studio: Any, mongod: str, workbench: Run, draw_photograph: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Two contributions with tasks, answers, a snapshot and FiftyOne samples; one is withdrawn while servers are away."""
    root: Path = label_studio.layout.root
    at = ("--workspace", root)
    ids = {}
    for partner, seeds in (("leaves", (70, 71)), ("remains", (72,))):
        delivery = tmp_path_factory.mktemp("partner") / "delivery"
        for seed in seeds:
            draw_photograph(delivery / f"{seed}.jpg", seed=seed, size_wh=(640, 480))
        workbench("partner", "add", partner, "--name", partner, "--licence", "CC0-1.0", *at)
        ids[partner] = workbench("receive", delivery, "--partner", partner, *at)["data"]["contribution_id"]
    workbench("intake", *at)
    workbench("labelling", "push", *at)
    server, project_id = _server(root)
    images = {partner: _rows(root, cid) for partner, cid in ids.items()}
    known = {row["image_id"] for rows in images.values() for row in rows}
    config = read_label_config(root / "label_configs" / "parts", Workspace.find(root).taxonomy)
    assert server.find_project(config.title) == project_id
    for task in server.tasks(project_id):
        if task.sha256 in known:
            server.answer(task.task_id, [], lead_time_s=1)
    workbench("labelling", "pull", *at)
    rows = [row for listed in images.values() for row in listed]
    pairs = [{"image_id": rows[0]["image_id"], "other_image_id": rows[-1]["image_id"]}]
    show_dataset(
        name="withdrawal", media_root=root / "data", images=rows, instances=[], duplicates=pairs, mongo_uri=mongod
    )
    return {"root": root, "ids": ids, "images": images, "mongod": mongod}


def _server(root: Path) -> tuple[LabelStudioServer, int]:
    workspace = Workspace.find(root)
    server, _ = connect(workspace)
    config = read_label_config(root / "label_configs" / "parts", workspace.taxonomy)
    project_id = server.find_project(config.title)
    assert project_id is not None
    return server, project_id


def _rows(root: Path, cid: str) -> list[dict[str, Any]]:
    return read_rows(root / "data" / "01_intake" / cid / "images.parquet", IMAGES)


def _samples(name: str) -> dict[str, list[str]]:
    import fiftyone as fo

    dataset = fo.load_dataset(name)
    dataset.reload()
    return dict(zip(dataset.values("image_id"), dataset.values("near_duplicates"), strict=True))


def test_servers_that_are_away_are_pending_and_done_once_they_are_back(
    labelled: dict[str, Any], workbench: Run
) -> None:
    root, ids = labelled["root"], labelled["ids"]
    at = ("--workspace", root)
    gone = {row["image_id"] for row in labelled["images"]["leaves"]}
    stays = {row["image_id"] for row in labelled["images"]["remains"]}
    record = root / ".workbench" / "servers.json"
    running = record.read_text()
    exports = root / ".workbench" / "label-studio" / "export"
    assert any(image in path.read_text() for path in exports.glob("*.json") for image in gone)
    record.unlink()
    try:
        first = workbench("withdraw", ids["leaves"], "--reason", "consent ended", "--yes", *at)
    finally:
        record.write_text(json.dumps(json.loads(running) | {"mongod": {"uri": labelled["mongod"]}}))
    pending = [finding["subject"] for finding in first["findings"]]
    assert "Label Studio tasks with their answers" in pending
    server, project_id = _server(root)
    assert gone <= {task.sha256 for task in server.tasks(project_id)}
    assert workbench("contribution", "show", ids["leaves"], *at)["data"]["state"] == "withdrawn, purge pending"
    try:
        (report,) = complete_pending(Workspace.find(root, quiet=True))
    finally:
        record.write_text(running)
    assert report.data["complete"] is True
    assert report.data["places"]["Label Studio tasks with their answers"]["found"] == len(gone)
    assert report.data["places"]["FiftyOne samples"]["found"] == len(gone)
    left = {task.sha256 for task in server.tasks(project_id)}
    assert not gone & left
    assert stays <= left
    assert not any(image in path.read_text() for path in exports.glob("*.json") for image in gone)
    assert _samples("withdrawal") == {image: [] for image in stays}
    snapshot = root / "data" / "02_labelling" / "parts"
    assert set(pd.read_parquet(snapshot / "annotations.parquet")["image_id"]) >= stays
    assert not any(image in (snapshot / "export.json").read_text() for image in gone)
    assert list(complete_pending(Workspace.find(root, quiet=True))) == []
    assert workbench("labelling", "pull", *at)["findings"] == []
