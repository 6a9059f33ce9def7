"""Usage terms as a partner states them: checked all at once, narrowed for one contribution, known by a digest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from workbench.domain.delivery import OnwardSharing, UsageTerms
from workbench.domain.findings import Finding, Refused
from workbench.domain.lineage import canonical_json, sha256_hex

#: How far each word of `OnwardSharing` reaches, the narrowest first.
_REACH = (OnwardSharing.NONE, OnwardSharing.PROJECT, OnwardSharing.NAMED, OnwardSharing.PUBLIC)

_DATES = ("embargo_until", "retention_until")
_TEXTS = ("legal_basis", "controller", "agreement_ref", "licence")
_KNOWN = ("permitted_purposes", "onward_sharing", "personal_data_declared", *_DATES, *_TEXTS)
_PURPOSE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_MOST_TEXT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedTerms:
    """What a terms file says: only the keys it names, and the licence if it names one."""

    stated: Mapping[str, Any]
    licence: str | None = None

    def over(self, terms: UsageTerms) -> UsageTerms:
        """Return terms with what is stated in place of what they said."""
        return replace(terms, **self.stated)


def read_stated(document: object, *, source: str) -> StatedTerms:
    """Return what a parsed terms file states.

    Parameters
    ----------
    document
        The file's YAML or JSON, parsed without interpreting dates by the caller's leave: a `datetime.date` is taken.
    source
        The file's name, for findings.

    Raises
    ------
    Refused
        ``custody.terms-invalid``, one finding a problem, all of them at once.

    """
    if document is None:
        document = {}
    if not isinstance(document, Mapping):
        raise Refused(_invalid(source, "is no list of keys with values.", "Write it as the template in the guide."))
    found: dict[str, Any] = {str(key): _plain(value) for key, value in document.items()}
    problems = [_invalid(f"{source}: {key}", message, remedy) for key, message, remedy in _problems(found)]
    if problems:
        raise Refused(*problems)
    licence = found.pop("licence", None)
    stated = {key: value for key, value in found.items() if value is not None or key in (*_DATES, *_TEXTS)}
    if "permitted_purposes" in stated:
        stated["permitted_purposes"] = tuple(sorted(set(stated["permitted_purposes"])))
    if "onward_sharing" in stated:
        stated["onward_sharing"] = OnwardSharing(stated["onward_sharing"])
    return StatedTerms(stated=stated, licence=licence)


def _plain(value: object) -> object:
    """Return a value as JSON would hold it: YAML reads a bare date as a date."""
    return value.isoformat() if isinstance(value, date) else value


def _problems(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (key, message, remedy) of everything that cannot be used."""
    for key in sorted(set(found) - set(_KNOWN)):
        yield key, "is no term that the workbench knows.", f"Use {', '.join(sorted(_KNOWN))}."
    yield from _purpose_problems(found.get("permitted_purposes"))
    sharing = found.get("onward_sharing")
    words = [word.value for word in _REACH]
    if sharing is not None and sharing not in words:
        yield "onward_sharing", f"is {sharing!r}.", f"Use one of {', '.join(words)}."
    declared = found.get("personal_data_declared")
    if declared is not None and not isinstance(declared, bool):
        yield "personal_data_declared", f"is {declared!r}.", "Write true or false."
    for key in _TEXTS:
        text = found.get(key)
        if text is not None and (not isinstance(text, str) or not text.strip() or len(text) > _MOST_TEXT):
            yield (
                key,
                "is no text of reasonable length.",
                f"Write one to {_MOST_TEXT} characters, or leave the key out.",
            )
    bad = [key for key in _DATES if found.get(key) is not None and not _is_date(found[key])]
    for key in bad:
        yield key, f"is {found[key]!r}, which is no day of the calendar.", "Write it as 2027-03-31."
    embargo, retention = (found.get(key) for key in _DATES)
    if not bad and embargo and retention and retention < embargo:
        yield "retention_until", "ends before the embargo does.", "Correct one of the two dates."


def _purpose_problems(purposes: object) -> Iterator[tuple[str, str, str]]:
    if purposes is None:
        return
    if not isinstance(purposes, list):
        yield "permitted_purposes", "is no list.", "Write it as [research, training]."
        return
    for purpose in purposes:
        if not isinstance(purpose, str) or not _PURPOSE.fullmatch(purpose):
            remedy = "Use lower-case letters, digits, hyphens and underscores, as in params.yaml release.purpose."
            yield "permitted_purposes", f"holds {purpose!r}.", remedy


def _is_date(text: object) -> bool:
    try:
        return isinstance(text, str) and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def narrowed(base: UsageTerms, stated: StatedTerms, *, licence: str, source: str) -> UsageTerms:
    """Return a partner's terms narrowed by what is stated for one contribution.

    A contribution may be given under narrower terms than its partner agreed to, never under wider ones: those are
    for the partner to agree to first. Licences cannot be compared, so another licence counts as wider.

    Raises
    ------
    Refused
        ``custody.terms-wider``, one finding a term, all of them at once.

    """
    wanted = stated.over(base)
    wider = []
    if base.permitted_purposes and not (
        wanted.permitted_purposes and set(wanted.permitted_purposes) <= set(base.permitted_purposes)
    ):
        wider.append("permitted_purposes")
    if _REACH.index(wanted.onward_sharing) > _REACH.index(base.onward_sharing):
        wider.append("onward_sharing")
    if base.embargo_until and (wanted.embargo_until or "") < base.embargo_until:
        wider.append("embargo_until")
    if base.retention_until and (wanted.retention_until or "9999") > base.retention_until:
        wider.append("retention_until")
    if base.personal_data_declared and not wanted.personal_data_declared:
        wider.append("personal_data_declared")
    if stated.licence not in (None, licence):
        wider.append("licence")
    if wider:
        remedy = "Leave it out, or first record what the partner agreed to with `workbench partner terms`."
        message = "is wider than the partner's own terms, or cannot be compared with them."
        raise Refused(
            *(
                Finding(code="custody.terms-wider", subject=f"{source}: {key}", message=message, remedy=remedy)
                for key in wider
            )
        )
    return wanted


def terms_digest(licence: str, terms: UsageTerms) -> str:
    """Return the SHA-256 of a licence with its terms, as canonical JSON: what the ledger keeps of them."""
    return sha256_hex(canonical_json({"licence": licence, "terms": terms.to_json()}).encode())


def terms_line(terms: UsageTerms) -> str:
    """Return terms as one line for people; what restricts nothing is left out.

    Examples
    --------
    >>> terms_line(UsageTerms(permitted_purposes=("research",), embargo_until="2027-01-01"))
    'for research; sharing: project; embargo until 2027-01-01'

    """
    parts = [f"for {', '.join(terms.permitted_purposes)}" if terms.permitted_purposes else "for any purpose"]
    parts.append(f"sharing: {terms.onward_sharing.value}")
    told = {
        "embargo until": terms.embargo_until,
        "kept until": terms.retention_until,
        "legal basis:": terms.legal_basis,
        "controller:": terms.controller,
        "agreement:": terms.agreement_ref,
        "personal data": "declared" if terms.personal_data_declared else None,
    }
    return "; ".join([*parts, *(f"{name} {value}" for name, value in told.items() if value)])


def _invalid(subject: str, message: str, remedy: str) -> Finding:
    return Finding(code="custody.terms-invalid", subject=subject, message=message, remedy=remedy)
