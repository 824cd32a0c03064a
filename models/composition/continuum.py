"""From the grid to the box it stands for: a mechanism for all values, and what it guarantees between the grid's.

Dominant strategies. Reports are rounded up to the grid: a value in the cell (g_{k-1}, g_k] counts as k, the
lowest value as 0, and rising to k costs the lower end of its cell. A step rule whose chances do not fall in the own
value, with such payments, is truthful and worth joining for every value in the box, exactly. The program below picks
the best of them; q_i(k, l) is i's chance in cell k when the others are in cells l, lo and hi are a cell's corners:

    max   what the seller's multipliers promise
    s.t.  m_i(k, l) - m_i(k-1, l) = g_{k-1} (q_i(k, l) - q_i(k-1, l)),   m_i(0, l) = g_0 q_i(0, l)
          q_i(k, l) >= q_i(k-1, l),   sum_i q_i <= supply,   m_i <= budget
          score at lo - t + sum_k sigma_k (least f_k in the cell) [+ sigma * least distance from sample n to the cell]
              >= surplus at hi (regret), rho * surplus at hi (ratio), 0 (worst case)      for every cell [and sample]

Several goods are sold apart, one rule each, where goals add up over them: regret and worst case over a support, with
moments. The mechanism proves one end of the bracket on the continuum. The other is the grid's: nature's distribution
there is one on the box, and every mechanism for the box is one for the grid.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.composition.criteria import distributions
from mechopt.models.composition.exactly import optimum
from mechopt.models.composition.restrictions import Restrictions
from mechopt.models.composition.rows import Block, Composition, Family, Variable, integers, zeros
from mechopt.solvers.highs import load, read_point, status_of
from mechopt.solvers.program import Status
from mechopt.solvers.rational import Rational

if TYPE_CHECKING:
    from mechopt.models.design import Design

MOST_ROWS = 60_000


def why_not(design: Design) -> str | None:
    """Why the bounds are the finite program's; None where the continuum can be bounded."""
    environment, goal = design.environment, design.criterion
    if not environment.continuum:
        return "" if environment.upper is None else "the values are cut by sum_at_most"
    chosen = distributions(goal, environment)
    if chosen.kind not in ("support", "wasserstein") or chosen.centre is not None:
        return f"{chosen.words()}: its distributions live on the grid"
    if chosen.support:
        return "the support is cut by half-spaces"
    if environment.goods > 1 and (reason := _not_apart(design)) is not None:
        return reason
    if design.incentives.truth != "ex-post" or design.incentives.participation != "ex-post":
        return "only dominant strategies with ex-post participation extend beyond the grid"
    allowed = Restrictions(anonymous=design.restrictions.anonymous, monotone=design.restrictions.monotone,
                           budgets=design.restrictions.budgets)  # fmt: skip
    if design.restrictions != allowed:
        return "of the restrictions only anonymous, monotone and budgets extend beyond the grid"
    if min(goal.measure.revenue, goal.measure.welfare, goal.measure.utility, goal.measure.sale) < 0:
        return "the measure has a negative weight"
    profiles = ((environment.points or 1) + 1) ** environment.count  # of one good
    atoms = profiles * max(1, len(set(chosen.samples)))
    return f"it would take {atoms:,} rows" if atoms > MOST_ROWS else None


def _not_apart(design: Design) -> str | None:
    """Why several goods cannot be bounded good by good; None where they can."""
    environment, goal = design.environment, design.criterion
    if environment.goods_per_bidder is not None or design.restrictions.budgets:
        return "there are several goods, and limits on what a bidder gets or pays tie them together"
    if goal.kind not in ("regret", "worst-case") or distributions(goal, environment).kind != "support":
        return "there are several goods, and only regret and worst case over a support, with moments, add up over them"
    return None


