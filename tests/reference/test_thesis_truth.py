"""Sections 1.2 to 1.4 of C. Kocyigit's thesis: equilibria, truth and revenue, each statement against its definition."""

import itertools
from fractions import Fraction

import cvxpy as cp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import linprog, minimize_scalar

import mechopt as mo
from mechopt.models.auctions.independent_theory import second_price
from mechopt.models.auctions.moment_auction_theory import second_price_revenue
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Program

HALF = Fraction(1, 2)


def gains(types, allocation, payment, notions, **beliefs):
    """The largest gain by notion and kind, in fractions."""
    brought = {"types": types, "allocation": allocation, "payment": payment, **beliefs}
    return {(f.notion, f.about): f.gain for f in mo.audit(brought, notions).findings}


def test_revelation_principle():
    """Every Knightian equilibrium of a first price auction, found by enumeration, is a truthful direct mechanism."""
    types, bids = [1, 4], [0, 1, 2]
    priors = [[Fraction(1, 5), Fraction(1, 2), Fraction(1, 5), Fraction(1, 10)], [Fraction(1, 4)] * 4]
    cells = list(itertools.product(range(2), repeat=2))
    win = [[[HALF if a == b else Fraction(a > b) for b in bids] for a in bids]]
    win.append([[1 - x for x in row] for row in win[0]])
    pay = [[[w * bids[(a, b)[i]] for b, w in enumerate(row)] for a, row in enumerate(win[i])] for i in range(2)]
    equilibria = 0
    for s, t in itertools.product(itertools.product(range(3), repeat=2), repeat=2):

        def worth(i, own, message, prior, play=(s, t)):
            """Utility times P(own) of bidder i with type `own` who sends `message`."""
            total = Fraction(0)
            for cell, p in zip(cells, prior, strict=True):
                if cell[i] == own:
                    sent = [play[0][cell[0]], play[1][cell[1]]]
                    sent[i] = message
                    total += p * (win[i][sent[0]][sent[1]] * types[own] - pay[i][sent[0]][sent[1]])
            return total

        calm = all(
            worth(i, k, (s, t)[i][k], prior) >= worth(i, k, other, prior)
            for i, k, other, prior in itertools.product(range(2), range(2), range(3), priors)
        )
        direct = [[[[table[i][s[a]][t[b]] for b in range(2)] for a in range(2)] for i in range(2)]
                  for table in (win, pay)]  # fmt: skip
        ambiguity = [{"joint": [p[:2], p[2:]]} for p in priors]
        found = gains([types] * 2, *direct, ["distributionally-robust"], ambiguity=ambiguity)
        assert not calm or found["distributionally-robust", "incentive compatibility"] <= 0
        equilibria += calm
    assert equilibria > 0


@pytest.mark.parametrize("chances", list(itertools.product([0, HALF, 1], repeat=3)))
def test_truth_is_possible_exactly_for_monotone_chances(chances):
    """Proposition 1.2.2(i), one bidder's column: payments exist exactly when q rises, and (1.1) is one of them."""
    values = [1, 2, 4]
    monotone = list(chances) == sorted(chances)
    pairs = [(k, w) for k in range(3) for w in range(3) if k != w]
    rows = np.zeros((6, 3))
    for row, (k, w) in zip(rows, pairs, strict=True):
        row[k], row[w] = 1, -1
    right = [float((chances[k] - chances[w]) * values[k]) for k, w in pairs]
    assert (linprog(np.zeros(3), A_ub=rows, b_ub=right, bounds=(None, None)).status == 0) == monotone
    steps = [sum(chances[j] * (values[j + 1] - values[j]) for j in range(k)) for k in range(3)]
    paid = [q * v - area for q, v, area in zip(chances, values, steps, strict=True)]
    found = gains([values], [list(chances)], [paid], ["ex-post"])
    assert (found["ex-post", "incentive compatibility"] <= 0) == monotone


def test_truth_on_average_needs_chances_monotone_on_average():
    """Proposition 1.2.2(ii), two priors over an independent rival who never wins: interim, not ex-post, monotone."""
    rng = np.random.default_rng(4)
    values, rival, kinds = [1, 2, 4], [5, 6], set()
    for _ in range(200):
        q = [[Fraction(int(x), 4) for x in row] for row in rng.integers(0, 5, (3, 2))]
        m = [[q[k][r] * values[k] - sum(q[j][r] * (values[j + 1] - values[j]) for j in range(k)) for r in range(2)]
             for k in range(3)]  # fmt: skip
        weights = [[Fraction(1, 4), Fraction(3, 4)], [HALF, HALF]]
        own = [Fraction(1, 3)] * 3
        ambiguity = [{"joint": [[o * p for p in row] for o in own]} for row in weights]
        nothing = [[0, 0]] * 3
        found = gains([values, rival], [q, nothing], [m, nothing], ["distributionally-robust", "ex-post"],
                      ambiguity=ambiguity)  # fmt: skip
        means = [[sum(p * x for p, x in zip(row, line, strict=True)) for line in q] for row in weights]
        monotone = all(list(mean) == sorted(mean) for mean in means)
        assert (found["distributionally-robust", "incentive compatibility"] <= 0) == monotone
        kinds.add((monotone, found["ex-post", "incentive compatibility"] <= 0))
    assert {(True, False), (False, False)} <= kinds


