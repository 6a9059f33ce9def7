"""Class maps: what the words of a model or of existing labels mean, as codes of the taxonomy, from a YAML file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from workbench.domain.findings import Finding, refused
from workbench.domain.taxonomy import Taxonomy


def read_class_map(path: Path) -> dict[str, str]:
    """Return the words and their codes from a YAML file of ``word: code`` lines.

    Raises
    ------
    Refused
        ``labelling.import-unreadable`` if it is no such file.

    """
    return {word: str(code) for word, code in _read(path, str).items()}


def read_partial_class_map(path: Path) -> dict[str, str | None]:
    """Return a class map in which ``word: null`` leaves a word out.

    Raises
    ------
    Refused
        ``labelling.import-unreadable`` if it is no such file.

    """
    return _read(path, str | None)


def unknown_codes(codes: Iterable[str], taxonomy: Taxonomy) -> list[Finding]:
    """Return a finding for each code of a class map that the taxonomy lacks."""
    return [
        Finding(
            code="labelling.unknown-code",
            subject=code,
            message=f"stands in the class map, but taxonomy {taxonomy.version} does not have it.",
            remedy="Use a code of label_configs/taxonomy.yaml.",
        )
        for code in sorted(set(codes) - set(taxonomy.codes))
    ]


def _read(path: Path, kind: Any) -> dict[str, str | None]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise refused(
            "labelling.import-unreadable", path, f"cannot be read ({error}).", "Give a YAML file of `word: code` lines."
        ) from error
    if not isinstance(document, dict) or not all(isinstance(code, kind) for code in document.values()):
        raise refused(
            "labelling.import-unreadable", path, "is no map of words to codes.", "Write one `word: code` line a word."
        )
    return {str(word): code for word, code in document.items()}
