"""Commands of releases: assemble, build, verify, compare, hand over, show."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench import __version__
from workbench.adapters import dvc
from workbench.cli import release_formats, release_gate, release_ledger, revocations
from workbench.cli.command import command
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Finding, Refused, Severity, bad_usage, refused

release = typer.Typer(help="Build, verify, compare and hand over dataset versions.", no_args_is_help=True)

#: Findings that `verify` prints; the rest are counted.
_TOLD = 20
NameOption = Annotated[str | None, typer.Argument(help="A release's name. [default: the newest]")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(release, name="release")
    release_gate.register(release)


@command(release, "assemble")
def assemble_release(*, workspace: Workspace) -> Report:
    """Write data/07_release from the stages' tables (what DVC runs; `release build` does all of it)."""
    from workbench.release.assemble import assemble

    made = assemble(
        workspace.layout,
        workspace.section("release"),
        workspace.taxonomy,
        draw=release_formats.real_draw(),
        track=workspace.track,
    )
    return Report(
        summary=f"Assembled {made.facts['images']} images with {made.facts['instances']} labelled objects.",
        data={
            "manifest_sha256": made.manifest_sha256,
            "files": made.files,
            "written": made.written,
            "facts": made.facts,
        },
        next_command="workbench release build NAME",
    )


@command(release, "build")
def build(
    name: Annotated[str, typer.Argument(help="The new release's name; it becomes a git tag.")],
    *,
    workspace: Workspace,
    dry_run: DryRunOption = False,
) -> Report:
    """Bring every stage up to date, assemble, sign, and name the release: once and for good."""
    from workbench.release.increment import known_digests
    from workbench.release.manifest import check_files, manifest_digest
    from workbench.release.record import RECORD, require_name

    layout = workspace.layout
    require_name(name)
    target = layout.records / name
    if dvc.tag_exists(layout.root, name):
        raise refused(
            "release.name-taken", name, "is the name of a release already.", "Choose a new name: releases stay."
        )
    if dry_run:
        return Report(
            summary=f"Would bring all stages up to date, assemble and sign release {name}, and tag it in git.",
            data={"release": name, "dry_run": True},
        )
    with workspace.exclusive("release"):
        dvc.repro(layout.root, ["release"])
        _require_clean(check_files(layout.release, known=known_digests(layout.release, layout.state / "release")))
        release_gate.require_day_holds(workspace)
        digest = manifest_digest(layout.release)
        _require_new(workspace, name, digest)
        _write_record(workspace, name, digest)
        paths = [target / RECORD, target / "splits.csv", target / "public_key.pem"]
        paths += revocations.name_successor(workspace, name)
        dvc.commit_and_tag(layout.root, name, paths, f"Release {name}")
    facts = _facts(layout.release)
    return Report(
        summary=f"Release {name}: {facts['images']} images, {facts['instances']} labelled objects, signed and tagged.",
        data={"release": name, "manifest_sha256": digest, "record": str(target / RECORD), "facts": facts},
        rows=_split_rows(facts),
        next_command=f"workbench release verify {name}",
    )


def _require_clean(findings: Iterator[Finding]) -> None:
    """Refuse to sign what is not what was assembled."""
    found = [finding for finding, _ in zip(findings, range(_TOLD), strict=False)]
    if found:
        raise Refused(*found)


def _require_new(workspace: Workspace, name: str, digest: str) -> None:
    """Refuse data that the newest release holds already, and a name that stands for other data."""
    records = _records(workspace)
    for record in records:
        if record.name == name and record.manifest_sha256 != digest:
            raise refused(
                "release.name-taken", name, "has a record of other data already.", "Choose a new name: releases stay."
            )
    others = [record for record in records if record.name != name]
    if others and others[-1].manifest_sha256 == digest:
        raise refused(
            "release.unchanged",
            f"release {others[-1].name}",
            "holds this very data already.",
            "Nothing to release; use that one.",
        )


