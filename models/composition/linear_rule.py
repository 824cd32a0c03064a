"""The best piecewise-linear mechanism of one good for all values of a box: a bound of second order in the cells.

Cells are the intervals between nodes g_0 < ... < g_n of a bidder; place 2k + e is end e of cell k, a corner a place of
every bidder. On a product of cells chances are linear in every value, with jumps at the nodes; utility is the integral
of the own chance, so truth is a dominant strategy, and payment is value times chance less utility. On a cell of
length h the score is linear in the others' values and a quadratic in the own one that lies below its chord by at most
w h (q_i(2k+1) - q_i(2k)) / 4, w = revenue / 2 + welfare + utility / 2. Surplus is convex, hence below its interpolation
from the corners; f = v^p bends below its chord by at most p (p-1) g^(p-2) h^2 / 8. So corners decide:

    max   what the seller's multipliers promise
    s.t.  u_i(2k+1, o) - u_i(2k, o) = h (q_i(2k, o) + q_i(2k+1, o)) / 2,   u_i(2k+2, o) = u_i(2k+1, o),  u_i(0, o) = 0
          q_i(p+1, o) >= q_i(p, o),   sum_i q_i <= supply,   g_n q_i - u_i <= budget
          score - its bends - t + sum_k sigma_k (f_k - its bend) [+ sigma * distance from sample n]
              >= surplus (regret), rho * surplus (ratio), 0 (worst case)                   at every corner [and sample]
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.composition.criteria import distributions
from mechopt.models.composition.exactly import optimum
from mechopt.models.composition.rows import Block, Composition, Family, Variable, integers, zeros
from mechopt.solvers.highs import load, read_point, status_of
from mechopt.solvers.program import Status
from mechopt.solvers.rational import Rational

if TYPE_CHECKING:
    from mechopt.models.design import Design

Nodes = list[list[Fraction]]
Entry = tuple[int, int, Fraction]


@dataclass(frozen=True)
class Inner:
    """The best rule on its nodes: chances and utilities by bidder and corner, and the multipliers, in rationals."""

    nodes: Nodes
    q: list[Rational]
    u: list[Rational]
    multipliers: dict[str, list[Rational]]
    value: Rational


def block(entries: Iterable[Entry]) -> Block:
    """A block from entries (row, column, coefficient)."""
    rows, cols, numbers = zip(*entries, strict=True)
    return Block(np.array(rows, dtype=np.int64), np.array(cols, dtype=np.int64), *integers(numbers))


def single_surplus(design: Design, values: Iterable[Fraction]) -> Fraction:
    """The most that can be made of one good at values of the bidders."""
    environment = design.environment
    margins = sorted((max(v - environment.cost[0], Fraction(0)) for v in values), reverse=True)
    units = [m for m in margins for _ in range(environment.demand)]
    return sum(units[: environment.supply[0]], Fraction(0))


def sample_points(design: Design) -> tuple[list[tuple[Fraction, ...]], list[Fraction]]:
    """The samples of a ball with their shares; one without values where there is no ball."""
    chosen = distributions(design.criterion, design.environment)
    if chosen.kind != "wasserstein":
        return [()], [Fraction(1)]
    counts = Counter(chosen.samples)
    return list(counts), [Fraction(n, len(chosen.samples)) for n in counts.values()]


def best_rule(design: Design, nodes: Nodes) -> Inner | None:
    """The best rule of a design with one good that can be bounded; None when not solved exactly."""
    found = solved(RuleProgram(design, nodes).composition())
    return None if found is None else Inner(nodes, found[0].pop("q"), found[0].pop("u"), *found)


def solved(composition: Composition) -> tuple[dict[str, list[Rational]], Rational] | None:
    """A program's exact optimum by variable, and its value; None when it was not solved exactly."""
    arrays = composition.arrays()
    highs = load(arrays, {})
    highs.run()
    if status_of(highs) is not Status.OPTIMAL:
        return None
    found = optimum(composition, arrays, read_point(highs, arrays), {})
    if found is None or not found.primal:
        return None
    starts = composition.offsets
    columns = {v.name: found.x[starts[v.name] : starts[v.name] + v.size] for v in composition.variables}
    return columns, -found.value if composition.maximizes else found.value


