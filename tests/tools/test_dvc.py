"""DVC itself: what one clone pushes, another pulls, byte for byte; its refusals become our findings."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.adapters import dvc, git
from workbench.domain.findings import Busy, Refused
from workbench.synthesis.stage import ACTIVITY

pytestmark = pytest.mark.tools


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git.init(root)
    dvc.init(root)
    return root


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_clone_pulls_the_bytes_that_were_pushed(repository: Path, tmp_path: Path) -> None:
    folder = repository / "data" / "00_deliveries"
    (folder / "c-1").mkdir(parents=True)
    for number in range(20):
        (folder / "c-1" / f"{number}.bin").write_bytes(bytes([number]) * 1000)
    dvc.add(repository, [folder])
    subprocess.run(
        [sys.executable, "-m", "dvc", "remote", "add", "--default", "store", str(tmp_path / "store")],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    git.commit(repository, [repository / ".dvc" / "config"], "A delivery")
    dvc.push(repository)

    clone = tmp_path / "elsewhere" / "clone"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    dvc.pull(clone)
    assert _hashes(clone / "data" / "00_deliveries") == _hashes(folder)
    assert len(_hashes(folder)) == 20


def test_a_failing_stage_answers_with_its_own_finding(workbench: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    workbench("init", root)
    params = root / "params.yaml"
    params.write_text(params.read_text().replace(ACTIVITY, "synthesis/99"))
    answer = workbench("synthesis", "--workspace", root, expect=1)
    assert [finding["code"] for finding in answer["findings"]] == ["workspace.activity-version"]
    assert ACTIVITY in answer["findings"][0]["remedy"]


def test_a_stage_without_its_input_says_which_step_is_missing(
    workbench: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    root = tmp_path / "workspace"
    workbench("init", root)
    answer = workbench("adjudication", "--workspace", root, expect=1)
    assert answer["findings"][0]["code"] == "workspace.input-missing"


def test_a_release_s_name_is_taken_once(repository: Path) -> None:
    (repository / "params.yaml").write_text("a: 1\n")
    git.commit_and_tag(repository, "v1", [], "Release v1")
    with pytest.raises(Refused, match="v1"):
        git.commit_and_tag(repository, "v1", [], "Release v1")


def test_dvc_at_work_elsewhere_is_busy_not_broken(repository: Path) -> None:
    holder = (
        "import sys, time; from dvc.repo import Repo\nwith Repo('.').lock: print('held', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder], cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "held"
        (repository / "data").mkdir()
        (repository / "data" / "x").write_text("x")
        try:
            with pytest.raises(Busy):
                dvc.add(repository, [repository / "data" / "x"])
        finally:
            process.kill()


@pytest.mark.parametrize(
    "left",
    ['{"write": {"data', '{"write": {"/w/data": {"pid": %d, "cmd": "dvc add"}}, "read": {}}'],
    ids=["half a list", "a killed DVC whose number another process has"],
)
def test_a_killed_dvc_keeps_nobody_waiting(repository: Path, left: str) -> None:
    (repository / "data").mkdir()
    (repository / "data" / "a.txt").write_text("one")
    dvc.add(repository, [repository / "data"])
    (repository / "data" / "a.txt").write_text("two")
    (repository / ".dvc" / "tmp" / "rwlock").write_text(left % 1 if "%d" in left else left)
    dvc.add(repository, [repository / "data"])
    assert (repository / "data.dvc").is_file()


def test_what_a_stage_raised_is_told_beside_that_it_failed(repository: Path) -> None:
    (repository / "stage.py").write_text("raise ValueError('the seventh row is of another shape')\n", encoding="utf-8")
    (repository / "dvc.yaml").write_text("stages:\n  broken:\n    cmd: python stage.py\n", encoding="utf-8")
    with pytest.raises(Refused) as refusal:
        dvc.repro(repository, ["broken"])
    (finding,) = refusal.value.findings
    assert finding.code == "dvc.failed"
    assert "'broken'" in finding.message
    assert finding.message.endswith("(ValueError: the seventh row is of another shape)")
