"""Pulling: only what was touched is fetched, every version is kept, and what happens behind our back is told."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench import tables
from workbench.domain.campaign import Campaign, Gold, Seat
from workbench.domain.findings import Finding
from workbench.labelling.editions import Edition, edition_at, read_editions, with_edition
from workbench.labelling.fetch import find_places
from workbench.labelling.history import plan_versions, read_history, write_history
from workbench.labelling.pulling import pull_answers, read_frozen, write_marks
from workbench.labelling.snapshot import Snapshot, canonical_export, write_snapshot

TITLE = "Parts"
PEOPLE = ("ana@lab.test", "bo@lab.test")


class Site:
    """A fake server with one project for all, and a folder that is pulled into."""

    def __init__(self, fakes: ModuleType, folder: Path, tasks: int = 4, campaigns: Sequence[Campaign] = ()) -> None:
        self.server = _Counting(fakes.FakeLabeller())
        self.folder, self.campaigns = folder, list(campaigns)
        self.state = folder.parent / "state.json"
        self.project = self.add_project(TITLE, tasks)
        self.moment = 0

    def add_project(self, title: str, tasks: int, start: int = 0, description: str = "") -> int:
        number: int = self.server.real.ensure_project(
            title, label_config="", instructions="", overlap=2, description=description
        )
        made = [{"data": {"image": f"{n}", "sha256": f"{n:064x}"}} for n in range(start, start + tasks)]
        self.server.real.import_tasks(number, made)
        return number

    def answer(self, task: int, person: int = 0, **more: Any) -> int:
        number: int = self.server.real.acting_as(PEOPLE[person]).answer(
            task, [{"id": "r", "value": {"n": random.random()}}], lead_time_s=1.0, **more
        )
        return number

    def pull(self) -> tuple[list[str], list[Finding]]:
        """Pull as the command does; return the events added and what was told."""
        known = read_history(self.folder)
        titles = {row["place"] for row in known}
        places = find_places(self.server.projects(), TITLE, self.campaigns, titles)
        frozen, marks = read_frozen(self.folder, self.state)
        pulled = pull_answers(self.server, places, frozen=frozen, marks=marks, pseudonym=str.upper)
        self.moment += 1
        now = f"2026-02-01T00:00:{self.moment:02d}Z"
        added, told = plan_versions(known, pulled.seen, project="parts", pseudonym=str.upper, now=now)
        write_history(self.folder, known, added)
        hashes = write_snapshot(self.folder, Snapshot(annotations=(), export=pulled.export), taxonomy_version="1")
        write_marks(self.state, pulled.marks, export_sha256=hashes["export.json"])
        self.export = pulled.export
        return [row["event"] for row in added], told

    def truth(self) -> list[int]:
        """Return the numbers of all answers on the server."""
        tasks = [task for each in self.server.projects() for task in self.server.real.export(each.project_id)]
        return sorted(answer["id"] for task in tasks for answer in task["annotations"])

    def pulled(self) -> list[int]:
        return sorted(answer["id"] for task in self.export for answer in task["annotations"])


class _Counting:
    """The fake server, counting the tasks that were exported."""

    def __init__(self, real: Any) -> None:
        self.real, self.exported, self.whole = real, 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def export(self, project_id: int, task_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = self.real.export(project_id, task_ids)
        self.exported += len(tasks)
        self.whole += task_ids is None
        return tasks


@pytest.fixture
def site(fakes: ModuleType, tmp_path: Path) -> Site:
    return Site(fakes, tmp_path / "snapshot")


def test_the_first_pull_fetches_everything_and_the_next_only_what_was_touched(site: Site) -> None:
    for task in (1, 2, 3):
        site.answer(task)
    assert site.pull() == (["given"] * 3, [])
    assert (site.server.exported, site.server.whole) == (3, 1)
    site.answer(2, person=1)
    site.answer(4)
    assert site.pull() == (["given"] * 2, [])
    assert (site.server.exported, site.server.whole) == (5, 1)
    assert site.pulled() == site.truth()


def test_nothing_new_changes_no_byte(site: Site) -> None:
    site.answer(1)
    site.pull()
    before = {path.name: path.read_bytes() for path in site.folder.iterdir()}
    assert site.pull() == ([], [])
    assert {path.name: path.read_bytes() for path in site.folder.iterdir()} == before
    site.state.unlink()  # fetched anew: the same answers
    assert site.pull() == ([], [])
    assert {path.name: path.read_bytes() for path in site.folder.iterdir()} == before


def test_an_edit_is_a_version_more_and_another_s_hand_is_a_warning(site: Site) -> None:
    number = site.answer(1)
    site.pull()
    site.server.real.acting_as(PEOPLE[0]).edit(number, result=[{"id": "r", "value": {"n": 2}}])
    events, (told,) = site.pull()
    assert (events, told.code, told.severity) == (["edited"], "labelling.answer-edited", "note")
    site.server.real.acting_as(PEOPLE[1]).edit(number, result=[])
    events, (told,) = site.pull()
    assert (events, told.severity) == (["edited"], "warning")
    assert "BO@LAB.TEST" in told.message
    site.server.real.acting_as(PEOPLE[1]).edit(number, completed_by=PEOPLE[1])
    events, (told,) = site.pull()
    assert (events, told.severity) == (["edited"], "warning")
    assert "is now said to be BO@LAB.TEST's" in told.message
    rows = read_history(site.folder)
    assert [(row["version"], row["annotator"]) for row in rows] == [
        (1, "ANA@LAB.TEST"),
        (2, "ANA@LAB.TEST"),
        (3, "ANA@LAB.TEST"),
        (4, "BO@LAB.TEST"),
    ]
    assert len({row["annotation_id"] for row in rows}) == 1


@pytest.mark.parametrize("unnoticed", [False, True])
def test_a_deleted_answer_is_told_and_stays_in_the_history(site: Site, *, unnoticed: bool) -> None:
    first, second = site.answer(1), site.answer(2)
    site.pull()
    site.answer(3)
    site.server.real.delete(first, unnoticed=unnoticed)
    events, (told,) = site.pull()
    assert sorted(events) == ["deleted", "given"]
    assert (told.code, told.severity) == ("labelling.answer-deleted", "warning")
    assert site.pulled() == site.truth()
    assert second in site.truth()
    deleted = [row for row in read_history(site.folder) if row["event"] == "deleted"]
    assert [(row["version"], row["result"]) for row in deleted] == [(2, None)]
    assert site.pull() == ([], [])


def test_an_answer_deleted_and_another_given_in_its_place_are_both_told(site: Site) -> None:
    number = site.answer(1)
    site.pull()
    site.server.real.delete(number)
    site.answer(1, person=1)
    events, told = site.pull()
    assert sorted(events) == ["deleted", "given"]
    assert [finding.code for finding in told] == ["labelling.answer-deleted"]


def test_a_skip_is_kept_as_one(site: Site) -> None:
    site.answer(1, skip=True)
    assert site.pull() == (["skipped"], [])
    assert site.pull() == ([], [])


def test_another_server_under_the_same_numbers_is_fetched_whole_and_what_is_gone_is_told(
    fakes: ModuleType, site: Site
) -> None:
    site.answer(1)
    site.answer(2)
    site.pull()
    site.server = _Counting(fakes.FakeLabeller())
    site.server.real._now()  # its project is born at another moment
    site.add_project(TITLE, 4)
    number = site.answer(1)
    site.server.real.acting_as(PEOPLE[0]).edit(number, unique_id="of-the-new-server")
    events, told = site.pull()
    assert sorted(events) == ["deleted", "deleted", "given"]
    assert {finding.code for finding in told} == {"labelling.answer-deleted"}
    assert site.pulled() == site.truth()


def test_desks_of_a_campaign_are_pulled_too_and_stay_when_its_file_is_gone(fakes: ModuleType, tmp_path: Path) -> None:
    gold = f"{11:064x}"
    seats = (Seat(name="ana"), Seat(name="bo"))
    campaign = Campaign(name="autumn", project="parts", labellers=seats, gold=Gold(photographs=(gold,), share_frac=0.1))
    site = Site(fakes, tmp_path / "snapshot", campaigns=[campaign])
    shown = with_edition("", Edition(guide="g1", taxonomy="7", since="2025-01-01T00:00:00Z"))
    site.add_project("autumn · ana", 2, start=10, description=shown)
    site.add_project("autumn · bo", 2, start=10)
    for task, person in ((5, 0), (6, 0), (7, 1), (8, 1)):
        site.answer(task, person=person)
    assert site.pull()[0] == ["given"] * 4
    told = {task["place"]: task for task in site.export if task["data"]["sha256"] == gold}
    assert {task["shown"] for task in told.values()} == {"gold"}
    assert told["autumn · ana"]["annotations"][0]["taxonomy_version"] == "7"
    assert {row["guide_version"] for row in read_history(site.folder)} == {"g1", None}
    site.campaigns = []
    assert site.pull() == ([], [])
    assert site.pulled() == site.truth()


def test_answers_in_a_project_that_was_made_twice_are_pulled_from_both(site: Site) -> None:
    made = site.server.real.projects()[0]
    twin = {**site.server.real._shared["projects"][made.project_id], "made_at": "2026-03-01T00:00:00Z"}
    site.server.real._shared["projects"][9] = twin
    site.server.real.import_tasks(9, [{"data": {"image": "x", "sha256": "f" * 64}}])
    site.answer(1)
    site.answer(5, person=1)
    assert site.pull() == (["given", "given"], [])
    assert site.pulled() == site.truth()
    assert {row["place"] for row in read_history(site.folder)} == {TITLE, f"{TITLE} #9"}
    site.answer(5)
    assert site.pull() == (["given"], [])


def test_answers_given_while_pulling_are_not_mistaken_for_deleted_ones(site: Site) -> None:
    for task in (1, 2, 3):
        site.answer(task)
    site.pull()
    site.answer(4)
    real, once = site.server.count_answers, [True]

    def count(project_id: int) -> int:
        if once.pop() if once else False:
            site.answer(1, person=1)
        number: int = real(project_id)
        return number

    site.server.count_answers = count  # type: ignore[method-assign]
    events, told = site.pull()
    assert (events, told) == (["given", "given"], [])
    assert site.server.whole == 1
    assert site.pulled() == site.truth()


def test_many_random_histories_are_followed_without_a_loss(fakes: ModuleType, tmp_path: Path) -> None:
    for seed in range(15):
        rng = random.Random(seed)
        site = Site(fakes, tmp_path / f"snapshot-{seed}" / "s", tasks=6)
        seen: set[int] = set()
        for _ in range(12):
            for _ in range(rng.randrange(4)):
                there = site.truth()
                if there and rng.random() < 0.3:
                    site.server.real.delete(rng.choice(there), unnoticed=rng.random() < 0.5)
                elif there and rng.random() < 0.3:
                    site.server.real.acting_as(rng.choice(PEOPLE)).edit(rng.choice(there), lead_time=rng.random())
                else:
                    site.answer(rng.randrange(1, 7), person=rng.randrange(2), skip=rng.random() < 0.2)
            site.pull()
            assert site.pulled() == site.truth(), seed
            seen |= set(site.truth())
        assert len({row["annotation_id"] for row in read_history(site.folder)}) == len(seen)


def test_an_answer_is_of_the_edition_that_was_shown_then() -> None:
    text = with_edition("A lead's own words.", Edition(guide="a", taxonomy="1", since="2026-01-01T00:00:00+00:00"))
    text = with_edition(text, Edition(guide="b", taxonomy="1", since="2026-03-01T00:00:00+00:00"))
    editions = read_editions(text)
    assert [edition.guide for edition in editions] == ["a", "b"]
    found = [edition_at(editions, moment) for moment in ("2025-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2027")]
    assert [edition.guide for edition in found if edition] == ["a", "a", "b"]
    assert edition_at([], "2026") is None


def test_a_canonical_export_made_canonical_again_is_the_same(site: Site) -> None:
    site.answer(1)
    site.pull()
    assert canonical_export(site.export, str) == site.export
    assert tables.read_rows(site.folder / "history.parquet", tables.ANSWER_HISTORY)
