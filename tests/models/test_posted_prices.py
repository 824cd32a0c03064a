"""Posted prices against values by hand, exact enumeration of the vertices, the programs as written, and the theorem."""

import itertools
import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.models.prices import posted_prices_theory
from mechopt.models.prices.bundles import bundles, label, members, subsets
from mechopt.models.prices.posted_prices import PostedPrices
from mechopt.models.prices.posted_prices_search import least_prices
from mechopt.models.prices.posted_prices_worst import Market, worst_cases
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.rational import rational


def ends(result, part="continuum"):
    return tuple(Fraction(result.certificate[part][end]) for end in ("lower", "upper"))


def table(*prices):
    """Prices of all bundles but the empty one, the smallest bundles first."""
    goods = (len(prices) + 1).bit_length() - 1
    return {label(b): p for b, p in zip(bundles(goods)[1:], prices, strict=True) if p is not None}


def on_points(axes, cost, prices, seller_breaks_ties):
    """The worst regret over a product of axes in fractions, written from the words of the problem alone."""
    offers = {(): Fraction(0), **{tuple(members(b)): p for b, p in prices.items() if b}}
    worst = None
    for v in itertools.product(*axes):
        gains = {s: sum(v[j] for j in s) - p for s, p in offers.items()}
        liked = [s for s, gain in gains.items() if gain == max(gains.values())]
        profits = [offers[s] - sum(cost[j] for j in s) for s in liked]
        profit = max(profits) if seller_breaks_ties else min(profits)
        regret = sum(max(x - c, 0) for x, c in zip(v, cost, strict=True)) - profit
        worst = regret if worst is None else max(worst, regret)
    return worst


@pytest.mark.parametrize(
    ("prices", "value"),
    [
        ((0.5, 0.5, 0.8), "6/5"),
        ((0.5, 0.5, 1.2), "6/5"),
        ((0.7, 0.4, 0.9), "11/10"),
        ((0.6, 0.6, 2), "7/5"),
        ((0.3, 0.3, 0.3), "17/10"),
        ((0.6835, 0.579, 1.0), "1"),
        ((0.5, 0.5, 1), "1"),
    ],
)
def test_two_goods_by_hand(prices, value):
    result = mo.solve(PostedPrices(upper=[1, 1], prices=table(*prices)))
    assert ends(result) == (Fraction(value), Fraction(value))
    assert result.bounds.certified
    assert result.bounds.problem == "continuum"
    assert result.value == float(Fraction(value))
    assert result.closed_form is None
    assert result.quantities["best_regret"] == 1
    assert result.quantities["ratio"] == pytest.approx(float(Fraction(value)) * math.e / 2)
    assert result.verify().passed


def test_one_good_by_hand():
    """A price p for a good worth up to 1: regret p - c just below it, 1 - p at the top."""
    for price, cost in ((0.2, 0), (0.5, 0), (0.9, 0), (0.7, 0.2), (0.1, 0.4), (3, 0.25)):
        result = mo.solve(PostedPrices(upper=[1], cost=[cost], prices={"1": price}))
        lost = max(min(Fraction(str(price)), 1) - Fraction(str(cost)), 0)
        sold = max(1 - Fraction(str(price)), Fraction(str(cost)) - Fraction(str(price)))
        assert ends(result) == (max(lost, sold),) * 2


