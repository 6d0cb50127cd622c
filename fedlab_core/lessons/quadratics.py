"""Two clients with one weight: all of client drift that can be worked out with pencil and paper.

Client k has the loss F_k(w) = a_k / 2 (w - m_k)^2 and takes E full steps of rate eta in a round; the server takes the
plain mean. The formulas are derived in notebook 03.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

Method = Literal["fedavg", "fedprox", "scaffold"]


class Quadratic(NamedTuple):
    """F(w) = a / 2 (w - m)^2: `curvature` a, `minimum` m."""

    curvature: float
    minimum: float

    def loss(self, w: float) -> float:
        """F(w)."""
        return self.curvature / 2 * (w - self.minimum) ** 2

    def gradient(self, w: float) -> float:
        """F'(w) = a (w - m)."""
        return self.curvature * (w - self.minimum)


PAIR = (Quadratic(1, 0), Quadratic(3, 4))
"""The clients of notebook 03: together they want w = 3; the mean of what each wants is 2."""


def optimum(clients: Sequence[Quadratic]) -> float:
    """Where the mean of the losses is least: the mean of the minima, weighted by curvature."""
    return sum(a * m for a, m in clients) / sum(a for a, _ in clients)


def fixed_point(clients: Sequence[Quadratic], steps: int, rate: float, mu: float = 0.0) -> float:
    """Where FedAvg stays, with FedProx's pull mu: the mean of the minima, weighted by a / (a + mu) (1 - q^E).

    q = 1 - eta (a + mu) is what a local step leaves of the way to the client's own minimum.
    """
    weights = [a / (a + mu) * (1 - (1 - rate * (a + mu)) ** steps) for a, _ in clients]
    return sum(weight * m for weight, (_, m) in zip(weights, clients, strict=True)) / sum(weights)


def walk(client: Quadratic, start: float, steps: int, rate: float, mu: float = 0.0, shift: float = 0.0) -> list[float]:
    """Where a client is before and after each of its steps, w <- w - eta (F'(w) + mu (w - start) + shift).

    Args:
        client: whose loss it is.
        start: the model that it received.
        steps: E.
        rate: eta.
        mu: FedProx's pull towards the received model.
        shift: SCAFFOLD's correction, c - c_k.
    """
    places = [start]
    for _ in range(steps):
        w = places[-1]
        places.append(w - rate * (client.gradient(w) + mu * (w - start) + shift))
    return places


class Settled(NamedTuple):
    """After many rounds: the server's `w`, and the walk of each client from there in one more round."""

    w: float
    walks: list[list[float]]


def settle(
    clients: Sequence[Quadratic], method: Method, steps: int, rate: float, mu: float = 0.0, rounds: int = 400
) -> Settled:
    """Run a method for many rounds from w = 0. Only "fedprox" looks at `mu`; SCAFFOLD is option II."""
    w, pull, controls = 0.0, mu if method == "fedprox" else 0.0, [0.0] * len(clients)
    for _ in range(rounds):
        mean = sum(controls) / len(controls)
        ends = [
            walk(client, w, steps, rate, pull, mean - own)[-1] for client, own in zip(clients, controls, strict=True)
        ]
        if method == "scaffold":
            controls = [own - mean + (w - end) / (steps * rate) for own, end in zip(controls, ends, strict=True)]
        w = sum(ends) / len(ends)
    mean = sum(controls) / len(controls)
    return Settled(
        w, [walk(client, w, steps, rate, pull, mean - own) for client, own in zip(clients, controls, strict=True)]
    )
