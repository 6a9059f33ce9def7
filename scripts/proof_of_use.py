"""Does synthetic data help? Crops of real photographs are told apart after learning from real crops, renders, or both.

    python scripts/proof_of_use.py DATA --out RESULTS

DATA holds real photographs with boxes or polygons as YOLO writes them: images/, labels/ and data.yaml with the names. The
renders are made by `workbench composition` from stand-ins of the same kinds of object, drawn here as plain shapes. No
detector is trained: a linear classifier on fixed features is, many times over. Tested is on real crops only; what looks
alike stands on one side of a split. See docs/proof-of-use.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from proof_of_use_chart import chart_svg
from proof_of_use_renders import KINDS, render_crops
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

from workbench.adapters.embedding import Embedder
from workbench.adapters.nearest import most_alike
from workbench.domain.lineage import sha256_hex

Features = NDArray[np.float32]

#: Crops learnt from, a kind.
COUNTS = (2, 5, 10, 20, 40)
#: Photographs whose vectors are this alike (cosine) are nearly the same picture, and of one scene.
_SAME, _SCENE = 0.97, 0.9
_SIDE_PX = 96
#: Of ridge regression on features scaled to deviation 1; set beforehand and never tuned.
_ALPHA = 1000.0
#: What is learnt from is at least half of the crops and at most this share.
_MOST_TRAIN = 0.6
_TURNS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Crops:
    """Crops with their kinds and features, (n, turns, d): each crop is turned by quarters to learn from.

    ``groups`` by the way of splitting: numbers of near-duplicates, and of scenes.
    """

    kinds: NDArray[np.int64]
    groups: dict[str, NDArray[np.int64]]
    features: dict[str, Features]


def square_crop(image_hwc: NDArray[np.uint8], box_xyxy: tuple[float, ...]) -> NDArray[np.uint8]:
    """Return the square around a box with a tenth of margin, scaled to one size; outside the picture its border goes on."""
    x_min, y_min, x_max, y_max = box_xyxy
    half = max(x_max - x_min, y_max - y_min) * 0.55
    x, y = (x_min + x_max) / 2, (y_min + y_max) / 2
    scale = _SIDE_PX / (2 * half)
    matrix = np.array([[scale, 0, -scale * (x - half)], [0, scale, -scale * (y - half)]])
    blurred = cv2.GaussianBlur(image_hwc, (0, 0), 0.5 / scale) if scale < 1 else image_hwc
    return np.asarray(cv2.warpAffine(blurred, matrix, (_SIDE_PX, _SIDE_PX), borderMode=cv2.BORDER_REPLICATE))


def read_real(folder: Path, wanted: dict[str, str]) -> tuple[list[NDArray[np.uint8]], list[int], list[str]]:
    """Return crops of the wanted names, their kinds (in `KINDS`' order) and the photograph each is from."""
    names = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))["names"]
    kind_of = {names.index(name): list(KINDS).index(kind) for kind, name in wanted.items()}
    crops, kinds, sources = [], [], []
    for path in sorted((folder / "images").iterdir()):
        label = folder / "labels" / f"{path.stem}.txt"
        image = cv2.imread(str(path))
        if image is None or not label.is_file():
            continue
        height, width = image.shape[:2]
        for line in label.read_text(encoding="utf-8").splitlines():
            number, *values = line.split()
            if int(number) in kind_of and (box := _box([float(v) for v in values], width, height)):
                crops.append(square_crop(np.asarray(image, np.uint8), box))
                kinds.append(kind_of[int(number)])
                sources.append(str(path))
    return crops, kinds, sources


def _box(values: list[float], width: int, height: int) -> tuple[float, ...] | None:
    """Return a label's box in pixels, of a box or a polygon; null for what is too small to tell."""
    if len(values) == 4:  # noqa: PLR2004 -- centre and size
        x, y, w, h = values
        x_min, y_min, x_max, y_max = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    else:
        x_min, y_min, x_max, y_max = min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
    box = (x_min * width, y_min * height, x_max * width, y_max * height)
    return box if max(box[2] - box[0], box[3] - box[1]) >= 24 else None  # noqa: PLR2004 -- pixels


def alike(sources: list[str], embed: Embedder, least: float) -> NDArray[np.int64]:
    """Return a number for each crop: photographs that look alike, or have one between them that does, share it."""
    photographs = sorted(set(sources))
    vectors = embed([(sha256_hex(Path(path).read_bytes()), Path(path), None) for path in photographs])
    rows, cosines = most_alike(vectors, vectors, len(photographs))
    group = list(range(len(photographs)))

    def first(number: int) -> int:
        while group[number] != number:
            number = group[number]
        return number

    for one, (others, near) in enumerate(zip(rows, cosines, strict=True)):
        for other, cosine in zip(others, near, strict=True):
            if cosine >= least:
                group[first(max(one, int(other)))] = first(min(one, int(other)))
    number_of = {path: first(number) for number, path in enumerate(photographs)}
    return np.array([number_of[path] for path in sources])


