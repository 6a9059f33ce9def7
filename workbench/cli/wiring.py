"""The composition root: finds the workspace, reads its parameters, and hands real adapters to the stages."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from workbench.cli.report import track
from workbench.domain.findings import busy, refused
from workbench.domain.taxonomy import Taxonomy
from workbench.layout import Layout
from workbench.ports import Track, silent


@dataclass(frozen=True)
class Workspace:
    """A workspace as a command sees it: its layout, parameters and taxonomy."""

    layout: Layout
    quiet: bool = False

    @classmethod
    def find(cls, start: Path | None, *, quiet: bool = False) -> Workspace:
        """Return the workspace at a folder, or without one the nearest at or above the current folder.

        Raises
        ------
        Refused
            ``workspace.missing`` if there is none.

        """
        here = (start or Path.cwd()).absolute()
        candidates = [here] if start else [here, *here.parents]
        for folder in candidates:
            if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
                return cls(layout=Layout(folder), quiet=quiet)
        raise refused(
            "workspace.missing",
            here,
            "is not a workspace (no dvc.yaml with params.yaml).",
            "Make one with `workbench init DIR`, or name one with --workspace DIR.",
        )

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """The parsed params.yaml."""
        try:
            parsed = read_yaml(self.layout.params)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise refused(
                "workspace.params-invalid", "params.yaml", f"is not valid YAML ({error}).", "Correct the line named."
            ) from error
        return parsed if isinstance(parsed, dict) else {}

    def section(self, name: str) -> Mapping[str, Any]:
        """Return one stage's section of params.yaml.

        Raises
        ------
        Refused
            ``workspace.params-invalid`` if it is not there.

        """
        section = self.params.get(name)
        if not isinstance(section, dict):
            raise refused(
                "workspace.params-invalid",
                f"params.yaml {name}",
                "is missing.",
                "Restore it: `workbench init` shows it.",
            )
        return section

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The taxonomy of label_configs/taxonomy.yaml."""
        path = self.layout.label_configs / "taxonomy.yaml"
        try:
            document = read_yaml(path)
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
            raise refused(
                "taxonomy.invalid", path, f"cannot be read ({error}).", "Restore it from the version you started with."
            ) from error
        return Taxonomy.from_mapping(document)

    @property
    def track(self) -> Track:
        """Progress bars on stderr, or silence with ``--json``."""
        return silent if self.quiet else track

    @property
    def processes(self) -> int:
        """How many worker processes to use: the processors this process may run on."""
        return len(os.sched_getaffinity(0))

    @contextmanager
    def exclusive(self, purpose: str) -> Iterator[None]:
        """Hold the workspace for one writing purpose (``custody``, ``pipeline``, ``servers``).

        The lock is the kernel's (flock), so it ends with the process however that ends.

        Raises
        ------
        Busy
            ``workspace.busy`` if another process holds it.

        """
        import fcntl

        self.layout.state.mkdir(parents=True, exist_ok=True)
        path = self.layout.state / f"{purpose}.lock"
        with path.open("a+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise busy(
                    "workspace.busy",
                    self.layout.root,
                    f"is in use: another command is working on its {purpose}.",
                    "Wait until it has finished, then repeat.",
                ) from error
            yield


def read_yaml(path: Path) -> Any:
    """Return what a YAML file says, read by libyaml where it is there: a tenth of the time for a taxonomy.

    Raises
    ------
    OSError, UnicodeDecodeError, yaml.YAMLError

    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506, TID251 -- both loaders are safe


def template_root() -> Path:
    """Return the folder that holds dvc.yaml, params.yaml and label_configs to start a workspace from.

    That is ``workbench/_template`` in an installed wheel, and the repository's root in a checkout.
    """
    package = Path(__file__).resolve().parents[1]
    packed = package / "_template"
    return packed if packed.is_dir() else package.parent
