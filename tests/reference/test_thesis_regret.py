"""Chapter 2 of C. Kocyigit's thesis where tests/models says nothing yet: nature's grid points, prices with a margin."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad

from mechopt.models.regret.regret_theory import discrete_nature, nature_cdf


def printed_dual(n):
    """alpha_n by k = 0..n and gamma_n(k + 1, k) by k, as in the proof of Lemma 2.3.3."""
    first, e = math.floor(n / math.e), math.e
    alpha = np.array([n / (e * k * (k + 1)) if first <= k < n else 0.0 for k in range(n + 1)])
    alpha[n] = 1 - alpha.sum()
    gamma = np.array(
        [(n - e - e * e) * n / (e * (n - e) * (k + 1)) if first <= k < n else 0.0 for k in range(n)] + [0.0]
    )
    return alpha, gamma


def dual_objective(alpha, gamma):
    """(2.8) for one good on {0, 1/n, .., 1}, positive parts term by term."""
    n = len(alpha) - 1
    v = np.arange(n + 1) / n
    return float((alpha * v - np.maximum(alpha * v - gamma / n, 0)).sum())


def slack(alpha, gamma):
    """Left sides of the last row of (2.8)."""
    return alpha + gamma - np.concatenate([[0.0], gamma[:-1]])


@pytest.mark.parametrize("n", [11, 12, 50, 1000])
def test_the_papers_grid_dual_is_feasible_and_weak(n):
    """Lemma 2.3.3: feasible for n > e (1 + e), tends to 1/e; the best dual point is feasible for all n and above it."""
    alpha, gamma = printed_dual(n)
    assert alpha.min() >= 0
    assert gamma.min() >= 0
    assert slack(alpha, gamma).min() >= -1e-12
    found, e = dual_objective(alpha, gamma), math.e
    tail = sum(1 / k for k in range(math.floor(n / e) + 1, n + 1))
    assert found == pytest.approx((1 / e - e / (n - e)) * tail, abs=1e-12)
    mass = np.array([float(p) for p in discrete_nature(n)])
    first = int(np.flatnonzero(mass)[0])
    steps = np.array([first / (k + 1) if first <= k < n else 0.0 for k in range(n)] + [0.0])
    best = dual_objective(mass, steps)
    assert slack(mass, steps).min() >= -1e-12
    assert found < best <= 1 / e
    assert best == pytest.approx(max(k * sum(1 / j for j in range(k + 1, n + 1)) / n for k in range(1, n)), abs=1e-12)
    assert 0 < 1 / e - best < 1 / n
    assert n != 11 or (found, best) == (pytest.approx(0.0371, abs=1e-4), pytest.approx(0.3406, abs=1e-4))


def test_the_papers_grid_dual_needs_more_than_ten_steps():
    alpha, gamma = printed_dual(10)
    assert min(alpha.min(), gamma.min(), slack(alpha, gamma).min()) < 0


def test_natures_grid_distributions_tend_to_the_comonotone_one():
    """Lemma 2.3.4 with the corrected (2.10): zero at and below cost, where the printed formula exceeds one."""
    upper, cost = np.array([1.0, 2.0]), np.array([0.5, 0.25])
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 1, (300, 2)) * upper
    share = ((values - cost) / (upper - cost)).min(axis=1)
    errors = []
    for n in (100, 1000, 10_000):
        cumulative = np.cumsum(printed_dual(n)[0])
        there = np.floor(n * share).astype(int)
        found = np.where(there >= 0, cumulative[np.maximum(there, 0)], 0.0)
        errors.append(np.abs(found - nature_cdf(values, upper, cost)).max())
    assert errors[2] < 1e-3
    assert errors[0] / errors[2] == pytest.approx(100, rel=0.9)
    assert 1 - 1 / math.e * 0.5 / (0 - 0.5) > 1  # as printed, at v = 0 with cost 1/2
    assert nature_cdf(np.array([0.0]), np.array([1.0]), np.array([0.5])) == 0


def test_the_mass_at_the_top_belongs_to_natures_distribution():
    """Erratum to Step 2 of Theorem 2.3.2: the case of P^s is s in [0, 1); the atom 1/e at 1 makes E[s] = 2/e."""
    s = np.linspace(1 / math.e, 1, 200_001)
    without = np.trapezoid(s / (math.e * s**2), s)
    assert without == pytest.approx(1 / math.e, abs=1e-9)
    assert without + 1 / math.e == pytest.approx(2 / math.e, abs=1e-9)


BUNDLES = [(0, 0), (1, 0), (0, 1), (1, 1)]


def worst(prices, margin, upper, cost, steps=40):
    """The worst regret over the profiles of a grid whose buyer prefers her bundle to all others by `margin`."""
    axes = [np.linspace(0, top, steps + 1) for top in upper]
    v = np.stack([x.ravel() for x in np.meshgrid(*axes)], axis=1)
    utility = np.stack([v @ np.array(b) - p for b, p in zip(BUNDLES, prices, strict=True)])
    profit = np.array([p - np.dot(b, cost) for b, p in zip(BUNDLES, prices, strict=True)])
    surplus, found = np.maximum(v - cost, 0).sum(axis=1), -np.inf
    for k in range(4):
        mine = utility[k] >= np.delete(utility, k, axis=0).max(axis=0) + margin - 1e-9
        found = max(found, (surplus[mine] - profit[k]).max(initial=-np.inf))
    return found


@pytest.mark.parametrize(("upper", "cost"), [((1.0, 1.0), (0.0, 0.0)), ((1.0, 2.0), (0.25, 0.5))])
def test_prices_with_a_margin_bracket_the_best_deterministic_regret(upper, cost):
    """Lemmas 2.4.3 to 2.4.5 by brute force: no prices do better than S/2 - J delta; the mean prices do S/2."""
    upper, cost = np.array(upper), np.array(cost)
    total, rng = (upper - cost).sum(), np.random.default_rng(1)
    grain = upper.max() / 40
    best = np.array([np.dot(b, (upper + cost) / 2) for b in BUNDLES])
    assert worst(best, 0, upper, cost) == pytest.approx(total / 2, abs=1e-9)
    for delta, near in itertools.product((0.1, 0.2, (upper - cost).min() / 2), [True, False] * 60):
        prices = best + rng.normal(0, 0.1, 4) if near else rng.uniform(0, upper.sum(), 4)
        prices[0] = 0
        assert worst(prices, 0, upper, cost) >= worst(prices, delta, upper, cost) - 1e-9
        assert worst(prices, delta, upper, cost) >= total / 2 - 2 * delta - 2 * grain


def test_every_price_earns_the_same_against_nature():
    """Theorem 2.3.2, right side, on the segment from c to vbar: prices earn 1/e, so regret is E[s] - 1/e = 1/e."""
    upper, cost = np.array([1.0, 2.0]), np.array([0.25, 0.5])
    s = np.linspace(1 / math.e, 1, 501)[:-1]
    above = 1 - nature_cdf(cost + s[:, None] * (upper - cost), upper, cost)  # without atoms below 1
    np.testing.assert_allclose(s * above, 1 / math.e, atol=1e-13)
    just_below = 1 - nature_cdf(cost + (1 - 1e-14) * (upper - cost), upper, cost)
    assert just_below == pytest.approx(1 / math.e, abs=1e-13)  # the mass at the top, where the price 1 sells
    mean = 1 / math.e + quad(lambda x: 1 / (math.e * x), 1 / math.e, 1, epsabs=1e-13)[0]  # of the survival function
    assert mean - 1 / math.e == pytest.approx(1 / math.e, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_any_deterministic_mechanism_is_a_list_of_prices(seed):
    """Lemmas 2.4.1 and 2.4.2, Step 1 corrected: bundles never bought get the price of the top, then all rise alike."""
    rng = np.random.default_rng(seed)
    upper, cost = np.array([1.0, 1.5]), np.array([0.25, 0.0])
    v = np.stack([x.ravel() for x in np.meshgrid(*(np.linspace(0, top, 21) for top in upper))], axis=1)
    worth = v @ np.array(BUNDLES).T  # (profiles, bundles)
    offered = sorted({0, *rng.choice(4, size=2, replace=False).tolist()})
    price = np.where(np.isin(range(4), offered), rng.uniform(0, 1.5, 4), -9.0)  # what nobody may buy has any price
    price[0] = -rng.uniform(0, 0.3)  # money for nothing
    choice = np.array(offered)[(worth - price)[:, offered].argmax(axis=1)]
    bought = sorted(set(choice.tolist()))
    fresh = np.where(np.isin(range(4), bought), price, np.array(BUNDLES) @ upper)
    rows = np.arange(len(v))
    fresh = fresh + (worth - fresh)[rows, choice].min()
    fresh[0] = 0 if 0 not in bought else fresh[0]
    assert fresh[0] == pytest.approx(0, abs=1e-12)
    utility = worth - fresh
    assert (utility[rows, choice] >= utility.max(axis=1) - 1e-12).all()  # (i)
    assert utility[rows, choice].min() >= -1e-12
    surplus, costs = np.maximum(v - cost, 0).sum(axis=1), np.array(BUNDLES) @ cost
    before, after = ((surplus - (p - costs)[choice]).max() for p in (price, fresh))
    assert after <= before + 1e-12


def test_one_positive_part_of_the_sum_would_prove_too_much():
    """Erratum to (2.8): all mass at the top and gamma(k + 1, k) = 1 is feasible; read so it `proves` a regret of 1."""
    n = 10
    alpha, gamma = np.eye(n + 1)[n], np.append(np.ones(n), 0.0)
    assert slack(alpha, gamma).min() >= 0
    v = np.arange(n + 1) / n
    together = (alpha * v).sum() - max((alpha * v - gamma / n).sum(), 0)
    assert together == pytest.approx(1)
    assert dual_objective(alpha, gamma) == pytest.approx(0)
