"""Withdrawal cut short between any two of its steps, holds, and terms: on a small workspace with the real DVC.

WORKBENCH_ALL_CUTS=1 cuts at every step instead of the telling ones.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.adapters import dvc, dvc_purge
from workbench.cli import withdrawal, withdrawal_certificate
from workbench.custody import withdrawal as records

pytestmark = pytest.mark.tools

Run = Callable[..., dict[str, Any]]

#: Where a run is cut: before the n-th call of a function.
TELLING = {
    "recorded, not in the ledger": (withdrawal, "enter_withdrawal", 1),
    "key gone, originals there": (records, "remove_originals", 1),
    "data pruned, DVC not told": (dvc, "add", 1),
    "some objects deleted": (dvc_purge, "delete", 2),
    "purged, not certified": (withdrawal_certificate, "write_certificate", 1),
}
ALL = TELLING | {f"record written {number} times": (withdrawal, "write_plan", number) for number in range(1, 10)}
CUTS = ALL if os.environ.get("WORKBENCH_ALL_CUTS") else TELLING


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, workbench: Run, draw_photograph: Any) -> tuple[Path, list[str]]:
    """Return a workspace with a remote and two contributions admitted, and their ids."""
    root = tmp_path_factory.mktemp("cut") / "workspace"
    at = ("--workspace", root)
    workbench("init", root)
    config = "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../remote\n"
    (root / ".dvc" / "config.local").write_text(config)
    ids = []
    for number in range(2):
        delivery = root.parent / f"d{number}"
        for photograph in range(2):
            draw_photograph(delivery / f"{photograph}.jpg", seed=90 + 2 * number + photograph, size_wh=(240, 200))
        terms = root.parent / "terms.yaml"
        terms.write_text("licence: CC-BY-4.0\npermitted_purposes: [research]\nembargo_until: 2031-01-01\n")
        workbench("partner", "add", f"lab{number}", "--name", "Lab", "--terms", terms, *at)
        answer = workbench("receive", delivery, "--partner", f"lab{number}", *at)
        ids.append(answer["data"]["contribution_id"])
    workbench("intake", *at)
    dvc.push(root)
    return root, ids


@pytest.fixture
def copied(template: tuple[Path, list[str]], tmp_path: Path) -> tuple[Path, list[str]]:
    """A copy of the workspace and its remote, to destroy."""
    root, ids = template
    shutil.copytree(root.parent, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy" / "workspace", ids


class Cut(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("cut", CUTS)
def test_cut_short_anywhere_a_repeat_completes(
    cut: str, copied: tuple[Path, list[str]], workbench: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, (cid, other) = copied
    module, name, number = CUTS[cut]
    done, calls = getattr(module, name), []

    def cut_short(*arguments: Any, **options: Any) -> Any:
        calls.append(name)
        if len(calls) == number:
            raise Cut
        return done(*arguments, **options)

    order = ("withdraw", cid, "--reason", "consent ended", "--yes", "--workspace", root)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, cut_short)
        with pytest.raises(Cut):
            workbench(*order)
    answer = workbench(*order)["data"]
    assert answer["complete"] is True
    places = answer["places"]
    assert places["sealed originals and file names"] == {"found": 3, "left": 0, "pending": None}
    # Two working copies, three tables (files, images, faces looked for) and a record, and the three folders that list
    # them; the cache has one version more.
    assert (places["DVC cache"]["found"], places["DVC remote store"]["found"]) == (10, 9)
    assert workbench("ledger", "verify", "--objects", "--workspace", root)["findings"] == []
    states = {
        row["contribution_id"]: row["state"] for row in workbench("contribution", "list", "--workspace", root)["rows"]
    }
    assert states == {cid: "withdrawn", other: "received"}
    entries = workbench("ledger", "show", "--limit", "99", "--workspace", root)["data"]["entries"]
    assert [e["kind"] for e in entries if e["kind"] in {"withdraw", "purge"}] == ["withdraw", "purge"]
    assert workbench("intake", "--workspace", root)["data"]["admitted"] == 2
    dvc.push(root)


def test_a_hold_keeps_a_contribution_until_it_is_lifted(copied: tuple[Path, list[str]], workbench: Run) -> None:
    root, (cid, _) = copied
    at = ("--workspace", root)
    workbench("hold", cid, "--reason", "court order 7", "--dry-run", *at)
    assert workbench("contribution", "show", cid, *at)["data"]["held"] is None
    workbench("hold", cid, "--reason", "court order 7", *at)
    assert workbench("hold", cid, "--reason", "court order 7", *at)["data"]["changed"] is False
    assert workbench("contribution", "show", cid, *at)["data"]["state"] == "held"
    refused = workbench("withdraw", cid, "--reason", "r", "--yes", *at, expect=1)
    assert refused["findings"][0]["code"] == "custody.held"
    assert "court order 7" in refused["findings"][0]["message"]
    assert list((root / "custody" / "keys" / "contributions").glob(f"{cid}.*"))
    workbench("unhold", cid, "--reason", "lifted", *at)
    workbench("withdraw", cid, "--reason", "r", "--dry-run", *at)
    entries = workbench("ledger", "show", *at)["data"]["entries"]
    assert [e["kind"] for e in entries if "hold" in e["kind"]] == ["hold", "unhold"]
    unknown = workbench("hold", "c-none", "--reason", "r", *at, expect=1)
    assert unknown["findings"][0]["code"] == "custody.contribution-unknown"


def test_terms_stand_everywhere_and_past_ones_never_change(
    copied: tuple[Path, list[str]], workbench: Run, draw_photograph: Any, tmp_path: Path
) -> None:
    root, (cid, _) = copied
    at = ("--workspace", root)
    record = root / "data" / "00_deliveries" / cid / "contribution.json"
    terms = json.loads(record.read_text())["terms"]
    assert (terms["permitted_purposes"], terms["embargo_until"]) == (["research"], "2031-01-01")
    entries = workbench("ledger", "show", "--limit", "99", *at)["data"]["entries"]
    digests = {e["terms_sha256"] for e in entries if e["kind"] == "receive" and e["contribution_id"] == cid}
    receipt = json.loads((root / "custody" / "receipts" / cid / "receipt.json").read_text())
    assert digests == {receipt["terms_sha256"]}
    assert receipt["contribution"]["terms"] == terms
    page = (root / "custody" / "receipts" / cid / "receipt.html").read_text()
    assert "Not to be released before" in page
    changed = tmp_path / "changed.yaml"
    changed.write_text("embargo_until: null\nonward_sharing: none\n")
    workbench("partner", "terms", "lab0", "--terms", changed, "--reason", "agreement 8", *at)
    assert json.loads(record.read_text())["terms"] == terms
    assert "already" in workbench("receive", root.parent / "d0", "--partner", "lab0", *at)["summary"]
    fixed = workbench("receive", root.parent / "d0", "--partner", "lab0", "--terms", changed, *at, expect=1)
    assert fixed["findings"][0]["code"] == "custody.terms-fixed"
    draw_photograph(tmp_path / "new" / "a.jpg", seed=5)
    narrow, wide = tmp_path / "narrow.yaml", tmp_path / "wide.yaml"
    narrow.write_text("permitted_purposes: [research]\nretention_until: 2035-12-31\n")
    wide.write_text("permitted_purposes: [research, sale]\nonward_sharing: public\n")
    order = ("receive", tmp_path / "new", "--partner", "lab0", *at)
    wider = workbench(*order, "--terms", wide, expect=1)
    assert {finding["code"] for finding in wider["findings"]} == {"custody.terms-wider"}
    assert len(wider["findings"]) == 2
    fresh = workbench(*order, "--terms", narrow)["data"]["contribution_id"]
    told = json.loads((root / "data" / "00_deliveries" / fresh / "contribution.json").read_text())["terms"]
    assert (told["onward_sharing"], told["embargo_until"], told["retention_until"]) == ("none", None, "2035-12-31")
    assert workbench("ledger", "verify", *at)["findings"] == []
    record.chmod(0o644)
    record.write_text(record.read_text().replace("2031-01-01", "2021-01-01"))
    altered = workbench("ledger", "verify", *at, expect=1)
    assert [finding["code"] for finding in altered["findings"]] == ["custody.terms-altered"]
