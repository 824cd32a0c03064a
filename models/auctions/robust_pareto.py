"""Whether a mechanism is Pareto robustly optimal: a program that finds a better one, and a prior that rules it out.

Given what a mechanism earns by profile, rev(v), and weights w(v) > 0, the program of the best improvement, the dual's
letters in brackets:

    max   sum_v w(v) (sum_i m_i(v) - rev(v))
    s.t.  sum_i m_i(v) >= rev(v)      for v in V    [delta(v)]
          incentive compatible, individually rational, sold at most once, as in models/auctions/robust_auction.py

Its optimum is zero exactly when no truthful mechanism earns at least rev(v) everywhere and more somewhere.

A prior with full support proves that the other way round: where a mechanism is optimal in expectation under some prior
that gives every profile a chance, none dominates it. For lower > 0 and the second price auction on a grid such a
prior is known: independent values with P(value >= v_k) = v_0 / v_k. Every price then earns v_0 from a bidder. Her
virtual value phi_k = v_k - (v_{k+1} - v_k) P(value > v_k) / P(value = v_k) is zero below the top, and no mechanism
earns more than the expectation of the largest one, which is what the auction earns. For lower = 0 there is no such
prior: the auction gives the good away when all others have the value 0, and a price for the first bidder in these
profiles costs nothing elsewhere.

Source: C. Kocyigit's thesis (EPFL), Definition 1.3.1 and Proposition 1.3.2, which needs lower > 0.
"""

from __future__ import annotations

from fractions import Fraction

import cvxpy as cp
import numpy as np

from mechopt.models.auctions.robust_auction import RobustAuction, vickrey
from mechopt.solvers.program import Array, Program

Exact = list[list[Fraction]]


def dominating(model: RobustAuction, revenue: Array, weights: Array | None = None) -> Program:
    """The program of the best improvement on a mechanism that earns `revenue` (P,), money, by profile.

    `weights` (P,): positive, what a unit of revenue counts in each profile; 1/P each when None. Variables `q` and `m`,
    (PI,), row v I + i for bidder i in profile v.

    >>> from mechopt.solvers.highs import solve
    >>> model = RobustAuction(bidders=2, lower=1, upper=2, points=2)
    >>> gain = solve(dominating(model, np.ones(9))).value  # selling to bidder 1 at 1 is not Pareto robustly optimal
    >>> assert abs(gain - 4 / 9) < 1e-9
    """
    model.require_fits("all-pairs")
    worth = np.full(model.profiles, 1 / model.profiles) if weights is None else np.asarray(weights, dtype=float)
    seats = model.profiles * model.bidders
    q, m = cp.Variable(seats, name="q"), cp.Variable(seats, name="m")
    earned = model.total @ m
    rows = {"delta": earned >= revenue, **model.truthful(q, m)}
    return Program(cp.Maximize(worth @ (earned - revenue)), rows)


def equal_revenue(axis: list[Fraction]) -> list[Fraction]:
    """Probabilities of the values v_0 < .. < v_n under which every price earns v_0, v_0 > 0.

    >>> assert equal_revenue([Fraction(1), Fraction(2)]) == [Fraction(1, 2), Fraction(1, 2)]
    """
    tails = [axis[0] / x for x in axis] + [Fraction(0)]
    return [tails[k] - tails[k + 1] for k in range(len(axis))]


def improvement(model: RobustAuction) -> tuple[Exact, Exact] | None:
    """A mechanism that dominates the second price auction where lower = 0, allocation and payment (P, I); else None.

    When all others have the value 0, the first bidder faces the price that earns most on the grid instead of 0.

    >>> better = improvement(RobustAuction(bidders=2, lower=0, upper=1, points=2))
    >>> assert better[1][3] == [Fraction(1, 2), 0]
    >>> assert improvement(RobustAuction(bidders=2, lower=1, upper=2, points=1)) is None
    """
    if model.lower > 0:
        return None
    q, m = vickrey(model)
    n = model.points
    price = max(range(1, n + 1), key=lambda k: k * (n - k + 1))
    for v, profile in enumerate(model.steps.tolist()):
        if not any(profile[1:]):
            sold = profile[0] >= price
            q[v][0], m[v][0] = Fraction(int(sold)), model.axis[price] if sold else Fraction(0)
    return q, m
