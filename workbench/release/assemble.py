"""The stage: everything a release holds, as one folder; only what changed since the last assembling is written."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson

from workbench.domain.findings import refused
from workbench.domain.lineage import require_activity, sha256_hex
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.long_runs import many_rows
from workbench.ports import Track, silent
from workbench.release import manifest
from workbench.release.basis import read_basis
from workbench.release.card import Draw, card_files
from workbench.release.contents import Contents
from workbench.release.facts import facts_bytes, read_agreement, read_countries, release_facts
from workbench.release.formats import chosen_formats
from workbench.release.formats.kind import Format
from workbench.release.former import Former
from workbench.release.gate import require_releasable
from workbench.release.increment import Increment
from workbench.release.picture import Picture, Whole, pictures_of
from workbench.tables import IMAGES, INSTANCES, table_bytes

#: Version of this stage's code; stands in params.yaml.
ACTIVITY = "release/2"
#: How the augmented copies were made, for training loops that make them or more of them.
RECIPE = "augmentation.json"
#: Copying waits for the disk most of the time.
_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """What was assembled: the manifest's digest, how many files there are and were written, and the card's facts."""

    manifest_sha256: str
    files: int
    written: int
    facts: Mapping[str, Any]


def assemble(
    layout: Layout, params: Mapping[str, Any], taxonomy: Taxonomy, *, draw: Draw, track: Track = silent
) -> Assembled:
    """Bring ``data/07_release`` up to date.

    Raises
    ------
    Refused
        What the gate finds, ``release.image-altered``, ``release.as-of-missing``, ``workspace.input-missing``,
        ``workspace.activity-version``, ``workspace.params-invalid``.

    """
    require_activity(params, ACTIVITY, section="release")
    with many_rows():
        return _assemble(layout, params, taxonomy, draw, track)


def _assemble(layout: Layout, params: Mapping[str, Any], taxonomy: Taxonomy, draw: Draw, track: Track) -> Assembled:
    formats = chosen_formats(params.get("formats"))
    basis = read_basis(layout, params, taxonomy)
    contents = basis.contents
    verdict = require_releasable(contents, basis.rules)
    facts = release_facts(
        contents,
        taxonomy,
        title=str(params["title"]),
        intent=basis.rules.intent,
        agreement=read_agreement(layout.adjudication / "agreement.json"),
        countries=read_countries(layout),
        formats=[one.name for one in formats],
    )
    state = layout.state / "release"
    recipe = layout.augmentation / "recipe.json"
    increment = Increment(layout.release, state)
    _offer_images(layout, contents, increment, track)
    if recipe.is_file():
        increment.offer(RECIPE, recipe.read_bytes())
    increment.offer("images.parquet", table_bytes(IMAGES, contents.images))
    increment.offer("instances.parquet", table_bytes(INSTANCES, contents.instances))
    whole = Whole(
        pictures=pictures_of(contents.images, contents.instances),
        taxonomy=taxonomy,
        facts=facts,
        outline=draw.outline,
        digest_of=increment.digest_of,
    )
    for path, data in _documents(contents, whole, verdict, draw):
        increment.offer(path, data)
    former = Former(state, picture_keys(whole), {one.name: _shape(one, whole) for one in formats})
    for one in track(formats, total=len(formats), doing="write formats"):
        _offer_format(one, whole, increment, former)
    listing = manifest.manifest_bytes(increment.digests)
    files = len(increment.digests)
    increment.offer(manifest.NAME, listing)
    former.forget()
    written = increment.apply()
    former.note()
    return Assembled(manifest_sha256=sha256_hex(listing), files=files, written=written, facts=facts)


def _offer_images(layout: Layout, contents: Contents, increment: Increment, track: Track) -> None:
    """Copy the pictures that are not in place, each read once: what is hashed is what is written."""
    missing = [row for row in contents.images if not increment.holds(row["path"], row["file_sha256"])]

    def copy(row: Mapping[str, Any]) -> None:
        source = layout.data / contents.source_paths[row["image_id"]]
        if not source.is_file():
            raise refused("workspace.input-missing", source, "is not there.", "Restore it with `dvc checkout`.")
        data = source.read_bytes()
        digest = sha256_hex(data)
        if digest != row["file_sha256"]:
            raise refused(
                "release.image-altered",
                source,
                "has other bytes than its table says.",
                "Restore it with `dvc checkout --force`, or rerun the stage that made it.",
            )
        increment.offer(row["path"], data, digest)

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in track(pool.map(copy, missing), total=len(missing), doing="copy images"):
            pass


def _documents(contents: Contents, whole: Whole, verdict: Mapping[str, int], draw: Draw) -> Iterator[tuple[str, bytes]]:
    """Yield what every release has, whatever its formats."""
    yield "splits.csv", splits_csv(contents)
    yield "classes.csv", classes_csv(contents, whole.taxonomy)
    yield "classes.txt", "".join(f"{code}\n" for code in whole.taxonomy.codes).encode()
    yield "summary.json", facts_bytes(whole.facts)
    gate = {"breaches": dict(verdict), "left_out": dict(contents.left_out)}
    yield "gate.json", (json.dumps(gate, indent=1) + "\n").encode()
    yield from card_files(contents, whole, draw)


def format_files(one: Format, whole: Whole) -> Iterator[tuple[str, bytes]]:
    """Yield all files of one format, made anew."""
    fragments = {}
    if one.fragment is not None:
        fragments = {picture.image["image_id"]: one.fragment(picture, whole) for picture in whole.pictures}
    if one.path_of is not None:
        yield from ((one.path_of(picture), fragments[picture.image["image_id"]]) for picture in whole.pictures)
    yield from one.files(whole, fragments)


def _shape(one: Format, whole: Whole) -> str:
    """Return what shapes a format's pieces beside their pictures."""
    return repr((ACTIVITY, one.name, whole.taxonomy.version, whole.taxonomy.codes, one.shaped_by(whole)))


