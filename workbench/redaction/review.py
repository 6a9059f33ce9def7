"""What is still to be decided: proposals from detections and labels, and each photograph's standing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from workbench.domain.geometry import Box, box_iou
from workbench.domain.redaction import Decision, Labelled, Region, State, covered_frac
from workbench.redaction.decisions import latest

FACE = "context.face"

#: A face found again is one already decided about from this overlap on: a re-encoded picture shifts it a little.
_SAME_IOU = 0.5

#: A proposal of which this much lies in one accepted region needs no decision of its own.
_COVERED_FRAC = 0.9

#: Who accepts what people labelled.
RULE = "rule redaction.labelled"


class Standing(StrEnum):
    """Where a photograph stands on the way to labellers, the worst that holds first."""

    UNSEARCHED = "unsearched"
    UNREVIEWED = "unreviewed"
    NOT_APPLIED = "not applied"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One photograph's standing: ``open`` are regions to be decided, ``accepted`` those that are or will be covered."""

    standing: Standing
    open: tuple[Region, ...]
    accepted: tuple[Region, ...]


def plan_decisions(
    detected: Sequence[Region],
    labelled: Sequence[tuple[Region, Labelled]],
    decisions: Sequence[Decision],
    *,
    now: str,
) -> list[Decision]:
    """Return the decisions to add for what was found and labelled since; none for what is known.

    A detection that overlaps a region already proposed, accepted or rejected is the same thing seen again. A label is a
    person's word: it stands on its own, accepted at once where the rule of params.yaml says so.
    """
    known = latest(decisions)
    decided = _by_photograph(decision.region for decision in known.values())
    added: dict[str, Decision] = {}
    for region in detected:
        if not _is_known(region, decided):
            added[region.region_id] = Decision(
                region=region, state=State.PROPOSED, decided_by=region.source, decided_at=now
            )
    for region, rule in labelled:
        if rule is Labelled.IGNORE or region.region_id in known:
            continue
        accepted = rule is Labelled.ACCEPT
        added[region.region_id] = Decision(
            region=region,
            state=State.ACCEPTED if accepted else State.PROPOSED,
            decided_by=RULE,
            decided_at=now,
            reason=f"{region.category} in the {region.source}",
        )
    return [added[region_id] for region_id in sorted(added)]


def _by_photograph(regions: Iterable[Region]) -> dict[str, list[Region]]:
    found: dict[str, list[Region]] = {}
    for region in regions:
        found.setdefault(region.image_id, []).append(region)
    return found


def _is_known(region: Region, decided: Mapping[str, Sequence[Region]]) -> bool:
    """Say whether a detection is a region that was proposed or decided about before, seen again."""
    return any(
        box_iou(region.box, other.box) >= _SAME_IOU or covered_frac(region.box, other.box) >= _COVERED_FRAC
        for other in decided.get(region.image_id, ())
    )


def accepted_regions(decisions: Sequence[Decision]) -> dict[str, tuple[Region, ...]]:
    """Return for each photograph the regions to be covered, in one order; photographs without any are not there."""
    accepted = (decision.region for decision in latest(decisions).values() if decision.state is State.ACCEPTED)
    return {image_id: _ordered(regions) for image_id, regions in sorted(_by_photograph(accepted).items())}


def open_regions(decisions: Sequence[Decision], detected: Iterable[Region]) -> dict[str, tuple[Region, ...]]:
    """Return for each photograph what is still to be decided: proposals, and detections nobody proposed yet."""
    counting = latest(decisions).values()
    decided = _by_photograph(decision.region for decision in counting)
    proposed = [decision.region for decision in counting if decision.state is State.PROPOSED]
    proposed += [region for region in detected if not _is_known(region, decided)]
    accepted = accepted_regions(decisions)
    found = {}
    for image_id, candidates in sorted(_by_photograph(proposed).items()):
        covers = [region.box for region in accepted.get(image_id, ())]
        left = [r for r in candidates if not any(covered_frac(r.box, cover) >= _COVERED_FRAC for cover in covers)]
        if left:
            found[image_id] = _ordered(left)
    return found


def _ordered(regions: Iterable[Region]) -> tuple[Region, ...]:
    return tuple(sorted(regions, key=lambda region: region.region_id))


