from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter

from workbench.adapters import nearest
from workbench.adapters.perceptual_hash import PerceptualHasher
from workbench.cli.curation import eyes, frozen_splits
from workbench.cli.curation_app import show
from workbench.cli.wiring import Workspace
from workbench.curation import duplicates
from workbench.curation.duplicates import exact_pairs, near_pairs, superseded
from workbench.curation.outcome import write_curation
from workbench.curation.splits import Placed, assign_splits, draw_split, group_images
from workbench.curation.stage import ACTIVITY, plan_curation
from workbench.domain.dataset import Split
from workbench.domain.findings import Busy, Refused
from workbench.domain.lineage import sha256_hex
from workbench.layout import Layout
from workbench.tables import DUPLICATES, IMAGES, ITEMS, QUALITY, read_rows, write_table

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}


def _picture(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    return coarse.resize((320, 240), Image.Resampling.BICUBIC)


def _hash_all(folder: Path, pictures: dict[str, Image.Image]) -> dict[str, Any]:
    files = []
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.jpg", quality=90)
        files.append((name, folder / f"{name}.jpg"))
    return dict(PerceptualHasher(cache=folder / "cache.json")(files))


def test_altered_copies_are_near_duplicates_and_others_are_not(tmp_path: Path) -> None:
    base = _picture(1)
    pictures = {
        "base": base,
        "darker": ImageEnhance.Brightness(base).enhance(0.85),
        "smaller": base.resize((200, 150)),
        "blurred": base.filter(ImageFilter.GaussianBlur(2)),
        "turned": base.transpose(Image.Transpose.ROTATE_90),
        "mirrored": base.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        **{f"other{n}": _picture(100 + n) for n in range(20)},
    }
    pairs = near_pairs(_hash_all(tmp_path, pictures), most_bits=31)
    found = {name for pair in pairs for name in (pair.image_id, pair.other_image_id)}
    assert found == {"base", "darker", "smaller", "blurred", "turned", "mirrored"}


def test_hashes_are_computed_once_per_content(tmp_path: Path) -> None:
    first = _hash_all(tmp_path, {"a": _picture(1)})
    (tmp_path / "a.jpg").unlink()
    again = PerceptualHasher(cache=tmp_path / "cache.json")([("a", tmp_path / "a.jpg")])
    assert (again["a"] == first["a"]).all()


def test_near_pairs_are_those_a_plain_comparison_finds() -> None:
    rng = np.random.default_rng(3)
    hashes = {f"{n:03d}": rng.integers(0, 255, (8, 32), dtype=np.uint8) for n in range(60)}
    for n in range(0, 60, 3):
        close = hashes[f"{n:03d}"].copy()
        close[0, : n % 5] ^= 1
        hashes[f"{n + 1:03d}"] = close
    found = {(p.image_id, p.other_image_id): p.distance_bits for p in near_pairs(hashes, most_bits=31)}
    plain: dict[tuple[str, str], int] = {}
    for one, turns in hashes.items():
        for other in hashes:
            bits = min(int(np.unpackbits(turn ^ hashes[other][0]).sum()) for turn in turns)
            if one != other and bits <= 31:
                key = (min(one, other), max(one, other))
                plain[key] = min(bits, plain.get(key, bits))
    assert found == plain


@pytest.mark.parametrize("bits", [0, 31, 120])
def test_faiss_and_numpy_find_the_same_codes(bits: int) -> None:
    rng = np.random.default_rng(5)
    base = rng.integers(0, 255, (70, 32), dtype=np.uint8)
    queries = np.concatenate([base, base[:20] ^ np.uint8(1), rng.integers(0, 255, (30, 32), dtype=np.uint8)])
    one, other = (
        sorted(zip(*(part.tolist() for part in search(queries, base, bits)), strict=True))
        for search in (duplicates.codes_within, nearest.codes_within)
    )
    assert one == other
    assert len(one) >= len(base)


def test_the_released_one_of_exact_duplicates_is_kept() -> None:
    contents = {"a": "x", "b": "x", "c": "x", "d": "y"}
    assert superseded(contents, ()) == {"b": "a", "c": "a"}
    assert superseded(contents, {"b"}) == {"a": "b", "c": "b"}


def test_equal_bytes_are_exact_duplicates() -> None:
    (pair,) = exact_pairs({"b": "x", "a": "x", "c": "y"})
    assert (pair.image_id, pair.other_image_id, pair.kind) == ("a", "b", "exact")


def _rows(count: int, *, per_seizure: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "image_id": sha256_hex(str(n).encode()),
            "seizure_id": f"s{n // per_seizure}" if n % 7 else None,
            "item_id": None,
        }
        for n in range(count)
    ]


