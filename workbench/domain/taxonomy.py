"""The labels' codes, their names per language, and the facets an instance may carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.domain.findings import refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One label: a stable code and what it is called (``names`` maps an ISO 639-1 code to a name)."""

    code: str
    names: Mapping[str, str]
    definition: str = ""

    def name(self, language: str) -> str:
        """Return the name in a language, in English where there is none."""
        return self.names.get(language, self.names["en"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """An attribute of an instance and the values it may take; ``cannot_tell`` is always among them."""

    code: str
    names: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """All categories and facets of one version, in the order that exports number them."""

    version: str
    categories: tuple[Category, ...]
    facets: tuple[Facet, ...]

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
            categories = tuple(
                Category(code=code, names=dict(entry["names"]), definition=entry.get("definition", ""))
                for code, entry in document["categories"].items()
            )
            facets = tuple(
                Facet(code=code, names=dict(entry["names"]), values={k: dict(v) for k, v in entry["values"].items()})
                for code, entry in document["facets"].items()
            )
            taxonomy = cls(version=str(document["version"]), categories=categories, facets=facets)
            missing = [c.code for c in categories if "en" not in c.names]
            missing += [f.code for f in facets if "en" not in f.names]
        except (KeyError, TypeError, AttributeError) as error:
            raise refused(
                "taxonomy.invalid",
                "label_configs/taxonomy.yaml",
                f"cannot be read as a taxonomy ({error!r}).",
                "Give it version, categories and facets as docs/ARCHITECTURE.md describes.",
            ) from error
        if missing:
            raise refused(
                "taxonomy.invalid",
                "label_configs/taxonomy.yaml",
                f"has no English name for {', '.join(missing)}.",
                "Give every category and facet a name under `en`.",
            )
        return taxonomy
