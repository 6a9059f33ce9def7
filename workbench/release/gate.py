"""What no release may hold: every breach a finding, all of them told at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workbench.domain.dataset import SPLITS
from workbench.domain.findings import Finding, Refused
from workbench.domain.photograph import Origin
from workbench.domain.taxonomy import Taxonomy
from workbench.release.contents import SETTLED, Contents

#: So many findings of one kind are told one by one.
_TOLD = 5


def require_releasable(contents: Contents, taxonomy: Taxonomy, statuses: Mapping[str, str]) -> None:
    """Refuse contents that break a rule of releases.

    Raises
    ------
    Refused
        With a finding a breach (the first few of each kind).

    """
    told: Counter[str] = Counter()
    findings = []
    for finding in breaches(contents, taxonomy, statuses):
        told[finding.code] += 1
        if told[finding.code] <= _TOLD:
            findings.append(finding)
    if findings:
        raise Refused(*findings)


def breaches(contents: Contents, taxonomy: Taxonomy, statuses: Mapping[str, str]) -> Iterator[Finding]:
    """Yield every breach of the rules: leakage, synthetic images outside training, unknown codes, stray shapes."""
    if not contents.images:
        yield _finding("release.empty", "the release", "holds no image.", "Label photographs, then run the stages.")
    yield from _duplicates(contents)
    yield from _leaks(contents.images)
    for row in contents.images:
        subject = f"image {row['image_id']}"
        if row["origin"] in {"rendered", "augmented"} and row["split"] != "train":
            yield _finding(
                "release.synthetic-outside-training",
                subject,
                f"is {row['origin']} and stands in split {row['split']}.",
                "Give rendered and augmented images to the training split only.",
            )
        if row["origin"] in {"real", "replica"} and statuses.get(row["image_id"]) not in SETTLED:
            yield _finding(
                "release.unlabelled-image", subject, "has no settled labels.", "Leave it out, or have it labelled."
            )
    yield from _instance_breaches(contents, taxonomy)


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
        if parent is not None and row["origin"] == Origin.AUGMENTED and split_of.get(parent) != row["split"]:
            yield _finding(
                "release.split-leakage",
                subject,
                f"is a copy of an image that is not in {row['split']}.",
                "Run `workbench augmentation` anew.",
            )


def _instance_breaches(contents: Contents, taxonomy: Taxonomy) -> Iterator[Finding]:
    codes = set(taxonomy.codes)
    sizes = {row["image_id"]: (row["width_px"], row["height_px"]) for row in contents.images}
    for row in contents.instances:
        subject = f"instance {row['instance_id']}"
        if row["category"] not in codes:
            yield _finding(
                "release.unknown-code",
                subject,
                f"has the code {row['category']!r}, which taxonomy {taxonomy.version} does not have.",
                "Add the code to label_configs/taxonomy.yaml, or correct the label.",
            )
        if row["image_id"] not in sizes:
            yield _finding("release.stray-instance", subject, "belongs to no released image.", "Rerun adjudication.")
            continue
        width, height = sizes[row["image_id"]]
        xs = [row[name] for name in ("x_min", "x_max") if row[name] is not None]
        ys = [row[name] for name in ("y_min", "y_max") if row[name] is not None]
        for ring in row["rings"] or ():
            xs, ys = xs + ring[0::2], ys + ring[1::2]
        for point in row["keypoints"] or ():
            xs, ys = [*xs, point["x_px"]], [*ys, point["y_px"]]
        if any(not 0 <= x <= width for x in xs) or any(not 0 <= y <= height for y in ys):
            yield _finding(
                "release.outside-image",
                subject,
                f"reaches out of its image of {width} x {height} pixels.",
                "Correct the label; it may have been drawn on another image.",
            )


def _finding(code: str, subject: str, message: str, remedy: str) -> Finding:
    return Finding(code=code, subject=subject, message=message, remedy=remedy)