def described(crops: list[NDArray[np.uint8]], embed: Embedder, scratch: Path) -> dict[str, Features]:
    """Return each crop's features in its four turns: gradients (HOG) and the embedding that curation uses."""
    scratch.mkdir(parents=True, exist_ok=True)
    size = (_SIDE_PX, _SIDE_PX)
    hog = cv2.HOGDescriptor(size, (32, 32), (16, 16), (16, 16), 9)
    views, gradients = [], []
    for crop in crops:
        for turn in range(_TURNS):
            turned = np.ascontiguousarray(np.rot90(crop, turn))
            data = cv2.imencode(".png", turned)[1].tobytes()
            path = scratch / f"{sha256_hex(data)}.png"
            path.write_bytes(data)
            views.append((path.stem, path, None))
            gradients.append(hog.compute(cv2.cvtColor(turned, cv2.COLOR_BGR2GRAY)).ravel())
    shape = (len(crops), _TURNS, -1)
    return {
        "gradients": np.asarray(gradients, np.float32).reshape(shape),
        "embedding": embed(views).reshape(shape),
    }


def trained(parts: list[tuple[Features, NDArray[np.int64]]]) -> Any:
    """Return a function from features to kinds, learnt from some sources that weigh the same, and kinds that do too."""
    rows = np.concatenate([features.reshape(-1, features.shape[-1]) for features, _ in parts])
    kinds = np.concatenate([np.repeat(k, _TURNS) for _, k in parts])
    weights = []
    for _, k in parts:
        counts = np.bincount(k, minlength=len(KINDS))
        weights.append(np.repeat(1 / counts[k] / len(set(k.tolist())), _TURNS))
    scaler = StandardScaler().fit(rows)
    total = np.concatenate(weights) / _TURNS / len(parts)
    # The weights add up to 1; times the number of rows they are as scikit-learn expects them.
    model = RidgeClassifier(alpha=_ALPHA).fit(scaler.transform(rows), kinds, sample_weight=total * len(rows))
    return lambda features: model.predict(scaler.transform(features[:, 0]))


def split_groups(groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which crops may be learnt from: whole groups, at chance, until half of the crops are."""
    train = np.zeros(len(groups), bool)
    for group in rng.permutation(np.unique(groups)):
        more = groups == group
        if 2 * train.sum() < len(groups) and (not train.any() or (train | more).mean() <= _MOST_TRAIN):
            train |= more
    return train


def usable_seeds(real: Crops, way: str, splits: int) -> list[int]:
    """Return seeds whose splits have every kind on both sides; none where groups are too few for that."""

    def has_all(seed: int) -> bool:
        train = split_groups(real.groups[way], np.random.default_rng(seed))
        return all(len(set(real.kinds[side].tolist())) == len(KINDS) for side in (train, ~train))

    return [seed for seed in range(10 * splits) if has_all(seed)][:splits]


def run_split(
    real: Crops, renders: Crops, way: str, name: str, rng: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    """Return what each way of learning says of the test crops of one split, by ``way|count``, and their truth."""
    train = split_groups(real.groups[way], rng)
    test = np.flatnonzero(~train)
    features, synthetic = real.features[name], (renders.features[name], renders.kinds)
    said = {"rows": test, "renders|0": trained([synthetic])(features[test])}
    pools = [rng.permutation(np.flatnonzero(train & (real.kinds == kind))) for kind in range(len(KINDS))]
    for count in COUNTS:
        if min(len(pool) for pool in pools) < count:
            break
        chosen = np.concatenate([pool[:count] for pool in pools])
        own = (features[chosen], real.kinds[chosen])
        said[f"real|{count}"] = trained([own])(features[test])
        said[f"both|{count}"] = trained([own, synthetic])(features[test])
    return said


def interval(
    real: Crops, runs: list[dict[str, NDArray[np.int64]]], models: tuple[str, ...], draws: int
) -> dict[str, float]:
    """Return the mean balanced accuracy over splits of one model, or of one less another, with its 95 % interval.

    Near-duplicates are drawn together, with replacement, the same ones for both models, in each split.
    """
    rng = np.random.default_rng(7)
    whole, drawn = [], []
    for run in runs:
        rows = run["rows"]
        _, group = np.unique(real.groups["near-duplicates"][rows], return_inverse=True)
        count = int(group.max()) + 1
        # How often each group is drawn, (draws + 1, groups); the first row is the test set as it is.
        times = rng.multinomial(count, np.full(count, 1 / count), size=draws)
        times = np.concatenate([np.ones((1, count), np.int64), times])
        scores = [_balanced(real.kinds[rows], run[model], group, times) for model in models]
        difference = scores[0] - (scores[1] if len(scores) > 1 else 0.0)
        whole.append(difference[0])
        drawn.append(difference[1:])
    low, high = np.percentile(np.mean(drawn, axis=0), [2.5, 97.5])
    mean = float(np.mean(whole))
    return {"mean": mean, "low": float(low), "high": float(high), "splits_sd": float(np.std(whole))}


def _balanced(
    truth: NDArray[np.int64], said: NDArray[np.int64], group: NDArray[np.int64], times: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the balanced accuracy of each row of ``times``, the mean over kinds that were drawn of the share right."""
    right, there = (np.zeros((times.shape[1], len(KINDS))) for _ in range(2))
    np.add.at(right, (group, truth), truth == said)
    np.add.at(there, (group, truth), 1)
    total = times @ there
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nanmean(np.where(total > 0, (times @ right) / total, np.nan), axis=1))


