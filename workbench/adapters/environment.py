"""What shapes a release's bytes beside its inputs: this program's code, the engines' versions, the class of processor."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from workbench.domain.lineage import canonical_json, sha256_hex

#: Distributions whose version can change pixels, labels or tables.
ENGINES = (
    "albumentations", "jinja2", "karellen-llvm-core", "matplotlib", "mitsuba", "numpy", "opencv-python-headless", "pandas",
    "pyarrow", "pycocotools", "pyoidn", "scipy", "shapely", "trimesh",
)  # fmt: skip

#: Instruction sets of each class of x86-64 processor, the newest first (System V psABI, x86-64, 3.1.1).
_CLASSES = (
    ("x86-64-v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
    ("x86-64-v3", {"avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}),
    ("x86-64-v2", {"sse4_1", "sse4_2", "ssse3", "popcnt"}),
)


def environment() -> dict[str, Any]:
    """Return the digest of the code, the class of processor, Python's version and those of the engines installed."""
    return {
        "code_sha256": code_digest(),
        "cpu_class": cpu_class(),
        "python": platform.python_version(),
        "engines": {name: version for name in ENGINES if (version := _version(name))},
    }


def code_digest() -> str:
    """Return one SHA-256 for the workbench's own source files and templates."""
    package = Path(__file__).resolve().parents[1]
    files = (path for pattern in ("*.py", "*.html", "*.md", "*.csv") for path in package.rglob(pattern))
    listed = {path.relative_to(package).as_posix(): sha256_hex(path.read_bytes()) for path in files}
    return sha256_hex(canonical_json(listed).encode())


def cpu_class() -> str:
    """Return the class of this processor, as ``x86-64-v3``; the bare architecture where it has no classes."""
    machine = platform.machine()
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return machine
    flags = next((set(line.split()) for line in text.splitlines() if line.startswith("flags")), set())
    return next((name for name, needed in _CLASSES if needed <= flags), machine)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
