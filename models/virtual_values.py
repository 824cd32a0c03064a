"""Virtual values of finitely many types, ironed, in rationals: what a bidder is worth to the seller.

With increasing values v_1 < ... < v_K, probabilities f_k and tails T_k = P(V >= v_k) = f_k + ... + f_K,

    phi_k = v_k - (v_{k+1} - v_k) T_{k+1} / f_k,          phi_K = v_K.

f_k phi_k = T_k v_k - T_{k+1} v_{k+1}: phi is the slope of the revenue curve through the points (T_k, T_k v_k). The
ironed phi is the slope of its least concave majorant, hence the isotonic regression of phi with weights f.

Source: R. Myerson, Optimal auction design (1981); J. Bulow, J. Roberts, The simple economics of optimal auctions
(1989).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from mechopt.models.distributions import Distribution


def virtual_values(prior: Distribution) -> list[Fraction]:
    """phi_k of every value, (K,), money; not necessarily increasing.

    >>> uniform = Distribution(family="uniform", support=[1, 3], points=3)
    >>> assert virtual_values(uniform) == [-1, 1, 3]
    """
    v, f, T = prior.values, prior.probabilities, [*prior.tails[1:], Fraction(0)]
    above = [*v[1:], v[-1]]
    return [x - (y - x) * t / p for x, y, t, p in zip(v, above, T, f, strict=True)]


def ironed_virtual_values(prior: Distribution) -> list[Fraction]:
    """The ironed phi_k of every value, (K,), money, nondecreasing: equal to phi where nothing is ironed.

    SciPy's isotonic regression finds in floats which neighbours are pooled, and rationals settle what floats leave in
    doubt.

    >>> lottery = Distribution(values=[1, 2, 3], probabilities=["1/4", "1/2", "1/4"])
    >>> assert virtual_values(lottery) == [-2, Fraction(3, 2), 3] == ironed_virtual_values(lottery)
    >>> two_humps = Distribution(values=[1, 2, 3], probabilities=["1/2", "1/8", "3/8"])
    >>> assert virtual_values(two_humps) == [0, -1, 3]
    >>> assert ironed_virtual_values(two_humps) == [Fraction(-1, 5), Fraction(-1, 5), 3]
    """
    phi, f = virtual_values(prior), prior.probabilities
    return [mean for mean, size in pooled(phi, f) for _ in range(size)]


def pooled(phi: Sequence[Fraction], f: Sequence[Fraction]) -> list[tuple[Fraction, int]]:
    """Isotonic regression of phi with weights f: the mean and size of every pool, means increasing.

    >>> assert pooled([Fraction(2), Fraction(1)], [Fraction(1, 4), Fraction(3, 4)]) == [(Fraction(5, 4), 2)]
    """
    from scipy.optimize import isotonic_regression

    found = isotonic_regression(np.array([float(x) for x in phi]), weights=np.array([float(x) for x in f]))
    starts: list[int] = []
    for a, b in itertools.pairwise(found.blocks.tolist()):
        mean = _mean(phi[a:b], f[a:b])
        gains = itertools.accumulate(p * (x - mean) for x, p in zip(phi[a:b], f[a:b], strict=True))
        starts += [a] if all(gain >= 0 for gain in gains) else range(a, b)  # no pool in truth: take it apart
    pools: list[tuple[Fraction, Fraction, int]] = []  # mean, mass, size
    for a, b in itertools.pairwise([*starts, len(phi)]):
        mean, mass, size = _mean(phi[a:b], f[a:b]), sum(f[a:b], Fraction(0)), b - a
        while pools and pools[-1][0] >= mean:
            before, weight, count = pools.pop()
            mean = (before * weight + mean * mass) / (weight + mass)
            mass, size = weight + mass, count + size
        pools.append((mean, mass, size))
    return [(mean, size) for mean, _, size in pools]


def _mean(phi: Sequence[Fraction], f: Sequence[Fraction]) -> Fraction:
    return sum((x * p for x, p in zip(phi, f, strict=True)), Fraction(0)) / sum(f, Fraction(0))


def ironing_flows(prior: Distribution) -> list[Fraction]:
    """mu_k >= 0, (K - 1,): what ironing adds to the multipliers of the truth rows between v_{k+1} and v_k.

    f_k (ironed phi_k - phi_k) = mu_{k-1} (v_k - v_{k-1}) - mu_k (v_{k+1} - v_k), with mu_0 = mu_K = 0.

    >>> two_humps = Distribution(values=[1, 2, 3], probabilities=["1/2", "1/8", "3/8"])
    >>> assert ironing_flows(two_humps) == [Fraction(1, 10), 0]
    """
    raised = zip(ironed_virtual_values(prior), virtual_values(prior), prior.probabilities, strict=True)
    gains = list(itertools.accumulate(p * (high - phi) for high, phi, p in raised))[:-1]
    steps = [b - a for a, b in itertools.pairwise(prior.values)]
    return [-gain / step for gain, step in zip(gains, steps, strict=True)]


def reserve(prior: Distribution) -> Fraction | None:
    """The lowest value with an ironed virtual value of at least zero; None when there is none.

    >>> assert reserve(Distribution(family="uniform", support=[0, 1], points=11)) == Fraction(1, 2)
    """
    found = zip(prior.values, ironed_virtual_values(prior), strict=True)
    return next((value for value, phi in found if phi >= 0), None)


def revenue_curve(prior: Distribution) -> tuple[list[Fraction], list[Fraction]]:
    """Chance of a sale T and what a posted price earns, T_k v_k, from the highest value down: (K + 1,) each.

    Begins at (0, 0). Its slopes are the virtual values, those of its least concave majorant the ironed ones.

    >>> T, R = revenue_curve(Distribution(values=[1, 3], probabilities=["1/2", "1/2"]))
    >>> assert T == [0, Fraction(1, 2), 1] and R == [0, Fraction(3, 2), 1]
    """
    T = [Fraction(0), *reversed(prior.tails)]
    prices = [Fraction(0), *reversed(prior.values)]
    return T, [t * x for t, x in zip(T, prices, strict=True)]
