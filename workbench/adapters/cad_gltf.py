"""glTF 2.0, as .glb or with everything inside one .gltf: read strictly, because a parser's trust is what bombs live on.

Every count is held against the bytes that are there before anything is made of it. Only geometry and plain colours
are read; pictures, animations and cameras are passed over. Section numbers are those of the glTF 2.0 specification.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.adapters.cad_bodies import MAX_BODIES, MAX_FACES, Body, UnusableError, shape_key

_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
#: Section 3.6.2.2: number formats by componentType, and how many of them an element has by type.
_FORMATS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
#: Extensions that a file may require and that change nothing of what is read here, or are heeded.
_HARMLESS = (
    "KHR_materials_",
    "KHR_texture_",
    "KHR_lights_punctual",
    "KHR_mesh_quantization",
    "KHR_xmp",
    "EXT_texture_",
)
_MAX_DEPTH = 200


def read_gltf(data: bytes, *, binary: bool) -> list[Body]:
    """Return the bodies of a glTF file, in metres (section 3.4).

    Raises
    ------
    UnusableError
        If the file breaks the specification where geometry is concerned, or needs another file or extension.

    """
    document, chunk = _container(data) if binary else (_parsed(data), None)
    return list(_File(document, chunk).bodies())


def _container(data: bytes) -> tuple[dict[str, Any], bytes | None]:
    """Return the two chunks of a .glb (section 4.4): a header of 12 bytes, then JSON, then perhaps one binary."""
    if len(data) < 12 or struct.unpack_from("<I", data)[0] != _MAGIC:  # noqa: PLR2004 -- the header's size
        raise UnusableError("is no binary glTF: it does not begin as one.")
    _, version, length = struct.unpack_from("<III", data)
    if version != 2:  # noqa: PLR2004 -- the only one with this container
        raise UnusableError(f"is binary glTF of version {version}; version 2 is read.")
    if length != len(data):
        raise UnusableError(f"claims {length} bytes and has {len(data)}.")
    chunks: list[tuple[int, bytes]] = []
    at = 12
    while at < length:
        if at + 8 > length:
            raise UnusableError("ends within a chunk's header.")
        size, kind = struct.unpack_from("<II", data, at)
        if at + 8 + size > length:  # sizes should be multiples of 4, but older exporters do not keep to that
            raise UnusableError(f"has a chunk of {size} bytes, which does not fit.")
        chunks.append((kind, data[at + 8 : at + 8 + size]))
        at += 8 + size
    if not chunks or chunks[0][0] != _JSON:
        raise UnusableError("does not begin with its JSON chunk.")
    rest = [kind for kind, _ in chunks[1:]]
    if rest.count(_JSON) or rest.count(_BIN) > 1 or (_BIN in rest and rest[0] != _BIN):
        raise UnusableError("has more chunks, or in another order, than a binary glTF may.")
    return _parsed(chunks[0][1]), chunks[1][1] if rest[:1] == [_BIN] else None


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UnusableError("has a JSON part that cannot be read.") from error
    if not isinstance(document, dict) or not isinstance(document.get("asset"), dict):
        raise UnusableError("has a JSON part that is no glTF.")
    version, least = (str(document["asset"].get(key, "2.0")) for key in ("version", "minVersion"))
    version = max(version, least)
    if not version.startswith("2.") or least != "2.0" or "version" not in document["asset"]:
        raise UnusableError(f"is glTF of version {version}; version 2.0 is read.")
    for name in _listed(document, "extensionsRequired", str):
        if not name.startswith(_HARMLESS):
            raise UnusableError(f"needs the glTF extension {name}, which is not read; save it without compression.")
    return document


def _listed(holder: Mapping[str, Any], key: str, kind: type) -> list[Any]:
    """Return a list of a JSON object whose members are all of one kind; an empty one where there is none."""
    listed = holder.get(key, [])
    if not isinstance(listed, list) or not all(isinstance(item, kind) for item in listed):
        raise UnusableError(f"has a glTF property {key} of the wrong kind.")
    return listed


def _number(holder: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """Return a whole number that is not negative."""
    value = holder.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UnusableError(f"has a glTF property {key} that is no count.")
    return value


class _File:
    """One glTF document and the bytes it lives on."""

    def __init__(self, document: dict[str, Any], chunk: bytes | None) -> None:
        """Keep the document; resolve its buffers."""
        self._document = document
        self._buffers = [self._buffer(i, item, chunk) for i, item in enumerate(_listed(document, "buffers", dict))]
        self._visits = self._faces = 0

    def _buffer(self, index: int, told: Mapping[str, Any], chunk: bytes | None) -> bytes:
        length, uri = _number(told, "byteLength"), told.get("uri")
        if uri is None and index == 0 and chunk is not None:
            held = chunk
        elif isinstance(uri, str) and uri.startswith("data:") and ";base64," in uri[:200]:
            try:
                held = base64.b64decode(uri.partition(";base64,")[2], validate=True)
            except (binascii.Error, ValueError) as error:
                raise UnusableError("has a buffer that is no base64.") from error
        else:
            raise UnusableError("keeps its geometry in another file; save it as .glb, which holds everything.")
        if length > len(held):
            raise UnusableError(f"claims a buffer of {length} bytes and has {len(held)}.")
        return held[:length]

    def _item(self, kind: str, index: object) -> dict[str, Any]:
        items = _listed(self._document, kind, dict)
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(items):
            raise UnusableError(f"names an entry of {kind} that it lacks.")
        found: dict[str, Any] = items[index]
        return found

    def _accessor(self, index: object, *, types: tuple[str, ...], formats: tuple[int, ...]) -> NDArray[np.float64]:
        """Return an accessor's elements (section 3.6.2), (count, width), integers scaled where it says normalized."""
        told = self._item("accessors", index)
        kind, component, count = told.get("type"), told.get("componentType"), _number(told, "count")
        if kind not in types or component not in formats:
            raise UnusableError(f"has an accessor of type {kind}/{component} where another belongs.")
        if "sparse" in told or "bufferView" not in told:
            raise UnusableError("has a sparse or empty accessor, which is not read.")
        view = self._item("bufferViews", told["bufferView"])
        start, size = _number(view, "byteOffset", 0), _number(view, "byteLength")
        self._item("buffers", view.get("buffer"))
        buffer = self._buffers[view["buffer"]]
        if start + size > len(buffer):
            raise UnusableError("has a buffer view that reaches beyond its buffer.")
        form, width = np.dtype(_FORMATS[int(component)]), _WIDTHS[str(kind)]
        step, offset = _number(view, "byteStride", form.itemsize * width), _number(told, "byteOffset", 0)
        if count < 1 or step < form.itemsize * width or (start + offset) % form.itemsize or step % form.itemsize:
            raise UnusableError("has an accessor without elements, or not aligned.")
        if offset + step * (count - 1) + form.itemsize * width > size:
            raise UnusableError(f"claims {count} elements where its bytes hold fewer.")
        array: NDArray[np.float64] = np.ndarray(
            (count, width), form, buffer, start + offset, (step, form.itemsize)
        ).astype(np.float64)
        if told.get("normalized") is True and form.kind in "iu":
            array = np.maximum(array / np.iinfo(form).max, -1.0)  # section 3.11
        return array

    def bodies(self) -> Iterator[Body]:
        """Yield a body for each mesh of each node of the default scene."""
        nodes = _listed(self._document, "nodes", dict)
        scenes = _listed(self._document, "scenes", dict)
        if scenes:
            roots = _listed(self._item("scenes", self._document.get("scene", 0)), "nodes", int)
        else:
            children = {child for node in nodes for child in _listed(node, "children", int)}
            roots = [i for i in range(len(nodes)) if i not in children]
        for root in roots:
            yield from self._below(root, np.eye(4), depth=0)

    def _below(self, index: object, parent: NDArray[np.float64], *, depth: int) -> Iterator[Body]:
        node = self._item("nodes", index)
        self._visits += 1
        if depth > _MAX_DEPTH or self._visits > MAX_BODIES:
            raise UnusableError("has nodes that hold one another, or more than an assembly may.")
        placed = parent @ _transform(node)
        if "mesh" in node:
            mesh = self._item("meshes", node["mesh"])
            found = [self._primitive(told) for told in _listed(mesh, "primitives", dict)]
            if body := _one([primitive for primitive in found if primitive is not None]):
                # The mesh is the part, the node one use of it; CAD exporters name the mesh after the part.
                yield _placed(body, placed, str(mesh.get("name") or node.get("name") or f"body {index}")[:120])
        for child in _listed(node, "children", int):
            yield from self._below(child, placed, depth=depth + 1)

    def _primitive(self, told: Mapping[str, Any]) -> Body | None:
        mode = _number(told, "mode", _TRIANGLES)
        if mode not in (_TRIANGLES, _STRIP, _FAN):
            return None  # points and lines
        attributes = told.get("attributes")
        if not isinstance(attributes, dict) or "POSITION" not in attributes:
            raise UnusableError("has a mesh without positions.")
        vertices = self._accessor(attributes["POSITION"], types=("VEC3",), formats=(5126, 5120, 5121, 5122, 5123))
        if "indices" in told:
            order = (
                self._accessor(told["indices"], types=("SCALAR",), formats=(5121, 5123, 5125)).astype(np.int64).ravel()
            )
        else:
            order = np.arange(len(vertices))
        faces = _triangles(order, mode)
        self._faces += len(faces)
        if self._faces > MAX_FACES:
            raise UnusableError(f"has more than {MAX_FACES} faces.")
        if faces.size and faces.max() >= len(vertices):
            raise UnusableError("has faces that name vertices it lacks.")
        rgb = self._rgb(told, attributes, faces, len(vertices))
        return Body(name="", vertices=vertices, faces=faces, rgb=rgb)

    def _rgb(
        self, told: Mapping[str, Any], attributes: Mapping[str, Any], faces: NDArray[np.int64], count: int
    ) -> NDArray[np.float64] | None:
        """Return the material's base colour times the vertices' own (section 3.9.2); pictures are passed over."""
        factor = None
        if "material" in told:
            rough = self._item("materials", told["material"]).get("pbrMetallicRoughness", {})
            listed = rough.get("baseColorFactor") if isinstance(rough, dict) else None
            textured = isinstance(rough, dict) and "baseColorTexture" in rough
            if isinstance(listed, list) and len(listed) == 4 and all(isinstance(v, int | float) for v in listed):  # noqa: PLR2004
                factor = np.asarray(listed[:3], np.float64)
                factor = None if textured and (factor == 1).all() else factor
        if "COLOR_0" not in attributes:
            return factor
        colours = self._accessor(attributes["COLOR_0"], types=("VEC3", "VEC4"), formats=(5126, 5121, 5123))[:, :3]
        if len(colours) != count:
            raise UnusableError("has more or fewer colours than vertices.")
        mean = colours[faces].mean(axis=1)
        return np.asarray(mean if factor is None else mean * factor)


