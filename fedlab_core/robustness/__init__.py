"""Clients that go wrong: faults to inject into a round, and what comes of them.

run_round(federation, server, ctx, run_clients=Faulty(client_side, {3: Fault("nan")}))
"""

from fedlab_core.robustness.faults import ABSENT, HOSTILE, KINDS, Fault, Faulty, Kind, spoil
from fedlab_core.robustness.trial import Outcome, Result, expose

__all__ = ["ABSENT", "HOSTILE", "KINDS", "Fault", "Faulty", "Kind", "Outcome", "Result", "expose", "spoil"]
