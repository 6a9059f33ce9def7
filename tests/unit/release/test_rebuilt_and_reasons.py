"""Why a rebuild differs, and why an image was removed, said from what is recorded and never guessed."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.adapters.environment import code_digest, cpu_class, environment
from workbench.release.reasons import WITHDRAWN, removal_reasons
from workbench.release.rebuilt import first_difference, likely_cause

THEN: dict[str, Any] = {
    "code_sha256": "a" * 64,
    "cpu_class": "x86-64-v4",
    "python": "3.11.7",
    "engines": {"mitsuba": "3.9.0", "numpy": "2.2.6"},
}


@pytest.mark.parametrize(
    ("stage", "change", "word"),
    [
        ("synthesis", {"cpu_class": "x86-64-v3"}, "the class of processor was x86-64-v4 and is x86-64-v3"),
        ("synthesis", {"engines": {"mitsuba": "4.0", "numpy": "2.2.6"}}, "the engine mitsuba was 3.9.0 and is 4.0"),
        ("curation", {"code_sha256": "b" * 64}, "the code of the workbench was aaaaaaaaaaaaaaaa"),
        ("release", {"engines": {"numpy": "2.2.6"}}, "mitsuba was 3.9.0 and is absent"),
        ("release", {}, "does not give the same bytes each time"),
    ],
)
def test_the_cause_is_what_differs_and_can_change_that_stage(stage: str, change: dict[str, Any], word: str) -> None:
    assert word in likely_cause(stage, THEN, THEN | change)


def test_a_record_without_an_environment_says_so() -> None:
    assert "does not say" in likely_cause("release", {}, THEN)


def test_the_first_difference_is_the_first_path_and_the_earliest_stage() -> None:
    stages = {"curation": ("x", "x"), "augmentation": ("x", "y"), "release": ("x", "y")}
    found = first_difference({"a": "1", "b": "1"}, {"a": "1", "b": "2", "c": "1"}, stages=stages, then=THEN, now=THEN)
    assert found is not None
    assert (found.path, found.what, found.stage) == ("b", "has other bytes", "augmentation")
    gone = first_difference({"a": "1"}, {}, stages={}, then=THEN, now=THEN)
    assert gone is not None
    assert (gone.what, gone.stage) == ("is not made any more", "release")
    assert first_difference({"a": "1"}, {"a": "1"}, stages=stages, then=THEN, now=THEN) is None


def test_this_machine_s_environment_is_whole() -> None:
    found = environment()
    assert found["code_sha256"] == code_digest()
    assert {"albumentations", "mitsuba", "numpy", "opencv-python-headless"} <= set(found["engines"])
    assert cpu_class().startswith(("x86-64", "aarch64", "arm"))


def test_every_reason_is_told_apart() -> None:
    def was(key: str, origin: str = "real", parent: str | None = None) -> dict[str, Any]:
        return {"image_id": key, "origin": origin, "parent_image_id": parent}

    removed = [was(key) for key in ("gone", "blurred", "open", "unlabelled", "unsplit", "terms")]
    removed += [was("copy", "augmented", "gone"), was("remade", "augmented", "kept"), was("render", "rendered")]
    now = {"excluded": None, "split": "train"}
    photographs = [
        now | {"image_id": "blurred", "excluded": "blurred"},
        now | {"image_id": "open"},
        now | {"image_id": "unlabelled"},
        now | {"image_id": "unsplit", "split": None},
        now | {"image_id": "terms"},
    ]
    statuses = {"blurred": "agreed", "open": "disagreed", "unsplit": "agreed", "terms": "single"}
    reasons = removal_reasons(removed, photographs, statuses)
    assert reasons["gone"].startswith(WITHDRAWN)
    assert reasons["blurred"] == "excluded: blurred"
    assert (reasons["open"], reasons["unlabelled"]) == ("labels: disagreed", "labels: none")
    assert reasons["unsplit"] == "no split"
    assert "terms" in reasons["terms"]
    assert reasons["copy"] == "its photograph was removed"
    assert reasons["remade"] == reasons["render"]