def _write_record(workspace: Workspace, name: str, digest: str) -> None:
    """Enter the release in the ledger and write its signed record; after a broken run, the same entry again."""
    from workbench.custody.ledger import Ledger
    from workbench.domain.lineage import sha256_hex
    from workbench.release.record import RECORD, envelope_bytes, statement, write_whole

    layout = workspace.layout
    ledger = Ledger.open(layout.custody)
    sources = {
        file: layout.root / file for file in ("dvc.lock", "dvc.yaml", "params.yaml", "label_configs/taxonomy.yaml")
    }
    facts = _facts(layout.release)
    document = statement(
        name=name,
        manifest_sha256=digest,
        inputs={file: sha256_hex(path.read_bytes()) for file, path in sources.items() if path.is_file()},
        code_version=__version__,
        counts={key: facts[key] for key in ("images", "instances", "groups", "images_by_split_and_origin")},
        ledger=release_ledger.enter_release(ledger, name, digest),
    )
    target = layout.records / name
    write_whole(target / "splits.csv", (layout.release / "splits.csv").read_bytes())
    write_whole(target / "public_key.pem", ledger.public_key_pem().encode())
    write_whole(target / RECORD, envelope_bytes(document, ledger.sign))


@command(release, "verify")
def verify(
    subject: Annotated[
        str | None, typer.Argument(metavar="[NAME|PATH]", help="A release's name, or a folder. [default: the newest]")
    ] = None,
    *,
    workspace: Workspace | None,
    key: Annotated[Path | None, typer.Option("--key", help="The public key you trust, as PEM.")] = None,
    revocations_file: revocations.RevocationsOption = None,
) -> Report:
    """Prove that a release is what was signed: every byte, the signature, the ledger's entry; and not superseded."""
    from workbench.custody.keys import verify_signature
    from workbench.release.verify import check_record, check_release

    if subject is not None and Path(subject).is_dir():
        return _verify_folder(Path(subject), key, revocations_file, workspace)
    space = _need(workspace)
    record = _record(space, subject)
    public_pem = _key_text(key) or release_ledger.public_key(space.layout.custody, record)
    if public_pem is None:  # a clone of the workspace has the records, not the custody folder
        public_pem = (space.layout.records / record.name / "public_key.pem").read_text(encoding="utf-8")
    superseded = revocations.release_findings(space, record, public_pem)
    if superseded:  # its data was purged: only the record can still be proved
        proved = check_record(
            record, public_pem, verify_signature=verify_signature, ledger_problem=release_ledger.ledger_problem
        )
        found = [*superseded, *proved, *_ledger_findings(space, record)]
        return _verdict(f"Release {record.name}", found, [], record.manifest_sha256)
    with _data_of(space, record) as (folder, notes):
        checks = check_release(
            folder,
            record,
            public_pem,
            verify_signature=verify_signature,
            ledger_problem=release_ledger.ledger_problem,
        )
        findings = [*checks, *_ledger_findings(space, record)]
    return _verdict(f"Release {record.name}", findings, notes, record.manifest_sha256)


def _verify_folder(folder: Path, key: Path | None, listed: Path | None, workspace: Workspace | None) -> Report:
    """Verify a bundle, or as far as it goes a bare release folder; a workspace only adds what it knows superseded."""
    from workbench.custody.keys import verify_signature
    from workbench.release.bundle import DATA, KEY, is_bundle
    from workbench.release.manifest import check_files, manifest_digest
    from workbench.release.record import RECORD, read_record
    from workbench.release.verify import check_release

    if not is_bundle(folder) and not (folder / RECORD).exists():
        findings = list(check_files(folder))
        note = _note(
            "release.unsigned", str(folder), "has no signed record beside it.", "Verify an exported bundle instead."
        )
        return _verdict(str(folder), findings, [note], manifest_digest(folder))
    record = read_record(folder / RECORD)
    notes = []
    if key is None:
        notes.append(
            _note(
                "release.unsigned",
                KEY,
                "came with the bundle, so it proves nothing about who signed.",
                "Give the key you have from elsewhere with --key, or compare the fingerprint as HOWTO-VERIFY.txt says.",
            )
        )
    public_pem = _key_text(key or folder / KEY)
    findings = list(
        check_release(
            folder / DATA,
            record,
            public_pem or "",
            verify_signature=verify_signature,
            ledger_problem=release_ledger.ledger_problem,
        )
    )
    findings += revocations.bundle_findings(folder, record, public_pem or "", listed, workspace)
    return _verdict(f"Release {record.name} in {folder}", findings, notes, record.manifest_sha256)


