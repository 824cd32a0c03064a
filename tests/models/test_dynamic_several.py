"""Several buyers over several periods: the two-sided search against the program over histories, and its certificate."""

import copy
import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.models.auctions.myerson_auction import MyersonAuction
from mechopt.models.dynamic.bank_account_sources import of_points
from mechopt.models.dynamic.dynamic_auction import DynamicAuction
from mechopt.models.dynamic.dynamic_audit import audit
from mechopt.models.dynamic.several_check import check
from mechopt.models.dynamic.several_cuts import CutList, first_cut, make_cut
from mechopt.models.dynamic.several_engine import PeriodProgram
from mechopt.models.dynamic.several_period import Period
from mechopt.models.dynamic.several_points import Decision, Points
from mechopt.models.dynamic.several_policy import _link, build
from mechopt.models.dynamic.several_search import Search
from mechopt.models.dynamic.several_solve import solve, static
from mechopt.models.inputs import InputError
from mechopt.models.outcome import Options
from mechopt.plots_dynamic_path import path_picture
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.rational import rational


def prior(values, weights):
    return {"values": values, "probabilities": [Fraction(w, sum(weights)) for w in weights]}


def random_prior(rng, n):
    values = sorted(rng.choice(12, size=n, replace=False).tolist())
    return prior(values, rng.integers(1, 9, n).tolist())


def random_model(seed, sizes, buyers=2):
    """One list of numbers of values per period."""
    rng = np.random.default_rng(seed)
    return DynamicAuction(periods=[[random_prior(rng, n) for _ in range(buyers)] for n in sizes])


GAP = DynamicAuction(  # where the best bank account mechanism is not the best one with truth per path
    periods=[[prior([2, 3], [2, 3]), prior([1, 2], [1, 1])], [prior([3, 5], [1, 1]), prior([1, 2], [2, 3])]]
)
SIZES = [(2, 2)] * 4 + [(3, 2)] * 4 + [(3, 3)] * 5 + [(2, 2, 2)] * 5 + [(4, 3)] * 2
TWENTY = list(enumerate(SIZES))


@pytest.mark.parametrize(("seed", "sizes"), TWENTY)
def test_search_equals_the_program_over_histories(seed, sizes):
    model = random_model(seed, sizes)
    exact = highs(model.primal()).require().value
    scale = sum(Period(buyers).welfare for buyers in model.periods)
    outcome = solve(model, Options(gap=2e-9 * scale))
    assert outcome.status.word == "optimal"
    assert outcome.bounds.certified
    assert outcome.value == pytest.approx(exact, abs=1e-9 * max(1.0, scale))
    assert outcome.bounds.lower <= exact + 1e-9 * scale
    assert outcome.bounds.upper >= exact - 1e-9 * scale


def test_the_value_of_the_counterexample():
    outcome = solve(GAP, Options(gap=1e-7))
    assert outcome.bounds.certified
    assert outcome.bounds.lower <= Fraction(569, 100) <= outcome.bounds.upper + 1e-15
    assert outcome.value == pytest.approx(5.69, abs=1e-9)


def test_three_buyers():
    model = random_model(5, (2, 2), buyers=3)
    outcome = solve(model, Options(gap=1e-6))
    assert outcome.value == pytest.approx(highs(model.primal()).value, abs=1e-6)
    assert outcome.bounds.certified
    found = audit(of_points(model.periods, outcome.arrays, exact=True))
    assert all(finding.violation == 0 for name, finding in found.items() if name != "PPIR")


@pytest.mark.parametrize("seed", range(4))
def test_one_period_is_the_optimal_auction(seed):
    model = random_model(seed, (4,), buyers=2 + seed % 2)
    outcome = solve(model, Options())
    best = MyersonAuction(bidders=model.periods[0]).optimum
    assert outcome.bounds.lower - 1e-12 <= best <= outcome.bounds.upper + 1e-12
    assert outcome.bounds.width <= 1e-9


def test_dynamics_never_earn_less_than_the_best_auctions_period_by_period():
    for seed in range(4):
        model = random_model(seed + 50, (3, 3))
        outcome = solve(model, Options())
        alone = sum(MyersonAuction(bidders=buyers).optimum for buyers in model.periods)
        assert outcome.quantities["static_revenue"] == pytest.approx(float(alone), abs=1e-12)
        assert outcome.bounds.upper >= alone
        assert outcome.value >= float(alone) - 1e-9
    xi, decision, points, value = static([Period(buyers) for buyers in model.periods])
    assert value == pytest.approx(float(alone))
    assert xi.min() >= 0
    assert points[0].values[0] < value
    assert decision.after.max() == 0


