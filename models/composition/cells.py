"""Nature's distribution with densities on cells of a box, for one good: a bound no mechanism on the box can pass.

A bidder's cells are the nodes, as points, and the intervals between them; w is a cell of every bidder. Nature moves
mass pi(n, w) from sample n (one, without values, where there is no ball) to w, spread evenly; P(w) is their sum, B(w)
the mass of a price of the good, spread evenly too. With the own value in cell k or above and the others' in o,

    T_i(k, o) = sum P,   E_i(k, o) = sum of B - (welfare + utility) P E[v_i],   z(x) = (revenue - utility) x
                                                                     - (revenue + welfare) cost + sale

    min   supply sum_w B(w)                        (regret: max sum P surplus - supply sum B; ratio: sum P surplus = 1)
    s.t.  sum_w pi(n, w) = share of n,  E[f] <= b,  mean distance <= radius                  (ratio: up to scale)
          E_i(k, o) - z(l_k) T_i(k, o)     >= bump_k P(k, o)      for all cells k
          E_i(k+1, o) - z(u_k) T_i(k+1, o) >= bump_k P(k, o)      for intervals k = [l_k, u_k] of length h
          bump_k = max(0, (revenue - utility) / 4 + (welfare + utility) / 8) h,   0 for points

A truthful mechanism offers bidder i, given the others' values, a lottery over prices x. The price x scores
z(x) T_i(x, o) + (welfare + utility) times the integral of the values above x: on an interval a quadratic in x, above
its chord by at most bump P. So it scores no more than the price B of what is sold, hence supply sum B in all. Surplus
is convex: its mean over a cell is at least its value at the middle.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from mechopt.models.composition.criteria import distributions
from mechopt.models.composition.linear_rule import Entry, Nodes, block, sample_points, single_surplus, solved
from mechopt.models.composition.rows import Composition, Family, Variable, integers, zeros
from mechopt.solvers.rational import Rational

if TYPE_CHECKING:
    from mechopt.models.design import Design

Cell = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Outer:
    """Nature's masses by sample and cell and the prices by cell, on their nodes, in rationals."""

    nodes: Nodes
    plan: list[Rational]
    price: list[Rational]
    value: Rational


def applies(design: Design) -> bool:
    """Whether nature's cells bound a design with one good: no budgets, and supply alone limits what is sold."""
    environment, measure = design.environment, design.criterion.measure
    most = min(environment.demand, environment.goods_per_bidder or environment.demand)
    return environment.supply[0] <= most and not design.restrictions.budgets and measure.revenue >= measure.utility


def best_cells(design: Design, nodes: Nodes) -> Outer | None:
    """Nature's best distribution with densities on cells; None when not solved exactly."""
    found = solved(CellProgram(design, nodes).composition())
    return None if found is None else Outer(nodes, found[0]["plan"], found[0]["price"], found[1])


def power_mean(cell: Cell, power: int) -> Fraction:
    """E[v^power] for v spread evenly on a cell."""
    low, high = cell
    if low == high:
        return low**power
    return (high ** (power + 1) - low ** (power + 1)) / ((power + 1) * (high - low))


def mean_distance(cell: Cell, sample: Fraction) -> Fraction:
    """E|v - sample| for v spread evenly on a cell."""
    low, high = cell
    if low < sample < high:
        return ((sample - low) ** 2 + (high - sample) ** 2) / (2 * (high - low))
    return abs((low + high) / 2 - sample)


