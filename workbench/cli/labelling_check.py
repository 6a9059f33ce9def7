"""`workbench labelling check`: every project compiles in every language, and every frozen answer fits its project."""

from __future__ import annotations

from workbench import tables
from workbench.adapters.label_studio import config_problem
from workbench.cli.adjudication_queue import known_to_decide
from workbench.cli.report import Report
from workbench.cli.wiring import Workspace
from workbench.labelling import check as checks
from workbench.labelling.label_config import read_label_config


def check(*, workspace: Workspace) -> Report:
    """Check the labelling projects in every language, and every frozen answer against its project; change nothing."""
    layout, taxonomy = workspace.layout, workspace.taxonomy
    images = {
        row["image_id"]: row
        for row in tables.read_all_rows(sorted(layout.intake.glob("*/images.parquet")), tables.IMAGES)
    }
    findings, rows = [], []
    for folder in checks.project_folders(layout.label_configs):
        wrong = list(checks.check_project(folder, taxonomy, config_problem=config_problem))
        findings += wrong
        answers = None
        snapshot = layout.labelling / folder.name
        if not wrong and (snapshot / "export.json").is_file():
            config = read_label_config(folder, taxonomy)
            if config.verdict:
                answers, unfit = checks.check_decisions(snapshot, known_to_decide(workspace, config))
            else:
                answers, unfit = checks.check_snapshot(snapshot, config, images=images)
            findings += unfit
        rows.append({"project": folder.name, "sound": "no" if wrong else "yes", "answers_that_fit": answers})
    for path in sorted(layout.labelling.glob("imported-*/instances.parquet")):
        findings += checks.check_imported(path.parent, taxonomy)
    languages = ", ".join(language.code for language in taxonomy.languages)
    verdict = "sound" if not findings else f"not sound: {len(findings)} findings"
    return Report(
        summary=f"{len(rows)} labelling projects in {languages} are {verdict}.",
        data={"projects": rows, "languages": [language.code for language in taxonomy.languages]},
        rows=rows,
        findings=findings,
        next_command=None if findings else "workbench labelling push",
    )
