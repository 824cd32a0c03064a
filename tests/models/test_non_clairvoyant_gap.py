"""The non-clairvoyant gap: Theorem 5.1 from both sides, its distributions by quadrature, futures by brute force."""

import itertools
import math
import subprocess
import sys
from fractions import Fraction

import flint
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

import mechopt as mo
from mechopt.models.clairvoyance import gap_theory
from mechopt.models.clairvoyance.gap import NonClairvoyantGap
from mechopt.models.clairvoyance.gap_check_price import Law, bits, continuum, end
from mechopt.models.clairvoyance.gap_prices import factor, saddle
from mechopt.models.clairvoyance.scenarios import Tree, scenario_program
from mechopt.models.clairvoyance.scenarios_engine import solve_tree
from mechopt.models.distributions import Distribution
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.rational import nearest, rational

TARGETS = {1: 1.1911, 2: 1.5076, 3: 1.6309, 5: 1.7396, 10: 1.8456, 20: 1.9138}
NINE = {"values": [1, 2, 9], "probabilities": ["1/2", "1/3", "1/6"]}
TAIL = {"values": [1, 2, 4, 8, 16], "probabilities": ["1/2", "1/4", "1/8", "1/16", "1/16"]}


def cdf(mu, v):
    return (1 - math.exp(-(mu**2))) * v * mu / (v * mu + 1) if v < math.exp(mu**2) else 1.0


@pytest.mark.parametrize("mu", [0.3, 1.0, 1.7, 2.2])
def test_revenues_against_the_printed_distribution(mu):
    """Sums and quadrature of F_1 as the paper prints it, against the formulas without cancellation."""
    M = math.exp(mu**2)
    one_best, both_best = gap_theory.best_revenues(mu, 0.25)
    prices = np.array([0.0, 0.1 * M, 0.5 * M, 0.99 * M, M])
    one, both = gap_theory.revenues(mu, 0.25, mu * prices)
    for price, r, r12 in zip(prices, one, both, strict=True):
        sale = 1 - (1 - math.exp(-(mu**2))) * price * mu / (price * mu + 1)
        area = quad(lambda v: 1 - cdf(mu, v), price, M, epsabs=1e-12, limit=500)[0]
        assert r == pytest.approx(price * sale, rel=1e-9, abs=1e-12)
        assert r12 == pytest.approx(0.25 + price * sale + area, rel=1e-8)
    assert one_best == pytest.approx(one.max(), rel=1e-12)
    assert both_best == pytest.approx(both[0], rel=1e-12)


def test_the_mean_is_not_one_plus_mu():
    """Erratum: E[V_1] = 1 + mu + ln(mu) / mu + ..., at mu = 10 11.2303, not 11 up to 10 exp(-100)."""
    assert gap_theory.best_revenues(10, 0)[1] == pytest.approx(11.2303, abs=1e-4)
    for mu in (20.0, 25.0):
        assert gap_theory.best_revenues(mu, 0)[1] == pytest.approx(1 + mu + math.log(mu) / mu, abs=1e-9)


@pytest.mark.parametrize("mu", TARGETS)
def test_guarantees_from_both_sides(mu):
    result = mo.solve(NonClairvoyantGap(mu=mu, points=1000))
    assert result.bounds.certified
    assert result.bounds.problem == "continuum"
    assert result.bounds.width < 1e-15
    assert abs(result.bounds.lower - TARGETS[mu]) < 1e-4
    assert result.bounds.lower <= result.value <= result.bounds.upper + 5e-5
    assert 1 < result.closed_form.value < result.bounds.lower < 2
    low, high = result.quantities["prices"]
    assert low == pytest.approx(1, abs=0.3)
    assert high == pytest.approx(math.exp(mu**2))
    assert result.verify().passed


def test_the_approach_to_two():
    factors = [factor(Fraction(mu)) for mu in (1, 2, 3, 5, 10, 20, 26)]
    assert factors == sorted(factors)
    assert 2 - factors[-1] < 2 / 26
    assert all(factor(Fraction(mu)) > gap_theory.analytic_bound(mu) for mu in (1, 5, 20))
    assert gap_theory.analytic_bound(26) >= 2 / (1 + 2 / 26)


