"""Are the labelling projects sound, and does every frozen answer still fit them: told all at once, changing nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench import tables
from workbench.domain.findings import Finding, WorkbenchError
from workbench.domain.taxonomy import Taxonomy
from workbench.labelling.deciding import Known, decisions_from_export
from workbench.labelling.label_config import LabelConfig, read_label_config
from workbench.labelling.snapshot import read_answers

#: Says what a labelling tool has against a configuration, None if nothing.
ConfigProblem = Callable[[str], str | None]


def project_folders(label_configs: Path) -> list[Path]:
    """Return the folders of the labelling projects, sorted by name."""
    return sorted(path.parent for path in label_configs.glob("*/config.yaml"))


def check_project(folder: Path, taxonomy: Taxonomy, *, config_problem: ConfigProblem) -> Iterator[Finding]:
    """Yield what is wrong with one project in any language of the taxonomy."""
    for language in taxonomy.languages:
        try:
            config = read_label_config(folder, taxonomy, language=language.code)
        except WorkbenchError as error:
            yield from error.findings
            return  # the other languages would say the same again
        if problem := config_problem(config.xml):
            yield Finding(
                code="labelling.config-invalid",
                subject=f"label_configs/{folder.name}/config.yaml, {language.code}",
                message=f"gives a page that Label Studio refuses ({problem}).",
                remedy="Undo the last change to the file, or to the taxonomy's names in that language.",
            )


def check_snapshot(
    folder: Path, config: LabelConfig, *, images: Mapping[str, Mapping[str, Any]]
) -> tuple[int, tuple[Finding, ...]]:
    """Return how many of a frozen snapshot's answers still fit the project as it is now, and what is wrong with the others.

    The answers are read again from the export as it was pulled, so that nothing a table lost can hide.
    """
    export = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    read = read_answers(export, images=images, config=config, pseudonym=str)
    return len(read.annotations), read.findings


def check_decisions(folder: Path, known: Known) -> tuple[int, tuple[Finding, ...]]:
    """Return how many of the frozen decisions still fit what was put before adjudicators, and what is wrong with the others."""
    export = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    decisions, findings = decisions_from_export(export, known)
    return len(decisions), findings


def check_imported(folder: Path, taxonomy: Taxonomy) -> Iterator[Finding]:
    """Yield a finding for each code of imported labels that the taxonomy lacks."""
    codes = {row["category"] for row in tables.read_rows(folder / "instances.parquet", tables.INSTANCES)}
    for code in sorted(codes - set(taxonomy.codes)):
        yield Finding(
            code="taxonomy.unknown-code",
            subject=f"{folder.name}: {code}",
            message=f"is no category of taxonomy {taxonomy.version}.",
            remedy="Import the labels again with a class map that names codes of the taxonomy.",
        )
