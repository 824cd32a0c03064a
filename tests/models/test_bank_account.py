"""Bank account mechanisms as objects: stepping, simulation, exact revenue, the exhaustive audit, and the transforms."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.bank_account import BankAccount, Stage
from mechopt.models.dynamic.bank_account_sources import (
    OfBalances,
    Repeated,
    of_account_program,
    of_points,
    payments,
)
from mechopt.models.dynamic.dynamic_auction import DynamicAuction
from mechopt.models.dynamic.dynamic_audit import audit
from mechopt.models.dynamic.dynamic_tables import Tables, tables_of, tables_of_program
from mechopt.models.dynamic.dynamic_transforms import account_of, front_load, per_period_ir, promises, symmetrise
from mechopt.models.dynamic.history import per_path_program
from mechopt.models.dynamic.solve import mechanism as mechanism_of
from mechopt.models.dynamic.solve import solve
from mechopt.models.inputs import InputError
from mechopt.models.outcome import Options
from mechopt.solvers.highs import solve as highs

COIN = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
ACCOUNTS = ("IC", "BI", "BU", "PPIC", "INDU", "DIC", "DBIC", "eP-IR", "PFIR", "PEIR")


def prior(values, weights):
    return Distribution(values=values, probabilities=[Fraction(w, sum(weights)) for w in weights])


def random_periods(seed, sizes, buyers):
    rng = np.random.default_rng(seed)
    return [
        [prior(sorted(rng.choice(9, n, replace=False).tolist()), rng.integers(1, 6, n).tolist()) for _ in range(buyers)]
        for n in sizes
    ]


def random_tables(periods, seed):
    """Any allocation and payments at all, with eighths as entries: truthful only by accident."""
    rng = np.random.default_rng(seed)
    counts = [int(np.prod([len(p) for p in buyers])) for buyers in periods]
    k = len(periods[0])
    shapes = [(k, *counts[: t + 1]) for t in range(len(periods))]
    draw = np.vectorize(lambda n: Fraction(int(n), 8), otypes=[object])
    return Tables(
        periods,
        [draw(rng.integers(0, 8 // k + 1, shape)) for shape in shapes],
        [draw(rng.integers(-8, 24, shape)) for shape in shapes],
    )


GAP = [[prior([2, 3], [2, 3]), prior([1, 2], [1, 1])], [prior([3, 5], [1, 1]), prior([1, 2], [2, 3])]]


def coins():
    """Two coins: who says 2 first saves 1/2, spends it in period 2 and then gets that good at 1 whatever she says."""
    half = Fraction(1, 2)

    def rule(t, balances):
        exact = np.vectorize(Fraction, otypes=[object])
        if t == 0:  # the price is 1, and a buyer who says 2 keeps half of her gain on the account
            return exact([[1, 1]]), exact([[1, 1]]), exact([[0, half]])
        low = balances[0] == 0
        x = [[0, 1]] if low else [[1, 1]]
        spent = half if not low else Fraction(0)
        p = [[0, 2]] if low else [[1 + spent, 1 + spent]]
        return exact(x), exact(p), exact([[0, 0]])

    return BankAccount(OfBalances([[COIN], [COIN]], rule))


def test_stepping_through_two_coins():
    mechanism = coins()
    run = mechanism.start()
    first = run.bid([2])
    half = Fraction(1, 2)
    assert (first.allocation, first.payment, first.spend) == ((1,), (1,), (0,))
    assert (first.deposit, first.balance) == ((half,), (half,))
    second = run.bid([1])
    assert (second.allocation, second.payment) == ((1,), (Fraction(3, 2),))
    assert second.spend == (Fraction(1, 2),)
    assert run.period == 2
    assert run.balance == (0,)
    with pytest.raises(InputError, match="bids"):
        run.bid([1])
    # period 1 earns 1; period 2 earns 3/2 after type 2 and E[2 * 1{v = 2}] = 1 after type 1
    assert mechanism.expected_revenue() == 1 + Fraction(5, 4)


def test_utilities_of_the_two_coins_have_equal_means():
    found = audit(coins())
    assert {name: finding.violation for name, finding in found.items() if name in ACCOUNTS} == dict.fromkeys(
        ACCOUNTS, 0
    )
    assert found["PPIR"].violation == Fraction(1, 2)  # a loss of 1/2 in period 2 to the buyer who saved 1/2


@pytest.mark.parametrize("bids", [[], [1, 2], [0.5], [float("nan")], ["two"], [None]])
def test_bids_it_cannot_take_are_refused(bids):
    with pytest.raises(InputError, match="bids"):
        coins().start().bid(bids)


def test_a_bid_between_two_values_counts_as_the_lower_one():
    run = coins().start()
    assert run.bid([1.7]).balance == (0,)
    allocation, payment = coins()([[2.0], [1.0]])
    assert allocation.tolist() == [[1], [1]]
    assert payment.tolist() == [[1], [1.5]]


def test_simulation_agrees_with_the_exact_revenue():
    model = DynamicAuction(periods=random_periods(3, (3, 3), 2))
    mechanism = solve(model, Options(gap=1e-6)).mechanism
    found = mechanism.simulate(40_000, seed=1)
    exact = mechanism.expected_revenue()
    half = (found.interval[1] - found.interval[0]) / 2
    assert abs(found.mean - exact) < 2 * half  # four standard errors
    assert half < 0.05 * exact
    again = mechanism.simulate(40_000, seed=1)
    assert again.mean == found.mean
    assert found.balance.shape == (40_000, 2, 2)
    assert found.balance.min() >= -1e-9
    with pytest.raises(InputError, match="paths"):
        mechanism.simulate(1, seed=1)


@pytest.mark.parametrize(
    ("seed", "sizes", "buyers"), [(0, (3, 3), 1), (1, (2, 3, 2), 1), (2, (2, 2), 2), (3, (2, 2, 2), 2)]
)
def test_bank_accounts_keep_all_they_promise_exactly(seed, sizes, buyers):
    model = DynamicAuction(periods=random_periods(seed, sizes, buyers))
    outcome = solve(model, Options(gap=1e-6))
    mechanism = (
        of_points(model.periods, outcome.arrays, exact=True) if buyers > 1 else mechanism_of(model, outcome.arrays)
    )
    found = audit(mechanism)
    assert {name: found[name].violation for name in ACCOUNTS} == dict.fromkeys(ACCOUNTS, 0)
    lower, upper = (Fraction(outcome.certificate["finite"][end]) for end in ("lower", "upper"))
    assert lower <= mechanism.expected_revenue() <= upper
    if buyers > 1:
        assert mechanism.expected_revenue() == lower
    assert tables_of(mechanism).revenue() == mechanism.expected_revenue()


def test_a_bank_account_from_the_program_over_histories():
    model = DynamicAuction(periods=GAP)
    solution = highs(model.primal())
    mechanism = of_account_program(model.periods, solution.primal)
    assert mechanism.expected_revenue() == pytest.approx(5.69, abs=1e-9)
    assert all(audit(mechanism)[name].holds(1e-8) for name in ACCOUNTS)


def test_truth_per_path_can_earn_more_than_any_bank_account():
    """The reduction to bank accounts fails for two buyers who may know each other's values: 577/100 against 569/100."""
    model = DynamicAuction(periods=GAP)
    better = tables_of_program(model.periods, highs(per_path_program(model)).primal)
    assert better.revenue() == pytest.approx(5.77, abs=1e-9)
    found = audit(better)
    assert found["DIC"].holds(1e-8)
    assert found["eP-IR"].holds(1e-8)
    assert solve(model, Options(gap=1e-7)).bounds.upper < 5.6901


