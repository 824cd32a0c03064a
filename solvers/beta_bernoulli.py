"""The Gittins index of a coin of unknown bias, bracketed: learning goes on for ever, the computation does not.

A success is worth 1; its chance has the prior Beta(a, b). At a charge g per pull let f be the worth of pulling until
one stops. After so many pulls, f is bounded

    from below by  max(0, mean - g) / (1 - delta):                 nothing is learnt any more,
    from above by  E[max(0, chance - g)] / (1 - delta):            the chance is told,

and by Cauchy and Schwarz 2 E[max(0, X)] <= E[X] + sqrt(E[X]^2 + Var[X]). Backward induction carries both to the
present; the index lies where the bounds of one more pull change sign. The charges are found in floats, then both
inductions run again in integers, every rounding on the safe side: what is returned are proved bounds.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

BITS = 128  # after the point of the integers
START = 2.0**-52  # how far the charges found in floats are moved outwards at first
Gain = Callable[[float], float]


@dataclass(frozen=True)
class IndexBracket:
    """Proved bounds of an index."""

    lower: float
    upper: float

    @property
    def middle(self) -> float:
        """Halfway between the bounds."""
        return (self.lower + self.upper) / 2


def beta_bernoulli_index(successes: object, failures: object, discount: object, pulls: int = 300) -> IndexBracket:
    """Proved bounds of the index at the prior Beta(successes, failures); narrower with more pulls, time pulls^2.

    Numbers may be rationals such as "1/2". Raises ValueError for a prior that is not positive, a discount outside of
    [0, 1) or no pulls.

    >>> found = beta_bernoulli_index(1, 1, "9/10", pulls=60)
    >>> assert found.lower <= found.upper < found.lower + 2e-4 and found.lower < 0.70288919 < found.upper
    """
    a, b, delta = (Fraction(repr(x) if isinstance(x, float) else str(x)) for x in (successes, failures, discount))
    if a <= 0 or b <= 0 or not 0 <= delta < 1 or pulls < 1:
        raise ValueError("expected a positive prior, a discount from 0 to below 1 and at least one pull")
    ends = []
    for told, away in ((False, -1), (True, 1)):
        charge, step = _zero(functools.partial(_gain, float(a), float(b), float(delta), pulls, told)), START
        while not _proved(a, b, delta, Fraction(charge + away * step), pulls, told):
            step *= 4
        ends.append(charge + away * step)
    return IndexBracket(*ends)


def _zero(gain: Gain) -> float:
    """The charge at which a falling function of the charge changes sign, in [0, 1]."""
    low, high = 0.0, 1.0
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if gain(middle) >= 0 else (low, middle)
    return low


def _gain(a: float, b: float, delta: float, pulls: int, told: bool, g: float) -> float:
    """What one more pull is worth at a charge, in floats, bounded from above where the chance is told at the end."""
    won = np.arange(pulls, -1, -1.0)
    mean = (a + won) / (a + b + pulls)
    spread = mean * (1 - mean) / (a + b + pulls + 1) if told else 0.0
    x = mean - g
    f = (x + np.sqrt(x * x + spread)) / (2 * (1 - delta))
    for n in range(pulls - 1, -1, -1):
        mean = (a + np.arange(n, -1, -1.0)) / (a + b + n)
        f = mean - g + delta * (mean * f[:-1] + (1 - mean) * f[1:])
        if n:
            f = np.maximum(f, 0.0)
    return float(f[0])


def _proved(a: Fraction, b: Fraction, delta: Fraction, g: Fraction, pulls: int, told: bool) -> bool:
    """Whether a charge is a bound: in integers, rounded up when told, down otherwise."""
    away = 1 if told else 0  # divisions floor; adding one less than the divisor makes them round up
    unit = 1 << BITS
    common = math.lcm(a.denominator, b.denominator)
    A, B = int(a * common), int(b * common)

    def quotient(numerator: int, divisor: int) -> int:
        return (numerator + away * (divisor - 1)) // divisor

    charge = -((-g.numerator * unit) // g.denominator) if not told else (g.numerator * unit) // g.denominator
    f = []
    for j in range(pulls + 1):
        up, total = A + (pulls - j) * common, A + B + pulls * common
        x = quotient(up * unit, total) - charge
        if told:
            square = x * x + quotient(up * (total - up) * common * unit * unit, total * total * (total + common))
            x = (x + math.isqrt(square) + 2) // 2
        f.append(max(0, quotient(x * delta.denominator, delta.denominator - delta.numerator)))
    for n in range(pulls - 1, -1, -1):
        total = A + B + n * common
        divisor = total * delta.denominator
        for j in range(n + 1):
            up = A + (n - j) * common
            later = delta.numerator * (up * f[j] + (total - up) * f[j + 1])
            f[j] = quotient(up * unit, total) - charge + quotient(later, divisor)
            if n:
                f[j] = max(0, f[j])
        f.pop()
    return f[0] <= 0 if told else f[0] >= 0
