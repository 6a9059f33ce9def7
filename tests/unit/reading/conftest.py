"""The drawn release and bundle of the release tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_path = Path(__file__).resolve().parents[1] / "release" / "conftest.py"
_spec = importlib.util.spec_from_file_location("drawn_reading", _path)
assert _spec is not None
assert _spec.loader is not None
_drawn = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_drawn)

assembled, bundle, taxonomy = _drawn.assembled, _drawn.bundle, _drawn.taxonomy
