"""Sealed originals, addressed by the SHA-256 of their bytes.

Each object is sealed under a key of its own; that key is wrapped by its contribution's key, which is wrapped by its
partner's, so destroying one key destroys what it sealed, in every backup. Objects appear whole: written aside,
synchronised per batch, then renamed.

The same bytes in a second contribution of the same partner are stored once: the second has a hard link to the sealed
file, and beside it, as ``<object>.key``, the object's key wrapped by its own contribution's key. Each contribution
thus reaches the object by itself: destroying the key of one takes nothing from the other.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from workbench.custody import sealed_file
from workbench.custody.keys import write_secret
from workbench.domain.findings import WorkbenchError, refused

#: Beside a linked object: its key, wrapped for the contribution it is linked into.
_KEY_ENDING = ".key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """An object written (or linked) aside, not yet in the store; a linked one brings the wrap of its key."""

    object_id: str
    size_bytes: int
    part: Path
    key_part: Path | None = None


class SealedStore:
    """The object store of one workspace, in ``custody/objects``; fits `ports.ObjectStore`."""

    def __init__(self, custody: Path) -> None:
        """Use the store of a custody folder."""
        self._objects, self._keys = custody / "objects", custody / "keys"

    def stage(self, partner_id: str, contribution_id: str, source: BinaryIO) -> Staged:
        """Seal a stream into a file aside, hashing it on the way; `commit` puts it into the store."""
        part = self._aside()
        object_id, size_bytes = sealed_file.seal(source, part, self._key(partner_id, contribution_id))
        return Staged(object_id=object_id, size_bytes=size_bytes, part=part)

    def holders(self, partner_id: str, wanted: Collection[str]) -> dict[str, str]:
        """Return for each wanted object the first contribution of the partner, in order, that holds it; if any does."""
        among, found = set(wanted), dict[str, str]()
        keys = (self._keys / "contributions").glob(f"*.{partner_id}")
        for contribution_id in sorted(key.name.removesuffix(f".{partner_id}") for key in keys):
            for place in (self._objects / contribution_id).glob("??/*"):
                if place.name in among:
                    found.setdefault(place.name, contribution_id)
        return found

    def linked(self, contribution_id: str) -> int:
        """Return how many of a contribution's objects are links to what its partner gave before."""
        return sum(1 for _ in (self._objects / contribution_id).glob(f"??/*{_KEY_ENDING}"))

    def stage_link(self, partner_id: str, contribution_id: str, object_id: str, holder: str) -> Staged | None:
        """Link aside an object that another contribution of the partner holds; `commit` puts it into the store.

        The holder's copy is read to its end first: a damaged copy is no ground for not keeping a sound one.

        Returns
        -------
        Staged or None
            None where the copy cannot be read or the file system has no links: seal the bytes at hand instead.

        """
        part, key_part = self._aside(), self._aside()
        try:
            object_key, size = self._object_key(holder, object_id), 0
            for frame in self._verified(holder, object_id):
                size += len(frame)
            os.link(self._place(holder, object_id), part)
        except (WorkbenchError, OSError):
            return None
        key_part.write_bytes(aes_key_wrap(self._key(partner_id, contribution_id), object_key))
        return Staged(object_id=object_id, size_bytes=size, part=part, key_part=key_part)

    def release_links(self, contribution_id: str) -> dict[str, list[str]]:
        """Make sure that others keep what they share with a contribution, before its key is destroyed.

        Call this under the custody lock first, then destroy the contribution's key, then remove its folder of
        objects: whatever another contribution shares stays readable there, through that one's own key, and is not
        to be counted as purged. Where the other's wrap of an object's key is lost or damaged, it is made anew from
        this contribution's. Repeating it changes nothing; nothing of the contribution itself is changed either.

        Returns
        -------
        dict
            For each object that other contributions share, those contributions, sorted.

        Raises
        ------
        Refused
            ``custody.object-altered`` or ``custody.object-missing`` if a sharer cannot be made to read its object.

        """
        own = {object_id for holder, object_id in self.listed() if holder == contribution_id}
        shared: dict[str, list[str]] = {}
        for other, object_id in self.listed():
            if other == contribution_id or object_id not in own or not self._shares(contribution_id, other, object_id):
                continue
            try:
                self.check(other, object_id)
            except WorkbenchError:
                wrapped = aes_key_wrap(self._unwrap(other), self._object_key(contribution_id, object_id))
                write_secret(_key_place(self._place(other, object_id)), wrapped)
                self.check(other, object_id)
            shared.setdefault(object_id, []).append(other)
        return shared

    def _shares(self, contribution_id: str, other: str, object_id: str) -> bool:
        """Say whether another contribution, if it can still be unsealed, has an object in common with one."""
        place = self._place(other, object_id)
        if not place.samefile(self._place(contribution_id, object_id)) and not _key_place(place).is_file():
            return False  # another partner's, or a sealed copy of its own
        try:
            self._unwrap(other)
        except WorkbenchError:
            return False  # withdrawn before
        return True

    def _aside(self) -> Path:
        """Return the path of a new file aside."""
        aside = self._objects / "aside"
        aside.mkdir(parents=True, exist_ok=True, mode=0o700)
        return aside / secrets.token_hex(16)

    def commit(self, contribution_id: str, staged: list[Staged]) -> None:
        """Put a batch of staged objects into the store, durably; what is there already stays as it is."""
        if not staged:
            return
        sync_filesystem(self._objects)
        for item in staged:
            place = self._place(contribution_id, item.object_id)
            if place.exists():
                item.part.unlink(missing_ok=True)
                if item.key_part is not None:
                    item.key_part.unlink(missing_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # The wrap goes first: an object in the store can be read. A lone wrap is of an interrupted run.
            if item.key_part is not None:
                os.replace(item.key_part, _key_place(place))
            else:
                _key_place(place).unlink(missing_ok=True)
            item.part.chmod(0o444)
            os.replace(item.part, place)
        # The new names lie in up to 256 folders: once for all of them costs less than each by itself.
        sync_filesystem(self._objects)

    def discard_leftovers(self) -> int:
        """Remove what an interrupted run left aside; return how many files. Call only under the custody lock."""
        leftovers = list((self._objects / "aside").glob("*"))
        for path in leftovers:
            path.unlink()
        return len(leftovers)

    def has(self, contribution_id: str, object_id: str) -> bool:
        """Say whether the store holds an object."""
        return self._place(contribution_id, object_id).is_file()

    def read(self, contribution_id: str, object_id: str) -> bytes:
        """Return an object's bytes, verified against its name.

        Raises
        ------
        Refused
            ``custody.object-missing``, ``custody.object-altered`` or ``custody.key-missing``.

        """
        return b"".join(self._verified(contribution_id, object_id))

    def check(self, contribution_id: str, object_id: str) -> None:
        """Unseal and hash an object, a frame at a time; raises as `read` does if it is not what was received."""
        for _ in self._verified(contribution_id, object_id):
            pass

    def copy_to(self, contribution_id: str, object_id: str, target: BinaryIO) -> None:
        """Write an object's bytes, a frame at a time; only when this returns are they known to be the object.

        Raises
        ------
        Refused
            As `read` does.

        """
        target.writelines(self._verified(contribution_id, object_id))

    def _verified(self, contribution_id: str, object_id: str) -> Iterator[bytes]:
        """Yield an object's frames; only at the end is it known that they are the object."""
        key = self._unwrap(contribution_id)
        digest = hashlib.sha256()
        try:
            place = self._place(contribution_id, object_id)
            for frame in sealed_file.frames(place, aes_key_unwrap(key, _wrapped_key(place))):
                digest.update(frame)
                yield frame
        except FileNotFoundError as error:
            raise refused(
                "custody.object-missing",
                f"original {object_id[:12]}",
                "is not in the store.",
                "Restore custody/objects from a backup.",
            ) from error
        except (InvalidTag, InvalidUnwrap, ValueError, OSError) as error:
            # An object that the disk cannot read back is no longer what was received either.
            raise _altered(object_id) from error
        if digest.hexdigest() != object_id:
            raise _altered(object_id)

    def listed(self) -> list[tuple[str, str]]:
        """Return (contribution_id, object_id) of every object, sorted."""
        files = self._objects.glob("*/??/*")
        return sorted((path.parts[-3], path.name) for path in files if not path.name.endswith(_KEY_ENDING))

    def _place(self, contribution_id: str, object_id: str) -> Path:
        return self._objects / contribution_id / object_id[:2] / object_id

    def _object_key(self, contribution_id: str, object_id: str) -> bytes:
        key = self._unwrap(contribution_id)
        try:
            return aes_key_unwrap(key, _wrapped_key(self._place(contribution_id, object_id)))
        except (InvalidUnwrap, ValueError, OSError) as error:
            raise _altered(object_id) from error

    def _key(self, partner_id: str, contribution_id: str) -> bytes:
        """Return the contribution's data key; make and wrap one at first."""
        wrapped = self._keys / "contributions" / f"{contribution_id}.{partner_id}"
        if not wrapped.is_file():
            partner = self._keys / "partners" / partner_id
            if not partner.is_file():
                write_secret(partner, secrets.token_bytes(sealed_file.KEY_BYTES))
            write_secret(wrapped, aes_key_wrap(partner.read_bytes(), secrets.token_bytes(sealed_file.KEY_BYTES)))
        return self._unwrap(contribution_id)

    def _unwrap(self, contribution_id: str) -> bytes:
        for wrapped in (self._keys / "contributions").glob(f"{contribution_id}.*"):
            partner = self._keys / "partners" / wrapped.name.removeprefix(f"{contribution_id}.")
            try:
                return aes_key_unwrap(partner.read_bytes(), wrapped.read_bytes())
            except (FileNotFoundError, InvalidUnwrap, ValueError):
                break
        raise refused(
            "custody.key-missing",
            contribution_id,
            "cannot be unsealed: its key is gone or damaged.",
            "If it was not withdrawn, restore custody/keys from a backup.",
        )


def _key_place(place: Path) -> Path:
    return place.with_name(place.name + _KEY_ENDING)


def _wrapped_key(place: Path) -> bytes:
    """Return the wrapped key of an object: from beside it if it is linked, else from its head."""
    try:
        return _key_place(place).read_bytes()
    except FileNotFoundError:
        return sealed_file.wrapped_key(place)


def _altered(object_id: str) -> WorkbenchError:
    return refused(
        "custody.object-altered",
        f"original {object_id[:12]}",
        "is not the bytes that were received.",
        "Keep this copy as evidence and restore the object from a backup.",
    )


def sync_filesystem(folder: Path) -> None:
    """Make everything written so far on the folder's file system durable (syncfs, Linux)."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
