"""The checker of a design's piecewise-linear mechanism on a box: its form, and what it guarantees at every corner."""

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

Corner = tuple[tuple[int, int], ...]  # per bidder her cell, and which end of it


class LinearRule:
    """Chances and utilities at the corners of all products of cells."""

    def __init__(self, composed: Composed, listed: Mapping[str, Any]) -> None:
        require_box(composed)
        self.composed, self.x = composed, composed.instance
        self.nodes = read_nodes(composed, listed["nodes"])
        places = [[(k, e) for k in range(len(own) - 1) for e in (0, 1)] for own in self.nodes]
        self.corners: list[Corner] = list(itertools.product(*places))
        written = [number(value) for value in listed["q"]]
        if len(written) != self.x.bidders * len(self.corners):
            raise ValueError("the rule lists every bidder and corner")
        self.q = {(i, c): written[i * len(self.corners) + n]
                  for i in range(self.x.bidders) for n, c in enumerate(self.corners)}  # fmt: skip
        self.u: dict[tuple[int, Corner], Rational] = {}
        self.fall = ZERO
        for i in range(self.x.bidders):
            for corner in self.corners:  # lower places come first
                self._integrate(i, corner)
        self.y = {name: [number(value) for value in column] for name, column in listed["multipliers"].items()}

    def value(self, i: int, corner: Corner) -> Rational:
        """Bidder's value at a corner."""
        k, end = corner[i]
        return self.nodes[i][k + end]

    def _at(self, i: int, corner: Corner, place: tuple[int, int]) -> Corner:
        return (*corner[:i], place, *corner[i + 1 :])

    def _integrate(self, i: int, corner: Corner) -> None:
        k, end = corner[i]
        if (k, end) == (0, 0):
            self.u[(i, corner)] = ZERO
            return
        before = self._at(i, corner, (k, 0) if end else (k - 1, 1))
        width = self.value(i, corner) - self.value(i, before)  # none from cell to cell
        q, low = self.q[(i, corner)], self.q[(i, before)]
        self.u[(i, corner)] = self.u[(i, before)] + width * (q + low) / 2
        self.fall = max(self.fall, low - q)

    def form(self) -> list[Check]:
        """Truth, participation, delivery and restrictions at every value."""
        x, every = self.x, range(self.x.bidders)
        sold = max(sum((self.q[(i, c)] for i in every), ZERO) for c in self.corners)
        most = max(self.q.values())
        checks = [
            at_most_zero("continuum: chances are at least zero", -min(self.q.values())),
            at_most_zero("continuum: chances do not fall in the own value", self.fall),
            at_most_zero("continuum: no more than the supply is sold", sold - x.supply[0]),
            at_most_zero("continuum: nobody gets more than she can use", most - x.demand),
        ]
        if "budgets" in x.restrictions:
            budgets = [number(b) for b in x.restrictions["budgets"]] * (x.bidders // len(x.restrictions["budgets"]))
            over = max(self.value(i, c) * q - self.u[(i, c)] - budgets[i] for (i, c), q in self.q.items())
            checks.append(at_most_zero("continuum: nobody pays more than her budget", over))
        if x.restrictions.get("anonymous"):
            checks.append(at_most_zero("continuum: bidders are treated alike", self._unlike()))
        if x.most is not None:
            checks.append(at_most_zero("continuum: a bidder gets no more goods than allowed", most - x.most))
        return checks

    def _unlike(self) -> Rational:
        if any(own != self.nodes[0] for own in self.nodes):
            raise ValueError("bidders treated alike have the same nodes")
        worst = ZERO
        for a, b in itertools.combinations(range(self.x.bidders), 2):
            for corner in self.corners:
                swapped = list(corner)
                swapped[a], swapped[b] = swapped[b], swapped[a]
                for i in range(self.x.bidders):
                    other = self.q[({a: b, b: a}.get(i, i), tuple(swapped))]
                    worst = max(worst, abs(self.q[(i, corner)] - other))
        return worst

    def guarantee(self) -> tuple[Rational, list[Check]]:
        """What the goal is at least (regret: at most) against every distribution of the set."""
        goal, y = self.composed.goals[0], self.y
        regret, ratio = goal.kind == "regret", goal.kind == "ratio"
        level, rho = y["r" if regret else "t"], y["rho"][0] if ratio else ZERO
        sigma, radius = y.get("sigma", []), y.get("radius", [ZERO])[0]
        points, shares = samples_of(goal)
        moments = moments_of(self.composed, goal)
        if len(level) != len(points) or len(sigma) != len(moments):
            raise ValueError("a multiplier per sample and per moment")
        worst = ZERO
        for corner in self.corners:
            made = sum((self._score(i, corner) for i in range(self.x.bidders)), ZERO)
            made += sum((s * self._moment(corner, *m[:3]) for s, m in zip(sigma, moments, strict=True)), ZERO)
            values = [self.value(i, corner) for i in range(self.x.bidders)]
            needed = (1 if regret else rho) * most_of_one_good(self.x, values) if regret or ratio else ZERO
            for n, point in enumerate(points):
                far = sum((self._far(z, i, corner) for i, z in enumerate(point)), ZERO)
                worst = max(worst, needed - made - radius * far - (level[n] if regret else -level[n]))
        known = sum((s * bound for s, (*_, bound) in zip(sigma, moments, strict=True)), ZERO)
        known += radius * number(goal.set["radius"]) if goal.set["kind"] == "wasserstein" else ZERO
        promise = sum((w * t for w, t in zip(shares, level, strict=True)), ZERO)
        total = promise + known if regret else promise - known
        checks = [
            at_most_zero(f"continuum: the goal holds at all {len(points) * len(self.corners)} corners", worst),
            at_most_zero("continuum: multipliers are at least zero", -min([*sigma, radius, rho])),
        ]
        if ratio:
            checks.append(at_most_zero("continuum: the ratio is reached", -total))
        return (rho if ratio else total), checks

    def _score(self, i: int, corner: Corner) -> Rational:
        """A bidder's part of the score at a corner, less how far the score may bend below its chord on her cell."""
        a, b, c, d = (self.composed.goals[0].weights.get(n, ZERO) for n in ("revenue", "welfare", "utility", "sale"))
        v, q, u, cost = self.value(i, corner), self.q[(i, corner)], self.u[(i, corner)], self.x.cost[0]
        low, high = (self._at(i, corner, (corner[i][0], end)) for end in (0, 1))
        rise = self.q[(i, high)] - self.q[(i, low)]
        bend = (a / 2 + b + c / 2) * (self.value(i, high) - self.value(i, low)) * rise / 4
        return a * (v * q - u - cost * q) + b * (v - cost) * q + c * u + d * q - bend

    def _moment(self, corner: Corner, i: int, power: int, sign: Rational) -> Rational:
        k = corner[i][0]
        low, high = self.nodes[i][k], self.nodes[i][k + 1]
        bend = power * (power - 1) * high ** (power - 2) * (high - low) ** 2 / 8 if power > 1 and sign > 0 else ZERO
        return sign * self.value(i, corner) ** power - bend

    def _far(self, sample: Rational, i: int, corner: Corner) -> Rational:
        k = corner[i][0]
        inside = self.nodes[i][k] < sample < self.nodes[i][k + 1]
        return ZERO if inside else abs(self.value(i, corner) - sample)


def linear_rule(composed: Composed, listed: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """What a piecewise-linear mechanism guarantees on the box. Raises ValueError for designs this does not bound."""
    rule = LinearRule(composed, listed)
    value, found = rule.guarantee()
    return value, [*rule.form(), *found]
