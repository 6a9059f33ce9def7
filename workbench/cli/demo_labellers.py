"""The demo's simulated labellers: two accounts that answer every task through Label Studio's own interface."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.adapters.label_studio import LabelStudioServer
from workbench.adapters.saliency import salient_box
from workbench.cli import labelling_import
from workbench.cli.label_studio import connect
from workbench.cli.wiring import Workspace
from workbench.domain.annotation import Instance, Shape
from workbench.domain.geometry import ring_box
from workbench.domain.lineage import seed_for, sha256_hex
from workbench.labelling.exchange import results_from_instances
from workbench.labelling.label_config import read_label_config
from workbench.labelling.simulated import simulate_answer

#: Who they are; the names say what they are.
_LABELLERS = ("simulated-one@example.org", "simulated-two@example.org")

#: The password of both accounts: they exist on a loopback server of a demonstration only.
_PASSWORD = "simulated-labeller"  # noqa: S105 -- a demonstration's account, named as such

#: How long a simulated labeller claims to have taken for each object, in seconds.
_LEAD_TIME_S = 6.0


def answer_as_simulated_labellers(workspace: Workspace, *, truth: Path | None) -> int:
    """Have both simulated labellers answer every task that lacks their answer; return how many answers they gave.

    Parameters
    ----------
    truth
        The sample's folder, with truth.json and the delivery; None for photographs nobody knows the truth of: then
        the most salient thing is boxed and called ``unknown``.

    """
    config = read_label_config(workspace.layout.label_configs / "parts", workspace.taxonomy)
    server, _ = connect(workspace)
    images = labelling_import.admitted(workspace)
    project_id = server.find_project(config.title)
    if project_id is None:
        return 0
    known = _sample_truth(truth) if truth else {}
    done = {
        (task["data"]["sha256"], annotation["completed_by"])
        for task in server.export(project_id)
        for annotation in task["annotations"]
    }
    given = 0
    for email in _LABELLERS:
        session = LabelStudioServer(server.url, server.ensure_labeller(email, _PASSWORD))
        for task in server.tasks(project_id):
            row = images.get(task.sha256)
            if row is None or (task.sha256, email) in done:
                continue
            seen = known.get(task.sha256) or _salient(workspace, row)
            size_wh = (row["width_px"], row["height_px"])
            rng = np.random.default_rng(seed_for("simulated", email, task.sha256))
            answer = simulate_answer(seen, width_px=size_wh[0], height_px=size_wh[1], rng=rng)
            results, _simplified = results_from_instances(answer, config=config, size_wh=size_wh)
            session.answer(task.task_id, results, lead_time_s=_LEAD_TIME_S * len(answer))
            given += 1
    return given


def _sample_truth(samples: Path) -> dict[str, list[Instance]]:
    """Return the true instances of the sample's photographs, by image_id."""
    stated: Mapping[str, Any] = json.loads((samples / "truth.json").read_text(encoding="utf-8"))
    found = {}
    for name, photograph in stated.items():
        image_id = sha256_hex((samples / "delivery" / name).read_bytes())
        found[image_id] = [_true_instance(image_id, n, entry) for n, entry in enumerate(photograph["instances"])]
    return found


def _true_instance(image_id: str, number: int, entry: Mapping[str, Any]) -> Instance:
    ring = tuple(float(value) for value in _thinned(entry["rings"][0]))
    return Instance(
        instance_id=f"truth{number}",
        image_id=image_id,
        category=entry["category"],
        shape=Shape.POLYGON,
        box=ring_box(ring),
        rings=(ring,),
        facets=entry.get("facets", {}),
        transcription=entry.get("transcription"),
        confidence="certain",
    )


def _thinned(ring: Sequence[float], most_points: int = 40) -> list[float]:
    """Return a ring with no more points than a patient person would click."""
    points = list(zip(ring[0::2], ring[1::2], strict=True))
    step = max(1, -(-len(points) // most_points))
    return [value for point in points[::step] for value in point]


def _salient(workspace: Workspace, row: Mapping[str, Any]) -> list[Instance]:
    box = salient_box(workspace.layout.data / row["path"])
    if box is None:
        return []
    return [
        Instance(
            instance_id="salient0",
            image_id=row["image_id"],
            category="unknown",
            shape=Shape.BOX,
            box=box,
            confidence="cannot_tell",
        )
    ]
