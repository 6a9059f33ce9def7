"""What the stages need of the outside world, as small Protocols.

Stages import these, never an adapter; ``cli/wiring.py`` puts the real thing in. A port stands here only where
there are two real implementations (or a real one and the fake that passes the same contract tests). All of them stand
on this one page, longer than others, because it is the page that says what the stages depend on; it holds no code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.domain.annotation import Instance
from workbench.domain.scene import Scene
from workbench.domain.suggestion import ModelFacts, Suggestion

T = TypeVar("T")
R = TypeVar("R")


class Track(Protocol):
    """Shows progress while items go by: a bar with rate and time left on a terminal, or silence."""

    def __call__(self, items: Iterable[T], *, total: int, doing: str) -> Iterator[T]:
        """Yield the items unchanged; ``doing`` is shown beside the bar."""
        ...


class Compute(Protocol):
    """Runs a pure function over items, on one process or many; results come in the items' order."""

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield ``function(item)`` for each item, in order; a failure is raised when its turn comes."""
        ...


class ObjectStore(Protocol):
    """Holds sealed originals, addressed by the SHA-256 of their bytes."""

    def read(self, contribution_id: str, object_id: str) -> bytes:
        """Return the bytes of one object.

        Raises
        ------
        Refused
            ``custody.object-missing`` or ``custody.object-altered``.

        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """A triangle mesh, in metres: ``vertices_m`` is (n, 3) float64, ``faces`` (m, 3) int32, counter-clockwise outside.

    ``face_rgb`` is (m, 3) float32, linear in [0, 1]: the colours the part brings along; null where it brings none.
    """

    vertices_m: NDArray[np.float64]
    faces: NDArray[np.int32]
    face_rgb: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One body of a CAD file.

    Parameters
    ----------
    name
        As the file calls it.
    first_face, face_count
        Its run of faces in the part's mesh.
    rgb
        Its colour, linear in [0, 1], or null where the file gives none.
    shape
        Number of its geometry: bodies that are copies of one another have the same.
    open_edges
        Edges at which its own surface ends; 0 if it is watertight.

    """

    name: str
    first_face: int
    face_count: int
    rgb: tuple[float, float, float] | None
    shape: int
    open_edges: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CadPart:
    """What a CAD file holds: one mesh in metres, the bodies it is made of, and what to know of it.

    ``unit`` is the one its numbers were taken in; ``open_edges`` counts the edges at which the surface ends (0: it is
    watertight).
    """

    mesh: Mesh
    components: tuple[Component, ...]
    unit: str
    open_edges: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What primary rays tell of one scene; h and w are the camera's height and width, n the count of instances.

    Parameters
    ----------
    instance_hw
        Which object each pixel centre sees, (h, w) int32: the index in ``scene.instances``, -1 for none.
    depth_hw
        Distance of the surface seen along the optical axis, (h, w) float32 metres; 0 where nothing is seen.
    alone_nhw
        For each instance the pixels it would cover with everything else gone (its amodal mask), (n, h, w).
    whole_px
        For each instance how many pixel centres it would cover alone in a frame without edges, (n,) int64: the frame
        is continued by its own width and height on each side.
    whole_xyxy
        For each instance the box of those pixels, (n, 4) int64; edges on pixel borders, which may lie outside the
        frame; all 0 where there are none.
    first_m
        For each point that was asked about how far from the camera the first surface on the way to it lies, (k,)
        float64 metres; infinite where there is none.
    normal_hwc
        The surface's geometric normal in the camera's coordinates, (h, w, 3) float32, of length 1 and turned to the
        camera, 0 where nothing is seen; null unless asked for.

    """

    instance_hw: NDArray[np.int32]
    depth_hw: NDArray[np.float32]
    alone_nhw: NDArray[np.bool_]
    whole_px: NDArray[np.int64]
    whole_xyxy: NDArray[np.int64]
    first_m: NDArray[np.float64]
    normal_hwc: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering(Labels):
    """What a renderer returns for one scene: its labels, and ``image_hwc``, the photograph, (h, w, 3) uint8, sRGB."""

    image_hwc: NDArray[np.uint8]


