"""The parameters of curation: checked before anything is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.curation.splits import check_shares
from workbench.domain.dataset import SPLITS, Split
from workbench.domain.findings import Refused, refused
from workbench.domain.lineage import require_activity

#: Name and version of this activity: raise the number whenever equal input may give other tables.
ACTIVITY = "curation/4"

#: Length of a perceptual hash.
_HASH_BITS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """Whose photographs are held out, and the split that they go to with their groups."""

    partners: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    split: Split = Split.TEST

    def held_out(self, row: Mapping[str, Any], country_of: Mapping[str, str]) -> bool:
        """Say whether an image (a row of `tables.IMAGES`) is of a partner or, by its seizure, of a country held out."""
        return row["partner_id"] in self.partners or country_of.get(row["seizure_id"] or "") in self.countries


def check_params(params: Mapping[str, Any]) -> Holdout:
    """Refuse parameters that cannot be used; return what is held out.

    Raises
    ------
    Refused
        ``workspace.activity-version`` or ``workspace.params-invalid``.

    """
    require_activity(params, ACTIVITY, section="curation")
    check_shares(params.get("splits"))
    bits, points, salt = (params.get(name) for name in ("near_duplicate_bits", "overlap_points", "split_salt"))
    if isinstance(bits, bool) or not isinstance(bits, int) or not 0 <= bits < _HASH_BITS:
        raise _bad_param("near_duplicate_bits", bits, f"Set it to a whole number from 0 to {_HASH_BITS - 1}.")
    if isinstance(points, bool) or not isinstance(points, int) or points < 4:  # noqa: PLR2004 -- unknowns of the fit
        raise _bad_param("overlap_points", points, "Set it to a whole number from 4 on.")
    if not isinstance(salt, str):
        raise _bad_param("split_salt", salt, "Set it to a text, and never change it after the first release.")
    if not isinstance(params.get("stratify"), bool):
        raise _bad_param("stratify", params.get("stratify"), "Set it to true or false.")
    return _holdout(params.get("holdout"))


def _holdout(stated: object) -> Holdout:
    names = {"partners", "countries", "split"}
    if isinstance(stated, Mapping) and set(stated) <= names:
        lists = [stated.get("partners", []), stated.get("countries", [])]
        texts = all(isinstance(held, list) and all(isinstance(name, str) for name in held) for held in lists)
        if texts and stated.get("split", "test") in {split.value for split in SPLITS}:
            partners, countries = (frozenset(held) for held in lists)
            return Holdout(partners=partners, countries=countries, split=Split(stated.get("split", "test")))
    raise _bad_param("holdout", stated, "Give lists of partners and countries, and a split: train, val or test.")


def _bad_param(name: str, value: object, remedy: str) -> Refused:
    return refused("workspace.params-invalid", f"params.yaml curation.{name}", f"is {value!r}.", remedy)
