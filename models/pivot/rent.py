"""What agents keep: U_i(s) = int A'(z) Q_i(phi_i(z), phi_-i) dz from the lowest signal to s, as an exact finite sum.

Q_i is the slope of W0 in i's own weight, a step function; its steps, carried back to signals, cut the integral into
pieces on which U_i is Q_i times a difference of A. Finitely many types x_1 < ... < x_K keep
U_k = sum over l < k of (A_{l+1} - A_l) Q_l; a type k + 1 that reports k first and the truth later would gain more, and
the repaired rents rise by that gain, (W0(alpha_k A_{k+1} + b_k, phi_-i) - W0(phi_k, phi_-i)) / alpha_k.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011), equation (24) and Lemma 4.1.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mechopt.models.outcome import Array
from mechopt.models.pivot.initial import Signal
from mechopt.models.pivot.pieces import pieces
from mechopt.models.pivot.welfare import Market, Optimum


@dataclass(frozen=True)
class Stretch:
    """Initial signals from `low` to `high` of one agent, all served by one policy, the others' weights fixed."""

    low: float
    high: float
    optimum: Optimum


def stretches(market: Market, weights: tuple[float, ...], agent: int) -> list[Stretch]:
    """The whole support of a continuum, cut where the optimum changes, left to right."""
    one = market.env.data[agent]
    signal = one.signal
    low, high = signal.initial.low, signal.initial.high
    finite = signal.on_grid[np.isfinite(signal.on_grid)]
    top = float(finite.max())
    found = pieces(market, weights, agent, min(top, float(finite.min()) if one.additive else 0.0), top)
    levels = [piece.low for piece in (found[1:] if one.additive else found)]
    cuts = [z for z in crossings(signal, levels).tolist() if low < z < high]
    edges = sorted({low, high, *cuts})
    made = []
    for a, b in itertools.pairwise(edges):
        w = float(signal.phi((a + b) / 2))
        if not one.additive and w <= 0:
            optimum = market.best((*weights[:agent], 0.0, *weights[agent + 1 :]))
        else:
            optimum = next((piece.optimum for piece in found if w <= piece.high), found[-1].optimum)
        made.append(Stretch(a, b, optimum))
    return made


def crossings(signal: Signal, levels: Sequence[float]) -> Array:
    """The signals whose virtual worth is one of `levels`; several each where the hazard rate is not monotone.

    >>> from mechopt.models.pivot.initial import Initial, Worth
    >>> assert crossings(Signal(Initial(), Worth()), [0.5]).tolist() == [0.75]
    >>> skewed = Signal(Initial(family="beta", a=1, b=2, support=[0, 1]), Worth())  # phi(s) = (3 s - 1) / 2
    >>> assert abs(crossings(skewed, [0.25, 0.5]) - [0.5, 2 / 3]).max() < 1e-14
    """
    wanted = np.asarray(levels, dtype=float)
    low, high = signal.initial.low, signal.initial.high
    if signal.initial.family == "uniform" and signal.worth.power == 1:
        found = ((wanted - float(signal.worth.offset)) / float(signal.worth.scale) + high) / 2
        return found[(found >= low) & (found <= high)]
    phi = signal.on_grid
    cell, which = np.nonzero((phi[1:, None] > wanted) != (phi[:-1, None] > wanted))
    return _root(signal, signal.grid[cell], signal.grid[cell + 1], phi[cell], phi[cell + 1], wanted[which])


def _root(signal: Signal, a: Array, b: Array, at_a: Array, at_b: Array, level: Array) -> Array:
    """Roots between a and b by the Illinois rule, all at once; halving where an end is infinite."""
    f, g, x = at_a - level, at_b - level, b.copy()
    for _ in range(60):
        with np.errstate(invalid="ignore", divide="ignore"):
            x = (a * g - b * f) / (g - f)
        x = np.where(np.isfinite(x) & (x > np.minimum(a, b)) & (x < np.maximum(a, b)), x, (a + b) / 2)
        here = signal.phi(x) - level
        swap = (here > 0) != (g > 0)
        a, f = np.where(swap, b, a), np.where(swap, g, f / 2)
        b, g = x, here
        if (np.abs(here) <= 1e-15 * (1 + np.abs(level))).all() or (np.abs(b - a) <= 1e-15 * (1 + np.abs(b))).all():
            break
    return x


class Rents:
    """U_i of every agent for any reports, the cuts remembered."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._cuts = lru_cache(maxsize=4096)(lambda weights, agent: stretches(market, weights, agent))

    def weights(self, reports: Sequence[float]) -> tuple[float, ...]:
        """phi_i of reported initial signals."""
        return tuple(float(one.signal.phi(r)) for one, r in zip(self.market.env.data, reports, strict=True))

    def cuts(self, agent: int, reports: Sequence[float]) -> list[Stretch]:
        """The stretches of an agent's signals, the others' reports fixed."""
        weights = list(self.weights(reports))
        weights[agent] = 0.0
        return self._cuts(tuple(weights), agent)

    def utility(self, agent: int, reports: Sequence[float]) -> float:
        """U_i, money."""
        one = self.market.env.data[agent]
        if not one.signal.initial.continuous:
            return float(self.ladder(agent, reports)[int(one.signal.index(reports[agent]))])
        total, worth = 0.0, one.signal.worth
        for stretch in self.cuts(agent, reports):
            if stretch.low >= reports[agent]:
                break
            top = min(stretch.high, reports[agent])
            total += float(stretch.optimum.Q[agent]) * float(worth(top) - worth(stretch.low))
        return total

    def ladder(self, agent: int, reports: Sequence[float]) -> Array:
        """U_k of all of an agent's types, (K,), money."""
        signal = self.market.env.data[agent].signal
        Q = [self.at_type(agent, reports, k).Q[agent] for k in range(len(signal.worths))]
        return np.concatenate([[0.0], np.cumsum(np.diff(signal.worths) * np.array(Q[:-1]))])

    def repaired(self, agent: int, reports: Sequence[float]) -> float:
        """U_i raised, between neighbouring types, to the gain from reporting the lower one and correcting later."""
        one = self.market.env.data[agent]
        if one.signal.initial.continuous:
            return self.utility(agent, reports)
        total = 0.0
        for k in range(int(one.signal.index(reports[agent]))):
            total += self.gain(agent, reports, k)
        return total

    def at_type(self, agent: int, reports: Sequence[float], k: int) -> Optimum:
        """The optimum if the agent were of type k, the others as reported."""
        weights = list(self.weights(reports))
        weights[agent] = float(self.market.env.data[agent].signal.virtual_worths[k])
        return self.market.best(tuple(weights))

    def gain(self, agent: int, reports: Sequence[float], k: int) -> float:
        """What type k + 1 gains by reporting k at t = 0 and the truth later, money, before her own rent."""
        one = self.market.env.data[agent]
        A, phi = one.signal.worths, one.signal.virtual_worths[k]
        found = self.at_type(agent, reports, k)
        if agent not in found.included:
            return 0.0
        alpha = 1.0 if one.additive else float(phi / A[k])
        weights = list(found.weights)
        weights[agent] = float(phi + alpha * (A[k + 1] - A[k]))
        return (self.market.optimum(tuple(weights), found.included).value - found.value) / alpha
