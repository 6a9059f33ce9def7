"""Benchmarks one after another, each in its own process; the newest answer of each makes the table in docs/benchmarks.md."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
#: The newest answer of each benchmark at its own size, by its name.
RESULTS = HERE / "results.json"
#: In the order of the flow.
BENCHMARKS = (
    "reception",
    "ledger",
    "intake",
    "repeat_intake",
    "labelling_push",
    "labelling_pull",
    "agreement",
    "predicting",
    "duplicates",
    "curation_app",
    "render",
    "render_processes",
    "cycles",
    "augmentation",
    "composition",
    "release",
    "build_repeat",
    "release_repeat",
    "release_export",
    "release_diff",
    "reading",
    "repeat",
)


def main() -> int:
    """Run the benchmarks asked for; return 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="which (default all)")
    parser.add_argument("--items", type=int, help="another size than each benchmark's own; then nothing is recorded")
    parser.add_argument("--turns", type=int, help="another number of turns; then nothing is recorded")
    asked = parser.parse_args()
    names = asked.names or BENCHMARKS
    options = [part for key in ("items", "turns") if (n := getattr(asked, key)) for part in (f"--{key}", str(n))]
    known: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    answers, failed = [], []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        line = [sys.executable, str(HERE / f"{name}.py"), "--json", *options]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            failed.append(name)
            print(done.stderr[-2000:], file=sys.stderr)
        else:
            answer = json.loads(done.stdout.splitlines()[-1])
            answers.append(answer)
            known[name] = {**answer, "day": dt.datetime.now(tz=dt.UTC).date().isoformat(), "machine": machine()}
            if not options:  # at once: the next one may take long, and may be interrupted
                RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
                PAGE.write_text(page(known), encoding="utf-8")
    print(table(answers))
    if failed:
        print(f"failed, and not recorded: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def table(answers: list[dict[str, Any]]) -> str:
    """Return the answers as a Markdown table."""
    lines = [
        "| benchmark | against | size | work | floor | ratio | ratio of CPU time |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for a in answers:
        cpu = f"{a['work_cpu_s'] / a['floor_cpu_s']:.2f}" if a["floor_cpu_s"] else "not known"
        seconds = f"{a['work_s']:.2f} s | {a['floor_s']:.2f} s"
        lines.append(
            f"| {a['name']} | {a['against']} | {a['items']} {a['unit']} | {seconds} | {a['ratio']:.2f} | {cpu} |"
        )
    return "\n".join(lines)


def page(known: Mapping[str, Mapping[str, Any]]) -> str:
    """Return docs/benchmarks.md: the newest answer of each benchmark, when it was taken, and on what class of machine."""
    shown = [dict(known[name]) for name in BENCHMARKS if name in known]
    taken: dict[tuple[str, str], list[str]] = {}
    for answer in shown:
        taken.setdefault((answer["day"], answer["machine"]), []).append(answer["name"])
    when = "\n".join(f"Taken on {day}, {where}: {'; '.join(names)}.\n" for (day, where), names in sorted(taken.items()))
    lacking = [name for name in BENCHMARKS if name not in known]
    never = f"\nNot taken yet: {', '.join(lacking)}.\n" if lacking else ""
    return f"""# Benchmarks

<!-- Written by scripts/bench.py (`make bench`). -->

Each line is one run. The floor is the least that any program must do for the same result, measured in turns with the
work in the same run, with the same number of processes. Seconds are wall clock, the median of the turns. They depend
on the machine; the ratio much less. The ratio is seconds over seconds: less is better, and below 1 the work was faster
than the floor. "At least 0.8 of the floor's speed" is a ratio of at most 1.25.

{table(shown)}

{when}{never}"""


def machine() -> str:
    """Return the class of machine: processors and their model, and Python; nothing that tells which machine it is."""
    import measure

    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{measure.PROCESSES} processors ({model}), Python {platform.python_version()}"


if __name__ == "__main__":
    raise SystemExit(main())
