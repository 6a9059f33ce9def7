"""The labels' codes, their names per language, and the facets an instance may carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from workbench.domain.findings import Refused, refused
from workbench.domain.migration import Migration, successors, version_key


class Review(StrEnum):
    """How far a name in a language may be relied on."""

    SOURCE = "source"
    DRAFT = "draft"
    REVIEWED = "reviewed"


class Direction(StrEnum):
    """Which way a language is written."""

    LEFT_TO_RIGHT = "ltr"
    RIGHT_TO_LEFT = "rtl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A language that labels are shown in; ``review`` is the standing of its names unless one says its own."""

    code: str
    name: str
    direction: Direction = Direction.LEFT_TO_RIGHT
    review: Review = Review.DRAFT


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One label: a stable code and what it is called.

    Parameters
    ----------
    names
        From a language's ISO 639-1 code to the name.
    definition, is_not
        What it is, and what it is not though it may look so; English.
    confused_with
        Codes that labellers mistake it for.
    reviewed
        The languages in which its name has been reviewed by a speaker, with who and when in words.

    """

    code: str
    names: Mapping[str, str]
    definition: str = ""
    is_not: str = ""
    confused_with: tuple[str, ...] = ()
    reviewed: Mapping[str, str] = field(default_factory=dict)

    def name(self, language: str) -> str:
        """Return the name in a language, in English where there is none."""
        return self.names.get(language, self.names["en"])


class About(StrEnum):
    """What a facet is asked of."""

    OBJECT = "object"
    PHOTOGRAPH = "photograph"


#: Values of a question with several answers that say everything by themselves.
ALONE = ("none", "cannot_tell")

#: The question whose answer is that, and why, a photograph cannot be labelled at all; every project asks it.
REJECT = "cannot_be_labelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A question about an object or a whole photograph, and the values it may take; ``cannot_tell`` is among them.

    With ``many``, several values may be given at once.
    """

    code: str
    names: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]
    about: About = About.OBJECT
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """All categories and facets of one version, in the order that exports number them, and the languages they have."""

    version: str
    categories: tuple[Category, ...]
    facets: tuple[Facet, ...]
    languages: tuple[Language, ...] = ()
    migrations: tuple[Migration, ...] = ()

    def successors(self, code: str, version: str) -> tuple[str, ...]:
        """Return the codes that stand today for a code given under an older version; none if it was deprecated."""
        return successors(code, version, self.migrations)

    def language(self, code: str) -> Language:
        """Return a language by its code.

        Raises
        ------
        Refused
            ``labelling.unknown-language``.

        """
        for language in self.languages:
            if language.code == code:
                return language
        raise refused(
            "labelling.unknown-language",
            code,
            "is no language of the taxonomy.",
            f"Use one of {', '.join(sorted(each.code for each in self.languages))}, "
            "or add its names to label_configs/taxonomy.yaml.",
        )

    @property
    def codes(self) -> tuple[str, ...]:
        """The category codes, in order."""
        return tuple(category.code for category in self.categories)

    def category(self, code: str) -> Category:
        """Return the category of a code.

        Raises
        ------
        Refused
            With the code ``taxonomy.unknown-code``.

        """
        for category in self.categories:
            if category.code == code:
                return category
        raise refused(
            "taxonomy.unknown-code",
            code,
            f"is no category of taxonomy {self.version}.",
            "Use a code listed in label_configs/taxonomy.yaml, or add it there.",
        )

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Taxonomy:
        """Return the taxonomy that a parsed taxonomy.yaml describes.

        Raises
        ------
        Refused
            With the code ``taxonomy.invalid`` if a part is missing or a code stands twice.

        """
        try:
            categories = tuple(_category(code, entry) for code, entry in document["categories"].items())
            facets = tuple(_facet(code, entry) for code, entry in document["facets"].items())
            taxonomy = cls(
                version=str(document["version"]),
                categories=categories,
                facets=facets,
                languages=_languages(document.get("languages"), categories),
                migrations=tuple(Migration.from_mapping(step) for step in document.get("migrations") or ()),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _invalid(
                f"cannot be read as a taxonomy ({error!r}).",
                "Give it version, categories and facets as docs/ARCHITECTURE.md describes.",
            ) from error
        _require_sound(taxonomy)
        return taxonomy


def _category(code: str, entry: Mapping[str, Any]) -> Category:
    """Return a category; a name with a standing of its own is a mapping of text, review, by and on."""
    names, reviewed = {}, {}
    for language, name in entry["names"].items():
        names[language] = str(name["text"]) if isinstance(name, Mapping) else str(name)
        if isinstance(name, Mapping) and Review(name["review"]) is Review.REVIEWED:
            reviewed[language] = f"{name['by']}, {name['on']}"
    return Category(
        code=code,
        names=names,
        definition=str(entry.get("definition", "")),
        is_not=str(entry.get("is_not", "")),
        confused_with=tuple(entry.get("confused_with", ())),
        reviewed=reviewed,
    )


def _facet(code: str, entry: Mapping[str, Any]) -> Facet:
    return Facet(
        code=code,
        names=dict(entry["names"]),
        values={k: dict(v) for k, v in entry["values"].items()},
        about=About(entry.get("about", "object")),
        many=bool(entry.get("many", False)),
    )


def _languages(stated: Mapping[str, Any] | None, categories: Sequence[Category]) -> tuple[Language, ...]:
    """Return the languages stated; without any, those that categories have names in."""
    if stated is None:
        return tuple(
            Language(code=code, name=code) for code in dict.fromkeys(code for each in categories for code in each.names)
        )
    return tuple(
        Language(
            code=code,
            name=str(entry["name"]),
            direction=Direction(entry.get("direction", "ltr")),
            review=Review(entry.get("review", "draft")),
        )
        for code, entry in stated.items()
    )


def _require_sound(taxonomy: Taxonomy) -> None:
    """Refuse a taxonomy without English names, one that points to codes it lacks, or a language reviewed by nobody."""
    unnamed = [each.code for each in taxonomy.categories if "en" not in each.names]
    unnamed += [each.code for each in taxonomy.facets if "en" not in each.names]
    if unnamed:
        raise _invalid(
            f"has no English name for {', '.join(unnamed)}.", "Give every category and facet a name under `en`."
        )
    stray = [
        f"{each.code}: {other}"
        for each in taxonomy.categories
        for other in each.confused_with
        if other not in taxonomy.codes
    ]
    if stray:
        raise _invalid(f"says confused_with of codes it lacks ({', '.join(stray)}).", "Correct or remove them.")
    if problem := _migration_problem(taxonomy):
        raise _invalid(problem, "Correct the steps under `migrations`.")
    claimed = [each.code for each in taxonomy.languages if each.review is Review.REVIEWED]
    if claimed:
        raise _invalid(
            f"calls the whole of {', '.join(claimed)} reviewed.",
            "Call single names reviewed, with by and on: a review has a person and a date.",
        )
    open_ended = [each.code for each in taxonomy.facets if "cannot_tell" not in each.values]
    if open_ended:
        raise _invalid(f"has no cannot_tell in {', '.join(open_ended)}.", "Add it: nobody is made to guess.")


def _migration_problem(taxonomy: Taxonomy) -> str | None:
    """Say what is wrong with the migrations: steps out of order, or a code that leads to none of the taxonomy."""
    versions = [version_key(step.to) for step in taxonomy.migrations]
    if versions != sorted(set(versions)) or (versions and versions[-1] > version_key(taxonomy.version)):
        return "has migration steps that are not in the order of their versions, or are of a version to come"
    for step in taxonomy.migrations:
        for old in step.successors:
            if old in taxonomy.codes:
                return f"moves {old} in step {step.to} and still has it as a category"
            for code in successors(
                old, "0", [each for each in taxonomy.migrations if version_key(each.to) >= version_key(step.to)]
            ):
                if code not in taxonomy.codes:
                    return f"moves {old} in step {step.to} to {code}, which it does not have"
    return None


def _invalid(message: str, remedy: str) -> Refused:
    return refused("taxonomy.invalid", "label_configs/taxonomy.yaml", message, remedy)
