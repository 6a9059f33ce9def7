"""How well names can be guessed from vectors: a linear classifier of scikit-learn, tested on groups it has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Folds of the cross-validation; a name needs as many groups.
_FOLDS = 3


def guess_by_group(
    vectors: NDArray[np.float32], names: Sequence[str], groups: Sequence[str]
) -> tuple[float, float] | None:
    """Return balanced accuracy and chance (1 / names), None if not two names have three groups each. Fits `ports.Guess`.

    Names of fewer groups are left out. The split of folds and the solver use fixed seeds.
    """
    groups_of: defaultdict[str, set[str]] = defaultdict(set)
    for name, group in zip(names, groups, strict=True):
        groups_of[name].add(group)
    told = {name for name, held in groups_of.items() if len(held) >= _FOLDS}
    if len(told) < 2:  # noqa: PLR2004 -- one name needs no guessing
        return None
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kept = [place for place, name in enumerate(names) if name in told]
    truth = np.array([names[place] for place in kept])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500, class_weight="balanced"))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    predicted = cross_val_predict(model, vectors[kept], truth, groups=[groups[place] for place in kept], cv=folds)
    return float(balanced_accuracy_score(truth, predicted)), 1 / len(told)
