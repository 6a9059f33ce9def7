"""What each picture gave the formats when a release was assembled last, so that what did not change is not made anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.release.increment import write_columns

_KEYS = pa.schema([("image_id", pa.string()), ("key", pa.binary())])
_FRAGMENTS = pa.schema([("image_id", pa.string()), ("fragment", pa.large_binary())])
_SHAPES = b"formats"


class Former:
    """What is kept of the last assembling: a key of all that was known of each picture, and the bytes it gave.

    Formats that write a file a picture need no more than to know that the key is the same; for the others the bytes of
    each picture are kept. The keys are forgotten before anything made under others is put in place, and noted after
    all of it is: whatever is broken off in between is made anew.

    Parameters
    ----------
    state
        A folder of the workbench's own.
    keys
        A digest of all that is known of each picture now, by image_id.
    shapes
        What else shapes the pieces of each format now, as text, by the format's name.

    """

    def __init__(self, state: Path, keys: Mapping[str, bytes], shapes: Mapping[str, str]) -> None:
        """Read what is kept, if it can be read."""
        self._folder = state / "fragments"
        self._keys = keys
        self._shapes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in shapes.items()}
        former, self._former_shapes = self._read_keys()
        self._same = frozenset(image_id for image_id, key in keys.items() if former.get(image_id) == key)
        self._as_it_was = self._shapes == self._former_shapes and len(self._same) == len(keys) == len(former)

    def unchanged(self, name: str) -> frozenset[str]:
        """Return the pictures whose piece of a format is what it was."""
        same = self._former_shapes.get(name) == self._shapes[name]
        return self._same if same else frozenset()

    def fragments(self, name: str) -> dict[str, bytes]:
        """Return the bytes that each picture gave a format last."""
        try:
            table = pq.read_table(self._folder / f"{name}.fragments", schema=_FRAGMENTS)
        except (OSError, pa.ArrowException):
            return {}
        return dict(zip(*(column.to_pylist() for column in table.columns), strict=True))

    def keep(self, name: str, fragments: Mapping[str, bytes]) -> None:
        """Keep the bytes that each picture gives a format now."""
        self.forget()
        columns: list[list[Any]] = [list(fragments), list(fragments.values())]
        write_columns(self._folder / f"{name}.fragments", _FRAGMENTS, columns)

    def forget(self) -> None:
        """Forget the keys, unless they still stand for all that there is."""
        if not self._as_it_was:
            self._keys_file.unlink(missing_ok=True)

    def note(self) -> None:
        """Note the keys, now that everything made under them is in place."""
        if not self._as_it_was:
            told = {_SHAPES: json.dumps(self._shapes).encode()}
            columns: list[list[Any]] = [list(self._keys), list(self._keys.values())]
            write_columns(self._keys_file, _KEYS.with_metadata(told), columns)

    @property
    def _keys_file(self) -> Path:
        return self._folder / "keys.parquet"

    def _read_keys(self) -> tuple[dict[str, bytes], dict[str, str]]:
        try:
            table = pq.read_table(self._keys_file)
            shapes = json.loads(table.schema.metadata[_SHAPES])
            columns = [table[name].to_pylist() for name in _KEYS.names]
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            return {}, {}
        return dict(zip(*columns, strict=True)), shapes
