"""Draw the pictures of the guidelines into label_configs/pictures."""

from __future__ import annotations

from pathlib import Path

from workbench.labelling.drawings import drawings

folder = Path(__file__).resolve().parents[1] / "label_configs" / "pictures"
folder.mkdir(exist_ok=True)
for name, text in drawings().items():
    (folder / name).write_text(text, encoding="utf-8")
    print(name)
