"""Notebook 12: a comparison as a report, and what is still missing in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from fedlab_core.lessons.comparison import Run, accuracy_at, last_within, setup_of, summary, unfair
from fedlab_core.plots.records import Row
from fedlab_core.plots.style import format_bytes, format_flops, format_percent, format_points
from fedlab_core.runs.until import total_bytes

FEWEST_SEEDS, FEWEST_METHODS, FEWEST_LIMITS = 3, 3, 2
T_975 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""By n: the 97.5 % point of Student's t with n - 1 degrees of freedom, for 95 % intervals of a mean of n values."""

AccuracyAt = Callable[[Sequence[Row], float], float]
Summary = Callable[[Sequence[float]], tuple[float, float | None, int]]


class Page(str):
    """Markdown that a notebook shows as a page."""

    def _repr_markdown_(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Report:
    """What a fair comparison has to state.

    Attributes:
        question: one sentence, with a question mark.
        runs: of all methods and seeds (`compare`).
        baseline: the method that others are compared with, dense.
        budget: bytes at which all are read, up and down; None: after their last rounds, as many for all.
        answer: one or two sentences that name a method.
        limits: what the comparison does not show, a sentence each.
    """

    question: str
    runs: Sequence[Run]
    baseline: str
    budget: int | None = None
    answer: str = ""
    limits: tuple[str, ...] = ()

    @property
    def methods(self) -> dict[str, list[Run]]:
        """Runs by method, in the order of the first ones."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            found.setdefault(run.method, []).append(run)
        return found


def missing(report: Report) -> list[str]:
    """The rubric: what the report lacks, one sentence each; nothing where it is complete."""
    if not report.runs:
        return ["There are no runs."]
    methods = report.methods
    others = [name for name in methods if name != report.baseline]
    base = methods.get(report.baseline, [])
    points = [
        (report.question.strip().endswith("?"), "The question is no question: it ends without a question mark."),
        (len(others) >= FEWEST_METHODS, f"Compare at least {FEWEST_METHODS} methods beside the baseline."),
        (bool(base), f"The baseline {report.baseline!r} is none of the methods."),
        (all(not run.rows[-1]["sparsity"] for run in base), "The baseline is not dense."),
        (min(map(len, methods.values())) >= FEWEST_SEEDS, f"Run every method with at least {FEWEST_SEEDS} seeds."),
        (_affordable(report), "The budget is more than some run has spent, or less than its first round takes."),
        (any(name in report.answer for name in methods), "The answer names none of the methods."),
        (
            len({limit.strip() for limit in report.limits} - {""}) >= FEWEST_LIMITS,
            f"State at least {FEWEST_LIMITS} limits: what does the comparison not show?",
        ),
        (
            any(report.runs[0].experiment.data.dataset in limit for limit in report.limits),
            "The limits do not name the data set: what holds there need not hold elsewhere.",
        ),
    ]
    wrong = unfair([run.trial(report.budget) for run in report.runs]) if _affordable(report) else []
    return [said for kept, said in points if not kept] + wrong


def _affordable(report: Report) -> bool:
    """Whether every run can be read at the budget: it has done a round by then, and spent that much later."""
    if report.budget is None:
        return True
    return all(total_bytes(run.rows[:2]) <= report.budget <= total_bytes(run.rows) for run in report.runs)


def report_page(report: Report, *, at_budget: AccuracyAt = accuracy_at, summarise: Summary = summary) -> Page:
    """The report as markdown: answer, setting, a table of mean ± sample deviation, costs, limits, the rubric.

    Args:
        report: with at least one run.
        at_budget: accuracy of a run within a budget of bytes.
        summarise: mean, sample standard deviation and number of values.
    """
    first = report.runs[0].experiment
    seeds = ", ".join(str(seed) for seed in sorted({run.experiment.federation.seed for run in report.runs}))
    after = f"after {first.federation.rounds} rounds"
    equal = after if report.budget is None else f"within {format_bytes(report.budget)}, up and down together"
    lacks = missing(report)
    lines = [
        f"### {report.question}",
        f"**Answer.** {report.answer or '(missing)'}",
        "#### Setting",
        f"{setup_of(first)}. Seeds {seeds}. All are read {equal}.",
        "#### Results",
        *_table(report, at_budget, summarise),
        "Accuracy on test data, mean ± sample standard deviation over seeds. Differences: seed by seed, with the "
        "95 % interval of their mean (Student's t). FLOPs of training, weighted by density, are theoretical.",
        "#### Limits",
        *([f"- {limit}" for limit in report.limits] or ["(missing)"]),
        "#### Rubric",
        *([f"- missing: {said}" for said in lacks] or ["All points are met."]),
    ]
    return Page(_joined(lines))


def _joined(lines: Sequence[str]) -> str:
    """Paragraphs apart, lines of a table or a list together."""
    text = ""
    for line in lines:
        together = text and line[0] in "|-" and text.rsplit("\n", 1)[-1][:1] == line[0]
        text += ("\n" if together else "\n\n" if text else "") + line
    return text + "\n"


def _table(report: Report, at_budget: AccuracyAt, summarise: Summary) -> list[str]:
    scores = {name: _scores(report, runs, at_budget) for name, runs in report.methods.items()}
    head = f"| method | n | accuracy | against {report.baseline} | rounds | bytes | training FLOPs | sparsity |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for name, runs in report.methods.items():
        mean, spread, n = summarise(list(scores[name].values()))
        read = [_paid(report, run) for run in runs]
        cells = [
            name,
            str(n),
            format_percent(float(mean)) + (f" ± {100 * float(spread):.1f}" if spread is not None else ""),
            _against(scores[name], scores.get(report.baseline, {}), summarise) if name != report.baseline else "",
            f"{fmean(rows[-1]['round'] for rows in read):.3g}",
            format_bytes(fmean(total_bytes(rows) for rows in read)),
            format_flops(fmean(sum(row["effective_flops"] for row in rows) for rows in read)),
            format_percent(fmean(rows[-1]["sparsity"] for rows in read)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _paid(report: Report, run: Run) -> Sequence[Row]:
    """The rounds of a run up to the one at which it is read."""
    if report.budget is None:
        return run.rows
    last = last_within(run.rows, report.budget)
    return [row for row in run.rows if row["round"] <= last["round"]]


def _scores(report: Report, runs: Sequence[Run], at_budget: AccuracyAt) -> dict[int, float]:
    """Accuracy by seed."""
    return {
        run.experiment.federation.seed: float(
            run.rows[-1]["test_accuracy"] if report.budget is None else at_budget(run.rows, report.budget)
        )
        for run in runs
    }


def _against(own: dict[int, float], base: dict[int, float], summarise: Summary) -> str:
    """Mean of the differences seed by seed, and whether their 95 % interval leaves out 0."""
    both = [own[seed] - base[seed] for seed in own if seed in base]
    if len(both) not in T_975:
        return ""
    mean, spread, n = summarise(both)
    if not any(both):
        return "the same"
    half = T_975[n] * float(spread or 0.0) / n**0.5
    side = "above" if mean > 0 else "below"
    clear = "" if abs(mean) > half else ", not clear"
    return f"{format_points(float(mean))} {side} (± {100 * half:.1f}){clear}"