def review_photographs(
    rows: Iterable[Mapping[str, Any]],
    searched: Iterable[Mapping[str, Any]],
    covered: Mapping[str, Sequence[Box]],
    decisions: Sequence[Decision],
    params: Mapping[str, Any],
) -> dict[str, Review]:
    """Return the standing of each photograph, by the id it was delivered under.

    Parameters
    ----------
    rows
        Rows of `tables.IMAGES` of data/01_intake.
    searched
        Rows of `tables.SEARCHED`.
    covered
        For each photograph that has covered regions, their boxes.
    params
        The section redaction of params.yaml.

    """
    images = {row["image_id"]: row for row in rows}
    looked = {(row["image_id"], row["file_sha256"]): row for row in searched}
    detected = detected_regions(images.values(), looked.values(), params)
    undecided, accepted = open_regions(decisions, detected), accepted_regions(decisions)
    reviews = {}
    for image_id, row in sorted(images.items()):
        photograph = photograph_id(row)
        wanted = {region.box.xyxy for region in accepted.get(photograph, ())}
        if params["faces"] and (image_id, row["file_sha256"]) not in looked:
            standing = Standing.UNSEARCHED
        elif photograph in undecided:
            standing = Standing.UNREVIEWED
        elif wanted != {box.xyxy for box in covered.get(photograph, ())}:
            standing = Standing.NOT_APPLIED
        else:
            standing = Standing.CLEAR
        reviews[photograph] = Review(
            standing=standing, open=undecided.get(photograph, ()), accepted=accepted.get(photograph, ())
        )
    return reviews


def photograph_id(row: Mapping[str, Any]) -> str:
    """Return the id under which the photograph of an intake row was delivered."""
    return str(row["parent_image_id"] or row["image_id"])


def detected_regions(
    rows: Iterable[Mapping[str, Any]], searched: Iterable[Mapping[str, Any]], params: Mapping[str, Any]
) -> list[Region]:
    """Return the faces found as regions with their margin, on the photograph as delivered.

    What is found on an image that already has covered regions counts too: it is what they left uncovered.
    """
    if not params["faces"]:
        return []
    images = {(row["image_id"], row["file_sha256"]): row for row in rows}
    regions = []
    for looked in searched:
        row = images.get((looked["image_id"], looked["file_sha256"]))
        for face in looked["faces"] if row else ():
            box = Box(**{name: face[name] for name in ("x_min", "y_min", "x_max", "y_max")})
            regions.append(
                Region(
                    image_id=photograph_id(row or {}),
                    box=with_margin(box, params["margin_frac"], row or {}),
                    category=FACE,
                    source=params["activity"],
                    score=face["score"],
                )
            )
    return regions


def with_margin(box: Box, margin_frac: float, row: Mapping[str, Any]) -> Box:
    """Return a box grown on each side by a fraction of its width and height, on whole pixels, inside its image."""
    across, down = (box.x_max - box.x_min) * margin_frac, (box.y_max - box.y_min) * margin_frac
    grown = Box(
        x_min=round(box.x_min - across),
        y_min=round(box.y_min - down),
        x_max=round(box.x_max + across),
        y_max=round(box.y_max + down),
    )
    return grown.clipped(width_px=row["width_px"], height_px=row["height_px"])


def labelled_regions(
    instances: Iterable[tuple[str, Mapping[str, Any]]], params: Mapping[str, Any], *, suggested: bool = False
) -> list[tuple[Region, Labelled]]:
    """Return what people labelled as regions, each with what the rule of params.yaml makes of it.

    Parameters
    ----------
    instances
        (project, row of `tables.INSTANCES`); the tight box counts, whatever shape was drawn.
    suggested
        Whether they are pre-annotations: nobody looked at them, so they are proposed at most.

    """
    found = {}
    for project, row in instances:
        rule = Labelled(params["labelled"].get(row["category"], Labelled.IGNORE))
        if project == params.get("reviewed_in"):
            rule = Labelled.ACCEPT  # there people draw nothing but what is to be covered
        if row["x_min"] is None or rule is Labelled.IGNORE:
            continue
        box = Box(**{name: row[name] for name in ("x_min", "y_min", "x_max", "y_max")})
        if not box.area_px2:
            continue
        kind = "pre-annotations" if suggested else "labels"
        region = Region(
            image_id=row["image_id"], box=box, category=row["category"], source=f"{kind} of {project}", score=None
        )
        found[region.region_id] = (region, Labelled.PROPOSE if suggested else rule)
    return [found[region_id] for region_id in sorted(found)]
