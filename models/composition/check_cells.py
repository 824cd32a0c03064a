"""The checker of nature's densities on the cells of a box: in her set, and no price scores more than it may."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.models.composition.check_continuum import (
    moments_of,
    most_of_one_good,
    read_nodes,
    require_box,
    samples_of,
)
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational

if TYPE_CHECKING:
    from mechopt.models.composition.check import Composed

Product = tuple[int, ...]


class Cells:
    """Masses P and prices B of products of cells, and the plan that moves samples there."""

    def __init__(self, composed: Composed, listed: Mapping[str, Any]) -> None:
        require_box(composed)
        self.composed, self.x, self.goal = composed, composed.instance, composed.goals[0]
        x = self.x
        if "budgets" in x.restrictions:
            raise ValueError("budgets are not priced")
        a, b, c, d = (self.goal.weights.get(n, ZERO) for n in ("revenue", "welfare", "utility", "sale"))
        if a < c:
            raise ValueError("money given away is not priced")
        self.weights = a, b, c, d
        nodes = read_nodes(composed, listed["nodes"])
        self.cells = [[cell for lo, hi in itertools.pairwise(own) for cell in ((lo, lo), (lo, hi))]
                      + [(own[-1], own[-1])] for own in nodes]  # fmt: skip
        self.products: list[Product] = list(itertools.product(*(range(len(own)) for own in self.cells)))
        self.points, self.shares = samples_of(self.goal)
        size = len(self.products)
        self.plan = _sparse(listed["plan"], size * len(self.points))
        self.price = _sparse(listed["price"], size)
        self.mass = [ZERO] * size
        for k, p in enumerate(self.plan):
            self.mass[k % size] += p

    def bound(self) -> tuple[Rational, list[Check]]:
        """What no mechanism on the box can pass, and every condition."""
        sold = self.x.supply[0] * sum(self.price, ZERO)
        checks = [at_most_zero("cells: masses and prices are at least zero", -min([*self.plan, *self.price]))]
        total = sum(self.plan, ZERO)
        checks.append(Check("cells: some mass", 0.0 if total > 0 else 1.0, total > 0))
        scale = total if self.goal.kind == "ratio" else number(1)
        checks += [*self._in_the_set(scale), self._no_better_price()]
        if self.goal.kind == "worst-case":
            return sold, checks
        surplus = ZERO
        for w, p in zip(self.products, self.mass, strict=True):
            if p:
                middle = [sum(self.cells[i][k], ZERO) / 2 for i, k in enumerate(w)]
                surplus += p * most_of_one_good(self.x, middle)
        return (surplus - sold if self.goal.kind == "regret" else sold / surplus), checks

    def _in_the_set(self, scale: Rational) -> list[Check]:
        size, goal = len(self.products), self.goal
        gap = max(abs(sum(self.plan[n * size : (n + 1) * size], ZERO) - share * scale)
                  for n, share in enumerate(self.shares))  # fmt: skip
        checks = [Check("cells: every sample's mass arrives", float(gap), gap == 0)]
        for i, power, sign, most in moments_of(self.composed, goal):
            mean = sum((p * sign * _power(self.cells[i][w[i]], power)
                        for w, p in zip(self.products, self.mass, strict=True) if p), ZERO)  # fmt: skip
            checks.append(at_most_zero(f"cells: moment {power} of bidder {i + 1}", mean - most * scale))
        if goal.set["kind"] == "wasserstein":
            moved = sum((p * sum((_distance(self.cells[i][m], self.points[k // size][i])
                                  for i, m in enumerate(self.products[k % size])), ZERO)
                         for k, p in enumerate(self.plan) if p), ZERO)  # fmt: skip
            checks.append(at_most_zero("cells: within the radius", moved - number(goal.set["radius"]) * scale))
        return checks

    def _no_better_price(self) -> Check:
        """The score of every price, on each cell's chord with its bump, against the price of what is sold."""
        a, b, c, _ = self.weights
        place = {w: n for n, w in enumerate(self.products)}
        bump = max(ZERO, (a - c) / 4 + (b + c) / 8)
        worst = ZERO
        for i, own in enumerate(self.cells):
            for w in self.products:
                if w[i]:
                    continue
                above = worth = ZERO  # mass above, and price less use of what is above
                for k in reversed(range(len(own))):
                    n = place[(*w[:i], k, *w[i + 1 :])]
                    (low, high), p = own[k], self.mass[n]
                    extra = bump * p * (high - low)
                    if high > low:
                        worst = max(worst, self._flat(high) * above + extra - worth)
                    above += p
                    worth += self.price[n] - (b + c) * p * (low + high) / 2
                    worst = max(worst, self._flat(low) * above + extra - worth)
        return at_most_zero("cells: no price scores more than what it sells is worth", worst)

    def _flat(self, price: Rational) -> Rational:
        a, b, c, d = self.weights
        return (a - c) * price - (a + b) * self.x.cost[0] + d


def _sparse(listed: Any, size: int) -> list[Rational]:
    found = [ZERO] * size
    for k, text in listed:
        if not isinstance(k, int) or not 0 <= k < size or found[k]:
            raise ValueError("entries are (place, number), each once")
        found[k] = number(text)
    return found


def _power(cell: tuple[Rational, Rational], power: int) -> Rational:
    """E[v^power] on a cell: the mean of the products of its ends' powers."""
    low, high = cell
    return sum((low**k * high ** (power - k) for k in range(power + 1)), ZERO) / (power + 1)


def _distance(cell: tuple[Rational, Rational], sample: Rational) -> Rational:
    low, high = cell
    if sample <= low or sample >= high:
        return abs((low + high) / 2 - sample)
    return ((sample - low) ** 2 + (high - sample) ** 2) / (2 * (high - low))