@pytest.mark.parametrize("epsilon", [0, 1])
@pytest.mark.parametrize("mu", [0.5, 1.0, 3.0])
def test_against_minimising_the_largest_height_over_prices(mu, epsilon):
    """Nature's problem without the theory of roots: the largest of many prices, minimised over her weight."""
    one, both = gap_theory.revenues(mu, epsilon, gap_theory.price_nodes(mu, 20_000))
    best = gap_theory.best_revenues(mu, epsilon)

    def top(weight):
        return float((weight * one / best[0] + (1 - weight) * both / best[1]).max())

    found = minimize_scalar(top, bounds=(0, 1), method="bounded", options={"xatol": 1e-12})
    assert factor(Fraction(mu), Fraction(epsilon)) == pytest.approx(1 / found.fun, abs=1e-6)


def test_small_mu_needs_one_price_only():
    result = mo.solve(NonClairvoyantGap(mu="1/2", points=500))
    assert result.quantities["chances"][0] == pytest.approx(1)
    assert result.bounds.certified
    assert result.bounds.width < 1e-15


@pytest.mark.parametrize("mu", ["1/1000000", "1/10", 2, "26.58"])
def test_balls_bracket_at_the_ends_of_the_range(mu):
    found, m = saddle(Fraction(mu), Fraction(0)), rational(str(Fraction(mu)))
    with flint.ctx.workprec(bits(m)):
        law = Law.of(m, rational(0))
        part = {
            "price": str(found.price),
            "chance": str(found.chance),
            "lambda": [str(found.first), str(1 - found.first)],
        }
        lower, upper, checks = continuum(law, part)
    assert all(check.passed for check in checks)
    assert 0 <= nearest(upper - lower) < 1e-40


def test_ends_of_balls_are_on_the_safe_side():
    with flint.ctx.workprec(60):
        ball = flint.arb(2).sqrt()
        low, high = end(ball, up=False), end(ball, up=True)
    assert low**2 < 2 < high**2
    assert nearest(high - low) < 1e-15


def test_primal_and_dual_name_the_same_mixture():
    model = NonClairvoyantGap(mu=2, epsilon="1/2", points=300)
    primal, dual = highs(model.primal()), highs(model.dual())
    assert primal.value == pytest.approx(dual.value, abs=1e-10)
    assert [primal.dual["one"], primal.dual["both"]] == pytest.approx(dual.primal["lambda"].tolist(), abs=1e-8)
    np.testing.assert_allclose(dual.dual["h"].sum(), primal.value, atol=1e-9)
    _, one, both = model.ratios
    assert min(one @ primal.primal["h"], both @ primal.primal["h"]) >= 1 - 1e-9


def test_the_cut_off_of_the_second_distribution():
    """Erratum: without an end its mean is infinite. At the price epsilon the buyer keeps epsilon ln(H / epsilon)."""
    H = math.exp(gap_theory.log_support(1.0, 0.5))
    kept = quad(lambda v: 0.5 / v, 0.5, H, limit=500)[0]
    assert kept == pytest.approx(math.e, rel=1e-6)
    prior = gap_theory.equal_revenue(Fraction(1, 2), 8)
    assert {v * tail for v, tail in zip(prior.values, prior.tails, strict=True)} == {Fraction(1, 2)}
    assert sum(p * (v - prior.values[0]) for v, p in zip(prior.values, prior.probabilities, strict=True)) == 2
    result = mo.solve(NonClairvoyantGap(mu=1, epsilon="1/2"))
    assert result.quantities["second_log_support"] == pytest.approx(math.log(H))
    assert any("float holds" in note for note in mo.solve(NonClairvoyantGap(mu=3, epsilon=1)).document["notes"])


# Finite futures.


@pytest.mark.parametrize(("mu", "points", "doublings"), [(1.0, 5, 6), (1.0, 9, 6), (0.7, 6, 4), (1.2, 4, 9)])
def test_all_mechanisms_do_no_better_than_posted_prices_on_the_theorems_distributions(mu, points, doublings):
    """With enough of a tail in the second period, the program over all mechanisms equals that of posted prices."""
    first, second = gap_theory.first_values(mu, points), gap_theory.equal_revenue(Fraction(1), doublings)
    model = NonClairvoyantGap(first=first, second=second)
    mean = sum(v * p for v, p in zip(first.values, first.probabilities, strict=True))
    assert float(model.best[1]) == pytest.approx(float(mean + 1), rel=1e-9)  # REV*(F_1, F_2) = E[V_1] + epsilon
    assert float(solve_tree(model.tree, model.best).factor) == pytest.approx(highs(model.primal()).value, abs=1e-7)
    assert highs(model.primal()).value == pytest.approx(highs(model.dual()).value, abs=1e-9)


