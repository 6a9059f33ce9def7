"""The documents that follow from the code: findings, commands, parameters, tables and packages as Markdown.

``scripts/write_docs.py`` writes them and a test compares, so that what is documented is what is there.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import typer

from workbench import tables
from workbench.domain.findings import CODES

_WRITTEN = "<!-- Written by scripts/write_docs.py from {source}; edit that, then run the script again. -->"
_BEGIN, _END = "<!-- {name}: written by scripts/write_docs.py -->", "<!-- {name}: end -->"
#: The packages in the order of the flow.
PACKAGES = (
    "domain",
    "custody",
    "reference",
    "intake",
    "redaction",
    "labelling",
    "adjudication",
    "curation",
    "synthesis",
    "augmentation",
    "composition",
    "release",
    "adapters",
    "reading",
    "cli",
)


def documents(root: Path) -> dict[Path, str]:
    """Return every generated document below a checkout's root: its path and what it should hold.

    ARCHITECTURE.md is written by hand but for the regions between its markers, so it is read first.
    """
    from workbench.cli.main import app

    docs = root / "docs"
    architecture = docs / "ARCHITECTURE.md"
    text = architecture.read_text(encoding="utf-8")
    text = with_region(text, "packages", packages_region())
    text = with_region(text, "tables", tables_region())
    return {
        architecture: text,
        docs / "FINDINGS.md": findings_page(CODES),
        docs / "COMMANDS.md": commands_page(app),
        docs / "PARAMETERS.md": parameters_page((root / "params.yaml").read_text(encoding="utf-8")),
    }


def with_region(text: str, name: str, content: str) -> str:
    """Return the text with what stands between a region's markers replaced.

    Raises
    ------
    ValueError
        If the markers are not there once each.

    """
    begin, end = _BEGIN.format(name=name), _END.format(name=name)
    if text.count(begin) != 1 or text.count(end) != 1:
        msg = f"the markers of the region {name!r} are not there once each"
        raise ValueError(msg)
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content.strip()}\n{end}{rest.split(end)[1]}"


def findings_page(codes: Mapping[str, str]) -> str:
    """Return FINDINGS.md: a section a prefix, a row a code."""
    parts = [
        "# Findings\n",
        _WRITTEN.format(source="workbench/domain/findings.py"),
        (
            "\nWhatever goes wrong is said as a finding: a code, a subject, what happened, what to do. "
            "The code is stable and never renamed; scripts may rely on it. `--json` prints findings as records.\n"
        ),
        (
            "A command exits with 0 when it is done, 1 when something was found or refused, 2 when it was called wrongly, "
            "3 when something is busy or away and trying later may work."
        ),
    ]
    areas = sorted({code.split(".")[0] for code in codes})
    for area in areas:
        parts.append(f"\n## {area}\n")
        parts.append(
            _table(
                ("code", "what it means"), ((f"`{c}`", m) for c, m in sorted(codes.items()) if c.startswith(f"{area}."))
            )
        )
    return "\n".join(parts) + "\n"


def commands_page(app: typer.Typer) -> str:
    """Return COMMANDS.md: a section a command, with its arguments and options; hidden ones are left out."""
    root = typer.main.get_command(app)
    parts = [
        "# Commands\n",
        _WRITTEN.format(source="the command line"),
        f"\n{root.help}\n",
        (
            "Results go to stdout, progress to stderr. Every command takes `--json`; every command that works on a workspace "
            "takes `--workspace DIR`. `workbench COMMAND --help` says the same as this page."
        ),
    ]
    for name, command in _walk(root, "workbench"):
        if hasattr(command, "commands") and not command.invoke_without_command:
            continue
        shown = [
            p for p in command.params if not getattr(p, "hidden", False) and p.name not in ("workspace_dir", "as_json")
        ]
        parts.append(f"\n## `{name}`\n\n{_paragraphs(command.help)}")
        if shown:
            parts.append("\n" + _table(("", "what it is", "default"), (_parameter_row(p) for p in shown)))
    return "\n".join(parts) + "\n"


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command below a group with its full name; Typer brings its own copy of click, hence `Any`."""
    for key, child in getattr(command, "commands", {}).items():
        if child.hidden:
            continue
        yield f"{name} {key}", child
        yield from _walk(child, f"{name} {key}")


