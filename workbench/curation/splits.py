"""Groups that must stay together, and the split each goes to, stable as the collection grows."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.curation.strata import Stratum, even_out
from workbench.domain.dataset import SPLITS, Split
from workbench.domain.findings import Finding, Severity, refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where one image goes: its group, its split (None if excluded) and why it is excluded."""

    group_id: str
    split: Split | None
    excluded: str | None = None


def group_images(rows: Sequence[Mapping[str, Any]], alike: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return the groups: for each anchor its image ids, sorted.

    Images of one seizure, of one item, of one film, or alike are in one group, and so is what either is grouped with. An item is
    one of its seizure: partners number items anew in each, so "item 1" of two seizures is two items. The anchor
    is the smallest seizure of the group, or the smallest image id where no image has a seizure; it decides the split,
    so a group keeps its split as images join it, unless they bring a smaller seizure along. An image with covered
    regions counts as the photograph it stands for, so that covering more of it moves nothing.
    """
    parent: dict[str, str] = {}

    def find(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for row in rows:
        node = f"image:{row['image_id']}"
        find(node)
        kind = "seizure_id" if row["seizure_id"] else "item_id"
        if row[kind]:
            parent[find(node)] = find(f"{kind}:{row[kind]}")
        if row.get("source_image_id"):  # frames of one film
            parent[find(node)] = find(f"film:{row['source_image_id']}")
    for one, other in alike:
        parent[find(f"image:{one}")] = find(f"image:{other}")
    delivered = {row["image_id"]: row.get("parent_image_id") or row["image_id"] for row in rows}
    members: dict[str, list[str]] = {}
    seizures: dict[str, list[str]] = {}
    for row in rows:
        root = find(f"image:{row['image_id']}")
        members.setdefault(root, []).append(row["image_id"])
        if row["seizure_id"]:
            seizures.setdefault(root, []).append(row["seizure_id"])
    return {
        min(seizures[root]) if root in seizures else min(delivered[image_id] for image_id in ids): tuple(sorted(ids))
        for root, ids in members.items()
    }


def check_shares(shares: object) -> None:
    """Refuse shares that are not of train, val and test, or do not add up to 1.

    Raises
    ------
    Refused
        ``workspace.params-invalid``.

    """
    names = {split.value for split in SPLITS}
    if isinstance(shares, Mapping) and set(shares) == names:
        values = list(shares.values())
        numbers = all(isinstance(value, int | float) and 0 <= value <= 1 for value in values)
        if numbers and abs(sum(values) - 1) <= 1e-6:  # noqa: PLR2004 -- rounding of decimal fractions
            return
    raise refused(
        "workspace.params-invalid",
        "params.yaml curation.splits",
        f"is {shares!r}.",
        "Give train, val and test shares that add up to 1.",
    )


def draw_split(anchor: str, shares: Mapping[str, float], *, salt: str) -> Split:
    """Return the split of a group by a salted hash of its anchor, so that it depends on nothing else.

    Parameters
    ----------
    anchor
        What `group_images` names the group by.
    shares
        Shares of train, val and test, as `check_shares` accepts them.
    salt
        Another salt is another lottery.

    """
    digest = hashlib.sha256(f"{salt}|{anchor}".encode()).digest()
    point, reached = int.from_bytes(digest[:8], "big") / 2**64, 0.0
    for split in SPLITS:
        reached += shares[split.value]
        if point < reached:
            return split
    return SPLITS[-1]


def assign_splits(
    rows: Sequence[Mapping[str, Any]],
    alike: Sequence[tuple[str, str]],
    duplicates: Mapping[str, str],
    *,
    shares: Mapping[str, float],
    salt: str,
    frozen: Mapping[str, Split],
    held_out: Mapping[str, Split] | None = None,
    left_out: Mapping[str, str] | None = None,
    strata: Mapping[str, frozenset[str]] | None = None,
) -> tuple[dict[str, Placed], list[Finding]]:
    """Return where each image goes, and what was noticed.

    Parameters
    ----------
    rows
        Rows of `tables.IMAGES`, one an image.
    alike
        Pairs of image ids that are exact or near-duplicates.
    duplicates
        For an image that is another's exact duplicate, that other's id: it is left out.
    shares, salt
        Shares of train, val and test; the salt of the hash.
    frozen
        Splits of images in earlier releases: they never move. A group with one frozen split goes there whole. Where
        two frozen splits meet in a group, the frozen images stay and the new ones of the group are left out.
    held_out
        The split that images of a partner or country held out go to, with their whole group; what is frozen stays.
    left_out
        Why a curator wants an image left out, released or not.
    strata
        The categories that an image shows. Where given, groups that are neither frozen nor held out may leave the split
        that they were drawn for, so that each split has its part of every category (`strata.even_out`).

    """
    placed: dict[str, Placed] = {}
    findings = []
    kept_back, unwanted = held_out or {}, left_out or {}
    groups = sorted(group_images(rows, alike).items())
    drawn = {anchor: draw_split(anchor, shares, salt=salt) for anchor, _ in groups}
    if strata is not None:
        settled = {**kept_back, **frozen}
        drawn |= even_out(_strata(groups, drawn, strata, settled, {*duplicates, *unwanted}), shares, salt=salt)
    for anchor, ids in groups:
        group_id = "g-" + hashlib.sha256(anchor.encode()).hexdigest()[:12]
        held = {frozen[image_id] for image_id in ids if image_id in frozen}
        wanted = next((kept_back[image_id] for image_id in ids if image_id in kept_back), None)
        split = held.pop() if len(held) == 1 else wanted or drawn[anchor]
        if held:
            findings.append(_conflict(group_id))
        elif wanted and split is not wanted:
            findings.append(_not_held_out(group_id, split))
        for image_id in ids:
            if image_id in unwanted:
                placed[image_id] = Placed(group_id=group_id, split=None, excluded=unwanted[image_id])
            elif held and image_id in frozen:
                placed[image_id] = Placed(group_id=f"{group_id}-{frozen[image_id]}", split=frozen[image_id])
            elif held:
                placed[image_id] = Placed(group_id=group_id, split=None, excluded="joins two frozen splits")
            elif image_id in duplicates and image_id not in frozen:
                why = f"exact duplicate of {duplicates[image_id][:12]}"
                placed[image_id] = Placed(group_id=group_id, split=None, excluded=why)
            else:
                placed[image_id] = Placed(group_id=group_id, split=split)
    findings += _empty(placed)
    return placed, findings


def _strata(
    groups: Sequence[tuple[str, tuple[str, ...]]],
    drawn: Mapping[str, Split],
    strata: Mapping[str, frozenset[str]],
    settled: Mapping[str, Split],
    unused: Container[str],
) -> dict[str, Stratum]:
    """Return each group with the categories of its images in use; a group with a settled image stays with that."""
    found = {}
    for anchor, ids in groups:
        there = [settled[image_id] for image_id in ids if image_id in settled]
        shown = [strata.get(image_id, frozenset()) for image_id in ids if image_id not in unused]
        found[anchor] = Stratum(
            split=there[0] if there else drawn[anchor], categories=frozenset().union(*shown), free=not there
        )
    return found


def _conflict(group_id: str) -> Finding:
    return Finding(
        code="curation.split-conflict",
        subject=f"group {group_id}",
        message="joins photographs that earlier releases put into different splits; its new photographs stay out.",
        remedy="Look at the group in FiftyOne; withdraw the release if the leak matters.",
        severity=Severity.WARNING,
    )


def _not_held_out(group_id: str, split: Split) -> Finding:
    return Finding(
        code="curation.holdout-frozen",
        subject=f"group {group_id}",
        message=f"is to be held out, but photographs of it were released in {split}; it stays there.",
        remedy="Leave its partner or country out of params.yaml curation.holdout, or exclude it (`curation decide`).",
        severity=Severity.WARNING,
    )


def _empty(placed: Mapping[str, Placed]) -> list[Finding]:
    used = {place.split for place in placed.values()}
    return [
        Finding(
            code="curation.split-empty",
            subject=f"split {split}",
            message="has no photograph yet.",
            remedy="More seizures fill it; groups are never torn to do so.",
            severity=Severity.WARNING,
        )
        for split in SPLITS
        if placed and split not in used
    ]
