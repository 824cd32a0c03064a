"""One buyer over time: sweep, scheme and exact functions against the full-history program; certificates; errata."""

import copy
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.bank_account_sources import of_account_program
from mechopt.models.dynamic.check import check
from mechopt.models.dynamic.dynamic_audit import audit
from mechopt.models.dynamic.dynamic_tables import tables_of
from mechopt.models.dynamic.exact import exact_revenue, exact_value_functions
from mechopt.models.dynamic.exact_programs import exact_optimum
from mechopt.models.dynamic.history import dynamic_program, per_path_program
from mechopt.models.dynamic.history_accounts import account_program
from mechopt.models.dynamic.period import PeriodProgram
from mechopt.models.dynamic.scheme import scheme
from mechopt.models.dynamic.sweep import sweep
from mechopt.models.dynamic.virtual_welfare import virtual_values, virtual_welfare
from mechopt.solvers.highs import solve as highs

COIN = {"values": [1, 2], "probabilities": ["1/2", "1/2"]}
KNOWN = [
    [{"values": [2, 3], "probabilities": ["2/5", "3/5"]}, {"values": [1, 2], "probabilities": ["1/2", "1/2"]}],
    [{"values": [3, 5], "probabilities": ["1/2", "1/2"]}, {"values": [1, 2], "probabilities": ["2/5", "3/5"]}],
]


def random_prior(rng, most=4, whole=16):
    """Two or more integer values with probabilities in 16ths: floats hold every product exactly."""
    n = int(rng.integers(2, most + 1))
    values = sorted(rng.choice(12, size=n, replace=False).tolist())
    cuts = sorted(rng.choice(np.arange(1, whole), size=n - 1, replace=False).tolist())
    chances = [Fraction(b - a, whole) for a, b in itertools.pairwise([0, *cuts, whole])]
    return Distribution(values=values, probabilities=chances)


def random_instance(seed, buyers=1, longest=4, most=4):
    rng = np.random.default_rng(seed)
    T = int(rng.integers(2, longest + 1))
    return mo.DynamicAuction(periods=[[random_prior(rng, most) for _ in range(buyers)] for _ in range(T)])


@pytest.mark.parametrize("seed", range(12))
def test_the_sweep_equals_the_full_history_program(seed):
    model = random_instance(seed)
    truth = highs(dynamic_program(model)).value
    result = mo.solve(model)
    assert result.bounds.certified
    assert result.bounds.lower - 1e-9 <= truth <= result.bounds.upper + 1e-9
    assert result.bounds.width <= 2e-9 * truth + 1e-9
    assert highs(account_program(model)).value == pytest.approx(truth, abs=1e-9)
    assert highs(per_path_program(model)).value == pytest.approx(truth, abs=1e-9)


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_the_optimum_as_a_fraction_three_ways(seed):
    """The full program's basis in rationals, the exact value functions, and the certified bracket."""
    model = random_instance(seed, longest=2, most=3)
    optimum = exact_optimum(model, dynamic_program)
    assert exact_revenue([period[0] for period in model.periods]) == optimum
    bounds = mo.solve(model).bounds
    assert Fraction(bounds.lower) - Fraction(1, 10**12) <= optimum <= Fraction(bounds.upper) + Fraction(1, 10**12)


def test_three_coins():
    model = mo.load("dynamic/three-coins").model
    coin = model.periods[0][0]
    first = exact_value_functions([coin] * 3)[0]
    assert first.slopes == [3, 2, Fraction(3, 2), 1, Fraction(1, 2), Fraction(1, 4), 0]
    assert exact_revenue([coin] * 3) == Fraction(7, 2)
    found = scheme([coin] * 3, points=9, tolerance=1e-6)
    assert found.value == pytest.approx(3.5, abs=1e-5)
    result = mo.solve(model)
    assert result.value == 3.5
    assert result.quantities["static_revenue"] == 3
    assert result.mechanism.expected_revenue() == Fraction(7, 2)


@pytest.mark.parametrize("seed", range(4))
def test_the_papers_scheme_bounds_from_above_and_gets_close(seed):
    model = random_instance(seed, longest=2, most=3)
    truth = highs(dynamic_program(model)).value
    found = scheme([period[0] for period in model.periods], points=12, tolerance=1e-6)
    assert truth - 1e-7 <= found.bound
    assert found.value == pytest.approx(truth, rel=2e-2)


