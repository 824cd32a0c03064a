"""Sections 1.5 and 1.7 of C. Kocyigit's thesis: second price auctions under Markov sets, errata included."""

import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

from mechopt.models.auctions.moment_auction_theory import best_reserve, lottery_revenue, second_price_revenue
from mechopt.models.auctions.robust_auction import RobustAuction

MEANS = [0.1, 0.3, 0.5, 0.7, 0.9]


def sold(values, reserve):
    """Revenue of a second price auction in one profile."""
    ranked = sorted(values)
    return max(ranked[-2], reserve) if ranked[-1] >= reserve else 0


def region(bidders, mean, reserve):
    """1, 2 or 3 as in the thesis; 0 above the mean."""
    flat = (bidders * mean - 1) / (bidders - 1)
    if reserve > mean:
        return 0
    return 1 if reserve <= min(Fraction(1, bidders), flat) else 2 if reserve <= Fraction(1, bidders) else 3


def regional_cases(wanted, count=40):
    rng = random.Random(wanted)
    while count:
        bidders, mean = rng.randint(2, 4), Fraction(rng.randint(1, 23), 24)
        reserve = Fraction(rng.randint(0, 24), 24)
        if region(bidders, mean, reserve) == wanted:
            count -= 1
            yield bidders, mean, reserve


def atoms(which, bidders, mean, low):
    """Q^(1), Q^(2) or Q^(3) with its lower coordinate at `low`, r or r - eps."""
    ones, lows = (Fraction(1),) * bidders, (low,) * bidders
    tops = [(*lows[:i], Fraction(1), *lows[i + 1 :]) for i in range(bidders)]
    if which == 1:
        each = (mean - 1) / ((bidders - 1) * (low - 1))
        return [(ones, 1 - bidders * each), *((top, each) for top in tops)]
    if which == 2:
        each = (mean - low) / (1 - low)
        return [(lows, 1 - bidders * each), *((top, each) for top in tops)]
    return [(ones, 1 - (1 - mean) / (1 - low)), (lows, (1 - mean) / (1 - low))]


@pytest.mark.parametrize("which", [1, 2, 3])
def test_natures_distributions_of_the_three_regions(which):
    """Lemmas 1.7.2, 1.7.4, 1.7.6 in fractions: in the set, and their revenue is the closed form (in the limit)."""
    for bidders, mean, reserve in regional_cases(which):
        if which != 1 and reserve == 0:
            continue
        value = {1: (bidders * mean - 1) / (bidders - 1), 2: bidders * reserve * (mean - reserve) / (1 - reserve),
                 3: (mean - reserve) / (1 - reserve)}[which]  # fmt: skip
        assert second_price_revenue(bidders, float(mean), float(reserve)) == pytest.approx(float(value), abs=1e-14)
        gaps = []
        for eps in (Fraction(0),) if which == 1 else (Fraction(1, 10**4), Fraction(1, 10**8)):
            law = atoms(which, bidders, mean, reserve - eps)
            assert sum(p for _, p in law) == 1
            assert min(p for _, p in law) >= 0
            assert all(sum(p * v[i] for v, p in law) == mean for i in range(bidders))
            gaps.append(sum(p * sold(v, reserve) for v, p in law) - value)
        assert gaps == [0] or 0 <= gaps[1] <= gaps[0] / 9000 <= Fraction(1, 10**6)


@pytest.mark.parametrize("which", [1, 2, 3])
def test_multipliers_of_the_three_regions_are_feasible(which):
    """Lemmas 1.7.3, 1.7.5, 1.7.7 in fractions: the rows of (1.8) on a grid with the reserve, and the objective."""
    for bidders, mean, r in regional_cases(which, 12):
        I = bidders  # noqa: E741
        sigma, level, value = {
            1: (Fraction(1, I - 1), 1 - Fraction(I, I - 1), (I * mean - 1) / (I - 1)),
            2: (r / (1 - r), I * r**2 / (r - 1), I * r * (mean - r) / (1 - r)),
            3: (1 / (I * (1 - r)), r / (r - 1), (mean - r) / (1 - r)),
        }[which]
        assert level + I * sigma * mean == value
        grid = sorted({Fraction(k, 6) for k in range(7)} | {r, max(r - Fraction(1, 10**9), Fraction(0))})
        for v in itertools.combinations_with_replacement(grid, bidders):
            assert sold(v, r) >= level + sigma * sum(v)