def goods_apart(design: Design) -> list[Design]:
    """The designs of the single goods, each sold apart; the design itself when there is one."""
    environment, goal = design.environment, design.criterion
    if environment.goods == 1:
        return [design]
    fields, found = design.parameters(), []
    for j in range(environment.goods):
        chosen = distributions(goal, environment)
        moments = [m.parameters() for m in chosen.moments if m.good in (None, j + 1)]
        own = {
            "bidders": environment.count, "lower": [environment.lower[j]], "points": environment.points,
            "upper": [[row[j]] for row in environment.bounds], "cost": [environment.cost[j]],
            "supply": [environment.supply[j]], "demand": environment.demand,
        }  # fmt: skip
        ambiguity = {"kind": "support", "moments": [{k: x for k, x in m.items() if k != "good"} for m in moments]}
        criterion = {"measure": fields["criterion"]["measure"], "kind": goal.kind, "ambiguity": ambiguity}
        parts: dict[str, Any] = {"environment": own, "criterion": criterion, "incentives": fields["incentives"],
                                 "restrictions": fields.get("restrictions", {})}  # fmt: skip
        found.append(type(design)(**parts))
    return found


def best_rules(design: Design) -> list[Inner] | None:
    """The best step rule of every good; None when one was not solved exactly."""
    found = [best_rule(one) for one in goods_apart(design)]
    return None if None in found else [rule for rule in found if rule is not None]


@dataclass(frozen=True)
class Inner:
    """The best step rule: chances and payments, (I P), and the seller's multipliers by name, in rationals."""

    q: list[Rational]
    m: list[Rational]
    multipliers: dict[str, list[Rational]]


def corners(design: Design) -> list[list[tuple[Fraction, Fraction]]]:
    """Per bidder the cells' ends, (lo, hi)."""
    found = []
    for own in design.environment.exact:
        values = [t[0] for t in own]
        found.append([(values[0], values[0]), *itertools.pairwise(values)])
    return found


def best_rule(design: Design) -> Inner | None:
    """The best step rule of a design that can be bounded; None when its program was not solved exactly."""
    composition = _composition(design)
    arrays = composition.arrays()
    highs = load(arrays, {})
    highs.run()
    if status_of(highs) is not Status.OPTIMAL:
        return None
    found = optimum(composition, arrays, read_point(highs, arrays), {})
    if found is None or not found.primal:
        return None
    columns = {v.name: found.x[composition.offsets[v.name] : composition.offsets[v.name] + v.size]
               for v in composition.variables}  # fmt: skip
    return Inner(columns.pop("q"), columns.pop("m"), columns)


def _composition(design: Design) -> Composition:
    environment = design.environment
    variables = [*environment.variables(False)]
    families = [*_rule(design), *environment.families()]
    made, rows = _guarantee(design)
    extra = design.restrictions.families(environment)  # anonymous, monotone, budgets
    return Composition((*variables, *made), (*rows, *families, *extra), design.maximizes)


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


def _guarantee(design: Design) -> tuple[list[Variable], list[Family]]:
    """The seller's multipliers and her row for every cell, and every sample where there are any."""
    environment, goal = design.environment, design.criterion
    chosen, P, B = distributions(goal, environment), environment.profiles, environment.count
    regret, ratio, sign = goal.kind == "regret", goal.kind == "ratio", 1 if goal.kind == "regret" else -1
    ends = corners(design)
    counts: Counter[tuple[Fraction, ...]] = (
        Counter(chosen.samples) if chosen.kind == "wasserstein" else Counter({(): 1})
    )
    points, total = list(counts), sum(counts.values())
    N, A = len(points), len(points) * P
    atom = np.arange(A)
    cell = atom % P
    cost = environment.cost[0]
    a, b, c, d = goal.measure.revenue, goal.measure.welfare, goal.measure.utility, goal.measure.sale
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
    level = "r" if regret else "t"
    blocks[level] = Block(atom, atom // P, np.full(A, sign))
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
    surplus, over = environment.surplus  # of the upper corners, which are the grid's values
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
