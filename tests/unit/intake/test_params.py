"""Limits of intake that cannot be used are named, all at once, before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from workbench.cli.main import app
from workbench.cli.wiring import template_root
from workbench.domain.findings import Refused
from workbench.intake.params import check_params

SHIPPED = yaml.safe_load((template_root() / "params.yaml").read_text(encoding="utf-8"))["intake"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_side_px", 0),
        ("max_side_px", 1024.5),
        ("max_megapixels", "50"),
        ("jpeg_quality", 101),
        ("jpeg_quality", True),
        ("timeout_s", 0),
        ("video_timeout_s", float("nan")),
        ("max_video_s", float("inf")),
        ("max_video_frames", None),
        ("video_gap_s", -0.1),
        ("scene_change_frac", 1.5),
    ],
)
def test_a_limit_that_cannot_be_used_is_named(name: str, value: Any) -> None:
    with pytest.raises(Refused) as refusal:
        check_params({**SHIPPED, name: value})
    assert [finding.subject for finding in refusal.value.findings] == [f"params.yaml intake.{name}"]


def test_every_limit_is_checked_and_the_shipped_ones_pass() -> None:
    check_params(SHIPPED)
    with pytest.raises(Refused) as refusal:
        check_params({})
    named = {finding.subject.rpartition(".")[2] for finding in refusal.value.findings}
    assert named == SHIPPED.keys() - {"activity"}
    assert {finding.message for finding in refusal.value.findings} == {"is missing."}


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--stage"]])
def test_the_command_says_all_that_is_wrong_before_it_asks_dvc(tmp_path: Path, options: list[str]) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["init", str(tmp_path / "ws")]).exit_code == 0
    params = tmp_path / "ws" / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(
        text.replace("jpeg_quality: 95 ", "jpeg_quality: high ").replace("timeout_s: 10 ", "timeout_s: 0 ", 1),
        encoding="utf-8",
    )
    said = runner.invoke(app, ["intake", *options, "--workspace", str(tmp_path / "ws")])
    assert said.exit_code == 1
    assert "params.yaml intake.jpeg_quality: is 'high'. Set it to a whole number from 1 on, at most 100." in said.stderr
    assert "params.yaml intake.timeout_s: is 0. Set it to a number above 0." in said.stderr