def test_too_short_a_tail_earns_less():
    first = gap_theory.first_values(1.0, 5)
    mean = sum(v * p for v, p in zip(first.values, first.probabilities, strict=True))
    assert NonClairvoyantGap(first=first, second=gap_theory.equal_revenue(Fraction(1), 1)).best[
        1
    ] < mean + 1 - Fraction(1, 10)


def test_nothing_is_lost_where_the_lowest_price_is_best_in_both():
    result = mo.solve(
        NonClairvoyantGap(first={"values": [3, 4, 5], "probabilities": ["4/5", "1/10", "1/10"]}, second=NINE)
    )
    assert result.value == 1
    assert result.bounds.certified
    assert any("nothing is lost" in note for note in result.document["notes"])
    equal = mo.solve(
        NonClairvoyantGap(first={"values": [1, 2, 6], "probabilities": ["1/2", "1/3", "1/6"]}, second=TAIL)
    )
    assert equal.value == 1  # every price earns 1 alone: giving the good for the least price costs nothing


def futures_of(seed):
    rng = np.random.default_rng(seed)

    def prior():
        K = int(rng.integers(1, 4))
        weights = rng.integers(1, 6, K).tolist()
        values = sorted(rng.choice(np.arange(1, 12), K, replace=False).tolist())
        return Distribution(values=values, probabilities=[Fraction(w, sum(weights)) for w in weights])

    a, b, c = prior(), prior(), prior()
    return [[a], [a, b], [a, b, c], [a, c]][: int(rng.integers(2, 5))]


@pytest.mark.parametrize("seed", range(12))
def test_the_engine_against_the_plain_program(seed):
    model = NonClairvoyantGap(scenarios=futures_of(seed))
    found = solve_tree(model.tree, model.best)
    assert found.exact
    assert highs(model.primal_scenarios()).value == pytest.approx(float(found.factor), abs=1e-7)
    result = mo.solve(model)
    assert result.bounds.certified
    assert result.bounds.lower <= float(found.factor) <= result.bounds.upper
    assert result.bounds.width < 1e-9
    assert min(result.quantities["ratios"]) == pytest.approx(result.quantities["ratio"], abs=1e-9)
    assert sum(result.quantities["lambda"]) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(6))
def test_one_future_is_the_clairvoyant_optimum(seed):
    future = futures_of(seed)[-1]
    tree = Tree.of([future])
    best = 1 / solve_tree(tree, [Fraction(1)]).factor
    assert highs(scenario_program(tree, [Fraction(1)])).value == pytest.approx(1 / float(best), abs=1e-8)
    static = sum(max(v * t for v, t in zip(p.values, p.tails, strict=True)) for p in future)
    welfare = sum(sum(v * f for v, f in zip(p.values, p.probabilities, strict=True)) for p in future)
    assert static <= best <= welfare
    if len(future) == 1:
        assert best == static


@pytest.mark.parametrize("seed", range(5))
def test_no_reporting_strategy_gains_and_no_path_loses(seed):
    """Every strategy of reports, deviations on top of deviations included, in every future of the mechanism."""
    futures = [future[:2] for future in futures_of(seed)][:2]
    model = NonClairvoyantGap(scenarios=futures)
    mechanism = mo.solve(model).mechanism
    for s, future in enumerate(model.futures):
        sizes = [len(prior) for prior in future]
        if len(sizes) < 2:
            continue
        first, second = future
        truth, best = 0.0, -math.inf
        for r1 in itertools.product(range(sizes[0]), repeat=sizes[0]):
            for r2 in itertools.product(range(sizes[1]), repeat=min(sizes[0] * sizes[1], 4)):
                total = 0.0
                for k, j in itertools.product(range(sizes[0]), range(sizes[1])):
                    said = first.v[r1[k]]
                    x1, m1 = mechanism.at(s, [said])
                    x2, m2 = mechanism.at(s, [said, second.v[r2[(k * sizes[1] + j) % len(r2)]]])
                    total += first.f[k] * second.f[j] * (first.v[k] * x1 - m1 + second.v[j] * x2 - m2)
                best = max(best, total)
        for k, j in itertools.product(range(sizes[0]), range(sizes[1])):
            x1, m1 = mechanism.at(s, [first.v[k]])
            x2, m2 = mechanism.at(s, [first.v[k], second.v[j]])
            path = first.v[k] * x1 - m1 + second.v[j] * x2 - m2
            assert path >= -1e-9
            truth += first.f[k] * second.f[j] * path
        assert best <= truth + 1e-9


