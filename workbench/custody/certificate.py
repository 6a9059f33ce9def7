"""The certificate of a withdrawal: what was purged where, what is pending, and what nobody here can reach."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from workbench.custody.keys import verify_signature, write_secret
from workbench.custody.withdrawal import Plan
from workbench.domain.findings import refused
from workbench.domain.lineage import canonical_json

#: What a withdrawal cannot reach, in words for the partner.
BEYOND = tuple(
    """\
Git history keeps hashes of files, images and folders, split lists and signed release records. It holds no picture, no \
label and no file name.
The ledger keeps its entries: who gave, saw or withdrew which hash, and when. It holds no picture and no file name.
Backups of custody/ made before the withdrawal hold the key and the sealed originals: destroy them, or remove the \
contribution's file from their keys/contributions.
Releases already handed out, listed above, lie with those who received them. The signed list of superseded releases \
tells them to use these no longer.
A remote that keeps former versions (a bucket with versioning, a snapshot, a tape) keeps deleted objects until these \
expire.
The databases of Label Studio and FiftyOne free the space of deleted rows and may hold their text until it is used \
again. They hold no picture.
A file that the partner gave in another contribution too, which was not withdrawn, stays there under that one's key.
The partner's own copies of the delivery and of the receipt are the partner's.
""".splitlines()
)

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Certificate of withdrawal {contribution}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }}
h1 {{ font-size: 1.5rem }} h2 {{ font-size: 1.1rem }} table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }}
td.n, th.n {{ text-align: right }} .pending {{ color: #9a3412; font-weight: 600 }}
code, pre {{ font: 12px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap }}
@media print {{ body {{ margin: 0 }} }}
</style>
<h1>Certificate of withdrawal: contribution {contribution}</h1>
<p>Partner <b>{partner}</b>. Withdrawn on {started} by {actor}. Reason: {reason}</p>
<p>{verdict} This was so on {issued}.</p>
<h2>Places</h2>
<table><tr><th>place</th><th class="n">found</th><th class="n">left</th><th></th></tr>{places}</table>
<h2>Releases</h2>{releases}
<h2>What a withdrawal does not reach</h2><ul>{beyond}</ul>
<h2>The ledger's entry of the withdrawal</h2><pre>{entry}</pre>
<h2>Checkpoint</h2><pre>{note}</pre>
<h2>Signature and key</h2>
<p>The signature (Ed25519) covers the part <code>certificate</code> of certificate.json as canonical JSON.</p>
<pre>{signature}
{key}</pre>
</html>
"""


def certificate_document(
    plan: Plan,
    *,
    issued_at: str,
    ledger: Mapping[str, Any],
    handed_out: Sequence[str],
    sign: Callable[[bytes], bytes],
    public_pem: str,
) -> dict[str, Any]:
    """Return the certificate, signed.

    Parameters
    ----------
    ledger
        The entry of the withdrawal (base64), its inclusion proof and the checkpoint's note.
    handed_out
        What the ledger knows of exports of the releases concerned, a sentence each.

    """
    told = {
        "contribution_id": plan.contribution_id,
        "partner_id": plan.partner_id,
        "reason": plan.reason,
        "actor": plan.actor,
        "withdrawn_at": plan.started_at,
        "issued_at": issued_at,
        "complete": not plan.pending,
        "photographs": len(plan.images),
        "places": [
            {"place": name, "found": place.found, "left": place.left, "pending": plan.pending.get(name)}
            for name, place in plan.places.items()
        ],
        "releases": list(plan.releases),
        "handed_out": list(handed_out),
        "beyond": list(BEYOND),
        "ledger": dict(ledger),
    }
    signature = base64.b64encode(sign(canonical_json(told).encode())).decode()
    return {"certificate": told, "signature": signature, "public_key": public_pem}


def write_certificate(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write certificate.json and the printable certificate.html; return the page's path."""
    told = document["certificate"]
    places = "".join(_place_row(place) for place in told["places"])
    verdict = (
        "Nothing of the contribution is left in the places below."
        if told["complete"]
        else "Something is still pending: repeat the withdrawal once the places marked below can be reached."
    )
    listed = [*(f"{name}: superseded" for name in told["releases"]), *told["handed_out"]]
    page = _PAGE.format(
        contribution=escape(told["contribution_id"]),
        partner=escape(told["partner_id"]),
        started=escape(told["withdrawn_at"]),
        actor=escape(told["actor"]),
        reason=escape(told["reason"]),
        verdict=verdict,
        issued=escape(told["issued_at"]),
        places=places,
        releases=_listing(listed) if listed else "<p>No release held any of it.</p>",
        beyond="".join(f"<li>{escape(sentence)}</li>" for sentence in told["beyond"]),
        entry=escape(base64.b64decode(told["ledger"]["entry"]).decode()),
        note=escape(told["ledger"]["checkpoint"]),
        signature=escape(document["signature"]),
        key=escape(document["public_key"]),
    )
    write_secret(folder / "certificate.html", page.encode())
    write_secret(folder / "certificate.json", (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
    return folder / "certificate.html"


def _place_row(place: Mapping[str, Any]) -> str:
    left = "?" if place["left"] is None else place["left"]
    state = "purged" if place["found"] else "held nothing"
    if place["pending"]:
        state = f'<span class="pending">pending: {escape(place["pending"])}</span>'
    return (
        f'<tr><td>{escape(place["place"])}</td><td class="n">{place["found"]}</td><td class="n">{left}</td>'
        f"<td>{state}</td></tr>"
    )


def _listing(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def read_certificate(path: Path) -> dict[str, Any] | None:
    """Return a certificate whose signature holds; nothing if there is none.

    Raises
    ------
    Refused
        ``custody.withdrawal-pending`` if it is damaged.

    """
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        signed = canonical_json(document["certificate"]).encode()
        if verify_signature(document["public_key"], signed, base64.b64decode(document["signature"])):
            return document
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        pass
    raise refused(
        "custody.withdrawal-pending",
        path,
        "is not the certificate that was signed.",
        "Remove it and repeat the withdrawal, which writes it anew.",
    )
