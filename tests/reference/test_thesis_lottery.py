"""Sections 1.5 and 1.7 of C. Kocyigit's thesis: the best highest-bidder lottery, nature's densities, and errata."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import linprog
from scipy.special import lambertw

import mechopt as mo
from mechopt.models.auctions.moment_auction_theory import HighestBidderLottery, lottery_revenue

MEANS = [0.1, 0.3, 0.5, 0.7, 0.9]


def slope(bidders, mean):
    """sigma*, the root of (1.30), from the Lambert function as printed."""
    return -1 / (lambertw(-mean * bidders * math.exp(-bidders), -1).real + 1)


@pytest.mark.parametrize("bidders", [2, 3, 5, 20])
def test_the_equation_of_the_slope(bidders):
    """Lemma 1.7.8 and two errata in its proof: f needs 1/I, and -(1 + sigma)/sigma is the value of W."""
    top = 1 / (bidders - 1)
    f = lambda s: (1 + s) / (bidders * s) * math.exp(bidders - 1 - 1 / s)  # noqa: E731
    derivative = lambda s: math.exp(bidders - 1 - 1 / s) / (bidders * s**3)  # noqa: E731
    assert f(top) == pytest.approx(1, abs=1e-14)
    assert bidders * f(top) == pytest.approx(bidders)  # the printed f, which should be 1 there
    for s in np.linspace(top / 5, top, 9):
        step = 1e-6 * s
        assert (f(s + step) - f(s - step)) / (2 * step) == pytest.approx(derivative(s), rel=1e-6)
    for mean in MEANS:
        sigma = slope(bidders, mean)
        assert 0 < sigma < top
        assert f(sigma) == pytest.approx(mean, rel=1e-12)
        assert -(1 + sigma) / sigma == pytest.approx(lambertw(-mean * bidders * math.exp(-bidders), -1).real, rel=1e-12)


@pytest.mark.parametrize("bidders", [2, 3, 8])
@pytest.mark.parametrize("mean", MEANS)
def test_the_lotterys_objective_is_its_threshold(bidders, mean):
    """Lemma 1.7.10: -sigma r + I sigma mu = r, with r = exp(I - 1 - 1/sigma) the root the models use."""
    sigma = slope(bidders, mean)
    r = math.exp(bidders - 1 - 1 / sigma)
    assert r == pytest.approx(lottery_revenue(bidders, mean), rel=1e-11)
    assert -sigma * r + bidders * sigma * mean == pytest.approx(r, rel=1e-12)


def test_the_lottery_becomes_the_auction_without_reserve():
    """Proposition 1.5.9: the least chance of a winner tends to 1, whatever the values."""
    least = []
    for bidders in (10, 1000, 10_000):
        r = lottery_revenue(bidders, 0.5)
        rule = HighestBidderLottery(r, 1 / (bidders - 1 - math.log(r)))
        tops, others = np.meshgrid(np.linspace(0.01, 1, 34), np.linspace(0, 1, 34))
        keep = others <= tops
        values = np.zeros((keep.sum(), 3))
        values[:, 0], values[:, 1] = tops[keep], others[keep]
        wide = np.zeros((len(values), bidders))
        wide[:, :3] = values
        least.append(rule(wide)[0].sum(axis=1).min())
    np.testing.assert_allclose(1 - np.array(least), [0.079, 0.0007, 0.00007], rtol=0.05)


@pytest.mark.parametrize("mean", MEANS)
def test_half_of_what_any_mechanism_earns(mean):
    """Theorem 1.5.4 and Lemma 1.7.15: r (2 - r) is above the certified bound for all mechanisms of two bidders."""
    r = lottery_revenue(2, mean)
    found = mo.solve(mo.MomentAuction(bidders=2, mean=mean, points=4, mechanism="any"))
    assert found.bounds.certified
    assert r <= found.bounds.upper <= r * (2 - r)
    assert r >= found.bounds.upper / 2


def density(bidders, mean, eps):
    """r, delta_eps and rho_eps of Theorem 1.7.1."""
    sigma = slope(bidders, mean)
    r = math.exp(bidders - 1 - 1 / sigma)
    above = 1 - r * (1 / sigma - (bidders - 2)) - (bidders - 1) / 2 * (1 - 1 / r) * eps
    delta = above / (1 - eps / 2 - r * (1 / sigma - eps / 2 - (bidders - 2)))
    return r, delta, (1 - delta * r) / (1 - r)


@pytest.mark.parametrize(("bidders", "mean", "eps"), [(2, 0.3, 0.02), (2, 0.5, 0.01), (3, 0.5, 0.01), (2, 0.9, 0.005)])
def test_natures_densities_against_the_lottery(bidders, mean, eps):
    """Lemmas 1.7.12, 1.7.13, 1.7.15 by quadrature over the winner's value: mass, mean, and both objectives."""
    r, delta, rho = density(bidders, mean, eps)
    assert delta > 1 > rho > 0

    def winner(v):
        """Density of the winner's value, all bidders together; the others are uniform on [r - eps, r]."""
        return rho * r / v**2 + (delta * r / eps if v >= 1 - eps else 0)

    def over(g):
        return sum(quad(lambda v: g(v) * winner(v), *ends, epsabs=1e-12)[0] for ends in ((r, 1 - eps), (1 - eps, 1)))

    assert over(lambda v: 1) == pytest.approx(1, abs=1e-10)
    own, other = over(lambda v: v) / bidders, (bidders - 1) / bidders * (r - eps / 2)
    assert own + other == pytest.approx(mean, abs=1e-10)

    def rent(v):
        """Density times value, less the mass above, of the winner's value."""
        above = rho * r * (1 / v - 1) + delta * r * min(1, (1 - v) / eps)
        return winner(v) * v - above

    ends = ((r, 1 - eps), (1 - eps, 1))
    lottery = sum(quad(lambda v: max(0.0, rent(v)), *e, epsabs=1e-12)[0] for e in ends)
    assert lottery == pytest.approx(r * delta * (1 - eps) + r * rho * eps, abs=1e-10)
    others = sum(quad(lambda v: max(0.0, rent(v), winner(v) * r), *e, epsabs=1e-12)[0] for e in ends)
    assert others <= rho * r * (1 - eps - r) / (1 - eps) + lottery + 1e-10


