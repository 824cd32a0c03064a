"""The best step rule of one good: fewer variables than a piecewise-linear mechanism on the same cells.

A value in the cell (g_{k-1}, g_k] counts as k, the lowest value as 0, and rising to k costs the lower end of its cell;
q_i(k, l) is i's chance in cell k when the others are in cells l, lo and hi are a cell's corners:

    max   what the seller's multipliers promise
    s.t.  m_i(k, l) - m_i(k-1, l) = g_{k-1} (q_i(k, l) - q_i(k-1, l)),   m_i(0, l) = g_0 q_i(0, l)
          q_i(k, l) >= q_i(k-1, l),   sum_i q_i <= supply,   m_i <= budget
          score at lo - t + sum_k sigma_k (least f_k in the cell) [+ sigma * least distance from sample n to the cell]
              >= surplus at hi (regret), rho * surplus at hi (ratio), 0 (worst case)      for every cell [and sample]

As a piecewise-linear mechanism it is constant on every cell: a bound of first order in the cells' length.
"""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import flint
import numpy as np

from mechopt.models.composition.criteria import distributions
from mechopt.models.composition.linear_rule import Inner, sample_points, solved
from mechopt.models.composition.rows import Block, Composition, Family, Variable, integers, zeros

if TYPE_CHECKING:
    from mechopt.models.design import Design

MOST_ROWS = 60_000


def fits(design: Design) -> bool:
    """Whether the program of a design with one good is small enough, and convex moments do not bend between nodes."""
    sides = distributions(design.criterion, design.environment).sides(design.environment)
    bends = any(power > 1 and sign > 0 for _, _, power, sign, _ in sides)
    return not bends and len(sample_points(design)[0]) * design.environment.profiles <= MOST_ROWS