def test_natures_mixture_makes_the_guarantee_an_optimum():
    """Against lambda, no mechanism earns more on average than the guarantee; there is one mechanism for all futures."""
    model = NonClairvoyantGap(first=NINE, second=TAIL)
    result = mo.solve(model)
    weights = result.quantities["lambda"]
    _, one, both = model.ratios
    heights = weights[0] * one + weights[1] * both
    assert heights.max() == pytest.approx(result.quantities["ratio"], abs=1e-9)
    allocation, payment = (result.arrays[f"{name}_1"].values for name in ("allocation", "payment"))
    assert [result.mechanism.at(s, [v]) for s in (0, 1) for v in (1, 2, 9)] == [
        *zip(allocation.tolist(), payment.tolist(), strict=True)
    ] * 2


def test_more_futures_never_help():
    futures = [[NINE], [NINE, TAIL], [NINE, NINE], [NINE, TAIL, {"values": [1, 3], "probabilities": [0.5, 0.5]}]]
    factors = [mo.solve(NonClairvoyantGap(scenarios=futures[:n])).bounds.lower for n in (1, 2, 3, 4)]
    assert factors[0] == 1
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(factors))


def test_awkward_probabilities_are_bracketed_in_floats_or_exactly():
    first = Distribution(family="beta", a=2, b=3, support=[0, 1], points=4)
    result = mo.solve(NonClairvoyantGap(first=first, second={"family": "uniform", "support": [0, 2], "points": 4}))
    assert result.bounds.lower <= result.value <= result.bounds.upper
    assert result.bounds.width < 1e-6
    assert result.bounds.certified or any("fractions did not reach" in note for note in result.document["notes"])


def test_results_are_saved_verified_and_drawn(tmp_path):
    for n, name in enumerate(("gap-mu-3", "gap-two-distributions", "gap-futures")):
        result = mo.solve(mo.load(f"clairvoyance/{name}"))
        result.save(tmp_path / str(n))
        assert mo.verify(tmp_path / str(n)).passed
        assert mo.Result.load(tmp_path / str(n)).plot().axes
    mixture = mo.solve(NonClairvoyantGap(mu=1)).mechanism
    q, m = mixture([0.5, 2.0, 3.0])
    assert q == pytest.approx([0, 0.36386, 1], abs=1e-4)
    assert m[0] == 0


def test_out_of_time_there_is_still_a_mechanism_and_a_bound():
    long = {"family": "uniform", "support": [1, 2], "points": 12}
    result = mo.solve(NonClairvoyantGap(scenarios=[[long], [long, long, long]]), time_limit=0.05)
    assert result.status == "user_limit"
    assert result.bounds.lower == 1 < result.value <= result.bounds.upper < 2
    assert not result.bounds.certified
    assert result.mechanism.revenue(1) == pytest.approx(result.quantities["revenue"][1])
    assert result.plot().axes


def test_futures_that_share_nothing_lose_nothing():
    result = mo.solve(NonClairvoyantGap(scenarios=[[NINE], [TAIL, NINE], [{"values": [2], "probabilities": [1]}]]))
    assert result.value == 1
    assert len(result.model.tree.nodes) == 4


def test_the_checkers_load_no_solver():
    names = "mechopt.models.clairvoyance.gap_check, mechopt.models.clairvoyance.money_burning_check"
    code = f"import sys; import {names}; print({{'cvxpy', 'highspy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr


def test_without_a_certificate():
    result = mo.solve(NonClairvoyantGap(mu=2), certificate=False)
    assert not result.bounds.certified
    assert result.certificate is None
