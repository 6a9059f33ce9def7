"""What adjudicators answered, as decisions: each held against what was put before them, what does not fit told and left out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.domain.adjudication import Decision, Verdict
from workbench.domain.annotation import Instance
from workbench.domain.findings import Finding, Severity
from workbench.domain.lineage import canonical_json
from workbench.labelling.exchange import instances_from_results, short_id
from workbench.labelling.label_config import LabelConfig
from workbench.labelling.tags import VERDICT_FIELDS, tags_from_results

#: What a reference may cite: a rule of a project's guidelines, or a calibre.
_GUIDELINE = re.compile(r"guideline:([\w-]+)#(\d+)")
_CALIBRE = re.compile(r"calibre:(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What decisions are held against.

    Parameters
    ----------
    config
        The project of the adjudicators.
    queue
        Rows of `tables.QUEUE` by ``dispute_id.answers_digest``: everything that was ever put before adjudicators.
    images
        Rows of `tables.IMAGES` by the id of the photograph as delivered.
    rules
        How many rules the guidelines of each project have.
    is_calibre
        Whether a name or id is one of the reference table.

    """

    config: LabelConfig
    queue: Mapping[str, Mapping[str, Any]]
    images: Mapping[str, Mapping[str, Any]]
    taxonomy_version: str
    rules: Mapping[str, int]
    is_calibre: Callable[[str], bool]


def decisions_from_export(
    clean: Iterable[Mapping[str, Any]], known: Known
) -> tuple[tuple[Decision, ...], tuple[Finding, ...]]:
    """Return the decisions of an export, and what is wrong with the answers that are none.

    Parameters
    ----------
    clean
        Tasks as `workbench.labelling.snapshot.canonical_export` returns them: people under pseudonyms.

    """
    decisions: list[Decision] = []
    findings: list[Finding] = []
    for task in clean:
        where = f"task {task['id']} of project {known.config.project}"
        row = known.queue.get(str(task["data"].get("dispute")))
        answers = [answer for answer in task["annotations"] if not answer["was_cancelled"]]
        if answers and row is None:
            findings.append(
                _problem("adjudication.unknown-dispute", where, "is about nothing that was put into the queue.")
            )
        for answer in answers if row else ():
            decision, problems = _decision(answer, row or {}, known, f"{where}, answer {answer['id']},")
            findings += problems
            decisions += [decision] if decision else []
    decisions.sort(key=lambda decision: (decision.decided_at, decision.decision_id))
    return tuple(decisions), tuple(findings)


def _decision(
    answer: Mapping[str, Any], row: Mapping[str, Any], known: Known, where: str
) -> tuple[Decision | None, Sequence[Finding]]:
    """Return the decision that one answer is, or why it is none; a doubtful reference is told and kept."""
    results = answer["result"] or ()
    tags, problems = tags_from_results(results, config=known.config, task=where)
    fields, said_wrong = _fields(results, known.config)
    if said_wrong:
        problems = (*problems, _problem("labelling.unknown-label", where, said_wrong))
    if problems:
        return None, problems
    decided_at = str(answer.get("updated_at") or answer["created_at"])
    said = canonical_json([answer["unique_id"], decided_at, list(results)])
    decision_id = short_id(row["dispute_id"], row["answers_digest"], said)
    drawn, problems = _drawn(results, row, known, where, (decision_id, answer["completed_by"]))
    given = json.loads(row["given"])
    values = tuple(sorted(tag.value for tag in tags if tag.question == row["question"]))
    if not problems and (wrong := _incomplete(fields, given, drawn, values, row)):
        problems = (_problem("adjudication.incomplete-decision", where, wrong),)
    if not problems and answer["completed_by"] in {each["annotator"] for each in given}:
        told = "decides about an answer of the same person."
        problems = (
            _problem("adjudication.own-answer", where, told, "Have somebody else decide; this one does not count."),
        )
    if problems:
        return None, problems
    corrected = fields["verdict"] == Verdict.CORRECTED
    decision = Decision(
        decision_id=decision_id,
        **{name: row[name] for name in ("dispute_id", "answers_digest", "image_id", "project", "question")},
        verdict=Verdict(fields["verdict"]),
        reason=fields["reason"],
        reference=fields.get("reference"),
        adjudicator=answer["completed_by"],
        decided_at=decided_at,
        given=tuple(given),
        taxonomy_version=known.taxonomy_version,
        values=values if corrected else (),
        corrections=drawn if corrected else (),
    )
    return decision, _doubtful(decision.reference, known, where)


