"""The guidelines of a labelling project: Markdown in the folder, HTML with its pictures on the labelling page."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping
from pathlib import Path

from workbench.domain.findings import refused

#: A picture on a line of its own: what it shows, and its file, relative to the guidelines.
_PICTURE = re.compile(r"^!\[(?P<about>[^\]]*)\]\((?P<file>[^)\s]+)\)$")

#: Kinds of picture that may be shown, by the file's ending.
_MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}

#: Label Studio takes addresses of pictures out of instructions unless a server has them, and keeps styles: so a picture is
#: shown as the ground of an empty block. The pictures are this wide and high, or scaled to it.
_STYLE = (
    ".wb-picture {width: 600px; max-width: 100%; aspect-ratio: 30 / 11; background-size: contain;"
    " background-repeat: no-repeat; margin: 6px 0}"
)


def read_pictures(folder: Path, markdown: str) -> dict[str, str]:
    """Return each picture that the guidelines name as a ``data:`` address, which Label Studio shows without any server.

    Raises
    ------
    Refused
        ``labelling.config-invalid`` if a picture is not there, is of another kind, or lies outside label_configs.

    """
    found = {}
    for line in map(str.strip, markdown.splitlines()):
        if not (match := _PICTURE.match(line)):
            continue
        name = match["file"]
        path = (folder / name).resolve()
        inside = path.is_relative_to(folder.resolve().parent)
        if path.suffix not in _MEDIA or not inside or not path.is_file():
            raise refused(
                "labelling.config-invalid",
                f"label_configs/{folder.name}/guidelines.md",
                f"shows {name}, which is no SVG or PNG picture below label_configs.",
                "Correct the name, or draw the pictures with `python scripts/draw_guidelines.py`.",
            )
        data = base64.b64encode(path.read_bytes()).decode()
        found[name] = f"data:{_MEDIA[path.suffix]};base64,{data}"
    return found


def guidelines_html(markdown: str, *, pictures: Mapping[str, str] | None = None) -> str:
    r"""Return headings, numbered rules, pictures, bold text and paragraphs of a Markdown text as HTML.

    Each list item is a rule with a number, counted through the whole text, so that a decision can name it
    (``guideline:parts#3``). Everything else is shown as it stands.

    Examples
    --------
    >>> guidelines_html("# See\n- **one** <two>")
    '<h3>See</h3>\n<p>1. <b>one</b> &lt;two&gt;</p>'

    """
    lines: list[str] = []
    styles: list[str] = []
    for kind, text in _blocks(markdown):
        if kind == "picture" and (match := _PICTURE.match(text)):
            styles.append(
                f".wb-picture-{len(styles)} {{background-image: url({(pictures or {}).get(match['file'], '')})}}"
            )
            about = html.escape(match["about"], quote=False).replace('"', "'")
            lines.append(f'<div class="wb-picture wb-picture-{len(styles) - 1}" title="{about}"></div>')
        else:
            shown = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(text, quote=False))
            tag = "h3" if kind == "heading" else "p"
            lines.append(f"<{tag}>{shown}</{tag}>")
    if styles:
        lines.insert(0, f"<style>{_STYLE} {' '.join(styles)}</style>")
    return "\n".join(lines)


def guideline_rules(markdown: str) -> tuple[str, ...]:
    """Return the numbered rules of the guidelines, without their numbers, the first first."""
    return tuple(text.partition(". ")[2] for kind, text in _blocks(markdown) if kind == "rule")


def _blocks(markdown: str) -> list[tuple[str, str]]:
    """Return the text's blocks with their kinds: heading, rule, picture or text; lines that go on are joined."""
    blocks: list[tuple[str, str]] = []
    rules, open_block = 0, False
    for line in map(str.strip, markdown.splitlines()):
        if _PICTURE.match(line):
            blocks.append(("picture", line))
            open_block = False
        elif line.startswith("#"):
            blocks.append(("heading", line.lstrip("#").strip()))
            open_block = False
        elif line.startswith("- "):
            rules += 1
            blocks.append(("rule", f"{rules}. {line[2:].strip()}"))
            open_block = True
        elif line and open_block:
            kind, text = blocks.pop()
            blocks.append((kind, f"{text} {line}"))
        elif line:
            blocks.append(("text", line))
            open_block = True
        else:
            open_block = False
    return blocks