class Renderer(Protocol):
    """Turns a scene into a photograph with exact labels; the same scene gives the same bytes on one kind of CPU."""

    @property
    def engine(self) -> Mapping[str, str]:
        """Name, version and variant of the engine; the same facts give the same pixels on one kind of CPU."""
        ...

    def render(
        self,
        scene: Scene,
        *,
        meshes: Mapping[str, Mesh],
        textures: Mapping[str, Any],
        points_m: NDArray[np.float64] | None = None,
    ) -> Rendering:
        """Return the rendering; ``meshes`` by part_id, ``textures`` by name (linear or sRGB as `Scene` says).

        ``points_m`` are points of the world, (k, 3) metres, that `Labels.first_m` is to tell about.
        """
        ...

    def label(
        self,
        scene: Scene,
        *,
        meshes: Mapping[str, Mesh],
        points_m: NDArray[np.float64] | None = None,
        normals: bool = False,
    ) -> Labels:
        """Return the labels alone, for a small part of the cost; with ``normals`` those too."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LabellerProject:
    """A project as the labelling server holds it; ``made_at`` tells it from one of the same number on another server."""

    project_id: int
    title: str
    description: str = ""
    made_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabellerTask:
    """A task as the labelling server holds it: ``sha256`` names the photograph (its image_id), ``image`` what is shown.

    ``answers`` counts submitted answers, ``skips`` refusals; ``begun`` says whether somebody has saved unfinished work.
    ``dispute`` names the disagreement that a task of the adjudicators is about; ``models`` says whose pre-annotations
    it has.
    """

    task_id: int
    sha256: str
    predictions: int
    answers: int
    image: str = ""
    dispute: str = ""
    models: tuple[str, ...] = ()
    skips: int = 0
    begun: bool = False
    made_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabellerChange:
    """A task that was touched, and when; ISO 8601 as the server writes it, so that later sorts later."""

    task_id: int
    changed_at: str


class Labeller(Protocol):
    """Puts photographs before people and gives back their answers.

    Every method raises ``Busy`` ``labelling.server-away`` if the server does not answer and ``Refused``
    ``labelling.server-refused`` if it does not accept what it is asked. After ``Busy`` nobody knows whether what was
    asked has been done, or will be: look before asking again.
    """

    def projects(self) -> list[LabellerProject]:
        """Return all projects, oldest first."""
        ...

    def find_project(self, title: str) -> int | None:
        """Return the id of the oldest project of that title, None if there is none."""
        ...

    def ensure_project(
        self,
        title: str,
        *,
        label_config: str,
        instructions: str,
        overlap: int,
        suggestions: bool = True,
        description: str | None = None,
    ) -> int:
        """Make the project, or bring it to this config and overlap; return its id.

        ``suggestions`` says whether pre-annotations are shown; no ``description`` leaves the one it has.
        """
        ...

    def ensure_media(self, project_id: int, folders: Sequence[Path]) -> None:
        """Let the project show files below these folders."""
        ...

    def tasks(self, project_id: int) -> list[LabellerTask]:
        """Return the project's tasks, oldest first, without their answers."""
        ...

    def import_tasks(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> int:
        """Add tasks (``data`` and perhaps ``predictions``) in this order; return how many were added."""
        ...

    def update_task(self, task_id: int, data: Mapping[str, Any]) -> None:
        """Put other ``data`` into a task; its answers stay."""
        ...

    def remove_untouched(self, project_id: int, task_ids: Sequence[int]) -> None:
        """Delete those of the tasks that nobody has answered or skipped; the server itself looks, at that moment."""
        ...

    def import_predictions(self, project_id: int, predictions: Sequence[Mapping[str, Any]]) -> None:
        """Add pre-annotations (``task``, ``model_version``, ``result``) to tasks."""
        ...

    def show_suggestions(self, project_id: int, model_version: str) -> None:
        """Let labellers see the pre-annotations of this model, and of no other."""
        ...

    def answer(self, task_id: int, results: Sequence[Mapping[str, Any]], *, lead_time_s: float) -> int:
        """Submit an answer to a task as the user this labeller acts for; return its number."""
        ...

    def changes(self, project_id: int, since: str) -> list[LabellerChange]:
        """Return the tasks touched at or after a moment (``""``: all), in order of id."""
        ...

    def count_answers(self, project_id: int) -> int:
        """Return how many answers, skips among them, all tasks have together."""
        ...

    def export(self, project_id: int, task_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Return the answered tasks, all or those named, with their ``annotations``.

        ``completed_by`` and ``updated_by`` of an annotation are users' e-mails.
        """
        ...


class Predictor(Protocol):
    """Suggests the objects of a photograph: a detector, a reader of text, a finder of what stands out, a file of results.

    It can be sent to another process; the same picture gives the same suggestions.
    """

    @property
    def facts(self) -> ModelFacts:
        """Which model it is, and every word it may use."""
        ...

    def __call__(self, photograph: tuple[str, Path]) -> Sequence[Suggestion]:
        """Return the suggestions about one photograph (image_id, working copy), in a fixed order.

        Raises
        ------
        Refused
            ``labelling.unreadable-photograph`` if the picture cannot be read.

        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyJob:
    """One augmented copy to be made: of which photograph, the how-manieth, and what is drawn on it."""

    path: Path
    image_id: str
    number: int
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCopy:
    """An augmented copy: its JPEG bytes, its size, and the instances still seen in it."""

    jpeg: bytes
    width_px: int
    height_px: int
    instances: tuple[Instance, ...]


#: Makes one augmented copy; a pure function of its job that can be sent to another process.
MakeCopy = Callable[[CopyJob], MadeCopy]


def silent(items: Iterable[T], *, total: int, doing: str) -> Iterator[T]:  # noqa: ARG001 -- the port's signature
    """Yield the items and show nothing: the `Track` of tests and of ``--json``."""
    yield from items


class Fingerprint(Protocol):
    """Perceptual hashes of image files."""

    def __call__(self, files: Sequence[tuple[str, Path]]) -> Mapping[str, NDArray[np.uint8]]:
        """Return for each (SHA-256, path) its eight hashes, (8, 32) uint8: as it is, turned and mirrored.

        The first row is the picture as it is; 32 bytes are 256 bits.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How a picture measures, in a grey reduction whose longer side is at most 512 pixels.

    Parameters
    ----------
    sharpness
        Variance of the Laplacian; 0 for a picture under 3 pixels wide or high.
    brightness_frac
        Mean grey level, 0 black to 1 white.
    dark_frac, bright_frac
        Shares of nearly black and nearly white pixels, in [0, 1].
    detail_frac
        Share of blocks of 16 x 16 pixels in which grey levels vary by more than noise, in [0, 1].

    """

    sharpness: float
    brightness_frac: float
    dark_frac: float
    bright_frac: float
    detail_frac: float


class Gauge(Protocol):
    """Measures image files as pictures."""

    def __call__(self, files: Sequence[tuple[str, Path]]) -> Mapping[str, Sight]:
        """Return for each (SHA-256, path) how the picture measures."""
        ...


class Within(Protocol):
    """Finds pairs of binary codes that lie close together."""

    def __call__(
        self, queries: NDArray[np.uint8], base: NDArray[np.uint8], most_bits: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return rows of ``queries`` (m, bytes), rows of ``base`` (n, bytes) and their Hamming distances in bits.

        Every pair at most ``most_bits`` apart is returned once, in any order.
        """
        ...


class Files(Protocol):
    """The files of one release, wherever they lie: a folder, a bundle in one file, or DVC at a git revision."""

    def names(self) -> list[str]:
        """Return the paths of all files, sorted, with forward slashes."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Return a file, open for reading.

        Raises
        ------
        Refused
            ``release.file-missing`` if it cannot be had.

        """
        ...


#: A picture or a part of one to be embedded: a key that tells its content, the file, and left, top, right, bottom in pixels.
View = tuple[str, Path, tuple[float, float, float, float] | None]


class Embed(Protocol):
    """Turns pictures into vectors; pictures alike lie close together."""

    def __call__(self, views: Sequence[View]) -> NDArray[np.float32]:
        """Return a vector of length 1 for each view, (n, d); equal keys give equal vectors."""
        ...


class MostAlike(Protocol):
    """Finds the vectors most like others."""

    def __call__(
        self, queries: NDArray[np.float32], base: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return for each query the rows of ``base`` most like it and their cosines, best first, (m, count)."""
        ...


class MatchPoints(Protocol):
    """Counts the corner points of two pictures that fit one turn, scale and shift."""

    def __call__(self, pairs: Sequence[tuple[tuple[str, Path], tuple[str, Path]]]) -> list[int]:
        """Return the count for each pair of (SHA-256, path)."""
        ...


class Guess(Protocol):
    """Says how well names can be guessed from vectors by a simple classifier that has not seen the group."""

    def __call__(
        self, vectors: NDArray[np.float32], names: Sequence[str], groups: Sequence[str]
    ) -> tuple[float, float] | None:
        """Return balanced accuracy and that of chance, both in [0, 1]; None if there are too few groups to tell."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """Everything curation looks at pictures with."""

    fingerprint: Fingerprint
    within: Within
    gauge: Gauge
    embed: Embed
    most_alike: MostAlike
    match_points: MatchPoints
    guess: Guess