class RuleProgram:
    """The program above for a design with one good."""

    def __init__(self, design: Design, nodes: Nodes) -> None:
        self.design, self.nodes = design, nodes
        self.shape = tuple(2 * (len(own) - 1) for own in nodes)
        self.corners = list(itertools.product(*(range(n) for n in self.shape)))
        self.stride = [math.prod(self.shape[i + 1 :]) for i in range(len(self.shape))]
        self.count = len(self.corners)
        self.values = [tuple(self._value(i, p) for i, p in enumerate(corner)) for corner in self.corners]

    def _value(self, i: int, place: int) -> Fraction:
        return self.nodes[i][place // 2 + place % 2]

    def composition(self) -> Composition:
        """Variables and rows."""
        bidders = len(self.shape)
        q = Variable("q", (bidders * self.count,), nonneg=True)
        u = Variable("u", (bidders * self.count,))
        made, rows = self._guarantee()
        return Composition((q, u, *made), (*rows, *self._rule(), *self._limits()), self.design.maximizes)

    def _seats(self) -> Iterable[tuple[int, int, int]]:
        """(bidder, own place, seat)."""
        for i in range(len(self.shape)):
            for n, corner in enumerate(self.corners):
                yield i, corner[i], i * self.count + n

    def _rule(self) -> list[Family]:
        """Utility is the integral of the chance, which does not fall."""
        q: list[Entry] = []
        u: list[Entry] = []
        rise: list[Entry] = []
        rows = 0
        for i, place, seat in self._seats():
            u.append((seat, seat, Fraction(1)))
            if not place:
                continue
            before = seat - self.stride[i]
            u.append((seat, before, Fraction(-1)))
            if place % 2:
                half = (self._value(i, place) - self._value(i, place - 1)) / 2
                q += [(seat, seat, -half), (seat, before, -half)]
            rise += [(rows, seat, Fraction(1)), (rows, before, Fraction(-1))]
            rows += 1
        seats = len(self.shape) * self.count
        return [
            Family("tail", "incentives", "utility is the integral of the chance", {"q": block(q), "u": block(u)},
                   zeros(seats), equal=True),
            Family("rise", "incentives", "chances do not fall", {"q": block(rise)}, zeros(rows)),
        ]  # fmt: skip

    def _limits(self) -> list[Family]:
        """Supply, demand, budgets, and bidders treated alike."""
        environment, restrictions = self.design.environment, self.design.restrictions
        minus, seats = Fraction(-1), len(self.shape) * self.count
        sold = block((seat % self.count, seat, minus) for _, _, seat in self._seats())
        found = [Family("lambda", "environment", "supply", {"q": sold}, zeros(self.count) - environment.supply[0])]
        most = min(environment.demand, environment.goods_per_bidder or environment.demand)
        if environment.supply[0] > most:
            every = block((seat, seat, minus) for seat in range(seats))
            found.append(Family("demand", "environment", "demand", {"q": every}, zeros(seats) - most))
        if restrictions.budgets:
            tops = [(i, s) for i, p, s in self._seats() if p == self.shape[i] - 1]
            caps = restrictions.budgets * (len(self.shape) // len(restrictions.budgets))
            q = block((n, s, -self.nodes[i][-1]) for n, (i, s) in enumerate(tops))
            u = block((n, s, Fraction(1)) for n, (_, s) in enumerate(tops))
            right = integers([-caps[i] for i, _ in tops])
            found.append(Family("cap", "restrictions", "budgets", {"q": q, "u": u}, *right))
        if restrictions.anonymous and len(self.shape) > 1:
            pairs = sorted(self._swaps())
            same = block(x for n, (s, t) in enumerate(pairs) for x in ((n, s, Fraction(1)), (n, t, minus)))
            found.append(Family("fair", "restrictions", "alike", {"q": same}, zeros(len(pairs)), equal=True))
        return found

    def _swaps(self) -> set[tuple[int, int]]:
        place = {corner: n for n, corner in enumerate(self.corners)}
        found = set()
        for a in range(len(self.shape) - 1):
            for n, corner in enumerate(self.corners):
                swapped = (*corner[:a], corner[a + 1], corner[a], *corner[a + 2 :])
                for i in range(len(self.shape)):
                    to = {a: a + 1, a + 1: a}.get(i, i) * self.count + place[swapped]
                    if i * self.count + n < to:
                        found.add((i * self.count + n, to))
        return found

    def _scores(self) -> tuple[list[Entry], list[Entry]]:
        """Score less its bends at every corner, as entries of q and of u."""
        goal, cost = self.design.criterion.measure, self.design.environment.cost[0]
        a, b, c, d = goal.revenue, goal.welfare, goal.utility, goal.sale
        q: list[Entry] = []
        u: list[Entry] = []
        for i, place, seat in self._seats():
            row, first = seat % self.count, seat - place % 2 * self.stride[i]
            bend = (a / 2 + b + c / 2) * (self._value(i, place | 1) - self._value(i, place - place % 2)) / 4
            q += [(row, seat, (a + b) * (self._value(i, place) - cost) + d),
                  (row, first, bend), (row, first + self.stride[i], -bend)]  # fmt: skip
            if a != c:
                u.append((row, seat, c - a))
        return q, u

    def _guarantee(self) -> tuple[list[Variable], list[Family]]:
        """The seller's multipliers, and her row at every corner, for every sample where there are any."""
        design, goal = self.design, self.design.criterion
        chosen = distributions(goal, design.environment)
        regret, ratio = goal.kind == "regret", goal.kind == "ratio"
        points, shares = sample_points(design)
        C, A = self.count, self.count * len(points)
        level = "r" if regret else "t"
        q, u = self._scores()
        spread = [n * C for n in range(len(points))]
        entries = {"q": [(k + r, s, x) for k in spread for r, s, x in q],
                   level: [(r, r // C, Fraction(1 if regret else -1)) for r in range(A)]}  # fmt: skip
        if u:
            entries["u"] = [(k + r, s, x) for k in spread for r, s, x in u]
        names: dict[str, tuple[bool, list[Fraction]]] = {level: (False, shares)}
        if chosen.kind == "wasserstein":
            far = [sum((self._far(z, i, self.corners[r % C][i]) for i, z in enumerate(points[r // C])), Fraction(0))
                   for r in range(A)]  # fmt: skip
            entries["radius"] = [(r, 0, x) for r, x in enumerate(far)]
            names["radius"] = (True, [chosen.radius or Fraction(0)])
        if sides := chosen.sides(design.environment):
            entries["sigma"] = [(r, k, self._moment(i, self.corners[r % C][i], power, sign))
                                for r in range(A) for k, (i, _, power, sign, _) in enumerate(sides)]  # fmt: skip
            names["sigma"] = (True, [bound for *_, bound in sides])
        surplus = [single_surplus(design, v) for v in self.values] if regret or ratio else []
        right = integers(surplus * len(points)) if regret else (zeros(A), 1)
        return self._assembled(entries, names, right, surplus)

    def _assembled(
        self, entries: dict[str, list[Entry]], names: dict[str, tuple[bool, list[Fraction]]], right: Any,
        surplus: list[Fraction],
    ) -> tuple[list[Variable], list[Family]]:  # fmt: skip
        regret, ratio = self.design.criterion.kind == "regret", self.design.criterion.kind == "ratio"
        variables, promised, families = [], {}, []
        for name, (nonneg, bounds) in names.items():
            whole, den = integers([b if regret or not nonneg else -b for b in bounds])
            variables.append(Variable(name, (len(bounds),), nonneg, None if ratio else (whole, den)))
            promised[name] = Block(np.zeros(len(bounds), int), np.arange(len(bounds)), whole, den)
        if ratio:
            entries["rho"] = [(r, 0, -surplus[r % self.count]) for r in range(len(right[0]))]
            variables.append(Variable("rho", (1,), nonneg=True, goal=(np.ones(1, np.int64), 1)))
            families.append(Family("level", "criterion", "the ratio is reached", promised, zeros(1)))
        blocks = {name: block(listed) for name, listed in entries.items()}
        return variables, [Family("alpha", "criterion", "the goal holds at every corner", blocks, *right), *families]

    def _far(self, sample: Fraction, i: int, place: int) -> Fraction:
        """Distance from a sample; none at both ends of a cell it lies inside."""
        low, high = self._value(i, place - place % 2), self._value(i, place | 1)
        return Fraction(0) if low < sample < high else abs(self._value(i, place) - sample)

    def _moment(self, i: int, place: int, power: int, sign: int) -> Fraction:
        """sign * v^power, less its bend where it is convex."""
        low, high = self._value(i, place - place % 2), self._value(i, place | 1)
        bend = power * (power - 1) * high ** (power - 2) * (high - low) ** 2 / 8 if power > 1 and sign > 0 else 0
        return sign * self._value(i, place) ** power - bend
