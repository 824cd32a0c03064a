"""Virtual values for utility of finitely many types, ironed, in rationals: what chances of winning give a buyer.

With values v_1 < ... < v_K, probabilities f_k, tails T_k = P(V >= v_k) and v_0 = 0, a truthful auction's interim
chances Q_k rise with k, and they leave the utilities u_k a range. Which end of it a program may use is its
convention:

    upper        payments are at least 0:    u_k - u_{k-1} <= (v_k - v_{k-1}) Q_k, u_0 = 0,
                                             vt_k = (v_k - v_{k-1}) T_k / f_k
    upper-zero   and the lowest type gets nothing, u_1 = 0:  the same, but vt_1 = 0
    lower        payments are the highest the chances allow: u_{k+1} - u_k = (v_{k+1} - v_k) Q_k, u_1 = 0,
                                             vt_k = (v_{k+1} - v_k) T_{k+1} / f_k, vt_K = 0

In each the most a buyer may expect is E[u] = sum_k f_k vt_k Q_k, attained when a winner pays the price tau_l, l being
the lowest of her types that would still have won: tau_l = v_{l-1} (upper), v_{max(l-1, 1)} (upper-zero), v_l (lower).
Where vt falls, Q cannot follow; the ironed vt is the isotonic regression of vt with weights f, and
E[u] <= sum_k f_k (ironed vt_k) Q_k, with equality where Q is constant on every pool.

Source: J. Hartline, T. Roughgarden, Optimal mechanism design and money burning (2008), for continuous types; E. Elkind,
Designing and learning optimal finite support auctions (2007), for finite ones.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Literal

from mechopt.models.distributions import Distribution
from mechopt.models.virtual_values import pooled

Convention = Literal["upper", "upper-zero", "lower"]
CONVENTIONS: tuple[Convention, ...] = ("upper", "upper-zero", "lower")


def utility_values(prior: Distribution, convention: Convention) -> list[Fraction]:
    """vt_k of every value, (K,), money; not necessarily increasing.

    >>> prior = Distribution(values=[1, 3], probabilities=["1/2", "1/2"])
    >>> assert utility_values(prior, "upper") == [2, 2] and utility_values(prior, "upper-zero") == [0, 2]
    >>> assert utility_values(prior, "lower") == [2, 0]
    """
    v, f, T = prior.values, prior.probabilities, prior.tails
    if convention == "lower":
        steps = [(b - a) * t for (a, b), t in zip(itertools.pairwise(v), T[1:], strict=True)]
        return [s / p for s, p in zip([*steps, Fraction(0)], f, strict=True)]
    found = [(b - a) * t / p for a, b, t, p in zip([Fraction(0), *v[:-1]], v, T, f, strict=True)]
    return [Fraction(0), *found[1:]] if convention == "upper-zero" else found


def ironed_utility_values(prior: Distribution, convention: Convention) -> list[Fraction]:
    """The ironed vt_k of every value, (K,), money, nondecreasing.

    >>> prior = Distribution(values=[1, 3], probabilities=["1/2", "1/2"])
    >>> assert ironed_utility_values(prior, "lower") == [1, 1]
    """
    vt = utility_values(prior, convention)
    return [mean for mean, size in pooled(vt, prior.probabilities) for _ in range(size)]


def pooling_flows(prior: Distribution, convention: Convention) -> list[Fraction]:
    """mu_k >= 0, (K - 1,): multipliers of Q_k <= Q_{k+1}; f_k (ironed vt_k - vt_k) = mu_{k-1} - mu_k.

    >>> prior = Distribution(values=[1, 3], probabilities=["1/2", "1/2"])
    >>> assert pooling_flows(prior, "lower") == [Fraction(1, 2)]
    """
    raised = zip(ironed_utility_values(prior, convention), utility_values(prior, convention), strict=True)
    gains = [p * (high - low) for (high, low), p in zip(raised, prior.probabilities, strict=True)]
    return [-gain for gain in itertools.accumulate(gains)][:-1]


def prices(prior: Distribution, convention: Convention) -> list[Fraction]:
    """tau_l, (K,): what a winner pays whose lowest winning type is l, money, nondecreasing.

    >>> prior = Distribution(values=[1, 3], probabilities=["1/2", "1/2"])
    >>> assert prices(prior, "upper") == [0, 1] and prices(prior, "upper-zero") == [1, 1]
    >>> assert prices(prior, "lower") == [1, 3]
    """
    v = prior.values
    if convention == "lower":
        return list(v)
    return [Fraction(0) if convention == "upper" else v[0], *v[:-1]]