def _verdict(what: str, findings: list[Finding], notes: list[Finding], digest: str) -> Report:
    if not findings:
        return Report(
            summary=f"{what} is sound: every byte is what was recorded.",
            data={"sound": True, "superseded": False, "manifest_sha256": digest},
            findings=notes,
        )
    superseded = [finding for finding in findings if finding.code == "release.superseded"]
    if len(superseded) == len(findings):
        return Report(
            summary=f"{what} is what was signed, but it is superseded: use it no longer.",
            data={"sound": True, "superseded": True, "manifest_sha256": digest},
            findings=[*findings[:_TOLD], *notes],
        )
    return Report(
        summary=f"{what} is NOT sound: {len(findings)} findings.",
        data={
            "sound": False,
            "superseded": bool(superseded),
            "problems": len(findings),
            "manifest_sha256": digest,
        },
        findings=[*findings[:_TOLD], *notes],
    )


def _note(code: str, subject: str, message: str, remedy: str) -> Finding:
    return Finding(code=code, subject=subject, message=message, remedy=remedy, severity=Severity.WARNING)


def _ledger_findings(workspace: Workspace, record: Any) -> list[Finding]:
    """Return what the workspace's own ledger says against a record; nothing where the ledger is elsewhere."""
    from workbench.custody.ledger import Ledger

    if release_ledger.public_key(workspace.layout.custody) is None:
        return []
    entry = release_ledger.find_entry(Ledger.open(workspace.layout.custody), record.name)
    part = record.predicate.get("ledger", {})
    if entry is not None and release_ledger.encoded(entry) == part.get("entry"):
        return []
    message = "has no entry in this workspace's ledger, or another one."
    return [
        Finding(
            code="release.not-in-ledger", subject=record.name, message=message, remedy="Run `workbench ledger verify`."
        )
    ]


@contextmanager
def _data_of(workspace: Workspace, record: Any) -> Iterator[tuple[Path, list[Finding]]]:
    """Yield the folder that holds a release's data: the working folder if it is that release, else as DVC has it."""
    from workbench.release.manifest import check_files, manifest_digest
    from workbench.release.revocation import require_current

    layout = workspace.layout
    require_current(revocations.known(workspace), record)
    newest = _records(workspace)[-1].name == record.name
    there = layout.release.is_dir()
    if there:
        try:
            right = manifest_digest(layout.release) == record.manifest_sha256
            # A folder that breaks its own manifest was tampered with; one that keeps it is another state of the data.
            tampered = newest and next(check_files(layout.release), None) is not None
        except Refused:
            right, tampered = False, newest
        if right or tampered:
            yield layout.release, []
            return
    with tempfile.TemporaryDirectory(dir=_scratch(layout.state)) as scratch:
        dvc.fetch(layout.root, record.name, "data/07_release", Path(scratch) / "data")
        note = _note(
            "release.other-data",
            "data/07_release",
            f"holds another state of the data than release {record.name}, which was read from DVC.",
            f"To work on that release: `git checkout {record.name} && dvc checkout`.",
        )
        yield Path(scratch) / "data", [note] if there else []


def _scratch(state: Path) -> Path:
    state.mkdir(parents=True, exist_ok=True)
    return state


@command(release, "diff")
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A release's name, or a folder.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Another name or folder.")],
    *,
    workspace: Workspace | None,
) -> Report:
    """Compare two releases: images added, removed or moved between splits; objects added, removed, changed."""
    from dataclasses import asdict

    from workbench.release.diff import diff_releases

    found = diff_releases(_rows_of(workspace, old), _rows_of(workspace, new))
    counts = found.counts()
    moved = counts["images_moved"]
    return Report(
        summary=f"From {old} to {new}: {counts['images_added']} images added, {counts['images_removed']} removed, "
        f"{counts['images_kept']} in both, {moved} of those moved to another split.",
        data={"counts": counts, **asdict(found)},
        rows=[{"change": name.replace("_", " "), "count": value} for name, value in counts.items()],
        findings=[
            _note(
                "release.split-leakage",
                f"image {image_id}",
                f"moved from {was} to {now}.",
                "Do not compare results across these releases.",
            )
            for image_id, was, now in found.images_moved[:_TOLD]
        ],
    )


def _rows_of(workspace: Workspace | None, subject: str) -> Any:
    from workbench.release.diff import read_release_rows

    if Path(subject).is_dir():
        return read_release_rows(Path(subject))
    space = _need(workspace)
    with _data_of(space, _record(space, subject)) as (folder, _):
        return read_release_rows(folder)


