"""When how much is pruned: sparsity as a function of the round."""

from __future__ import annotations


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
