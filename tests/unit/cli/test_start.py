"""Every command starts without the tools that only some commands need: it is quicker, and holds less memory."""

from __future__ import annotations

import subprocess
import sys

#: What the stages and adapters import where they use it. numpy, pyarrow and shapely are not among them: tables and geometry need them.
_HEAVY = (
    "PIL", "albumentations", "av", "cv2", "dvc", "faiss", "fiftyone", "httpx", "label_studio_sdk", "matplotlib", "mitsuba",
    "mujoco", "onnx", "onnxruntime", "pandas", "scipy", "sklearn", "trimesh",
)  # fmt: skip


def test_commands_start_without_what_only_some_of_them_need() -> None:
    script = "import sys, workbench.cli.main; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(said.stdout.split())
    assert "workbench" in loaded
    assert loaded.isdisjoint(_HEAVY)