def test_a_better_reply_at_fixed_epsilon():
    """Proposition 1.5.6: Q^(2) is worst in the limit only; leaving the losers at r does better at eps = 1/10."""
    mean, r, eps = Fraction(3, 10), Fraction(1, 5), Fraction(1, 10)
    each = (mean - r + eps) / (1 - r + 2 * eps)
    law = [((r - eps,) * 2, 1 - 2 * each), ((Fraction(1), r), each), ((r, Fraction(1)), each)]
    assert all(sum(p * v[i] for v, p in law) == mean for i in range(2))
    printed = sum(p * sold(v, r) for v, p in atoms(2, 2, mean, r - eps))
    assert sum(p * sold(v, r) for v, p in law) == Fraction(8, 100) < printed == Fraction(8, 90)


@pytest.mark.parametrize("mean", MEANS)
def test_full_surplus_at_worst_is_the_mean(mean):
    """Proposition 1.5.3 by nature's program on a grid that holds the mean."""
    for bidders in (1, 2, 3):
        profiles = np.array(list(itertools.product(sorted({*np.linspace(0, 1, 11), mean}), repeat=bidders)))
        found = linprog(profiles.max(axis=1), A_ub=-profiles.T, b_ub=[-mean] * bidders,
                        A_eq=[np.ones(len(profiles))], b_eq=[1])  # fmt: skip
        assert found.fun == pytest.approx(mean, abs=1e-12)


def test_no_reserve_is_enough_for_many_bidders():
    """Proposition 1.5.8: without reserve the auction falls short of the mean by (1 - mu) / (I - 1)."""
    for mean, eps in itertools.product(MEANS, (0.1, 1e-3)):
        enough = math.ceil(max(1 + (1 - mean) / eps, 1 / mean)) + 1
        for bidders in (enough, 10 * enough):
            assert mean - eps <= second_price_revenue(bidders, mean, 0) <= mean


def test_second_price_auctions_lose_everything_for_small_means():
    """Theorem 1.5.5 and Corollary 1.5.1: their share of the lottery's revenue tends to zero with the mean."""
    shares = [best_reserve(2, mean)[1] / lottery_revenue(2, mean) for mean in (1e-1, 1e-2, 1e-3, 1e-4)]
    np.testing.assert_allclose(shares, [0.139, 0.0201, 0.00264, 3.3e-4], rtol=0.02)
    for bidders in (3, 10):
        assert best_reserve(bidders, 1e-7)[1] < 1e-5 * lottery_revenue(bidders, 1e-7)


def more_bidders(bidders, mean):
    """The least number of further bidders with whom the best second price auction earns the lottery's revenue."""
    target, high = lottery_revenue(bidders, mean), 1
    while best_reserve(bidders + high, mean)[1] < target:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if best_reserve(bidders + middle, mean)[1] < target else (low, middle)
    return high


def test_no_number_of_further_bidders_is_always_enough():
    """Proposition 1.5.10; the ceiling formula of its proof is for means in M_3 of all the numbers of bidders."""
    ceiling = lambda i, m: math.ceil((1 - lottery_revenue(i, m)) / (m - lottery_revenue(i, m)) - i)  # noqa: E731
    rate = (1 - 0.5 - 0.5 * math.log(2)) / (0.5 * math.log(2))
    for bidders in (100, 1000, 10_000):
        found = more_bidders(bidders, 0.5)
        assert found == ceiling(bidders, 0.5)
        assert found / bidders == pytest.approx(rate, rel=0.05)
    assert (more_bidders(2, 0.1), ceiling(2, 0.1)) == (13, 14)
    assert (more_bidders(2, 0.05), ceiling(2, 0.05)) == (24, 28)


def test_means_at_least_mu_are_not_means_equal_to_mu():
    """Erratum after (1.6): sell to bidder 1, at 1/8 if bidder 2's value is below 3/4, else at 3/4."""
    grid = np.arange(9) / 8
    v1, v2 = (x.ravel() for x in np.meshgrid(grid, grid))
    paid = np.where(v2 < 0.75, 0.125 * (v1 >= 0.125), 0.75 * (v1 >= 0.75))
    worst = [linprog(paid, A_eq=[np.ones(len(v1)), *eq], b_eq=[1, *[0.6] * len(eq)], A_ub=ub or None,
                     b_ub=[-0.6] * len(ub) or None).fun
             for eq, ub in (([], [-v1, -v2]), ([v1, v2], []))]  # fmt: skip
    assert worst[0] == pytest.approx(0, abs=1e-12)
    assert worst[1] > 0.01
    model = RobustAuction(bidders=2, lower=0, upper=1, points=8)  # for second price auctions it makes no difference
    second = np.sort(model.values, axis=1)[:, 0]
    w1, w2 = model.values.T
    both = [linprog(second, A_eq=[np.ones(len(w1)), w1, w2], b_eq=[1, 0.6, 0.6]).fun,
            linprog(second, A_eq=[np.ones(len(w1))], b_eq=[1], A_ub=[-w1, -w2], b_ub=[-0.6] * 2).fun]  # fmt: skip
    assert both[0] == pytest.approx(both[1], abs=1e-12)