def _assign(rows: list[dict[str, Any]], alike: list[tuple[str, str]], frozen: dict[str, Split]) -> dict[str, Placed]:
    return assign_splits(rows, alike, {}, shares=SHARES, salt="s", frozen=frozen)[0]


@given(st.integers(1, 60), st.integers(0, 2**16))
def test_no_group_straddles_splits_whatever_the_order(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = _rows(count)
    ids = [row["image_id"] for row in rows]
    alike = [(ids[a], ids[b]) for a, b in rng.integers(0, count, (count // 4, 2)) if a != b]
    placed = _assign(rows, alike, {})
    assert all(placed[a].split == placed[b].split for a, b in alike)
    by_seizure: dict[str, set[Split | None]] = {}
    for row in rows:
        if row["seizure_id"]:
            by_seizure.setdefault(row["seizure_id"], set()).add(placed[row["image_id"]].split)
    assert all(len(splits) == 1 for splits in by_seizure.values())
    shuffled = [rows[n] for n in rng.permutation(count)]
    assert _assign(shuffled, list(reversed(alike)), {}) == placed


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**16))
def test_a_released_photograph_never_moves_as_the_collection_grows(count: int, more: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = _assign(_rows(count), [], {})
    frozen = {image_id: place.split for image_id, place in before.items() if place.split}
    rows = _rows(count + more)
    ids = [row["image_id"] for row in rows]
    alike = [(ids[a], ids[b]) for a, b in rng.integers(0, len(ids), (5, 2)) if a != b]
    after = _assign(rows, alike, frozen)
    assert all(after[image_id].split == split for image_id, split in frozen.items())
    new = {image_id: place for image_id, place in after.items() if image_id not in frozen and place.split}
    for one, other in alike:
        if one in new and other in frozen:
            assert new[one].split == frozen[other]


def test_what_joins_two_frozen_splits_stays_out_with_a_finding() -> None:
    rows = [{"image_id": name, "seizure_id": None, "item_id": None} for name in "abc"]
    placed, findings = assign_splits(
        rows, [("a", "c"), ("b", "c")], {}, shares=SHARES, salt="s", frozen={"a": Split.TRAIN, "b": Split.TEST}
    )
    assert placed["a"].split is Split.TRAIN
    assert placed["b"].split is Split.TEST
    assert placed["c"].split is None
    assert "curation.split-conflict" in {finding.code for finding in findings}


def test_items_are_numbered_anew_in_each_seizure() -> None:
    rows = [
        {"image_id": "a", "seizure_id": "p/s1", "item_id": "p/1"},
        {"image_id": "b", "seizure_id": "p/s2", "item_id": "p/1"},
        {"image_id": "c", "seizure_id": None, "item_id": "p/1"},
        {"image_id": "d", "seizure_id": None, "item_id": "p/1"},
    ]
    assert sorted(group_images(rows, []).values()) == [("a",), ("b",), ("c", "d")]


def test_splits_reach_the_shares_asked_for() -> None:
    drawn = [draw_split(str(number), SHARES, salt="x") for number in range(4000)]
    assert drawn.count(Split.TRAIN) / 4000 == pytest.approx(0.6, abs=0.03)


def _workspace(root: Path, contributions: dict[str, list[tuple[str, int]]]) -> Layout:
    """Write data/01_intake: for each contribution (image id, seed of its picture)."""
    layout = Layout(root)
    for contribution, photographs in contributions.items():
        rows = []
        for image_id, seed in photographs:
            path = layout.intake / contribution / "images" / f"{image_id}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            _picture(seed).save(path)
            row: dict[str, Any] = {
                "image_id": image_id,
                "origin": "real",
                "path": path.relative_to(layout.data).as_posix(),
                "file_sha256": sha256_hex(path.read_bytes()),
                "width_px": 320,
                "height_px": 240,
                "licence": "CC0-1.0",
                "work_key": "k",
                "contribution_id": contribution,
                "partner_id": contribution,
            }
            rows.append(row)
        write_table(layout.intake / contribution / "images.parquet", IMAGES, rows)
    return layout


PARAMS = {
    "activity": ACTIVITY,
    "near_duplicate_bits": 31,
    "overlap_points": 40,
    "split_salt": "s",
    "stratify": True,
    "splits": SHARES,
    "holdout": {"partners": [], "countries": [], "split": "test"},
}


def _curate(layout: Layout, **changes: Any) -> list[dict[str, Any]]:
    frozen = changes.pop("frozen", {})
    curated = plan_curation(layout, {**PARAMS, **changes}, eyes=eyes(layout.state, workers=1), frozen=frozen)
    write_curation(layout, curated)
    return read_rows(layout.curation / "images.parquet", IMAGES)


def test_every_admitted_photograph_has_one_row_and_repeats_say_of_what(tmp_path: Path) -> None:
    layout = _workspace(tmp_path, {"c1": [("a" * 64, 1), ("b" * 64, 2)], "c2": [("b" * 64, 2), ("c" * 64, 1)]})
    rows = {row["image_id"][0]: row for row in _curate(layout)}
    assert sorted(rows) == ["a", "b", "c"]
    assert rows["b"]["contribution_id"] == "c1"
    assert rows["c"]["excluded"] == "exact duplicate of aaaaaaaaaaaa"
    assert rows["c"]["group_id"] == rows["a"]["group_id"] != rows["b"]["group_id"]
    measured = read_rows(layout.curation / "quality.parquet", QUALITY)
    assert [row["image_id"][0] for row in measured] == ["a", "b", "c"]
    pairs = read_rows(layout.curation / "duplicates.parquet", DUPLICATES)
    assert [(pair["kind"], pair["distance_bits"]) for pair in pairs] == [("exact", 0)]
    kept = {row["image_id"][0]: row for row in _curate(layout, frozen={"c" * 64: Split.TEST})}
    assert kept["c"]["split"] == "test"
    assert kept["a"]["excluded"] == "exact duplicate of cccccccccccc"


def test_the_same_photographs_give_the_same_bytes(tmp_path: Path) -> None:
    layout = _workspace(tmp_path, {"c1": [(letter * 64, seed) for seed, letter in enumerate("abcd")]})
    _curate(layout)
    first = {path.name: path.read_bytes() for path in layout.curation.iterdir()}
    _curate(layout)
    assert {path.name: path.read_bytes() for path in layout.curation.iterdir()} == first
    tables = {f"{name}.parquet" for name in ("images", "duplicates", "quality", "hints", "folds")}
    assert set(first) == tables | {"curation.json", "metrics.json", "balance.csv", "splits.csv", "duplicates.csv"}


@pytest.mark.parametrize(
    "change",
    [
        {"splits": {"train": 0.9, "val": 0.2, "test": 0.2}},
        {"splits": {"train": 1.0}},
        {"splits": "most"},
        {"near_duplicate_bits": 256},
        {"near_duplicate_bits": "few"},
        {"overlap_points": 3},
        {"holdout": {"partners": "all"}},
        {"holdout": {"partners": [], "split": "elsewhere"}},
        {"holdout": {"seizures": []}},
        {"split_salt": 7},
        {"stratify": "yes"},
    ],
)
def test_parameters_that_cannot_be_used_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=f"params.yaml curation.{next(iter(change))}"):
        _curate(Layout(tmp_path), **change)


def test_splits_of_releases_are_read_and_damage_is_refused(tmp_path: Path) -> None:
    record = tmp_path / "v1" / "splits.csv"
    record.parent.mkdir()
    record.write_text("image_id,group_id,split\na,g-1,test\n", encoding="utf-8")
    assert frozen_splits(tmp_path) == {"a": Split.TEST}
    record.write_text("image_id,group_id,split\na,g-1,elsewhere\n", encoding="utf-8")
    with pytest.raises(Refused, match="cannot be read as splits"):
        frozen_splits(tmp_path)


def test_the_app_says_how_to_start_the_servers_when_they_are_not_running(tmp_path: Path) -> None:
    with pytest.raises(Busy, match="workbench up"):
        show(workspace=Workspace(layout=Layout(tmp_path)))


def test_frames_of_one_film_are_one_group() -> None:
    rows = [
        {"image_id": name, "seizure_id": None, "item_id": None, "source_image_id": film}
        for name, film in (("a", "f"), ("b", "f"), ("c", "g"), ("d", None))
    ]
    assert set(group_images(rows, []).values()) == {("a", "b"), ("c",), ("d",)}


def test_pictures_alike_are_listed_for_a_photograph_and_for_a_file_from_anywhere(
    tmp_path: Path, workbench: Any
) -> None:
    layout = _workspace(tmp_path, {"c1": [(letter * 64, seed) for seed, letter in enumerate("abcd")]})
    (tmp_path / "dvc.yaml").write_text("{}", encoding="utf-8")
    shutil.copyfile(Path(__file__).resolve().parents[3] / "params.yaml", tmp_path / "params.yaml")
    _curate(layout)
    answer = workbench("curation", "similar", "a" * 8, "--count", "2", "--workspace", tmp_path)
    assert len(answer["rows"]) == 2
    assert "a" * 12 not in {row["image"] for row in answer["rows"]}
    elsewhere = tmp_path / "elsewhere.jpg"
    _picture(2).resize((300, 220)).save(elsewhere, quality=80)
    first = workbench("curation", "similar", elsewhere, "--workspace", tmp_path)["rows"][0]
    assert (first["image"], first["likeness"] > 0.97) == ("c" * 12, True)
    elsewhere.write_bytes(b"no picture")
    refusal = workbench("curation", "similar", elsewhere, "--workspace", tmp_path, expect=1)
    assert refusal["findings"][0]["code"].startswith("intake.")


def test_photographs_of_stand_ins_of_one_design_share_a_group(tmp_path: Path) -> None:
    layout = _workspace(tmp_path, {"c1": [("a" * 64, 1)], "c2": [("b" * 64, 2), ("c" * 64, 3)]})
    for contribution, letters in (("c1", "a"), ("c2", "bc")):
        rows = read_rows(layout.intake / contribution / "images.parquet", IMAGES)
        told = {"seizure_id": f"{contribution}/s", "contribution_id": contribution}
        for row in rows:
            row |= {"seizure_id": f"{contribution}/s-{row['image_id'][0]}", "item_id": f"{contribution}/1"}
        write_table(layout.intake / contribution / "images.parquet", IMAGES, rows)
        designs = {"a": "bracket", "b": "bracket", "c": None}
        items = [
            {
                **told,
                "seizure_id": f"{contribution}/s-{name}",
                "item_id": f"{contribution}/1",
                "replica_of": designs[name],
            }
            for name in letters
        ]
        write_table(layout.deliveries / contribution / "items.parquet", ITEMS, items)
    groups = {row["image_id"][0]: row["group_id"] for row in _curate(layout)}
    assert groups["a"] == groups["b"] != groups["c"]
