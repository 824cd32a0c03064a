"""From the grid to the box it stands for: both ends of the bracket for all values, on cells as fine as asked for.

One end is the best piecewise-linear mechanism (models/composition/linear_rule.py), truthful at every value. The other
is nature's best distribution with densities on cells (models/composition/cells.py), or the grid's own, which is one on
the box too; the better counts. Both close in with the square of the cells' length where the optimum is smooth. With a
`gap` the cells are halved until the bracket is as narrow, or a limit is met, which a note names.

Several goods are sold apart, one mechanism each, where goals add up over them: regret and worst case over a support,
with moments. Nature's end is then the grid's.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mechopt.models.composition.cells import Outer, applies, best_cells
from mechopt.models.composition.criteria import distributions
from mechopt.models.composition.linear_rule import Inner, Nodes, best_rule, sample_points
from mechopt.models.composition.restrictions import Restrictions
from mechopt.models.composition.step_rule import best_steps, fits
from mechopt.models.outcome import Options
from mechopt.solvers.rational import Rational, nearest

if TYPE_CHECKING:
    from mechopt.models.design import Design

MOST_CELLS = 40  # of each of several bidders
MOST_ROWS = {True: 500, False: 1_600}  # of one program, which is solved in rationals: of one bidder, of several
REFINED = {True: 6_000, False: 2_600}  # the same where a gap asks for it
SLOW = 0.9  # of the width before: what finer cells must at least improve on
SLOWER = 10  # how much longer programs of twice the cells may take


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
    one = goods_apart(design)[0]
    possible = _fits(one, 1, 0, _most(design, None)) or fits(one)
    return None if possible else "there are too many bidders"


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


def _cells(design: Design, points: int, inside: bool) -> Nodes:
    """Nodes per bidder: equally spaced, with the cost and (`inside`) the samples where they lie between."""
    environment = design.environment
    own, found = sample_points(design)[0], []
    for i, ((high,), low) in enumerate(zip(environment.bounds, environment.lower * environment.count, strict=True)):
        more = {environment.cost[0], *(row[i] for row in own if inside and row)}
        nodes = {low + (high - low) * k / points for k in range(points + 1)}
        found.append(sorted(nodes | {x for x in more if low < x < high}))
    return found


def _rows(design: Design, nodes: Nodes) -> tuple[int, int]:
    """Rows of the seller's and of nature's program on nodes."""
    bidders, samples = len(nodes), len(sample_points(design)[0])
    corners = math.prod(2 * (len(own) - 1) for own in nodes)
    products = math.prod(2 * len(own) - 1 for own in nodes)
    return corners * (samples + 2 * bidders + 1), products * (7 * bidders + samples) // 2


def _fits(design: Design, points: int, side: int, most: int) -> Nodes | None:
    """The nodes of so many cells per bidder if the program (0 the seller's, 1 nature's) is small enough on them."""
    for inside in (True, False):
        nodes = _cells(design, points, inside)
        if _rows(design, nodes)[side] <= most:
            return nodes
    return None


def _most(design: Design, gap: float | None) -> int:
    return (REFINED if gap else MOST_ROWS)[design.environment.count == 1]


@dataclass(frozen=True)
class Bracket:
    """The best rule of every good, nature's distribution on cells where there is one, and why it is no narrower."""

    rules: list[Inner]
    nature: Outer | None
    note: str | None

    @property
    def made(self) -> Rational:
        """What the rules guarantee."""
        return sum((rule.value for rule in self.rules[1:]), self.rules[0].value)

    def better(self, other: Bracket | None, maximizes: bool) -> Bracket:
        """The better of two on either side."""
        if other is None:
            return self
        sign = 1 if maximizes else -1
        rules = self.rules if sign * self.made >= sign * other.made else other.rules
        ends = [nature for nature in (self.nature, other.nature) if nature is not None]
        return Bracket(rules, min(ends, key=lambda nature: sign * nature.value, default=None), None)

    def width(self, maximizes: bool, finite: Rational) -> float:
        """Of the bracket, with the grid's bound `finite` on nature's side."""
        sign = 1 if maximizes else -1
        ends = [finite] if self.nature is None else [finite, self.nature.value]
        return nearest(min(sign * end for end in ends) - sign * self.made)


