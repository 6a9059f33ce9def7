"""What curation looks with: embeddings, fitting points, hashes looked up by chunks, the guess of partners."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from workbench.adapters import nearest
from workbench.adapters.embedding import DIMENSIONS, Embedder
from workbench.adapters.guess import guess_by_group
from workbench.adapters.matched_points import PointMatcher
from workbench.adapters.perceptual_hash import PerceptualHasher
from workbench.curation import audit, hints
from workbench.curation.duplicates import near_pairs, overlap_pairs, proposed_pairs
from workbench.curation.splits import group_images
from workbench.domain.dataset import Split


def _crop(image: Image.Image, frac: float) -> Image.Image:
    width, height = image.size
    left, top = int(width * frac * 0.7), int(height * frac * 0.3)
    return image.crop((left, top, left + int(width * (1 - frac)), top + int(height * (1 - frac))))


def _altered(image: Image.Image) -> dict[str, Image.Image]:
    return {
        "crop10": _crop(image, 0.10),
        "crop20": _crop(image, 0.20),
        "flipcrop": _crop(image, 0.10).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "turned2": _crop(image.rotate(2, resample=Image.Resampling.BICUBIC), 0.06),
        "brighter": ImageEnhance.Brightness(image).enhance(1.3),
    }


@pytest.mark.slow
def test_crops_of_real_photographs_are_found_where_the_perceptual_hash_fails(shared_data: Path, tmp_path: Path) -> None:
    photos = shared_data / "photos"
    sources = sorted((photos / "tools-table" / "images").rglob("*.jpg"))[40::14]
    sources += sorted((photos / "bullet-holes" / "coco-v1").rglob("*.jpg"))[::60]
    files: dict[str, Path] = {}
    for number, source in enumerate(sources):
        with Image.open(source) as opened:
            image = opened.convert("RGB")
        image.thumbnail((640, 640))
        for name, picture in {"base": image, **_altered(image)}.items():
            files[f"{number:02d}-{name}"] = tmp_path / f"{number}-{name}.jpg"
            picture.save(files[f"{number:02d}-{name}"], quality=88)
    hashed, all_found = _found_by_hash(files, tmp_path), _found_by_look(files, tmp_path)
    groups = group_images([{"image_id": n, "seizure_id": None, "item_id": None} for n in files], hashed | all_found)
    together, figures = {name: anchor for anchor, names in groups.items() for name in names}, {}
    for kind, fewest in (("crop10", 0.8), ("crop20", 0.8), ("flipcrop", 0.8), ("turned2", 0.9), ("brighter", 0.9)):
        share = sum(together[f"{n:02d}-base"] == together[f"{n:02d}-{kind}"] for n in range(len(sources)))
        figures[kind] = round(share / len(sources), 2), fewest
    assert all(share >= fewest for share, fewest in figures.values()), figures
    crops = {pair for pair in hashed if pair[1].split("-")[1].startswith("crop")}
    assert len(crops) < len(sources) * 0.1
    strangers = {pair for pair in all_found if pair[0][:2] != pair[1][:2]}
    assert strangers == set()


def _found_by_hash(files: Mapping[str, Path], folder: Path) -> set[tuple[str, str]]:
    hashes = PerceptualHasher(cache=folder / "hashes.json")(list(files.items()))
    return {(pair.image_id, pair.other_image_id) for pair in near_pairs(hashes, most_bits=31)}


def _found_by_look(files: Mapping[str, Path], folder: Path) -> set[tuple[str, str]]:
    ids = sorted(files)
    vectors = Embedder(folder=folder)([(name, files[name], None) for name in ids])
    proposed = proposed_pairs(ids, vectors, most_alike=nearest.most_alike, known=())
    match = PointMatcher(cache=folder / "points.json")
    points = match([((one, files[one]), (other, files[other])) for one, other in proposed])
    return {(pair.image_id, pair.other_image_id) for pair in overlap_pairs(proposed, points, fewest=40)}


def _noise(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).resize(
        (320, 240), Image.Resampling.NEAREST
    )


def test_vectors_have_length_one_and_each_content_is_embedded_once(tmp_path: Path) -> None:
    _noise(1).save(tmp_path / "a.png")
    embed = Embedder(folder=tmp_path / "state")
    whole, part = embed([("a", tmp_path / "a.png", None), ("a:box", tmp_path / "a.png", (20, 30, 120, 140))])
    assert whole.shape == (DIMENSIONS,)
    assert np.linalg.norm([whole, part], axis=1) == pytest.approx([1, 1], abs=1e-3)
    assert float(whole @ part) < 0.999
    (tmp_path / "a.png").unlink()
    (again,) = embed([("a", tmp_path / "a.png", None)])
    assert (again == whole).all()
    for file in (tmp_path / "state").iterdir():
        file.write_bytes(b"damaged")
    with pytest.raises(FileNotFoundError):  # the cache is of no use, so the picture is looked for again
        embed([("a", tmp_path / "a.png", None)])


def test_points_fit_between_a_picture_and_its_mirrored_crop_and_not_between_strangers(tmp_path: Path) -> None:
    pictures = {"a": _noise(1), "b": _crop(_noise(1), 0.2).transpose(Image.Transpose.FLIP_LEFT_RIGHT), "c": _noise(2)}
    pictures["plain"] = Image.new("RGB", (320, 240), "grey")
    files = {}
    for name, picture in pictures.items():
        files[name] = (name, tmp_path / f"{name}.png")
        picture.save(files[name][1])
    match = PointMatcher(cache=tmp_path / "points.json")
    pairs = [(files["a"], files["b"]), (files["a"], files["c"]), (files["a"], files["plain"])]
    same, stranger, plain = match(pairs)
    assert same >= 40
    assert stranger < 20
    assert plain == 0
    files["a"][1].unlink()
    assert match(pairs) == [same, stranger, plain]


def test_a_look_up_by_chunks_finds_every_pair_up_to_23_bits_and_nothing_wrong() -> None:
    rng = np.random.default_rng(4)
    base = rng.integers(0, 256, (3000, 32), dtype=np.uint8)
    bits = np.unpackbits(base[:600], axis=1)
    for row in range(600):
        bits[row, rng.choice(256, row % 32, replace=False)] ^= 1
    queries = np.packbits(bits, axis=1)
    whole = set(zip(*(part.tolist() for part in nearest.compared(queries, base, 31)), strict=True))
    found = list(zip(*(part.tolist() for part in nearest.looked_up(queries, base, 31)), strict=True))
    assert len(found) == len(set(found))
    assert set(found) <= whole
    assert {pair for pair in whole if pair[2] <= 23} <= set(found)
    assert len(found) >= 0.97 * len(whole)


def test_nothing_to_compare_gives_nothing() -> None:
    empty = np.zeros((0, 32), np.uint8)
    assert [len(part) for part in nearest.codes_within(empty, empty, 31)] == [0, 0, 0]
    places, cosines = nearest.most_alike(np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32), 5)
    assert places.shape == cosines.shape == (0, 0)


def _clustered(count: int, names: list[str], *, spread: float, seed: int = 0) -> tuple[Any, list[str], list[str]]:
    rng = np.random.default_rng(seed)
    centres = {name: rng.normal(size=16) for name in sorted(set(names))}
    vectors = np.stack([centres[name] * (1 - spread) + rng.normal(size=16) * spread for name in names])
    return vectors.astype(np.float32), names, [f"g{n}" for n in range(count)]


def test_partners_that_look_alike_are_guessed_no_better_than_by_chance_and_others_are() -> None:
    names = ["one", "two", "three"] * 40
    plain, chance = guess_by_group(*_clustered(120, names, spread=1.0)) or (0.0, 0.0)
    told, _ = guess_by_group(*_clustered(120, names, spread=0.3)) or (0.0, 0.0)
    assert chance == pytest.approx(1 / 3)
    assert plain == pytest.approx(chance, abs=0.15)
    assert told > 0.95
    assert guess_by_group(*_clustered(4, ["one", "two"] * 2, spread=0.3)) is None


def test_a_group_of_one_partner_is_never_in_training_and_testing_at_once() -> None:
    """Vectors that tell the group, not the partner, must not count: the guess is of groups not seen."""
    rng = np.random.default_rng(1)
    groups = [f"g{n // 10}" for n in range(200)]
    names = [("one", "two")[int(group[1:]) % 2] for group in groups]
    centres = {group: rng.normal(size=16) for group in set(groups)}
    vectors = np.stack([centres[group] for group in groups]).astype(np.float32)
    accuracy, chance = guess_by_group(vectors, names, groups) or (1.0, 0.0)
    assert accuracy < chance + 0.35


def test_a_photograph_unlike_all_others_is_an_outlier() -> None:
    rng = np.random.default_rng(2)
    vectors = np.array([1] + [0] * 15) + rng.normal(size=(60, 16)) * 0.05
    vectors[7] = -vectors[7]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    found = hints.outliers([f"i{n:02d}" for n in range(60)], vectors, nearest.most_alike)
    assert max(found, key=lambda row: row["score"])["image_id"] == "i07"
    assert len(found) <= 4
    assert hints.outliers(["a"], vectors[:1], nearest.most_alike) == []


def test_a_label_that_its_look_alikes_of_other_groups_contradict_is_suspected() -> None:
    rng = np.random.default_rng(3)
    kinds = ["part.slide", "part.barrel"] * 20
    base = {"part.slide": np.eye(8)[0], "part.barrel": np.eye(8)[1]}
    vectors = np.stack([base[kind] for kind in kinds]) + rng.normal(size=(40, 8)) * 0.05
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    rows = [{"image_id": f"i{n}", "instance_id": f"o{n}", "category": kind} for n, kind in enumerate(kinds)]
    rows[6]["category"] = "part.barrel"
    groups = {f"i{n}": f"g{n}" for n in range(40)}
    (suspect,) = hints.label_suspects(rows, vectors, groups, nearest.most_alike)
    assert (suspect["instance_id"], suspect["score"]) == ("o6", 1.0)
    assert "objects that look most like it are part.slide" in suspect["detail"]
    assert hints.label_suspects(rows, vectors, dict.fromkeys(groups, "g"), nearest.most_alike) == []


def _row(image_id: str, partner: str, group: str, split: str | None) -> dict[str, Any]:
    return {"image_id": image_id, "partner_id": partner, "group_id": group, "split": split}


def test_folds_name_the_partner_of_a_whole_group_only() -> None:
    rows = [_row("a", "p", "g1", "train"), _row("b", "q", "g1", "train"), _row("c", "q", "g2", "test")]
    rows.append(_row("d", "q", "g3", None))
    assert [(row["image_id"], row["fold"]) for row in audit.folds(rows)] == [("a", None), ("b", None), ("c", "q")]


def test_released_photographs_that_moved_are_counted() -> None:
    rows = [_row("a", "p", "g1", "train"), _row("b", "q", "g1", "val"), _row("c", "q", "g2", None)]
    frozen = dict.fromkeys("abcd", Split.TRAIN)
    assert audit.moved(rows, frozen) == {"released": 4, "still_in": 2, "moved": 1}


def test_categories_are_counted_by_photograph_and_the_missing_ones_are_named() -> None:
    rows = [_row("a", "p", "g1", "train"), _row("b", "q", "g2", "val"), _row("c", "q", "g3", None)]
    pairs = [("a", "x"), ("a", "x"), ("b", "x"), ("a", "y"), ("c", "z")]
    counts = audit.balance(rows, [{"image_id": image, "category": category} for image, category in pairs])
    assert counts == {"x": {"train": 1, "val": 1, "test": 0}, "y": {"train": 1, "val": 0, "test": 0}}
    (finding,) = audit.balance_findings(counts)
    assert "x, y" in finding.message
