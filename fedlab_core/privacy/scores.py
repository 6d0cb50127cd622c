"""What an attacker's scores are worth, beside their ROC curve and its area, which scikit-learn has.

N examples, T thresholds.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]

LOW_FPR = 0.01
"""To be sure of a few is worse for these few than to know a little of all: Carlini et al. 2022, arXiv 2112.03570."""


def tpr_at(member_N: Truths, score_N: Numbers, fpr: float = LOW_FPR) -> float | None:
    """The highest true positive rate of a threshold whose false positive rate is at most `fpr`.

    Not interpolated: an attacker has to choose one of the thresholds. None where `fpr` of the non-members is less than
    one of them.
    """
    if fpr * np.count_nonzero(~member_N) < 1:
        return None
    fpr_T, tpr_T, _ = roc_curve(member_N, score_N, drop_intermediate=False)
    return float(tpr_T[fpr_T <= fpr].max())


def roc_points(member_N: Truths, score_N: Numbers) -> list[tuple[float, float]]:
    """(false positive rate, true positive rate) of every threshold: from nobody, (0, 0), to everybody accused, (1, 1).

    Equal scores are accused together: one point for each different score, and the first.
    """
    fpr_T, tpr_T, _ = roc_curve(member_N, score_N, drop_intermediate=False)
    return list(zip(fpr_T.tolist(), tpr_T.tolist(), strict=True))


def roc_at(member_N: Truths, score_N: Numbers) -> Numbers:
    """True positive rates at false positive rates of 0, 1, ..., 100 %, [101]: `tpr_at` each, as steps."""
    fpr_T, tpr_T, _ = roc_curve(member_N, score_N, drop_intermediate=False)
    reached: Numbers = tpr_T[np.searchsorted(fpr_T, np.arange(101) / 100, side="right") - 1]
    return reached


def auc_chance_std(members: int, non_members: int) -> float:
    """Standard deviation of the area around 1/2 where a score without ties knows nothing (Mann and Whitney 1947)."""
    return math.sqrt((members + non_members + 1) / (12 * members * non_members))
