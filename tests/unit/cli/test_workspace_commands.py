from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.wiring import Workspace
from workbench.domain.findings import CODES, Busy, Finding, Refused

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
