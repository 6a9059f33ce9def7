"""From a disagreement through the queue to a decision and ground truth, on a labelling server in memory."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workbench import tables
from workbench.adjudication.decisions import FOLDER, all_decisions
from workbench.adjudication.disputes import letters
from workbench.adjudication.queue import order_disputes, stale_decisions
from workbench.adjudication.stage import ACTIVITY, read_case_files, run_adjudication, settle_all
from workbench.adjudication.statement import state, write_page
from workbench.domain.adjudication import Dispute, Kind
from workbench.domain.annotation import Annotation, Instance, Pass, Shape, Tag
from workbench.domain.findings import Finding, Refused
from workbench.domain.geometry import Box
from workbench.domain.taxonomy import REJECT, Taxonomy
from workbench.labelling import decided
from workbench.labelling.adjudicating import Shown, plan_queue
from workbench.labelling.deciding import Known, decisions_from_export
from workbench.labelling.label_config import read_label_config
from workbench.labelling.snapshot import Snapshot, canonical_export, write_snapshot
from workbench.layout import Layout

CONFIGS = Path(__file__).resolve().parents[3] / "label_configs"
TAXONOMY = Taxonomy.from_mapping(yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8")))
CONFIG = read_label_config(CONFIGS / "adjudication", TAXONOMY)
ORDER = [kind.value for kind in Kind]
PARAMS: dict[str, Any] = {
    "activity": ACTIVITY,
    "match_iou": 0.5,
    "accept_iou": 0.7,
    "single_annotator": "accept",
    "queue": ORDER,
    "bootstrap_rounds": 20,
    "bootstrap_seed": 1,
    "session_gap_min": 30,
}
PHOTO = "f" * 64
IMAGE = {"image_id": PHOTO, "width_px": 200, "height_px": 100, "path": "01_intake/c/images/ff.jpg"}
IMAGE |= {"contribution_id": "c", "partner_id": "p"}


def box(name: str, category: str = "part.barrel", x: float = 10, side: float = 40, **more: Any) -> Instance:
    edges = Box(x_min=x, y_min=10, x_max=x + side, y_max=10 + side)
    return Instance(
        instance_id=name, image_id=PHOTO, category=category, shape=Shape.BOX, box=edges, annotation_id="", **more
    )


def answer(who: str, *drawn: Instance, tags: dict[str, tuple[str, ...]] | None = None) -> Annotation:
    return Annotation(
        annotation_id=f"answer-{who}",
        image_id=PHOTO,
        project="parts",
        annotator=who,
        pass_=Pass.BLIND1,
        submitted_at=f"2026-01-01T00:00:0{len(who)}Z",
        lead_time_s=3.0,
        source="label-studio",
        instances=tuple(replace(each, annotation_id=f"answer-{who}", annotator=who) for each in drawn),
        tags=tuple(Tag(question=q, value=v) for q, values in (tags or {}).items() for v in values),
    )


@dataclass
class Bench:
    """One photograph, its answers, and a server in memory on which adjudicators work."""

    layout: Layout
    server: Any
    project: int = 0
    findings: tuple[Finding, ...] = ()
    params: dict[str, Any] = field(default_factory=lambda: dict(PARAMS))
    taxonomy: Taxonomy = TAXONOMY

    def answered(self, *answers: Annotation, version: str = TAXONOMY.version) -> Bench:
        write_snapshot(self.layout.labelling / "parts", Snapshot(annotations=answers), taxonomy_version=version)
        return self

    @property
    def folder(self) -> Path:
        return self.layout.labelling / FOLDER

    def open(self) -> list[Dispute]:
        outcomes = settle_all(*read_case_files(self.layout, self.params, self.taxonomy))
        return order_disputes([dispute for of in outcomes.values() for dispute in of.disputes], self.params["queue"])

    def push(self) -> tuple[int, int]:
        """Fill the queue; return how many tasks are new, and how many were taken out."""
        self.project = self.server.ensure_project(CONFIG.title, label_config=CONFIG.xml, instructions="", overlap=1)
        data = self.layout.data
        shown = Shown(images={PHOTO: IMAGE}, data=data, media_root=data, taxonomy=self.taxonomy, language="en")
        plan = plan_queue(self.open(), self.server.tasks(self.project), config=CONFIG, shown=shown)
        decided.append_queue(self.folder, plan.queued)
        self.server.import_tasks(self.project, plan.new)
        self.server.remove_untouched(self.project, plan.obsolete)
        return len(plan.new), len(plan.obsolete)

    def decide(
        self, verdict: str | None, *more: dict[str, Any], reason: str | None = "Seen.", by: str = "judge"
    ) -> None:
        task = max(self.server.tasks(self.project), key=lambda task: task.task_id)
        results = [_field("verdict", "choices", {"choices": [verdict]})] if verdict else []
        results += [_field("reason", "textarea", {"text": [reason]})] if reason else []
        self.server.acting_as(by).answer(task.task_id, [*results, *more], lead_time_s=1)

    def pull(self) -> int:
        known = Known(
            config=CONFIG,
            queue=decided.read_queue(self.folder),
            images={PHOTO: IMAGE},
            taxonomy_version=TAXONOMY.version,
            rules={"parts": 5},
            is_calibre=lambda name: name == "9x19mm",
        )
        clean = canonical_export(self.server.export(self.project), str)
        found, self.findings = decisions_from_export(clean, known)
        return decided.append_decisions(self.folder, found, export=clean)

    def settle(self) -> dict[str, list[dict[str, Any]]]:
        run_adjudication(self.layout, self.params, taxonomy=self.taxonomy)
        schemas = {
            "instances": tables.INSTANCES,
            "labelled": tables.LABELLED,
            "disagreements": tables.DISAGREEMENTS,
            "accounts": tables.ACCOUNTS,
            "dissent": tables.DISSENT,
            "tags": tables.PHOTOGRAPH_TAGS,
        }
        return {
            name: tables.read_rows(self.layout.adjudication / f"{name}.parquet", schema)
            for name, schema in schemas.items()
        }

    def letter_of(self, who: str) -> str:
        (dispute,) = self.open()
        return next(given.letter for given in dispute.given if given.annotator == who)

    def after(self, verdict: str, *more: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        """Queue the one disagreement, decide it, and return what became of it."""
        assert self.push() == (1, 0)
        self.decide(verdict, *more)
        assert self.pull() == 1, self.findings
        return self.settle()


def _field(name: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"f-{name}", "from_name": name, "to_name": "image", "type": kind, "value": value}


def _drawn(category: str = "part.slide") -> dict[str, Any]:
    value = {"x": 5, "y": 10, "width": 20, "height": 40, "rotation": 0, "rectanglelabels": [category]}
    return {"id": "mine", "from_name": "box", "to_name": "image", "type": "rectanglelabels", "value": value}


@pytest.fixture
def bench(tmp_path: Path, fakes: ModuleType) -> Bench:
    return Bench(layout=Layout(tmp_path), server=fakes.FakeLabeller())


def _category(bench: Bench) -> Bench:
    return bench.answered(answer("p", box("a")), answer("q", box("b", "negative.tool", x=11)))


def test_the_answer_found_right_is_ground_truth_and_the_other_stays_as_dissent(bench: Bench) -> None:
    right = _category(bench).letter_of("q")
    after = bench.after(f"{right.lower()}_right")
    (truth,), (account,), (lost,) = after["instances"], after["accounts"], after["dissent"]
    assert (truth["category"], truth["decided_by"]) == ("negative.tool", "adjudication")
    assert truth["x_min"] == 11
    assert after["labelled"][0]["status"] == "adjudicated"
    assert after["disagreements"] == []
    assert (account["adjudicator"], account["reason"], account["verdict"]) == (
        "judge",
        "Seen.",
        f"{right.lower()}_right",
    )
    assert [each["annotator"] for each in json.loads(account["answers"])] == ["p", "q"]
    assert account["least_iou"] == pytest.approx(39 / 41)
    assert (lost["annotator"], lost["said"], lost["kind"]) == ("p", "part.barrel (box)", "category")
    assert lost["truth_instance_id"] == truth["instance_id"]


def test_what_an_adjudicator_draws_replaces_both_answers(bench: Bench) -> None:
    shown = _drawn() | {"from_name": "answer_box", "value": _drawn()["value"] | {"rectanglelabels": ["A"]}}
    after = _category(bench).after("corrected", shown, _drawn())
    (truth,) = after["instances"]
    assert (truth["category"], truth["annotator"], truth["decided_by"]) == ("part.slide", "judge", "adjudication")
    assert [truth[edge] for edge in ("x_min", "y_min", "x_max", "y_max")] == [10, 10, 50, 50]
    assert {row["annotator"] for row in after["dissent"]} == {"p", "q"}


def test_cannot_tell_what_it_is_makes_it_an_unknown_object(bench: Bench) -> None:
    after = _category(bench).after("cannot_tell")
    assert [row["category"] for row in after["instances"]] == ["unknown"]


def test_no_such_object_leaves_none_and_settles_the_photograph(bench: Bench) -> None:
    bench.answered(answer("p", box("a")), answer("q"))
    after = bench.after("no_such_object")
    assert after["instances"] == []
    assert after["labelled"][0]["status"] == "adjudicated"
    assert [(row["annotator"], row["said"]) for row in after["dissent"]] == [("p", "part.barrel (box)")]


def test_not_having_marked_something_can_be_right(bench: Bench) -> None:
    bench.answered(answer("p", box("a")), answer("q"))
    after = bench.after(f"{bench.letter_of('q').lower()}_right")
    assert after["instances"] == []
    assert after["dissent"][0]["annotator"] == "p"


def test_a_shape_of_which_nobody_can_tell_stays_open_and_is_not_asked_again(bench: Bench) -> None:
    bench.answered(answer("p", box("a")), answer("q", box("b", x=20)))
    after = bench.after("cannot_tell")
    assert after["labelled"][0]["status"] == "disagreed"
    assert "could not tell" in after["disagreements"][0]["detail"]
    assert bench.push() == (0, 0)


@pytest.mark.parametrize(
    ("one", "other", "column", "value"),
    [
        ({"transcription": "A1"}, {"transcription": "A7"}, "transcription", "A7"),
        ({"facets": {"material": "wood"}}, {"facets": {"material": "polymer"}}, "facets", '{"material":"polymer"}'),
    ],
)
def test_what_is_read_or_answered_differently_is_decided_and_the_agreed_shape_kept(
    bench: Bench, one: dict[str, Any], other: dict[str, Any], column: str, value: str
) -> None:
    bench.answered(answer("p", box("a", **one)), answer("q", box("b", **other)))
    before = bench.settle()
    assert before["labelled"][0]["status"] == "agreed"
    assert before["accounts"][0]["open"] == [("transcription" if column == "transcription" else "facet")]
    after = bench.after(f"{bench.letter_of('q').lower()}_right")
    assert after["instances"][0][column] == value
    assert after["instances"][0]["instance_id"] == before["instances"][0]["instance_id"]
    assert [row["annotator"] for row in after["dissent"]] == ["p"]


def test_a_question_about_the_photograph_is_decided(bench: Bench) -> None:
    bench.answered(
        answer("p", box("a"), tags={"image_usable": ("usable",)}),
        answer("q", box("b"), tags={"image_usable": ("unusable",)}),
    )
    assert [row["value"] for row in bench.settle()["tags"]] == ["cannot_tell"]
    own = _field("image_usable", "choices", {"choices": ["in_part"]})
    after = bench.after("corrected", own)
    assert [(row["value"], row["decided_by"]) for row in after["tags"]] == [("in_part", "adjudication")]
    assert {row["said"] for row in after["dissent"]} == {"image_usable: usable", "image_usable: unusable"}


def test_a_photograph_rejected_by_all_is_rejected_and_not_an_empty_one(bench: Bench) -> None:
    reject = {REJECT: ("blurred",)}
    after = bench.answered(answer("p", tags=reject), answer("q", tags=reject)).settle()
    assert after["labelled"][0]["status"] == "rejected"
    assert [(row["question"], row["value"]) for row in after["tags"]] == [(REJECT, "blurred")]


@pytest.mark.parametrize(("right", "status", "objects"), [("p", "rejected", 0), ("q", "adjudicated", 1)])
def test_rejected_by_one_and_labelled_by_another_is_decided(
    bench: Bench, right: str, status: str, objects: int
) -> None:
    bench.answered(answer("p", tags={REJECT: ("blurred",)}), answer("q", box("b")))
    before = bench.settle()
    assert (before["labelled"][0]["status"], before["instances"]) == ("disagreed", [])
    after = bench.after(f"{bench.letter_of(right).lower()}_right")
    assert (after["labelled"][0]["status"], len(after["instances"])) == (status, objects)
    assert [row["annotator"] for row in after["dissent"]] == ["q" if right == "p" else "p"]


def test_a_project_that_only_asks_labels_nothing(bench: Bench) -> None:
    tags = {"image_usable": ("usable",), "kinds_shown": ("ammunition", "part")}
    after = bench.answered(answer("p", tags=tags), answer("q", tags=tags)).settle()
    assert after["labelled"] == []
    assert [row["value"] for row in after["tags"]] == ["usable", "ammunition", "part"]


def test_the_queue_is_filled_once_and_what_is_decided_does_not_come_back(bench: Bench) -> None:
    _category(bench)
    assert [bench.push() for _ in range(2)] == [(1, 0), (0, 0)]
    bench.decide("a_right")
    assert [bench.pull() for _ in range(2)] == [1, 0]
    assert bench.push() == (0, 0)
    kept = {path.name: path.read_bytes() for path in bench.folder.iterdir()}
    bench.pull()
    assert {path.name: path.read_bytes() for path in bench.folder.iterdir()} == kept


def test_a_decision_about_answers_that_changed_is_stale_and_asked_again(bench: Bench) -> None:
    _category(bench).after("a_right")
    bench.answered(answer("p", box("a", "part.slide")), answer("q", box("b", "negative.tool", x=11)))
    outcomes = settle_all(*read_case_files(bench.layout, bench.params, TAXONOMY))
    assert len(stale_decisions(all_decisions(bench.layout.labelling), outcomes)) == 1
    assert bench.settle()["labelled"][0]["status"] == "disagreed"
    assert bench.push() == (1, 0)


def test_an_undecided_task_about_answers_that_changed_is_taken_out(bench: Bench) -> None:
    _category(bench)
    assert bench.push() == (1, 0)
    bench.answered(answer("p", box("a", "part.slide")), answer("q", box("b", "negative.tool", x=11)))
    assert bench.push() == (1, 1)
    assert len(bench.server.tasks(bench.project)) == 1


def test_a_changed_mind_counts_and_the_first_decision_stays_on_record(bench: Bench) -> None:
    _category(bench).after("cannot_tell")
    bench.decide("no_such_object")
    assert bench.pull() == 1
    assert bench.settle()["instances"] == []
    assert [decision.verdict for decision in all_decisions(bench.layout.labelling)] == ["cannot_tell", "no_such_object"]


def test_a_renamed_code_leaves_decisions_standing(bench: Bench) -> None:
    _category(bench).after(f"{bench.letter_of('p').lower()}_right")
    document = yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8"))
    renamed = json.loads(json.dumps(document).replace('"part.barrel"', '"part.pipe"'))
    renamed |= {"version": "9.0.0", "migrations": [{"to": "9.0.0", "rename": {"part.barrel": "part.pipe"}}]}
    bench.taxonomy = Taxonomy.from_mapping(renamed)
    after = bench.settle()
    assert [row["category"] for row in after["instances"]] == ["part.pipe"]
    assert after["labelled"][0]["status"] == "adjudicated"


@pytest.mark.parametrize(
    ("verdict", "reason", "more", "code"),
    [
        (None, "Seen.", [], "adjudication.incomplete-decision"),
        ("a_right", None, [], "adjudication.incomplete-decision"),
        ("c_right", "Seen.", [], "adjudication.incomplete-decision"),
        ("corrected", "Seen.", [], "adjudication.incomplete-decision"),
        ("e_right", "Seen.", [], "labelling.unknown-label"),
        ("corrected", "Seen.", [_drawn("part.wing")], "labelling.unknown-label"),
        ("a_right", "Seen.", [_field("verdict", "choices", {"choices": ["b_right"]})], "labelling.unknown-label"),
        ("a_right", "Seen.", [_field("mood", "choices", {"choices": ["good"]})], "labelling.unknown-label"),
        ("a_right", "Seen.", [_field("reference", "textarea", {"text": 7})], "labelling.unknown-label"),
    ],
)
def test_a_decision_that_lacks_something_or_says_something_unknown_stays_out(
    bench: Bench, verdict: str | None, reason: str | None, more: list[dict[str, Any]], code: str
) -> None:
    _category(bench).push()
    bench.decide(verdict, *more, reason=reason)
    assert bench.pull() == 0
    assert [finding.code for finding in bench.findings] == [code]


def test_nobody_decides_about_an_answer_of_their_own(bench: Bench) -> None:
    _category(bench).push()
    bench.decide("a_right", by="p")
    assert bench.pull() == 0
    assert [finding.code for finding in bench.findings] == ["adjudication.own-answer"]


def test_a_decision_about_something_never_queued_stays_out(bench: Bench) -> None:
    _category(bench).push()
    bench.server.import_tasks(bench.project, [{"data": {"image": "", "sha256": PHOTO, "dispute": "made-up"}}])
    bench.decide("a_right")
    assert bench.pull() == 0
    assert [finding.code for finding in bench.findings] == ["adjudication.unknown-dispute"]


@pytest.mark.parametrize(
    ("cited", "strange"),
    [
        ("guideline:parts#5", []),
        ("see calibre:9x19mm", []),
        ("the museum's catalogue", []),
        ("guideline:parts#6 calibre:9x99", ["guideline:parts#6", "calibre:9x99"]),
        ("guideline:nowhere#1", ["guideline:nowhere#1"]),
    ],
)
def test_what_a_decision_cites_is_checked_and_kept(bench: Bench, cited: str, strange: list[str]) -> None:
    _category(bench).push()
    bench.decide("a_right", _field("reference", "textarea", {"text": [cited]}))
    assert bench.pull() == 1
    assert [finding.message.split()[1].strip(",") for finding in bench.findings] == strange
    assert bench.settle()["accounts"][0]["reference"] == cited


def test_a_task_hides_who_answered(bench: Bench) -> None:
    people = ("annotator-1234", "annotator-abcd")
    bench.answered(answer(people[0], box("a")), answer(people[1], box("b", "negative.tool", x=11))).push()
    (task,) = bench.server._shared["tasks"].values()
    text = json.dumps(task)
    assert not any(name in text for name in people)
    assert [each["model_version"] for each in task["predictions"]] == ["A", "B", "all answers"]
    assert "Hand tool" in task["data"]["answers"]
    assert "part.barrel" not in task["data"]["what"]


@given(st.integers(0, 2**32))
def test_a_letter_is_the_same_each_time_and_says_nothing_about_a_person(seed: int) -> None:
    drawn = [letters(f"{seed}-{n}", "parts", ["p", "q", "r"]) for n in range(300)]
    assert drawn == [letters(f"{seed}-{n}", "parts", ["r", "p", "q"]) for n in range(300)]
    counts = Counter(each["p"] for each in drawn)
    assert set(counts) == {"A", "B", "C"}
    assert min(counts.values()) > 55  # of 300; fewer has a chance below 1e-7


def test_more_answers_than_letters_are_all_kept(bench: Bench) -> None:
    bench.answered(*(answer(name, box(name, "part.barrel" if name != "t" else "part.slide")) for name in "pqrst"))
    after = bench.after("no_such_object")
    assert len(after["dissent"]) == 5


def test_the_queue_goes_by_consequence_as_params_say_and_leaves_out_what_they_do_not_name(bench: Bench) -> None:
    bench.answered(
        answer("p", box("a"), box("c", x=100), box("e", x=150, side=20, transcription="1")),
        answer("q", box("b", "negative.tool"), box("d", x=112), box("f", x=150, side=20, transcription="7")),
    )
    assert [dispute.kinds[0] for dispute in bench.open()] == ["category", "geometry", "transcription"]
    bench.params["queue"] = ["transcription", "category"]
    assert [dispute.kinds[0] for dispute in bench.open()] == ["transcription", "category"]


_ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | st.sampled_from(["a_right", "c_right", "corrected", "Seen."]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["choices", "text"]), inner),
    max_leaves=5,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "id": st.sampled_from(["f", "g"]),
                "from_name": st.sampled_from(
                    ["verdict", "reason", "reference", "box", "answer_box", "material", "mood"]
                ),
                "to_name": st.just("image"),
                "type": st.sampled_from(["choices", "textarea", "rectanglelabels"]),
                "value": _ANYTHING,
            }
        ),
        max_size=4,
    )
)
def test_whatever_an_adjudicator_s_answer_holds_is_a_whole_decision_or_told(results: list[dict[str, Any]]) -> None:
    given_ = [{"letter": letter, "annotator": letter, "annotation_id": letter} for letter in "AB"]
    row = {"dispute_id": "d", "answers_digest": "x", "image_id": PHOTO, "project": "parts", "question": None}
    row |= {"kinds": ["category"], "given": json.dumps(given_)}
    known = Known(
        config=CONFIG,
        queue={"d.x": row},
        images={PHOTO: IMAGE},
        taxonomy_version="1",
        rules={},
        is_calibre=lambda _name: False,
    )
    answer_ = {"id": 1, "unique_id": "u", "completed_by": "judge", "created_at": "2026", "was_cancelled": False}
    task = {"id": 1, "data": {"dispute": "d.x"}, "annotations": [answer_ | {"result": results}]}
    decisions, findings = decisions_from_export([task], known)
    assert len(decisions) + len([each for each in findings if each.severity == "error"]) >= 1
    for decision in decisions:
        assert decision.verdict in {"a_right", "b_right", "corrected", "no_such_object", "cannot_tell"}
        assert decision.reason.strip()
        assert all(drawn.category in CONFIG.labels[drawn.shape] for drawn in decision.corrections)


def test_a_statement_tells_the_answers_the_decision_and_the_dissent(bench: Bench, tmp_path: Path) -> None:
    right = _category(bench).letter_of("q")
    bench.after(f"{right.lower()}_right")
    whole = state(bench.layout, PHOTO[:6])
    (told,) = whole.objects
    assert [each["said"] for each in told["answers"]] == ["part.barrel (box)", "negative.tool (box)"]
    assert {each["taxonomy_version"] for each in told["answers"]} == {TAXONOMY.version}
    assert [row["annotator"] for row in whole.dissent] == ["p"]
    assert state(bench.layout, told["instance_id"]).objects == whole.objects
    page = tmp_path / "pages" / "statement.html"
    write_page(page, whole, image=IMAGE, data=bench.layout.data)
    text = page.read_text(encoding="utf-8")
    assert all(word in text for word in ("Seen.", "negative.tool", "part.barrel (box)", 'src="../data/01_intake/'))


@pytest.mark.parametrize("wanted", ["", "no-such-id"])
def test_a_statement_about_nothing_or_anything_is_refused(bench: Bench, wanted: str) -> None:
    _category(bench).after("a_right")
    with pytest.raises(Refused, match="adjudication.unknown-id"):
        state(bench.layout, wanted)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((box("a"), box("b", "negative.tool")), "The object was called “Hand tool” and “Barrel”."),
        (
            (box("a", facets={"material": "wood"}), box("b", facets={"material": "polymer"})),
            "“Material” was answered “Polymer” and “Wood”.",
        ),
        ((box("a", transcription="A1"), box("b", transcription="wood")), "The text was read as 'A1', 'wood'."),
    ],
)
def test_a_task_says_in_words_what_is_disagreed_about(
    bench: Bench, answers: tuple[Instance, Instance], said: str
) -> None:
    bench.answered(answer("p", answers[0]), answer("q", answers[1])).push()
    (task,) = bench.server._shared["tasks"].values()
    assert task["data"]["what"] == said
