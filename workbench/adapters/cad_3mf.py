"""3MF through lib3mf, the consortium's own reader, after checks of the archive and of rules that it lets pass.

Section numbers are those of the 3MF Core Specification 1.3 and of its Materials and Properties Extension 1.2.
"""

from __future__ import annotations

import ctypes
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse
from numpy.typing import NDArray

from workbench.adapters.cad_bodies import MAX_BODIES, MAX_FACES, Body, UnusableError

#: An archive may hold so much, and its text may be so much smaller packed: 3MF's numbers pack about 10 to 1.
_MAX_UNPACKED_BYTES = 2 * 2**30
_MAX_RATIO, _RATIO_FREE_BYTES = 200, 10 * 2**20
_MAX_MEMBERS = 10_000
#: `Lib3MF.ModelUnit` in metres; the specification's default is the millimetre.
_UNIT_M = {0: 1e-6, 1: 0.001, 2: 0.01, 3: 0.0254, 4: 0.3048, 5: 1.0}
_UNIT = {0: "micron", 1: "mm", 2: "cm", 3: "inch", 4: "foot", 5: "m"}
#: What lib3mf only warns of and the specification says must fail: the model part not unique (2.1.2), a metadata name
#: twice (3.4.1), multiproperties without pids (Materials 5), a required extension not known (2.3).
_MUST_FAIL = frozenset({32785, 32860, 32990, 32914})
#: Elements that may carry no attribute of another namespace: their types have no anyAttribute (Core, appendix B).
_CLOSED = frozenset({"vertices", "triangles"})
_COMPATIBILITY = "http://schemas.openxmlformats.org/markup-compatibility/2006"


@cache
def library() -> Any:
    """Return lib3mf; loaded before a worker's limits close in."""
    import lib3mf

    return lib3mf.get_wrapper()


def read_3mf(data: bytes) -> tuple[list[Body], float, str]:
    """Return the bodies that a 3MF file has built, in its unit, that unit in metres, and its name.

    Raises
    ------
    UnusableError
        If the archive is a bomb, or the file breaks the specification.

    """
    import lib3mf

    _check_archive(data)
    model = library().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(False)  # noqa: FBT003 -- strict mode makes an error of every warning
    try:
        # Its own method hands each byte over as an argument.
        content = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
        _checked(reader, "reader_readfrombuffer", ctypes.c_uint64(len(data)), content)
        for i in range(reader.GetWarningCount()):
            code, text = reader.GetWarning(i)
            if code in _MUST_FAIL:
                raise UnusableError(f"breaks the 3MF specification ({text.strip(' .')}).")
        unit = int(model.GetUnit())
        bodies = list(_Built(model).bodies())
    except lib3mf.ELib3MFException as error:
        reason = str(error).partition(": ")[2] or str(error)
        raise UnusableError(f"cannot be read as 3MF ({reason.strip(' .')[:120]}).") from error
    return bodies, _UNIT_M[unit], _UNIT[unit]


