"""Albumentations: photographs and their labels turned together, the same for a seed in any order on any worker.

Labels keep the workbench's convention of continuous edges. Albumentations moves keypoints by pixel centres when it
flips and warps, and by edges when it resizes; half a pixel goes in and out accordingly (`_edge_keypoints`).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.moved_labels import Moved, copied_instance, moved_instance
from workbench.adapters.pixels import decode_rgb, encode_rgb_jpeg, read_rgb
from workbench.domain.annotation import Instance
from workbench.domain.lineage import canonical_json, seed_for, sha256_hex
from workbench.ports import CopyJob, MadeCopy

#: Transforms that scale keypoints by edges instead of by pixel centres (fgeometric.keypoints_scale in 2.0.8).
_EDGE_SCALED = frozenset(
    {
        "Resize", "RandomScale", "LongestMaxSize", "SmallestMaxSize", "RandomResizedCrop", "RandomSizedCrop",
        "RandomSizedBBoxSafeCrop", "CropAndPad",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AugmentationRecipe:
    """A recipe at work: the copies that the stage stores, made wherever a training loop wants them.

    Parameters
    ----------
    recipe_json
        Canonical JSON of the steps; use `from_params`.

    Examples
    --------
    ``recipe = AugmentationRecipe.from_params(params["augmentation"])`` and then
    ``pixels, labels = recipe(image_hwc, instances, image_id, 0)`` gives the pixels of the stored copy 0.

    """

    recipe_json: str
    seed: int
    size_px: int
    jpeg_quality: int

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> AugmentationRecipe:
        """Return the recipe of a parsed section ``augmentation`` of params.yaml."""
        steps = canonical_json(list(params["recipe"]))
        return cls(steps, params["seed"], params["size_px"], params["jpeg_quality"])

    def __call__(
        self, image_hwc: NDArray[np.uint8], instances: Sequence[Instance], image_id: str, k: int
    ) -> tuple[NDArray[np.uint8], tuple[Instance, ...]]:
        """Return copy ``k`` of a photograph, (h, w, 3) uint8 RGB as stored, and its instances."""
        made = self.copy_of(image_hwc, instances, image_id, k)
        return decode_rgb(made.jpeg, f"copy {k} of {image_id}"), made.instances

    def make_copy(self, job: CopyJob) -> MadeCopy:
        """Return the copy that a job asks for.

        Raises
        ------
        Refused
            ``augmentation.unreadable-image`` if its photograph cannot be read.

        """
        return self.copy_of(read_rgb(job.path), job.instances, job.image_id, job.number)

    def copy_of(
        self, image_hwc: NDArray[np.uint8], instances: Sequence[Instance], image_id: str, number: int
    ) -> MadeCopy:
        """Return a copy of a photograph, encoded as it is stored."""
        import cv2

        cv2.setNumThreads(1)  # one process a core; threads inside would only compete
        steps = _steps(self.recipe_json)
        for index, step in enumerate(steps.transforms):
            # Compose would give every step one and the same seed, and steps of equal p would fire together.
            step.set_random_seed(seed_for(self.seed, image_id, number, index))
        image, moved = _apply(steps, image_hwc, instances)
        image, moved = _shrink(image, moved, self.size_px)
        jpeg = encode_rgb_jpeg(image, self.jpeg_quality)
        copy_id = sha256_hex(jpeg)
        height, width = image.shape[:2]
        return MadeCopy(
            jpeg=jpeg,
            width_px=width,
            height_px=height,
            instances=tuple(
                copied_instance(found, copy_id, width, height) for found in moved if found.seen(width, height)
            ),
        )


def step_problem(step: Mapping[str, Any]) -> str | None:
    """Say what is wrong with one step of a recipe, or nothing if albumentations takes it and labels survive it."""
    import inspect

    tool = _tool()
    kind = getattr(tool, step["name"], None)
    if not (inspect.isclass(kind) and issubclass(kind, tool.BasicTransform)) or kind in _abstract(tool):
        return "is no transform of albumentations 2.0.8."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # unknown arguments are but a warning there
            made = kind(**{key: value for key, value in step.items() if key != "name"})
    except Exception as error:  # noqa: BLE001 -- whatever the tool throws at an argument, the recipe is what is wrong
        return f"does not take these arguments ({' '.join(str(error).split())[:300]})."
    if issubclass(kind, tool.DualTransform):
        lost = {"mask", "bboxes", "keypoints"} - {str(target.value).lower() for target in _targets(made)}
        if lost:
            return f"cannot carry {', '.join(sorted(lost))} along."
    return _trial_problem(made)


def _trial_problem(step: Any) -> str | None:
    """Try a step on a small picture: it must give back an 8-bit colour picture and need nothing else."""
    tool = _tool()
    boxes = tool.BboxParams(format="pascal_voc", label_fields=["labels"], clip=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = tool.Compose([step], bbox_params=boxes)
            trial.set_random_seed(0)
            made = trial(image=np.full((512, 512, 3), 128, np.uint8), bboxes=[[96, 96, 400, 400]], labels=[0])["image"]
    except Exception as error:  # noqa: BLE001 -- as above
        return f"cannot be applied to a photograph of 512 x 512 pixels ({' '.join(str(error).split())[:300]})."
    if getattr(made, "dtype", None) != np.uint8 or made.ndim != 3 or made.shape[2] != 3:  # noqa: PLR2004 -- RGB
        return "does not give back an 8-bit colour picture."
    return None


def engine() -> dict[str, str]:
    """Return the names and versions of what turns and encodes the pixels."""
    import cv2

    return {"albumentations": str(_tool().__version__), "opencv": str(cv2.__version__)}


def _tool() -> Any:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask the network for its newest version
    import albumentations

    return albumentations


def _abstract(tool: Any) -> tuple[Any, ...]:
    return (tool.BasicTransform, tool.DualTransform, tool.ImageOnlyTransform)


def _targets(step: Any) -> tuple[Any, ...]:
    targets = step._targets  # noqa: SLF001 -- the tool says nowhere else what a transform carries
    return targets if isinstance(targets, tuple) else (targets,)


@lru_cache(maxsize=4)
def _steps(recipe_json: str) -> Any:
    """Return the composed steps of a recipe; one a process, for building it costs more than using it."""
    import json

    tool = _tool()
    to_edges, to_centres = _edge_keypoints(tool)
    # A recipe that only touches colours still has one step that knows of boxes, which Compose insists on.
    steps: list[Any] = [to_edges, to_centres]
    for step in json.loads(recipe_json):
        made = getattr(tool, step["name"])(**{key: value for key, value in step.items() if key != "name"})
        steps += [to_edges, made, to_centres] if step["name"] in _EDGE_SCALED else [made]
    return tool.Compose(
        steps,
        bbox_params=tool.BboxParams(
            format="pascal_voc", label_fields=["box_owners"], clip=True, filter_invalid_bboxes=True
        ),
        keypoint_params=tool.KeypointParams(format="xy", label_fields=["point_owners"], remove_invisible=False),
    )


def _edge_keypoints(tool: Any) -> tuple[Any, Any]:
    """Return two steps that shift keypoints from pixel centres to edges and back, and touch nothing else."""

    class ShiftKeypoints(tool.DualTransform):  # type: ignore[misc]  # the tool has no types
        _targets = tool.HorizontalFlip._targets  # noqa: SLF001 -- as above

        def __init__(self, shift_px: float) -> None:
            super().__init__(p=1.0)
            self.shift_px = shift_px

        def apply(self, img: Any, **_: Any) -> Any:
            return img

        def apply_to_mask(self, mask: Any, **_: Any) -> Any:
            return mask

        def apply_to_bboxes(self, bboxes: Any, **_: Any) -> Any:
            return bboxes

        def apply_to_keypoints(self, keypoints: Any, **_: Any) -> Any:
            shifted = keypoints.copy()
            shifted[:, :2] += self.shift_px
            return shifted

    return ShiftKeypoints(0.5), ShiftKeypoints(-0.5)


def _apply(
    steps: Any, image_hwc: NDArray[np.uint8], instances: Sequence[Instance]
) -> tuple[NDArray[np.uint8], list[Moved]]:
    """Run the steps over a photograph and everything drawn on it."""
    from workbench.adapters.masks import decode_mask

    height, width = image_hwc.shape[:2]
    boxes, box_owners, points, point_owners, masks, mask_owners = [], [], [], [], [], []
    for owner, instance in enumerate(instances):
        if instance.box is not None and instance.box.area_px2 > 0:
            boxes.append(instance.box.xyxy)
            box_owners.append(owner)
        vertices = [xy for ring in instance.rings for xy in zip(ring[0::2], ring[1::2], strict=True)]
        vertices += [(point.x_px, point.y_px) for point in instance.keypoints]
        points += [(x - 0.5, y - 0.5) for x, y in vertices]
        point_owners += [owner] * len(vertices)
        if instance.mask_rle is not None:
            masks.append(decode_mask(instance.mask_rle, height_px=height, width_px=width).astype(np.uint8))
            mask_owners.append(owner)
    given: dict[str, Any] = {
        "image": image_hwc,
        "bboxes": np.array(boxes, np.float32).reshape(-1, 4),
        "box_owners": box_owners,
        "keypoints": np.array(points, np.float32).reshape(-1, 2),
        "point_owners": point_owners,
    }
    made = steps(**given, **({"masks": masks} if masks else {}))
    found_boxes = {int(o): tuple(map(float, b)) for o, b in zip(made["box_owners"], made["bboxes"], strict=True)}
    found_masks = dict(zip(mask_owners, made.get("masks", ()), strict=True))
    found_points: dict[int, list[tuple[float, float]]] = {}
    for owner, (x, y) in zip(made["point_owners"], made["keypoints"], strict=True):
        found_points.setdefault(int(owner), []).append((float(x) + 0.5, float(y) + 0.5))
    moved = [
        moved_instance(instance, found_boxes.get(owner), found_points.get(owner, []), found_masks.get(owner))
        for owner, instance in enumerate(instances)
    ]
    return made["image"], moved


def _shrink(image_hwc: NDArray[np.uint8], moved: list[Moved], size_px: int) -> tuple[NDArray[np.uint8], list[Moved]]:
    """Scale a copy down so that its longest side is at most ``size_px``."""
    import cv2

    height, width = image_hwc.shape[:2]
    if max(height, width) <= size_px:
        return image_hwc, moved
    scale = size_px / max(height, width)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    sx, sy = size_wh[0] / width, size_wh[1] / height
    image = cv2.resize(image_hwc, size_wh, interpolation=cv2.INTER_AREA)
    scaled = [
        replace(
            found,
            box=found.box and (found.box[0] * sx, found.box[1] * sy, found.box[2] * sx, found.box[3] * sy),
            rings=tuple(ring * (sx, sy) for ring in found.rings),
            points=tuple((name, x * sx, y * sy) for name, x, y in found.points),
            mask_hw=None
            if found.mask_hw is None
            else cv2.resize(found.mask_hw, size_wh, interpolation=cv2.INTER_NEAREST_EXACT),
        )
        for found in moved
    ]
    return np.asarray(image, np.uint8), scaled