def test_buyers_of_one_type_and_values_of_zero():
    one = prior([5], [1])
    model = DynamicAuction(periods=[[one, prior([0, 1], [1, 1])], [prior([0], [1]), one], [one, one]])
    outcome = solve(model, Options(gap=1e-7))
    assert outcome.value == pytest.approx(15, abs=1e-9)
    assert outcome.bounds.certified


@pytest.mark.parametrize("seed", range(5))
def test_cuts_hold_wherever_they_are_asked(seed):
    """Weak duality: any multipliers whatever bound the program at any balances and xi."""
    rng = np.random.default_rng(seed)
    periods = [Period(buyers) for buyers in random_model(seed, (3, 2)).periods]
    last = CutList(2, periods[1].slack)
    program = PeriodProgram(periods[1], None, periods[1].slack, root=False)
    last.add(first_cut(periods[1], None, periods[1].slack))
    for _ in range(6):
        last.add(program.solve(rng.random(2) * 3, rng.random(periods[1].slack), 1e-10).cut)
    D = periods[0].slack + periods[1].slack
    early = PeriodProgram(periods[0], last, D, root=False)
    none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    cuts = [first_cut(periods[0], last, D)]
    for _ in range(20):
        profiles = np.arange(periods[0].N)
        which = rng.integers(0, len(last), periods[0].N)
        duals = rng.random(periods[0].N + periods[0].slack) * rng.choice([0.1, 1, 5])
        cuts.append(make_cut(periods[0], last, D, (profiles, which, np.ones(periods[0].N)), duals))
    for _ in range(20):
        b, xi = rng.random(2) * rng.choice([0, 1, 4]), rng.random(D) * rng.choice([0, 1, 3])
        found = early.solve(b, xi, 1e-11)
        own = found.cut.constant + found.cut.slope @ b + found.cut.later @ xi
        assert found.value == pytest.approx(own)
        for cut in cuts:
            assert cut.constant + cut.slope @ b + cut.later @ xi >= found.value - 1e-9
        alone = program.solve(b, xi[periods[0].slack :], 1e-11)
        random_duals = rng.random(periods[1].N + periods[1].slack)
        any_cut = make_cut(periods[1], None, periods[1].slack, none, random_duals)
        assert any_cut.constant + any_cut.slope @ b + any_cut.later @ xi[periods[0].slack :] >= alone.value - 1e-9


def test_lazy_cuts_leave_the_value_of_all_cuts(monkeypatch):
    monkeypatch.setattr("mechopt.models.dynamic.several_engine.MANY", 10**6)  # keep slack rows
    model = random_model(3, (3, 3))
    periods = [Period(buyers) for buyers in model.periods]
    rng = np.random.default_rng(0)
    D = [sum(p.slack for p in periods[t:]) for t in range(2)]
    cuts = CutList(2, D[1])
    last = PeriodProgram(periods[1], None, D[1], root=False)
    cuts.add(first_cut(periods[1], None, D[1]))
    for _ in range(30):
        cuts.add(last.solve(rng.random(2) * 5, rng.random(D[1]) * 2, 1e-10).cut)
    lazy = PeriodProgram(periods[0], cuts, D[0], root=True)
    eager = PeriodProgram(periods[0], cuts, D[0], root=True)
    eager.program = eager._load()
    for c in range(len(cuts)):
        eager._add(np.arange(periods[0].N), np.full(periods[0].N, c), None)
    a, b = (program.solve(np.zeros(2), None, 1e-11).value for program in (lazy, eager))
    assert a == pytest.approx(b, abs=1e-9)
    assert len(lazy.cut) < len(eager.cut)


def test_the_lower_bound_is_exactly_what_the_mechanism_earns():
    for seed, sizes in ((1, (3, 3)), (2, (2, 2, 2)), (4, (2, 3, 2))):
        model = random_model(seed, sizes)
        outcome = solve(model, Options(gap=1e-6))
        mechanism = of_points(model.periods, outcome.arrays, exact=True)
        assert mechanism.expected_revenue() == Fraction(outcome.certificate["finite"]["lower"])
        assert outcome.mechanism.expected_revenue() == pytest.approx(outcome.value, rel=1e-12)


def test_stopped_by_the_clock_the_bracket_still_holds():
    model = random_model(9, (4, 4, 4))
    outcome = solve(model, Options(time_limit=0.05, gap=1e-6))
    assert outcome.status.word == "user_limit"
    assert outcome.bounds.certified
    better = solve(model, Options(time_limit=20, gap=1e-2))
    assert better.bounds.width <= 1e-2 + 1e-9
    assert outcome.bounds.lower <= better.bounds.upper
    assert outcome.bounds.upper >= better.bounds.lower
    assert outcome.value >= outcome.quantities["static_revenue"] - 1e-9


