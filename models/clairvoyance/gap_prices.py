"""The best posted prices against two scenarios, on the continuum of prices: where two prices and nature's weights meet.

With weight lambda on the first scenario and the rest on the second, the height lambda r_1 + (1 - lambda) r_12 has its
top at the lesser root of the checker's quadratic or at the highest price. Nature wants the lowest top: there both are
equally high, or, for small mu, the root's price serves both scenarios alike and stands alone. The seller mixes the
two so that both scenarios are served alike. Bisection in ball arithmetic, then fractions; what they prove is for the
checker to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint

from mechopt.models.clairvoyance.gap_check_price import Law, bits
from mechopt.solvers.rational import rational

HALVINGS = 220


@dataclass(frozen=True)
class Saddle:
    """The lower price, money, and its chance; exp(mu^2) has the rest. `first`: nature's weight on scenario one."""

    price: Fraction
    chance: Fraction
    first: Fraction


def saddle(mu: Fraction, epsilon: Fraction) -> Saddle:
    """The two prices and nature's weights, as fractions near the optimal ones.

    >>> found = saddle(Fraction(1), Fraction(0))
    >>> assert abs(found.price - Fraction(12631, 10**4)) < Fraction(1, 1000) and 0 < found.first < 1
    """
    m, e = rational(mu), rational(epsilon)
    with flint.ctx.workprec(bits(m)):
        law = Law.of(m, e)
        low, high = flint.arb(0), flint.arb(1)
        for _ in range(HALVINGS):
            middle = ((low + high) / 2).mid()
            low, high = (middle, high) if _falls(law, middle) else (low, middle)
        root = _root(law, low)
        s = flint.arb(1) if root is None else root
        (a, b), (c, d) = law.ratios(s), law.ratios(law.S)  # (one, both) at the lower and the highest price
        chance = (c - d) / ((c - d) + (b - a))
        return Saddle(
            _fraction((s - 1) / law.mu), min(max(_fraction(chance), Fraction(0)), Fraction(1)), _fraction(low)
        )


def _falls(law: Law, first: Any) -> bool:
    """Whether the top still falls when nature puts more weight on the first scenario."""
    root = _root(law, first)
    if root is None or not _height(law, first, root) > _height(law, first, law.S):
        return False  # the top is at the highest price, which earns all there is in the first scenario
    one, both = law.ratios(root)
    return bool(one.mid() < both.mid())


def _root(law: Law, first: Any) -> Any:
    """The price, as s, at which the height stops rising; None where it rises all the way."""
    A, B, z = first / law.one, (1 - first) / law.both, 1 - 1 / law.M
    room = ((B * z) ** 2 - 4 * A * (1 - z) * (A + B) * z).mid()
    if room < 0:
        return None
    root = (2 * (A + B) * z / (B * z + room.sqrt())).mid()
    return root if 1 <= root < law.S else None


def _height(law: Law, first: Any, s: Any) -> Any:
    r1, r12 = law.ratios(s)
    return (first * r1 + (1 - first) * r12).mid()


def _fraction(ball: Any) -> Fraction:
    scaled = (ball.mid() * flint.arb(2) ** 200).floor().unique_fmpz()
    return Fraction(int(scaled), 2**200)


def factor(mu: Fraction, epsilon: Fraction = Fraction(0)) -> float:
    """a at the saddle, as a float: what a seller who knows the future earns over what one who does not can be sure of.

    >>> assert abs(factor(Fraction(3)) - 1.630853232907992) < 1e-12
    """
    m = rational(mu)
    found = saddle(mu, epsilon)
    with flint.ctx.workprec(bits(m)):
        law = Law.of(m, rational(epsilon))
        return float(1 / law.top(rational(found.first), rational(1 - found.first)))
