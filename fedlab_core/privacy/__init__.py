"""What a trained model gives away of the data that it was trained on.

report = attack_membership(federation, record.state, access="white-box")
print(report.auc, report.generalisation_gap)
"""

from fedlab_core.privacy.features import ACCESSES, features
from fedlab_core.privacy.membership import (
    Attack,
    MembershipReport,
    Suspects,
    attack_membership,
    attacks,
    draw_suspects,
)
from fedlab_core.privacy.scores import auc_chance_std, roc_at, roc_points, tpr_at

__all__ = [
    "ACCESSES",
    "Attack",
    "MembershipReport",
    "Suspects",
    "attack_membership",
    "attacks",
    "auc_chance_std",
    "draw_suspects",
    "features",
    "roc_at",
    "roc_points",
    "tpr_at",
]
