"""What commands of synthesis need to render: the catalogue's parts, the plan, and the real renderer put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from workbench.cli.wiring import Workspace
from workbench.domain.findings import bad_usage
from workbench.ports import Mesh
from workbench.synthesis.catalogue import CataloguePart
from workbench.synthesis.scene import RestingPart
from workbench.synthesis.studio import PlannedRender, Studio

#: Under this contribution custody sealed geometry before each file had one of its own.
FORMER_CONTRIBUTION = "catalogue"


def resting_parts_of(workspace: Workspace) -> list[RestingPart]:
    """Return the catalogue's parts with the poses they rest in, or refuse parameters and codes that cannot be used."""
    from workbench.adapters.cad import resting_poses
    from workbench.synthesis.catalogue import builtin_index, index_path, read_index, resting_parts
    from workbench.synthesis.stage import check_params

    check_params(workspace.section("synthesis"))
    index = read_index(workspace.layout) if index_path(workspace.layout).is_file() else builtin_index()
    for row in index:
        workspace.taxonomy.category(row.category)
    return resting_parts(index, resting_poses=resting_poses, read_sealed=partial(sealed_mesh, workspace))


def resting_part_of(workspace: Workspace, row: CataloguePart) -> RestingPart:
    """Return one part of the catalogue with the poses it rests in."""
    from workbench.adapters.cad import resting_poses
    from workbench.synthesis.catalogue import resting_parts

    (part,) = resting_parts([row], resting_poses=resting_poses, read_sealed=partial(sealed_mesh, workspace))
    return part


def sealed_mesh(workspace: Workspace, row: CataloguePart) -> Mesh:
    """Return the mesh that custody holds sealed for a part."""
    from workbench.adapters.cad import mesh_from_bytes
    from workbench.custody.object_store import SealedStore

    store = SealedStore(workspace.layout.custody)
    return mesh_from_bytes(store.read(row.contribution_id or FORMER_CONTRIBUTION, row.sha256))


def planned_renders(
    workspace: Workspace,
    parts: Sequence[RestingPart] | None = None,
    *,
    params: Mapping[str, Any] | None = None,
) -> list[PlannedRender]:
    """Return the images that params.yaml asks for, or other parameters."""
    from workbench.adapters.mujoco import drop
    from workbench.synthesis.stage import plan_renders

    params = params or workspace.section("synthesis")
    return plan_renders(
        params,
        parts or resting_parts_of(workspace),
        engine=_renderer(params).engine,
        drop=drop,
        environments=environments_of(workspace, params),
    )


def with_recipe(params: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    """Return the section ``synthesis`` with one of its recipes picked; as it is without a name.

    Raises
    ------
    BadUsage
        ``usage.bad-argument`` if no recipe has the name.

    """
    known = params.get("recipes") or {}
    if name is None:
        return params
    if name not in known:
        remedy = f"Use one of {', '.join(sorted(known))}." if known else "Write it into params.yaml synthesis.recipes."
        raise bad_usage("usage.bad-argument", f"--recipe {name}", "is no recipe of params.yaml.", remedy)
    return {**params, "recipe": name}


def environments_of(workspace: Workspace, params: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files of the folder that ``synthesis.environments`` names, relative to the workspace."""
    from workbench.synthesis.rooms import environment_files

    named = params.get("environments")
    return environment_files(workspace.layout.root / named if named else None)


def studio_of(
    workspace: Workspace,
    parts: Sequence[RestingPart],
    *,
    params: Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> Studio:
    """Return the studio with the real renderer and encoders."""
    from workbench import __version__
    from workbench.adapters.environment import code_digest
    from workbench.adapters.masks import encode_mask
    from workbench.adapters.mitsuba import cpu_class
    from workbench.adapters.render_files import encode_jpeg
    from workbench.synthesis.stage import studio_for

    params = params or workspace.section("synthesis")
    return studio_for(
        workspace.layout,
        params,
        parts,
        renderer=_renderer(params, threads=threads),
        encode_mask=encode_mask,
        encode_jpeg=encode_jpeg,
        machine={"workbench": __version__, "code_sha256": code_digest(), "cpu_class": cpu_class()},
        environments=environments_of(workspace, params),
    )


def _renderer(params: Mapping[str, Any], *, threads: int | None = None) -> Any:
    from workbench.adapters.mitsuba import MitsubaRenderer

    return MitsubaRenderer(samples_per_pixel=params["samples_per_pixel"], threads=threads)
