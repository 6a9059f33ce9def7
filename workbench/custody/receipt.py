"""The receipt a partner takes home: what came, and the proof that it stands in the ledger."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from workbench.custody.keys import Checkpoint
from workbench.custody.ledger import Entry, InclusionProof
from workbench.domain.delivery import Contribution, UsageTerms
from workbench.domain.terms import terms_digest

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Receipt {contribution}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }}
h1 {{ font-size: 1.5rem }} table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }}
code, pre {{ font: 12px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap }}
@media print {{ body {{ margin: 0 }} }}
</style>
<h1>Receipt for contribution {contribution}</h1>
<p>Given to <b>{partner}</b> on {received}. {count} files, {size} bytes, under the licence {licence}.</p>
<h2>Usage terms</h2>
<table>{terms}</table>
<p>These terms do not change. The ledger's entry of each file holds their digest: <code>{terms_sha256}</code></p>
<h2>What this proves</h2>
<p>Each file is known by its SHA-256, which you can compute yourself with <code>sha256sum</code>. The workbench keeps the
bytes sealed and unaltered. What this proves: that a file has not changed since it was received. It says nothing about
what happened before.</p>
<p>Keep this page. Its checkpoint, signed by the ledger's key, shows later if the ledger was shortened or rewritten.</p>
<h2>Checkpoint</h2><pre>{note}</pre>
<h2>Files</h2><table><tr><th>file</th><th>SHA-256</th><th>ledger entry</th></tr>{rows}</table>
<h2>Public key of the ledger</h2><pre>{key}</pre>
</html>
"""


def receipt_document(
    contribution: Contribution,
    names: Mapping[str, Sequence[str]],
    proofs: Mapping[str, tuple[Entry, InclusionProof]],
    checkpoint: Checkpoint,
    public_pem: str,
) -> dict[str, Any]:
    """Return the receipt as JSON.

    Parameters
    ----------
    names
        The delivered paths of each image_id; a receipt goes to the partner, who chose them.
    proofs
        For each image_id its ledger entry and the proof that it is in the checkpoint's tree.

    """
    files = [
        {
            "names": list(names[image_id]),
            "sha256": image_id,
            "entry": base64.b64encode(entry.body).decode(),
            "proof": proof.to_json(),
        }
        for image_id, (entry, proof) in sorted(proofs.items())
    ]
    return {
        "contribution": {**asdict(contribution), "terms": contribution.terms.to_json()},
        "terms_sha256": terms_digest(contribution.licence, contribution.terms),
        "checkpoint": checkpoint.note,
        "public_key": public_pem,
        "files": files,
    }


def write_receipt(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write receipt.json and the printable receipt.html; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    contribution = document["contribution"]
    rows = "".join(
        f"<tr><td>{escape(', '.join(file['names']))}</td><td><code>{file['sha256']}</code></td>"
        f"<td>{file['proof']['index']}</td></tr>"
        for file in document["files"]
    )
    page = _PAGE.format(
        contribution=escape(contribution["contribution_id"]),
        partner=escape(contribution["partner_id"]),
        received=escape(contribution["received_at"]),
        licence=escape(contribution["licence"]),
        terms=_terms_rows(contribution["terms"]),
        terms_sha256=document["terms_sha256"],
        count=contribution["file_count"],
        size=f"{contribution['total_bytes']:,}",
        note=escape(document["checkpoint"]),
        key=escape(document["public_key"]),
        rows=rows,
    )
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    for name, content in (("receipt.json", text), ("receipt.html", page)):
        part = folder / f"{name}.part"
        part.write_text(content, encoding="utf-8")
        os.replace(part, folder / name)
    return folder / "receipt.html"


#: The terms in words, for a page that people read.
_TERMS = {
    "permitted_purposes": "may be used for",
    "onward_sharing": "may be handed on to",
    "embargo_until": "not to be released before",
    "retention_until": "not to be kept after",
    "legal_basis": "legal basis",
    "controller": "controller",
    "agreement_ref": "agreement",
    "personal_data_declared": "personal data declared",
}

_SHARING = {
    "none": "nobody",
    "project": "members of the project",
    "named": "those whom the agreement names",
    "public": "everybody",
}


def _terms_rows(stated: Mapping[str, Any]) -> str:
    """Return the terms as rows of a table, each with what it means if it is not stated."""
    terms = UsageTerms.from_json(stated)
    said: dict[str, str | None] = {
        "permitted_purposes": ", ".join(terms.permitted_purposes) or "any purpose the licence permits",
        "onward_sharing": _SHARING[terms.onward_sharing.value],
        "embargo_until": terms.embargo_until,
        "retention_until": terms.retention_until,
        "legal_basis": terms.legal_basis,
        "controller": terms.controller,
        "agreement_ref": terms.agreement_ref,
        "personal_data_declared": "yes" if terms.personal_data_declared else "no",
    }
    return "".join(f"<tr><th>{_TERMS[key]}</th><td>{escape(value or '-')}</td></tr>" for key, value in said.items())
