"""Posted prices for bundles of J goods: their worst-case regret, and the best ones.

The buyer pays p_S for the bundle S of her choice, nothing for no good. Her values lie anywhere in [0, vbar]; V_S(p, 0)
is the polytope of values that weakly prefer S. The worst case of given prices (thesis, (2.16) with delta = 0) is the
largest over bundles S and sign patterns T, because 1'(v - c)^+ is the largest sum of (v_j - c_j) over goods j in T:

    max   sum_{j in T} (v_j - c_j) - (p_S - 1_S'c)
    s.t.  1_S'v - p_S >= 1_S''v - p_S'     for every bundle S' on offer     [choice(S')]
          v <= vbar                                                         [upper]
          v >= 0                                                            [lower]

The best prices against a finite set V of profiles, ties broken for the seller (2.15), M large enough:

    min   r
    s.t.  r >= 1'(v - c)^+ - sum_S x_S(v) 1_S'(v - c) + u(v)     for v in V         [regret]
          u(v) >= 1_S'v - p_S                                    for v in V, S      [choice]
          u(v) <= 1_S'v - p_S + M (1 - x_S(v))                   for v in V, S      [bought]
          sum_S x_S(v) = 1, x binary                             for v in V         [one]
          p_0 = 0                                                                   [free]

A bound from below that needs no grid: reference prices p and one profile v^S in V_S(p, 0) per bundle,

    max   r
    s.t.  r <= sum_{j: c_j < vbar_j} (v^S_j - c_j) - (p_S - 1_S'c)     for every S          [regret]
          1_S'v^S - p_S >= 1_S''v^S - p_S'                             for every S, S'      [choice]
          0 <= v^S <= vbar, p_0 = 0

Whatever the seller posts, the bundle S she underprices most against the reference is what type v^S buys, and she is
paid at most the reference price: her worst regret is at least r. docs/posted-prices.md has the proof in full.

Source: C. Kocyigit, N. Rujeerapaiboon, D. Kuhn, Robust multidimensional pricing: separation without regret (2020),
and Kocyigit's thesis, Section 2.4. Theorem 2.4.1: p_S = 1_S'(vbar + c) / 2 is best, and its regret is 1'(vbar - c) / 2.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np

from mechopt.models.inputs import Count, Number, checked, fail, plain
from mechopt.models.outcome import ClosedForm
from mechopt.models.prices.bundles import NOTHING, bundles, canonical, label, read
from mechopt.models.prices.posted_prices_theory import SOURCE, best_regret
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Array, Program

MOST_GOODS = 20  # of an instance; a bundle is a bit mask
MOST_BUNDLES = 1024  # on offer, when prices are given: preferences are compared pair by pair
MOST_PROGRAMS = 60_000  # sign patterns over all bundles, one small linear program each: 3^10 = 59,049
MOST_REFERENCE = 8  # goods, when the best prices are sought: 4^J rows
MOST_BINARIES = 5_000  # of the program on a grid


@checked
class PostedPrices:
    """J goods, one price per bundle, one buyer whose values are known only to lie in the box [0, upper].

    `upper`, `cost`: money, one number per good (cost defaults to zeros). `prices`: a table such as
    {"1": 0.5, "2": 0.5, "1+2": 0.8}, whose worst-case regret is found; a bundle left out is not for sale, but the one
    of all goods must be priced, and the empty one costs nothing. Without prices the best ones are found, and with
    `points` also those for the grid of n steps per good, from cost to upper. Raises InputError for anything else.

    >>> model = PostedPrices(upper=[1, 1], prices={"2+1": 0.8, "1": "1/2"})
    >>> assert model.parameters()["prices"] == {"1": 0.5, "1+2": 0.8} and len(model.offered) == 3
    """

    upper: tuple[Number, ...] = ()
    cost: tuple[Number, ...] = ()
    prices: dict[str, Number] | None = None
    points: Count | None = None

    def __post_init__(self) -> None:
        if not self.upper:
            raise fail("upper", "one positive number per good", "none", "write upper = [1, 2] for two goods")
        if self.goods > MOST_GOODS:
            got = f"{self.goods} goods, 2^{self.goods} bundles"
            raise fail("upper", f"at most {MOST_GOODS} goods", got, "every bundle has its own price: sell fewer goods")
        object.__setattr__(self, "cost", self.cost or (Fraction(0),) * self.goods)
        if len(self.cost) != self.goods:
            raise fail("cost", f"{self.goods} numbers, one per good", f"{len(self.cost)}", "or leave it out for zeros")
        for j, number in enumerate(self.upper):
            if number <= 0:
                raise fail(f"upper[{j}]", "a positive number", number, "leave out a good nobody values")
            if self.cost[j] < 0:
                raise fail(f"cost[{j}]", "a number of at least 0", self.cost[j])
        if self.prices is not None:
            if self.points is not None:
                hint = "prices are judged on the whole box; points is the grid on which best ones are sought"
                raise fail("points", "none where prices are given", self.points, hint)
            object.__setattr__(self, "prices", canonical(self.prices, self.goods))

    @property
    def goods(self) -> int:
        """J, the number of goods."""
        return len(self.upper)

    @cached_property
    def offered(self) -> dict[int, Fraction]:
        """The price of every bundle on offer, the empty one included, by mask. Empty when prices are sought."""
        if self.prices is None:
            return {}
        return {NOTHING: Fraction(0)} | {read(name, self.goods): price for name, price in self.prices.items()}

    @cached_property
    def margins(self) -> tuple[Fraction, ...]:
        """(vbar - c)^+: the most each good can earn, money."""
        return tuple(max(hi - c, Fraction(0)) for c, hi in zip(self.cost, self.upper, strict=True))

    @cached_property
    def wavering(self) -> int:
        """The goods worth more or less than a positive cost, as a mask: only these need sign patterns."""
        return sum(1 << j for j, c in enumerate(self.cost) if 0 < c < self.upper[j])

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        fields: dict[str, Any] = {"upper": [plain(x) for x in self.upper], "cost": [plain(x) for x in self.cost]}
        if self.prices is not None:
            fields["prices"] = {name: plain(price) for name, price in self.prices.items()}
        return fields | ({"points": self.points} if self.points is not None else {})

    @property
    def programs(self) -> int:
        """How many linear programs give the worst case of prices: sign patterns, over all bundles on offer."""
        return sum(1 << (self.wavering & ~bundle).bit_count() for bundle in self.offered)

    @property
    def types(self) -> int:
        """N, the profiles of the grid; one per bundle where there is none."""
        return int(((self.points or 1) + 1) ** self.goods)

    def size(self) -> Size:
        """Size of the program, known before it is built; of the largest one, where prices are given."""
        goods, count = self.goods, len(self.offered)
        if self.prices is not None:
            return Size(count - 1, goods, (count - 1) * (goods + 1) // 2)  # one at a time
        if self.points is not None:
            rows = self.types << goods
            return Size(2 * rows + 2 * self.types, rows + self.types, (6 + goods) * rows)
        rows = 4**goods
        return Size(rows + 2**goods, (goods + 1) * 2**goods, rows * (goods + 4) // 2)

    def require_fits(self) -> None:
        """Raise InputError, saying how large the programs would be, when there are too many to enumerate."""
        goods, size = self.goods, self.size()
        if self.prices is not None:
            if len(self.offered) > MOST_BUNDLES or self.programs > MOST_PROGRAMS:
                got = f"{len(self.offered):,} bundles for {goods} goods, {self.programs:,} programs of {size}"
                expected = f"at most {MOST_BUNDLES:,} bundles and {MOST_PROGRAMS:,} linear programs over them"
                raise fail("prices", expected, got, "offer fewer bundles, or sell fewer goods")
        elif goods > MOST_REFERENCE:
            got = f"{goods} goods: {2**goods:,} bundles, {4**goods:,} pairs of them, {size}"
            hint = "sell fewer goods, or give the prices of a few bundles"
            raise fail(
                "upper", f"at most {MOST_REFERENCE} goods where the best prices of all bundles are sought", got, hint
            )
        elif self.points is not None and self.types << goods > MOST_BINARIES:
            got = f"{self.points} steps for {goods} goods: {self.types:,} profiles x {2**goods} bundles, {size}"
            hint = "use fewer steps, or none: the bounds do not need a grid"
            raise fail("points", f"a grid with at most {MOST_BINARIES:,} pairs of profile and bundle", got, hint)
        if not size.fits:
            got = f"{size}, with {human(available())} free"
            raise fail("upper", "programs that fit in memory", got, "sell fewer goods")

    def words(self) -> str:
        """The problem and its programs in words."""
        box = " x ".join(f"[0, {plain(hi)}]" for hi in self.upper)
        goods = "one good" if self.goods == 1 else f"{self.goods} goods"
        told = (
            f"Sell {goods} to one buyer whose values are known only to lie in {box}, at one posted price per bundle. "
        )
        _, _, worst, _, grid, _, reference, *_ = (__doc__ or "").split("\n\n")
        if self.prices is not None:
            count = f"{self.programs:,} linear program{'s' if self.programs > 1 else ''}"
            return f"{told}The worst-case regret of the prices given is the largest optimum of {count}:\n\n{worst}"
        told += "Find the prices with the smallest worst-case regret against a seller who knows the values."
        if self.points is not None:
            told += f" On a grid of {self.types:,} profiles they solve\n\n{grid}\n\nOn the whole box, a bound from"
        else:
            told += " A bound from"
        return f"{told} below is\n\n{reference}\n\nand the worst case of its prices p is one from above."

    @cached_property
    def incidence(self) -> Array:
        """Row S holds 1_S, in the order of `bundles(J)`, (2^J, J)."""
        return np.array([[bundle >> j & 1 for j in range(self.goods)] for bundle in bundles(self.goods)], dtype=float)

    @cached_property
    def exact_grid(self) -> list[tuple[Fraction, ...]]:
        """The profiles of the grid as fractions, from cost to upper (from 0, for a good that costs more)."""
        n = self.points or 1
        axes = [
            [lo + (hi - lo) * k / n for k in range(n + 1)]
            for lo, hi in ((c if c < hi else Fraction(0), hi) for c, hi in zip(self.cost, self.upper, strict=True))
        ]
        return list(itertools.product(*axes))

    def worst_regret(self, bundle: int, counted: int) -> Program:
        """The worst case of the prices given for buyers of one bundle and one sign pattern, both as masks (2.16)."""
        upper, cost = np.array(self.upper, dtype=float), np.array(self.cost, dtype=float)
        price = {other: float(p) for other, p in self.offered.items()}
        v = cp.Variable(self.goods, name="v")

        def one(mask: int) -> Array:  # 1_S, (J,)
            return np.array([mask >> j & 1 for j in range(self.goods)], dtype=float)

        regret = one(counted) @ (v - cost) - (price[bundle] - one(bundle) @ cost)
        rivals = [other for other in self.offered if other != bundle]
        rows = {
            f"choice({label(other)})": one(bundle) @ v - price[bundle] >= one(other) @ v - price[other]
            for other in rivals
        }
        return Program(cp.Maximize(regret), {**rows, "upper": v <= upper, "lower": v >= 0})

    def primal(self) -> Program:
        """The seller's program on the grid (2.15), mixed-integer. Raises InputError where there is no grid."""
        if self.points is None:
            got = "none" if self.prices is None else "prices, which are judged on the whole box"
            raise fail("points", "a number of steps for the grid", got, "points = 2 makes a grid of 2 steps per good")
        self.require_fits()
        B, c = self.incidence, np.array(self.cost, dtype=float)  # (2^J, J), (J,)
        V = np.array([[float(x) for x in v] for v in self.exact_grid])  # (N, J)
        worth, full = V @ B.T, np.maximum(V - c, 0).sum(axis=1)  # 1_S'v, (N, 2^J), and 1'(v - c)^+, (N,)
        dearest = B @ np.array(self.upper, dtype=float)  # nobody pays more, (2^J,)
        r, u = cp.Variable(name="r"), cp.Variable(len(V), name="u")
        p, x = cp.Variable(len(B), name="p"), cp.Variable((len(V), len(B)), boolean=True, name="x")
        M = V.sum(axis=1)[:, None] - worth + full.max() + dearest  # regret is at most full.max(), so p >= -full.max()
        net, own = worth - cp.reshape(p, (1, len(B)), order="C"), cp.reshape(u, (len(V), 1), order="C")
        return Program(cp.Minimize(r), {
            "regret": r >= full - cp.sum(cp.multiply(worth - B @ c, x), axis=1) + u,
            "choice": own >= net,
            "bought": own <= net + cp.multiply(M, 1 - x),
            "one": cp.sum(x, axis=1) == 1,
            "free": p[0] == 0,
            "cap": p <= dearest,
            "floor": p >= -full.max(),
        })  # fmt: skip

    def reference(self) -> Program:
        """The bound from below: reference prices and one profile per bundle, a linear program."""
        self.require_fits()
        B, c, upper = self.incidence, np.array(self.cost, dtype=float), np.array(self.upper, dtype=float)
        live = (c < upper).astype(float)  # (J,)
        r, p = cp.Variable(name="r"), cp.Variable(len(B), name="p")
        v = cp.Variable(B.shape, name="v")  # row S is v^S
        own = cp.sum(cp.multiply(B, v), axis=1) - p  # 1_S'v^S - p_S, (2^J,)
        other = v @ B.T - cp.reshape(p, (1, len(B)), order="C")  # row S, column S'
        return Program(cp.Maximize(r), {
            "regret": r <= v @ live - live @ c - (p - B @ c),
            "choice": cp.reshape(own, (len(B), 1), order="C") >= other,
            "upper": v <= upper[None, :],
            "lower": v >= 0,
            "free": p[0] == 0,
        })  # fmt: skip

    def closed_form(self) -> ClosedForm | None:
        """The theorem's best regret; None for prices that are given, which no theorem covers."""
        if self.prices is not None:
            return None
        source = SOURCE if all(self.margins) else SOURCE + " for the goods worth more than they cost"
        return ClosedForm(best_regret(self.margins), "continuum optimum", source)
