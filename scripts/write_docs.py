"""Write the documents that follow from the code: FINDINGS, COMMANDS, PARAMETERS and regions of ARCHITECTURE."""

from __future__ import annotations

from pathlib import Path

from workbench.cli.documents import documents

for path, text in documents(Path(__file__).resolve().parents[1]).items():
    path.write_text(text, encoding="utf-8")
    print(path.name)
