"""Pushing through a server that stumbles: looked at before each attempt, and what came twice is taken back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from workbench import tables
from workbench.domain.campaign import Campaign, Desk, Exposure, Gold, Seat
from workbench.domain.findings import Busy, Refused, busy
from workbench.domain.taxonomy import Taxonomy
from workbench.labelling.campaign_plan import CampaignPlan, plan_campaign
from workbench.labelling.candidates import read_candidates
from workbench.labelling.label_config import LabelConfig, read_label_config
from workbench.labelling.pushing import Intent, Persistence, Push, Target, apply_plan, converge
from workbench.labelling.scores import read_scores
from workbench.labelling.tasks import plan_tasks
from workbench.labelling.veil import veiled
from workbench.layout import Layout

CONFIGS = Path(__file__).resolve().parents[3] / "label_configs"
ROOT = Path("/workspace/data")
NOW = "2026-11-25T00:00:00+00:00"


@pytest.fixture(scope="module")
def config() -> LabelConfig:
    taxonomy = Taxonomy.from_mapping(yaml.safe_load((CONFIGS / "taxonomy.yaml").read_text(encoding="utf-8")))
    return read_label_config(CONFIGS / "parts", taxonomy)


def _rows(count: int, contribution: str = "c1", start: int = 0) -> dict[str, dict[str, Any]]:
    rows = {}
    for number in range(start, start + count):
        row: dict[str, Any] = dict.fromkeys(tables.IMAGES.names)
        image_id = f"{number:064x}"
        row |= {"image_id": image_id, "path": f"01_intake/{contribution}/images/{number}.jpg", "origin": "real"}
        rows[image_id] = row | {"contribution_id": contribution, "partner_id": "lab", "width_px": 320, "height_px": 240}
    return rows


class Flaky:
    """A server that does what it is asked, or not, or says nothing of it, or does it after the next look."""

    def __init__(self, real: Any, rng: random.Random, chance: float) -> None:
        self._real, self._rng, self._chance = real, rng, chance
        self._late: list[Callable[[], None]] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)

        def ask(*arguments: Any, **named: Any) -> Any:
            chance = self._chance * (3 if name == "import_tasks" else 1)
            fate = self._rng.random() if self._rng.random() < chance else 1.0
            if fate < 0.3:
                raise _away()
            if fate < 0.7 and name == "import_tasks":
                self._late.append(lambda: method(*arguments, **named))
                raise _away()
            answer = method(*arguments, **named)
            if name == "tasks":
                self.run_late()
            if fate < 1.0:
                raise _away()
            return answer

        return ask

    def run_late(self) -> None:
        while self._late:
            self._late.pop()()


def _away() -> Busy:
    return busy("labelling.server-away", "it", "does not answer.", "Wait.")


def _push(server: Any, config: LabelConfig, rows: Mapping[str, Any], *, unsure: bool = False) -> Push:
    done = Push()
    target = Target(title="T", config=config, overlap=2)

    def attempt() -> bool:
        known = next((project for project in server.projects() if project.title == "T"), None)
        there = server.tasks(known.project_id) if known else []
        plan = plan_tasks(rows.values(), there, data=ROOT, media_root=ROOT)
        apply_plan(server, target, plan, media_root=ROOT, known=known, taxonomy_version="1", now=NOW, done=done)
        return plan.settled

    waited = [0.0]
    how = Persistence(patience_s=1e6, clock=lambda: waited[0], sleep=lambda s: waited.__setitem__(0, waited[0] + s))
    converge(attempt, how, unsure=unsure)
    return done


def test_a_push_through_trouble_gives_each_photograph_one_task(fakes: ModuleType, config: LabelConfig) -> None:
    came_twice = 0
    for seed in range(60):
        real = fakes.FakeLabeller()
        flaky = Flaky(real, random.Random(seed), 0.2)
        rows = _rows(7)
        came_twice += _push(flaky, config, rows).removed
        flaky.run_late()
        _push(real, config, rows)  # what came later than the last look is taken back by the next push
        (project,) = real.projects()
        counts = Counter(task.sha256 for task in real.tasks(project.project_id))
        assert counts == dict.fromkeys(rows, 1), seed
    assert came_twice  # the trouble was trouble


def test_a_task_that_anybody_touched_is_never_taken_back(fakes: ModuleType, config: LabelConfig) -> None:
    server = fakes.FakeLabeller()
    rows = _rows(2)
    _push(server, config, rows)
    plan = plan_tasks(rows.values(), [], data=ROOT, media_root=ROOT)
    for _ in range(2):
        server.import_tasks(1, plan.new)
    for task in (3, 4, 6):
        server.acting_as("ana").answer(task, [], lead_time_s=1, skip=task == 4)
    _push(server, config, rows)
    assert {task.task_id for task in server.tasks(1)} == {3, 4, 6}
    assert _push(server, config, rows).removed == 0


def test_patience_ends_and_says_what_the_server_said() -> None:
    waited: list[float] = []

    def attempt() -> bool:
        raise _away()

    how = Persistence(patience_s=10, clock=lambda: sum(waited), sleep=waited.append)
    with pytest.raises(Busy, match="does not answer"):
        converge(attempt, how)
    assert waited == [0.5, 1.0, 2.0, 4.0]

    def refuse() -> bool:
        raise Refused

    with pytest.raises(Refused):
        converge(refuse, how)


def test_a_push_that_goes_well_looks_once_and_one_after_a_kill_until_it_is_sure(tmp_path: Path) -> None:
    looks: list[bool] = []

    def attempt() -> bool:
        looks.append(bool(looks))
        return looks[-1]

    how = Persistence(sleep=lambda _: None)
    converge(attempt, how)
    assert looks == [False]
    looks.clear()
    converge(attempt, how, unsure=True)
    assert looks == [False, True, True]
    waited: list[float] = []
    converge(lambda: False, Persistence(patience_s=3, clock=lambda: sum(waited), sleep=waited.append), unsure=True)
    assert 3 < sum(waited) < 6
    intent = Intent(tmp_path / "labelling" / "bringing")
    assert not intent.left
    intent.begin()
    assert intent.left
    intent.end()
    assert not intent.left


def test_labellers_see_which_edition_they_have_and_it_is_noted_once(fakes: ModuleType, config: LabelConfig) -> None:
    server = fakes.FakeLabeller()
    for _ in range(2):
        _push(server, config, _rows(1))
    (project,) = server.projects()
    assert project.description.count("taxonomy 1, since") == 1


SEATS = (Seat(name="ana"), Seat(name="bo"))


def _plan(
    campaign: Campaign, rows: Mapping[str, Any], *, facts: Mapping[str, Any] | None = None, server: Any = None
) -> CampaignPlan:
    there: dict[Desk, Sequence[Any]] = {}
    for project in server.projects() if server else ():
        desk = campaign.desk(project.title)
        if desk:
            there[desk] = server.tasks(project.project_id)
    known = facts or read_candidates(Layout(Path("/nowhere")), rows.values(), project="parts")
    return plan_campaign(
        campaign, known, rows, there, scores={}, predictions={}, data=ROOT, media_root=ROOT, today="2026-11-25"
    )


def _campaign(**changes: Any) -> Campaign:
    return Campaign(**{"name": "autumn", "project": "parts", "labellers": SEATS, "overlap": 1} | changes)


def test_nothing_in_a_task_tells_a_check_from_another() -> None:
    rows = _rows(8)
    gold = tuple(list(rows)[:2])
    facts = read_candidates(Layout(Path("/nowhere")), rows.values(), project="parts")
    for image_id in gold:
        facts[image_id] |= {"truth": True}
    campaign = _campaign(gold=Gold(photographs=gold, share_frac=0.2))
    planned = _plan(campaign, rows, facts=facts)
    tasks = [task for plan in planned.desks.values() for task in plan.new]
    assert {task["data"]["sha256"] for task in tasks} & set(gold)
    assert {(tuple(task), tuple(task["data"])) for task in tasks} == {(("data",), ("image", "sha256"))}


def test_a_check_that_its_address_would_give_away_or_without_settled_labels_is_not_used() -> None:
    rows = _rows(6) | _rows(1, "reference", start=50)
    apart, unsettled, away = f"{50:064x}", f"{0:064x}", f"{99:064x}"
    facts = read_candidates(Layout(Path("/nowhere")), rows.values(), project="parts")
    facts[apart] |= {"truth": True}
    campaign = _campaign(gold=Gold(photographs=(apart, unsettled, away), share_frac=0.3))
    planned = _plan(campaign, rows, facts=facts)
    assert planned.gold == frozenset()
    assert sorted(finding.message.split()[0] for finding in planned.findings) == ["come", "have", "may"]
    assert len(planned.photographs) == 5  # none of the checks is an ordinary photograph either


def test_a_query_that_cannot_be_answered_is_refused_and_one_that_finds_nothing_is_told() -> None:
    with pytest.raises(Refused, match="different kinds"):
        _plan(_campaign(exposure=Exposure(where="partner > 3")), _rows(2))
    from workbench.domain.campaign import Choice

    planned = _plan(_campaign(photographs=Choice(where='partner == "other"')), _rows(2))
    assert [finding.code for finding in planned.findings] == ["labelling.nothing-chosen"]


def test_what_curation_excludes_is_never_chosen_but_what_was_sent_back_is() -> None:
    rows = _rows(3)
    facts = read_candidates(Layout(Path("/nowhere")), rows.values(), project="parts")
    first, second, _ = facts
    facts[first]["excluded"] = "excluded by x: blurred"
    facts[second] |= {"excluded": "sent back to labelling by x: y", "sent_back": True}
    assert first not in _plan(_campaign(), rows, facts=facts).photographs
    assert second in _plan(_campaign(), rows, facts=facts).photographs


def test_candidates_know_what_later_stages_say(tmp_path: Path) -> None:
    rows = _rows(2)
    one, two = rows
    layout = Layout(tmp_path)
    labelled = [{"image_id": one, "annotators": 2, "status": "agreed"}]
    tables.write_table(layout.adjudication / "labelled.parquet", tables.LABELLED, labelled)
    row: dict[str, Any] = {"kind": "single", "instance_ids": [], "detail": "d", "image_id": two}
    tables.write_table(layout.adjudication / "disagreements.parquet", tables.DISAGREEMENTS, [row, row])
    folder = layout.labelling / "parts"
    answer = dict.fromkeys(tables.ANNOTATIONS.names) | {"project": "parts", "source": "s"}
    answer |= {"taxonomy_version": "1"}
    answers = [
        answer | {"annotation_id": f"{n}", "image_id": image_id, "annotator": who, "pass_": pass_}
        for n, (image_id, who, pass_) in enumerate(
            [(one, "x", "blind1"), (one, "y", "blind2"), (one, "x", "review"), (two, "x", "gold")]
        )
    ]
    tables.write_table(folder / "annotations.parquet", tables.ANNOTATIONS, answers)
    tag = {"annotation_id": "0", "image_id": two, "annotator": "x", "question": "usable", "value": "no"}
    tables.write_table(folder / "tags.parquet", tables.TAGS, [tag])
    (folder / "snapshot.json").write_text("{}", "utf-8")
    facts = read_candidates(layout, rows.values(), project="parts")
    assert (facts[one]["answers"], facts[one]["annotators"], facts[one]["truth"]) == (3, 2, True)
    assert (facts[two]["answers"], facts[two]["disagreements"], facts[two]["tags"]) == (0, 2, ["usable=no"])
    other = read_candidates(layout, rows.values(), project="headstamp")
    assert other[one]["answers"] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image_id,score\nab,0.5\ncd,2\n", {"ab": 0.5, "cd": 2.0}),
        ("image_id,value\nab,0.5\n", None),
        ("image_id,score\nab,\n", None),
        ("image_id,score\nab,much\n", None),
    ],
)
def test_scores_are_read_or_refused(tmp_path: Path, text: str, expected: dict[str, float] | None) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    if expected is None:
        with pytest.raises(Refused, match="labelling.scores-unusable"):
            read_scores(path)
    else:
        assert read_scores(path) == expected


def test_a_page_is_veiled_by_a_style_or_refused(config: LabelConfig) -> None:
    assert "blur(" in veiled(config.xml)
    assert veiled(config.xml).startswith("<View")
    with pytest.raises(Refused, match="wb-photo"):
        veiled("<View><Image/></View>")
