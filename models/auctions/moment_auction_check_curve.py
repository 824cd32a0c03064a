"""The checker of curves on the continuum: mechanisms and distributions of a few parameters, their logarithms in balls.

Every inequality that holds a logarithm is decided by arb: it passes only when the whole ball is on the right side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flint

from mechopt.models.auctions.moment_auction_check_price import Instance
from mechopt.models.checking import number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational

BITS = 256


def _log(x: Rational) -> Any:
    return flint.arb(x).log()


def _at_least_zero(name: str, ball: Any) -> Check:
    residual = max(0.0, -float(ball.lower()))
    return Check(name, residual, bool(ball >= 0))


def lottery_lower(instance: Instance, part: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """What the highest-bidder lottery with threshold r and slope sigma guarantees: sigma (I mu - r).

    With v the highest value and s the second, the winner's chance is sigma (I - 1) for v < r; for v >= r it is
    sigma (I - 1 + log(v / max(s, r)) + (1 - r / s if s >= r)). It does not fall in v, and the payment that makes truth
    best, s times the chance at s plus the integral of x dq, is sigma (I - 1) s, plus sigma (v - r) when v >= r: at
    least sigma (sum of values - r). The largest chance is at v = 1, s <= r.
    """
    r, sigma = number(part["threshold"]), number(part["slope"])
    with flint.ctx.workprec(BITS):
        room = 1 - flint.arb(sigma) * (instance.bidders - 1 - _log(r))
        chance = _at_least_zero("lottery: the largest chance is at most one", room)
    fits = bool(0 < r <= 1 and sigma >= 0)
    return sigma * (instance.bidders * instance.mean - r), [
        Check("lottery: 0 < r <= 1 and sigma >= 0", 0.0, fits),
        chance,
    ]


def lottery_upper(instance: Instance, part: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """That no lottery exceeds r when one bidder, drawn at random, has P(v >= x) = r / x and the others are at r.

    Only she can win, and every price x in [r, 1] she may face earns x r / x = r, a lower one less. The mean value of a
    bidder is r (1 - log(r) / I).
    """
    r = number(part["threshold"])
    with flint.ctx.workprec(BITS):
        mean = flint.arb(r) * (1 - _log(r) / instance.bidders) - flint.arb(instance.mean)
        held = _at_least_zero("nature: the mean is as known [sigma]", mean)
    return r, [Check("nature: 0 < r < 1", 0.0, bool(0 < r < 1)), held]


def any_upper(instance: Instance, part: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """That no mechanism for two bidders exceeds 2 C k under a distribution of two parameters 0 < r < a < 1.

    With k = 1/r - 1/a and C (k^2 + 2 k / a) = 1, nature has the density C / (x y)^2 on [r, a]^2 and, mirrored, puts
    the mass G(z, y) = C (a - y)^2 / (a^2 y (z - y)) on profiles with the higher value above z > a, up to an atom at 1,
    and the lower above y in [r, a]. Write h = -dG/dy, w(z, y) = (2 C / a^2)(a - y)(z - a) / (z - y)^3.

    * A price p <= a against an opponent at y earns at most p C (1/p - 1/a) / y^2 + p h(a, y) = C / y^2 per unit of y.
    * A price z > a against y earns z h(z, y), and d/dz (z h) = -w: the integral of w from z to 1, plus h(1, y).
    * The lower bidder facing z earns by a price p: p (-dG/dz)(z, p), whose derivative in p is -w: the integral of w
      over y from p to a. Facing the atom at 1: p G(1, p) <= G(1, p).

    So a chance of the good, of either bidder, is worth w per unit of area and h(1, y) on the edge at 1, nothing on the
    square, where C / y^2 is the integral of w over z plus h(1, y). One good, two mirrored regions: 2 times the integral
    of C / y^2 over [r, a] is 2 C k. A bidder's mean value is the sum of the integrals written below.
    """
    r, a = number(part["low"]), number(part["high"])
    fits = bool(0 < r < a < 1)
    if not fits or instance.bidders != 2:
        raise ValueError("expected 0 < low < high < 1 and two bidders")
    k = 1 / r - 1 / a
    C = 1 / (k * k + 2 * k / a)
    with flint.ctx.workprec(BITS):
        square = C * k * _log(a / r)
        higher = C * k + C * (a - r) ** 2 / (a**2 * r) * _log((1 - r) / (a - r))
        mean = square + higher + C / a * _log(a / r) - flint.arb(instance.mean)
        held = _at_least_zero("nature: the mean is as known [sigma]", mean)
    return 2 * C * k, [Check("nature: 0 < r < a < 1", 0.0, fits), held]
