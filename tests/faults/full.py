"""Every fault harness at the size of its acceptance figure; what was measured goes into docs/reliability.md.

``--quick`` runs the small form, as `make test` does, and records nothing. Other words are given to pytest: ``-k kills``.
Lines of harnesses that were not run, or did not pass, stay as they were recorded before.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "reliability.md"
RESULTS = HERE / "results.json"
_REGION = re.compile(r"(<!-- results: written by `make faults` -->\n).*?(<!-- results: end -->)", re.DOTALL)


def main() -> int:
    """Run the harnesses; return pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the small form; records nothing")
    parser.add_argument("--table", type=Path, help="record the lines of this file, of a run elsewhere, and run nothing")
    asked, words = parser.parse_known_args()
    if asked.table:
        record(asked.table)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.jsonl"
        table.touch()
        environment = os.environ | {"WORKBENCH_FAULTS_TABLE": str(table)}
        if not asked.quick:
            environment["WORKBENCH_FAULTS"] = "full"
        line = [sys.executable, "-m", "pytest", str(HERE), "-m", "", "-q", "--timeout", "7200", *words]
        code = subprocess.run(line, env=environment, check=False).returncode
        for entry in _lines(table):
            sys.stdout.write(f"{entry['figure']:>3}  {entry['harness']}: {entry['measured']}\n")
        if not asked.quick:
            record(table)
    return code


def _lines(table: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]


def record(table: Path) -> None:
    """Put measured lines in the place of earlier ones of the same tests, and write the page's table anew."""
    known: dict[str, list[dict[str, Any]]] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    fresh: dict[str, list[dict[str, Any]]] = {}
    machine = f"{len(os.sched_getaffinity(0))} processors ({_processor()}), Python {platform.python_version()}"
    for entry in _lines(table):
        told = {key: entry[key] for key in ("figure", "harness", "measured")}
        day = dt.datetime.now(dt.UTC).date().isoformat()
        fresh.setdefault(entry["test"], []).append(told | {"day": day, "machine": machine})
    results = known | fresh
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    entries = sorted((entry for lines in results.values() for entry in lines), key=lambda entry: entry["figure"])
    rows = [
        "| figure | harness | measured | when | where |",
        "| --- | --- | --- | --- | --- |",
        *(f"| {e['figure']} | {e['harness']} | {e['measured']} | {e['day']} | {e['machine']} |" for e in entries),
    ]
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_REGION.sub(lambda found: found[1] + "\n".join(rows) + "\n" + found[2], page), encoding="utf-8")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split()[:3])
    return platform.machine()


if __name__ == "__main__":
    raise SystemExit(main())
