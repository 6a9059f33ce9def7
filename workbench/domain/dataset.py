"""A dataset version: splits and what a release promises."""

from __future__ import annotations

from enum import StrEnum


class Split(StrEnum):
    """Which part of a dataset an image serves."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


#: Splits in the order files and tables list them.
SPLITS = (Split.TRAIN, Split.VAL, Split.TEST)
