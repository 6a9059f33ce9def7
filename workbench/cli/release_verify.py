"""The command that proves a release: every byte, the signature, the ledger's entry, and that it is not superseded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli import release_ledger, revocations
from workbench.cli.command import command
from workbench.cli.release import TOLD, data_of, need, note, record_of, release
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import Finding, bad_usage


def register(_app: typer.Typer) -> None:
    """Add the command of this module to the group `release`."""
    command(release, "verify")(verify)


def verify(
    subject: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|PATH]", help="A release's name, or a bundle or folder. [default: the newest]"),
    ] = None,
    *,
    workspace: Workspace | None,
    key: Annotated[Path | None, typer.Option("--key", help="The public key you trust, as PEM.")] = None,
    revocations_file: revocations.RevocationsOption = None,
) -> Report:
    """Prove that a release is what was signed: every byte, the signature, the ledger's entry; and not superseded."""
    from workbench.custody.keys import verify_signature
    from workbench.reading.proof import ledger_problem
    from workbench.release.verify import check_record, check_release

    if subject is not None and (Path(subject).is_dir() or Path(subject).is_file()):
        return _verify_elsewhere(Path(subject), key, revocations_file, workspace)
    space = need(workspace)
    record = record_of(space, subject)
    public_pem = _key_text(key) or release_ledger.public_key(space.layout.custody, record)
    if public_pem is None:  # a clone of the workspace has the records, not the custody folder
        public_pem = (space.layout.records / record.name / "public_key.pem").read_text(encoding="utf-8")
    superseded = revocations.release_findings(space, record)
    if superseded:  # its data was purged: only the record can still be proved
        proved = check_record(record, public_pem, verify_signature=verify_signature, ledger_problem=ledger_problem)
        found = [*superseded, *proved, *_ledger_findings(space, record)]
        return _verdict(f"Release {record.name}", found, [], record.manifest_sha256)
    files, notes = data_of(space, record)
    checks = check_release(files, record, public_pem, verify_signature=verify_signature, ledger_problem=ledger_problem)
    findings = [*checks, *_ledger_findings(space, record)]
    return _verdict(f"Release {record.name}", findings, notes, record.manifest_sha256)


def _verify_elsewhere(path: Path, key: Path | None, listed: Path | None, workspace: Workspace | None) -> Report:
    """Verify a bundle (folder or file), or as far as it goes a bare release folder.

    A workspace is not needed; it only adds what it knows to be superseded.
    """
    from workbench.custody.keys import verify_signature
    from workbench.release import places
    from workbench.release.bundle import KEY, bundle_data, bundle_files, check_bundle, is_bundle
    from workbench.release.manifest import check_files, manifest_digest
    from workbench.release.record import RECORD, parse_record
    from workbench.release.verify import check_release

    if path.is_dir() and not is_bundle(path) and not (path / RECORD).exists():
        findings = list(check_files(path))
        remark = note(
            "release.unsigned", str(path), "has no signed record beside it.", "Verify an exported bundle instead."
        )
        return _verdict(str(path), findings, [remark], manifest_digest(path))
    whole = bundle_files(path)
    record = parse_record(places.read(whole, RECORD), f"{RECORD} in {path}")
    notes = []
    if key is None:
        notes.append(
            note(
                "release.unsigned",
                KEY,
                "came with the bundle, so it proves nothing about who signed.",
                "Give the key you have from elsewhere with --key, or compare the fingerprint as HOWTO-VERIFY.txt says.",
            )
        )
    public_pem = _key_text(key) or places.read(whole, KEY).decode("utf-8", "replace")
    checks = check_release(
        bundle_data(whole),
        record,
        public_pem,
        verify_signature=verify_signature,
        ledger_problem=release_ledger.ledger_problem,
    )
    findings = [
        *checks,
        *check_bundle(whole, record),
        *revocations.bundle_findings(whole, record, public_pem, listed, workspace),
    ]
    return _verdict(f"Release {record.name} in {path}", findings, notes, record.manifest_sha256)


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
            findings=[*findings[:TOLD], *notes],
        )
    return Report(
        summary=f"{what} is NOT sound: {len(findings)} findings.",
        data={"sound": False, "superseded": bool(superseded), "problems": len(findings), "manifest_sha256": digest},
        findings=[*findings[:TOLD], *notes],
    )


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


def _key_text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise bad_usage("usage.bad-argument", path, "cannot be read as a public key.", "Name a PEM file.") from error