def strategies(periods, tables, buyer, path):
    """By brute force, the most any type gains by any way of reporting, from any history on; others follow a path."""
    T = tables.horizon

    def flat(t, own):
        types = list(path[t])
        types.insert(buyer, own)
        return int(np.ravel_multi_index(types, tables.shape(t)))

    def utility(t, reports, value):
        history = tuple(flat(s, r) for s, r in enumerate(reports))
        return value * tables.allocation[t][(buyer, *history)] - tables.payment[t][(buyer, *history)]

    def total(t, reports, types, plan):
        """Expected utility from period t on; plan maps the types since the start to a report."""
        if t == T:
            return 0
        found = 0
        for j, (v, f) in enumerate(zip(periods[t][buyer].values, periods[t][buyer].probabilities, strict=True)):
            r = plan[t, (*types, j)]
            found += f * (utility(t, (*reports, r), v) + total(t + 1, (*reports, r), (*types, j), plan))
        return found

    worst = Fraction(0)
    for t in range(T):
        for past in itertools.product(*(range(len(periods[s][buyer])) for s in range(t))):
            for j, v in enumerate(periods[t][buyer].values):
                keys = [
                    (s, (j, *later))
                    for s in range(t, T)
                    for later in itertools.product(*(range(len(periods[q][buyer])) for q in range(t + 1, s + 1)))
                ]
                truth, best = None, None
                for choice in itertools.product(*(range(len(periods[s][buyer])) for s, _ in keys)):
                    plan = dict(zip(keys, choice, strict=True))
                    r = plan[t, (j,)]
                    value = utility(t, (*past, r), v) + total(t + 1, (*past, r), (j,), plan)
                    honest = all(r == types[-1] for (_, types), r in plan.items())
                    truth = value if honest else truth
                    best = value if best is None else max(best, value)
                worst = max(worst, best - truth)
    return worst


