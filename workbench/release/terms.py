"""Whether a contribution's usage terms permit a release: its purpose, how far it is shared, embargo and retention.

The day on which the terms are read is a parameter (``release.as_of``), never the clock, so that a release can be
built again with the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from workbench.domain.delivery import OnwardSharing, UsageTerms
from workbench.domain.findings import Finding, refused
from workbench.layout import Layout

#: From the narrowest to the widest circle.
_WIDTHS = tuple(OnwardSharing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a release is for, how far it will be shared, and on which day the terms are read (null: no day was named)."""

    purpose: str
    sharing: OnwardSharing = OnwardSharing.PROJECT
    as_of: date | None = None

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Intent:
        """Return the intent that the section ``release`` of params.yaml states.

        Raises
        ------
        Refused
            ``workspace.params-invalid``.

        """
        sharing = params.get("sharing", OnwardSharing.PROJECT.value)
        if sharing not in set(OnwardSharing):
            raise _bad("sharing", sharing, f"one of {', '.join(OnwardSharing)}")
        as_of = params.get("as_of")
        try:
            day = None if as_of is None else date.fromisoformat(str(as_of))
        except ValueError:
            raise _bad("as_of", as_of, "an ISO 8601 date, as 2026-04-30, or null") from None
        return cls(purpose=str(params.get("purpose", "")), sharing=OnwardSharing(sharing), as_of=day)


def _bad(key: str, value: object, wanted: str) -> Exception:
    return refused("workspace.params-invalid", f"params.yaml release.{key}", f"is {value!r}.", f"Use {wanted}.")


def read_terms(layout: Layout) -> dict[str, UsageTerms]:
    """Return the usage terms of each contribution received, by contribution_id.

    Raises
    ------
    Refused
        ``release.terms-unreadable`` if a contribution's record cannot be read or states terms of another kind.

    """
    return {path.parent.name: _terms_in(path) for path in sorted(layout.deliveries.glob("*/contribution.json"))}


def _terms_in(path: Path) -> UsageTerms:
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        terms = UsageTerms.from_json(stated.get("terms") or {})
        for day in (terms.embargo_until, terms.retention_until):
            if day is not None:
                date.fromisoformat(day)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise refused(
            "release.terms-unreadable",
            path,
            f"states no usage terms that can be read ({error}).",
            "Restore it with `dvc checkout`, or correct the terms with `workbench partner`.",
        ) from error
    return terms


def why_not(terms: UsageTerms, intent: Intent) -> str | None:
    """Return why the terms do not permit a release, in the words that summaries count by; null if they do.

    A term with a day in it is not permitted while the intent names no day.

    Examples
    --------
    >>> research = Intent(purpose="research", as_of=date(2026, 4, 30))
    >>> why_not(UsageTerms(permitted_purposes=("training",)), research)
    'purpose not permitted'
    >>> why_not(UsageTerms(embargo_until="2026-05-01"), research)
    'under embargo'
    >>> why_not(UsageTerms(embargo_until="2026-04-30", retention_until="2026-04-30"), research) is None
    True

    """
    if terms.permitted_purposes and intent.purpose not in terms.permitted_purposes:
        return "purpose not permitted"
    if _WIDTHS.index(terms.onward_sharing) < _WIDTHS.index(intent.sharing):
        return "sharing not permitted"
    if intent.as_of is None:
        return "terms need a day" if terms.embargo_until or terms.retention_until else None
    if terms.embargo_until and intent.as_of < date.fromisoformat(terms.embargo_until):
        return "under embargo"
    if terms.retention_until and intent.as_of > date.fromisoformat(terms.retention_until):
        return "retention ended"
    return None


def require_day(terms: Mapping[str, UsageTerms], intent: Intent, concerned: Iterable[str | None]) -> None:
    """Refuse a release that names no day although terms of the contributions concerned depend on one.

    Raises
    ------
    Refused
        ``release.as-of-missing``.

    """
    if intent.as_of is not None:
        return
    known = {name for name in concerned if name is not None} & terms.keys()
    dated = sorted(name for name in known if terms[name].embargo_until or terms[name].retention_until)
    if dated:
        raise refused(
            "release.as-of-missing",
            f"contribution {dated[0]}",
            "has an embargo or a retention date, and params.yaml does not say as of which day to read it.",
            "Set release.as_of to the day of the release, as 2026-04-30.",
        )


def day_problems(
    terms: Mapping[str, UsageTerms], intent: Intent, released: Iterable[str], *, today: date
) -> Iterator[Finding]:
    """Yield what is wrong with signing a release today whose terms were read as of another day.

    Parameters
    ----------
    released
        The contributions that the assembled data holds images of.

    """
    if intent.as_of is not None and intent.as_of > today:
        yield Finding(
            code="release.as-of-future",
            subject="params.yaml release.as_of",
            message=f"is {intent.as_of}, which has not come yet: an embargo could be passed over so.",
            remedy=f"Set it to {today} or earlier.",
        )
        return
    now = Intent(purpose=intent.purpose, sharing=intent.sharing, as_of=today)
    for contribution in sorted(set(released)):
        reason = why_not(terms[contribution], now) if contribution in terms else None
        if reason:
            yield Finding(
                code="release.as-of-stale",
                subject=f"contribution {contribution}",
                message=f"may no longer be released today ({reason}), but was assembled as of {intent.as_of}.",
                remedy=f"Set release.as_of in params.yaml to {today}, then build again.",
            )
