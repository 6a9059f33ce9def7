"""Commands of receipts: write one again with the verdicts, and verify one anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.command import command
from workbench.cli.ledger import opened
from workbench.cli.reception import DryRunOption, names_reference
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.custody import receipt, receipt_check
from workbench.custody.keys import fingerprint, read_checkpoint
from workbench.custody.ledger import Ledger
from workbench.custody.object_store import SealedStore
from workbench.custody.rotation import key_at
from workbench.domain.delivery import Contribution, UsageTerms
from workbench.domain.findings import Finding, Severity, WorkbenchError, bad_usage, refused
from workbench.layout import Layout


def register(app: typer.Typer) -> None:
    """Add `receipt`."""
    group = typer.Typer(help="What partners take home: proof of what they gave.", no_args_is_help=True)
    app.add_typer(group, name="receipt")
    command(group, "show")(receipt_show)
    command(group, "verify")(receipt_verify)


def receipt_show(
    contribution: Annotated[str, typer.Argument(help="A contribution's id, as c-0123456789ab.")],
    *,
    workspace: Workspace,
    dry_run: DryRunOption = False,
) -> Report:
    """Write a contribution's receipt anew, with the verdicts there are by now, as JSON and as a page to print."""
    layout = workspace.layout
    record = layout.deliveries / contribution / "contribution.json"
    if "/" in contribution or not record.is_file():
        raise refused(
            "custody.entry-missing",
            contribution,
            "is no contribution of this workspace.",
            "`workbench ledger show` names them.",
        )
    page = receipt.receipt_folder(layout.custody, contribution) / receipt.PAGE
    if not dry_run:
        with workspace.exclusive("custody"), opened(workspace) as ledger:
            issue_again(layout, ledger, contribution)
    verb = "would be written to" if dry_run else "is"
    return Report(
        summary=f"The receipt of {contribution} {verb} {page}; receipt.json lies beside it.",
        data={"contribution_id": contribution, "page": str(page), "receipt": str(page.with_name(receipt.RECEIPT))},
        next_command=f"workbench receipt verify {page.with_name(receipt.RECEIPT)}",
    )


def issue_again(layout: Layout, ledger: Ledger, contribution_id: str) -> Path:
    """Write the receipt of a contribution received before; return the page's path."""
    told = json.loads((layout.deliveries / contribution_id / "contribution.json").read_text(encoding="utf-8"))
    contribution = Contribution(**{**told, "terms": UsageTerms.from_json(told.get("terms", {}))})
    listed = names_reference(layout.custody, contribution_id).read_text(encoding="ascii")
    names: dict[str, list[str]] = {}
    for path, image_id in json.loads(SealedStore(layout.custody).read(contribution_id, listed)).items():
        names.setdefault(image_id, []).append(path)
    return receipt.issue_receipt(layout, ledger, contribution, names)


def reissue_receipts(workspace: Workspace) -> list[Finding]:
    """Write anew each receipt that lacks a verdict; return what kept one from being written, as warnings."""
    layout, late = workspace.layout, list[Finding]()
    if not (layout.custody / "ledger.db").is_file():
        return late
    with workspace.exclusive("custody"), opened(workspace) as ledger:
        for record in sorted(layout.deliveries.glob("*/contribution.json")):
            contribution_id = record.parent.name
            if not receipt.is_stale(layout.custody, ledger, contribution_id):
                continue
            try:
                issue_again(layout, ledger, contribution_id)
            except (WorkbenchError, FileNotFoundError) as error:
                late.append(
                    Finding(
                        code="custody.receipt-invalid",
                        subject=f"the receipt of {contribution_id}",
                        message=f"could not be written with its verdicts ({error}).",
                        remedy=f"Mend that, then run `workbench receipt show {contribution_id}`.",
                        severity=Severity.WARNING,
                    )
                )
    return late


def receipt_verify(
    file: Annotated[Path, typer.Argument(help="A receipt.json, or a proof that `ledger prove --out` wrote.")],
    *,
    workspace: Workspace | None,
    key: Annotated[Path | None, typer.Option("--key", help="The public key you trust, as PEM.")] = None,
    files: Annotated[Path | None, typer.Option("--files", help="Your own copy of what you handed over.")] = None,
) -> Report:
    """Check a receipt: signature, proofs, your own files, and in a workspace that the ledger still continues it."""
    document = receipt_check.read_document(file)
    if files is not None and (not files.is_dir() or "files" not in document):
        raise bad_usage("usage.bad-argument", files, "cannot be compared.", "Name a folder, and a receipt beside it.")
    findings: list[Finding] = []
    custody = None if workspace is None else workspace.layout.custody
    if workspace is not None and custody is not None and (custody / "ledger.db").is_file():
        with opened(workspace) as ledger:
            public_pem = _given(key) or key_at(ledger.signing_keys(), receipt_check.claimed_size(document))
            checkpoint = read_checkpoint(document["checkpoint"], public_pem)
            if checkpoint is not None:
                findings += receipt_check.check_extends(ledger, checkpoint)
    else:
        public_pem = _given(key) or document["public_key"]
        findings += [] if key else [receipt_check.own_key_note(file)]
    findings += receipt_check.check_document(document, public_pem)
    if files is not None and not any(finding.severity is Severity.ERROR for finding in findings):
        findings += receipt_check.check_own_files(document, files)
    return _verdict(file, document, findings, public_pem)


def _given(key: Path | None) -> str | None:
    if key is None:
        return None
    try:
        text = key.read_text(encoding="ascii")
        fingerprint(text)
    except (OSError, ValueError, TypeError) as error:
        raise bad_usage("usage.bad-argument", key, "cannot be read as a public key.", "Name a PEM file.") from error
    return text


def _verdict(file: Path, document: dict[str, Any], findings: list[Finding], public_pem: str) -> Report:
    wrong = [finding for finding in findings if finding.severity is Severity.ERROR]
    kind = "files" if "files" in document else "entries"
    what = f"{len(document[kind])} {kind}" if not wrong else f"{len(wrong)} findings"
    signed = "" if wrong else f", signed with key {fingerprint(public_pem)[:16]}"
    return Report(
        summary=f"{file} is {'NOT sound' if wrong else 'sound'}: {what}{signed}.",
        data={"sound": not wrong, "size": receipt_check.claimed_size(document), "problems": len(wrong)},
        findings=findings[:100],
    )