@command(release, "export")
def export(
    name: Annotated[str, typer.Argument(help="The release to hand over.")],
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="The folder to make.")],
    *,
    workspace: Workspace,
    label_format: Annotated[
        str | None, typer.Option("--format", help="Instead of a bundle: only what one format's readers need.")
    ] = None,
    dry_run: DryRunOption = False,
) -> Report:
    """Write a bundle that verifies without this workspace, and enter the hand-over in the ledger."""
    from workbench.custody.ledger import Ledger
    from workbench.release.bundle import HOWTO, write_bundle
    from workbench.release.manifest import check_files
    from workbench.release.record import RECORD

    record = _record(workspace, name)
    if destination.exists():
        raise bad_usage("usage.bad-argument", destination, "is there already.", "Name a new folder.")
    if label_format is not None:
        with _data_of(workspace, record) as (folder, _):
            return release_formats.export_format(workspace, record, folder, destination, label_format, dry_run=dry_run)
    if dry_run:
        return Report(summary=f"Would write release {name} to {destination}.", data={"dry_run": True})
    record_path = workspace.layout.records / record.name / RECORD
    ledger = Ledger.open(workspace.layout.custody)
    with _data_of(workspace, record) as (folder, _):
        _require_clean(check_files(folder))
        release_ledger.enter_export(ledger, record.name, record.manifest_sha256)
        key = release_ledger.public_key(workspace.layout.custody, record) or ledger.public_key_pem()
        write_bundle(destination, folder, record_path, record, key, revocations=revocations.list_path(workspace))
    return Report(
        summary=f"Release {name} is in {destination}; {HOWTO} says how anyone can verify it.",
        data={"release": name, "path": str(destination)},
        next_command=f"workbench release verify {destination}",
    )


@command(release, "card")
def card(name: NameOption = None, *, workspace: Workspace) -> Report:
    """Print where a release's card is, and what it says in short."""
    record = _record(workspace, name)
    with _data_of(workspace, record) as (folder, _):
        facts = _facts(folder)
    path = workspace.layout.release / "card.html"
    return Report(
        summary=f"{facts['title']}, release {record.name}: {facts['images']} images, "
        f"{facts['instances']} labelled objects. Open {path} in a browser.",
        data={"release": record.name, "path": str(path), "facts": facts},
        rows=_split_rows(facts),
    )


@command(release, "list")
def list_releases(*, workspace: Workspace) -> Report:
    """List the releases of this workspace, oldest first, and whether each may still be used."""
    states = revocations.states(workspace)
    rows = [
        {
            "name": record.name,
            "images": record.predicate["counts"]["images"],
            "objects": record.predicate["counts"]["instances"],
            "manifest_sha256": record.manifest_sha256[:16],
            "state": states.get(record.manifest_sha256, "current"),
        }
        for record in _records(workspace)
    ]
    return Report(
        summary=f"{len(rows)} releases.", data={"releases": [row["name"] for row in rows]}, rows=rows, next_command=None
    )


def _records(workspace: Workspace) -> list[Any]:
    """Return the records of a workspace in the order the ledger knows them."""
    from workbench.release.record import RECORD, read_record

    records = [read_record(path) for path in sorted(workspace.layout.records.glob(f"*/{RECORD}"))]
    return sorted(records, key=lambda record: int(record.predicate["ledger"]["proof"]["index"]))


def _record(workspace: Workspace, name: str | None) -> Any:
    """Return the record of a release, or of the newest.

    Raises
    ------
    Refused
        ``release.unknown-name``.

    """
    records = _records(workspace)
    for record in reversed(records):
        if name in (None, record.name):
            return record
    raise refused(
        "release.unknown-name",
        name or "the newest release",
        "is no release of this workspace, nor a folder.",
        "See `workbench release list`; build one with `workbench release build NAME`.",
    )


def _need(workspace: Workspace | None) -> Workspace:
    return workspace or Workspace.find(None)


def _key_text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise bad_usage("usage.bad-argument", path, "cannot be read as a public key.", "Name a PEM file.") from error


def _facts(folder: Path) -> dict[str, Any]:
    import json

    facts: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return facts


def _split_rows(facts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"split": split, **counts} for split, counts in facts["images_by_split_and_origin"].items()]
