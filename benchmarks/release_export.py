"""Writing a release's labels in one format against a peer doing the same: datumaro, or FiftyOne on its database.

Both start at a dataset that is loaded, and write labels only. FiftyOne is there anyway; datumaro runs
in a Python of its own, which ``WORKBENCH_READERS`` names (see tests/tools/test_release_readers.py).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import measure
import numpy as np

FORMATS = ("coco", "yolo", "voc")


def draw_tables(folder: Path, items: int, codes: tuple[str, ...]) -> None:
    """Write the tables of a release: five objects an image, two of them polygons."""
    from workbench.domain.lineage import sha256_hex
    from workbench.tables import IMAGES, INSTANCES, write_table

    rng = np.random.default_rng(5)
    images, objects = [], []
    for number in range(items):
        image_id = sha256_hex(str(number).encode())
        split = ("train", "train", "train", "val", "test")[number % 5]
        told = {"image_id": image_id, "origin": "real", "path": f"images/{split}/{image_id}.jpg", "split": split}
        told |= {"file_sha256": image_id, "licence": "CC0-1.0", "work_key": "k", "group_id": f"g{number}"}
        images.append(told | {"width_px": 2000, "height_px": 1500})
        for each in range(5):
            x, y, wide, high = (float(v) for v in rng.uniform((0, 0, 20, 20), (1500, 1000, 400, 400)))
            row: dict[str, Any] = {"instance_id": f"{image_id}-{each}", "image_id": image_id, "category": codes[each]}
            row |= {"x_min": x, "y_min": y, "x_max": x + wide, "y_max": y + high, "facets": "{}", "shape": "box"}
            if each > 2:  # noqa: PLR2004 -- two of five
                row |= {
                    "shape": "polygon",
                    "rings": [[x, y, x + wide, y, x + wide, y + high, x + wide / 2, y, x, y + high]],
                }
            objects.append(row)
    write_table(folder / "images.parquet", IMAGES, images)
    write_table(folder / "instances.parquet", INSTANCES, objects)
    (folder / "classes.txt").write_text("\n".join(codes), encoding="utf-8")


def load_ours(tables: Path, taxonomy: Any) -> Any:
    """Return the release of the tables."""
    from workbench.release.picture import Whole, pictures_of
    from workbench.tables import IMAGES, INSTANCES, read_rows

    images = read_rows(tables / "images.parquet", IMAGES)
    pictures = pictures_of(images, read_rows(tables / "instances.parquet", INSTANCES))
    return Whole(pictures=pictures, taxonomy=taxonomy, facts={"title": "bench"}, outline=lambda *_, **__: ())


def write_ours(whole: Any, out: Path, name: str) -> None:
    """Write one format."""
    from workbench.release.assemble import format_files
    from workbench.release.formats import FORMATS as ALL
    from workbench.release.new_files import NewFiles

    files = NewFiles(out)
    for path, data in format_files(ALL[name], whole):
        files.write(path, data)


def write_bare(files: list[tuple[str, bytes]], out: Path) -> None:
    """Write files whose bytes are known, as straight as the system lets anybody: the floor of an export."""
    for folder in {path.rpartition("/")[0] for path, _ in files}:
        (out / folder).mkdir(parents=True, exist_ok=True)
    for path, data in files:
        handle = os.open(f"{out}/{path}", os.O_WRONLY | os.O_CREAT, 0o666)
        os.write(handle, data)
        os.close(handle)


@contextmanager
def peer_python(peer: str, folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the Python that has a peer and the environment it needs; FiftyOne's database runs meanwhile."""
    if peer == "datumaro":
        python = os.environ.get("WORKBENCH_READERS", str(Path.home() / ".cache/evidence-workbench/readers/bin/python"))
        yield python, {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return
    from workbench.adapters import servers, servers_process
    from workbench.layout import Layout

    port = 27991
    child = servers_process.spawn(servers.plan_mongod(Layout(folder), port))
    settings = {"FIFTYONE_DATABASE_URI": servers.mongo_uri(port), "FIFTYONE_DO_NOT_TRACK": "1"}
    try:
        yield sys.executable, dict(os.environ) | settings | {"FIFTYONE_DATABASE_VALIDATION": "false"}
    finally:
        child.process.terminate()
        child.process.wait()


Seconds = dict[str, list[tuple[float, float]]]


def main() -> None:
    """Print a line a format: our seconds, the peer's, and the ratio (at most 0.5 is the aim)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", choices=("datumaro", "fiftyone"), default="fiftyone")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    ours, theirs, floors = measure_formats(asked.peer, asked.items, asked.turns)
    for name in FORMATS:
        (mine, mine_cpu), (other, other_cpu), (bare, _) = (median(side[name]) for side in (ours, theirs, floors))
        print(
            f"{name}: {mine / other:.2f} times {asked.peer} ({mine:.2f} s against {other:.2f} s, {asked.items} images); "
            f"of CPU time {mine_cpu / other_cpu:.2f}; {mine / bare:.2f} times writing the same files bare ({bare:.2f} s)"
        )


def median(turns: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the median wall and CPU seconds of some turns."""
    wall, cpu = (statistics.median(column) for column in zip(*turns, strict=True))
    return wall, cpu


def measure_formats(peer: str, items: int, turns: int) -> tuple[Seconds, Seconds, Seconds]:
    """Return our wall and CPU seconds of each turn by format, a peer's, and those of writing our files bare."""
    import yaml

    from workbench.domain.taxonomy import Taxonomy
    from workbench.release.assemble import format_files
    from workbench.release.formats import FORMATS as ALL

    source = Path(__file__).resolve().parents[1] / "label_configs" / "taxonomy.yaml"
    taxonomy = Taxonomy.from_mapping(yaml.safe_load(source.read_text(encoding="utf-8")))
    with measure.scratch() as folder, peer_python(peer, folder) as (python, environment):
        draw_tables(folder, items, taxonomy.codes)
        (folder / "classes.txt").write_text("\n".join(taxonomy.codes), encoding="utf-8")
        script = Path(__file__).with_name("peer_export.py")
        line = [python, str(script), peer, str(folder), str(folder / "peer"), "1", *FORMATS]
        (folder / "peer").mkdir()
        ours: dict[str, list[tuple[float, float]]] = {name: [] for name in FORMATS}
        theirs: dict[str, list[tuple[float, float]]] = {name: [] for name in FORMATS}
        floors: Seconds = {name: [] for name in FORMATS}
        whole = load_ours(folder, taxonomy)
        write_ours(whole, folder / "warm", "coco")
        for turn in range(turns):
            done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{peer} failed: {done.stderr[-1500:]}")
            for name, seconds in json.loads(done.stdout.splitlines()[-1]).items():
                theirs[name] += [tuple(both) for both in seconds]
                out = folder / "ours" / name
                files = list(format_files(ALL[name], whole))
                sides = [
                    (ours, lambda out=out, name=name: write_ours(whole, out, name)),
                    (floors, lambda out=out, files=files: write_bare(files, out)),
                ]
                for taken, write in sides[:: -1 if turn % 2 else 1]:  # who goes first may find a colder file system
                    taken[name].append(measure.timed(write))
                    shutil.rmtree(out)
    return ours, theirs, floors


def measure_export(items: int, turns: int) -> measure.Ratio:
    """Return how many times longer COCO takes than FiftyOne does."""
    ours, theirs, _ = measure_formats("fiftyone", items, turns)
    (work_s, work_cpu_s), (floor_s, floor_cpu_s) = median(ours["coco"]), median(theirs["coco"])
    return measure.Ratio(
        name="release export (COCO)",
        against="FiftyOne doing the same",
        items=items,
        unit=f"images with {5 * items} objects",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=work_cpu_s,
        floor_cpu_s=floor_cpu_s,
    )


if __name__ == "__main__":
    if "--peer" in sys.argv:
        main()
    else:
        measure.present(measure_export, items=1000)