@pytest.mark.parametrize("power", [1, 2])
def test_revenue_is_equivalent_on_an_interval(power):
    """F = v^power, 3 bidders: second price by order statistics, first price and all-pay by their best replies."""
    F, f, G = (lambda v: v**power), (lambda v: power * v ** (power - 1)), (lambda v: v ** (2 * power))
    second = quad(lambda v: v * 6 * (1 - F(v)) * F(v) * f(v), 0, 1, epsabs=1e-13)[0]  # E of the second highest of 3
    bid = lambda v: v * 2 * power / (2 * power + 1)  # noqa: E731  v minus the integral of G up to v, by G(v)
    for v in (0.3, 0.7, 0.95):  # a best reply against two rivals who bid so
        best = minimize_scalar(lambda w, v=v: -(v - bid(w)) * G(w), bounds=(0, 1), method="bounded",
                               options={"xatol": 1e-10})  # fmt: skip
        assert best.x == pytest.approx(v, abs=1e-6)
    first = 3 * quad(lambda v: G(v) * bid(v) * f(v), 0, 1, epsabs=1e-13)[0]
    all_pay = 3 * quad(lambda v: (v * G(v) - quad(G, 0, v)[0]) * f(v), 0, 1, epsabs=1e-13)[0]
    assert first == pytest.approx(second, abs=1e-12)
    assert all_pay == pytest.approx(second, abs=1e-12)


@pytest.mark.parametrize(("values", "low", "high"), [([1, 2, 3, 4, 5], "9/5", "13/5"), ([0, 1], 0, HALF)])
def test_revenue_is_not_equivalent_between_discrete_values(values, low, high):
    """Two bidders, the highest wins, the lowest type gets nothing: truth leaves an interval of revenues."""
    K = len(values)
    chance = [(k + HALF) / K for k in range(K)]
    steps = [values[k + 1] - values[k] for k in range(K - 1)]
    for shift, known in ((0, high), (1, low)):  # utility rises with the chance of the lower, or the upper, neighbour
        utility = [sum(chance[j + shift] * steps[j] for j in range(k)) for k in range(K)]
        paid = [q * v - u for q, v, u in zip(chance, values, utility, strict=True)]
        for k, w in itertools.product(range(K), repeat=2):
            assert utility[k] >= chance[w] * values[k] - paid[w]
        assert 2 * sum(paid) / K == Fraction(known)


def random_tables(rng, values):
    K = len(values)
    q = rng.integers(0, 4, (2, K, K))
    return [[[Fraction(int(x), 8) for x in row] for row in t] for t in q], rng.integers(0, 5, (2, K, K)).tolist()


def test_point_masses_and_slater_points_make_it_ex_post():
    """Propositions 1.3.1 and 1.5.1: with all point masses, or a Slater point mixed into each, both notions agree."""
    values, mu = [0, 2, 3, 4], 1
    rng = np.random.default_rng(9)
    cells = list(itertools.product(range(4), repeat=2))
    for share in (Fraction(1), Fraction(1, 10)):
        ambiguity = []
        for v in cells:
            table = [[Fraction(0)] * 4 for _ in range(4)]
            slater = tuple(3 if k != 3 else 2 for k in v)  # differs from v in every bidder's value
            table[v[0]][v[1]] += share
            table[slater[0]][slater[1]] += 1 - share
            assert share == 1 or all(share * values[v[i]] + (1 - share) * values[slater[i]] >= mu for i in range(2))
            ambiguity.append({"joint": table})
        for _ in range(5):
            q, m = random_tables(rng, values)
            found = gains([values] * 2, q, m, ["ex-post", "distributionally-robust"], ambiguity=ambiguity)
            for about in ("incentive compatibility", "individual rationality"):
                assert found["ex-post", about] == found["distributionally-robust", about]


def test_a_price_against_zeros_dominates_vickrey():
    """Erratum to Proposition 1.3.2: values from 0 on; a price of 1/2 instead of 0 against a rival with value 0."""
    grid = [Fraction(k, 100) for k in range(101)]
    price = lambda other: other if other > 0 else HALF  # noqa: E731
    better = 0
    for v1, v2 in itertools.product(grid, repeat=2):
        wins = v1 >= price(v2), v2 > v1 if v1 > 0 else v2 >= HALF
        assert sum(wins) <= 1  # each faces a price that is none of her own doing: truthful, and never above her value
        earned = price(v2) * wins[0] + price(v1) * wins[1]
        assert earned >= min(v1, v2)
        better += earned > min(v1, v2)
    assert better == 102


