"""Files that speak of something withdrawn: found below a folder, and taken out of it, row by row where they have rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from workbench.custody.traces import TOMBSTONE, Traces, is_table, prune_json

#: Text files with a record a line.
_LINES = frozenset({".csv", ".tsv", ".txt", ".jsonl"})

#: What DVC and git keep beside the data: names and hashes only.
_BESIDE = frozenset({".dvc", ".gitignore"})


def concerned(root: Path, traces: Traces, *, skip: Callable[[Path], bool] = lambda _: False) -> Iterator[Path]:
    """Yield the files below a folder that are, hold or speak of something withdrawn, in order."""
    if not root.is_dir():
        return
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.is_symlink() or skip(path) or not _BESIDE.isdisjoint({path.suffix, path.name}):
            continue
        if path.name != TOMBSTONE and (traces.named(path.relative_to(root).as_posix()) or traces.in_file(path)):
            yield path


def prune_files(root: Path, paths: Iterable[Path], traces: Traces) -> list[Path]:
    """Take what speaks of something withdrawn out of files; return those that are still there, without it.

    Tables lose rows, JSON loses elements, lines are dropped; any other file goes whole, and so does one whose path
    names what was withdrawn.
    """
    kept = []
    for path in paths:
        pruned = not traces.named(path.relative_to(root).as_posix()) and _prune(path, traces)
        if pruned and not traces.in_file(path):
            kept.append(path)
        else:
            path.unlink()
    return kept


def _prune(path: Path, traces: Traces) -> bool:
    """Prune a file in place; say whether that can be done with its kind."""
    if is_table(path):
        with path.open("rb") as file:
            table = traces.without(pq.read_table(file))
        part = path.with_name(path.name + ".part")
        pq.write_table(table, part, compression="zstd", use_dictionary=True)
        os.replace(part, path)
        return True
    if path.suffix == ".npz":
        return _prune_arrays(path, traces)
    if path.suffix not in {".json", *_LINES}:
        return False
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    if path.suffix == ".json":
        pruned = prune_json(traces, text)
        if pruned is None:
            return False
    else:
        lines = text.splitlines(keepends=True)
        pruned = "".join(line for line in lines if not traces.mentioned(line.encode(errors="surrogateescape")))
    part = path.with_name(path.name + ".part")
    part.write_text(pruned, encoding="utf-8", errors="surrogateescape")
    os.replace(part, path)
    return True


def _prune_arrays(path: Path, traces: Traces) -> bool:
    """Prune arrays that belong together, one of them text that names each entry; say whether they are that."""
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = dict(held)
    except (OSError, ValueError):
        return False
    texts = [array for array in arrays.values() if array.dtype.kind == "U" and array.ndim == 1]
    if len(texts) != 1 or any(len(array) != len(texts[0]) for array in arrays.values()):
        return False
    stays = np.array([not traces.mentioned(text.encode()) for text in texts[0].tolist()], dtype=bool)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, **{name: array[stays] for name, array in arrays.items()})
    os.replace(part, path)
    return True


def remove_empty(root: Path, folders: Collection[Path]) -> None:
    """Remove folders that have become empty, and their empty parents below the root."""
    for folder in sorted(folders, reverse=True):
        here = folder
        while here != root and here.is_relative_to(root) and here.is_dir() and not any(here.iterdir()):
            here.rmdir()
            here = here.parent
