from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.command import _translated
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.domain.findings import CODES, Busy, Finding, Refused, WorkbenchError

Run = Callable[..., dict[str, Any]]


def test_a_command_outside_any_workspace_says_how_to_make_one(workbench: Run, tmp_path: Path) -> None:
    answer = workbench("ledger", "verify", "--workspace", tmp_path, expect=1)
    (finding,) = answer["findings"]
    assert finding["code"] == "workspace.missing"
    assert "workbench init" in finding["remedy"]


def test_init_refuses_a_folder_that_holds_something(workbench: Run, tmp_path: Path) -> None:
    kept = tmp_path / "notes.txt"
    kept.write_text("mine")
    answer = workbench("init", tmp_path, expect=1)
    assert answer["findings"][0]["code"] == "workspace.not-empty"
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_dry_run_of_init_makes_nothing(workbench: Run, tmp_path: Path) -> None:
    workbench("init", tmp_path / "new", "--dry-run")
    assert not (tmp_path / "new").exists()


def test_an_unknown_option_is_wrong_usage(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from workbench.cli.main import app

    assert CliRunner().invoke(app, ["init", str(tmp_path / "x"), "--no-such-option"]).exit_code == 2


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "params.yaml").touch()
    first, second = Workspace.find(tmp_path), Workspace.find(tmp_path)
    with first.exclusive("custody"), pytest.raises(Busy, match="in use"), second.exclusive("custody"):
        pass
    with second.exclusive("custody"):
        pass


def test_broken_params_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "params.yaml").write_text("intake: [unclosed")
    with pytest.raises(Refused, match=r"params\.yaml"):
        Workspace.find(tmp_path).section("intake")


def test_an_undocumented_finding_code_is_refused() -> None:
    with pytest.raises(ValueError, match="not documented"):
        Finding(code="made.up", subject="x", message="y", remedy="z")
    assert all(code.count(".") == 1 and text.endswith(".") for code, text in CODES.items())


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (OSError(errno.EIO, "Input/output error", "f"), "workspace.disk-failed", 1),
        (OSError(errno.ENOSPC, "No space left on device", "f"), "workspace.disk-full", 3),
        (sqlite3.OperationalError("database or disk is full"), "workspace.disk-failed", 1),
    ],
)
def test_a_failing_disk_is_told_in_a_sentence(error: Exception, code: str, exit_code: int) -> None:
    def fails() -> Report:
        raise error

    with pytest.raises(WorkbenchError) as caught:
        _translated(fails, (), {})
    assert (caught.value.findings[0].code, caught.value.exit_code) == (code, exit_code)


def test_a_full_disk_under_the_ledger_is_a_full_disk(tmp_path: Path) -> None:
    def fills() -> Report:
        with closing(sqlite3.connect(tmp_path / "small.db")) as database:
            database.execute("PRAGMA max_page_count = 2")
            database.execute("CREATE TABLE a (b)")
            database.execute("INSERT INTO a VALUES (zeroblob(100000))")
        raise AssertionError

    with pytest.raises(Busy) as caught:
        _translated(fills, (), {})
    assert caught.value.findings[0].code == "workspace.disk-full"
