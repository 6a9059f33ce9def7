"""SIGKILL at random moments, power cuts, and many at once: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.tools, pytest.mark.slow]

Run = Callable[..., dict[str, Any]]
Record = Callable[[int, str, str], None]
Size = Callable[[str, int, int], int]

#: Kills of one workspace before the next is made: what is examined after each grows with it.
_KILLS_A_SITE = 40


def _kills(size: Size) -> int:
    """Return the number of kills: a few in `make test`, the acceptance figure in `make faults`."""
    return size("WORKBENCH_KILLS", 10, 520)


def test_a_killed_reception_loses_nothing_and_completes_when_repeated(
    host: Any, site: Any, random_delivery: Any, record: Record, size: Size
) -> None:
    wanted, rng = _kills(size) * 6 // 10, random.Random(7)
    calm = host.run(*site().receive_line(random_delivery(0, 60)))
    place, killed, completed, seed = site(), 0, 0, 0
    since = 0
    while killed < wanted:
        seed += 1
        if since >= _KILLS_A_SITE:
            place, since = site(), 0
        delivery = random_delivery(seed, 330 if seed % 6 == 0 else 60)
        for _ in range(5):
            run = host.start(*place.receive_line(delivery))
            # Half of the kills fall into the first part, before DVC is called: sealing, ledger, receipt.
            time.sleep(rng.uniform(0, calm.wall_s * rng.choice((0.35, 1.0))))
            run.kill(group=rng.random() < 0.5)
            ended = run.wait()
            killed, since = killed + (ended.code == -9), since + (ended.code == -9)
            done = place.heard(ended, delivery)
            assert place.examine() == []
            if done:
                break
        ended = host.patient(*place.receive_line(delivery))
        assert ended.code == 0, ended.err + ended.out
        assert place.heard(ended, delivery)
        assert place.examine() == []
        completed += 1
        shutil.rmtree(delivery)
    measured = f"{killed} kills of `receive`, {completed} deliveries completed: 0 lost, 0 doubled, ledger valid"
    record(1, measured, "SIGKILL at random moments")


def _folder_state(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _photographs(folder: Path, draw: Callable[..., dict[str, Any]]) -> Path:
    for seed in range(60):
        draw(folder / f"{seed}.jpg", seed=seed, orientation=(1, 3, 6, 8)[seed % 4])
    (folder / "broken.jpg").write_bytes((folder / "0.jpg").read_bytes()[:3000])
    return folder


def test_a_killed_intake_ends_as_one_that_was_left_alone(
    host: Any, site: Any, draw_photograph: Any, tmp_path: Path, record: Record, size: Size
) -> None:
    wanted, rng = _kills(size) * 4 // 10, random.Random(3)
    place = site()
    assert host.run(*place.receive_line(_photographs(tmp_path / "photographs", draw_photograph))).code == 0
    made = place.root / "data" / "01_intake"
    line = ("intake", "--stage", "--workspace", place.root, "--json")
    calm = host.run(*line)
    assert calm.code == 0
    assert json.loads(calm.out)["data"].items() >= {"admitted": 60, "quarantined": 1}.items()
    state, killed = _folder_state(made), 0
    while killed < wanted:
        shutil.rmtree(made)
        for _ in range(4):
            run = host.start(*line)
            time.sleep(rng.uniform(0, calm.wall_s))
            run.kill(group=rng.random() < 0.5)
            killed += run.wait().code == -9
        ended = host.patient(*line)
        assert ended.code == 0, ended.err + ended.out
        assert _folder_state(made) == state
    for _ in range(3):  # the whole command: DVC, and the verdicts entered in the ledger
        run = host.start("intake", "--workspace", place.root)
        time.sleep(rng.uniform(0, 3))
        run.kill(group=True)
        run.wait()
    for _ in range(2):
        assert host.patient("intake", "--workspace", place.root).code == 0
    assert _folder_state(made) == state
    told = json.loads(host.run("ledger", "show", "--limit", 1000, "--workspace", place.root, "--json").out)
    verdicts = [e["object_sha256"] for e in told["data"]["entries"] if e["kind"] in ("admit", "quarantine")]
    assert len(verdicts) == len(set(verdicts)) == 61
    record(1, f"{killed} kills of `intake`: same bytes as a calm run, each verdict entered once", "SIGKILL")


def test_the_harness_sees_a_loss(host: Any, site: Any, random_delivery: Any) -> None:
    place, delivery = site(), random_delivery(1, 20)
    assert place.heard(host.run(*place.receive_line(delivery)), delivery)
    assert place.examine() == []
    (victim, *_) = (place.root / "custody" / "objects").glob("c-*/??/*")
    victim.unlink()
    assert "custody.object-missing" in place.examine()[0]


def test_the_harness_sees_an_acknowledgement_that_came_too_early(host: Any, site: Any, random_delivery: Any) -> None:
    place, delivery = site(), random_delivery(2, 100)
    run = host.start(*place.receive_line(delivery), sabotage=["acknowledge-first"])
    deadline = time.monotonic() + 30
    while not (run._folder / "stdout").exists() or not (run._folder / "stdout").stat().st_size:
        assert time.monotonic() < deadline
    run.kill(group=True)
    assert place.heard(run.wait(), delivery)
    assert any("acknowledged" in wrong or "lost" in wrong for wrong in place.examine())


@pytest.fixture
def disk(tmp_path: Path) -> Any:
    """A small ext4 disk in a file: what the file holds is what a power cut leaves."""
    image, at = tmp_path / "disk.img", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(96 << 20)
    at.mkdir()
    lines = (["mkfs.ext4", "-q", "-F", str(image)], ["mount", "-o", "loop", str(image), str(at)])
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("a disk of its own needs root and mkfs.ext4")
    for line in lines:
        if subprocess.run(line, capture_output=True, check=False).returncode:
            pytest.skip("this machine lends no loop device")
    yield image, at
    subprocess.run(["umount", str(at)], check=True)


def _after_a_power_cut(image: Path, folder: Path) -> Path:
    """Return the disk as it would come up if the power had gone this instant."""
    copy, at = folder / "cut.img", folder / "cut"
    shutil.copyfile(image, copy)
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(copy), str(at)], check=True)
    return at


@pytest.mark.parametrize("sabotage", [[], ["no-synchronising"]], ids=["as it is", "without synchronising"])
def test_what_was_acknowledged_survives_a_power_cut(
    sabotage: list[str],
    disk: Any,
    host: Any,
    site_at: Any,
    empty: Path,
    random_delivery: Any,
    tmp_path: Path,
    record: Record,
    size: Size,
) -> None:
    image, at = disk
    shutil.copytree(empty, at / "workspace", symlinks=True)
    os.sync()
    place, losses = site_at(at / "workspace"), 0
    cuts = size("WORKBENCH_CUTS", 2, 12) if not sabotage else 1
    for seed in range(cuts):
        delivery = random_delivery(seed, 40)
        ended = host.start(*place.receive_line(delivery), sabotage=sabotage).wait()
        assert place.heard(ended, delivery), ended.err
        cut = _after_a_power_cut(image, tmp_path)
        try:
            after = site_at(cut / "workspace")
            after.acknowledged = place.acknowledged
            losses += bool(after.examine())
            if not sabotage:
                assert after.examine() == []
                again = host.patient(*after.receive_line(delivery))
                assert "already" in json.loads(again.out)["summary"], again.err
        finally:
            subprocess.run(["umount", str(cut)], check=True)
    if sabotage:
        assert losses, "nothing was lost without synchronising: the harness shows nothing"
    else:
        record(1, f"{cuts} power cuts (ext4 on a loop device) right after the acknowledgement: 0 lost", "power cut")


def test_the_same_delivery_again_and_again_is_received_once(
    host: Any, site: Any, random_delivery: Any, record: Record, size: Size
) -> None:
    place, delivery = site(), random_delivery(5, 30)
    first = host.run(*place.receive_line(delivery))
    assert place.heard(first, delivery)
    state = {p: s for p, s in _folder_state(place.root).items() if not p.startswith((".git/", ".dvc/", ".workbench/"))}
    times = size("WORKBENCH_REPEATS", 3, 10)
    for _ in range(times - 1):
        ended = host.run(*place.receive_line(delivery))
        assert ended.code == 0
        assert "already" in json.loads(ended.out)["summary"]
    after = {p: s for p, s in _folder_state(place.root).items() if not p.startswith((".git/", ".dvc/", ".workbench/"))}
    assert after == state
    assert place.examine() == []
    record(4, f"the same delivery {times} times: received once, then a no-op that changes no byte", "repeats")


def test_six_at_once_are_each_received_once_or_told_to_wait(
    host: Any, site: Any, random_delivery: Any, record: Record, size: Size
) -> None:
    rounds = size("WORKBENCH_CROWDS", 1, 12)
    codes: list[int] = []
    for turn in range(rounds):
        place, delivery, other = site(), random_delivery(turn, 320), random_delivery(1000 + turn, 40)
        crowd = [host.start(*place.receive_line(delivery if n % 3 else other)) for n in range(6)]
        ended = [run.wait() for run in crowd]
        assert {run.code for run in ended} <= {0, 3}, [run.err for run in ended]
        assert not any(run.traceback for run in ended)
        for one in (delivery, other):
            place.heard(host.patient(*place.receive_line(one)), one)
        assert place.examine() == []
        assert len(place.acknowledged) == 2
        codes += [run.code for run in ended]
    assert 0 in codes
    done = codes.count(0)
    record(4, f"{rounds} times 6 at once: {done} ended with 0, {codes.count(3)} with 3 (busy); exactly n rows", "crowd")