def test_natures_densities_tend_to_the_lotterys_revenue():
    """Theorem 1.7.1: linear convergence; `small enough` means delta r < 1, which eps < 1/2 does not give."""
    for mean, rate in ((0.3, 0.88), (0.5, 1.41), (0.9, 9.35)):
        for eps in (1e-4, 1e-5):
            r, delta, rho = density(2, mean, eps)
            assert (r * delta * (1 - eps) + r * rho * eps - r) / eps == pytest.approx(rate, rel=0.02)
    assert density(2, 0.9, 0.1)[2] == pytest.approx(-9.55, abs=0.01)
    assert density(2, 0.9, 0.02)[2] == pytest.approx(-0.143, abs=0.001)
    assert density(2, 0.9, 0.01)[2] == pytest.approx(0.459, abs=0.001)


@pytest.mark.parametrize(("bidders", "mean"), [(2, 0.3), (2, 0.5), (3, 0.7)])
def test_the_infimum_is_attained_by_a_measure(bidders, mean):
    """Erratum to Lemma 1.7.11: no bounded density attains it; one bidder at random has P(v >= x) = r/x, the rest r."""
    r = lottery_revenue(bidders, mean)
    own = quad(lambda x: r / x, r, 1)[0] + r  # E of the tall bidder's value
    assert own / bidders + (bidders - 1) / bidders * r == pytest.approx(mean, abs=1e-12)
    rule = HighestBidderLottery(r, slope(bidders, mean))
    paid = lambda x: rule(np.array([x, *[r] * (bidders - 1)]))[1].sum()  # noqa: E731
    earned = quad(lambda x: paid(x) * r / x**2, r, 1, epsabs=1e-12)[0] + r * paid(1.0)
    assert earned == pytest.approx(r, abs=1e-10)
    for eps in (1e-2, 1e-3):  # the densities stay above it
        _, delta, rho = density(bidders, mean, eps)
        assert r * delta * (1 - eps) + r * rho * eps > r


def grid_lottery(mean, n, free):
    """Problem (1.11) for two bidders on a grid without monotonicity, sigma free or not: value and sigma."""
    grid = np.arange(n + 1) / n
    cells = [(k, w) for k in range(n + 1) for w in range(k + 1)]  # the high value, the low one; ties are shared
    spot = {cell: j for j, cell in enumerate(cells)}
    count = len(cells)
    rows, right = [], []
    for k, w in cells:
        row = np.zeros(count + 2)
        row[spot[k, w]] = -grid[k]
        for j in range(w, k):
            row[spot[j, w]] += grid[j + 1] - grid[j]
        row[count], row[count + 1] = 1, grid[k] + grid[w]
        rows.append(row)
        right.append(0.0)
    bounds = [(0, 1)] * count + [(None, None), (None if free else 0, None)]
    goal = np.append(np.zeros(count), [-1, -2 * mean])
    found = linprog(goal, A_ub=rows, b_ub=right, bounds=bounds)
    return -found.fun, found.x[-1]


@pytest.mark.parametrize("mean", [0.3, 0.7])
def test_the_sign_of_the_slope_costs_nothing(mean):
    """Erratum to Lemmas 1.7.11 and 1.7.14: `=` in the mean rows is the dual of a free sigma; the value is the same."""
    free, signed = grid_lottery(mean, 12, True), grid_lottery(mean, 12, False)
    assert free[0] == pytest.approx(signed[0], abs=1e-9)
    assert signed[1] > 0.01