def test_without_certificate_bounds_are_not_called_certified():
    outcome = solve(GAP, Options(certificate=False))
    assert outcome.certificate is None
    assert not outcome.bounds.certified
    assert outcome.bounds.lower <= 5.69 <= outcome.bounds.upper


@pytest.mark.parametrize("gap", [0.0, -1.0, math.nan, math.inf, 1e-13])
def test_gaps_it_cannot_use_are_refused(gap):
    with pytest.raises(InputError, match=r"solve\.gap"):
        solve(GAP, Options(gap=gap))


def test_periods_that_are_too_large_are_refused_before_anything_is_built():
    big = {"family": "uniform", "support": [0, 1], "points": 1000}
    with pytest.raises(InputError, match=r"periods\[0\].*1,000,000"):
        solve(DynamicAuction(periods=[[big, big]]), Options())


def test_progress_is_told():
    told = []
    solve(GAP, Options(progress=told.append))
    assert any("gap" in line for line in told)


def test_probabilities_of_a_family_are_checked():
    bell = {"family": "beta", "a": 2, "b": 3, "support": [0, 1], "points": 3}
    model = DynamicAuction(periods=[[bell, GAP.periods[0][0]], [bell, bell]])
    outcome = solve(model, Options())
    assert outcome.bounds.certified
    part = copy.deepcopy(dict(outcome.certificate))
    row = part["finite"]["distributions"][0][0]["probabilities"]
    row[0], row[1] = row[1], row[0]
    checks, _ = check(model.parameters(), part)
    assert not all(c.passed for c in checks)


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        (("points", 0, 0, "allocation", 0, 0), 1.5, "at most once"),
        (("points", 1, 0, "allocation", 0, 3), -0.1, "at most once"),
        (("points", 0, 0, "balances", 0), 0.25, "start at zero"),
        (("points", 0, 0, "next", 0, 2), 0.5, "sum to one"),
        (("points", 0, 0, "next", 0, 1), 1, "overspent"),
        (("xi", 1, 0), -0.5, "not negative"),
        (("cuts", 0, 0, "on", 0, 2), 2, "sum to one"),
        (("cuts", 0, 0, "mu", 0, 1), -0.5, "not negative"),
    ],
)
def test_a_broken_row_is_named(path, value, name):
    part = json.loads(json.dumps(solve(GAP, Options()).certificate))
    node = part["finite"]
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    checks, _ = check(GAP.parameters(), part)
    assert any(name in c.name for c in checks if not c.passed), [c for c in checks if not c.passed]


def test_the_checker_needs_neither_solver_nor_cvxpy():
    import subprocess
    import sys

    code = "import sys; import mechopt.models.dynamic.several_check; print({'cvxpy', 'highspy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_monotone_tables_are_lotteries_over_prices():
    """The columns of the period program: allocation and balances are linear in the prices' weights."""
    period = Period(random_model(8, (3,)).periods[0])
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.random(period.prices) / 9, rng.random(period.slack)])
    allocation = period.allocation(x)
    for i, (v, place) in enumerate(zip(period.values, period.place, strict=True)):
        after = (period.balance[i] @ x)[place]
        assert (np.diff(allocation[i, place], axis=1) >= 0).all()
        np.testing.assert_allclose(np.diff(after, axis=1), np.diff(v) * allocation[i, place][:, :-1])
    np.testing.assert_allclose((period.rows @ x)[: period.N], allocation.sum(axis=0))
    for i, (a, b) in enumerate(itertools.pairwise(period.start)):
        mean = (period.balance[i] @ x)[period.place[i]] @ period.buyers[i].f
        np.testing.assert_allclose((period.rows @ x)[period.N + a : period.N + b], mean)


def test_the_tiniest_balances_do_not_put_points_out_of_reach():
    """A point with 3e-9 on an account must still be mixed into balances of which that one is zero."""
    points = Points(2, 100.0)
    decision = Decision(np.zeros((2, 4)), np.zeros((2, 4)))
    for balances, value in (([0, 0], 1.0), ([20, 3e-9], 5.0), ([6, 0], 2.0)):
        points.add(np.array(balances, dtype=float), value, decision)
    y = np.array([[15.0] * 4, [0.0] * 4])
    exact = [[rational(15)] * 4, [rational(0)] * 4]
    (mixtures,), following = _link(points, [y], [exact], -10, 100.0)
    for mixture in mixtures:
        assert sum(w for _, w in mixture) == pytest.approx(1)
        assert sum(w * following[q][1][0] for q, w in mixture) == pytest.approx(15, abs=1e-8)
        assert all(following[q][1][1] == 0 for q, _ in mixture)