def _check_archive(data: bytes) -> None:
    """Hold the archive to its caps and its models to the rules that lib3mf does not know."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            if len(members) > _MAX_MEMBERS or unpacked > max(_RATIO_FREE_BYTES, _MAX_RATIO * len(data)):
                raise UnusableError(f"is an archive of {len(data)} bytes that claims to hold {unpacked}.")
            if unpacked > _MAX_UNPACKED_BYTES:
                raise UnusableError(f"holds {unpacked >> 20} MiB; {_MAX_UNPACKED_BYTES >> 20} can be read.")
            for member in members:
                if member.flag_bits & 1:
                    raise UnusableError("is encrypted.")
                if member.filename.lower().endswith(".model"):
                    with archive.open(member) as model:
                        _check_model(model)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise UnusableError(f"is no readable 3MF archive ({error}).") from error
    except (ParseError, DefusedXmlException, LookupError, UnicodeError) as error:
        raise UnusableError(f"holds a model whose XML cannot be read ({type(error).__name__}).") from error


def _check_model(model: Any) -> None:
    """Refuse, a tag at a time, what lib3mf lets pass or drowns in, and document types, in which XML bombs live."""
    prefixes: dict[str, str] = {}
    ignorable: set[str] = set()
    others: set[str] = set()
    bodies: dict[str, int] = {}
    current = ""
    for event, found in iterparse(model, events=("start-ns", "start", "end"), forbid_dtd=True):
        if event == "start-ns":
            prefixes[found[0]] = found[1]
            continue
        name = found.tag.rpartition("}")[2]
        if event == "end":
            found.clear()
            continue
        ignorable |= {prefixes.get(p, "") for p in found.get(f"{{{_COMPATIBILITY}}}Ignorable", "").split()}
        if name == "object":
            current = found.get("id", "")
            bodies[current] = 0
            others |= {current} if found.get("type") == "other" else set()
        elif name == "component":
            # Objects stand before what is composed of them (3.4.2), so each count is known when it is needed.
            bodies[current] = bodies.get(current, 0) + max(bodies.get(found.get("objectid", ""), 1), 1)
            if bodies[current] > MAX_BODIES:
                raise UnusableError(f"places more than {MAX_BODIES} objects.")
        if broken := _broken_rule(name, found.attrib, ignorable, others):
            raise UnusableError(f"breaks the 3MF specification ({broken}).")


def _broken_rule(name: str, attributes: Mapping[str, str], ignorable: set[str], others: set[str]) -> str | None:
    """Return the rule that an element breaks, with its section, if any."""
    if name == "color" and "color" not in attributes:
        return "Materials 3.1: a colour without a value"
    if name == "object" and "pindex" in attributes and "pid" not in attributes:
        return "4.1: an object with a property but no group of properties"
    if name == "item" and attributes.get("objectid") in others:
        return "3.4.3.1: an object of type other is built"
    foreign = {key[1:].partition("}")[0] for key in attributes if key.startswith("{")}
    if name in _CLOSED and foreign - ignorable:
        return "2.3.2: an attribute that no schema declares"
    return None


class _Built:
    """The objects that a model's build section places."""

    def __init__(self, model: Any) -> None:
        """Keep the model."""
        self._model = model
        self._visits = self._faces = 0
        self._read: dict[int, Body] = {}
        self._colours: dict[tuple[int, int], NDArray[np.float64] | None] = {}

    def bodies(self) -> Iterator[Body]:
        """Yield each mesh placed by a build item, through all components."""
        items = self._model.GetBuildItems()
        while items.MoveNext():
            item = items.GetCurrent()
            placed = _matrix(item.GetObjectTransform()) if item.HasObjectTransform() else np.eye(4)
            yield from self._below(item.GetObjectResource(), placed)

    def _below(self, thing: Any, placed: NDArray[np.float64]) -> Iterator[Body]:
        self._visits += 1
        if self._visits > MAX_BODIES:
            raise UnusableError(f"places more than {MAX_BODIES} objects.")
        if thing.IsMeshObject():
            mesh = self._model.GetMeshObjectByID(thing.GetUniqueResourceID())
            # Supports are printed to be broken off again (4.1): only models and surfaces are what it is about.
            if thing.GetType().name in ("Model", "Surface", "Other") and mesh.GetTriangleCount():
                yield self._body(mesh, placed)
            return
        parts = self._model.GetComponentsObjectByID(thing.GetUniqueResourceID())
        for i in range(parts.GetComponentCount()):
            component = parts.GetComponent(i)
            below = placed @ _matrix(component.GetTransform()) if component.HasTransform() else placed
            yield from self._below(component.GetObjectResource(), below)

    def _body(self, mesh: Any, placed: NDArray[np.float64]) -> Body:
        self._faces += mesh.GetTriangleCount()
        if self._faces > MAX_FACES:
            raise UnusableError(f"has more than {MAX_FACES} faces.")
        key = mesh.GetUniqueResourceID()
        if key not in self._read:
            self._read[key] = self._body_at_origin(mesh)
        body = self._read[key]
        return replace(
            body,
            vertices=body.vertices @ placed[:3, :3].T + placed[:3, 3],
            faces=body.faces[:, ::-1] if np.linalg.det(placed[:3, :3]) < 0 else body.faces,
        )

    def _body_at_origin(self, mesh: Any) -> Body:
        return Body(
            name=(mesh.GetName() or mesh.GetPartNumber() or f"object {mesh.GetModelResourceID()}")[:120],
            vertices=_fetched(mesh, "vertices", mesh.GetVertexCount(), (np.float32, 3)).astype(np.float64),
            faces=_fetched(mesh, "triangleindices", mesh.GetTriangleCount(), (np.uint32, 3)).astype(np.int64),
            rgb=self._rgb(mesh),
            shape_key=f"resource {mesh.GetUniqueResourceID()}",
        )

    def _rgb(self, mesh: Any) -> NDArray[np.float64] | None:
        """Return a colour a face: its own, else the object's (3.4 of Core); null where there is none at all."""
        resource, prop, has = mesh.GetObjectLevelProperty()
        default = self._colour(resource, prop) if has else None
        listed = _fetched(mesh, "alltriangleproperties", mesh.GetTriangleCount(), (np.uint32, 4))[:, :2]
        keys, place = np.unique(listed, axis=0, return_inverse=True)
        colours = [self._colour(int(key[0]), int(key[1])) if key[0] else None for key in keys]
        if all(colour is None for colour in colours):
            return default
        blank = np.full(3, np.nan) if default is None else default
        return np.asarray(np.array([blank if colour is None else colour for colour in colours])[place.ravel()])

    def _colour(self, resource: int, prop: int) -> NDArray[np.float64] | None:
        """Return the linear colour of a property; null for one that is no plain colour."""
        import lib3mf

        key = (resource, prop)
        if key not in self._colours:
            colour = None
            try:
                kind = self._model.GetPropertyTypeByID(resource).name
                if kind == "BaseMaterial":
                    colour = self._model.GetBaseMaterialGroupByID(resource).GetDisplayColor(prop)
                elif kind == "Colors":
                    colour = self._model.GetColorGroupByID(resource).GetColor(prop)
            except lib3mf.ELib3MFException:
                colour = None  # names a colour that is not there: the part is shown without
            self._colours[key] = None if colour is None else _linear(colour)
        return self._colours[key]