def _one(primitives: Sequence[Body]) -> Body | None:
    """Return the primitives of one mesh, which differ in material only, as one body."""
    if not primitives:
        return None
    starts = np.cumsum([0, *(len(body.vertices) for body in primitives[:-1])])
    vertices = np.concatenate([body.vertices for body in primitives])
    faces = np.concatenate([body.faces + start for body, start in zip(primitives, starts, strict=True)])
    rgb = primitives[0].rgb
    if len(primitives) > 1 and any(body.rgb is not None for body in primitives):
        blank = np.full(3, np.nan)
        parts = [(blank if body.rgb is None else body.rgb, (len(body.faces), 3)) for body in primitives]
        rgb = np.concatenate([np.broadcast_to(colour, shape) for colour, shape in parts])
    return Body(name="", vertices=vertices, faces=faces, rgb=rgb, shape_key=shape_key(vertices, faces))


def _triangles(order: NDArray[np.int64], mode: int) -> NDArray[np.int64]:
    """Return triangles of a list, strip or fan (section 3.7.2.1)."""
    if mode == _TRIANGLES:
        if len(order) % 3:
            raise UnusableError("has a mesh whose corners are no multiple of three.")
        return order.reshape(-1, 3)
    if len(order) < 3:  # noqa: PLR2004 -- a triangle's corners
        raise UnusableError("has a mesh with fewer than three corners.")
    i = np.arange(len(order) - 2)
    if mode == _FAN:
        return np.stack([order[i + 1], order[i + 2], np.full(len(i), order[0])], axis=1)
    return np.stack([order[i], order[i + 1 + i % 2], order[i + 2 - i % 2]], axis=1)


def _transform(node: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return a node's own matrix (section 3.5.3)."""
    if "matrix" in node:
        return _floats(node["matrix"], 16).reshape(4, 4).T
    matrix = np.eye(4)
    x, y, z, w = _floats(node.get("rotation", [0, 0, 0, 1]), 4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= _floats(node.get("scale", [1, 1, 1]), 3)
    matrix[:3, 3] = _floats(node.get("translation", [0, 0, 0]), 3)
    return matrix


def _floats(listed: object, count: int) -> NDArray[np.float64]:
    if not isinstance(listed, list) or len(listed) != count or not all(isinstance(v, int | float) for v in listed):
        raise UnusableError("has a node whose place cannot be read.")
    return np.asarray(listed, np.float64)


def _placed(body: Body, matrix: NDArray[np.float64], name: str) -> Body:
    """Return a body brought to its place; a mirroring turns its faces round (section 3.7.4)."""
    faces = body.faces[:, ::-1] if np.linalg.det(matrix[:3, :3]) < 0 else body.faces
    vertices = body.vertices @ matrix[:3, :3].T + matrix[:3, 3]
    return Body(name=name, vertices=vertices, faces=faces, rgb=body.rgb, shape_key=body.shape_key)
