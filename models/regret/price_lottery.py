"""One good: a mechanism is a lottery over posted prices, and the regret program shrinks to adjacent rows.

A menu for one good can be carried out by drawing one posted price; x(v) is the chance that the price is v, and a
type pays, on average, every price up to its own value. On the profiles V of one good, in increasing order, the
program (2.6) of models/regret/regret_pricing.py equals

    min   r
    s.t.  P(v) + r >= v - c                 for v in V, v > c      [alpha(v)]
          P(v) = P(v-) + (v - c) x(v)       for v in V, v > c      [tail(v)]
          sum_v x(v) <= 1                                          [rho]
          x(v) >= 0,  r >= 0

with P(v) the expected profit from type v and v- the value before v: of the incentive rows only the local downward
ones bind. `tail` is nature's probability of a value of at least v, and the multiplier gamma(v, v-) of (2.6).

The support of the lottery is the basis of the program; `from_support` solves it in rationals.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import cvxpy as cp
import flint
import numpy as np

from mechopt.models.regret.regret_pricing import RegretPricing
from mechopt.solvers.program import Array, Program
from mechopt.solvers.rational import Rational, rational

GRAIN = 2**56  # probabilities of a repaired lottery are multiples of 1 / GRAIN


def program(margins: Array) -> Program:
    """The price lottery for increasing positive margins v - c, (K,), money.

    >>> from mechopt.solvers.highs import solve
    >>> assert abs(solve(program(np.array([0.5, 1.0]))).value - 0.25) < 1e-12
    """
    K = len(margins)
    r = cp.Variable(name="r")
    x = cp.Variable(K, name="x")
    P = cp.Variable(K, name="P")
    before = cp.hstack([0, P[:-1]]) if K > 1 else np.zeros(1)
    return Program(cp.Minimize(r), {
        "alpha": P + r >= margins,
        "tail": before + cp.multiply(margins, x) == P,
        "rho": cp.sum(x) <= 1,
        "chance": x >= 0,
        "gain": r >= 0,
    })  # fmt: skip


@dataclass(frozen=True)
class Lottery:
    """Rational prices' chances and nature's tail probabilities, one each per positive margin, in increasing order."""

    chance: list[Rational]
    tail: list[Rational]


def from_support(margins: Sequence[Rational], support: Sequence[int]) -> Lottery | None:
    """The basic solution whose prices in use are `support` (indices, increasing): exact; None when it is no lottery.

    Types in the support are the ones with the largest regret; nature makes the seller indifferent among their prices.

    >>> found = from_support([rational("1/2"), rational(1)], [0, 1])
    >>> assert found.chance == [rational("1/2"), rational("1/2")] and found.tail[1] == rational("1/2")
    """
    if not support:
        return None
    zero, first = flint.fmpq(0), margins[support[0]]
    chance = [zero] * len(margins)
    for low, high in itertools.pairwise(support):
        chance[high] = (margins[high] - margins[low]) / margins[high]
    chance[support[0]] = 1 - sum(chance, zero)
    tail, inside = [zero] * len(margins), len(support)
    for k in range(len(margins) - 1, -1, -1):
        if inside and k == support[inside - 1]:
            inside -= 1
            tail[k] = first / margins[k]
        else:
            tail[k] = tail[k + 1] if k + 1 < len(margins) else zero
    return Lottery(chance, tail) if chance[support[0]] >= 0 else None


def rounded(chance: Array, tail: Array) -> Lottery:
    """A lottery near the floats and exactly one: chances that sum to at most 1, tails that fall from 1."""
    up_to = np.minimum(np.maximum.accumulate(np.clip(np.cumsum(chance), 0, 1)), 1)
    cumulative = [flint.fmpq(int(p * GRAIN), GRAIN) for p in up_to.tolist()]
    falling = np.minimum.accumulate(np.clip(tail, 0, 1))
    tails = [flint.fmpq(int(p * GRAIN), GRAIN) for p in falling.tolist()]
    tails[0] = flint.fmpq(1)
    steps = [b - a for a, b in zip([flint.fmpq(0), *cumulative[:-1]], cumulative, strict=True)]
    return Lottery(steps, tails)


def split(model: RegretPricing) -> tuple[list[Rational], list[int]]:
    """The positive margins of a one-good model, increasing, and the index of each in `model.exact_values`."""
    cost = model.cost[0]
    order = sorted((v[0] - cost, i) for i, v in enumerate(model.exact_values) if v[0] > cost)
    return [fraction(m) for m, _ in order], [i for _, i in order]


def fraction(value: Fraction) -> Rational:
    """A Fraction as an fmpq."""
    return rational(value)