def bracket(design: Design, finite: Rational, options: Options, until: float | None) -> Bracket | None:
    """Both ends on cells of the grid's length, halved until the gap is met; None where a program was not solved.

    `finite`: the grid's bound on nature's side. `until`: when to stop, by time.perf_counter().
    """
    best: Bracket | None
    points, best, width = design.environment.points or 1, None, math.inf
    most = _most(design, None)
    while True:
        started = time.perf_counter()
        options.progress(f"bounding the continuum on {points:,} cells per value")
        found = _solve(design, points, best, most)
        if found is None:
            return best and Bracket(best.rules, best.nature, "the finer programs were not solved in rationals")
        best = found.better(best, design.maximizes)
        before, width, most = width, best.width(design.maximizes, finite), _most(design, options.gap)
        if options.gap is None or width <= options.gap:
            return Bracket(best.rules, best.nature, None)
        if _finest(design, 2 * points, best, most) is None:
            why = f"finer cells would take more than {most:,} rows"
        elif until is not None and time.perf_counter() + SLOWER * (time.perf_counter() - started) > until:
            why = "finer cells would take more than the time limit"
        elif width > SLOW * before:
            why = f"finer cells, in programs of at most {most:,} rows, no longer help"
            why += "" if best.nature else ": nature's end is the grid's, refine `points`"
        else:
            points *= 2
            continue
        note = f"the bracket's width is {width:.3g}, above the gap of {options.gap:.3g}: {why}"
        return Bracket(best.rules, best.nature, note)


def _finest(design: Design, points: int, before: Bracket | None, most: int) -> list[Nodes | None] | None:
    """Nodes of at most so many cells for every good's rule, then for nature: None for one no finer than before."""
    goods = goods_apart(design)
    found: list[Nodes | None] = []
    known = [None] * (len(goods) + 1) if before is None else [*before.rules, before.nature]
    for one, old, side in [*zip(goods, known, [0] * len(goods), strict=False), (design, known[-1], 1)]:
        if side and (len(goods) > 1 or not applies(design)):
            found.append(None)
            continue
        alone = one.environment.count == 1  # whole parts of the grid keep fractions short
        sizes = (points // k for k in range(1, points + 1)) if alone else range(min(points, MOST_CELLS), 0, -1)
        nodes = next((nodes for n in sizes if (nodes := _fits(one, n, side, most)) is not None), None)
        finer = nodes is not None and (old is None or len(nodes[0]) > len(old.nodes[0]))
        found.append(nodes if finer else None)
    return found if any(found) else None


def _better_rule(design: Design, first: Inner | None, second: Inner | None) -> Inner | None:
    known = [rule for rule in (first, second) if rule is not None]
    sign = 1 if design.maximizes else -1
    return max(known, key=lambda rule: sign * rule.value, default=None)


def _solve(design: Design, points: int, before: Bracket | None, most: int) -> Bracket | None:
    """Both ends on so many cells, or on the most that fit; None where a program was not solved."""
    nodes = _finest(design, points, before, most) or []
    rules = []
    for k, one in enumerate(goods_apart(design)):
        own = nodes[k]
        rule = before.rules[k] if own is None and before is not None else own and best_rule(one, own)
        if before is None and one.environment.count > 1 and (own is None or len(own[0]) <= points) and fits(one):
            rule = _better_rule(design, rule or None, best_steps(one))
        if not rule:
            return None
        rules.append(rule)
    old = None if before is None else before.nature
    nature = best_cells(design, nodes[-1]) if nodes[-1] is not None else old
    return Bracket(rules, nature, None)
