"""Whether values of two Arrow arrays are equal, row by row, however deep their lists go."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def same_values(one: pa.Array, other: pa.Array) -> NDArray[np.bool_]:
    """Return for each row whether two arrays of one type hold the same value; null equals null only.

    Examples
    --------
    >>> a, b = pa.array([[1.0, 2.0], [3.0], None]), pa.array([[1.0, 2.0], [4.0], None])
    >>> same_values(a, b).tolist()
    [True, False, True]

    """
    if pa.types.is_list(one.type):
        return _same_lists(one, other)
    if pa.types.is_struct(one.type):
        equal = np.asarray(pc.equal(one.is_valid(), other.is_valid()))
        for mine, theirs in zip(one.flatten(), other.flatten(), strict=True):
            equal &= same_values(mine, theirs)
        return equal
    both_null = pc.and_(one.is_null(), other.is_null())
    return np.asarray(pc.or_(pc.fill_null(pc.equal(one, other), fill_value=False), both_null))


def _same_lists(one: pa.Array, other: pa.Array) -> NDArray[np.bool_]:
    lengths, theirs = (
        np.asarray(pc.fill_null(pc.list_value_length(array), -1)).astype(np.int64) for array in (one, other)
    )
    equal: NDArray[np.bool_] = lengths == theirs
    rows = np.flatnonzero(equal & (lengths > 0))
    if not len(rows):
        return equal
    chosen = pa.array(rows)
    inside = same_values(one.take(chosen).flatten(), other.take(chosen).flatten())
    wrong = np.repeat(rows, lengths[rows])[~inside]
    equal[wrong] = False
    return equal
