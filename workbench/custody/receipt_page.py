"""The receipt as a page to print: plain words first, then the list, then what a machine checks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from workbench.custody.keys import fingerprint
from workbench.domain.delivery import UsageTerms

_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Receipt {contribution}</title>
<meta name="viewport" content="width=device-width">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }}
h1 {{ font-size: 1.5rem; margin-bottom: .2rem }} h2 {{ font-size: 1.1rem; margin-top: 1.8rem }}
table {{ border-collapse: collapse; width: 100%; table-layout: fixed }}
td, th {{ text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #ddd; vertical-align: top;
  overflow-wrap: anywhere }}
thead {{ display: table-header-group }} tr {{ break-inside: avoid }}
.facts td:first-child {{ color: #555; width: 11rem }}
.files th:nth-child(1) {{ width: 26% }} .files th:nth-child(2) {{ width: 36% }} .files th:nth-child(4) {{ width: 5.5rem }}
code, pre {{ font: 12px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap }}
pre {{ background: #f5f5f3; padding: .6rem .8rem; margin: .4rem 0 }}
.quarantined {{ font-weight: 600 }} .why {{ display: block; font-size: 13px; font-weight: 400 }}
@media print {{ body {{ margin: 0; max-width: none; font-size: 11pt }} pre {{ background: none; border: 1px solid #ccc }}
  h2 {{ break-after: avoid }} }}
</style>
<h1>Receipt for contribution {contribution}</h1>
<p>{verdicts}</p>
<table class="facts">
<tr><td>Given by</td><td>{partner}</td></tr>
<tr><td>Received</td><td>{received} (UTC, by our clock), as a {channel}</td></tr>
<tr><td>Files</td><td>{count}, {size} bytes together; the same content under two names is listed once</td></tr>
<tr><td>Licence</td><td>{licence}</td></tr>
</table>
<h2>Usage terms</h2>
<table class="facts">
{terms}</table>
<p>These terms do not change. The ledger's entry of each file holds their digest: <code>{terms_sha256}</code></p>
<h2>What this proves</h2>
<p>Each file is known by its SHA-256, which you can compute yourself with <code>sha256sum</code>. We keep the bytes
sealed and unaltered, and each file has an entry in our ledger.</p>
<p><b>What this proves:</b> that a file has not changed since it was received, and that the ledger said so when this
receipt was signed. It says nothing about what happened before, or about what a picture shows.</p>
<p><b>Keep this page and receipt.json.</b> If the ledger is ever shortened or rewritten, they show it.</p>
<h2>Files</h2>
<table class="files"><thead><tr><th>File</th><th>SHA-256</th><th>Verdict</th><th>Entries</th></tr></thead><tbody>
"""

_FOOT = """</tbody></table>
<h2>Checkpoint of the ledger</h2>
<p>The signed statement of how many entries the ledger had, and of their root hash.</p>
<pre>{note}</pre>
<h2>Public key of the ledger</h2>
<pre>{key}</pre>
<p>Its fingerprint, to compare by telephone:<br><code>{fingerprint}</code></p>
<h2>How to check</h2>
<p>A file of yours: <code>sha256sum FILE</code> must give the line above. All of them, the proofs and the signature:
<code>workbench receipt verify receipt.json --files FOLDER</code>. Without our program: ask for an export of the ledger;
the script in it takes nothing but <code>openssl</code> and <code>sha256sum</code>, and checks this checkpoint too.</p>
</html>
"""

_SHARING = {
    "none": "nobody",
    "project": "members of the project",
    "named": "those whom the agreement names",
    "public": "everybody",
}

_SAID = {
    "admitted": "Admitted",
    "quarantined": "Not admitted",
    "pending": "Not inspected yet",
}


def page_head(head: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    """Return the page down to the head of the list; ``counts`` says how many files have which verdict."""
    contribution = head["contribution"]
    return _HEAD.format(
        contribution=escape(contribution["contribution_id"]),
        partner=escape(contribution["partner_id"]),
        received=escape(contribution["received_at"].replace("T", " ").removesuffix("+00:00")),
        channel=escape(contribution["channel"]),
        licence=escape(contribution["licence"]),
        count=f"{contribution['file_count']:,}",
        size=f"{contribution['total_bytes']:,}",
        verdicts=escape(_verdicts(counts)),
        terms=_terms_rows(contribution["terms"]),
        terms_sha256=head["terms_sha256"],
    )


def _terms_rows(stated: Mapping[str, Any]) -> str:
    """Return the terms as rows of a table, each with what it means if it is not stated."""
    terms = UsageTerms.from_json(stated)
    said: dict[str, str | None] = {
        "May be used for": ", ".join(terms.permitted_purposes) or "any purpose the licence permits",
        "May be handed on to": _SHARING[terms.onward_sharing.value],
        "Not to be released before": terms.embargo_until,
        "Not to be kept after": terms.retention_until,
        "Legal basis": terms.legal_basis,
        "Controller": terms.controller,
        "Agreement": terms.agreement_ref,
        "Personal data declared": "yes" if terms.personal_data_declared else "no",
    }
    return "".join(f"<tr><td>{name}</td><td>{escape(value or '-')}</td></tr>\n" for name, value in said.items())


def _verdicts(counts: Mapping[str, int]) -> str:
    admitted, held, pending = (counts.get(status, 0) for status in ("admitted", "quarantined", "pending"))
    if not admitted and not held:
        return "Your files are received and safe. They are not inspected yet; a receipt with the verdicts will follow."
    said = f"{admitted:,} of your pictures are admitted."
    if held:
        said += f" {held:,} are in quarantine: kept, but not used. The list says why; send a sound copy if it matters."
    if pending:
        said += f" {pending:,} are not inspected yet."
    return said


def page_row(file: Mapping[str, Any]) -> str:
    """Return the line of one file."""
    verdict = file["verdict"]
    said = escape(_SAID[verdict["status"]])
    if "detail" in verdict:
        said += f'<span class="why">{escape(verdict["detail"])} <code>{escape(verdict["code"])}</code></span>'
    entries = [str(part["proof"]["index"]) for part in (file, verdict) if "proof" in part]
    return (
        f"<tr><td>{'<br>'.join(escape(name) for name in file['names'])}</td><td><code>{file['sha256']}</code></td>"
        f'<td class="{verdict["status"]}">{said}</td><td>{", ".join(entries)}</td></tr>\n'
    )


def page_foot(head: Mapping[str, Any]) -> str:
    """Return the page from the end of the list on."""
    key = head["public_key"]
    return _FOOT.format(note=escape(head["checkpoint"]), key=escape(key), fingerprint=fingerprint(key))