@pytest.mark.parametrize(
    ("seed", "sizes", "buyers"), [(0, (2, 2), 1), (1, (3, 2), 1), (2, (2, 2), 2), (3, (2, 2, 2), 1), (4, (2, 3), 2)]
)
def test_the_audit_finds_what_brute_force_over_all_strategies_finds(seed, sizes, buyers):
    periods = random_periods(seed, sizes, buyers)
    tables = random_tables(periods, seed)
    worst = Fraction(0)
    for buyer in range(buyers):
        others = [[range(len(p)) for i, p in enumerate(row) if i != buyer] for row in periods]
        for path in itertools.product(*(itertools.product(*row) for row in others)):
            worst = max(worst, strategies(periods, tables, buyer, path))
    found = audit(tables)
    assert found["DIC"].violation == worst
    assert worst > 0
    assert "buyer" in found["DIC"].where
    if buyers == 1:
        assert found["DBIC"].violation == worst


def test_the_audit_by_hand():
    """One period, one buyer, the good at 3 to both types: type 1 loses 2; lies gain nothing."""
    exact = np.vectorize(Fraction, otypes=[object])
    found = audit(Tables([[COIN]], [exact([[1, 1]])], [exact([[3, 3]])]))
    assert {name: found[name].violation for name in ("eP-IR", "PFIR", "PPIR", "PEIR", "PPIC", "DIC", "INDU")} == {
        "eP-IR": 2, "PFIR": 2, "PPIR": 2, "PEIR": Fraction(3, 2), "PPIC": 0, "DIC": 0, "INDU": 0,
    }  # fmt: skip
    assert found["eP-IR"].where == "buyer 1, period 1, at (0, 0) of (others, own) per period"
    cheap = audit(Tables([[COIN]], [exact([[1, 1]])], [exact([[0, "1/4"]])]))
    assert cheap["DIC"].violation == cheap["PPIC"].violation == Fraction(1, 4)
    assert not cheap["DIC"].holds()
    assert cheap["eP-IR"].violation == 0


def test_balances_that_break_the_rules_are_found():
    def rule(t, balances):
        one = np.ones((1, 2))
        return one, one * (t - 0.5), one * (2 - 2 * t) + (balances[0] if t else 0)

    found = audit(BankAccount(OfBalances([[COIN], [COIN]], rule)))
    # period 1 at the price -1/2: type 1 gains 3/2 and keeps 2; after it every balance is 2 and stays 2
    assert found["BU"].violation == Fraction(1, 2)
    assert found["BI"].violation == 0
    assert found["BU"].where.startswith("buyer 1, period 1")


@pytest.mark.parametrize("seed", range(3))
def test_front_loading_keeps_every_strategys_total(seed):
    """Exactly: whatever the mechanism, revenue and gains from misreports stay; period utilities become zero."""
    tables = random_tables(random_periods(seed, (2, 3), 2), seed)
    loaded = front_load(tables)
    assert loaded.revenue() == tables.revenue()
    assert loaded.welfare() == tables.welfare()
    before, after = audit(tables), audit(loaded)
    assert after["eP-IR"].violation == before["eP-IR"].violation
    assert max(np.abs(u).max() for row in loaded.utility for u in row[:-1]) == 0
    for name in ("DIC", "DBIC"):  # what earlier reports cost is the same whatever she says from here on
        assert after[name].violation == before[name].violation > 0


@pytest.mark.parametrize("seed", range(4))
def test_per_period_rationality_costs_period_by_period_truth(seed):
    """The change of payments keeps revenue, DIC and eP-IR and gives PPIR; PPIC and INDU are lost, unlike as printed."""
    model = DynamicAuction(periods=random_periods(seed + 20, (2, 3, 2), 1) if seed % 2 else GAP)
    outcome = solve(model, Options(gap=1e-6))
    mechanism = mechanism_of(model, outcome.arrays)
    changed = per_period_ir(mechanism)
    assert float(changed.revenue()) == pytest.approx(float(mechanism.expected_revenue()), abs=1e-9)
    found = audit(changed)
    for name in ("DIC", "DBIC", "eP-IR", "PFIR", "PPIR"):
        assert found[name].holds(1e-8), name
    if max(np.asarray(b, dtype=float).max() for b in tables_of(mechanism).balance[:-1]) > 0.01:
        assert not found["PPIC"].holds(0.01)
        assert not found["INDU"].holds(0.01)


