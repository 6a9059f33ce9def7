"""The partner's report: its own names, every file in it once, and what helps for every reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from workbench.domain.findings import CODES
from workbench.intake.partner_report import REMEDIES, partner_report, report_page, write_report

SOURCES = ("images.py", "video.py")


def _report() -> dict[str, Any]:
    return partner_report(
        {"contribution_id": "c-1", "partner_id": "lab"},
        {"a" * 64: ["b/<i>.jpg", "a.jpg"], "b" * 64: ["film.mp4"], "c" * 64: ["zip.jpg"]},
        images=[
            {"image_id": "a" * 64, "source_image_id": None},
            {"image_id": "d" * 64, "source_image_id": "b" * 64},
            {"image_id": "e" * 64, "source_image_id": "b" * 64},
        ],
        quarantine=[{"image_id": "c" * 64, "code": "intake.polyglot", "detail": "It is two things."}],
        remarks=[{"image_id": "b" * 64, "code": "intake.film", "detail": "It is a film."}],
    )


def test_every_file_stands_in_it_once_with_its_names() -> None:
    report = _report()
    assert [(file["names"], file["verdict"], file["working_copies"]) for file in report["files"]] == [
        (["a.jpg", "b/<i>.jpg"], "admitted", 1),
        (["film.mp4"], "admitted", 2),
        (["zip.jpg"], "quarantined", 0),
    ]
    assert (report["admitted"], report["quarantined"], report["reasons"]) == (2, 1, {"intake.polyglot": 1})
    assert report["files"][2]["reason"]["remedy"] == REMEDIES["intake.polyglot"]


def test_names_are_text_on_the_page_and_nothing_else() -> None:
    report = _report()
    report["files"][2]["names"] = ["<script>alert(1)</script>.jpg"]
    page = report_page(report)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "It is a film." in page


def test_writing_again_writes_nothing_new(tmp_path: Path) -> None:
    assert write_report(tmp_path, _report())
    assert not write_report(tmp_path, _report())
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.json"}


def test_every_reason_for_quarantine_has_a_remedy() -> None:
    adapters = Path(__file__).resolve().parents[3] / "workbench"
    sources = [adapters / "adapters" / name for name in SOURCES] + [adapters / "cli" / "intake.py"]
    text = "".join(path.read_text() for path in sources)
    reasons = set(re.findall(r"(?:Rejected|Verdict)\(\s*code=\"(intake\.[a-z-]+)\"", text))
    assert len(reasons) >= 8
    assert reasons <= set(REMEDIES) <= set(CODES)
