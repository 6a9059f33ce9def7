"""The documents say what the code does: nothing documented is missing, nothing there is undocumented."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest
import yaml

from workbench.cli.documents import documents, findings_page, parameters, with_region
from workbench.domain.findings import CODES

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "COMMANDS.md", "FINDINGS.md", "PARAMETERS.md"])
def test_a_written_page_is_as_the_code_would_write_it_now(name: str) -> None:
    wanted = documents(ROOT)[ROOT / "docs" / name]
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == wanted, "run scripts/write_docs.py"


def test_every_finding_code_stands_in_the_page_with_its_meaning() -> None:
    page = (ROOT / "docs" / "FINDINGS.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w.-]+)` \|", page, flags=re.MULTILINE)) == set(CODES), "run scripts/write_docs.py"


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_finding_code_is_an_area_and_words_with_hyphens_and_its_meaning_a_sentence(code: str) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*", code)
    assert CODES[code].endswith(".")


def test_every_code_that_the_source_names_is_documented() -> None:
    areas = "|".join(sorted({code.split(".")[0] for code in CODES}))
    named = re.compile(rf"""(?:refused|bad_usage|busy|Finding)\(\s*(?:code=)?"((?:{areas})\.[a-z0-9-]+)\"""")
    found = {code for path in (ROOT / "workbench").rglob("*.py") for code in named.findall(path.read_text("utf-8"))}
    assert found
    assert found - set(CODES) == set()


def test_every_parameter_is_parsed_and_has_a_comment() -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    documented = parameters(text)
    actual = {section: list(keys) for section, keys in yaml.safe_load(text).items()}
    assert {section: [key for key, _, _ in keys] for section, keys in documented.items()} == actual
    silent = [f"{section}.{key}" for section, keys in documented.items() for key, _, about in keys if not about]
    assert silent == [], "say in params.yaml, beside the key, what it does"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_decision_has_a_status_and_says_context_decision_why_and_consequences() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.name[:4]} ")
        assert "\nStatus: " in text
        for heading in ("Context", "Decision", "Why", "Consequences"):
            assert f"\n## {heading}\n" in text, page.name


def test_the_glossary_gives_each_word_once_and_in_order() -> None:
    text = (ROOT / "docs" / "GLOSSARY.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| ([a-z][\w -]*) \|", text, flags=re.MULTILINE)[1:]
    assert len(words) > 40
    assert words == sorted(set(words))


def test_a_region_without_markers_is_an_error_and_not_silently_lost() -> None:
    with pytest.raises(ValueError, match="markers of the region 'tables'"):
        with_region("no markers here", "tables", "content")


def test_a_page_of_findings_changes_when_a_code_is_added() -> None:
    assert "`zz.new-code` | It is new." in findings_page({"zz.new-code": "It is new."})


def test_each_package_says_it_reads_and_writes_what_its_stage_does() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name, stage in stages.items():
        said = inspect.cleandoc(importlib.import_module(f"workbench.{name}").__doc__ or "")
        reads, writes = (re.search(rf"{word}:(.*?)(?:\w+:|\Z)", said, flags=re.DOTALL) for word in ("Reads", "Writes"))
        assert reads is not None, name
        assert writes is not None, name
        for dependency in stage["deps"]:
            assert dependency in reads[1], f"workbench/{name}/__init__.py does not say that it reads {dependency}"
        for output in (next(iter(out)) if isinstance(out, dict) else out for out in stage["outs"]):
            assert output in writes[1], f"workbench/{name}/__init__.py does not say that it writes {output}"


def test_every_benchmark_is_run_and_every_one_run_is_there() -> None:
    listed = re.search(
        r"^BENCHMARKS = \((.*?)\)",
        (ROOT / "benchmarks" / "record.py").read_text("utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    assert listed is not None
    there = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {
        "measure",
        "record",
        "peer_export",
        "cycles_blender",
        "render_memory",
    }  # two run in a peer's Python; the last prints a curve, no ratio
    assert set(re.findall(r'"(\w+)"', listed[1])) == there