def audit_of_points(source):
    """The rows of the period program at every point, exactly, and that what is promised later covers the next state."""
    for t, (prior,) in enumerate(source.periods):
        steps = [b - a for a, b in itertools.pairwise(prior.values)]
        for q, U in enumerate(source.points[t].U):
            state = ((q, Fraction(1)),)
            x, gain = source.decide(t, state)
            y = [U + g for g in gain]
            assert sum(f * b for f, b in zip(prior.probabilities, y, strict=True)) == U
            assert min(y) >= 0
            assert x == sorted(x)
            assert 0 <= x[0] <= x[-1] <= 1
            assert [b - a for a, b in itertools.pairwise(y)] == [d * q for d, q in zip(steps, x, strict=False)]
            after = source.stage(t, state).after[0].tolist()
            assert all(0 <= held <= b for held, b in zip(after, y, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_the_mechanism_is_feasible_and_earns_exactly_the_lower_bound(seed):
    """Three ways: the certificate, the recursion over points, and all histories stepped through one by one."""
    result = mo.solve(random_instance(seed, longest=3, most=3))
    mechanism = result.mechanism
    lower, upper = (Fraction(result.certificate["finite"][end]) for end in ("lower", "upper"))
    assert mechanism.expected_revenue() == lower
    assert tables_of(mechanism).revenue() == lower
    assert Fraction(result.bounds.lower) <= lower < Fraction(math.nextafter(result.bounds.lower, math.inf))
    assert lower <= upper <= Fraction(result.bounds.upper)
    audit_of_points(mechanism.source)


def test_a_coarse_bracket_has_a_coarse_mechanism_that_earns_exactly_its_lower_end():
    """Few points, so that balances are mixtures: 64 histories of a bracket three per cent wide, audited."""
    prior = {"values": ["1/3", 1, 2, "17/5"], "probabilities": ["1/7", "2/7", "3/7", "1/7"]}
    result = mo.solve(mo.DynamicAuction(periods=[[prior]] * 3), gap=0.1)
    mechanism = result.mechanism
    lower = Fraction(result.certificate["finite"]["lower"])
    assert result.bounds.width > 1e-4
    assert mechanism.expected_revenue() == tables_of(mechanism).revenue() == lower
    found = audit(mechanism)
    kept = ("IC", "BI", "BU", "PPIC", "INDU", "DIC", "eP-IR", "PFIR", "PEIR")
    assert {name: found[name].violation for name in kept} == dict.fromkeys(kept, 0)
    audit_of_points(mechanism.source)


@pytest.mark.parametrize(("seed", "buyers"), [(1, 1), (2, 2)])
def test_the_history_methods_mechanism_earns_exactly_its_lower_bound(seed, buyers):
    result = mo.solve(random_instance(seed, buyers, longest=2, most=3), method="history")
    assert result.bounds.certified
    assert result.mechanism.expected_revenue() == Fraction(result.certificate["finite"]["lower"])


@pytest.mark.parametrize("buyers", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_period_program_dual_and_virtual_values(seed, buyers):
    rng = np.random.default_rng(seed)
    priors = tuple(random_prior(rng) for _ in range(buyers))
    slopes = np.vstack([rng.random((3, buyers)) * 2, np.zeros(buyers)])
    xi = tuple(rng.random(math.prod(len(p) for m, p in enumerate(priors) if m != i)) for i in range(buyers))
    program = PeriodProgram(priors, rng.random(buyers) * 2, xi, np.array([1.0, 2, 3, 6]), slopes)
    primal, dual = highs(program.primal()), highs(program.dual())
    assert primal.value == pytest.approx(dual.value, abs=1e-9)
    mu = primal.dual["mu"] / program.f
    for i in range(buyers):
        found = program.virtual_values(i, primal.dual)
        x = primal.primal[f"x_{i + 1}"]
        assert (found["phit"] <= mu + 1e-8).all()
        assert np.abs((mu - found["phit"])[x > 1e-8]).max(initial=0) < 1e-8
        shape = tuple(len(p) for p in priors)
        moved = np.cumsum(np.moveaxis((program.f * (found["phit"] - found["phi"])).reshape(shape), i, -1), axis=-1)
        assert moved.max() < 1e-9  # an upward move of mass
        assert np.abs(moved[..., -1]).max() < 1e-9


def test_beta_is_the_derivative_in_the_balance():
    prior = Distribution(**COIN)
    a, s = np.array([3.0, 3.25, 4.5]), np.array([[3.0], [1.2], [0.0]])
    value = [highs(PeriodProgram((prior,), np.array([b]), (np.zeros(1),), a, s).primal()) for b in (0.4, 0.41)]
    program = PeriodProgram((prior,), np.array([0.405]), (np.zeros(1),), a, s)
    beta = program.virtual_values(0, highs(program.primal()).dual)["beta"][0]
    assert (value[1].value - value[0].value) / 0.01 == pytest.approx(beta, abs=1e-6)


def test_the_printed_virtual_value_supports_no_multipliers_in_a_coins_second_period():
    """x = (5/8, 1) is optimal; x = 5/8 needs a virtual value of 0, which is what the corrected formula gives."""
    coin = Distribution(**COIN)
    later = exact_value_functions([coin] * 3)[0]
    U, x = Fraction(7, 16), Fraction(5, 8)
    y = [U - x / 2, U + x / 2]
    welfare = (x + 2) / 2
    assert exact_value_functions([coin] * 4)[0](U) == welfare + (later(y[0]) + later(y[1])) / 2
    kinks = [(later.slopes[k], later.slopes[k - 1]) for k in (later.U.index(b) for b in y)]
    assert kinks == [(2, 3), (Fraction(1, 2), 1)]
    g, beta = (3, 1), 2  # supergradients at the balances after; all of the balance's worth, lambda = 0
    corrected = 1 - (beta - g[1]) * 1  # vartheta(1) = 1
    printed = (1 + g[0]) * 1 - beta * 1
    assert (corrected, printed) == (0, 2)
    # With any supergradients the printed one stays positive: (1 + g_1) - (g_1 + g_2) / 2 - lambda >= 1 + (2 - 1) / 2.
    assert min(1 + a - (a + b) / 2 for a, b in itertools.product(kinks[0], kinks[1])) > 0


def test_bank_accounts_lose_something_with_two_buyers():
    model = mo.DynamicAuction(periods=KNOWN)
    assert exact_optimum(model, per_path_program) == Fraction(577, 100)
    assert exact_optimum(model, account_program) == Fraction(569, 100)
    assert exact_optimum(model, dynamic_program) == Fraction(579, 100)
    for build, value in ((per_path_program, 5.77), (dynamic_program, 5.79), (account_program, 5.69)):
        assert highs(build(model)).value == pytest.approx(value, abs=1e-9)
    for method in ("bank-account", "history"):
        bounds = mo.solve(model, method=method).bounds
        assert bounds.certified
        assert Fraction(bounds.lower) <= Fraction(569, 100) <= Fraction(bounds.upper)


def test_how_often_bank_accounts_lose_something_under_the_notion_per_path():
    """Of a dozen random instances of two buyers, two periods and two values, in fractions."""
    strict = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        periods = [[random_prior(rng, most=2, whole=4) for _ in range(2)] for _ in range(2)]
        model = mo.DynamicAuction(periods=periods)
        path, accounts = exact_optimum(model, per_path_program), exact_optimum(model, account_program)
        assert path >= accounts
        strict += path > accounts
    assert 1 <= strict <= 6


def test_exact_optima_refuse_what_they_cannot_read():
    fine = {"values": [1, 2], "probabilities": ["1/1009", "1008/1009"]}
    with pytest.raises(ValueError, match="denominators"):
        exact_optimum(mo.DynamicAuction(periods=[[fine]] * 3), dynamic_program)


@pytest.mark.parametrize(("seed", "buyers"), [(0, 1), (1, 1), (2, 2), (3, 2)])
def test_optimal_mechanisms_maximise_virtual_welfare(seed, buyers):
    model = random_instance(seed, buyers, longest=2 if buyers > 1 else 3, most=3)
    report = virtual_welfare(model)
    assert report.optimal
    assert report.revenue == pytest.approx(highs(account_program(model)).value, abs=1e-8)
    values = virtual_values(model, highs(account_program(model)).dual)
    for (t, i), found in values.items():
        move = np.cumsum(model.periods[t][i].f * (found.phit - found.phi), axis=-1)
        assert move.max() < 1e-8


def test_the_report_names_what_fails_and_the_losses_add_up():
    model = mo.DynamicAuction(periods=[[COIN]] * 2)
    best = highs(account_program(model)).primal
    generous = {**best, "xi_1_1": best["xi_1_1"] + 0.25}
    wasteful = {**best, "x_1_2": np.zeros(4)}
    for mechanism, names in ((generous, ("promised", "spent")), (wasteful, ("highest", "spent"))):
        report = virtual_welfare(model, mechanism)
        failed = [f.name for f in report.findings if f.loss > 1e-9]
        assert failed
        assert all(any(word in name for word in names) for name in failed)
        assert report.optimum - report.revenue == pytest.approx(sum(f.loss for f in report.findings), abs=1e-9)
        earned = of_account_program(model.periods, mechanism).expected_revenue()
        assert float(earned) == pytest.approx(report.revenue, abs=1e-9)
        assert "FAILS" in str(report)


def test_values_below_zero_are_not_served():
    prior = {"values": [-2, -1, 1, 3], "probabilities": ["1/8", "1/8", "1/2", "1/4"]}
    model = mo.DynamicAuction(periods=[[prior]] * 3)
    bounds = mo.solve(model).bounds
    assert bounds.certified
    assert highs(dynamic_program(model)).value == pytest.approx(bounds.lower, abs=1e-8)


def test_single_atoms_and_single_periods():
    one = {"values": ["1/3"], "probabilities": [1]}
    result = mo.solve(mo.DynamicAuction(periods=[[one], [COIN], [one]]))
    assert result.bounds.lower <= Fraction(5, 3) <= result.bounds.upper
    assert result.bounds.width < 1e-12
    single = mo.solve(mo.DynamicAuction(periods=[[COIN]]))
    assert single.closed_form.value == single.value == 1
    assert mo.solve(mo.DynamicAuction(periods=[[one]] * 3)).value == pytest.approx(1, abs=1e-15)


def test_zero_probabilities_are_noted():
    prior = {"values": [1, 2, 3], "probabilities": [0.5, 0, 0.5]}
    result = mo.solve(mo.DynamicAuction(periods=[[COIN], [prior]]))
    assert any("period 2, buyer 1: left out 1 value of probability zero (2)" in x for x in result.document["notes"])


def test_a_larger_instance_reaches_the_gap_asked_for():
    prior = {"family": "uniform", "support": [1, 2], "points": 9}
    model = mo.DynamicAuction(periods=[[prior]] * 6)
    result = mo.solve(model, gap=0.01)
    assert result.status == "optimal"
    assert result.bounds.certified
    assert result.bounds.width <= 0.01
    finer = sweep([period[0] for period in model.periods], 1e-3)
    assert result.bounds.lower <= finer.upper
    assert finer.lower <= result.bounds.upper
    assert result.quantities["static_revenue"] < result.value


def test_a_time_limit_leaves_bounds_that_hold():
    prior = {"family": "uniform", "support": [1, 2], "points": 15}
    result = mo.solve(mo.DynamicAuction(periods=[[prior]] * 8), gap=1e-7, time_limit=0.3)
    assert result.status == "user_limit"
    assert result.bounds.certified
    assert any("stopped before" in note for note in result.document["notes"])


FALSE = {
    "a tangent too low": lambda stage: stage["intercept"].__setitem__(1, stage["intercept"][1] - 1000),
    "a slope too small": lambda stage: stage["g"][1].__setitem__(0, stage["g"][1][0] + 2**45),
    "a promise that is too little": lambda stage: stage["U"].__setitem__(1, 1),
    "a lottery that sells twice": lambda stage: stage["prices"].__setitem__(-1, [[0, 2**51], [1, 2**51]]),
    "a promise not covered": lambda stage: stage["prices"].__setitem__(0, [[0, 2**49]]),
}


@pytest.mark.parametrize("case", FALSE)
def test_false_value_functions_are_refused(case):
    model = random_instance(4, longest=3, most=3)
    result = mo.solve(model)
    forged = copy.deepcopy(dict(result.certificate))
    FALSE[case](forged["finite"]["stages"][0])
    checks, _ = check(model.parameters(), forged)
    assert not all(c.passed for c in checks)


def test_save_load_verify_plot(tmp_path):
    result = mo.solve(mo.load("dynamic/three-coins"))
    folder = result.save(tmp_path / "saved")
    again = mo.Result.load(folder)
    assert mo.verify(folder).passed
    for kind in ("value-functions", "allocation", "horizon", "path"):
        again.plot(kind).savefig(tmp_path / f"{kind}.png")
        assert (tmp_path / f"{kind}.png").stat().st_size > 10_000
    assert again.mechanism.start().bid([2]).allocation == (1,)
    with pytest.raises(mo.InputError, match="--kind"):
        again.plot("magic")


def test_families_are_compared_with_scipy():
    beta = {"family": "beta", "a": 2, "b": 3, "support": [0, 1], "points": 5}
    result = mo.solve(mo.DynamicAuction(periods=[[beta]] * 3))
    assert result.bounds.certified
    assert result.verify().passed
