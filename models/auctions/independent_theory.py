"""Second price auctions under one prior or several: what they earn on finitely many values, in fractions.

Bidders are independent and alike. The highest wins, ties are shared, and payments are the largest that truth allows:
the winner pays the least value with which she would still have won. Revenue is then the expected virtual value of
the winner.

Source: C. Kocyigit's thesis (EPFL), Section 1.4; J. Bulow, P. Klemperer, Auctions versus negotiations (1996).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import scipy.optimize

from mechopt.models.distributions import Distribution
from mechopt.models.virtual_values import virtual_values


def second_price(prior: Distribution, bidders: int) -> list[Fraction]:
    """Revenue of the second price auction by reserve, one per value of the prior, (K,), money.

    >>> coin = Distribution(values=[0, 1], probabilities=["1/2", "1/2"])
    >>> assert second_price(coin, 2) == [Fraction(1, 2), Fraction(3, 4)]
    """
    below = [1 - t for t in prior.tails] + [Fraction(1)]
    wins = [below[k + 1] ** bidders - below[k] ** bidders for k in range(len(prior))]  # the highest value is v_k
    found, total = [], Fraction(0)
    for phi, chance in zip(reversed(virtual_values(prior)), reversed(wins), strict=True):
        total += phi * chance
        found.append(total)
    return found[::-1]


def best_reserve(priors: Sequence[Distribution], bidders: int) -> tuple[Fraction, Fraction]:
    """The reserve with the largest worst-case revenue over the priors, and that revenue, money.

    >>> coin = Distribution(values=[0, 1], probabilities=["1/2", "1/2"])
    >>> assert best_reserve([coin], 2) == (1, Fraction(3, 4))
    """
    worst = [min(column) for column in zip(*(second_price(p, bidders) for p in priors), strict=True)]
    best = max(range(len(worst)), key=lambda k: worst[k])
    return priors[0].values[best], worst[best]


def random_reserve(priors: Sequence[Distribution], bidders: int) -> tuple[list[Fraction], Fraction]:
    """The best lottery over reserves, (K,), and its worst-case revenue: a matrix game, its lottery evaluated exactly.

    >>> coin = Distribution(values=[0, 1], probabilities=["1/2", "1/2"])
    >>> assert random_reserve([coin], 2) == ([0, 1], Fraction(3, 4))
    """
    exact = [second_price(prior, bidders) for prior in priors]
    table = np.array(exact, dtype=float)  # (N, K)
    count = table.shape[1]
    found = scipy.optimize.linprog(
        np.append(np.zeros(count), -1.0), A_ub=np.hstack([-table, np.ones((len(table), 1))]), b_ub=np.zeros(len(table)),
        A_eq=np.append(np.ones(count), 0.0)[None, :], b_eq=[1.0], bounds=[(0, None)] * count + [(None, None)],
    )  # fmt: skip
    chances = [Fraction(max(x, 0.0)).limit_denominator(10**12) for x in found.x[:count]]
    total = sum(chances, Fraction(0))
    lottery = [x / total for x in chances]
    return lottery, min(sum((a * b for a, b in zip(lottery, row, strict=True)), Fraction(0)) for row in exact)
