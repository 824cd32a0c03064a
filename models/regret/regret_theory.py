"""The saddle point of minimax-regret pricing in closed form: mechanism (2.3) and nature's distribution (2.10).

Both are for the continuum box [0, vbar], with the corrections of docs/regret-pricing.md. Nothing that computes a
value or a bound imports this file; tests and pictures compare with it.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from mechopt.models.outcome import Array


def optimal_mechanism(values: Array, upper: Array, cost: Array) -> tuple[Array, Array]:
    """The optimal mechanism (2.3) on the box [0, upper]: allocation (..., J) and payment (...).

    Goods whose cost is at least their upper bound are never sold (Remark 2.3.1). Values (..., J), money.

    >>> q, m = optimal_mechanism(np.array([1.0]), np.array([1.0]), np.array([0.0]))
    >>> assert q[0] == 1 and abs(m - (1 - math.exp(-1))) < 1e-15
    """
    worth = np.where(upper > cost, upper - cost, 1.0)
    share = np.where(upper > cost, (values - cost) / worth, 0.0)
    sold = share >= 1 / math.e
    log = np.log(np.where(sold, share, 1.0))
    return np.where(sold, 1 + log, 0.0), np.where(sold, values - worth / math.e + cost * log, 0.0).sum(axis=-1)


def nature_cdf(values: Array, upper: Array, cost: Array) -> Array:
    """Nature's distribution (2.10), P(v~ <= v): comonotone, its marginals above cost corrected (zero at or below cost).

    Values (..., J), money; goods with cost >= upper do not count. Returns (...).

    >>> assert nature_cdf(np.array([0.5]), np.array([1.0]), np.array([0.0])) == 1 - 2 / math.e
    """
    live = upper > cost
    share = (values[..., live] - cost[live]) / (upper - cost)[live]
    marginal = np.where(share > 0, np.maximum(0.0, 1 - 1 / (math.e * np.where(share > 0, share, 1.0))), 0.0)
    return np.asarray(np.where(share >= 1, 1.0, marginal).min(axis=-1, initial=1.0))


def discrete_nature(n: int) -> list[Fraction]:
    """Nature's best distribution on {0, 1/n, ..., 1} (the corrected Lemma 2.3.3), by k = 0..n, for n >= 2.

    With k* the least k for which H_n - H_k <= 1: mass k*/(k(k+1)) at k*, ..., n - 1 and k*/n at n.

    >>> assert sum(discrete_nature(7)) == 1
    """
    tail, first = Fraction(0), n
    while first > 1 and tail + Fraction(1, first) <= 1:
        tail += Fraction(1, first)
        first -= 1
    mass = [Fraction(first, k * (k + 1)) if first <= k < n else Fraction(0) for k in range(n + 1)]
    mass[n] = Fraction(first, n)
    return mass
