"""Label Studio down, slow, failing, cut off and restarted in the middle: no task comes twice, no answer is lost."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.adapters import servers, servers_label_studio, servers_process
from workbench.adapters.label_studio import LabelStudioServer
from workbench.domain.campaign import Campaign, Choice, Order, Seat
from workbench.domain.lineage import canonical_json
from workbench.labelling.campaign_file import campaign_text
from workbench.labelling.exchange import short_id
from workbench.layout import Layout

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Record = Callable[[int, str, str], None]
Size = Callable[[str, int, int], int]

SEATS = (Seat(name="ana"), Seat(name="bo"))
PEOPLE = {"ana": "ana@lab.test", "bo": "bo@lab.test"}
PHOTOGRAPHS = 8

FULL = os.environ.get("WORKBENCH_FAULTS") == "full"

#: How many schedules are under way at a time.
SIDE_BY_SIDE = 4 if FULL else 2

#: Seconds that a command waits for an answer, and for a server that stumbles; a late request comes after the former.
TIMEOUT_S, PATIENCE_S = 3.0, 5.0

#: How often a command is repeated before it counts as one that does not converge.
REPEATS = 40


def _sibling(name: str) -> Any:
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


fault_proxy = _sibling("fault_proxy")


class Studio:
    """A real Label Studio that can be killed and started again, behind the proxy."""

    def __init__(self, folder: Path, media_root: Path) -> None:
        self.layout = Layout(folder)
        self.port = servers.Ports.free().label_studio
        plan = servers_label_studio.plan_label_studio(self.layout, self.port)
        root = {"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(media_root)}
        self._plan = dataclasses.replace(plan, environment={**plan.environment, **root})
        self.token = servers_label_studio.credentials(self.layout)["token"]
        self.url = f"http://127.0.0.1:{self.port}"
        # The server ends with the thread that started it: one thread, which lives as long as this.
        self._keeper = ThreadPoolExecutor(1)
        self._keeper.submit(self._start).result()
        self.admin = LabelStudioServer(self.url, self.token)
        self.people = {
            name: LabelStudioServer(self.url, self.admin.ensure_labeller(email, "a-long-password"))
            for name, email in PEOPLE.items()
        }

    def _start(self) -> None:
        self._child = servers_process.spawn(self._plan)
        deadline = time.monotonic() + 240
        servers_process.wait_until(self._child, lambda: True, deadline=deadline)
        while True:
            with contextlib.suppress(Exception):
                LabelStudioServer(self.url, self.token, timeout_s=10).projects()
                return
            assert time.monotonic() < deadline
            time.sleep(0.3)

    def restart(self) -> None:
        """Kill the server and start it again."""
        self._child.process.kill()
        self._child.process.wait()
        self._keeper.submit(self._start).result()

    def close(self) -> None:
        servers_process.stop([self._child])
        self._keeper.shutdown()


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all workspaces of this harness; the server may show what lies in it."""
    return tmp_path_factory.mktemp("sites")


@pytest.fixture(scope="module")
def base(sites: Path, empty: Path, workbench: Any, draw_photograph: Any, tmp_path_factory: Any) -> Path:
    """A workspace with admitted photographs; each schedule gets a copy."""
    root = sites / "base"
    shutil.copytree(empty, root, symlinks=True)
    delivery = tmp_path_factory.mktemp("partner") / "delivery"
    for number in range(PHOTOGRAPHS):
        draw_photograph(delivery / f"{number}.jpg", seed=900 + number)
    workbench("receive", delivery, "--partner", "lab", "--workspace", root)
    workbench("intake", "--stage", "--workspace", root)
    params = root / "params.yaml"
    params.write_text(params.read_text("utf-8").replace("unreviewed: block", "unreviewed: allow"), "utf-8")
    return root


