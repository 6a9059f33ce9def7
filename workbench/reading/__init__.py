"""A release as a program reads it: tables in pandas, pictures with their labels, from wherever it lies.

Reads: a release: data/07_release or releases/<name>, a bundle, or DVC at a git revision.
Writes: nothing.
Touches: adapters; it is the composition root of programs, as `cli` is that of people.
Rule: nothing is handed out that differs from the release's manifest; torch is never needed.
"""

from workbench.reading.opening import load_recipe, open_release
from workbench.reading.release import OpenRelease
from workbench.reading.samples import Sample, Samples

__all__ = ["OpenRelease", "Sample", "Samples", "load_recipe", "open_release"]
