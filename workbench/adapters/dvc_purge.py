"""DVC's byte stores, its cache and every remote, looked through for what must go, and cleared of it.

DVC names an object by the MD5 of its bytes; a folder is an object ending in ``.dir`` that lists paths with their
objects. Only objects are deleted here, never a version in git.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from workbench.domain.findings import busy

_FOLDER = ".dir"
#: Endings of picture files.
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
CACHE = "DVC cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What decides about objects.

    Parameters
    ----------
    in_file
        Says of a file's content whether it must go.
    named
        Says of a path inside a tracked folder whether what lies there must go.
    clean
        Says of a path whether its name alone proves that what lies there may stay, so that a remote need not send it.

    """

    in_file: Callable[[Path], bool]
    named: Callable[[str], bool]
    clean: Callable[[str], bool]


@dataclass(slots=True, kw_only=True)
class Stores:
    """The stores of a DVC repository that can be reached, the cache first, and why others cannot."""

    held: dict[str, Any] = field(default_factory=dict)
    objects: dict[str, set[str]] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)
    scratch: Path = Path()

    def of(self, oid: str) -> str:
        """Return the nearest store that holds an object."""
        return next(name for name, oids in self.objects.items() if oid in oids)

    def everything(self) -> set[str]:
        """Return every object of every store."""
        return set().union(*self.objects.values())

    @contextmanager
    def file(self, oid: str) -> Iterator[Path]:
        """Yield an object as a local file, fetched for the while if it lies in a remote."""
        name = self.of(oid)
        store = self.held[name]
        if name == CACHE:
            yield Path(store.oid_to_path(oid))
            return
        path = self.scratch / oid
        try:
            store.fs.get_file(store.oid_to_path(oid), str(path))
            yield path
        finally:
            path.unlink(missing_ok=True)

    def folders(self) -> dict[str, list[tuple[str, str]]]:
        """Return what each folder object lists: (path, object)."""
        found = {}
        for oid in sorted(oid for oid in self.everything() if oid.endswith(_FOLDER)):
            with self.file(oid) as path:
                listed = json.loads(path.read_text(encoding="utf-8"))
            found[oid] = [(entry["relpath"], entry["md5"]) for entry in listed]
        return found


@contextmanager
def stores(root: Path, state: Path) -> Iterator[Stores]:
    """Yield the stores of a repository, under DVC's own lock; what a remote sends lies below ``state`` for the while.

    Raises
    ------
    Busy
        ``workspace.busy`` while another DVC command runs.

    """
    from dvc.lock import LockError
    from dvc.repo import Repo

    state.mkdir(parents=True, exist_ok=True)
    with closing(Repo(str(root))) as repo, tempfile.TemporaryDirectory(dir=state) as scratch:
        try:
            with repo.lock:
                found = Stores(scratch=Path(scratch))
                found.held[CACHE] = repo.cache.local
                found.objects[CACHE] = set(repo.cache.local.all())
                for remote in sorted(repo.config["remote"]):
                    _reach(repo, remote, found)
                yield found
        except LockError as error:
            raise busy(
                "workspace.busy", "DVC", "is at work in this workspace.", "Wait until it has finished, then repeat."
            ) from error


def _reach(repo: Any, remote: str, found: Stores) -> None:
    """List a remote; whatever keeps it from answering is told, since the others can be cleared without it."""
    name = f"DVC remote {remote}"
    try:
        store = repo.cloud.get_remote_odb(remote)
        if store.fs.protocol == "local" and not Path(store.path).parents[1].is_dir():
            # An empty remote and one that is not mounted look alike to DVC: nothing to delete in either.
            found.unreachable[name] = (
                f"{Path(store.path).parents[1].name} is not there; mount it, or remove the remote."
            )
            return
        found.objects[name] = set(store.all()) if store.fs.exists(store.path) else set()
    except Exception as error:  # noqa: BLE001 -- each kind of remote fails in its own way
        found.unreachable[name] = f"{type(error).__name__}: {error}"
        return
    found.held[name] = store