def test_per_period_rationality_by_hand():
    changed = per_period_ir(coins())
    assert changed.payment[0].tolist() == [[1, Fraction(3, 2)]]
    assert changed.payment[1].tolist() == [[[0, 2], [1, 1]]]
    found = audit(changed)
    assert found["PPIC"].violation == found["INDU"].violation == Fraction(1, 2)
    assert found["DIC"].violation == found["PPIR"].violation == 0
    assert changed.revenue() == Fraction(9, 4)


@pytest.mark.parametrize(("seed", "sizes"), [(1, (2, 2)), (2, (3, 2)), (4, (2, 2, 2)), (5, (3, 3))])
def test_any_truthful_mechanism_for_one_buyer_becomes_a_bank_account(seed, sizes):
    """Front-load, let equal promises go on alike, turn promises into balances: the full program's optimum again."""
    model = DynamicAuction(periods=random_periods(seed, sizes, 1))
    solution = highs(model.primal())
    tables = tables_of_program(model.periods, solution.primal)
    assert tables.revenue() == pytest.approx(solution.value, abs=1e-8)
    loaded = front_load(tables)
    alike = symmetrise(loaded)
    assert alike.revenue() >= tables.revenue() - 1e-7
    assert alike.welfare() >= tables.welfare() - 1e-7
    found = audit(alike)
    for name in ("DIC", "eP-IR", "PFIR", "PPIR"):
        assert found[name].holds(1e-6), name
    account = account_of(tables)
    assert account.expected_revenue() == pytest.approx(solution.value, abs=1e-6)
    found = audit(account)
    for name in ACCOUNTS:
        assert found[name].holds(1e-6), name


def test_symmetrising_by_hand():
    """Both first reports promise the same; the better continuation is used after either."""
    exact = np.vectorize(Fraction, otypes=[object])
    tables = Tables(
        [[COIN], [COIN]],
        [exact([[1, 1]]), exact([[[0, 1], [1, 1]]])],
        [exact([[1, 2]]), exact([[[0, 1], ["1", "1"]]])],
    )  # after report 1 the price 1 only to the high type, after report 2 to both: utility 1/2 expected either way
    assert [row.ravel().tolist() for row in promises(tables)] == [[Fraction(1, 2)] * 2, [0, 1, 0, 1]]
    alike = symmetrise(tables)
    assert alike.allocation[1].tolist() == [[[1, 1], [1, 1]]]
    assert alike.revenue() == tables.revenue() + Fraction(1, 4)


def test_what_the_transforms_refuse():
    tables = random_tables(random_periods(1, (2, 2), 2), 1)
    with pytest.raises(InputError, match="one buyer"):
        symmetrise(tables)
    with pytest.raises(InputError, match="front_load"):
        symmetrise(random_tables(random_periods(1, (2, 2), 1), 1))
    many = [[Distribution(family="uniform", support=[0, 1], points=50)]] * 5
    with pytest.raises(InputError, match="histories"):
        audit(BankAccount(Repeated(many, prices=[0] * 5)))


def test_payments_give_what_is_promised():
    rng = np.random.default_rng(1)
    buyers = random_periods(2, (3,), 3)[0]
    x = np.sort(rng.random((3, 3, 3, 3)) / 3, axis=1)
    x = np.stack([np.sort(x[i], axis=i) for i in range(3)])
    xi = [rng.random((3, 3)) for _ in range(3)]
    stage = Stage.of(buyers, (9.0,) * 3, x, payments(buyers, x, xi))
    for i, prior_ in enumerate(buyers):
        u = np.moveaxis(prior_.v.reshape([-1 if j == i else 1 for j in range(3)]) * x[i] - stage.payment[i], i, -1)
        np.testing.assert_allclose(u @ prior_.f, xi[i])
        np.testing.assert_allclose(np.diff(u, axis=-1), np.diff(prior_.v) * np.moveaxis(x[i], i, -1)[..., :-1])
        spend, deposit = (np.moveaxis(table[i], i, -1) for table in (stage.spend, stage.deposit))
        assert np.ptp(spend, axis=-1).max() < 1e-12  # not a matter of her own bid
        np.testing.assert_allclose(deposit[..., 0], 0, atol=1e-12)
    np.testing.assert_allclose(stage.after, 9.0 - stage.spend + stage.deposit)
