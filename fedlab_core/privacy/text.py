"""What attacks found, as text and as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fedlab_core.privacy.features import Access
from fedlab_core.privacy.membership import MembershipReport


def as_row(report: MembershipReport) -> dict[str, Any]:
    """Plain numbers, ready for JSON."""
    return {**asdict(report), "metric": report.metric.name, "generalisation_gap": report.generalisation_gap}


def report_page(reports: Mapping[Access, MembershipReport]) -> str:
    """The model, and a line for each attack on it; the model is the same for all."""
    one = next(iter(reports.values()))
    lines = [
        f"{one.clients} clients that took part attack each other; {one.suspects} examples, half of them members "
        "(0.5 is guessing)",
        f"{one.metric.name} on the data of these clients: {one.train_score:.3f} training, {one.test_score:.3f} test, "
        f"gap {one.generalisation_gap:.3f}",
    ]
    for access, report in reports.items():
        rate = report.tpr_at_low_fpr
        found = "too few non-members to say" if rate is None else f"{rate:.1%} found"
        lines.append(f"{access}: accuracy {report.accuracy:.3f}, AUC {report.auc:.3f}, at 1 % false alarms {found}")
    return "\n".join(lines)