def _fields(results: Sequence[Any], config: LabelConfig) -> tuple[dict[str, str], str | None]:
    """Return verdict, reason and reference, and what is wrong with them, None if nothing."""
    fields: dict[str, str] = {}
    for item in results:
        name = item.get("from_name")
        if name not in VERDICT_FIELDS:
            continue
        value = item.get("value")
        value = value if isinstance(value, Mapping) else {}
        given = value.get("choices") if name == "verdict" else value.get("text")
        lines = [given] if isinstance(given, str) else given
        fits = isinstance(lines, list) and lines and all(isinstance(line, str) for line in lines)
        if item.get("type") != VERDICT_FIELDS[name] or not fits or name in fields:
            return {}, f"answers {name!r} with something that project {config.project} lacks."
        fields[name] = "\n".join(lines or ()).strip()
    if "verdict" in fields and fields["verdict"] not in set(Verdict):
        return {}, f"answers 'verdict' with {fields['verdict']}, which project {config.project} lacks."
    return {name: text for name, text in fields.items() if text}, None


def _drawn(
    results: Sequence[Any], row: Mapping[str, Any], known: Known, where: str, by: tuple[str, str]
) -> tuple[tuple[Instance, ...], tuple[Finding, ...]]:
    """Return what the adjudicator drew."""
    image = known.images.get(row["image_id"])
    if image is None:
        code = "labelling.unknown-photograph"
        return (), (_problem(code, where, "is about a photograph that this workspace does not have.", _WITHDRAWN),)
    return instances_from_results(
        results,
        config=known.config,
        size_wh=(image["width_px"], image["height_px"]),
        image_id=row["image_id"],
        annotation_id=by[0],
        annotator=by[1],
        task=where,
    )


def _incomplete(
    fields: Mapping[str, str],
    given: Sequence[Mapping[str, Any]],
    drawn: Sequence[Instance],
    values: Sequence[str],
    row: Mapping[str, Any],
) -> str | None:
    """Say what a decision lacks, None if nothing."""
    missing = [name for name in ("verdict", "reason") if name not in fields]
    if missing:
        return f"gives no {' and no '.join(missing)}."
    verdict = Verdict(fields["verdict"])
    if verdict.letter and verdict.letter not in {each["letter"] for each in given}:
        return f"says that {verdict.letter} is right, and there is no such answer."
    about = row["question"]
    corrects = (drawn and (about is None or _may_draw(row))) or (values and about is not None)
    if verdict is Verdict.CORRECTED and not corrects:
        return f"says that it corrects, and neither draws nor answers anything about {about or 'the object'}."
    if verdict is Verdict.NO_SUCH_OBJECT and about is not None and not _may_draw(row):
        return f"says that there is no such object, and is about the question {about}."
    return None


def _may_draw(row: Mapping[str, Any]) -> bool:
    """Return whether a decision about a question may be given by drawing: only that about rejecting."""
    return "reject" in row["kinds"]


def _doubtful(reference: str | None, known: Known, where: str) -> Sequence[Finding]:
    """Return a warning for each citation of a rule or calibre that there is not; any other words are taken as they are."""
    stray = [
        f"guideline:{project}#{number}"
        for project, number in _GUIDELINE.findall(reference or "")
        if not 1 <= int(number) <= known.rules.get(project, 0)
    ]
    stray += [f"calibre:{name}" for name in _CALIBRE.findall(reference or "") if not known.is_calibre(name)]
    return [
        Finding(
            code="adjudication.unknown-reference",
            subject=where,
            message=f"cites {cited}, which there is not.",
            remedy="Correct the citation in Label Studio and fetch the decisions again; the decision counts as it is.",
            severity=Severity.WARNING,
        )
        for cited in stray
    ]


_CORRECT = "Complete it in Label Studio, then run `workbench adjudication decisions` again; the others were kept."
_WITHDRAWN = "Delete the task in Label Studio, or run `workbench intake` if the photograph is still to be admitted."


def _problem(code: str, where: str, message: str, remedy: str = _CORRECT) -> Finding:
    return Finding(code=code, subject=where, message=message, remedy=remedy)


def decision_row(decision: Decision) -> dict[str, Any]:
    """Return the row of `tables.DECISIONS` that says the same; its drawings stand in a table of their own."""
    return {
        "decision_id": decision.decision_id,
        "dispute_id": decision.dispute_id,
        "answers_digest": decision.answers_digest,
        "image_id": decision.image_id,
        "project": decision.project,
        "question": decision.question,
        "verdict": decision.verdict.value,
        "reason": decision.reason,
        "reference": decision.reference,
        "adjudicator": decision.adjudicator,
        "decided_at": decision.decided_at,
        "given": canonical_json([dict(given) for given in decision.given]),
        "values": list(decision.values),
        "taxonomy_version": decision.taxonomy_version,
    }
