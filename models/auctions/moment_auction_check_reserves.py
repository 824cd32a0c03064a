"""The checker of a best reserve under general moments: an answer of nature to every reserve, interval by interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mechopt.models.auctions.moment_auction_check_price import ONE, Instance, revenue, upper
from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational


def upper_cover(instance: Instance, claim: Rational, cover: Sequence[Mapping[str, Any]]) -> list[Check]:
    """That no reserve in [0, 1] earns more than `claim`: intervals cover [0, 1], each with one distribution.

    For fixed values v the revenue is max(r, v_(2)) up to r = v_(1), then zero: it rises in r between the highest values
    of the atoms. So over an interval the expected revenue is largest at one of these, or at the interval's end.
    """
    reached, excess, checks = ZERO, -claim, []
    for part in cover:
        low, high, nature = number(part["low"]), number(part["high"]), part["nature"]
        if low > reached or high < low:
            raise ValueError("a reserve is left out")
        reached = max(reached, high)
        failed = [check for check in upper(instance, low, nature)[1] if not check.passed]
        checks += failed
        atoms = [([number(x) for x in values], number(p)) for values, p in nature]
        tops = {max(v) for v, _ in atoms}
        for r in {high, *(x for x in tops if low <= x <= high)}:
            excess = max(excess, sum((p * revenue(v, r) for v, p in atoms), ZERO) - claim)
    whole = Check("the intervals cover all reserves in [0, 1]", 0.0, bool(reached >= ONE))
    return [*checks, whole, at_most_zero("no reserve earns more against its interval's distribution", excess)]
