"""Gittins indices, the bandit auction, optimal contracts, and the general program over all dynamic mechanisms."""

from __future__ import annotations

import time

import numpy as np
from registry import Row, at_most, benchmark, holds, race

import mechopt as mo
from mechopt.models.pivot.contract import OptimalContract
from mechopt.models.pivot.contract_menu import ContractMenu
from mechopt.models.pivot.general_examples import correlated, correlated_shock, not_separable, of_environment
from mechopt.models.pivot.index import VirtualIndex
from mechopt.models.pivot.mechanism import VirtualPivotMechanism
from mechopt.solvers.bandit import Bandit
from mechopt.solvers.beta_bernoulli import beta_bernoulli_index
from mechopt.solvers.gittins import Array, index_tables
from mechopt.solvers.gittins_program import restart_indices, restart_program
from mechopt.solvers.highs import solve as highs

COINS = {(1, 1): 0.70288919, (1, 2): 0.50012878, (2, 1): 0.80005628}
RHO = {0.0: 0.5, 0.1: 0.4664, 0.25: 0.426125, 0.5: 0.369, 0.75: 0.3195, 0.9: 0.29125, 1.0: 0.275}
SHOCK = {0.1: 0.4775, 0.25: 0.44375, 0.5: 0.3875, 0.75: 0.33125, 0.9: 0.2975, 1.0: 0.275}
TIMES = {(1.5, 4.0): 1.21887, (1.5, 4.5): 1.2499, (1.5, 6.0): 1.32078, (1.5, 8.0): 1.53164, (2.0, 8.0): 1.75027}


