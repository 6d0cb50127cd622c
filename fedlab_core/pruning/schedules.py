"""When how much is pruned: sparsity as a function of the round."""

from __future__ import annotations

import math


def polynomial(
    round: int,
    num_rounds: int,
    *,
    final: float,
    initial: float = 0.0,
    start: int = 1,
    frequency: int = 1,
    exponent: float = 3.0,
) -> float:
    """FedSparsify's schedule, s_t = S_T + (S_0 - S_T) (1 - (t' - t0) / (T - t0))^n with t' = F floor(t / F).

    Before t0 it is 0. Where holding a level would reach back before t0 (t' < t0), t0 is used: the formula would turn
    negative there. It starts fast and ends slowly: with n = 3 the mean density of a run to 95 % is
    0.05 + 0.95 / 4 = 0.2875. Source: Stripelis et al. 2022, arXiv 2204.12430, and its published code.

    Args:
        round: t, 1-based.
        num_rounds: T.
        final: S_T.
        initial: S_0.
        start: t0.
        frequency: F; the level is held for F rounds.
        exponent: n; higher prunes more at the start.
    """
    if round < start:
        return 0.0
    held = max(frequency * (round // frequency), start)
    left = 1 - (held - start) / (num_rounds - start) if num_rounds > start else 1.0
    return final + (initial - final) * left**exponent


def stepwise(
    round: int,
    num_rounds: int,
    *,
    final: float,
    initial: float = 0.0,
    start: int = 1,
    frequency: int = 1,
    exponent: float = 0.0,
) -> float:
    """Equal steps: s_t = S_0 + (S_T - S_0) ceil(t / F) / ceil(T / F). An older form in FedSparsify's published code.

    Arguments as for `polynomial`; rounds are counted from t0 (the code has t0 = 0), and the exponent means nothing.
    """
    done, all_steps = _steps(round, num_rounds, start, frequency)
    return initial + (final - initial) * done / all_steps if round >= start else 0.0


def multiplicative(
    round: int,
    num_rounds: int,
    *,
    final: float,
    initial: float = 0.0,
    start: int = 1,
    frequency: int = 1,
    exponent: float = 0.0,
) -> float:
    """A fixed share rho of what is left goes at every step: density (1 - S_0) (1 - rho)^step.

    FedSparsify's published code is given rho (0.01 to 0.04); ours is the rho that ends at S_T: our reading.
    Arguments as for `polynomial`; the exponent means nothing.
    """
    done, all_steps = _steps(round, num_rounds, start, frequency)
    share = ((1 - final) / (1 - initial)) ** (1 / all_steps)  # 1 - rho
    return 1 - (1 - initial) * share**done if round >= start else 0.0


def _steps(round: int, num_rounds: int, start: int, frequency: int) -> tuple[int, int]:
    """Steps until round t, and until the end; the first comes one round after t0."""
    return math.ceil((round - start) / frequency), max(1, math.ceil((num_rounds - start) / frequency))


SCHEDULES = {"polynomial": polynomial, "stepwise": stepwise, "multiplicative": multiplicative}
