"""Agreement of 100,000 photographs by three labellers, intervals included, against KaLOS on a hundredth without intervals.

Both read what labellers marked and pair it with the Hungarian method. The figure aimed at is ten minutes and 2 GiB on two
processors, from the snapshot's files to agreement.json.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

import measure
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_LABELLERS, _PER_PHOTOGRAPH = 3, 5
_LIMIT_S, _LIMIT_GIB, _ALL = 600, 2, 100_000
_CATEGORIES = ("part.frame", "part.barrel", "part.slide", "ammo.cartridge", "ammo.case", "ammo.headstamp", "unknown")
_FACETS = ('{"completeness":"finished","material":"polymer"}', '{"completeness":"fragment","material":"polymer"}')
_SIDE = 2000.0
#: How often a labeller misses an object, calls it something else, and answers a facet differently.
_MISSED, _OTHER, _FRAGMENT = 0.03, 0.04, 0.1


def draw_answers(folder: Path, photographs: int, *, seed: int = 4) -> Path:
    """Write a snapshot of answers by three labellers: shaken boxes, some missed, some called something else; return it."""
    from workbench.tables import ANNOTATIONS, INSTANCES

    rng = np.random.default_rng(seed)
    objects = photographs * _PER_PHOTOGRAPH
    photograph = np.repeat(np.arange(photographs), _PER_PHOTOGRAPH)
    corner, extent = rng.uniform(0, _SIDE * 0.8, (objects, 2)), rng.uniform(40, _SIDE / 5, (objects, 2))
    category = rng.integers(0, len(_CATEGORIES), objects)
    ids = np.array([f"{number:064x}" for number in range(photographs)])
    rows: dict[str, list[Any]] = {}
    for labeller in range(_LABELLERS):
        seen = np.flatnonzero(rng.random(objects) > _MISSED)
        low = corner[seen] + rng.normal(0, 4, (len(seen), 2))
        high = np.maximum(corner[seen] + extent[seen] + rng.normal(0, 4, (len(seen), 2)), low + 1)
        called = np.where(rng.random(len(seen)) < _OTHER, rng.integers(0, len(_CATEGORIES), len(seen)), category[seen])
        texts = np.where(
            called == _CATEGORIES.index("ammo.headstamp"), np.char.add("WRA ", (seen % 90 + 10).astype(str)), ""
        )
        columns = {
            "instance_id": [f"{number:020x}" for number in rng.integers(0, 2**62, len(seen))],
            "image_id": ids[photograph[seen]],
            "annotation_id": [f"{labeller}-{number:07d}" for number in photograph[seen]],
            "category": np.array(_CATEGORIES)[called],
            "shape": ["box"] * len(seen),
            "x_min": low[:, 0],
            "y_min": low[:, 1],
            "x_max": high[:, 0],
            "y_max": high[:, 1],
            "facets": np.array(_FACETS)[(rng.random(len(seen)) < _FRAGMENT).astype(int)],
            "transcription": [text or None for text in texts.tolist()],
            "annotator": [f"annotator-{labeller}"] * len(seen),
        }
        for name, values in columns.items():
            rows.setdefault(name, []).append(pa.array(values))
    table = _table({name: pa.chunked_array(_flat(parts)) for name, parts in rows.items()}, INSTANCES)
    folder.mkdir(parents=True)
    pq.write_table(table.sort_by("instance_id"), folder / "instances.parquet", compression="zstd")
    answers = [(labeller, number) for labeller in range(_LABELLERS) for number in range(photographs)]
    annotations = {
        "annotation_id": [f"{labeller}-{number:07d}" for labeller, number in answers],
        "image_id": np.tile(ids, _LABELLERS),
        "project": ["parts"] * len(answers),
        "annotator": [f"annotator-{labeller}" for labeller, _ in answers],
        "pass_": [f"blind{min(labeller, 1) + 1}" for labeller, _ in answers],
        "submitted_at": [f"2026-01-{number % 28 + 1:02d}T{number % 24:02d}:00:00Z" for _, number in answers],
        "lead_time_s": rng.lognormal(3.5, 0.5, len(answers)),
        "source": ["label-studio"] * len(answers),
        "taxonomy_version": ["1.2.0"] * len(answers),
    }
    pq.write_table(_table(annotations, ANNOTATIONS), folder / "annotations.parquet", compression="zstd")
    return folder


def _typed(values: Any, kind: pa.DataType) -> Any:
    return values.cast(kind) if isinstance(values, pa.ChunkedArray) else pa.array(values, type=kind)


def _flat(parts: list[Any]) -> list[pa.Array]:
    return [piece for part in parts for piece in (part.chunks if isinstance(part, pa.ChunkedArray) else [part])]


def _table(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    rows = len(columns[next(iter(columns))])
    return pa.table(
        [
            _typed(columns[field.name], field.type) if field.name in columns else pa.nulls(rows, field.type)
            for field in schema
        ],
        schema=schema,
    )


def for_kalos(folder: Path) -> dict[int, dict[str, Any]]:
    """Return a snapshot's answers as KaLOS takes them, boxes as shares of the picture."""
    from workbench.tables import INSTANCES, read_rows

    found: dict[int, dict[str, Any]] = {}
    names = [f"annotator-{labeller}" for labeller in range(_LABELLERS)]
    for number, row in enumerate(read_rows(folder / "instances.parquet", INSTANCES)):
        of = found.setdefault(
            int(row["image_id"], 16), {"rater_list": names, "annotations_by_rater": {name: [] for name in names}}
        )
        of["annotations_by_rater"][row["annotator"]].append(
            {
                "id": number,
                "rater_id": row["annotator"],
                "category_id": _CATEGORIES.index(row["category"]),
                "bbox": [
                    row["x_min"] / _SIDE,
                    row["y_min"] / _SIDE,
                    (row["x_max"] - row["x_min"]) / _SIDE,
                    (row["y_max"] - row["y_min"]) / _SIDE,
                ],
            }
        )
    return found


