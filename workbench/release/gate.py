"""What no release may hold: every breach a finding, all of them told at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.domain.dataset import SPLITS
from workbench.domain.delivery import UsageTerms
from workbench.domain.findings import Finding, Refused
from workbench.domain.photograph import Origin
from workbench.domain.taxonomy import Taxonomy
from workbench.release.contents import Contents, inside
from workbench.release.terms import Intent, why_not

#: What was made of a released photograph: copies of it, and renders that stand on it.
_MADE_OF_PARENT = frozenset({Origin.AUGMENTED, Origin.RENDERED})
#: So many findings of one kind are told one by one.
_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a release is held to: the codes, how settled each photograph's labels are, and the contributions' terms."""

    taxonomy: Taxonomy
    statuses: Mapping[str, str]
    accepted: Collection[str]
    terms: Mapping[str, UsageTerms]
    intent: Intent


#: Everything the gate looks for; what is not found is counted as 0.
GATE_CODES = (
    "release.empty",
    "release.duplicate-id",
    "release.split-leakage",
    "release.synthetic-outside-training",
    "release.unlabelled-image",
    "release.terms-unknown",
    "release.terms-forbid",
    "release.unknown-code",
    "release.stray-instance",
    "release.outside-image",
)


def require_releasable(contents: Contents, rules: Rules) -> dict[str, int]:
    """Refuse contents that break a rule of releases; return the count of breaches by code, all of them 0.

    Raises
    ------
    Refused
        With a finding a breach (the first few of each kind).

    """
    findings, counts = judge(contents, rules)
    if findings:
        raise Refused(*findings)
    return counts


def judge(contents: Contents, rules: Rules) -> tuple[list[Finding], dict[str, int]]:
    """Return the first few breaches of each kind, and the count of all by code."""
    counts = dict.fromkeys(GATE_CODES, 0)
    findings = []
    for finding in breaches(contents, rules):
        counts[finding.code] += 1
        if counts[finding.code] <= _TOLD:
            findings.append(finding)
    return findings, counts


def breaches(contents: Contents, rules: Rules) -> Iterator[Finding]:
    """Yield every breach: leakage, synthetic images outside training, labels or terms that forbid it, stray shapes."""
    if not contents.images:
        yield _finding("release.empty", "the release", "holds no image.", _why_empty(contents))
    yield from _duplicates(contents)
    yield from _leaks(contents.images)
    for row in contents.images:
        if row["origin"] in {"rendered", "augmented"} and row["split"] != "train":
            yield _finding(
                "release.synthetic-outside-training",
                f"image {row['image_id']}",
                f"is {row['origin']} and stands in split {row['split']}.",
                "Give rendered and augmented images to the training split only.",
            )
        if row["origin"] in {"real", "replica"} and rules.statuses.get(row["image_id"]) not in rules.accepted:
            yield _finding(
                "release.unlabelled-image",
                f"image {row['image_id']}",
                "has no labels that were settled as params.yaml release.accept_labels asks.",
                "Leave it out, or have it labelled.",
            )
    yield from _term_breaches(contents.images, rules)
    yield from _instance_breaches(contents, rules.taxonomy)


def _why_empty(contents: Contents) -> str:
    if not contents.left_out:
        return "Label photographs, then run the stages."
    told = ", ".join(f"{reason}: {count}" for reason, count in contents.left_out.items())
    return f"Everything was left out ({told}); label photographs, or see `workbench release gate`."


def _term_breaches(images: Sequence[Mapping[str, Any]], rules: Rules) -> Iterator[Finding]:
    """Yield contributions whose images may not be released; every contribution is told once."""
    held = Counter(row["contribution_id"] for row in images if row["contribution_id"] is not None)
    for contribution, count in sorted(held.items()):
        subject = f"contribution {contribution}"
        if contribution not in rules.terms:
            yield _finding(
                "release.terms-unknown",
                subject,
                f"has no record in data/00_deliveries, so nobody knows whether its {count} images may be released.",
                "Restore it with `dvc checkout data/00_deliveries`.",
            )
        elif reason := why_not(rules.terms[contribution], rules.intent):
            yield _finding(
                "release.terms-forbid",
                subject,
                f"may not be released for {rules.intent.purpose!r} ({reason}), and {count} images of it were to be.",
                "Run `workbench release assemble` anew.",
            )


def _duplicates(contents: Contents) -> Iterator[Finding]:
    for table, key in ((contents.images, "image_id"), (contents.instances, "instance_id")):
        for value, count in Counter(row[key] for row in table).items():
            if count > 1:
                yield _finding("release.duplicate-id", f"{key} {value}", f"stands {count} times.", "Give it one row.")


def _leaks(images: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    # A partner's pseudonyms are its own: two partners' "seizure-1" are two seizures.
    for column, scope in (("group_id", ()), ("seizure_id", ("partner_id",)), ("item_id", ("partner_id", "seizure_id"))):
        splits: dict[tuple[Any, ...], set[str]] = defaultdict(set)
        for row in images:
            if row[column] is not None and row["split"] is not None:
                splits[(row[column], *(row[name] for name in scope))].add(row["split"])
        for (value, *_), found in splits.items():
            if len(found) > 1:
                yield _finding(
                    "release.split-leakage",
                    f"{column} {value}",
                    f"stands in {', '.join(sorted(found))}.",
                    "Run `workbench curation` anew; do not edit splits by hand.",
                )
    split_of = {row["image_id"]: row["split"] for row in images}
    for row in images:
        subject = f"image {row['image_id']}"
        if row["split"] not in set(SPLITS):
            yield _finding("release.split-leakage", subject, f"has no known split ({row['split']}).", "Run curation.")
        parent = row["parent_image_id"]
        # A photograph with covered regions has a parent too, but that one is in no release: it stands in its place.
        if parent is not None and row["origin"] in _MADE_OF_PARENT and split_of.get(parent) != row["split"]:
            yield _finding(
                "release.split-leakage",
                subject,
                f"is made of an image that is not in {row['split']}.",
                "Run `workbench augmentation` and `workbench composition` anew.",
            )


def _instance_breaches(contents: Contents, taxonomy: Taxonomy) -> Iterator[Finding]:
    codes = set(taxonomy.codes)
    sizes = {row["image_id"]: (row["width_px"], row["height_px"]) for row in contents.images}
    for row in contents.instances:
        if row["category"] not in codes:
            yield _finding(
                "release.unknown-code",
                f"instance {row['instance_id']}",
                f"has the code {row['category']!r}, which taxonomy {taxonomy.version} does not have.",
                "Add the code to label_configs/taxonomy.yaml, or correct the label.",
            )
        if row["image_id"] not in sizes:
            subject = f"instance {row['instance_id']}"
            yield _finding("release.stray-instance", subject, "belongs to no released image.", "Rerun adjudication.")
            continue
        width, height = sizes[row["image_id"]]
        points = row["keypoints"] or ()
        if not inside(row, width, height) or any(
            not (0 <= point["x_px"] <= width and 0 <= point["y_px"] <= height) for point in points
        ):
            yield _finding(
                "release.outside-image",
                f"instance {row['instance_id']}",
                f"reaches out of its image of {width} x {height} pixels.",
                "Correct the label; it may have been drawn on another image.",
            )


def _finding(code: str, subject: str, message: str, remedy: str) -> Finding:
    return Finding(code=code, subject=subject, message=message, remedy=remedy)
