"""Minimax-regret pricing of J goods for one buyer, without a prior.

The program on the profiles V (thesis, problem (2.6)), the dual's letters in brackets:

    min   r
    s.t.  r >= 1'(v - c)^+ - (m(v) - q(v)'c)    for v in V       [alpha(v)]
          q(v)'v - m(v) >= 0                    for v in V       [beta(v)]
          q(v)'v - m(v) >= q(w)'v - m(w)        for v, w in V    [gamma(v, w)]
          q(v) <= 1                             for v in V       [lambda(v)]
          q(v) >= 0

Its dual (2.7), the primal's letters in brackets:

    max   sum_v alpha(v) 1'(v - c)^+ - sum_v 1'lambda(v)
    s.t.  sum_v alpha(v) = 1                                                                  [r]
          alpha(v) = beta(v) + sum_w gamma(v, w) - sum_w gamma(w, v)             for v in V   [m(v)]
          lambda(v) + alpha(v) c >= beta(v) v + sum_w gamma(v, w) v - sum_w gamma(w, v) w     [q(v)]
          alpha, beta, gamma, lambda >= 0

alpha is nature's distribution, beta the price of participation, gamma of truth, lambda of capacity.

Where moments of the distribution are known, as rows E[f_k(v)] <= b_k, the objective gains sum_k b_k sigma_k, every
regret row sum_k sigma_k f_k(v) on its left, with sigma >= 0, and the dual the rows sum_v alpha(v) f_k(v) <= b_k
[sigma_k]: the worst case is then over the distributions with these moments.

Source: C. Kocyigit, N. Rujeerapaiboon, D. Kuhn, Robust multidimensional pricing: separation without regret (2020),
and Kocyigit's thesis, Chapter 2. Theorem 2.3.1: on the box [0, vbar] the optimum is 1'(vbar - c)^+ / e.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from mechopt.models.inputs import Count, Number, checked, fail, plain
from mechopt.models.moments import Moment, Side, features, sides
from mechopt.models.moments import bounds as moment_bounds
from mechopt.models.outcome import ClosedForm
from mechopt.models.regret.regret_inputs import check_first, check_numbers
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Array, Program

SOURCE = "Kocyigit, Rujeerapaiboon, Kuhn (2020), Theorem 2.3.1"


@checked
class RegretPricing:
    """J goods, one buyer whose values are known to lie in a box, or on an explicit list of profiles.

    `upper`, `cost`, `lower`: money, one number per good (cost and lower default to zeros). `points`: grid steps n per
    good, hence n + 1 values from max(lower, cost) to upper (from lower, for a good whose cost is above its upper
    bound). `profiles`: explicit value profiles, (K, J), instead of a grid. `budget`: the values sum to at most this;
    the grid then starts at `lower`, for values below cost matter on sets that are not boxes. `moments`: what is known
    of the distribution, a list of {good, power, at_least, at_most}; regret is then the worst expected one. Raises
    InputError for anything else.

    >>> model = RegretPricing(upper=[1, 2], cost=[0, "1/2"], points=2)
    >>> assert model.values.tolist()[1] == [0.0, 1.25] and len(model.values) == 9
    """

    upper: tuple[Number, ...] = ()
    cost: tuple[Number, ...] = ()
    lower: tuple[Number, ...] = ()
    points: Count | None = None
    profiles: tuple[tuple[Number, ...], ...] | None = None
    budget: Number | None = None
    moments: tuple[Moment, ...] = ()

    def __post_init__(self) -> None:
        check_first(self)
        zeros = (Fraction(0),) * self.goods
        object.__setattr__(self, "cost", self.cost or zeros)
        object.__setattr__(self, "lower", self.lower or zeros)
        check_numbers(self)

    @property
    def goods(self) -> int:
        """J, the number of goods."""
        return len(self.profiles[0]) if self.profiles else len(self.upper)

    @property
    def is_box(self) -> bool:
        """Whether the stated problem is on a box of values, the finite program being its grid."""
        return self.profiles is None and self.budget is None

    @property
    def is_continuum(self) -> bool:
        """Whether the stated problem has a continuum of values: a box, or a box cut by a budget."""
        return self.profiles is None

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        fields: dict[str, Any] = {"upper": [plain(x) for x in self.upper]} if self.upper else {}
        fields |= {"cost": [plain(x) for x in self.cost], "lower": [plain(x) for x in self.lower]}
        if self.profiles is not None:
            fields["profiles"] = [[plain(x) for x in row] for row in self.profiles]
        else:
            fields["points"] = self.points
        if self.budget is not None:
            fields["budget"] = plain(self.budget)
        return fields | ({"moments": [moment.parameters() for moment in self.moments]} if self.moments else {})

    @property
    def types(self) -> int:
        """N, the number of value profiles of the finite program."""
        return len(self.profiles) if self.profiles else self.grid if self.budget is None else len(self.values)

    @property
    def grid(self) -> int:
        """Points of the whole grid, before a budget removes some."""
        return int(((self.points or 0) + 1) ** self.goods)

    def floor(self, good: int) -> Fraction:
        """Where the grid of a good starts: on a box, values below cost never matter."""
        whole = self.cost[good] >= self.upper[good] or self.budget is not None or self.moments
        return self.lower[good] if whole else max(self.lower[good], self.cost[good])

    @cached_property
    def axes(self) -> list[list[Fraction]]:
        """The grid's values of each good, increasing, as fractions: (J, n + 1)."""
        n = self.points or 1
        starts = [self.floor(j) for j in range(self.goods)]
        return [[lo + (hi - lo) * k / n for k in range(n + 1)] for lo, hi in zip(starts, self.upper, strict=True)]

    @cached_property
    def member(self) -> NDArray[np.bool_]:
        """Which points of the grid the budget leaves, flat, the last good moving fastest; decided exactly."""
        if self.budget is None:
            return np.ones(self.grid, dtype=bool)
        whole = math.lcm(self.budget.denominator, *(x.denominator for axis in self.axes for x in axis))
        total = np.zeros((1,) * self.goods, dtype=object)
        for j, axis in enumerate(self.axes):
            counts = np.array([int(x * whole) for x in axis], dtype=object)
            total = total + counts.reshape([-1 if i == j else 1 for i in range(self.goods)])
        return np.asarray(total <= int(self.budget * whole), dtype=bool).ravel()

    @cached_property
    def exact_values(self) -> list[tuple[Fraction, ...]]:
        """The value profiles V as fractions, the last good's value moving fastest."""
        if self.profiles is not None:
            return list(self.profiles)
        self.require_fits()
        every = itertools.product(*self.axes)
        return [v for v, inside in zip(every, self.member.tolist(), strict=True) if inside]

    @cached_property
    def values(self) -> Array:
        """The value profiles V as floats, (N, J), money."""
        if self.profiles is not None:
            return np.array([[float(x) for x in v] for v in self.profiles])
        self.require_fits()
        axes = [np.array([float(x) for x in axis]) for axis in self.axes]
        return np.stack([x.ravel()[self.member] for x in np.meshgrid(*axes, indexing="ij")], axis=1)

    @cached_property
    def costs(self) -> Array:
        """Unit costs c as floats, (J,), money."""
        return np.array([float(x) for x in self.cost])

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        """The moments as rows E[f_k(v)] <= b_k."""
        return sides(self.moments, self.goods)

    @cached_property
    def surplus(self) -> Array:
        """Full surplus 1'(v - c)^+ per profile, (N,), money."""
        return np.asarray(np.maximum(self.values - self.costs, 0).sum(axis=1))

    def size(self, all_pairs: bool = False) -> Size:
        """Size of the program the default engine solves, or of program (2.6) as written, before anything is built."""
        count, goods = len(self.profiles) if self.profiles else self.grid, self.goods
        if all_pairs:
            return Size(count**2 + (2 + goods) * count, 1 + (1 + goods) * count, (2 * goods + 2) * count**2)
        if goods == 1 and not self.moments and self.budget is None:  # the price lottery
            return Size(3 * count + 2, 2 * count + 1, 8 * count)
        if self.is_box and not self.moments:  # the sweep: utilities alone
            return Size((1 + 2 * goods) * count, 1 + count, (2 + 4 * goods) * count)
        return Size((1 + 3 * goods) * count, 1 + (1 + goods) * count, (2 + goods) * (1 + 3 * goods) * count)

    def require_fits(self, all_pairs: bool = False) -> None:
        """Raise InputError, saying how large the program would be, when it would not fit in memory."""
        size = self.size(all_pairs)
        if not size.fits:
            got = f"{self.points} steps for {self.goods} goods" if self.is_continuum else f"{self.types} profiles"
            raise fail(
                "points" if self.is_continuum else "profiles",
                f"a program that fits in the {human(available())} of memory that are free",
                f"{got}: {size}",
                "use fewer steps",
            )

    def words(self) -> str:
        """The problem and its program in words."""
        goods = "one good" if self.goods == 1 else f"{self.goods} goods"
        if self.is_continuum:
            box = " x ".join(f"[{plain(lo)}, {plain(hi)}]" for lo, hi in zip(self.lower, self.upper, strict=True))
            cut = "" if self.budget is None else f" and to sum to at most {plain(self.budget)}"
            where = f"known only to lie in {box}{cut}; the finite program sees a grid of {self.grid:,} profiles"
        else:
            where = f"one of {self.types:,} listed profiles"
        count = len(self.profiles) if self.profiles else self.grid
        pairs = f"{count**2:,} incentive rows" + ("" if self.is_box else " at most")
        rows = (__doc__ or "").partition("brackets:\n\n")[2].partition("\n\nIts dual")[0]
        return (
            f"Sell {goods} to one buyer whose values are {where}. Find the mechanism, truthful and never worse than "
            "staying away, that has the smallest worst-case regret against a seller who knows the values "
            f"({pairs}):\n\n{rows}"
        )

    def primal(self) -> Program:
        """The seller's program (2.6), all pairs of incentive rows."""
        self.require_fits(all_pairs=True)
        V, c = self.values, self.costs  # (N, J), (J,)
        r = cp.Variable(name="r")
        q = cp.Variable(V.shape, name="q")
        m = cp.Variable(len(V), name="m")
        truth = cp.sum(cp.multiply(V, q), axis=1) - m  # q(v)'v - m(v), (N,)
        lie = V @ q.T - cp.reshape(m, (1, len(V)), order="C")  # q(w)'v - m(w), row v, column w
        sigma = cp.Variable(len(self.sides), name="sigma") if self.sides else np.zeros(0)
        known = features(V, self.sides) @ sigma  # sum_k sigma_k f_k(v), (N,); nothing without moments
        signs = {"sigma": sigma >= 0} if self.sides else {}
        return Program(cp.Minimize(r + moment_bounds(self.sides) @ sigma), {
            "alpha": r + known >= self.surplus - (m - q @ c),
            "beta": truth >= 0,
            "gamma": cp.reshape(truth, (len(V), 1), order="C") >= lie,
            "lambda": q <= 1,
            "chance": q >= 0,
            **signs,
        })  # fmt: skip

    def dual(self) -> Program:
        """Nature's program (2.7); the multipliers of its rows are the mechanism, by the letters r, m and q."""
        self.require_fits(all_pairs=True)
        V, c = self.values, self.costs
        N, J = V.shape
        alpha = cp.Variable(N, name="alpha", nonneg=True)
        beta = cp.Variable(N, name="beta", nonneg=True)
        gamma = cp.Variable((N, N), name="gamma", nonneg=True)
        lam = cp.Variable((N, J), name="lambda", nonneg=True)
        out, into = cp.sum(gamma, axis=1), cp.sum(gamma, axis=0)  # sum_w gamma(v, w), sum_w gamma(w, v)
        column = cp.reshape(alpha, (N, 1), order="C")
        worth = cp.multiply(cp.reshape(beta + out, (N, 1), order="C") @ np.ones((1, J)), V) - gamma.T @ V
        return Program(cp.Maximize(alpha @ self.surplus - cp.sum(lam)), {
            "r": cp.sum(alpha) == 1,
            "m": alpha == beta + out - into,
            "q": lam + column @ c.reshape(1, J) >= worth,
            **({"sigma": features(V, self.sides).T @ alpha <= moment_bounds(self.sides)} if self.sides else {}),
        })  # fmt: skip

    def closed_form(self) -> ClosedForm | None:
        """The theorem's optimum on the continuum; None for explicit profiles, which no theorem covers."""
        if not self.is_box or self.moments:
            return None
        margins = [
            (float(max(lo, c) - c), float(hi - c))
            for lo, c, hi in zip(self.lower, self.cost, self.upper, strict=True)
            if c < hi
        ]
        value = sum(one_good_optimum(least, most) for least, most in margins)
        source = SOURCE if len(margins) == self.goods else SOURCE + " and Remark 2.3.1"
        if any(least > most / math.e for least, most in margins):
            source = "docs/regret-pricing.md, positive lower bounds; reduces to " + SOURCE
        return ClosedForm(value, "continuum optimum", source)

    def grid_closed_form(self) -> float | None:
        """The optimum of the finite program where a formula is known: a grid that starts at cost or below."""
        if not self.is_box or self.moments or any(lo > c for lo, c in zip(self.lower, self.cost, strict=True)):
            return None
        worth = sum((hi - c for c, hi in zip(self.cost, self.upper, strict=True) if c < hi), Fraction(0))
        return float(worth) * float(grid_optimum(self.points or 1))


def one_good_optimum(least: float, most: float) -> float:
    """Minimax regret of one good whose margin over cost lies in [least, most]: equal on the continuum.

    most / e when least <= most / e (Theorem 2.3.1 with J = 1; Bergemann and Schlag 2008), else
    least * log(most / least): the lowest value is then sold to with positive probability.

    >>> assert abs(one_good_optimum(0, 1) - math.exp(-1)) < 1e-15
    """
    return most / math.e if least <= most / math.e else least * math.log(most / least)


def grid_optimum(n: int) -> Fraction:
    """Minimax regret of one good with values 0, 1/n, ..., 1 and no cost: max_j (j/n)(H_n - H_j), equal on the grid.

    >>> assert grid_optimum(10) == Fraction(2131, 6300)
    """
    best, tail = Fraction(0), Fraction(0)
    for j in range(n, 0, -1):  # unimodal in j: stop after the peak
        here = Fraction(j, n) * tail
        if here < best:
            break
        best = here
        tail += Fraction(1, j)
    return best
