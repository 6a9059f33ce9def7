"""Where two labellers differ, as places on photographs that somebody can look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np

from workbench.adjudication.marks import SHAPES, Marks
from workbench.adjudication.objects import Pairs
from workbench.adjudication.transcription import character_errors
from workbench.domain.annotation import Shape
from workbench.domain.geometry import Box

#: What shows personal data: a place where somebody marked such a thing is not shown.
PERSONAL = frozenset({"context.person", "context.face", "context.plate", "context.document", "context.screen"})
#: A place is shown with so much of its longer side around it, and at least so many pixels.
_AROUND_FRAC, _AROUND_PX = 0.35, 24.0
_WIDE_TO_HIGH = 4 / 3
_DECIMALS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One mark as it is drawn: side (0 or 1), what it is called, and its shape in pixels of the working copy."""

    side: int
    category: str
    text: str | None
    box: tuple[float, float, float, float] | None
    rings: tuple[tuple[float, ...], ...]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where two labellers differ; ``kind`` is category, missed, text or shape, ``said`` says it."""

    pair: tuple[int, int]
    kind: str
    image_id: str
    said: str
    around: Box
    drawn: tuple[Drawn, ...]
    personal: bool


def differences(marks: Marks, pairs: Pairs, *, accept_iou: float, each: int) -> dict[tuple[int, int], list[Difference]]:
    """Return for each pair of annotators up to ``each`` places where they differ, kinds in turn.

    Within a kind they come by image id, which is a hash, so they are a fair sample.
    """
    wanted = _ranked(marks, pairs, accept_iou, each)
    found: dict[tuple[int, int], list[Difference]] = {}
    for pair in sorted(wanted):
        turns = zip_longest(*(wanted[pair][kind] for kind in ("category", "missed", "text", "shape")))
        rows = [row for row in chain.from_iterable(turns) if row is not None][:each]
        found[pair] = [_difference(marks, pair, *row) for row in rows]
    return found


#: Kind, the marks drawn with their sides, and how they differ.
_Row = tuple[str, Sequence[tuple[int, int]], str]


def _ranked(marks: Marks, pairs: Pairs, accept_iou: float, each: int) -> dict[tuple[int, int], dict[str, list[_Row]]]:
    wanted: dict[tuple[int, int], dict[str, list[_Row]]] = defaultdict(lambda: defaultdict(list))
    people = marks.answer_annotator
    for answer, kind, drawn, said in chain(_of_both(marks, pairs, accept_iou), _of_one(pairs)):
        pair = (int(people[pairs.left[answer]]), int(people[pairs.right[answer]]))
        if len(wanted[pair][kind]) < each:
            wanted[pair][kind].append((kind, drawn, said))
    return wanted


def _of_both(
    marks: Marks, pairs: Pairs, accept_iou: float
) -> Iterator[tuple[int, str, Sequence[tuple[int, int]], str]]:
    """Yield the objects that both marked, and differently."""
    matched = pairs.matched
    categories = marks.mark_category[matched.first], marks.mark_category[matched.second]
    texts = marks.carried["transcription"]
    for row in np.flatnonzero((categories[0] != categories[1]) | (matched.iou < accept_iou)).tolist():
        first, second = int(matched.first[row]), int(matched.second[row])
        differ = categories[0][row] != categories[1][row]
        said = "called differently" if differ else f"the shapes overlap by {matched.iou[row]:.2f}"
        yield int(matched.group[row]), "category" if differ else "shape", ((0, first), (1, second)), said
    read = texts.is_valid().to_numpy()
    for row in np.flatnonzero(read[matched.first] & read[matched.second] & (categories[0] == categories[1])).tolist():
        first, second = int(matched.first[row]), int(matched.second[row])
        if character_errors(texts[first].as_py(), texts[second].as_py())[0]:
            yield int(matched.group[row]), "text", ((0, first), (1, second)), "read differently"


def _of_one(pairs: Pairs) -> Iterator[tuple[int, str, Sequence[tuple[int, int]], str]]:
    """Yield the objects that one marked and the other did not."""
    for answer, mark, side in zip(
        pairs.alone_pair.tolist(), pairs.alone_mark.tolist(), pairs.alone_side.tolist(), strict=True
    ):
        yield answer, "missed", ((side, mark),), "marked by one only"


def _difference(
    marks: Marks, pair: tuple[int, int], kind: str, sides: Sequence[tuple[int, int]], said: str
) -> Difference:
    drawn = tuple(_drawn(marks, mark, side) for side, mark in sides)
    around = _around(drawn)
    task = int(marks.mark_task[sides[0][1]])
    return Difference(
        pair=pair,
        kind=kind,
        image_id=marks.images[marks.task_image[task]],
        said=said,
        around=around,
        drawn=drawn,
        personal=_personal(marks, task, around),
    )


def _drawn(marks: Marks, mark: int, side: int) -> Drawn:
    row = {name: marks.carried[name][mark].as_py() for name in ("rings", "keypoints", "transcription")}
    keypoint = SHAPES[marks.mark_shape[mark]] is Shape.KEYPOINT
    edges = tuple(round(float(edge), _DECIMALS) for edge in marks.boxes_xyxy[mark])
    return Drawn(
        side=side,
        category=marks.categories[marks.mark_category[mark]],
        text=row["transcription"],
        box=None if keypoint else (edges[0], edges[1], edges[2], edges[3]),
        rings=tuple(tuple(round(value, _DECIMALS) for value in ring) for ring in row["rings"] or ()),
        points=tuple((point["x_px"], point["y_px"]) for point in row["keypoints"] or ()),
    )


def _around(drawn: Sequence[Drawn]) -> Box:
    """Return the place to be shown: all that is drawn, with something around it; it may reach beyond the picture."""
    boxes = [each.box for each in drawn if each.box]
    boxes += [(x, y, x, y) for each in drawn for x, y in each.points]
    low = [min(box[axis] for box in boxes) for axis in (0, 1)]
    high = [max(box[axis + 2] for box in boxes) for axis in (0, 1)]
    margin = max(_AROUND_PX, _AROUND_FRAC * max(high[0] - low[0], high[1] - low[1]))
    half = [(high[axis] - low[axis]) / 2 + margin for axis in (0, 1)]
    half = [max(half[0], half[1] * _WIDE_TO_HIGH), max(half[1], half[0] / _WIDE_TO_HIGH)]
    middle = [(high[axis] + low[axis]) / 2 for axis in (0, 1)]
    return Box(
        x_min=middle[0] - half[0], y_min=middle[1] - half[1], x_max=middle[0] + half[0], y_max=middle[1] + half[1]
    )


def _personal(marks: Marks, task: int, around: Box) -> bool:
    """Return whether anybody marked something personal that reaches into the place."""
    codes = [number for number, code in enumerate(marks.categories) if code in PERSONAL]
    first, last = marks.mark_bounds[marks.answer_bounds[[task, task + 1]]]
    rows = np.arange(first, last)[np.isin(marks.mark_category[first:last], codes)]
    boxes = marks.boxes_xyxy[rows]
    reaches = (boxes[:, :2] < [around.x_max, around.y_max]).all(axis=1)
    return bool((reaches & (boxes[:, 2:] > [around.x_min, around.y_min]).all(axis=1)).any())