class CellProgram:
    """The program above for a design with one good."""

    def __init__(self, design: Design, nodes: Nodes) -> None:
        self.design = design
        self.cells = [sorted([*itertools.pairwise(own), *((x, x) for x in own)]) for own in nodes]
        self.shape = tuple(len(own) for own in self.cells)
        self.products = list(itertools.product(*(range(n) for n in self.shape)))
        self.stride = [math.prod(self.shape[i + 1 :]) for i in range(len(self.shape))]
        self.count = len(self.products)

    def composition(self) -> Composition:
        """Variables and rows."""
        design, C = self.design, self.count
        regret, ratio = design.criterion.kind == "regret", design.criterion.kind == "ratio"
        samples = len(sample_points(design)[0])
        middle = [[(low + high) / 2 for low, high in own] for own in self.cells]
        surplus = [single_surplus(design, (middle[i][k] for i, k in enumerate(w))) for w in self.products]
        supply = np.full(C, design.environment.supply[0], dtype=np.int64)
        variables = [
            Variable("plan", (samples * C,), nonneg=True, goal=integers(surplus * samples) if regret else None),
            Variable("price", (C,), nonneg=True, goal=(-supply if regret else supply, 1)),
            Variable("mass", (len(self.shape) * C,)), Variable("excess", (len(self.shape) * C,)),
        ]  # fmt: skip
        families = [*self._set(samples), *self._sums(samples), *self._prices(samples)]
        if ratio:
            variables.append(Variable("scale", (1,), nonneg=True))
            whole = block((0, v, surplus[v % C]) for v in range(samples * C))
            families.append(Family("surplus", "criterion", "surplus", {"plan": whole}, zeros(1) + 1, equal=True))
        return Composition(tuple(variables), tuple(families), regret)

    def _set(self, samples: int) -> list[Family]:
        """Nature's distribution is in her set."""
        design, C = self.design, self.count
        chosen = distributions(design.criterion, design.environment)
        points, shares = sample_points(design)
        listed: list[tuple[str, list[Entry], list[Fraction], bool]] = [
            ("share", [(v // C, v, Fraction(1)) for v in range(samples * C)], shares, True)
        ]
        if chosen.kind == "wasserstein":
            far = [(0, n * C + v, -sum((mean_distance(self.cells[i][k], z) for i, (k, z) in
                                       enumerate(zip(w, point, strict=True))), Fraction(0)))
                   for n, point in enumerate(points) for v, w in enumerate(self.products)]  # fmt: skip
            listed.append(("radius", far, [-(chosen.radius or Fraction(0))], False))
        if sides := chosen.sides(design.environment):
            f = [(row, n * C + v, -sign * power_mean(self.cells[i][w[i]], power)) for n in range(samples)
                 for v, w in enumerate(self.products) for row, (i, _, power, sign, _) in enumerate(sides)]  # fmt: skip
            listed.append(("moment", f, [-bound for *_, bound in sides], False))
        found = []
        for name, entries, right, equal in listed:
            blocks = {"plan": block(entries)}
            if design.criterion.kind == "ratio":  # up to scale
                blocks["scale"] = block((row, 0, -x) for row, x in enumerate(right))
                right = [Fraction(0)] * len(right)
            found.append(Family(name, "criterion", name, blocks, *integers(right), equal=equal))
        return found

    def _seats(self) -> Iterable[tuple[int, int, int, bool]]:
        """(bidder, own cell, seat, whether it is her top cell)."""
        for i in range(len(self.shape)):
            for n, w in enumerate(self.products):
                yield i, w[i], i * self.count + n, w[i] == self.shape[i] - 1

    def _sums(self, samples: int) -> list[Family]:
        """T and E from the masses of their cells."""
        measure, C = self.design.criterion.measure, self.count
        use = measure.welfare + measure.utility
        mass: list[Entry] = []
        plan: list[Entry] = []
        worth: list[Entry] = []
        price: list[Entry] = []
        for i, k, seat, top in self._seats():
            mass += [(seat, seat, Fraction(1))] + ([] if top else [(seat, seat + self.stride[i], Fraction(-1))])
            plan += [(seat, n * C + seat % C, Fraction(-1)) for n in range(samples)]
            price.append((seat, seat % C, Fraction(-1)))
            mean = sum(self.cells[i][k]) / 2
            worth += [(seat, n * C + seat % C, use * mean) for n in range(samples) if use]
        none = zeros(len(self.shape) * C)
        excess = {"excess": block(mass), "price": block(price)} | ({"plan": block(worth)} if worth else {})
        return [
            Family("T", "criterion", "mass above", {"mass": block(mass), "plan": block(plan)}, none, equal=True),
            Family("E", "criterion", "price above", excess, none, equal=True),
        ]

    def _prices(self, samples: int) -> list[Family]:
        """No price scores more than what is sold is worth."""
        measure, cost, C = self.design.criterion.measure, self.design.environment.cost[0], self.count
        a, b, c, d = measure.revenue, measure.welfare, measure.utility, measure.sale
        bump = max(Fraction(0), (a - c) / 4 + (b + c) / 8)
        mass: list[Entry] = []
        excess: list[Entry] = []
        plan: list[Entry] = []
        row = 0
        for i, k, seat, _ in self._seats():
            low, high = self.cells[i][k]
            ends = [(low, seat)] + ([(high, seat + self.stride[i])] if high > low else [])
            for x, at in ends:
                mass.append((row, at, -((a - c) * x - (a + b) * cost + d)))
                excess.append((row, at, Fraction(1)))
                if high > low:
                    plan += [(row, n * C + seat % C, -bump * (high - low)) for n in range(samples)]
                row += 1
        blocks = {"mass": block(mass), "excess": block(excess), "plan": block(plan)}
        return [Family("offer", "incentives", "no price scores more", blocks, zeros(row))]
