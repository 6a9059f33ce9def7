"""What leads back to a withdrawn contribution: which images and files, and where a file or table speaks of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

#: The record that stands where a contribution's tables stood.
TOMBSTONE = "withdrawn.json"
#: How a tombstone begins; it names the contribution and is meant to stay.
TOMBSTONE_HEAD = b'{\n "withdrawn": '

_DIGEST = 64
_HEXADECIMAL = re.compile(rb"[0-9a-f]{64,}")
_CHUNK_BYTES = 1 << 22
_PARQUET = b"PAR1"
#: An .npz, which is a zip file with its members as they are.
_ARRAYS = b"PK\x03\x04"
#: First bytes of JPEG, PNG and TIFF: no identifier is looked for in them, their hash says what they are.
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"II*\x00", b"MM\x00*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where an image comes from, as a row of `tables.IMAGES` says it; absent facts are null.

    A frame's source is its film; a frame with covered regions has the frame as parent and the film as source.
    """

    image_id: str
    contribution_id: str | None = None
    parent_image_id: str | None = None
    source_image_id: str | None = None
    file_sha256: str | None = None

    @property
    def made_of(self) -> set[str]:
        """The images this one was made of."""
        return {one for one in (self.parent_image_id, self.source_image_id) if one is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """The identifiers that lead back to a withdrawn contribution.

    Parameters
    ----------
    images
        image_ids that only this contribution gave, and of everything made from them.
    files
        SHA-256 of image files that show only these.

    """

    contribution_id: str
    images: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()

    @property
    def words(self) -> frozenset[str]:
        """Every 64-digit identifier."""
        return self.images | self.files

    def joined(self, other: Traces) -> Traces:
        """Return both together."""
        return Traces(
            contribution_id=self.contribution_id, images=self.images | other.images, files=self.files | other.files
        )

    def named(self, path: str) -> bool:
        """Say whether a path inside the data names the contribution or something of it; a tombstone does not."""
        pure = PurePosixPath(path)
        if pure.name == TOMBSTONE:
            return False
        return self.contribution_id in pure.parts or self.mentioned(path.encode())

    def mentioned(self, data: bytes) -> bool:
        """Say whether text speaks of the contribution or of something of it."""
        return self.contribution_id.encode() in data or not self.words.isdisjoint(digests_in(data))

    def in_file(self, path: Path) -> bool:
        """Say whether a file is, holds or speaks of something withdrawn."""
        with path.open("rb") as file:
            head = file.read(len(TOMBSTONE_HEAD))
        if head.startswith(TOMBSTONE_HEAD):
            return False
        if head.startswith(_PARQUET):
            return self._in_table(path)
        digest, text, tail = hashlib.sha256(), not head.startswith(_PICTURES), b""
        arrays = head.startswith(_ARRAYS)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                # numpy keeps each letter in four bytes, three of them zero.
                said = (tail + chunk).replace(b"\0", b"") if arrays else tail + chunk
                if text and self.mentioned(said):
                    return True
                tail = chunk[-8 * _DIGEST :]
        return digest.hexdigest() in self.words

    def _in_table(self, path: Path) -> bool:
        return any(any(self._cells(column)) for column in _text_columns(_read(path)))

    def _cells(self, column: pa.ChunkedArray) -> list[bool]:
        """Return for each cell of a text column whether it speaks of something withdrawn."""
        known: dict[str | None, bool] = {None: False}
        cells = column.to_pylist()
        for cell in set(cells) - {None}:
            known[cell] = self.mentioned(str(cell).encode())
        return [known[cell] for cell in cells]

    def without(self, table: pa.Table) -> pa.Table:
        """Return a table without the rows that speak of something withdrawn."""
        gone = [False] * table.num_rows
        for column in _text_columns(table):
            gone = [was or now for was, now in zip(gone, self._cells(column), strict=True)]
        return table.filter(pa.array([not row for row in gone])) if any(gone) else table

    def blanked(self, text: str) -> str:
        """Return text with the identifiers of what was withdrawn put out of it."""
        for word in {self.contribution_id, *self.words.intersection(digests_in(text.encode()))}:
            text = text.replace(word, "(withdrawn)")
        return text

    def pruned(self, value: Any) -> Any:
        """Return a JSON value without the list elements, keys and texts that speak of something withdrawn."""
        if isinstance(value, dict):
            kept = {key: self.pruned(item) for key, item in value.items() if not self.mentioned(str(key).encode())}
            return {key: item for key, item in kept.items() if not (isinstance(item, str) and self._says(item))}
        if isinstance(value, list):
            return [item for item in value if not self._says(item)]
        return value

    def _says(self, value: Any) -> bool:
        return self.mentioned(json.dumps(value, ensure_ascii=False).encode())


def digests_in(data: bytes) -> Iterator[str]:
    """Yield everything in text that may be a SHA-256: each run of 64 lower-case hexadecimal digits."""
    for match in _HEXADECIMAL.finditer(data):
        run = match.group().decode()
        for start in range(len(run) - _DIGEST + 1):
            yield run[start : start + _DIGEST]


def _text_columns(table: pa.Table) -> Iterator[pa.ChunkedArray]:
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            yield column


def _read(path: Path) -> pa.Table:
    try:
        with path.open("rb") as file:
            return pq.read_table(file)
    except (pa.ArrowException, OSError):
        return pa.table({})  # a damaged table: nobody can read anything from it either


def is_table(path: Path) -> bool:
    """Say whether a file is Parquet, whatever its name."""
    with path.open("rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET


def lineage_rows(path: Path) -> Iterator[Lineage]:
    """Yield what a table of any stage and version says about where images come from; nothing if it is about else."""
    table = _read(path)
    names = [
        name
        for name in ("image_id", "contribution_id", "parent_image_id", "source_image_id", "file_sha256")
        if name in table.schema.names
    ]
    if "image_id" in names and len(names) > 1:
        for row in table.select(names).to_pylist():
            if row["image_id"] is not None:
                yield Lineage(**row)


def trace(
    contribution_id: str, delivered: Iterable[str], rows: Iterable[Lineage], *, staying: Iterable[Lineage]
) -> Traces:
    """Return what leads back to a contribution and to nothing that stays.

    Parameters
    ----------
    delivered
        The contribution's files, as the ledger knows them.
    rows
        Every row about where an image comes from, of all stages and versions that can still be read.
    staying
        The rows of the other contributions as they are now: what they hold stays.

    Examples
    --------
    >>> copy = Lineage(image_id="b", contribution_id="c-1", parent_image_id="a", file_sha256="b")
    >>> sorted(trace("c-1", ["a"], [copy], staying=[]).images)
    ['a', 'b']
    >>> trace("c-1", ["a"], [copy], staying=[Lineage(image_id="a")]).images
    frozenset()

    """
    kept, known = set(staying), set(rows)
    kept_images = {row.image_id for row in kept}
    gone = set(delivered) - kept_images
    gone |= {
        row.image_id
        for row in known
        if row.contribution_id == contribution_id
        and row.image_id not in kept_images
        and row.made_of.isdisjoint(kept_images)
    }
    children: dict[str, set[str]] = {}
    for row in known:
        for parent in row.made_of:
            children.setdefault(parent, set()).add(row.image_id)
    todo = list(gone)
    while todo:
        fresh = children.get(todo.pop(), set()) - gone - kept_images
        gone |= fresh
        todo += fresh
    files = {row.file_sha256 for row in known if row.image_id in gone and row.file_sha256}
    shown = {row.file_sha256 for row in kept | known if row.image_id not in gone and row.file_sha256}
    return Traces(contribution_id=contribution_id, images=frozenset(gone), files=frozenset(files - shown))


def prune_json(traces: Traces, text: str) -> str | None:
    """Return a JSON document's text without what speaks of something withdrawn; nothing if it is no JSON."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    pruned = traces.pruned(document)
    return json.dumps(pruned, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