def best_steps(design: Design) -> Inner | None:
    """The best step rule on the design's grid as a piecewise-linear mechanism; None when not solved exactly."""
    environment = design.environment
    variables = environment.variables(False)
    made, rows = _guarantee(design)
    extra = design.restrictions.families(environment)  # anonymous, monotone, budgets
    families = (*rows, *_rule(design), *environment.families(), *extra)
    found = solved(Composition((*variables, *made), families, design.maximizes))
    if found is None:
        return None
    columns, value = found
    steps = columns.pop("q")
    del columns["m"]
    nodes = [[t[0] for t in own] for own in environment.exact]
    places = list(itertools.product(*(range(2 * (len(own) - 1)) for own in nodes)))
    q, u = [], []
    for i in range(environment.count):
        known: dict[tuple[int, ...], Any] = {}
        for corner in places:  # place 2k + e lies in the cell that counts as k + 1
            at = sum((p // 2 + 1) * int(stride) for p, stride in zip(corner, environment.strides, strict=True))
            chance, p = steps[i * environment.profiles + at], corner[i]
            length = nodes[i][p // 2 + 1] - nodes[i][p // 2]
            low = known[(*corner[:i], p - 1, *corner[i + 1 :])] if p else flint.fmpq(0)
            known[corner] = low + (flint.fmpq(length.numerator, length.denominator) * chance if p % 2 else 0)
            q.append(chance)
            u.append(known[corner])
    return Inner(nodes, q, u, columns, value)


def corners(design: Design) -> list[list[tuple[Fraction, Fraction]]]:
    """Per bidder the cells' ends, (lo, hi)."""
    found = []
    for own in design.environment.exact:
        values = [t[0] for t in own]
        found.append([(values[0], values[0]), *itertools.pairwise(values)])
    return found


def _rule(design: Design) -> list[Family]:
    """Payments by the right rule, and chances that do not fall."""
    environment, P = design.environment, design.environment.profiles
    ends = corners(design)
    price, den = integers([lo for cells in ends for lo, _ in cells])
    starts = np.cumsum([0, *environment.shape[:-1]])
    seats = np.arange(environment.count * P)
    bidder, profile = seats // P, seats % P
    k = environment.steps[profile, bidder]
    cost = price[starts[bidder] + k]
    up = np.flatnonzero(k > 0)
    below = seats[up] - environment.strides[bidder[up]]
    one = np.ones(len(seats), np.int64)
    m = Block(np.r_[seats, up], np.r_[seats, below], np.r_[one, -one[up]])
    q = Block(np.r_[seats, up], np.r_[seats, below], np.r_[-cost, cost[up]], den)
    at = np.arange(len(up))
    rise = Block(np.r_[at, at], np.r_[seats[up], below], np.r_[one[up], -one[up]])
    return [
        Family("step", "incentives", "payments follow the steps of the chances", {"q": q, "m": m}, zeros(len(seats)),
               equal=True, labels={"seat": seats}),
        Family("rise", "incentives", "chances do not fall", {"q": rise}, zeros(len(up)), labels={"seat": up}),
    ]  # fmt: skip


def _scores(design: Design, ends: list[list[tuple[Fraction, Fraction]]], atom: Any) -> dict[str, Block]:
    """The score at a cell's lowest corner, by its chances and payments."""
    environment, measure = design.environment, design.criterion.measure
    P, B, cost = environment.profiles, environment.count, environment.cost[0]
    a, b, c, d = measure.revenue, measure.welfare, measure.utility, measure.sale
    cell = atom % P
    lo = [[x for x, _ in cells] for cells in ends]
    worth = [
        b * (lo[i][k] - cost) - a * cost + c * lo[i][k] + d for i in range(B) for k in environment.steps[:, i].tolist()
    ]
    blocks: dict[str, Block] = {}
    whole, den = integers(worth)
    cols = np.concatenate([i * P + cell for i in range(B)])
    blocks["q"] = Block(np.tile(atom, B), cols, whole[cols], den)
    if a != c:
        blocks["m"] = Block(np.tile(atom, B), cols, np.full(len(cols), (a - c).numerator), (a - c).denominator)
    return blocks


def _rows(design: Design) -> tuple[dict[str, Block], dict[str, tuple[int, bool, Any, int]]]:
    """Her row for every cell and sample: blocks by variable, and of her multipliers size, sign and bounds."""
    environment, goal = design.environment, design.criterion
    chosen, P = distributions(goal, environment), environment.profiles
    regret = goal.kind == "regret"
    ends = corners(design)
    counts: Counter[tuple[Fraction, ...]] = (
        Counter(chosen.samples) if chosen.kind == "wasserstein" else Counter({(): 1})
    )
    points, total = list(counts), sum(counts.values())
    N, A = len(points), len(points) * P
    atom = np.arange(A)
    cell = atom % P
    blocks = _scores(design, ends, atom)
    level = "r" if regret else "t"
    blocks[level] = Block(atom, atom // P, np.full(A, 1 if regret else -1))
    weight, over = integers([Fraction(counts[point], total) for point in points])
    names: dict[str, tuple[int, bool, Any, int]] = {level: (N, False, weight, over)}
    if chosen.kind == "wasserstein":
        far = [sum((max(u - x, x - w, Fraction(0)) for x, (u, w) in zip(point, _cell(design, ends, v), strict=True)),
                   Fraction(0)) for point in points for v in range(P)]  # fmt: skip
        whole, den = integers(far)
        blocks["radius"] = Block(atom, 0 * atom, whole, den)
        names["radius"] = (1, True, *integers([chosen.radius or Fraction(0)]))
    if sides := chosen.sides(environment):
        least = [s * (ends[i][k][0] if s > 0 else ends[i][k][1]) ** p for i, _, p, s, _ in sides
                 for k in environment.steps[cell, i].tolist()]  # fmt: skip
        whole, den = integers(least)
        blocks["sigma"] = Block(np.tile(atom, len(sides)), np.repeat(np.arange(len(sides)), A), whole, den)
        names["sigma"] = (len(sides), True, *integers([bound for *_, bound in sides]))
    return blocks, names


def _guarantee(design: Design) -> tuple[list[Variable], list[Family]]:
    """The seller's multipliers and her rows."""
    regret, ratio = design.criterion.kind == "regret", design.criterion.kind == "ratio"
    blocks, names = _rows(design)
    A = len(sample_points(design)[0]) * design.environment.profiles
    atom = np.arange(A)
    cell = atom % design.environment.profiles
    surplus, over = design.environment.surplus  # of the upper corners, which are the grid's values
    right, den = (surplus[cell], over) if regret else (zeros(A), 1)
    variables, promised = [], {}
    for name, (size, nonneg, bound, scale) in names.items():
        promise = bound * (1 if regret or not nonneg else -1)
        variables.append(Variable(name, (size,), nonneg, None if ratio else (promise, scale)))
        promised[name] = Block(np.zeros(size, int), np.arange(size), promise, scale)
    families = []
    if ratio:
        blocks["rho"] = Block(atom, 0 * atom, -surplus[cell], over)
        variables.append(Variable("rho", (1,), nonneg=True, goal=(np.ones(1, np.int64), 1)))
        families.append(Family("level", "criterion", "the ratio is reached", promised, zeros(1)))
    return variables, [Family("alpha", "criterion", "the goal holds in every cell", blocks, right, den), *families]


def _cell(design: Design, ends: list[list[tuple[Fraction, Fraction]]], v: int) -> list[tuple[Fraction, Fraction]]:
    return [ends[i][k] for i, k in enumerate(design.environment.steps[v].tolist())]
