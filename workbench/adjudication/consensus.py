"""From several answers to ground truth, by stated rules; what they do not settle is listed as disagreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.adjudication.matching import match_instances, overlap_matrix
from workbench.domain.annotation import DecidedBy, Instance
from workbench.domain.lineage import sha256_hex

#: A facet's value where nobody could tell.
CANNOT_TELL = "cannot_tell"


@dataclass(slots=True)
class Outcome:
    """What the rules make of one photograph: its status, ground truth, and disagreements (rows without image_id)."""

    status: str
    truth: list[Instance] = field(default_factory=list)
    disagreements: list[dict[str, Any]] = field(default_factory=list)


def decide(answers: Mapping[str, Sequence[Instance]], *, match_iou: float, accept_iou: float) -> Outcome:
    """Return the outcome for a photograph that two or more annotators answered.

    An object is ground truth when every annotator marked it, with one category, and each pair of their shapes
    overlaps by ``accept_iou``. Its geometry is the answer nearest to the others; a facet is what most said, a tie
    ``cannot_tell``; a transcription is kept when all read the same. The photograph is ``agreed`` when every object
    marked on it is ground truth.
    """
    outcome = Outcome(status="agreed")
    for cluster in _clusters(answers, match_iou):
        problem = _problem(cluster, len(answers), accept_iou)
        members = [instance for _, instance in sorted(cluster.members.items())]
        if problem:
            kind, detail = problem
            outcome.status = "disagreed"
            outcome.disagreements.append(_dissent(kind, members, detail))
            continue
        outcome.truth.append(_merged(cluster))
        texts = {instance.transcription for instance in members}
        if len(texts) > 1:
            read = ", ".join(repr(text) for text in sorted(texts, key=str))
            outcome.disagreements.append(_dissent("transcription", members, f"The text was read as {read}."))
        outcome.disagreements += _facet_dissent(members)
    return outcome


def keep_all(instances: Sequence[Instance], decided_by: DecidedBy) -> list[Instance]:
    """Return one answer's instances as ground truth, as they are."""
    return [_as_truth([instance], instance, decided_by) for instance in instances]


@dataclass(slots=True)
class _Cluster:
    """Instances of different annotators taken for one object, and the IoU of each matched pair of annotators."""

    members: dict[str, Instance]
    ious: dict[tuple[str, str], float] = field(default_factory=dict)


def _clusters(answers: Mapping[str, Sequence[Instance]], match_iou: float) -> list[_Cluster]:
    """Return the objects of a photograph: each annotator in turn is matched to the first mark of each object."""
    clusters: list[_Cluster] = []
    for name in sorted(answers):
        given = answers[name]
        firsts = [next(iter(cluster.members.values())) for cluster in clusters]
        matched = {m.second: m for m in match_instances(firsts, given, match_iou=match_iou)}
        for number, instance in enumerate(given):
            if number not in matched:
                clusters.append(_Cluster(members={name: instance}))
                continue
            cluster = clusters[matched[number].first]
            for other, mark in cluster.members.items():
                cluster.ious[other, name] = float(overlap_matrix([mark], [instance])[0, 0])
            cluster.members[name] = instance
    return clusters


def _problem(cluster: _Cluster, annotators: int, accept_iou: float) -> tuple[str, str] | None:
    """Return why an object is not agreed on, as kind and sentence; None if it is."""
    categories = sorted({instance.category for instance in cluster.members.values()})
    if len(categories) > 1:
        return "category", f"The object was called {' and '.join(categories)}."
    if len(cluster.members) < annotators:
        return "unmatched", f"Only {len(cluster.members)} of {annotators} annotators marked this {categories[0]}."
    least = min(cluster.ious.values())
    if least < accept_iou:
        return "geometry", f"The shapes of this {categories[0]} overlap by {least:.2f} only."
    return None


def _merged(cluster: _Cluster) -> Instance:
    """Return the ground truth of an agreed object."""

    def nearness(name: str) -> float:
        return sum(iou for pair, iou in cluster.ious.items() if name in pair)

    chosen = min(cluster.members, key=lambda name: (-nearness(name), name))
    members = [cluster.members[name] for name in sorted(cluster.members)]
    texts = {instance.transcription for instance in members}
    merged = replace(
        cluster.members[chosen],
        facets=_majority(members),
        transcription=texts.pop() if len(texts) == 1 else None,
        confidence=None if len({instance.confidence for instance in members}) > 1 else members[0].confidence,
    )
    return _as_truth(members, merged, DecidedBy.AGREEMENT, mean_iou=sum(cluster.ious.values()) / len(cluster.ious))


def _as_truth(
    members: Sequence[Instance], merged: Instance, decided_by: DecidedBy, *, mean_iou: float | None = None
) -> Instance:
    made_of = "|".join(sorted(instance.instance_id for instance in members))
    return replace(
        merged,
        instance_id=sha256_hex(f"truth|{made_of}".encode())[:20],
        decided_by=decided_by,
        agreement_iou=mean_iou,
        annotator=members[0].annotator if len(members) == 1 else None,
        annotation_id=members[0].annotation_id if len(members) == 1 else None,
    )


def _majority(members: Sequence[Instance]) -> dict[str, str]:
    """Return for each facet what most annotators who answered it said; a tie is ``cannot_tell``."""
    facets = {}
    for code in sorted({code for instance in members for code in instance.facets}):
        counts = Counter(instance.facets[code] for instance in members if code in instance.facets)
        (value, most), *others = counts.most_common()
        facets[code] = CANNOT_TELL if others and others[0][1] == most else value
    return facets


def _facet_dissent(members: Sequence[Instance]) -> list[dict[str, Any]]:
    rows = []
    for code in sorted({code for instance in members for code in instance.facets}):
        values = sorted({instance.facets[code] for instance in members if code in instance.facets})
        if len(values) > 1:
            rows.append(_dissent("facet", members, f"{code} was answered {' and '.join(values)}."))
    return rows


def _dissent(kind: str, members: Sequence[Instance], detail: str) -> dict[str, Any]:
    return {"kind": kind, "instance_ids": sorted(member.instance_id for member in members), "detail": detail}