def measured(real: Crops, renders: Crops, way: str, *, splits: int, draws: int) -> dict[str, Any]:
    """Return the scores of every model by feature, and what renders add at each count."""
    found: dict[str, Any] = {}
    seeds = usable_seeds(real, way, splits)
    for name in real.features if seeds else ():
        runs = [run_split(real, renders, way, name, np.random.default_rng(seed)) for seed in seeds]
        counts = [count for count in COUNTS if all(f"real|{count}" in run for run in runs)]
        found[name] = {
            "renders": interval(real, runs, ("renders|0",), draws),
            "real": {count: interval(real, runs, (f"real|{count}",), draws) for count in counts},
            "both": {count: interval(real, runs, (f"both|{count}",), draws) for count in counts},
            "gain": {count: interval(real, runs, (f"both|{count}", f"real|{count}"), draws) for count in counts},
        }
    return found


def main() -> int:
    """Run the experiment and write results.json and a chart a feature."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with images/, labels/ (YOLO) and data.yaml")
    parser.add_argument(
        "--out", type=Path, required=True, help="where results.json, charts and the renders' workspace go"
    )
    parser.add_argument(
        "--names",
        default=",".join(f"{kind}={kind.capitalize()}" for kind in KINDS),
        help="what data.yaml calls each kind (default %(default)s)",
    )
    parser.add_argument("--pictures", type=int, default=320, help="pictures to put together (default %(default)s)")
    parser.add_argument("--splits", type=int, default=10, help="random splits by scene (default %(default)s)")
    parser.add_argument("--draws", type=int, default=200, help="bootstrap draws (default %(default)s)")
    parser.add_argument("--small", action="store_true", help="tiny renders, for a test of the script itself")
    asked = parser.parse_args()
    wanted = dict(pair.split("=", 1) for pair in asked.names.split(","))
    asked.out.mkdir(parents=True, exist_ok=True)
    embed = Embedder(folder=asked.out / "cache")
    real_crops, kinds, sources = read_real(asked.data, wanted)
    real = Crops(
        kinds=np.array(kinds),
        groups={
            "near-duplicates": alike(sources, embed, _SAME),
            "scenes": alike(sources, embed, _SCENE),
        },
        features=described(real_crops, embed, asked.out / "cache" / "crops"),
    )
    made, made_kinds = render_crops(asked.out / "workspace", asked.pictures, square_crop, small=asked.small)
    renders = Crops(
        kinds=np.array(made_kinds),
        groups={},
        features=described(made, embed, asked.out / "cache" / "crops"),
    )
    results = {
        "kinds": list(KINDS),
        "real_crops": np.bincount(real.kinds, minlength=len(KINDS)).tolist(),
        "groups": {way: len(np.unique(groups)) for way, groups in real.groups.items()},
        "rendered_crops": np.bincount(renders.kinds, minlength=len(KINDS)).tolist(),
        "splits": asked.splits,
        "chance": 1 / len(KINDS),
        "balanced_accuracy": {
            way: measured(real, renders, way, splits=asked.splits, draws=asked.draws) for way in real.groups
        },
    }
    (asked.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for way, features in results["balanced_accuracy"].items():
        for name, scores in features.items():
            title = f"{name}; {way} kept apart"
            (asked.out / f"{way}-{name}.svg").write_text(chart_svg(scores, 1 / len(KINDS), title), encoding="utf-8")
            print(f"{title}: renders only {scores['renders']['mean']:.3f}")
            for count, gain in scores["gain"].items():
                told = f"{gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
                print(f"  {count} real crops a kind: {scores['real'][count]['mean']:.3f}, with renders {told}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
