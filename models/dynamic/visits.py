"""Where balances go under the policy a sweep has found, so that the next pass looks there more closely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mechopt.models.dynamic.value_brackets import Bracket, Period
from mechopt.solvers.program import Array


@dataclass
class Visits:
    """Where balances go: a cumulative distribution over U, linear between its points."""

    U: Array
    cumulative: Array

    def between(self, low: Array, high: Array) -> Array:
        """The chance of each interval."""
        return np.interp(high, self.U, self.cumulative) - np.interp(low, self.U, self.cumulative)


def forward(periods: Sequence[Period], brackets: Sequence[Bracket]) -> list[Visits]:
    """Where balances go under the policy at the points, from the U that is best at the start."""
    first = brackets[0]
    mass = np.zeros(len(first.U))
    mass[int(np.argmax(first.w - first.U))] = 1.0
    found = [_visits(first.U, mass)]
    for t, period in enumerate(periods[:-1]):
        here, after = brackets[t], brackets[t + 1]
        y = here.prices @ period.rent.T
        y = y + (here.U - y @ period.f)[:, None]
        flow = (mass[:, None] * period.f).ravel()
        mass = _split(np.clip(y.ravel(), 0.0, after.U[-1]), flow, after.U)
        found.append(_visits(after.U, mass))
    return found


def _split(y: Array, flow: Array, U: Array) -> Array:
    """Mass at y moved to the two points around it, keeping its mean."""
    if len(U) == 1:
        return np.array([flow.sum()])
    right = np.clip(np.searchsorted(U, y, side="left"), 1, len(U) - 1)
    share = (y - U[right - 1]) / (U[right] - U[right - 1])
    size = len(U)
    found = np.bincount(right, flow * share, size) + np.bincount(right - 1, flow * (1 - share), size)
    return found.astype(float)


def _visits(U: Array, mass: Array) -> Visits:
    """Mass at points spread evenly over half of the intervals beside them, with a little everywhere."""
    if len(U) == 1:
        return Visits(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    mass = 0.95 * mass + 0.05 / len(mass)
    left, right = mass[:-1].copy(), mass[1:].copy()
    left[1:] /= 2
    right[:-1] /= 2
    return Visits(U, np.concatenate([[0.0], np.cumsum(left + right)]))
