"""The Workbench: from a partner's delivery of photographs to a verified dataset release.

The folders below are the flow of one photograph; ``docs/ARCHITECTURE.md`` is the map. Programs read a release with
``workbench.open_release("v3")``; importing this package costs nothing until they do.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.reading import OpenRelease, Sample, Samples, load_recipe, open_release

__version__ = "0.1.0"
__all__ = ["OpenRelease", "Sample", "Samples", "__version__", "load_recipe", "open_release"]


def __getattr__(name: str) -> Any:
    """Return one of the public names; what reads releases is imported when it is first asked for."""
    if name in __all__:
        return getattr(importlib.import_module("workbench.reading"), name)
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")
