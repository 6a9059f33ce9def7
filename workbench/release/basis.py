"""What a release is decided from: the stages' tables, the parameters and the contributions' terms."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.domain.findings import refused
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.release.contents import SETTLED, TRANSCRIPTIONS, Contents, select_contents
from workbench.release.gate import Rules
from workbench.release.terms import Intent, read_terms, require_day, why_not
from workbench.tables import IMAGES, INSTANCES, LABELLED, POSES, read_all_rows, read_designs, read_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What goes into a release, and the rules it is held to."""

    contents: Contents
    rules: Rules


def read_basis(layout: Layout, params: Mapping[str, Any], taxonomy: Taxonomy) -> Basis:
    """Return what the stages' tables give a release; what terms and labels do not permit is left out and counted.

    Raises
    ------
    Refused
        ``workspace.input-missing``, ``workspace.params-invalid``, ``release.terms-unreadable``,
        ``release.as-of-missing``.

    """
    transcriptions = _one_of(params, "transcriptions", "masked", TRANSCRIPTIONS)
    accepted = _accepted(params.get("accept_labels"))
    intent, terms = Intent.from_params(params), read_terms(layout)
    derived, instances = [], read_rows(layout.adjudication / "instances.parquet", INSTANCES)
    for folder in (layout.synthesis, layout.augmentation, layout.composition):
        if (folder / "images.parquet").is_file():  # a pipeline without renders has no such folder
            derived += read_rows(folder / "images.parquet", IMAGES)
            instances += read_rows(folder / "instances.parquet", INSTANCES)
    photographs = read_rows(layout.curation / "images.parquet", IMAGES)
    require_day(terms, intent, (row["contribution_id"] for row in photographs))
    statuses = {row["image_id"]: row["status"] for row in read_rows(layout.adjudication / "labelled.parquet", LABELLED)}
    contents = select_contents(
        photographs,
        derived,
        instances,
        statuses,
        transcriptions=transcriptions,
        accepted=accepted,
        held_back=renders_of_tested_designs(layout, photographs),
        forbidden={name: reason for name, stated in terms.items() if (reason := why_not(stated, intent))},
    )
    rules = Rules(taxonomy=taxonomy, statuses=statuses, accepted=accepted, terms=terms, intent=intent)
    return Basis(contents=contents, rules=rules)


def renders_of_tested_designs(layout: Layout, photographs: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the renders of designs whose stand-ins were photographed for val or test: training on them would leak.

    A stand-in names its design in the partner's table (``replica_of``), a render the part in the catalogue and its hash.
    """
    designs = read_designs(sorted(layout.deliveries.glob("*")))
    tested = {
        designs.get((row["seizure_id"], row["item_id"])) for row in photographs if row["split"] in {"val", "test"}
    } - {None}  # most photographs are of no stand-in
    paths = [folder / "poses.parquet" for folder in (layout.synthesis, layout.composition)]
    if not tested:
        return frozenset()
    rows = read_all_rows([path for path in paths if path.is_file()], POSES, ["image_id", "part_id", "mesh_sha256"])
    return frozenset(row["image_id"] for row in rows if not tested.isdisjoint((row["part_id"], row["mesh_sha256"])))


def _one_of(params: Mapping[str, Any], key: str, default: str, allowed: Collection[str]) -> str:
    value = params.get(key, default)
    if value not in allowed:
        raise refused(
            "workspace.params-invalid",
            f"params.yaml release.{key}",
            f"is {value!r}.",
            f"Use one of {', '.join(allowed)}.",
        )
    return str(value)


def _accepted(stated: object) -> frozenset[str]:
    if stated is None:
        return SETTLED
    if not isinstance(stated, list) or not stated or not set(map(str, stated)) <= SETTLED:
        raise refused(
            "workspace.params-invalid",
            "params.yaml release.accept_labels",
            f"is {stated!r}.",
            f"Give a list of {', '.join(sorted(SETTLED))}.",
        )
    return frozenset(map(str, stated))
