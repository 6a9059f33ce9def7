"""Commands of synthesis."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:  # noqa: ARG001 -- replaced when the commands arrive
    """Add the commands of this module."""
