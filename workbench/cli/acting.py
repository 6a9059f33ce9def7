"""Who acts, and the option every writing command has."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]


def actor() -> str:
    """Return who acts: the user name the system knows, or ``unknown``."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