def _parameter_row(parameter: Any) -> tuple[str, str, str]:
    about = " ".join((getattr(parameter, "help", None) or "").split())
    if parameter.param_type_name == "argument":
        label = parameter.name.upper()
    else:
        label = ", ".join(sorted(parameter.opts, key=len))
        about += " Required." if parameter.required else ""
    default = parameter.default
    # a flag's False, an unset value and click's own sentinel say nothing to a reader
    said = str(default) if isinstance(default, str | int | float) and not isinstance(default, bool) else ""
    return f"`{label}`", about, said


def _paragraphs(text: str | None) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n"))


def parameters_page(params_yaml: str) -> str:
    """Return PARAMETERS.md: a section a stage, a row a key with the value shipped and the comment beside it."""
    parts = [
        "# Parameters\n",
        _WRITTEN.format(source="the comments in params.yaml"),
        (
            "\nEach stage reads one section of `params.yaml`. Change a value and run `dvc repro`: the stages that read it, "
            "and those after them, run again. `activity` names the version of the code; see "
            "[decision 0005](decisions/0005-activity-versions-in-params.md)."
        ),
    ]
    for section, keys in parameters(params_yaml).items():
        parts.append(f"\n## {section}\n")
        parts.append(_table(("key", "shipped as", "what it does"), ((f"`{k}`", v and f"`{v}`", a) for k, v, a in keys)))
    return "\n".join(parts) + "\n"


def parameters(params_yaml: str) -> dict[str, list[tuple[str, str, str]]]:
    r"""Return per section its keys, each with its value as written and its comment (empty where there is none).

    Examples
    --------
    >>> parameters("a:\n  size_px: 3  # how wide\n")
    {'a': [('size_px', '3', 'how wide')]}

    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    for line in params_yaml.splitlines():
        if section := re.fullmatch(r"(\w+):\s*(#.*)?", line):
            found[section[1]] = []
        elif key := re.fullmatch(r"  (\w+):(.*?)(?:\s+#\s*(.*))?", line):
            found[next(reversed(found))].append((key[1], key[2].strip(), (key[3] or "").strip()))
    return found


def tables_region() -> str:
    """Return the columns of every table of workbench/tables.py."""
    source = inspect.getsource(tables)
    parts = []
    for name, schema in vars(tables).items():
        if not isinstance(schema, pa.Schema):
            continue
        about = re.search(rf"((?:^#: .*\n)+){name} = ", source, flags=re.MULTILINE)
        said = " ".join(line.removeprefix("#: ") for line in about[1].splitlines()) if about else ""
        rows = (
            (f"`{f.name}`", str(f.type), "yes" if f.nullable else "", f.metadata[b"about"].decode()) for f in schema
        )
        parts.append(f"### {name}\n\n{said}\n\n" + _table(("column", "type", "may be null", "what it says"), rows))
    return "\n\n".join(parts)


def packages_region() -> str:
    """Return what every package says of itself in its docstring: Reads, Writes, Touches, Rule."""
    parts = []
    for name in PACKAGES:
        module = importlib.import_module(f"workbench.{name}")
        text = re.sub(
            r"\s+(?=(Reads|Writes|Touches|Rule):)", "\n", inspect.cleandoc(module.__doc__ or "").replace("\n", " ")
        )
        first, *rest = (line.strip() for line in text.splitlines())
        lines = ["- " + re.sub(r"^(\w+):", r"*\1:*", line) for line in rest if line]
        parts.append(f"**`workbench.{name}`** {first}\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
