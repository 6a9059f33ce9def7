"""From several answers to ground truth, by stated rules or an adjudicator's decision; the rest is listed as disagreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.adjudication.disputes import Case, object_dispute
from workbench.adjudication.matching import match_instances, overlap_matrix
from workbench.domain.adjudication import OPEN_KINDS, Decision, Dispute, Kind
from workbench.domain.annotation import DecidedBy, Instance
from workbench.domain.lineage import sha256_hex

#: A facet's value where nobody could tell.
CANNOT_TELL = "cannot_tell"


@dataclass(slots=True)
class Outcome:
    """What the rules and decisions make of one photograph.

    Parameters
    ----------
    disagreements
        What nobody settled: rows of `tables.DISAGREEMENTS` without image_id.
    disputes
        The same, as an adjudicator can decide about it.
    decided
        The decisions that were followed.
    accounts, dissent, tags
        Rows of `tables.ACCOUNTS`, `tables.DISSENT` and `tables.PHOTOGRAPH_TAGS` without image_id and project.

    """

    status: str | None
    truth: list[Instance] = field(default_factory=list)
    disagreements: list[dict[str, Any]] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)
    decided: list[Decision] = field(default_factory=list)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    dissent: list[dict[str, Any]] = field(default_factory=list)
    tags: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Cluster:
    """Instances of different annotators taken for one object, and the IoU of each matched pair of annotators."""

    members: dict[str, Instance]
    ious: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def least_iou(self) -> float | None:
        """The least overlap of two members, None if there is one only."""
        return min(self.ious.values(), default=None)

    @property
    def mean_iou(self) -> float | None:
        """The mean overlap of all pairs, None if there is one member only."""
        return sum(self.ious.values()) / len(self.ious) if self.ious else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One object as it stands: the cluster, its dispute if anything is disagreed about, and the decision about that."""

    cluster: Cluster
    problems: Sequence[tuple[Kind, str]]
    dispute: Dispute | None = None
    decision: Decision | None = None

    @property
    def is_open(self) -> bool:
        """Whether it keeps out of ground truth until somebody decides."""
        return self.decision is None and any(kind in OPEN_KINDS for kind, _ in self.problems)


def settle_objects(
    answers: Mapping[str, Sequence[Instance]], *, match_iou: float, accept_iou: float, case: Case
) -> list[Settled]:
    """Return the objects of a photograph that two or more annotators answered, each with what is disagreed about it.

    An object is agreed on when every annotator marked it, with one category, and each pair of their shapes overlaps by
    ``accept_iou``, and all read and answered the same about it.
    """
    annotators = sorted(answers)
    settled = []
    for cluster in clusters(answers, match_iou):
        problems = _problems(cluster, len(answers), accept_iou)
        if not problems:
            settled.append(Settled(cluster=cluster, problems=()))
            continue
        dispute = object_dispute(case, cluster.members, problems, least_iou=cluster.least_iou, annotators=annotators)
        settled.append(
            Settled(cluster=cluster, problems=problems, dispute=dispute, decision=case.decision_about(dispute))
        )
    return settled


def clusters(answers: Mapping[str, Sequence[Instance]], match_iou: float) -> list[Cluster]:
    """Return the objects of a photograph: each annotator in turn is matched to the first mark of each object."""
    found: list[Cluster] = []
    for name in sorted(answers):
        given = answers[name]
        firsts = [next(iter(cluster.members.values())) for cluster in found]
        matched = {m.second: m for m in match_instances(firsts, given, match_iou=match_iou)}
        for number, instance in enumerate(given):
            if number not in matched:
                found.append(Cluster(members={name: instance}))
                continue
            cluster = found[matched[number].first]
            for other, mark in cluster.members.items():
                cluster.ious[other, name] = float(overlap_matrix([mark], [instance])[0, 0])
            cluster.members[name] = instance
    return found


def _problems(cluster: Cluster, annotators: int, accept_iou: float) -> list[tuple[Kind, str]]:
    """Return what is disagreed about an object, each as kind and sentence; nothing if all agree.

    What keeps it out of ground truth comes alone: what is read on an object matters once it is known to be one.
    """
    members = [instance for _, instance in sorted(cluster.members.items())]
    categories = sorted({instance.category for instance in members})
    if len(categories) > 1:
        return [(Kind.CATEGORY, f"The object was called {' and '.join(categories)}.")]
    if len(members) < annotators:
        said = f"Only {len(members)} of {annotators} annotators marked this {categories[0]}."
        return [(Kind.UNMATCHED, said)]
    least = cluster.least_iou
    if least is not None and least < accept_iou:
        return [(Kind.GEOMETRY, f"The shapes of this {categories[0]} overlap by {least:.2f} only.")]
    problems = []
    texts = {instance.transcription for instance in members}
    if len(texts) > 1:
        read = ", ".join(repr(text) for text in sorted(texts, key=str))
        problems.append((Kind.TRANSCRIPTION, f"The text was read as {read}."))
    for code in sorted({code for instance in members for code in instance.facets}):
        values = sorted({instance.facets[code] for instance in members if code in instance.facets})
        if len(values) > 1:
            problems.append((Kind.FACET, f"{code} was answered {' and '.join(values)}."))
    return problems


def merged(cluster: Cluster) -> Instance:
    """Return the ground truth of an object that all marked alike.

    Its geometry is the answer nearest to the others; a facet is what most said, a tie ``cannot_tell``; a transcription
    and a confidence are kept when all gave the same.
    """

    def nearness(name: str) -> float:
        return sum(iou for pair, iou in cluster.ious.items() if name in pair)

    chosen = min(cluster.members, key=lambda name: (-nearness(name), name))
    members = [cluster.members[name] for name in sorted(cluster.members)]
    texts = {instance.transcription for instance in members}
    one = replace(
        cluster.members[chosen],
        facets=majority(members),
        transcription=texts.pop() if len(texts) == 1 else None,
        confidence=None if len({instance.confidence for instance in members}) > 1 else members[0].confidence,
    )
    return as_truth(members, one, DecidedBy.AGREEMENT, mean_iou=cluster.mean_iou)


def as_truth(
    members: Sequence[Instance], chosen: Instance, decided_by: DecidedBy, *, mean_iou: float | None = None
) -> Instance:
    """Return an instance as ground truth: its id follows from the marks it was made of."""
    made_of = "|".join(sorted(instance.instance_id for instance in members))
    return replace(
        chosen,
        instance_id=sha256_hex(f"truth|{made_of}".encode())[:20],
        decided_by=decided_by,
        agreement_iou=mean_iou,
        annotator=members[0].annotator if len(members) == 1 else None,
        annotation_id=members[0].annotation_id if len(members) == 1 else None,
    )


def majority(members: Sequence[Instance]) -> dict[str, str]:
    """Return for each facet what most annotators who answered it said; a tie is ``cannot_tell``."""
    said = {code for instance in members for code in instance.facets}
    return {code: most_said([m.facets[code] for m in members if code in m.facets]) for code in sorted(said)}


def most_said(values: Sequence[str]) -> str:
    """Return the value given most often; a tie is ``cannot_tell``.

    Examples
    --------
    >>> most_said(["good", "worn", "good"]), most_said(["good", "worn"])
    ('good', 'cannot_tell')

    """
    (value, most), *others = Counter(values).most_common()
    return CANNOT_TELL if others and others[0][1] == most else value


def disagreement(kind: str, members: Sequence[Instance], detail: str) -> dict[str, Any]:
    """Return a row of `tables.DISAGREEMENTS` without image_id."""
    return {"kind": kind, "instance_ids": sorted(member.instance_id for member in members), "detail": detail}