def kalos_alpha(answers: dict[int, dict[str, Any]]) -> float:
    """Return KaLOS's alpha over all photographs."""
    from kalos.iaa.core import calculate_iaa

    names = [f"annotator-{labeller}" for labeller in range(_LABELLERS)]
    with contextlib.redirect_stderr(io.StringIO()):
        found = calculate_iaa(
            answers,
            dict(enumerate(_CATEGORIES)),
            "shm",
            "bbox_iou_similarity",
            "category_lenient",
            0.5,
            calculate_vitality=False,
            calculate_difficulty=False,
            collaboration_clusters=False,
            all_raters=names,
        )
    return float(found[1])


def measure_agreement(items: int, turns: int) -> measure.Ratio:
    """Return how long agreement takes over KaLOS on a hundredth; check time and memory at full size."""
    from workbench.adjudication.measuring import write_measured
    from workbench.cli.wiring import Workspace, template_root
    from workbench.layout import Layout

    with tempfile.TemporaryDirectory() as held:
        root = Path(held)
        layout = Layout(root / "all")
        # Drawn in a process of its own, so that this one's memory is the work's.
        drawing = multiprocessing.get_context("spawn").Process(
            target=draw_answers, args=(layout.labelling / "parts", items)
        )
        drawing.start()
        drawing.join()
        if drawing.exitcode:
            raise SystemExit("no answers could be drawn")
        few = for_kalos(draw_answers(root / "few", max(2, items // 100)))
        workspace = Workspace(layout=Layout(template_root()))
        kalos_alpha(few)  # its import takes seconds
        before_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

        def work(_turn: int) -> None:
            write_measured(layout, workspace.taxonomy, workspace.section("adjudication"))

        work_s, floor_s, work_cpu_s, floor_cpu_s = measure.in_turns(work, lambda _turn: kalos_alpha(few), turns=turns)
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{work_s:.0f} s, {peak_gib:.2f} GiB at most ({before_gib:.2f} GiB before)", file=sys.stderr)
    if items >= _ALL and (work_s > _LIMIT_S or peak_gib > _LIMIT_GIB):
        raise SystemExit("too slow, or too much memory")
    return measure.Ratio(
        name="agreement",
        against="KaLOS, a hundredth, no intervals",
        items=items,
        unit=f"photographs x {_LABELLERS} labellers x {_PER_PHOTOGRAPH} objects",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    measure.present(measure_agreement, items=_ALL)
