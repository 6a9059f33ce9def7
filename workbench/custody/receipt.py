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
from workbench.domain.delivery import Contribution

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
<p>Each file is known by its SHA-256, which you can compute yourself with <code>sha256sum</code>. The workbench keeps the
bytes sealed and unaltered. What this proves: that a file has not changed since it was received. It says nothing about
what happened before.</p>
<p>Keep this page. Its checkpoint, signed by the ledger's key, shows later if the ledger was shortened or rewritten.</p>
<h2>Checkpoint</h2><pre>{note}</pre>
<h2>Files</h2><table><tr><th>file</th><th>SHA-256</th><th>ledger entry</th></tr>{rows}</table>
<h2>Public key of the ledger</h2><pre>{key}</pre>
</html>
"""

#: Stands for the rows while the page is made; names are escaped, so none can hold it.
_ROWS = "<rows/>"


def receipt_document(
    contribution: Contribution,
    names: Mapping[str, Sequence[str]],
    proofs: Mapping[str, tuple[Entry, InclusionProof]],
    checkpoint: Checkpoint,
    public_pem: str,
) -> dict[str, Any]:
    """Return the receipt as a JSON object, whose files are made one at a time as they are asked for.

    Parameters
    ----------
    names
        The delivered paths of each image_id; a receipt goes to the partner, who chose them.
    proofs
        For each image_id its ledger entry and the proof that it is in the checkpoint's tree.

    """
    files = (
        {
            "names": list(names[image_id]),
            "sha256": image_id,
            "entry": base64.b64encode(entry.body).decode(),
            "proof": proof.to_json(),
        }
        for image_id, (entry, proof) in sorted(proofs.items())
    )
    return {
        "contribution": asdict(contribution),
        "checkpoint": checkpoint.note,
        "public_key": public_pem,
        "files": files,
    }


def write_receipt(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write receipt.json and the printable receipt.html; return the page's path.

    Both are written a file at a time: proofs of 100,000 files would fill a gigabyte of memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    head = {key: value for key, value in document.items() if key != "files"}
    before, after = _page(document).split(_ROWS)
    parts = folder / "receipt.json.part", folder / "receipt.html.part"
    with parts[0].open("w", encoding="utf-8") as data, parts[1].open("w", encoding="utf-8") as page:
        data.write(json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}") + ',\n "files": [')
        page.write(before)
        for number, file in enumerate(document["files"]):
            data.write(("," if number else "") + "\n  " + json.dumps(file, ensure_ascii=False))
            page.write(
                f"<tr><td>{escape(', '.join(file['names']))}</td><td><code>{file['sha256']}</code></td>"
                f"<td>{file['proof']['index']}</td></tr>"
            )
        data.write("\n ]\n}\n")
        page.write(after)
    for part in parts:
        os.replace(part, part.with_suffix(""))
    return folder / "receipt.html"


def _page(document: Mapping[str, Any]) -> str:
    """Return the page, with `_ROWS` where the rows of the files go."""
    contribution = document["contribution"]
    return _PAGE.format(
        contribution=escape(contribution["contribution_id"]),
        partner=escape(contribution["partner_id"]),
        received=escape(contribution["received_at"]),
        licence=escape(contribution["licence"]),
        count=contribution["file_count"],
        size=f"{contribution['total_bytes']:,}",
        note=escape(document["checkpoint"]),
        key=escape(document["public_key"]),
        rows=_ROWS,
    )