def test_the_picture_of_a_path():
    result = mo.solve(GAP)
    figure = path_picture(result)
    assert len(figure.axes) == 4
    assert figure.axes[0].get_title(loc="left") == "buyer 1: the account"
    again = path_picture(result, seed=2)
    assert len(again.axes[0].lines) == len(figure.axes[0].lines) == 10


@pytest.mark.parametrize("seed", range(4))
def test_buyers_alike_may_change_places(seed):
    """Cuts and points count twice, and the value is that of the program over histories."""
    rng = np.random.default_rng(seed)
    sizes = ((3, 3), (2, 2, 2))[seed % 2]
    model = DynamicAuction(periods=[[random_prior(rng, n)] * 2 for n in sizes])
    outcome = solve(model, Options(gap=1e-7))
    assert outcome.bounds.certified
    assert outcome.value == pytest.approx(highs(model.primal()).value, abs=1e-7)
    for period in outcome.quantities["xi"] if outcome.value > outcome.quantities["static_revenue"] + 1e-6 else ():
        np.testing.assert_allclose(period[0], period[1], atol=1e-9)
    search = Search([Period(buyers) for buyers in model.periods], 1e-7, 20.0, lambda line: None, {})
    found = search.run(static(search.periods))
    exact = build(search.periods, found, search.scale)
    assert len(exact.points) == len(sizes)
    assert found.lower == pytest.approx(outcome.value, abs=1e-7)  # what floats say is what the exact mechanism earns
    assert search.swap is not None
    for t in range(1, len(search.periods)):
        cuts, image = search.cuts[t], search.swap.image[t]
        assert [image[image[c]] for c in range(len(cuts))] == list(range(len(cuts)))
        for c, other in enumerate(image):
            assert cuts.cuts[other].slope.tolist() == cuts.cuts[c].slope[::-1].tolist()
            assert cuts.cuts[other].constant == cuts.cuts[c].constant


def test_options_go_to_highs():
    with pytest.raises(ValueError, match="HiGHS takes no option"):
        solve(GAP, Options(options={"no_such_option": 1}))
    assert solve(GAP, Options(options={"simplex_strategy": 4}, gap=1e-6)).value == pytest.approx(5.69, abs=1e-6)


@pytest.mark.parametrize("unit", [Fraction(10) ** 12, Fraction(10) ** 5, Fraction(1, 10**9)])
def test_the_unit_of_money_does_not_matter(unit):
    rng = np.random.default_rng(4)
    rows = [[random_prior(rng, 3) for _ in range(2)] for _ in range(2)]
    scaled = [[{**row, "values": [v * unit for v in row["values"]]} for row in period] for period in rows]
    value = solve(DynamicAuction(periods=rows), Options(gap=1e-6)).value
    outcome = solve(DynamicAuction(periods=scaled), Options(gap=1e-6 * float(unit)))
    assert outcome.status.word == "optimal"
    assert outcome.bounds.certified
    assert outcome.bounds.width <= 1.1e-6 * float(unit)
    assert outcome.value / float(unit) == pytest.approx(value, abs=2e-6)
    loose = solve(DynamicAuction(periods=scaled), Options(gap=1e-6 * float(unit), certificate=False))
    assert loose.value / float(unit) == pytest.approx(value, abs=2e-6)
    assert loose.quantities["static_revenue"] == pytest.approx(outcome.quantities["static_revenue"])


def test_negative_values_are_never_served():
    model = DynamicAuction(
        periods=[[prior([-3, -1], [1, 1]), prior([-2, 4], [1, 3])], [prior([-5], [1]), prior([-2, 1], [1, 1])]]
    )
    outcome = solve(model, Options())
    assert outcome.value == pytest.approx(highs(model.primal()).value, abs=1e-9)
    assert outcome.bounds.certified
    nothing = solve(DynamicAuction(periods=[[prior([-3, -1], [1, 1])] * 2] * 2), Options())
    assert nothing.bounds.lower == nothing.bounds.upper == 0


def test_a_solver_that_gives_up_is_replaced(monkeypatch):
    real, calls = PeriodProgram._run, []

    def moody(self, end):
        calls.append(self)
        x, duals, optimal = real(self, end)
        return x, duals, optimal and len(calls) % 3 != 0

    monkeypatch.setattr(PeriodProgram, "_run", moody)
    outcome = solve(GAP, Options(gap=1e-7))
    assert len(calls) > 6
    assert outcome.value == pytest.approx(5.69, abs=1e-7)
    assert outcome.status.word == "optimal"
