"""Periods without linear programs: which slopes a pass asks for, and the tangents and points Newton steps offer there.

Between two touching points h apart, whose slopes differ by s, the two tangents meet at about s h / 4 above the chord
and lie s h / 8 above it on average. With the chance p that balances come there, an interval counts for p s h / 8. Cut
into M parts of equal (p s h)^(1/3), a period counts for S^3 / (8 M^2), S the sum of these roots; over all periods the
fewest parts for a given total are M = S times the same density in every period.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mechopt.models.dynamic.interior import offers
from mechopt.models.dynamic.value_brackets import Bracket, Period, hull, least, points, tangents
from mechopt.models.dynamic.visits import Visits
from mechopt.solvers.program import Array

COARSE = np.linspace(0.02, 1.5, 24)  # slopes of a first pass, and as many up to the steepest
FEWEST, MOST = 8, 2000  # slopes of a period
ENOUGH = 0.9  # share of slopes at which Newton steps must have arrived


def steepest(periods: Sequence[Period]) -> Array:
    """The slope of W_t at U = 0, (T + 1,), the last 0: what a first unit of promise is worth at the best price."""
    found = [0.0]
    for period in reversed(periods):
        rent = period.f @ period.rent  # of every price, on average
        gain = (period.welfare - max(float(period.welfare[-1]), 0.0))[rent > 0] / rent[rent > 0]
        found.append(found[-1] + max(0.0, float(gain.max(initial=0.0))))
    return np.array(found[::-1])


def coarse(steep: float) -> Array:
    """Slopes for a first pass, falling."""
    return np.concatenate([COARSE, np.geomspace(1.6, max(steep, 2.0), len(COARSE))])[::-1]


def plan(
    brackets: Sequence[Bracket], visits: Sequence[Visits], steep: Array, total: float, density: float
) -> list[Array]:
    """Slopes per period, falling, so that brackets come out about `total` wide with the density 1."""
    curves = []
    for t, seen in enumerate(visits):
        U, slope = _curve(brackets[t], float(steep[t]))
        part = np.cbrt(np.maximum(seen.between(U[:-1], U[1:]) * -np.diff(slope) * np.diff(U), 0.0))
        curves.append((slope, part))
    scale = density * np.sqrt(sum(float(part.sum()) for _, part in curves) / (8 * total))
    return [_evenly(slope, part, scale) for slope, part in curves]


def _curve(found: Bracket, steep: float) -> tuple[Array, Array]:
    """Where tangents touch, U rising, and their slopes, from the steepest to 0."""
    assert found.touch is not None
    U, slope = found.touch
    order = np.lexsort((-slope, U))
    U = np.concatenate([[0.0], U[order], [max(float(found.U[-1]), float(U.max()))]])
    return U, np.concatenate([[steep], np.minimum.accumulate(np.minimum(slope[order], steep)), [0.0]])


def _evenly(slope: Array, part: Array, scale: float) -> Array:
    """Slopes that cut the parts evenly."""
    many = min(MOST, max(FEWEST, int(np.ceil(scale * part.sum()))))
    sums = np.concatenate([[0.0], np.cumsum(part)])
    keep = np.concatenate([[True], np.diff(sums) > 0])
    found = np.unique(np.interp(np.linspace(0.0, sums[-1], many + 1), sums[keep], slope[keep]))[::-1]
    return np.asarray(found[found > 0])


def from_slopes(period: Period, after: Bracket, beta: Array, top: float, soft: float) -> Bracket | None:
    """W_{t-1} from the tangents and points that Newton steps offer at slopes; None where too many do not arrive.

    `top`: from where on W_{t-1} is constant; `soft`: the money kinks of W_t may be smoothed by.
    """
    n = len(period.v)
    prices, lowest, parents, good = offers(period, after, beta, soft)
    if good.mean() < ENOUGH:
        return None
    prices, lowest, parents, beta = prices[good], lowest[good], parents[good], beta[good]
    y = lowest[:, None] + prices @ period.rent.T
    ends = np.zeros((2, n))
    ends[0, -1] = ends[1, min(int(np.searchsorted(period.v, 0.0)), n - 1)] = 1.0
    U, w, prices = points(period, after, np.append(y @ period.f, [0.0, top]), np.vstack([prices, ends]))
    slope, intercept, parents = tangents(period, after, np.append(beta, 0.0), np.vstack([parents, np.zeros(n)]))
    touch = (y @ period.f, beta)
    return Bracket(*least(slope, intercept, parents), *hull(U, w, prices), touch)
