"""The step rule of a design on the continuum, checked: truthful by its form, its guarantee counted cell by cell.

A value in (g_{k-1}, g_k] counts as k. Chances that do not fall in the own cell, with payments that charge every rise
the lower end of its cell, are truthful and worth joining for every value in the box: utility is the integral of the
chance. On a cell the payment is constant; the smallest score, the smallest f_k, the smallest distance from a sample
and the largest surplus each sit at a corner, so one row per cell bounds what nature can do in it.

Several goods are sold apart, each by a step rule of its own: where scores, surpluses and moments add up over goods, so
do the guarantees, for nature's joint distribution has every good's own.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational

if TYPE_CHECKING:
    from mechopt.models.composition.check import Composed


def one_good(parameters: Mapping[str, Any], j: int) -> dict[str, Any]:
    """The design of a single good of a box, sold apart: scores, surpluses and moments add up over goods.

    Raises ValueError where they do not.
    """
    written, criterion = parameters["environment"], parameters["criterion"]
    if "upper" not in written or "sum_at_most" in written or "goods_per_bidder" in written:
        raise ValueError("goods are not worth the same apart")
    if criterion["kind"] not in ("regret", "worst-case") or criterion["ambiguity"]["kind"] != "support":
        raise ValueError("goals do not add up over goods")
    if set(parameters.get("restrictions", {})) - {"anonymous", "monotone"} or criterion["ambiguity"].get("support"):
        raise ValueError("restrictions do not add up over goods")
    upper = written["upper"]
    environment = {
        "upper": [[row[j]] for row in upper] if isinstance(upper[0], list | tuple) else [upper[j]],
        "lower": [written["lower"][j]], "points": written["points"], "cost": [written["cost"][j]],
        "supply": [written["supply"][j]], "demand": written["demand"],
    }  # fmt: skip
    if "bidders" in written:
        environment["bidders"] = written["bidders"]
    listed = criterion["ambiguity"].get("moments", [])
    moments = [{k: x for k, x in m.items() if k != "good"} for m in listed if m.get("good", j + 1) == j + 1]
    ambiguity = {"kind": "support", **({"moments": moments} if moments else {})}
    return {
        "environment": environment, "incentives": parameters["incentives"],
        "criterion": {"measure": criterion["measure"], "kind": criterion["kind"], "ambiguity": ambiguity},
        "restrictions": parameters.get("restrictions", {}),
    }  # fmt: skip


Ends = list[list[tuple[Rational, Rational]]]


def step_rule(composed: Composed, listed: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """What a step rule guarantees on the box. Raises ValueError for designs this does not bound."""
    x, goal = composed.instance, composed.goals[0]
    _require(composed)
    P = len(x.profiles)
    q = [number(value) for value in listed["q"]]
    if len(q) != x.bidders * P:
        raise ValueError("the rule lists every bidder and cell")
    ends: Ends = []
    for own in x.types:
        values = [t[0] for t in own]
        ends.append([(values[0], values[0]), *itertools.pairwise(values)])
    m, fall = [ZERO] * len(q), ZERO
    for i in range(x.bidders):
        for v, profile in enumerate(x.profiles):  # lower cells come first
            k, seat = profile[i], i * P + v
            before = i * P + x.after(i, v, k - 1) if k else None
            rise = q[seat] - (q[before] if before is not None else ZERO)
            m[seat] = (m[before] if before is not None else ZERO) + ends[i][k][0] * rise
            fall = max(fall, -rise if k else ZERO)
    sold = max(sum((q[i * P + v] for i in range(x.bidders)), ZERO) for v in range(P)) - x.supply[0]
    checks = [
        at_most_zero("continuum: chances are at least zero", -min(q)),
        at_most_zero("continuum: chances do not fall in the own value", fall),
        at_most_zero("continuum: no more than the supply is sold", sold),
        at_most_zero("continuum: nobody gets more than she can use", max(q) - x.demand),
    ]
    if "budgets" in x.restrictions:
        budgets = [number(b) for b in x.restrictions["budgets"]] * (x.bidders // len(x.restrictions["budgets"]))
        over = max(m[i * P + v] - budgets[i] for i in range(x.bidders) for v in range(P))
        checks.append(at_most_zero("continuum: nobody pays more than her budget", over))
    if x.restrictions.get("anonymous"):
        gaps = [abs(q[i * P + v] - q[j * P + w]) for i, v, j, w in _permuted(composed)]
        apart = max(gaps, default=ZERO)
        checks.append(at_most_zero("continuum: bidders are treated alike", apart))
    if x.most is not None:
        checks.append(at_most_zero("continuum: a bidder gets no more goods than allowed", max(q) - x.most))
    y = {name: [number(value) for value in column] for name, column in listed["multipliers"].items()}
    value, found = _guarantee(composed, goal, q, m, ends, y)
    return value, [*checks, *found]


def _require(composed: Composed) -> None:
    x, goal = composed.instance, composed.goals[0]
    allowed = {"anonymous", "monotone", "budgets"}
    if goal.set["kind"] not in ("support", "wasserstein") or "centre" in goal.set or goal.set.get("support"):
        raise ValueError("the distributions do not extend to the box")
    if x.goods != 1 or not x.boxed or set(x.restrictions) - allowed or min(goal.weights.values()) < 0:
        raise ValueError("the design does not extend to the box")
    if (x.incentives["truth"], x.incentives["participation"]) != ("ex-post", "ex-post"):
        raise ValueError("only dominant strategies extend to the box")


def _permuted(composed: Composed) -> list[tuple[int, int, int, int]]:
    x, found = composed.instance, []
    for v, profile in enumerate(x.profiles):
        for a, b in itertools.combinations(range(x.bidders), 2):
            swapped = list(profile)
            swapped[a], swapped[b] = swapped[b], swapped[a]
            w = x.place[tuple(swapped)]
            found += [(i, v, {a: b, b: a}.get(i, i), w) for i in range(x.bidders)]
    return found


def _guarantee(
    composed: Composed,
    goal: Any,
    q: Sequence[Rational],
    m: Sequence[Rational],
    ends: Ends,
    y: dict[str, list[Rational]],
) -> tuple[Rational, list[Check]]:
    x, P = composed.instance, len(composed.instance.profiles)
    regret, ratio = goal.kind == "regret", goal.kind == "ratio"
    a, b, c, d = (goal.weights.get(name, ZERO) for name in ("revenue", "welfare", "utility", "sale"))
    level = y["r" if regret else "t"]
    rho = y["rho"][0] if ratio else ZERO
    sigma, radius = y.get("sigma", []), y.get("radius", [ZERO])[0]
    points: list[tuple[Rational, ...]] = [()]
    weights = [number(1)]
    if goal.set["kind"] == "wasserstein":
        rows = [tuple(number(s) for s in row) for row in goal.set["samples"]]
        points = list(dict.fromkeys(rows))
        weights = [number(rows.count(row)) / len(rows) for row in points]
    moments = _moments(composed, goal)
    if len(level) != len(points) or len(sigma) != len(moments):
        raise ValueError("a multiplier per sample and per moment")
    worst = ZERO
    for v, profile in enumerate(x.profiles):
        cell = [ends[i][k] for i, k in enumerate(profile)]
        score = ZERO
        for i, (lo, _) in enumerate(cell):
            chance = q[i * P + v]
            score += a * (m[i * P + v] - x.cost[0] * chance) + b * chance * (lo - x.cost[0])
            score += c * (chance * lo - m[i * P + v]) + d * chance
        for s, (i, power, sign, _) in zip(sigma, moments, strict=True):
            score += s * sign * cell[i][0 if sign > 0 else 1] ** power
        full = x.surplus[v]  # a cell's upper corner is a type
        needed = full if regret else rho * full if ratio else ZERO
        for n, point in enumerate(points):
            far = sum((max(lo - z, z - hi, ZERO) for z, (lo, hi) in zip(point, cell, strict=False)), ZERO)
            made = score + radius * far + (level[n] if regret else -level[n])
            worst = max(worst, needed - made)
    promise = sum((w * t for w, t in zip(weights, level, strict=True)), ZERO)
    known = sum((s * bound for s, (*_, bound) in zip(sigma, moments, strict=True)), ZERO)
    known += radius * number(goal.set["radius"]) if goal.set["kind"] == "wasserstein" else ZERO
    total = promise + known if regret else promise - known
    checks = [
        at_most_zero(f"continuum: the goal holds in all {len(points) * P} cells", worst),
        at_most_zero("continuum: multipliers are at least zero", -min([*sigma, radius, rho])),
    ]
    if ratio:
        checks.append(at_most_zero("continuum: the ratio is reached", -total))
    return (rho if ratio else total), checks


def _moments(composed: Composed, goal: Any) -> list[tuple[int, int, Rational, Rational]]:
    """(bidder, power, sign, bound) of every moment row."""
    found = []
    for moment in goal.set.get("moments", []):
        bidders = [moment["bidder"] - 1] if "bidder" in moment else range(composed.instance.bidders)
        for i in bidders:
            for name, sign in (("at_most", number(1)), ("at_least", number(-1))):
                if name in moment:
                    found.append((i, int(moment.get("power", 1)), sign, sign * number(moment[name])))
    return found