@pytest.mark.parametrize("points", [2, 4])
def test_no_efficient_mechanism_earns_more_than_vickrey_in_any_profile(points):
    """Proposition 1.3.3 on a grid: at most one grid step above the second value, whoever gets the ties."""
    model = mo.RobustAuction(bidders=2, lower=1, upper=2, points=points)
    q, m = cp.Variable(2 * model.profiles), cp.Variable(2 * model.profiles)
    highest = model.values.max(axis=1, keepdims=True)
    efficient = {"highest": q[np.flatnonzero(model.values < highest)] == 0, "sold": model.total @ q == 1}
    rows = {**model.truthful(q, m), **efficient}
    for v in range(model.profiles):
        most = solve(Program(cp.Maximize((model.total @ m)[v]), rows)).value
        high, second = highest[v, 0], model.values[v].min()
        assert most == pytest.approx(min(high, second + 1 / points), abs=1e-8)


@pytest.mark.parametrize("mean", [0.6, 0.75, 0.9])
def test_no_efficient_mechanism_earns_more_than_vickrey_at_worst(mean):
    """Theorem 1.5.1: nature's program against Vickrey and against the most any efficient mechanism earns by profile."""
    for n in (4, 8, 16, 32):
        grid = np.arange(n + 1) / n
        v1, v2 = (x.ravel() for x in np.meshgrid(grid, grid))
        second = np.minimum(v1, v2)
        worst = [
            linprog(paid, A_ub=-np.array([v1, v2]), b_ub=[-mean] * 2, A_eq=[np.ones(len(v1))], b_eq=[1]).fun
            for paid in (second, np.minimum(np.maximum(v1, v2), second + 1 / n))
        ]
        assert worst[0] == pytest.approx(second_price_revenue(2, mean, 0), abs=1e-9)
        assert worst[0] <= worst[1] <= worst[0] + 1 / n + 1e-9


def test_no_efficient_mechanism_earns_more_than_vickrey_under_independence():
    """Theorem 1.4.1: the full program over all mechanisms, restricted to efficient chances, two priors."""
    priors = [{"values": [1, 2, 3, 5], "probabilities": p} for p in (["1/4"] * 4, ["1/10", "1/5", "3/10", "2/5"])]
    model = mo.IndependentAuction(bidders=2, distributions=priors)
    program = model.primal()
    values = model.distributions[0].v[np.indices((4, 4)).reshape(2, -1).T]
    lower = np.flatnonzero((values < values.max(axis=1, keepdims=True)).ravel())
    q = program.variables["q"]
    rows = {**program.constraints, "highest": q[lower] == 0, "sold": cp.sum(cp.reshape(q, (16, 2), order="C"), 1) == 1}
    best = solve(Program(program.objective, rows)).value
    vickrey = min(second_price(prior, 2)[0] for prior in model.distributions)
    assert best == pytest.approx(float(vickrey), abs=1e-8)
    assert solve(program).value > best + 1e-3  # efficiency costs something here


@pytest.mark.parametrize("low", [0, 1, 3])
def test_the_mean_virtual_value_is_the_lowest_value(low):
    """Erratum to the proof of Theorem 1.4.3, which has 0: E[v - (1 - F) / f] is the lowest value."""
    for power in (1, 2, 3):  # F = (v - low)^power on [low, low + 1]
        mean = quad(lambda v, p=power: v * p * (v - low) ** (p - 1) - (1 - (v - low) ** p), low, low + 1)[0]
        assert mean == pytest.approx(low, abs=1e-12)


def test_leaving_the_lowest_type_nothing_costs_no_revenue():
    """Lemma 1.7.1: the payments (1.24) for the same chances are truthful too and earn E u(lowest) more."""
    rng = np.random.default_rng(2)
    values, f = [1, 2, 4], [Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)]
    for _ in range(50):
        q = sorted(Fraction(int(x), 6) for x in rng.integers(0, 7, 3))
        gift = Fraction(int(rng.integers(0, 5)), 3)
        area = [sum(q[j] * (values[j + 1] - values[j]) for j in range(k)) for k in range(3)]
        fresh = [q[k] * values[k] - area[k] for k in range(3)]
        given = [paid - gift for paid in fresh]
        for paid in (fresh, given):
            found = gains([values], [q], [paid], ["ex-post"])
            assert max(found.values()) <= 0
        assert q[0] * values[0] - fresh[0] == 0
        charged = gains([values], [q], [[paid + Fraction(1, 3) for paid in fresh]], ["ex-post"])
        assert charged["ex-post", "incentive compatibility"] <= 0
        assert charged["ex-post", "individual rationality"] == Fraction(
            1, 3
        )  # truthful, and the lowest type loses most
        assert sum(p * (a - b) for p, a, b in zip(f, fresh, given, strict=True)) == gift


def test_second_bids_as_payments_may_earn_less_with_one_more_bidder():
    """Theorem 1.4.3 is for densities: values 0 and 1, and the second bid itself: E min = 1/4, one bidder pays 1/2."""
    coin = mo.Distribution(values=[0, 1], probabilities=["1/2", "1/2"])
    plain = sum(Fraction(1, 4) * min(pair) for pair in itertools.product([0, 1], repeat=2))
    assert plain == Fraction(1, 4) < max(second_price(coin, 1)) == HALF == second_price(coin, 2)[0]
