"""Reading a terms file, and what `partner` and `receive` do with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from workbench.domain.findings import bad_usage, refused
from workbench.domain.terms import StatedTerms, read_stated

#: A terms file is a page; what comes after is not read, and is no YAML any more.
_MOST_CHARACTERS = 100_000

TermsOption = Annotated[
    Path | None, typer.Option("--terms", help="YAML or JSON file of usage terms; the template is in guide-partners.")
]


def read_terms(path: Path | None) -> StatedTerms:
    """Return what a terms file states; nothing stated if none is named.

    Raises
    ------
    BadUsage
        ``usage.bad-argument`` if it is no file.
    Refused
        ``custody.terms-invalid``, everything that is wrong with it at once.

    """
    if path is None:
        return StatedTerms(stated={})
    if not path.is_file():
        raise bad_usage("usage.bad-argument", path, "is no file.", "Name the YAML or JSON file of the usage terms.")
    try:
        with path.open(encoding="utf-8-sig") as file:
            document: Any = yaml.safe_load(file.read(_MOST_CHARACTERS))
    except (yaml.YAMLError, ValueError) as error:
        said = " ".join(str(error).split())
        raise refused(
            "custody.terms-invalid", path, f"cannot be read as YAML or JSON ({said}).", "Correct the line named."
        ) from error
    return read_stated(document, source=path.name)
