"""Minimax-regret auctions of J goods to I bidders, without a prior.

A profile v = (v^1, ..., v^I) holds each bidder's values, v^-i the others', (w, v^-i) the profile in which bidder i
reports w. The program on the profiles V of a grid (thesis, problem (3.1)), the dual's letters in brackets:

    min   r
    s.t.  r >= sum_j max_i v_j^i - sum_i m^i(v)                            for v in V               [alpha(v)]
          q^i(v)'v^i - m^i(v) >= 0                                         for i, v in V            [beta^i(v)]
          q^i(v)'v^i - m^i(v) >= q^i(w, v^-i)'v^i - m^i(w, v^-i)           for i, v in V, all w     [gamma^i(v, w)]
          sum_i q_j^i(v) <= 1                                              for j, v in V            [lambda_j(v)]
          q(v) >= 0

Its dual, the primal's letters in brackets:

    max   sum_v alpha(v) sum_j max_i v_j^i - sum_v 1'lambda(v)
    s.t.  sum_v alpha(v) = 1                                                                        [r]
          alpha(v) = beta^i(v) + sum_w gamma^i(v, w) - sum_w gamma^i((w, v^-i), v^i)                [m^i(v)]
          lambda(v) >= (beta^i(v) + sum_w gamma^i(v, w)) v^i - sum_w gamma^i((w, v^-i), v^i) w      [q^i(v)]
          alpha, beta, gamma, lambda >= 0

alpha is nature's distribution, beta the price of participation, gamma of truth, lambda of capacity. Truth and
participation hold in every profile: ex-post, in dominant strategies.

Source: C. Kocyigit's thesis (EPFL), Chapter 3. Theorem 3.3.1: on the box [0, vbar] the optimum is 1'vbar / e for any
number of bidders, attained by second price auctions with a random reserve price, one for each good.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from mechopt.models.inputs import Count, Number, checked, fail, plain
from mechopt.models.outcome import ClosedForm
from mechopt.models.regret.regret_auction_bounds import Upper, bounds_of, check_bounds
from mechopt.models.regret.regret_auction_size import LARGEST_TABLE, MANY, counted, power, program_size, table_size
from mechopt.models.regret.regret_pricing import grid_optimum, one_good_optimum
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Array, Program

SOURCE = "Kocyigit's thesis (EPFL), Chapter 3, Theorem 3.3.1"


@checked
class RegretAuction:
    """J goods, I bidders whose values are known only to lie in a box; the seller has no costs.

    `bidders`: I. `upper`, money: one number per good, for every bidder; or a list per bidder of such lists. `lower`,
    money: one number per good (defaults to zeros). `points`: grid steps n, hence n + 1 values per bidder and good from
    lower to upper. Raises InputError for anything else.

    >>> model = RegretAuction(bidders=2, upper=[1], points=4)
    >>> assert model.profiles == 25 and model.axis(0, 0)[1] == Fraction(1, 4)
    """

    bidders: Count
    upper: Upper
    points: Count
    lower: tuple[Number, ...] = ()

    def __post_init__(self) -> None:
        goods = len(bounds_of(1, self.upper)[0]) if self.upper else 0
        object.__setattr__(self, "lower", self.lower or (Fraction(0),) * goods)
        check_bounds(self.bidders, self.upper, self.lower)

    @cached_property
    def bounds(self) -> tuple[tuple[Fraction, ...], ...]:
        """Upper bounds per bidder and good, (I, J), money."""
        return bounds_of(self.bidders, self.upper)

    @property
    def goods(self) -> int:
        """J, the number of goods."""
        return len(self.lower)

    @property
    def anonymous(self) -> bool:
        """Whether all bidders have the same bounds."""
        return not isinstance(self.upper[0], tuple) or len(set(self.bounds)) == 1

    @property
    def from_zero(self) -> bool:
        """Whether every lower bound is zero, the case of Theorem 3.3.1."""
        return not any(self.lower)

    @property
    def proportional(self) -> bool:
        """Whether the goods' bounds are multiples of the first good's: one auction, scaled, then serves them all."""
        return all(
            row[j] * self.bounds[0][0] == row[0] * self.bounds[0][j]
            and self.lower[j] * self.bounds[0][0] == self.lower[0] * self.bounds[0][j]
            for j in range(self.goods)
            for row in set(self.bounds)
        )

    @cached_property
    def best(self) -> tuple[Fraction, ...]:
        """The highest upper bound of any bidder, per good, (J,), money."""
        return tuple(max(column) for column in zip(*set(self.bounds), strict=True))

    @cached_property
    def favourites(self) -> dict[int, list[int]]:
        """The goods for which each bidder has the highest upper bound, the first bidder on a tie; others left out."""
        found: dict[int, list[int]] = {}
        for good, most in enumerate(self.best):
            bidder = next(i for i, row in enumerate(self.bounds) if row[good] == most)
            found.setdefault(bidder, []).append(good)
        return dict(sorted(found.items()))

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        upper = [[plain(x) for x in b] if isinstance(b, tuple) else plain(b) for b in self.upper]
        return {"bidders": self.bidders, "upper": upper, "lower": [plain(x) for x in self.lower], "points": self.points}

    @property
    def types(self) -> int:
        """K, the number of value profiles of one bidder, at most MANY."""
        return power(self.points + 1, self.goods)

    @property
    def profiles(self) -> int:
        """Number of profiles of all bidders, at most MANY."""
        return power(self.points + 1, self.goods * self.bidders)

    def axis(self, bidder: int, good: int) -> list[Fraction]:
        """The grid of a bidder's value for a good, (n + 1,), money."""
        low, high, n = self.lower[good], self.bounds[bidder][good], self.points
        return [low + (high - low) * k / n for k in range(n + 1)]

    def exact_types(self, bidder: int) -> list[tuple[Fraction, ...]]:
        """A bidder's value profiles as fractions, (K, J), the last good's value moving fastest."""
        return list(itertools.product(*(self.axis(bidder, good) for good in range(self.goods))))

    @cached_property
    def values(self) -> Array:
        """The value profiles of every bidder as floats, (I, K, J), money."""
        return np.array([[[float(x) for x in v] for v in self.exact_types(i)] for i in range(self.bidders)])

    @property
    def engine(self) -> str:
        """The method that fits the instance's structure, see models/regret/regret_auction_solve.py."""
        return "reserve" if self.from_zero else "apart" if self.goods > 1 and self.proportional else "orbits"

    def size(self, method: str | None = None) -> Size:
        """Size of the program a method solves, the default one when None, known before anything is built."""
        return program_size(self, method or self.engine)

    def listed(self, method: str | None = None) -> int:
        """Allocations and payments in the table of the mechanism a method finds, at most about MANY."""
        return table_size(self, method or self.engine)

    def require_fits(self, method: str | None = None) -> None:
        """Raise InputError when a method's program, or what its certificate must list, would be too large."""
        method = method or self.engine
        size, listed = self.size(method), self.listed(method)
        got = f"{self.points} steps for {counted(self.bidders, 'bidder')} and {counted(self.goods, 'good')}"
        if not size.fits:
            wanted = f"a program that fits in the {human(available())} of memory that are free"
            raise fail("points", wanted, f"{got}: {size}", "use fewer steps")
        kind = "allocations and payments of a mechanism"
        if method == "reserve":  # needs no table, but nature's atoms and their multipliers
            kind, listed = "values of nature's distribution", power(self.points, len(self.favourites)) * self.bidders
        if listed > LARGEST_TABLE:
            got += f": {'at least ' if listed >= MANY else ''}{listed:,}"
            raise fail("points", f"at most {LARGEST_TABLE:,} {kind} to list", got, "use fewer steps")

    def words(self) -> str:
        """The problem and its program in words."""
        several = self.bidders > 1 and not self.anonymous
        boxes = [
            " x ".join(f"[{plain(lo)}, {plain(hi)}]" for lo, hi in zip(self.lower, bound, strict=True))
            for bound in (self.bounds[:3] if several else self.bounds[:1])
        ]
        where = ", ".join(boxes) + (" and so on" if several and self.bidders > 3 else "")
        count = f"{self.profiles:,}" if self.profiles < MANY else "more than 1e18"
        rows = (__doc__ or "").partition("brackets:\n\n")[2].partition("\n\nIts dual")[0]
        return (
            f"Sell {counted(self.goods, 'good')} to {counted(self.bidders, 'bidder')} whose values are known only to "
            f"lie in {where}; the finite program sees the {count} profiles of a grid. Find the mechanism, truthful in "
            "dominant strategies and never worse than staying away, that has the smallest worst-case regret against a "
            f"seller who knows the values:\n\n{rows}"
        )

    @cached_property
    def _tables(self) -> tuple[Array, Array, Any, Any]:
        """Own values (PI, J), surplus (P,), the sum over bidders (P, PI), and where misreports lead (PIK, PI).

        Rows run over profiles, then bidders: row v I + i.
        """
        self.require_fits("all-pairs")
        K, bidders, P = self.types, self.bidders, self.profiles
        steps = np.stack(np.unravel_index(np.arange(P), (K,) * bidders), axis=1)  # (P, I)
        own = self.values[np.arange(bidders), steps].reshape(P * bidders, self.goods)
        surplus = own.reshape(P, bidders, self.goods).max(axis=1).sum(axis=1)
        total = sp.csr_array(np.ones((1, bidders)))
        total = sp.kron(sp.eye_array(P), total, format="csr")
        stride = K ** np.arange(bidders - 1, -1, -1)
        there = (np.arange(P)[:, None] - steps * stride)[:, :, None] + stride[:, None] * np.arange(K)  # (P, I, K)
        there = there * bidders + np.arange(bidders)[:, None]
        moves = sp.csr_array((np.ones(there.size), there.ravel(), np.arange(there.size + 1)), (there.size, P * bidders))
        return own, surplus, total, moves

    def primal(self) -> Program:
        """The seller's program (3.1) with every row; row v I + i of q and m is bidder i in profile v."""
        V, surplus, total, moves = self._tables  # (PI, J), (P,), (P, PI), (PIK, PI)
        seats, K = len(V), self.types
        r = cp.Variable(name="r")
        q = cp.Variable(V.shape, name="q")
        m = cp.Variable(seats, name="m")
        truth = cp.sum(cp.multiply(V, q), axis=1) - m  # (PI,)
        lie = cp.sum(cp.multiply(np.repeat(V, K, axis=0), moves @ q), axis=1) - moves @ m  # (PIK,)
        return Program(cp.Minimize(r), {
            "alpha": r >= surplus - total @ m,
            "beta": truth >= 0,
            "gamma": cp.reshape(truth, (seats, 1), order="C") >= cp.reshape(lie, (seats, K), order="C"),
            "lambda": total @ q <= 1,
            "chance": q >= 0,
        })  # fmt: skip

    def dual(self) -> Program:
        """Nature's program; the multipliers of its rows are the mechanism, by the letters r, m and q."""
        V, surplus, total, moves = self._tables
        seats, K = len(V), self.types
        alpha = cp.Variable(len(surplus), name="alpha", nonneg=True)
        beta = cp.Variable(seats, name="beta", nonneg=True)
        gamma = cp.Variable((seats, K), name="gamma", nonneg=True)
        lam = cp.Variable((len(surplus), self.goods), name="lambda", nonneg=True)
        flat = cp.reshape(gamma, (seats * K,), order="C")
        out, into = cp.sum(gamma, axis=1), moves.T @ flat  # (PI,)
        back = [moves.T @ cp.multiply(np.repeat(V[:, j], K), flat) for j in range(self.goods)]
        worth = [cp.multiply(V[:, j], beta + out) - back[j] for j in range(self.goods)]
        return Program(cp.Maximize(alpha @ surplus - cp.sum(lam)), {
            "r": cp.sum(alpha) == 1,
            "m": total.T @ alpha == beta + out - into,
            "q": total.T @ lam >= cp.vstack(worth).T,
        })  # fmt: skip

    def closed_form(self) -> ClosedForm | None:
        """The theorem's optimum on the continuum; None for several bidders with a positive lower bound."""
        if self.bidders > 1 and not self.from_zero:
            return None
        bounds = [(float(lo), float(hi)) for lo, hi in zip(self.lower, self.best, strict=True)]
        source = SOURCE
        if self.from_zero and not self.anonymous:
            source = "docs/regret-auction.md, bounds that differ between bidders; with " + SOURCE
        if not self.from_zero:
            source = "docs/regret-pricing.md, positive lower bounds, for one buyer"
        return ClosedForm(sum(one_good_optimum(lo, hi) for lo, hi in bounds), "continuum optimum", source)

    def grid_closed_form(self) -> float | None:
        """The optimum of the finite program where a formula is known: every lower bound zero."""
        return float(sum(self.best)) * float(grid_optimum(self.points)) if self.from_zero else None
