"""Theorem 5.1's two distributions: what posted prices earn on them, and the analytic bound of its proof.

With M = exp(mu^2) and z = 1 - 1/M, the first value has P(V <= v) = z mu v / (mu v + 1) below M and an atom at M. In
s = 1 + mu v, from 1 to S = 1 + mu M, with nothing lost to cancellation,

    P(V >= v) = (1 + (s - 1) / M) / s,
    E[V; V >= v] = v P(V >= v) + (z ln(S / s) + (S - s) / M) / mu.

The second value has the equal-revenue distribution P(V >= v) = epsilon / v for v >= epsilon: every price earns
epsilon. As printed, without an end, it has an infinite mean and no mechanism that spends a balance; cut off at H with
ln H = ln epsilon + M / epsilon, it has just enough to spend every balance up to M, and E[V_1] + epsilon is what a
seller who knows of it earns.

Source: V. Mirrokni, R. Paes Leme, P. Tang, S. Zuo, Non-clairvoyant dynamic mechanism design (2020), supplement, C.2.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np

from mechopt.models.distributions import Distribution
from mechopt.models.outcome import Array

MOST_MU = Fraction("26.58")  # beyond, mu exp(mu^2) is more than a float holds


def log_highest(mu: float) -> float:
    """ln S, S = 1 + mu exp(mu^2)."""
    return float(np.logaddexp(0.0, mu * mu + math.log(mu)))


def price_nodes(mu: float, points: int) -> Array:
    """s - 1 = mu v of the prices v of a grid, (points + 1,), equally spaced in ln s from v = 0 to exp(mu^2)."""
    return np.asarray(np.expm1(np.arange(points + 1) / points * log_highest(mu)))


def revenues(mu: float, epsilon: float, t: Array) -> tuple[Array, Array]:
    """What the posted prices v = t / mu earn, money: on the first good, and the most on both goods, (N,) each."""
    small, share = math.exp(-mu * mu), -math.expm1(-mu * mu)
    one = t / (1 + t) * (1 + t * small) / mu
    both = epsilon + one + (share * (log_highest(mu) - np.log1p(t)) + mu - t * small) / mu
    return one, both


def best_revenues(mu: float, epsilon: float) -> tuple[float, float]:
    """REV*(F_1) and REV*(F_1, F_2) = E[V_1] + epsilon, money.

    The mean is 1 + mu + ln(mu) / mu + ..., so the printed error term O(mu exp(-mu^2)) of 1 + mu is not one.

    >>> one, both = best_revenues(10, 0)
    >>> assert abs(one - 1.1) < 1e-12 and abs(both - 11.230258509) < 1e-9
    """
    small, share = math.exp(-mu * mu), -math.expm1(-mu * mu)
    return (1 + mu) / (mu + small), 1 + share * log_highest(mu) / mu + epsilon


def analytic_bound(mu: float, epsilon: float = 0.0) -> float:
    """2 / max_v beta(v), beta summing the two ratios of the price v: no guarantee is better, and none need be as good.

    beta rises, falls and rises in s, so its highest value is at the lesser root of a quadratic, or at exp(mu^2). It
    tends to 2, like the best guarantee.

    >>> assert [round(analytic_bound(mu), 3) for mu in (1, 20)] == [1.112, 1.905]
    """
    one, both = best_revenues(mu, epsilon)
    small, share = math.exp(-mu * mu), -math.expm1(-mu * mu)
    A, B = 1 / one, 1 / both
    room = (B * share) ** 2 - 4 * A * small * (A + B) * share
    at = [mu / small]
    if room >= 0:
        root = 2 * (A + B) * share / (B * share + math.sqrt(room))
        if 1 <= root <= 1 + at[0]:
            at.append(root - 1)
    r1, r12 = revenues(mu, epsilon, np.array(at))
    return 2 / float((A * r1 + B * r12).max())


def log_support(mu: float, epsilon: float) -> float | None:
    """ln H, H the highest value the second distribution needs; None when epsilon is zero and it needs infinitely much.

    >>> assert abs(log_support(1, 1) - math.e) < 1e-12 and log_support(3, 0) is None
    """
    return None if epsilon <= 0 else math.log(epsilon) + math.exp(mu * mu) / epsilon


def equal_revenue(epsilon: Fraction, doublings: int) -> Distribution:
    """The equal-revenue distribution on epsilon, 2 epsilon, ..., 2^n epsilon: P(V >= v) = epsilon / v, exactly.

    At the price epsilon its buyer keeps n epsilon / 2 on average: balances up to that can be spent.

    >>> prior = equal_revenue(Fraction(1), 4)
    >>> assert all(v * tail == 1 for v, tail in zip(prior.values, prior.tails, strict=True))
    """
    chances = [Fraction(1, 2 ** (k + 1)) for k in range(doublings)] + [Fraction(1, 2**doublings)]
    return Distribution(values=[epsilon * 2**k for k in range(doublings + 1)], probabilities=chances)


def first_values(mu: float, points: int) -> Distribution:
    """The first distribution, its mass between the prices of the grid moved down to them: `points` + 1 values, money.

    Values are rounded to thousandths and chances to millionths, so that whole numbers of moderate size say it exactly.

    >>> prior = first_values(1.0, 6)
    >>> assert len(prior) == 7 and prior.values[0] == 0 and prior.values[-1] == Fraction(2718, 1000)
    """
    t = price_nodes(mu, points)
    tails = (1 + t * math.exp(-mu * mu)) / (1 + t)
    shares = [Fraction(round(x * 10**6), 10**6) for x in [*tails.tolist(), 0.0]]
    values = [Fraction(round(x / mu * 10**3), 10**3) for x in t.tolist()]
    return Distribution(values=values, probabilities=[a - b for a, b in itertools.pairwise(shares)])
