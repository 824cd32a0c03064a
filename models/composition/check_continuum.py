"""A design's bracket on the continuum, checked: a truthful mechanism on one side, nature's densities on the other.

The mechanism's chances are given at both ends of every cell between a bidder's nodes, at the corners of the others'
cells, and are linear in every value between. Chances that do not fall in the own value, with utility their integral,
are truthful and worth joining for every value in the box. On a product of cells everything is linear in each value
but the score, a quadratic in the own value; the powers of moments; distances from a sample, and surplus, which is
convex: what each loses against its interpolation from the corners is counted, so corners bound what nature can do.

Nature's masses are spread evenly on products of points and intervals. A truthful mechanism offers every bidder a
lottery over prices, and no price scores more than the prices of what it sells.

Several goods are sold apart, each by a mechanism of its own: where scores, surpluses and moments add up over goods, so
do the guarantees, for nature's joint distribution has every good's own.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mechopt.models.checking import ZERO, number
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


Nodes = list[list[Rational]]


def read_nodes(composed: Composed, listed: Sequence[Sequence[Any]]) -> Nodes:
    """Every bidder's nodes, from the lowest to the highest value of her box. Raises ValueError for others."""
    found = [[number(x) for x in own] for own in listed]
    if len(found) != composed.instance.bidders:
        raise ValueError("nodes per bidder")
    for own, types in zip(found, composed.instance.types, strict=True):
        if len(own) < 2 or any(a >= b for a, b in itertools.pairwise(own)):
            raise ValueError("nodes increase")
        if own[0] != types[0][0] or own[-1] != types[-1][0]:
            raise ValueError("nodes span the box")
    return found


def require_box(composed: Composed) -> None:
    """Raise ValueError for designs whose bounds do not extend to the box."""
    x, goal = composed.instance, composed.goals[0]
    allowed = {"anonymous", "monotone", "budgets"}
    if goal.set["kind"] not in ("support", "wasserstein") or "centre" in goal.set or goal.set.get("support"):
        raise ValueError("the distributions do not extend to the box")
    if x.goods != 1 or not x.boxed or set(x.restrictions) - allowed or min(goal.weights.values()) < 0:
        raise ValueError("the design does not extend to the box")
    if (x.incentives["truth"], x.incentives["participation"]) != ("ex-post", "ex-post"):
        raise ValueError("only dominant strategies extend to the box")
    if goal.kind == "expected" or min(own[0][0] for own in x.types) < 0:
        raise ValueError("the goal does not extend to the box")


def samples_of(goal: Any) -> tuple[list[tuple[Rational, ...]], list[Rational]]:
    """Samples and their shares; one without values where there is no ball."""
    if goal.set["kind"] != "wasserstein":
        return [()], [number(1)]
    rows = [tuple(number(s) for s in row) for row in goal.set["samples"]]
    points = list(dict.fromkeys(rows))
    return points, [number(rows.count(row)) / len(rows) for row in points]


def moments_of(composed: Composed, goal: Any) -> list[tuple[int, int, Rational, Rational]]:
    """(bidder, power, sign, bound) of every moment row."""
    found = []
    for moment in goal.set.get("moments", []):
        bidders = [moment["bidder"] - 1] if "bidder" in moment else range(composed.instance.bidders)
        for i in bidders:
            for name, sign in (("at_most", number(1)), ("at_least", number(-1))):
                if name in moment:
                    found.append((i, int(moment.get("power", 1)), sign, sign * number(moment[name])))
    return found


def most_of_one_good(x: Any, values: Sequence[Rational]) -> Rational:
    """The surplus of one good at values of the bidders."""
    margins = sorted((v - x.cost[0] for v in values if v > x.cost[0]), reverse=True)
    units = [margin for margin in margins for _ in range(x.demand)]
    return sum(units[: x.supply[0]], ZERO)
