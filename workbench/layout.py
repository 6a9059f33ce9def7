"""Where everything lives in a workspace: the one place that knows the folders' names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a workspace, all below ``root``."""

    root: Path

    @property
    def custody(self) -> Path:
        """Ledger, sealed originals and keys: never in git or DVC."""
        return self.root / "custody"

    @property
    def state(self) -> Path:
        """Servers' databases, locks and credentials: can be rebuilt, never in git or DVC."""
        return self.root / ".workbench"

    @property
    def data(self) -> Path:
        """The stages' tables and images; image paths in tables are relative to it."""
        return self.root / "data"

    @property
    def deliveries(self) -> Path:
        """What was received: one folder a contribution."""
        return self.data / "00_deliveries"

    @property
    def backgrounds(self) -> Path:
        """Pictures of empty surfaces that somebody added, for composition."""
        return self.data / "00_backgrounds"

    @property
    def catalogue(self) -> Path:
        """The index of CAD parts (hashes and properties, never geometry)."""
        return self.data / "00_catalogue"

    @property
    def intake(self) -> Path:
        """Working copies and quarantine: one folder a contribution."""
        return self.data / "01_intake"

    @property
    def redaction_decisions(self) -> Path:
        """People's decisions about admitted photographs: which regions are to be covered."""
        return self.data / "01_decisions"

    @property
    def redaction(self) -> Path:
        """Where faces were found."""
        return self.data / "01_redaction"

    @property
    def labelling(self) -> Path:
        """Frozen snapshots of annotations: one folder a project."""
        return self.data / "02_labelling"

    @property
    def adjudication(self) -> Path:
        """Ground truth, disagreements and agreement."""
        return self.data / "03_adjudication"

    @property
    def curation(self) -> Path:
        """Duplicates, groups and splits."""
        return self.data / "04_curation"

    @property
    def curation_decisions(self) -> Path:
        """What curators decided, append-only; an input of curation."""
        return self.data / "04_decisions"

    @property
    def synthesis(self) -> Path:
        """Renders with their annotations."""
        return self.data / "05_synthesis"

    @property
    def augmentation(self) -> Path:
        """Augmented copies of training images."""
        return self.data / "06_augmentation"

    @property
    def composition(self) -> Path:
        """Cut-outs of parts on photographs of empty surfaces, with their annotations."""
        return self.data / "06_composition"

    @property
    def release(self) -> Path:
        """The dataset as assembled for release."""
        return self.data / "07_release"

    @property
    def records(self) -> Path:
        """Signed release records, one folder a version, in git."""
        return self.root / "releases"

    @property
    def label_configs(self) -> Path:
        """Taxonomy and label configs."""
        return self.root / "label_configs"

    @property
    def campaigns(self) -> Path:
        """Labelling campaigns, one file each, in git."""
        return self.root / "campaigns"

    @property
    def params(self) -> Path:
        """The parameters of every stage."""
        return self.root / "params.yaml"