def arms(n: int, L: int, seed: int = 0) -> tuple[Array, Array]:
    """Random arms with nonnegative rewards: transitions (n, L, L) and rewards (n, L)."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(L), (n, L)), rng.random((n, L))


@benchmark(
    "gittins",
    "Gittins indices",
    """Beta-Bernoulli arms at discount 0.9 against known digits, bracketed by freezing beliefs from below, telling the
    chance from above after 300 pulls, in integers rounded outwards; elimination against programs.""",
)
def gittins(smoke: bool) -> list[Row]:
    """Known digits, and two independent methods."""
    rows = []
    for prior, known in COINS.items():
        found = beta_bernoulli_index(*prior, "9/10", pulls=200 if smoke else 300)
        rows.append(at_most(f"Beta{prior}: bracket from known digits", abs(found.middle - known), 1e-8))
        rows.append(at_most(f"Beta{prior}: width of the proved bracket", found.upper - found.lower, 1e-8))
    worst = 0.0
    coin = VirtualIndex(discount="9/10", arms=[{"beta": [1, 1], "pulls": 5 if smoke else 10}])
    cases = [(coin.arms[0].matrix, coin.arms[0].r)]
    cases += [(P[0], r[0]) for P, r in (arms(1, L, L) for L in ((5, 10) if smoke else (5, 10, 20, 40)))]
    for P, r in cases:
        for delta in (0.5, 0.9):
            table = index_tables(P[None], r[None], delta).indices[0]
            worst = max(worst, float(np.abs(restart_indices(highs(restart_program(P, r, delta)), delta) - table).max()))
    rows.append(at_most("elimination from restart program, largest difference", worst, 1e-12))
    result = mo.solve(coin)
    rows.append(
        holds("index table of the coin proved in fractions", result.bounds is not None and result.bounds.certified)
    )
    return rows


@benchmark(
    "bandit-1000",
    "a bandit auction with 1,000 agents of 10 states each",
    """All index tables, the welfare with everyone and without each agent, utilities and payments at time 0, and one
    period's payment, against one agent's index table by the same code. Step functions multiply: no joint states.""",
)
def bandit_1000(smoke: bool) -> list[Row]:
    """All payments against one index table."""
    n, L, delta = (100 if smoke else 1000), 10, 0.9
    P, r = arms(n, L)
    weights = np.linspace(0.2, 1.0, n)  # virtual worths of the initial signals, uniform on [0, 1]

    def payments() -> tuple[Array, Array, float]:
        table = index_tables(P, r, delta)
        worth = Bandit(table.levels * weights[:, None], delta).at(table.stay[:, 0])
        added = delta * worth.added
        fees = added / (2 * weights)  # worth over alpha less rent, A(s) = s = (1 + w) / 2
        winner = int((table.indices[:, 0] * weights).argmax())
        due = (1 - delta) * (worth.total - worth.added[winner]) * (1 + weights[winner]) / (2 * weights[winner])
        return added, fees, float(due)

    timed = race(payments, lambda: index_tables(P[:1], r[:1], delta), 3 if smoke else 15)
    rows = [
        at_most("time of all payments over time of one index table", timed.ratio, 60),
        *timed.rows("all", "one table"),
    ]
    table = index_tables(P, r, delta)
    bandit, miss = Bandit(table.levels * weights[:, None], delta), 0.0
    worth = bandit.at(table.stay[:, 0])
    for i in range(0, n, n // 10):
        kept = np.arange(n) != i
        alone = Bandit((table.levels * weights[:, None])[kept], delta).at(table.stay[kept, 0])
        miss = max(miss, abs(worth.total - alone.total - float(worth.added[i])))
    rows.append(at_most("welfare without an agent, from scratch against all at once", miss, 1e-11))
    started = time.perf_counter()
    result = mo.solve(VirtualIndex(discount="9/10", arms=[{"transition": p, "reward": x} for p, x in _rational(n, L)]))
    rows.append(Row("seconds from instance to result, every index proved in fractions", time.perf_counter() - started))
    rows.append(holds("bounds certified", result.bounds is not None and result.bounds.certified))
    return rows


def _rational(n: int, L: int) -> list[tuple[list[list[str]], list[str]]]:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(n):
        W = rng.integers(1, 9, (L, L))
        rows = [[f"{x}/{row.sum()}" for x in row] for row in W]
        found.append((rows, [f"{x}/100" for x in rng.integers(0, 100, L)]))
    return found


@benchmark(
    "general-program",
    "all incentive compatible dynamic mechanisms, and where the relaxation fails",
    """The sequence-form program against known values of both examples in which later signals are worth observing, and
    against the bound of virtual worths in separable environments.""",
)
def general_program(smoke: bool) -> list[Row]:
    """Gaps as they should be."""
    rows, worst = [], 0.0
    for rho, known in list(RHO.items())[:: 3 if smoke else 1]:
        env = correlated(rho)
        dynamic, relaxed = highs(env.primal()).value, highs(env.relaxed()).value
        worst = max(worst, abs(dynamic - known), abs(relaxed - 0.5))
        if rho in SHOCK:
            worst = max(worst, abs(highs(correlated_shock(rho).relaxed()).value - SHOCK[rho]))
        rows.append(Row(f"correlation {rho:g}: gap", relaxed - dynamic))
    rows.append(at_most("correlated signals: largest distance from known values", worst, 1e-9))
    miss = 0.0
    for (plus, times), limit in list(TIMES.items())[:: 4 if smoke else 1]:
        grids = (10, 20) if smoke else (20, 40)
        dynamic, relaxed = (
            [highs(getattr(not_separable(plus, times, K), name)()).value for K in grids]
            for name in ("primal", "relaxed")
        )
        ends = [2 * pair[1] - pair[0] for pair in (dynamic, relaxed)]
        miss = max(miss, abs(ends[0] - limit), abs(ends[1] - (plus / 2 + times / 8)))
        rows.append(Row(f"c_plus {plus:g}, c_times {times:g}: gap, extrapolated", ends[1] - ends[0]))
    rows.append(
        at_most("not separable: distance of extrapolated values from known ones", miss, 2e-2 if smoke else 5e-3)
    )
    gap = max(
        _separable_gap(separation, T, 4 if smoke else 10)
        for separation in ("multiplicative", "additive")
        for T in (1, 2)
    )
    rows.append(at_most("separable environments: largest gap", gap, 1e-9))
    return rows


def _separable_gap(separation: str, T: int, K: int) -> float:
    model = _items(separation, K, horizon=T)
    finite = of_environment(model.environment)
    bound = mo.solve(model).quantities["upper_bound_profit"]
    return max(abs(highs(finite.primal()).value - bound), abs(highs(finite.relaxed()).value - bound))


def _items(separation: str, K: int = 0, horizon: int | None = None) -> OptimalContract:
    grid = {"family": "uniform", "support": [f"1/{2 * K}", f"{2 * K - 1}/{2 * K}"], "points": K} if K else None
    agent = {
        "separation": separation, "initial": grid or {"family": "uniform", "support": [0, 1]}, "states": 2,
        "start": ["1/2", "1/2"], "kernels": {"serve": [["3/4", "1/4"], ["1/3", "2/3"]]}, "value": {"serve": [0.2, 1]},
    }  # fmt: skip
    return OptimalContract(
        discount="9/10", actions=["wait", "serve"], cost={"serve": 0.1}, agents=[agent], horizon=horizon
    )


@benchmark(
    "optimal-contract",
    "contracts with one agent",
    """Profit of the menu against the bound of Corollary 4.1, every signal against every contract, and fees and prices
    against the virtual-pivot mechanism's payments.""",
)
def optimal_contract(smoke: bool) -> list[Row]:
    """Profit, incentives, and the virtual pivot."""
    loss = gain = apart = 0.0
    cases = [_items(s, K) for s in ("multiplicative", "additive") for K in (0, 10)]
    for model in cases:
        result, menu = mo.solve(model), ContractMenu(model)
        loss = max(loss, abs(result.quantities["upper_bound_profit"] - result.quantities["profit"]))
        gain = max(gain, menu.largest_gain(menu.signals(11 if smoke else 41))[0])
        if model.continuous:
            pivot = VirtualPivotMechanism(model.environment)
            for s in (0.6, 0.8, 1.0):
                sub, offer = pivot.subscribe([s]), menu.contract(s)
                if offer is not None:
                    apart = max(apart, abs(offer.fee - sub.entry_payments[0]), abs(offer.utility - sub.utilities[0]))
    return [
        at_most("menu's profit from the bound", loss, 1e-12),
        at_most("largest gain by another contract or none", gain, 1e-10),
        at_most("fees and utilities from the virtual pivot's", apart, 1e-10),
    ]