@pytest.fixture(scope="module")
def studio(sites: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(tmp_path_factory.mktemp("studio"), sites)
    yield made
    made.close()


class Behind:
    """A warmed process whose commands reach Label Studio through a proxy of its own alone."""

    def __init__(self, studio: Studio, media_root: Path, host_type: Any) -> None:
        self.proxy = fault_proxy.FaultProxy(studio.port)
        known = {
            "WORKBENCH_LABEL_STUDIO_URL": self.proxy.url,
            "WORKBENCH_LABEL_STUDIO_TOKEN": studio.token,
            "WORKBENCH_LABEL_STUDIO_MEDIA_ROOT": str(media_root),
            "WORKBENCH_LABEL_STUDIO_TIMEOUT_S": str(TIMEOUT_S),
            "WORKBENCH_LABEL_STUDIO_PATIENCE_S": str(PATIENCE_S),
        }
        os.environ.update(known)
        self.host = host_type()
        for name in known:
            del os.environ[name]

    def close(self) -> None:
        self.host.close()
        self.proxy.close()


@pytest.fixture(scope="module")
def behind(studio: Studio, sites: Path, host: Any) -> Iterator[list[Behind]]:
    """The places that schedules are run from, side by side: what they wait for costs nothing."""
    made = [Behind(studio, sites, type(host)) for _ in range(SIDE_BY_SIDE)]
    yield made
    for each in made:
        each.close()


class Schedule:
    """One campaign under one seed's trouble, and all that was acknowledged in it."""

    def __init__(
        self, seed: int, studio: Studio, behind: Behind, base: Path, *, sabotage: tuple[str, ...] = ()
    ) -> None:
        self.rng, self.studio, self._behind = random.Random(seed), studio, behind
        self.name = f"s{seed:04d}"
        self.root = base.parent / self.name
        shutil.copytree(base, self.root, symlinks=True)
        self.sabotage = ("no-dvc", "small-parts", *sabotage)
        self.runs: Counter[int] = Counter()
        self.struck: Counter[str] = Counter()
        self.frozen: dict[int, str] = {}
        self.seen: dict[int, str] = {}
        self.given: set[int] = set()
        self.deleted: set[int] = set()
        self.removed = 0
        self.wrong: list[str] = []

    def write(self, at_most: int) -> None:
        campaign = Campaign(
            name=self.name,
            project="parts",
            labellers=SEATS,
            overlap=1,
            photographs=Choice(order=Order.RANDOM, seed=1, at_most=at_most),
        )
        path = self.root / "campaigns" / f"{self.name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(campaign_text(campaign), encoding="utf-8")

    def until_done(self, *arguments: str) -> dict[str, Any]:
        """Repeat a command, killing it now and then, until it says that it is done; then there is no more trouble."""
        for _ in range(REPEATS):
            run = self._behind.host.start(*arguments, "--workspace", self.root, "--json", sabotage=self.sabotage)
            if self._behind.proxy.trouble and self.rng.random() < 0.2:
                time.sleep(self.rng.uniform(0.1, 1.5))
                run.kill(group=True)
            ended = run.wait()
            self.runs[ended.code] += 1
            assert not ended.traceback, ended.err
            assert ended.code in {0, 3, -9}, ended.out + ended.err
            if ended.code == 0:
                answer: dict[str, Any] = json.loads(ended.out)
                self.removed += answer["data"].get("removed", 0)
                return answer
            if self._behind.proxy.trouble:
                self.work(1)
        msg = f"{self.name}: {arguments} does not converge"
        raise AssertionError(msg)

    def push(self) -> dict[str, Any]:
        return self.until_done("labelling", "push", "--campaign", self.name)

    def doubled(self) -> list[str]:
        """Return the photographs of which a desk has two tasks."""
        return [
            image_id
            for _, project_id in self.desks()
            for image_id, number in Counter(task.sha256 for task in self.studio.admin.tasks(project_id)).items()
            if number > 1
        ]

    def stir(self, *, restart: bool) -> None:
        if self._behind.proxy.trouble:
            self.struck += self._behind.proxy.trouble.struck
        trouble = fault_proxy.Trouble(
            rng=random.Random(self.rng.random()),
            chance=self.rng.choice((0.15, 0.3, 0.5)),
            most=self.rng.randrange(3, 14),
            late_s=TIMEOUT_S + 0.3,
            restart=self.studio.restart if restart else None,
        )
        self._behind.proxy.trouble = trouble

    def calm(self) -> None:
        if self._behind.proxy.trouble:
            self.struck += self._behind.proxy.trouble.struck
        self._behind.proxy.trouble = None
        self._behind.proxy.drain()

    def desks(self) -> list[tuple[str, int]]:
        """Return each labeller's projects: more than one, if making one was repeated."""
        return [
            (project.title.split(" · ")[1], project.project_id)
            for project in self.studio.admin.projects()
            if project.title.startswith(f"{self.name} · ")
        ]

    def work(self, times: int) -> None:
        """Let people answer and skip, past the trouble: the server acknowledges."""
        with contextlib.suppress(Exception):  # it may just be restarting: then nobody works
            for name, project_id in self.desks():
                open_ = [t for t in self.studio.admin.tasks(project_id) if not t.answers and not t.skips]
                for task in self.rng.sample(open_, min(times, len(open_))):
                    skip = self.rng.random() < 0.15
                    made = self.studio.people[name]._client.annotations.create(
                        id=task.task_id, result=[_result(self.rng)], lead_time=1.0, was_cancelled=skip
                    )
                    self.given.add(int(made.id))

    def meddle(self) -> None:
        """Edit and delete answers behind our back, in every way there is."""
        answers = sorted(self.given - self.deleted)
        self.rng.shuffle(answers)
        for number, how in zip(answers, ("edit", "delete", "foreign", "bulk"), strict=False):
            if how in {"edit", "foreign"}:
                who = self.studio.admin if how == "foreign" else self.studio.people["ana"]
                who._plain.send("PATCH", f"/api/annotations/{number}/", {}, {"result": [_result(self.rng)]})
            elif how == "delete":
                self.studio.admin._client.annotations.delete(id=number)
                self.deleted.add(number)
            else:
                self._delete_in_bulk(number)

    def _delete_in_bulk(self, number: int) -> None:
        """Delete an answer through the data manager, with all others of its task."""
        for _, project_id in self.desks():
            for task in self.studio.admin.export(project_id):
                if number in {answer["id"] for answer in task["annotations"]}:
                    asked = {"selectedItems": {"all": False, "included": [task["id"]]}}
                    action = {"id": "delete_tasks_annotations", "project": project_id}
                    self.studio.admin._plain.send("POST", "/api/dm/actions/", action, asked)
                    self.deleted |= {answer["id"] for answer in task["annotations"]}

    def run(self, *, restart: bool) -> None:
        """Push, answer, pull, push more, meddle, pull: all in trouble; then once without."""
        push, pull = ("labelling", "push", "--campaign", self.name), ("labelling", "pull")
        self.write(at_most=PHOTOGRAPHS // 2)
        self.stir(restart=restart)
        self.until_done(*push)
        self.work(2)
        self.stir(restart=False)
        self.freeze(*pull)
        self.write(at_most=PHOTOGRAPHS)
        self.stir(restart=False)
        self.until_done(*push)
        self.work(1)
        self.calm()
        self.meddle()
        self.stir(restart=False)
        self.freeze(*pull)
        self.calm()
        self.until_done(*push)
        self.settled = self.until_done(*push)["data"]
        self.freeze(*pull)

    def freeze(self, *pull: str) -> None:
        """Pull, and note what the snapshot has: the number on the server and the id in the history of each answer."""
        self.until_done(*pull)
        path = self.root / "data" / "02_labelling" / "parts" / "export.json"
        self.frozen = _ids(json.loads(path.read_text("utf-8")))
        self.seen |= self.frozen

    def examine(self) -> list[str]:
        """Return what is there twice, missing, lost or unknown: nothing may be."""
        wrong, server = [], self.studio.admin
        there: list[dict[str, Any]] = []
        counts = Counter((name, task.sha256) for name, number in self.desks() for task in server.tasks(number))
        if twice := [name for (name, _), number in counts.items() if number > 1]:
            wrong.append(f"{self.name}: {len(twice)} photographs have two tasks for {set(twice)}")
        there += [task for _, number in self.desks() for task in server.export(number)]
        ids = _ids(there)
        if (self.settled["new"], self.settled["removed"]) != (0, 0):
            wrong.append(f"{self.name}: a further push still finds something to do: {self.settled}")
        if lost := self.given - self.deleted - ids.keys():
            wrong.append(f"{self.name}: answers {sorted(lost)} are lost on the server")
        if self.frozen != ids:
            wrong.append(f"{self.name}: the snapshot has {sorted(self.frozen)}, the server {sorted(ids)}")
        history = pd.read_parquet(self.root / "data" / "02_labelling" / "parts" / "history.parquet")
        last = history.sort_values("version").groupby("annotation_id").tail(1).set_index("annotation_id")
        alive = {ids[a["id"]]: canonical_json(a["result"]) for task in there for a in task["annotations"]}
        if (found := last[last["event"] != "deleted"]["result"].to_dict()) != alive:
            wrong.append(f"{self.name}: the history's last versions are {sorted(found)}, the server's {sorted(alive)}")
        gone = {key for number, key in self.seen.items() if number in self.deleted}
        if gone != set(last[last["event"] == "deleted"].index):
            wrong.append(f"{self.name}: answers that were deleted are not in the history as that")
        return wrong

    def clear(self) -> None:
        self.calm()
        for _, project_id in self.desks():
            self.studio.admin._client.projects.delete(id=project_id)
        shutil.rmtree(self.root)


def _ids(export: list[dict[str, Any]]) -> dict[int, str]:
    """Return for each answer's number on the server its id in tables."""
    return {
        int(answer["id"]): short_id("parts", task["data"]["sha256"], str(answer["unique_id"] or answer["id"]))
        for task in export
        for answer in task["annotations"]
    }


def _result(rng: random.Random) -> dict[str, Any]:
    box = {"x": round(rng.uniform(0, 40), 3), "y": 5.0, "width": 20.0, "height": 20.0, "rotation": 0}
    value = {**box, "rectanglelabels": ["part.barrel"]}
    of = {"original_width": 320, "original_height": 240, "image_rotation": 0}
    return {"id": "r1", "from_name": "box", "to_name": "image", "type": "rectanglelabels", "value": value, **of}


def test_whatever_happens_on_the_way_every_task_comes_once_and_every_answer_is_kept(
    studio: Studio, behind: list[Behind], base: Path, record: Record, size: Size
) -> None:
    schedules = size("WORKBENCH_SYNC_SCHEDULES", 4, 200)
    until = time.monotonic() + size("WORKBENCH_SYNC_SECONDS", 600, 6 * 3600)
    restarts = range(0, schedules, 40) if FULL else range(0)

    def go(seed: int, place: Behind) -> Schedule:
        schedule = Schedule(seed, studio, place, base)
        try:
            schedule.run(restart=seed in restarts)
            schedule.wrong = schedule.examine()
            sys.stderr.write(f"{schedule.name} {dict(schedule.runs)} {dict(schedule.struck)} {schedule.wrong}\n")
        finally:
            schedule.clear()
        return schedule

    def go_through(seeds: list[int], place: Behind) -> list[Schedule]:
        return [go(seed, place) for seed in seeds if time.monotonic() < until]

    done = go_through(list(restarts), behind[0])  # alone: a server that is killed would be everybody's trouble
    calm = [seed for seed in range(schedules) if seed not in restarts]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        shares = [calm[place::SIDE_BY_SIDE] for place in range(SIDE_BY_SIDE)]
        done += [schedule for part in pool.map(go_through, shares, behind) for schedule in part]
    schedules = len(done)
    assert [line for schedule in done for line in schedule.wrong] == []
    runs = sum((schedule.runs for schedule in done), Counter())
    struck = sum((schedule.struck for schedule in done), Counter())
    answers = sum(len(schedule.given) for schedule in done)
    deleted = sum(len(schedule.deleted) for schedule in done)
    removed = sum(schedule.removed for schedule in done)
    assert runs[3] + runs[-9] >= schedules / 2 > 0  # there was trouble
    faults = ", ".join(f"{number} {name}" for name, number in struck.most_common())
    record(
        10,
        f"{schedules} schedules of push and pull ({faults}; {sum(runs.values())} commands, {runs[3]} gave up for then, "
        f"{runs[-9]} killed): all converge, 0 duplicate tasks, 0 of {answers} answers lost; {deleted} deleted behind our "
        f"back, all noticed; {removed} tasks that came twice taken back",
        "fault proxy before the real server",
    )


@pytest.mark.parametrize(("sabotage", "twice"), [((), False), (("repeat-blindly",), True)])
def test_the_harness_reports_an_import_that_is_repeated_blindly(
    sabotage: tuple[str, ...], studio: Studio, behind: list[Behind], base: Path, *, twice: bool
) -> None:
    schedule = Schedule(9000 + twice, studio, behind[0], base, sabotage=sabotage)
    try:
        schedule.write(at_most=4)
        trouble = fault_proxy.Once(rng=random.Random(0), chance=1, most=1, late_s=0)
        behind[0].proxy.trouble = trouble
        schedule.push()
        assert trouble.struck == {"lose": 1}
        schedule.calm()
        schedule.push()
        assert bool(schedule.doubled()) is twice
    finally:
        schedule.clear()


@pytest.mark.parametrize(("sabotage", "stale"), [((), False), (("look-away",), True)])
def test_the_harness_reports_a_pull_that_misses_what_was_touched(
    sabotage: tuple[str, ...], studio: Studio, behind: list[Behind], base: Path, *, stale: bool
) -> None:
    schedule = Schedule(9002 + stale, studio, behind[0], base, sabotage=sabotage)
    try:
        schedule.write(at_most=4)
        schedule.push()
        schedule.work(2)
        schedule.freeze("labelling", "pull")
        assert schedule.frozen.keys() == schedule.given
        schedule._delete_in_bulk(min(schedule.given))
        schedule.freeze("labelling", "pull")
        assert (schedule.frozen.keys() != schedule.given - schedule.deleted) is stale
    finally:
        schedule.clear()
