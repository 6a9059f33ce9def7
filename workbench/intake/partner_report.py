"""What became of each file a partner gave, in the partner's own names: admitted, or in quarantine, why, and what helps."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from workbench.domain.findings import CODES, Finding, Severity

#: What the partner can do about each reason; a test holds that every reason has one.
REMEDIES: Mapping[str, str] = {
    "intake.decode-failed": "Open it on your side; if it opens there, save it anew as JPEG or PNG and hand that over.",
    "intake.truncated": "Copy it anew from the camera or card: a part of it was lost on the way.",
    "intake.format-refused": "Hand it over as JPEG, PNG, WebP, TIFF, BMP, HEIC, AVIF, MP4 or MOV.",
    "intake.extension-mismatch": "Give it the ending of what it is; do not convert it.",
    "intake.too-large": "Hand over the picture as the camera wrote it, of at most 50 megapixels.",
    "intake.too-long": "Cut the film to the part that shows the item.",
    "intake.timeout": "Save it anew with a common program and hand that over.",
    "intake.resources": "Save it anew with a common program and hand that over.",
    "intake.polyglot": "Find out how another file came to be inside it, and hand over the picture alone.",
}
_NO_REMEDY = "Ask the operator."

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Report {contribution}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }}
h1 {{ font-size: 1.5rem }} h2 {{ font-size: 1.15rem; margin-top: 2rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }}
td:first-child {{ overflow-wrap: anywhere; max-width: 20rem }} .code {{ color: #666; font-size: 12px }}
code {{ font: 12px/1.4 ui-monospace, monospace }}
@media print {{ body {{ margin: 0 }} tr {{ break-inside: avoid }} }}
</style>
<h1>What became of contribution {contribution}</h1>
<p>{files} files from <b>{partner}</b>: {admitted} are admitted, {held} are in quarantine. A file in quarantine is kept,
sealed and unaltered like the others; it is not labelled and goes into no release.</p>
{sections}
<p>The names on this page are your own. The workbench keeps them sealed: this page is for you alone.</p>
</html>
"""


def partner_report(
    contribution: Mapping[str, Any],
    names: Mapping[str, Sequence[str]],
    *,
    images: Sequence[Mapping[str, Any]],
    quarantine: Sequence[Mapping[str, Any]],
    remarks: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the report as JSON.

    Parameters
    ----------
    contribution
        Its record, contribution.json.
    names
        The delivered paths of each image_id.
    images, quarantine, remarks
        The contribution's rows of `tables.IMAGES`, `tables.QUARANTINE` and `tables.REMARKS`.

    """
    copies = Counter(row["source_image_id"] or row["image_id"] for row in images)
    noticed: dict[str, list[dict[str, str]]] = {}
    for row in remarks:
        noticed.setdefault(row["image_id"], []).append({"code": row["code"], "detail": row["detail"]})
    held = {row["image_id"]: row for row in quarantine}
    files = [
        {
            "names": sorted(names.get(image_id, ())),
            "sha256": image_id,
            "verdict": "quarantined" if image_id in held else "admitted",
            "working_copies": copies[image_id],
            "reason": _reason(held[image_id]) if image_id in held else None,
            "remarks": noticed.get(image_id, []),
        }
        for image_id in {*copies, *held}
    ]
    files.sort(key=lambda file: (file["names"], file["sha256"]))
    return {
        "contribution_id": contribution["contribution_id"],
        "partner_id": contribution["partner_id"],
        "admitted": len(files) - len(held),
        "quarantined": len(held),
        "reasons": dict(sorted(Counter(row["code"] for row in quarantine).items())),
        "files": files,
    }


def _reason(row: Mapping[str, Any]) -> dict[str, str]:
    return {"code": row["code"], "detail": row["detail"], "remedy": REMEDIES.get(row["code"], _NO_REMEDY)}


def report_page(report: Mapping[str, Any]) -> str:
    """Return the report as a page to read or print."""
    held = [file for file in report["files"] if file["verdict"] == "quarantined"]
    noticed = [file for file in report["files"] if file["remarks"]]
    sections = [_table("In quarantine", ("file", "why", "what helps"), [_held_row(file) for file in held])]
    sections.append(_table("Admitted, with a remark", ("file", "remark"), [_noticed_row(file) for file in noticed]))
    return _PAGE.format(
        contribution=escape(report["contribution_id"]),
        partner=escape(report["partner_id"]),
        files=report["admitted"] + report["quarantined"],
        admitted=report["admitted"],
        held=report["quarantined"],
        sections="\n".join(sections),
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return f"<h2>{title}</h2><p>None.</p>"
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<h2>{title}</h2><table><tr>{head}</tr>\n{body}</table>"


def _name(file: Mapping[str, Any]) -> str:
    names = ", ".join(file["names"]) or "a file"
    return f"{escape(names)}<br><code>{file['sha256'][:12]}</code>"


def _held_row(file: Mapping[str, Any]) -> tuple[str, str, str]:
    reason = file["reason"]
    why = f'{escape(reason["detail"])} <span class="code">{escape(reason["code"])}</span>'
    return _name(file), why, escape(reason["remedy"])


def _noticed_row(file: Mapping[str, Any]) -> tuple[str, str]:
    return _name(file), "<br>".join(escape(remark["detail"]) for remark in file["remarks"])


def write_report(folder: Path, report: Mapping[str, Any]) -> bool:
    """Write report.json and report.html; say whether anything in them is new."""
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    new = False
    # Names of files need not be text in any encoding: what is none is written as it can be.
    for name, content in (("report.html", report_page(report)), ("report.json", text)):
        path, data = folder / name, content.encode("utf-8", "backslashreplace")
        if path.is_file() and path.read_bytes() == data:
            continue
        new = True
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{name}.part")
        part.write_bytes(data)
        os.replace(part, path)
    return new


def remark_findings(rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return one finding a kind of remark, as notes: how many admitted files it is about."""
    counted = Counter(row["code"] for row in rows)
    return [
        Finding(
            code=code,
            subject=f"{count} admitted files",
            message=CODES[code],
            remedy="The partner's report names them: workbench quarantine.",
            severity=Severity.NOTE,
        )
        for code, count in sorted(counted.items())
    ]


def quarantine_findings(rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return one finding a quarantined file; they are warnings, since the rest of the delivery is admitted."""
    return [
        Finding(
            code=row["code"],
            subject=f"file {row['image_id'][:12]} of {row['contribution_id']}",
            message=row["detail"],
            remedy=f"For the partner: {REMEDIES.get(row['code'], 'hand over a sound copy if it matters.')}",
            severity=Severity.WARNING,
        )
        for row in rows
    ]
