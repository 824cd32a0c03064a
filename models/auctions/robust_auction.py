"""Auctions of one good when nothing is known of the values but the interval they lie in.

A profile v holds every bidder's value, v_-i the others', (w, v_-i) the profile in which bidder i reports w. The
program on the profiles V of a grid (thesis, problem (RMDP)), the dual's letters in brackets:

    max   t
    s.t.  sum_i m_i(v) >= t                                            for v in V               [alpha(v)]
          q_i(v) v_i - m_i(v) >= 0                                     for i, v in V            [beta_i(v)]
          q_i(v) v_i - m_i(v) >= q_i(w, v_-i) v_i - m_i(w, v_-i)       for i, v in V, all w     [gamma_i(v, w)]
          sum_i q_i(v) <= 1                                            for v in V               [lambda(v)]
          q(v) >= 0

Its dual, the primal's letters in brackets:

    min   sum_v lambda(v)
    s.t.  sum_v alpha(v) = 1                                                                    [t]
          alpha(v) = beta_i(v) + sum_w gamma_i(v, w) - sum_w gamma_i((w, v_-i), v_i)            [m_i(v)]
          lambda(v) >= (beta_i(v) + sum_w gamma_i(v, w)) v_i - sum_w gamma_i((w, v_-i), v_i) w  [q_i(v)]
          alpha, beta, gamma, lambda >= 0

The optimum is the lowest value: nature plays the profile where all have it, and a second price auction never earns
less. Optimal mechanisms abound. One is Pareto robustly optimal when no other earns at least as much in every profile
and more in some (models/auctions/robust_pareto.py).

Source: C. Kocyigit's thesis (EPFL), Section 1.3; C. Bandi, D. Bertsimas, Optimal design for multi-item auctions (2014).
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mechopt.models.inputs import Count, Number, checked, fail, plain
from mechopt.models.outcome import ClosedForm
from mechopt.models.regret.regret_auction_size import LARGEST_TABLE, MANY, power
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Array, Program

SOURCE = "Bandi, Bertsimas (2014); Kocyigit's thesis (EPFL), Theorem 1.3.1"
Indices = NDArray[np.int64]


@checked
class RobustAuction:
    """One good, I bidders with values in [lower, upper] of which nothing more is known; the good costs nothing.

    `bidders`: I, at least 2. `lower`, `upper`: money, 0 <= lower < upper. `points`: grid steps n, hence n + 1 values
    per bidder from lower to upper. Raises InputError for anything else.

    >>> model = RobustAuction(bidders=2, lower=1, upper=2, points=4)
    >>> assert model.profiles == 25 and model.axis[1] == Fraction(5, 4) and model.closed_form().value == 1
    """

    bidders: Count
    lower: Number
    upper: Number
    points: Count

    def __post_init__(self) -> None:
        if self.bidders < 2:
            raise fail("bidders", "at least 2 bidders", self.bidders, "for one buyer use regret-pricing")
        if self.lower < 0:
            raise fail("lower", "a number of at least 0", self.lower)
        if self.upper <= self.lower:
            raise fail("upper", f"a number above lower, which is {plain(self.lower)}", self.upper)

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        return {"bidders": self.bidders, "lower": plain(self.lower), "upper": plain(self.upper), "points": self.points}

    @property
    def profiles(self) -> int:
        """Number of value profiles of the grid, at most MANY."""
        return power(self.points + 1, self.bidders)

    @cached_property
    def axis(self) -> list[Fraction]:
        """A bidder's values on the grid, (n + 1,), money."""
        low, high, n = self.lower, self.upper, self.points
        return [low + (high - low) * k / n for k in range(n + 1)]

    @cached_property
    def steps(self) -> Indices:
        """Grid positions of every bidder in every profile, (P, I), the last bidder moving fastest."""
        self.require_fits()
        return np.stack(np.unravel_index(np.arange(self.profiles), (self.points + 1,) * self.bidders), axis=1)

    @cached_property
    def values(self) -> Array:
        """Every profile's values as floats, (P, I), money."""
        return np.array([float(x) for x in self.axis])[self.steps]

    def size(self, method: str | None = None) -> Size:
        """Size of the program a method solves; the default one only lists allocations and payments, as columns."""
        seats = min(MANY, self.profiles * self.bidders)
        if method != "all-pairs":
            return Size(0, 2 * seats, 0)
        reports = self.points + 1
        rows = 2 * self.profiles + seats * (2 + reports)
        return Size(rows, 1 + 2 * seats, seats * (6 + 4 * reports))

    def require_fits(self, method: str | None = None) -> None:
        """Raise InputError when the tables, or the program of a method, would be too large."""
        got, listed = f"{self.points} steps for {self.bidders} bidders", 2 * self.profiles * self.bidders
        if listed > LARGEST_TABLE:
            wanted = f"at most {LARGEST_TABLE:,} allocations and payments to list"
            raise fail("points", wanted, f"{got}: {min(listed, MANY):,}", "use fewer steps")
        if not (size := self.size(method)).fits:
            wanted = f"a program that fits in the {human(available())} of memory that are free"
            raise fail("points", wanted, f"{got}: {size}", "use fewer steps")

    def words(self) -> str:
        """The problem and its program in words."""
        rows = (__doc__ or "").partition("brackets:\n\n")[2].partition("\n\nIts dual")[0]
        count = f"{self.profiles:,}" if self.profiles < MANY else "more than 1e18"
        return (
            f"Sell one good to {self.bidders} bidders whose values lie in [{plain(self.lower)}, {plain(self.upper)}]; "
            f"the finite program sees the {count} profiles of a grid. Find the mechanism, truthful and never worse "
            f"than staying away in every profile, whose least revenue is largest:\n\n{rows}"
        )

    @cached_property
    def total(self) -> Any:
        """The sum over the bidders of a profile, sparse (P, PI); row v I + i of all tables is bidder i in profile v."""
        return sp.kron(sp.eye_array(self.profiles), np.ones((1, self.bidders)), format="csr")

    def moves(self, reports: Indices) -> Any:
        """Where reports lead: sparse (PI * R, PI) for grid positions `reports`, (PI, R)."""
        stride = (self.points + 1) ** np.arange(self.bidders - 1, -1, -1)
        home = (np.arange(self.profiles)[:, None] - self.steps * stride).ravel()
        there = home[:, None] + np.tile(stride, self.profiles)[:, None] * reports
        there = there * self.bidders + np.tile(np.arange(self.bidders), self.profiles)[:, None]
        return sp.csr_array((np.ones(there.size), there.ravel(), np.arange(there.size + 1)), (there.size, len(home)))

    @cached_property
    def everywhere(self) -> Any:
        """Where all reports lead, sparse (PIK, PI)."""
        K, seats = self.points + 1, self.profiles * self.bidders
        return self.moves(np.tile(np.arange(K), (seats, 1)))

    def truthful(self, q: cp.Variable, m: cp.Variable) -> dict[str, cp.Constraint]:
        """Rows beta, gamma, lambda and chance for q and m, (PI,) each, with all pairs of types."""
        V, K = self.values.ravel(), self.points + 1
        truth = cp.multiply(V, q) - m  # (PI,)
        lie = cp.multiply(np.repeat(V, K), self.everywhere @ q) - self.everywhere @ m  # (PIK,)
        return {
            "beta": truth >= 0,
            "gamma": cp.reshape(truth, (len(V), 1), order="C") >= cp.reshape(lie, (len(V), K), order="C"),
            "lambda": self.total @ q <= 1,
            "chance": q >= 0,
        }

    def primal(self) -> Program:
        """The seller's program (RMDP) with every row."""
        self.require_fits("all-pairs")
        seats = self.profiles * self.bidders
        t, q, m = cp.Variable(name="t"), cp.Variable(seats, name="q"), cp.Variable(seats, name="m")
        return Program(cp.Maximize(t), {"alpha": self.total @ m >= t, **self.truthful(q, m)})

    def dual(self) -> Program:
        """Nature's program; the multipliers of its rows are the mechanism, by the letters t, m and q."""
        self.require_fits("all-pairs")
        V, K, moves = self.values.ravel(), self.points + 1, self.everywhere
        alpha = cp.Variable(self.profiles, name="alpha", nonneg=True)
        beta = cp.Variable(len(V), name="beta", nonneg=True)
        gamma = cp.Variable((len(V), K), name="gamma", nonneg=True)
        lam = cp.Variable(self.profiles, name="lambda", nonneg=True)
        flat = cp.reshape(gamma, (len(V) * K,), order="C")
        out, back = cp.sum(gamma, axis=1), moves.T @ cp.multiply(np.repeat(V, K), flat)  # (PI,)
        return Program(cp.Minimize(cp.sum(lam)), {
            "t": cp.sum(alpha) == 1,
            "m": self.total.T @ alpha == beta + out - moves.T @ flat,
            "q": self.total.T @ lam >= cp.multiply(V, beta + out) - back,
        })  # fmt: skip

    def closed_form(self) -> ClosedForm:
        """The theorem's revenue, the lowest value: equal on every grid and on the continuum."""
        return ClosedForm(float(self.lower), "optimum, on every grid and on the continuum", SOURCE)


def vickrey(model: RobustAuction) -> tuple[list[list[Fraction]], list[list[Fraction]]]:
    """The second price auction on the grid: allocation (P, I) and payment (P, I), in fractions.

    The first of the highest bidders wins and pays the least grid value with which she would still have won, one step
    above the second highest bid where that one wins ties against her.

    >>> q, m = vickrey(RobustAuction(bidders=2, lower=1, upper=2, points=2))
    >>> assert q[1] == [0, 1] and m[1] == [0, Fraction(3, 2)] and m[4] == [Fraction(3, 2), 0]
    """
    zero, one = Fraction(0), Fraction(1)
    allocation, payment = [], []
    for profile in model.steps.tolist():
        winner = profile.index(max(profile))
        needed = max(k + (j < winner) for j, k in enumerate(profile) if j != winner)
        allocation.append([one if i == winner else zero for i in range(model.bidders)])
        payment.append([model.axis[needed] if i == winner else zero for i in range(model.bidders)])
    return allocation, payment
