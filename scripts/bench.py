"""Run every benchmark, or those named, print one table of ratios, and record it in docs/benchmarks.md."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import record

if __name__ == "__main__":
    raise SystemExit(record.main())