def _offer_format(one: Format, whole: Whole, increment: Increment, former: Former) -> None:
    """Offer the files of one format; pictures that did not change since it was written last are not written anew."""
    fragments: dict[str, bytes] = {}
    if one.fragment is not None:
        same = former.unchanged(one.name)
        if one.path_of is not None:
            for picture in whole.pictures:
                path = one.path_of(picture)
                if picture.image["image_id"] not in same or not increment.keep(path):
                    increment.offer(path, one.fragment(picture, whole))
        else:
            kept = former.fragments(one.name) if same else {}
            for picture in whole.pictures:
                image_id = picture.image["image_id"]
                found = kept.get(image_id) if image_id in same else None
                fragments[image_id] = one.fragment(picture, whole) if found is None else found
            if len(same) < len(fragments):
                former.keep(one.name, fragments)
    for path, data in one.files(whole, fragments):
        increment.offer(path, data)


def picture_keys(whole: Whole) -> dict[str, bytes]:
    """Return a digest of all that is known of each picture, by image_id."""
    return {picture.image["image_id"]: _key(picture) for picture in whole.pictures}


def _key(picture: Picture) -> bytes:
    rows = (tuple(picture.image.values()), [tuple(row.values()) for row in picture.objects])
    told = orjson.dumps((rows, picture.number, picture.object_numbers))
    return hashlib.blake2b(told, digest_size=16).digest()


def splits_csv(contents: Contents) -> bytes:
    """Return splits.csv: which image of which group stands in which split."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("image_id", "group_id", "split"))
    writer.writerows((row["image_id"], row["group_id"], row["split"]) for row in contents.images)
    return buffer.getvalue().encode()


def classes_csv(contents: Contents, taxonomy: Taxonomy) -> bytes:
    """Return classes.csv: objects by category, split and origin, which `dvc plots` draws; absent ones are left out."""
    places = {row["image_id"]: (row["split"], row["origin"]) for row in contents.images}
    counts = Counter((row["category"], *places[row["image_id"]]) for row in contents.instances)
    order = {code: number for number, code in enumerate(taxonomy.codes)}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("category", "split", "origin", "objects"))
    writer.writerows((*key, counts[key]) for key in sorted(counts, key=lambda key: (order[key[0]], *key[1:])))
    return buffer.getvalue().encode()