SMALL = st.integers(0, 12)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 2))
def test_exact_against_all_vertices_of_one_and_two_goods(data, goods):
    """With data in twelfths every vertex of every V_S is a profile in twelfths: the enumeration is exact."""
    upper = [Fraction(data.draw(st.integers(1, 12)), 12) for _ in range(goods)]
    cost = [Fraction(data.draw(SMALL), 12) for _ in range(goods)]
    prices = {b: Fraction(data.draw(st.integers(0, 26)), 12) for b in bundles(goods)[1:]}
    for bundle in list(prices)[:-1]:
        if data.draw(st.booleans()) and data.draw(st.booleans()):
            del prices[bundle]  # not for sale
    result = mo.solve(PostedPrices(upper=upper, cost=cost, prices={label(b): p for b, p in prices.items()}))
    axes = [[Fraction(k, 12) for k in range(int(hi * 12) + 1)] for hi in upper]
    assert ends(result) == (on_points(axes, cost, prices, False),) * 2
    assert result.bounds.certified
    assert result.verify().passed
    optimistic = result.quantities["optimistic_regret"]
    assert float(on_points(axes, cost, prices, True)) <= optimistic + 1e-12
    assert optimistic <= result.value + 1e-12
    if all(c < hi for c, hi in zip(cost, upper, strict=True)):
        assert optimistic == pytest.approx(result.value, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_exact_against_all_vertices_of_three_goods(data):
    """Data in thirds and determinants up to two: every vertex is a profile in sixths."""
    upper = [Fraction(data.draw(st.integers(1, 4)), 3) for _ in range(3)]
    cost = [Fraction(data.draw(st.integers(0, 3)), 3) for _ in range(3)]
    prices = {b: Fraction(data.draw(st.integers(0, 9)), 3) for b in bundles(3)[1:]}
    result = mo.solve(PostedPrices(upper=upper, cost=cost, prices={label(b): p for b, p in prices.items()}))
    axes = [[Fraction(k, 6) for k in range(int(hi * 6) + 1)] for hi in upper]
    assert ends(result) == (on_points(axes, cost, prices, False),) * 2
    assert result.bounds.certified


@settings(max_examples=30, deadline=None)
@given(st.data(), st.integers(1, 3))
def test_brute_force_never_beats_the_exact_worst_case_of_any_prices(data, goods):
    number = st.fractions(0, 2, max_denominator=997)
    upper = [data.draw(number) + Fraction(1, 10) for _ in range(goods)]
    cost = [data.draw(number) / 2 for _ in range(goods)]
    prices = {b: data.draw(number) * 2 for b in bundles(goods)[1:]}
    worst = worst_cases(Market(upper, cost, {0: Fraction(0)} | prices))
    axes = [[hi * k / 6 for k in range(7)] for hi in upper]
    assert rational(on_points(axes, cost, prices, False)) <= worst.regret
    result = mo.solve(PostedPrices(upper=upper, cost=cost, prices={label(b): p for b, p in prices.items()}))
    low, high = ends(result)
    assert rational(low) == worst.regret
    assert high - low <= Fraction(1, 10**9)
    assert result.bounds.certified
    case = max(worst.bought, key=lambda case: case.regret)  # the profile does what it is said to do
    own = [[Fraction(int(x.p), int(x.q))] for x in case.values]
    assert rational(on_points(own, cost, prices, False)) == worst.regret


@pytest.mark.parametrize(
    "fields",
    [
        {"upper": [1, 1], "prices": table(0.7, 0.4, 0.9)},
        {"upper": [1, 2], "cost": ["1/4", "1/2"], "prices": table(0.6, None, 1.1)},
        {"upper": [1], "cost": ["3/2"], "prices": table(1)},
        {"upper": [1, 1, "1/2"], "cost": ["1/3", 0, "1/5"], "prices": table(0.5, 0.6, 0.2, 0.9, None, 0.7, 1.2)},
    ],
    ids=str,
)
def test_engine_equals_the_programs_as_written(fields):
    """Every bundle and every sign pattern, each a CVXPY program, against the reduced programs of the engine."""
    model = PostedPrices(**fields)
    everything, best = (1 << model.goods) - 1, -math.inf
    for bundle, counted in itertools.product(model.offered, subsets(everything)):
        program = model.worst_regret(bundle, counted)
        assert {"upper", "lower"} < set(program.constraints)
        solution = highs(program)
        assert solution.status.word in ("optimal", "infeasible")
        best = max(best, solution.value)
    assert mo.solve(model).value == pytest.approx(best, abs=1e-9)


def test_a_bundle_not_for_sale_is_one_nobody_can_afford():
    some = mo.solve(PostedPrices(upper=[1, 1], cost=[0.2, 0], prices={"1": 0.6, "1+2": 1.1}))
    dear = mo.solve(PostedPrices(upper=[1, 1], cost=[0.2, 0], prices={"1": 0.6, "2": 5, "1+2": 1.1}))
    assert ends(some) == ends(dear)
    assert "2" not in dear.quantities["regret_by_bundle"]


def test_prices_good_by_good_are_judged_good_by_good():
    upper, cost, price = [1, 2, 0.5], [0.2, 0.5, 0], [0.7, 1, 0.4]
    prices = {label(b): sum(Fraction(str(price[j])) for j in members(b)) for b in bundles(3)[1:]}
    result = mo.solve(PostedPrices(upper=upper, cost=cost, prices=prices))
    alone = [
        mo.solve(PostedPrices(upper=[u], cost=[c], prices={"1": p})) for u, c, p in zip(upper, cost, price, strict=True)
    ]
    assert ends(result)[0] == sum(ends(one)[0] for one in alone)


def test_ties_matter_where_a_cost_exceeds_its_bound():
    result = mo.solve(PostedPrices(upper=[1], cost=[1.5], prices={"1": 1}))
    assert (result.value, result.quantities["optimistic_regret"]) == (0.5, 0.0)
    assert "ratio" not in result.quantities


BOXES = [
    {"upper": [1]},
    {"upper": [1, 1]},
    {"upper": [1, 2], "cost": [0, "1/2"]},
    {"upper": ["1/3", "2/7", 0.45], "cost": [0.1, 0.05, 0]},
    {"upper": [3, 1, 2, 5], "cost": [1, 0.25, 1.9, 0]},
    {"upper": [1, 1], "cost": ["1/4", "3/2"]},
    {"upper": [1, 1], "cost": [1, 2]},
    {"upper": ["1/1000000", "3/1000000"]},
    {"upper": [10**9, 10**6]},
    {"upper": [1, 1], "cost": [0, 10**12]},
]


@pytest.mark.parametrize("fields", BOXES, ids=str)
def test_best_prices_are_proven_best_and_are_the_theorems(fields):
    model = PostedPrices(**fields)
    result = mo.solve(model)
    theorem = sum(model.margins, Fraction(0)) / 2
    assert ends(result) == (theorem, theorem)
    assert result.bounds.certified
    assert result.bounds.problem == "continuum"
    assert result.closed_form.value == result.value == float(theorem)
    prices = result.certificate["continuum"]["mechanism"]["prices"]
    for bundle in bundles(model.goods):
        if all(model.margins[j] for j in members(bundle)):
            best = posted_prices_theory.best_price(bundle, model.upper, model.cost)
            assert Fraction(prices[label(bundle)]) == best
    again = PostedPrices(upper=model.upper, cost=model.cost, prices={k: Fraction(p) for k, p in prices.items()})
    assert ends(mo.solve(again)) == (theorem, theorem)
    assert result.verify().passed


def test_numbers_too_long_to_round_to_still_bracket_the_theorem():
    model = PostedPrices(upper=[0.123456789012345, 1.98765432101], cost=[0.0123456789, "1/7"])
    result = mo.solve(model)
    theorem = sum(model.margins, Fraction(0)) / 2
    low, high = ends(result)
    assert low <= theorem <= high
    assert high - low <= Fraction(1, 10**11)
    assert result.bounds.certified


def test_randomising_would_save_e_over_two():
    result = mo.solve(PostedPrices(upper=[1, 2], cost=[0, "1/2"]))
    assert result.quantities["ratio"] == pytest.approx(math.e / 2, rel=1e-15)
    assert 100 * (result.quantities["ratio"] - 1) == pytest.approx(35.914, abs=5e-4)
    lottery = mo.RegretPricing(upper=[1, 2], cost=[0, "1/2"], points=4).closed_form()
    assert result.closed_form.value / lottery.value == pytest.approx(math.e / 2)


def test_bounds_never_use_the_theorem(monkeypatch):
    for name in ("posted_prices.best_regret", "posted_prices_solve.best_regret"):
        monkeypatch.setattr(f"mechopt.models.prices.{name}", lambda margins: math.pi)
    monkeypatch.setattr("mechopt.models.prices.posted_prices_solve.best_random_regret", lambda margins: math.pi)
    result = mo.solve(PostedPrices(upper=[1, 1], points=2))
    assert (result.value, result.bounds.lower, result.bounds.upper) == (1, 1, 1)
    assert result.closed_form.value == math.pi


@pytest.mark.parametrize(("n", "value"), [(1, "0"), (2, "1/2"), (3, "1/3"), (4, "1/2"), (5, "2/5")])
def test_one_good_on_a_grid_by_hand(n, value):
    result = mo.solve(PostedPrices(upper=[3], cost=[2], points=n))
    assert ends(result, "finite") == (Fraction(value), Fraction(value))
    assert result.value == float(Fraction(value))
    assert ends(result) == (Fraction(1, 2), Fraction(1, 2))
    assert result.verify().passed


@pytest.mark.parametrize(("n", "value"), [(1, "0"), (2, "1"), (3, "2/3")])
def test_two_goods_on_a_grid_by_hand_and_by_enumeration(n, value):
    """Best prices are differences of values, multiples of 1/n: trying them all is exact."""
    result = mo.solve(PostedPrices(upper=[1, 1], points=n))
    assert ends(result, "finite") == (Fraction(value), Fraction(value))
    axes, zero = [[Fraction(k, n) for k in range(n + 1)]] * 2, [Fraction(0)] * 2
    steps = [range(n + 1), range(n + 1), range(2 * n + 1)]
    best = min(
        on_points(axes, zero, {b: Fraction(k, n) for b, k in zip((1, 2, 3), prices, strict=True)}, True)
        for prices in itertools.product(*steps)
    )
    assert best == Fraction(value)


def test_grids_separate_with_costs_and_three_goods():
    result = mo.solve(PostedPrices(upper=[1, 2], cost=["1/4", 1], points=3))
    assert ends(result, "finite") == (Fraction(7, 12),) * 2
    result = mo.solve(PostedPrices(upper=[1, 1, 1], points=1))
    assert ends(result, "finite") == (0, 0)
    costly = mo.solve(PostedPrices(upper=[1, 1], cost=[0, 3], points=2))
    assert ends(costly, "finite") == (Fraction(1, 2),) * 2
    assert costly.verify().passed


def test_programs_by_their_names():
    model = PostedPrices(upper=[1, 2], cost=[0, "1/2"], points=2)
    primal, reference = model.primal(), model.reference()
    assert {"regret", "choice", "bought", "one", "free"} <= set(primal.constraints)
    assert {"r", "u", "p", "x"} == set(primal.variables)
    assert {"r", "p", "v"} == set(reference.variables)
    solution = highs(reference)
    assert solution.value == pytest.approx(1.25)
    assert solution.dual["regret"].sum() == pytest.approx(1)  # nature's weights of the profiles
    np.testing.assert_allclose(solution.primal["p"], [0, 0.5, 1.25, 1.75], atol=1e-9)


def test_mechanism_arrays_and_frame():
    result = mo.solve(PostedPrices(upper=[1, 2], cost=["1/10", "1/2"], prices=table(0.6, 1.2, 1.5)))
    rng = np.random.default_rng(0)
    V = rng.random((500, 2)) * [1, 2]
    q, m = result.mechanism(V)
    lie = V @ q.T - m
    truth = np.diag(lie)
    assert truth.min() >= 0
    assert (lie - truth[:, None]).max() <= 1e-12
    regret = np.maximum(V - [0.1, 0.5], 0).sum(1) - (m - q @ [0.1, 0.5])
    assert regret.max() <= result.bounds.upper
    frame = result.mechanism.to_frame()
    assert list(frame["payment"]) == [0, 0.6, 1.2, 1.5]
    assert float(result.worst_case.sum()) == 1
    assert float(result.array("regret").max()) == result.value
    atom = result.quantities["worst_case"][0]
    q, m = result.mechanism(atom["values"])
    at = np.maximum(np.array(atom["values"]) - [0.1, 0.5], 0).sum() - (m - q @ [0.1, 0.5])
    assert at == pytest.approx(result.value)


def test_a_time_limit_leaves_bounds_that_hold():
    prices = {label(b): round(0.45 * b.bit_count(), 2) for b in bundles(6)[1:]}
    model = PostedPrices(upper=[1] * 6, cost=[0.1] * 6, prices=prices)
    cut, full = mo.solve(model, time_limit=1e-6), mo.solve(model)
    assert cut.status == "user_limit"
    assert cut.bounds.certified
    assert cut.bounds.lower <= full.bounds.lower <= full.bounds.upper <= cut.bounds.upper
    assert cut.verify().passed
    best = mo.solve(PostedPrices(upper=[1, 1], points=2), time_limit=1e-9)
    assert best.status == "user_limit"
    assert best.bounds.lower <= 1 <= best.bounds.upper
    assert best.verify().passed


def test_without_a_certificate_bounds_are_not_called_certified():
    for fields in ({"upper": [1, 1], "prices": table(0.7, 0.4, 0.9)}, {"upper": [1, 2], "points": 2}):
        fast, full = (mo.solve(PostedPrices(**fields), certificate=flag) for flag in (False, True))
        assert not fast.bounds.certified
        assert fast.bounds.lower <= full.bounds.lower
        assert fast.bounds.upper >= full.bounds.upper
        assert not fast.verify().passed


def test_size_is_said_and_limits_are_where_they_are_said_to_be():
    ten = {label(b): 1 for b in bundles(10)[1:]}
    largest = PostedPrices(upper=[1] * 10, cost=["1/2"] * 10, prices=ten)
    assert largest.programs == 3**10
    largest.require_fits()
    assert PostedPrices(upper=[1, 1], points=3).size().columns == 80
    PostedPrices(upper=[1] * 8).require_fits()
    with pytest.raises(mo.InputError, match=r"upper: expected at most 8 goods .* 512 bundles, 262,144 pairs"):
        mo.solve(PostedPrices(upper=[1] * 9))
    many = {label(b): 1 for b in bundles(11)[1:]}
    with pytest.raises(mo.InputError, match=r"prices: expected at most 1,024 bundles .* 2,048 bundles"):
        mo.solve(PostedPrices(upper=[1] * 11, prices=many))
    with pytest.raises(mo.InputError, match=r"points: .* 5,000 pairs .* 40 steps for 2 goods: 1,681 profiles x 4"):
        PostedPrices(upper=[1, 1], points=40).primal()
    with pytest.raises(mo.InputError, match="points: expected a number of steps"):
        PostedPrices(upper=[1, 1]).primal()


def test_words_say_the_program_that_is_solved():
    given, sought, grid = (
        PostedPrices(upper=[1, "1/3"], **fields).words() for fields in ({"prices": table(1, 1, 1)}, {}, {"points": 2})
    )
    assert "[choice(S')]" in given
    assert "largest optimum of 4 linear programs" in given
    assert "v^S" in sought
    assert "[bought]" not in sought
    assert "a grid of 9 profiles" in grid
    assert "[bought]" in grid
    assert all("[0, 1] x [0, 1/3]" in words for words in (given, sought, grid))


def test_least_prices_find_longest_paths_or_gaining_cycles():
    gaps = [[None, rational(1), rational(3)], [rational(-2), None, rational(1)], [rational(-3), None, None]]
    assert least_prices(gaps) == [0, 1, 3]
    gaps[2][1] = rational(0)  # nothing > 2 > 1 > nothing gains 3 + 0 - 2
    assert least_prices(gaps) is None


def test_the_checker_needs_neither_solver_nor_builder(tmp_path):
    for name, fields in {"given": {"prices": table(0.7, 0.4, 0.9)}, "best": {"points": 2}}.items():
        mo.solve(PostedPrices(upper=[1, 1], **fields)).save(tmp_path / name)
        code = (
            "import json, sys\n"
            "home = 'mechopt.models.prices.'\n"
            "for name in ('cvxpy', 'highspy', 'scipy', home + 'posted_prices', home + 'bundles'):\n"
            "    sys.modules[name] = None\n"
            "from mechopt.models.prices.posted_prices_check import check\n"
            f"certificate = json.load(open({str(tmp_path / name / 'certificate.json')!r}))\n"
            "checks, proved = check(certificate['instance'], certificate)\n"
            "assert len(checks) >= 7 and all(c.passed for c in checks) and set(proved) == {'continuum', 'finite'}\n"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert mo.verify(tmp_path / name).passed


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({"upper": [1], "cost": [0.2], "prices": {"1": 0.7}}, ("curve", "bundles")),
        ({"upper": [1, 2], "prices": table(0.5, 0.5, 0.8)}, ("map", "bundles")),
        ({"upper": [1, 1], "prices": {"1+2": 3}}, ("map",)),
        ({"upper": [1, 1, 1]}, ("bundles",)),
    ],
    ids=str,
)
def test_pictures(fields, kinds, tmp_path):
    result = mo.solve(PostedPrices(**fields))
    for kind in (None, *kinds):
        result.plot(kind).savefig(tmp_path / "picture.png")
        assert (tmp_path / "picture.png").stat().st_size > 5000
    with pytest.raises(mo.InputError, match="--kind: expected"):
        result.plot("curve" if len(fields["upper"]) > 1 else "map")
