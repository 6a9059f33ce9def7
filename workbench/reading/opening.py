"""Where a release is looked for, and the check of its signed record before anything of it is believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.custody.keys import verify_signature
from workbench.domain.findings import Refused, bad_usage, refused
from workbench.layout import Layout
from workbench.ports import Files
from workbench.reading.proof import ledger_problem, superseded
from workbench.reading.release import OpenRelease
from workbench.release import places
from workbench.release.bundle import KEY, bundle_data, bundle_files, is_bundle
from workbench.release.manifest import NAME as MANIFEST
from workbench.release.manifest import manifest_digest
from workbench.release.record import RECORD, Record, parse_record
from workbench.release.revocation import NAME as REVOCATIONS
from workbench.release.revocation import Revocation, require_current
from workbench.release.verify import check_record

if TYPE_CHECKING:
    from workbench.adapters.albumentations import AugmentationRecipe
    from workbench.adapters.dvc_files import DvcFiles

#: Where a release's data lies in a workspace.
_FOLDER = "data/07_release"


def open_release(
    release: str | Path,
    *,
    repo: str | Path | None = None,
    rev: str | None = None,
    remote: str | None = None,
    key: str | Path | None = None,
    verify: bool = True,
) -> OpenRelease:
    """Return a release, opened for reading.

    Parameters
    ----------
    release
        A release's name in the workspace here, or the path of a bundle (folder or zip) or of a release folder.
    repo
        Another workspace to look for the name in: its folder, or the address of its git repository. Nothing is checked
        out; what is read is streamed from DVC's cache or remote.
    rev
        The git revision to read there; without one the tag that the release's name is.
    remote
        Name of the DVC remote to stream from; without one, the workspace's default.
    key
        The public key you trust (PEM file). Without one the key beside the record is used, which finds damage, not
        forgery.
    verify
        Compare every file with the signed manifest when it is read.

    Raises
    ------
    Refused
        ``release.unknown-name``, ``release.superseded`` if the list of superseded releases beside it names it,
        ``release.manifest-missing``, or what is wrong with the record, its manifest or that list.

    """
    trusted = _key_text(key)
    path = Path(release)
    if repo is not None:
        return _from_dvc(str(repo), str(release), rev or str(release), remote, trusted, verify=verify)
    if path.is_file() or is_bundle(path):
        return _from_bundle(path, trusted, verify=verify)
    if path.is_dir() and (path / MANIFEST).is_file():
        return OpenRelease(str(path), places.FolderFiles(path), verify=verify)
    return _from_workspace(Layout(_workspace(str(release))), str(release), rev, remote, trusted, verify=verify)


def load_recipe(path: str | Path = "params.yaml") -> AugmentationRecipe:
    """Return the augmentation recipe of a workspace's params.yaml, checked, for a training loop to call.

    ``recipe(image_hwc, instances, image_id, k)`` gives the pixels and labels of copy ``k`` as the stage stores them.

    Raises
    ------
    Refused
        ``augmentation.bad-recipe``, ``workspace.params-invalid``, ``workspace.input-missing``.

    """
    import yaml

    from workbench.adapters.albumentations import AugmentationRecipe, step_problem
    from workbench.augmentation.recipe import parse_recipe

    try:
        document: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise refused("workspace.input-missing", path, f"cannot be read ({error}).", "Name a params.yaml.") from error
    params = document.get("augmentation") if isinstance(document, dict) else None
    if not isinstance(params, dict):
        raise refused("workspace.params-invalid", f"{path} augmentation", "is missing.", "Name a workspace's file.")
    parse_recipe(params, step_problem)
    return AugmentationRecipe.from_params(params)


def _from_bundle(path: Path, key: str | None, *, verify: bool) -> OpenRelease:
    whole = bundle_files(path)
    record = parse_record(places.read(whole, RECORD), f"{RECORD} in {path}")
    pem = key or places.read(whole, KEY).decode("utf-8", "replace")
    if REVOCATIONS in whole.names():
        require_current(superseded(places.read(whole, REVOCATIONS), f"{REVOCATIONS} in {path}", [pem]), record)
    return _opened(record, bundle_data(whole), pem, verify=verify)


def _from_workspace(
    layout: Layout, name: str, rev: str | None, remote: str | None, key: str | None, *, verify: bool
) -> OpenRelease:
    path = layout.records / name / RECORD
    if rev is None and path.is_file():
        record = parse_record(path.read_bytes(), path)
        require_current(_superseded_in(layout), record)
        folder = places.FolderFiles(layout.release)
        if _holds(folder, record):
            pem = key or (path.parent / KEY).read_text(encoding="utf-8")
            return _opened(record, folder, pem, verify=verify)
    return _from_dvc(str(layout.root), name, rev or name, remote, key, verify=verify)


def _superseded_in(layout: Layout) -> tuple[Revocation, ...]:
    """Return a workspace's list of superseded releases, signed with a key that signed one of its releases or follows."""
    path = layout.records / REVOCATIONS
    keys = [beside.read_text(encoding="utf-8") for beside in sorted(layout.records.glob(f"*/{KEY}"))]
    return superseded(path.read_bytes(), path, keys) if path.is_file() else ()


def _holds(folder: places.FolderFiles, record: Record) -> bool:
    try:
        return manifest_digest(folder) == record.manifest_sha256
    except Refused:
        return False


def _from_dvc(
    repository: str, name: str, revision: str, remote: str | None, key: str | None, *, verify: bool
) -> OpenRelease:
    from workbench.adapters.dvc_files import DvcFiles

    files = DvcFiles(repository, revision, _FOLDER, remote)
    try:
        record = parse_record(files.read_beside(f"releases/{name}/{RECORD}"), f"the record of {name}")
    except Refused as error:
        if error.findings[0].code != "release.file-missing":
            raise
        raise _unknown(name, repository) from error
    return _opened(record, files, key or _key_beside(files, name), verify=verify)


def _key_beside(files: DvcFiles, name: str) -> str:
    return files.read_beside(f"releases/{name}/{KEY}").decode()


def _opened(record: Record, files: Files, public_pem: str, *, verify: bool) -> OpenRelease:
    """Open a release whose record holds: signature, ledger's proof, and the manifest it speaks of."""
    findings = list(check_record(record, public_pem, verify_signature=verify_signature, ledger_problem=ledger_problem))
    if findings:
        raise Refused(*findings)
    if manifest_digest(files) != record.manifest_sha256:
        raise refused(
            "release.manifest-altered",
            f"{MANIFEST} in {files}",
            f"is not the one that the record of {record.name} speaks of.",
            "Do not use this copy; fetch the release again.",
        )
    return OpenRelease(record.name, files, record=record, verify=verify)


def _workspace(name: str) -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
    raise _unknown(name, "here")


def _unknown(name: str, where: str) -> Refused:
    return refused(
        "release.unknown-name",
        name,
        f"is no release of the workspace {where}, no bundle and no release folder.",
        "See `workbench release list`; give the path of a bundle, or repo= for another workspace.",
    )


def _key_text(path: str | Path | None) -> str | None:
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise bad_usage("usage.bad-argument", path, "cannot be read as a public key.", "Name a PEM file.") from error
