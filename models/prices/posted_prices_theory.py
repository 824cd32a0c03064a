"""The best posted prices in closed form (Theorem 2.4.1) and what randomising would save (Corollary 2.4.1).

Nothing that computes a value or a bound imports these; they stand beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from mechopt.models.prices.bundles import total

SOURCE = "Kocyigit, Rujeerapaiboon, Kuhn (2020), Theorem 2.4.1"


def best_regret(margins: Sequence[Fraction]) -> float:
    """The least worst-case regret of posted prices on the box, margins (vbar - c)^+: equal on the continuum.

    >>> assert best_regret([Fraction(1), Fraction(1)]) == 1.0
    """
    return float(sum(margins, Fraction(0)) / 2)


def best_random_regret(margins: Sequence[Fraction]) -> float:
    """The least worst-case regret of any mechanism on the same box (Theorem 2.3.1), e / 2 times smaller.

    >>> assert abs(best_regret([Fraction(3)]) / best_random_regret([Fraction(3)]) - math.e / 2) < 1e-15
    """
    return float(sum(margins, Fraction(0))) / math.e


def best_price(bundle: int, upper: Sequence[Fraction], cost: Sequence[Fraction]) -> Fraction:
    """The best price of a bundle, by its mask (2.17): half of what its goods are worth at most and cost.

    >>> assert best_price(0b11, [Fraction(1), Fraction(2)], [Fraction(0), Fraction(1)]) == 2
    """
    price: Fraction = total(upper, bundle) / 2 + total(cost, bundle) / 2
    return price
