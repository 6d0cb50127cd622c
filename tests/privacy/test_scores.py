from itertools import combinations

import numpy as np
import pytest

from fedlab_core.privacy import auc_chance_std, roc_at, roc_points, tpr_at


def test_few_false_alarms_by_hand() -> None:
    """Of 100 non-members one may be above the threshold. The second has 0.5: three members are higher."""
    scores = np.array([0.9, 0.8, 0.7, 0.1, 0.75, 0.5, *[0.0] * 98])
    member_N = np.arange(104) < 4
    assert tpr_at(member_N, scores) == 3 / 4
    assert tpr_at(member_N, scores, 0.0199) == 3 / 4
    assert tpr_at(member_N, scores, 0.02) == 1


def test_without_a_false_alarm_to_spare_there_is_no_rate() -> None:
    scores, member_N = np.linspace(1, 0, 199), np.arange(199) < 100
    assert tpr_at(member_N, scores) is None  # 99 non-members
    assert tpr_at(member_N, scores, 0.02) == 1


def test_the_curve_by_hand() -> None:
    """Two members above all four others, one below two of them: it is found once half of the others are accused."""
    member_N = np.array([True, True, False, False, True, False, False])
    curve = roc_at(member_N, np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]))
    assert curve.tolist() == [2 / 3] * 50 + [1] * 51


def test_every_threshold_is_a_point_and_equal_scores_are_one() -> None:
    member_N = np.array([True, False, True, False])
    assert roc_points(member_N, np.array([0.9, 0.5, 0.5, 0.1])) == [(0, 0), (0, 0.5), (0.5, 1), (1, 1)]


def test_equal_scores_cannot_be_told_apart() -> None:
    assert tpr_at(np.arange(200) < 100, np.ones(200)) == 0


@pytest.mark.parametrize(("members", "others"), [(1, 1), (2, 3), (4, 4)])
def test_the_deviation_of_chance_is_that_over_all_orders(members: int, others: int) -> None:
    """Every way to choose who of the ranks 0, 1, 2, ... is a member; members beat the lower ranks of non-members."""
    areas = []
    for chosen in combinations(range(members + others), members):
        beaten = sum(rank - place for place, rank in enumerate(chosen))
        areas.append(beaten / (members * others))
    assert np.mean(areas) == pytest.approx(0.5)
    assert np.std(areas) == pytest.approx(auc_chance_std(members, others))