def _fetched(mesh: Any, what: str, count: int, row: Any) -> NDArray[Any]:
    """Return one of a mesh's arrays; straight into numpy, as lists of millions of objects take gigabytes."""
    import lib3mf

    kinds = {
        "vertices": lib3mf.Position,
        "triangleindices": lib3mf.Triangle,
        "alltriangleproperties": lib3mf.TriangleProperties,
    }
    array = np.zeros(count, row)
    buffer = (kinds[what] * count).from_buffer(array)
    _checked(mesh, f"meshobject_get{what}", ctypes.c_uint64(count), ctypes.c_uint64(0), buffer)
    return array


def _checked(thing: Any, function: str, *arguments: Any) -> None:
    """Call one of lib3mf's plain functions on an object; raise its exception if it fails."""
    wrapper = thing._wrapper  # noqa: SLF001 -- the plain functions are public, their place is not
    wrapper.checkError(thing, getattr(wrapper.lib, f"lib3mf_{function}")(thing._handle, *arguments))  # noqa: SLF001


def _matrix(transform: Any) -> NDArray[np.float64]:
    """Return a transform of 4 rows of 3, which multiplies rows from the right (3.3), as a 4x4 matrix of columns."""
    matrix = np.eye(4)
    matrix[:3, :] = np.array([list(row) for row in transform.Fields], np.float64).reshape(4, 3).T
    return matrix


def _linear(colour: Any) -> NDArray[np.float64]:
    """Return an sRGB colour of bytes as linear values (IEC 61966-2-1)."""
    c = np.array([colour.Red, colour.Green, colour.Blue]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004