def tables(found: Stores) -> Iterator[Path]:
    """Yield each object that may be a table, as a local file for the while; pictures of a remote are passed over."""
    folders = found.folders()
    pictures = {oid for listed in folders.values() for path, oid in listed if path.endswith(PICTURES)}
    for oid in sorted(found.everything() - set(folders)):
        if found.of(oid) == CACHE or oid not in pictures:
            with found.file(oid) as path:
                yield path


def objects_of(paths: Iterable[Path]) -> set[str]:
    """Return the names that DVC gives the contents of files."""
    found = set()
    for path in paths:
        with path.open("rb") as file:
            # DVC's own naming; nothing here rests on it being hard to forge.
            found.add(hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest())
    return found


def judged(found: Stores, judge: Judge, *, used: frozenset[str] | set[str]) -> set[str]:
    """Return the objects that must go.

    Those are: what holds or names something withdrawn; the folders that list such an object; and what only such
    folders list besides pictures, as cards and summaries of a version that held it. Of the last, those that files of
    the workspace which stay are made of (``used``) stay.
    """
    folders = found.folders()
    entries = [(path, oid) for listed in folders.values() for path, oid in listed]
    proven = {oid for path, oid in entries if judge.clean(path)}
    gone = set()
    for oid in sorted(found.everything() - set(folders)):
        if found.of(oid) != CACHE and oid in proven:
            continue
        with found.file(oid) as path:
            if judge.in_file(path):
                gone.add(oid)
    tainted = {
        folder for folder, listed in folders.items() if any(oid in gone or judge.named(path) for path, oid in listed)
    }
    staying = {oid for folder, listed in folders.items() if folder not in tainted for _, oid in listed}
    only_there = {oid for folder in tainted for path, oid in folders[folder] if not judge.clean(path)}
    return gone | tainted | (only_there - staying - used)


def present(found: Stores, oids: Iterable[str]) -> dict[str, int]:
    """Return how many of these objects each store that can be reached holds."""
    wanted = set(oids)
    return {name: len(wanted & found.objects[name]) for name in found.held}


def delete(found: Stores, name: str, oids: Iterable[str]) -> None:
    """Delete objects from one store, and make DVC forget that it saw them there."""
    from dvc_data.hashfile.db import get_index

    store = found.held[name]
    for oid in sorted(set(oids) & found.objects[name]):
        store.delete(oid)
        found.objects[name].discard(oid)
    # DVC remembers what a remote has; without this a readmitted file would never be sent again.
    with closing(get_index(store)) as index:
        index.clear()


def rebuilt(root: Path) -> set[str]:
    """Return the outputs that their stage makes anew whenever it runs: those without ``persist`` in dvc.yaml."""
    document = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))
    found = set()
    for told in document.get("stages", {}).values():
        for out in (told.get("do") or told).get("outs", ()):
            path, options = next(iter(out.items())) if isinstance(out, dict) else (out, {})
            if not (options or {}).get("persist") and "$" not in path:
                found.add(str(path))
    return found


def forget_runs(root: Path, objects: Iterable[str]) -> None:
    """Take the stages out of dvc.lock whose outputs are gone: it must not name them, and they run again when asked."""
    path = root / "dvc.lock"
    if not path.is_file():
        return
    gone = set(objects)
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    runs: Mapping[str, Any] = document.get("stages") or {}
    kept = {name: run for name, run in runs.items() if gone.isdisjoint(out.get("md5") for out in run.get("outs", ()))}
    if kept != runs:
        part = path.with_suffix(".part")
        part.write_text(yaml.safe_dump({**document, "stages": kept}, sort_keys=False), encoding="utf-8")
        os.replace(part, path)


def tracked(root: Path) -> dict[Path, Path]:
    """Return the .dvc file of each path under data/ that DVC tracks by itself."""
    found = {}
    for path in sorted((root / "data").rglob("*.dvc")):
        if path.is_file():
            document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            for out in document.get("outs", ()):
                found[path.parent / out["path"]] = path
    return found


def folders_of_tag(root: Path, tag: str, out: str) -> set[str]:
    """Return the objects that dvc.lock at a git tag names for an output."""
    from workbench.adapters.git import show

    text = show(root, tag, "dvc.lock")
    runs = (yaml.safe_load(text) or {}).get("stages", {}) if text else {}
    return {o["md5"] for run in runs.values() for o in run.get("outs", ()) if o["path"] == out and "md5" in o}
