"""Mechanisms that do not know the future: against the best that does, and an exact count against simulations."""

from __future__ import annotations

import math
import time
from fractions import Fraction
from typing import Any

import numpy as np
from registry import Row, benchmark, holds

import mechopt as mo
from mechopt.models.clairvoyance.asymptotic import ledgers
from mechopt.models.clairvoyance.asymptotic_lattice import lattice_revenue
from mechopt.models.clairvoyance.asymptotic_simulation import simulate
from mechopt.models.clairvoyance.balance import Balance, count
from mechopt.models.dynamic.dynamic_auction import DynamicAuction
from mechopt.models.dynamic.history import dynamic_program
from mechopt.solvers.highs import solve as highs

UNIFORM = {"family": "uniform", "support": [0, 1], "points": 11}
RARE = {"values": [0, 50], "probabilities": ["49/50", "1/50"]}


def random_prior(rng: np.random.Generator, most: int) -> dict[str, Any]:
    """Two to `most` values of widely different sizes."""
    K = int(rng.integers(2, most + 1))
    values = sorted(rng.choice([1, 2, 3, 4, 6, 9, 14, 20, 30, 50], K, replace=False).tolist())
    weights = (rng.integers(1, 12, K) * rng.choice([1, 6], K)).tolist()
    return {"values": values, "probabilities": [str(Fraction(w, sum(weights))) for w in weights]}


def ratio(periods: Any, mechanism: str) -> float:
    """Revenue, counted in fractions, over the best mechanism's that knows the future (all histories, Bayesian)."""
    source = Balance(mo.NonClairvoyantAuction(periods=periods, mechanism=mechanism))
    found = count(source, lambda message: None, lambda: False)
    assert found is not None
    return float(found.revenue) / highs(dynamic_program(DynamicAuction(periods=periods))).require().value


def worse(rng: np.random.Generator, periods: Any, mechanism: str, seconds: float) -> tuple[float, Any]:
    """A search for bad instances: change one distribution at random, keep what lowers the ratio."""
    best, end = ratio(periods, mechanism), time.perf_counter() + seconds
    while time.perf_counter() < end:
        trial = [list(period) for period in periods]
        t, i = int(rng.integers(len(trial))), int(rng.integers(len(trial[0])))
        trial[t][i] = random_prior(rng, 3)
        found = ratio(trial, mechanism)
        if found < best:
            best, periods = found, trial
    return best, periods


def shown(periods: Any) -> str:
    """An instance on one line."""
    return " | ".join(
        ", ".join(f"{p['values']} w.p. {'/'.join(map(str, p['probabilities']))}" for p in row) for row in periods
    )


@benchmark(
    "balance-guarantees",
    "Balances without foresight against the best mechanism that knows the future",
    """Random instances of two buyers, two or three values each, T = 2 and 3: revenue in fractions over the optimum of
    the full-history program under Bayesian dynamic incentives (HiGHS). Then a search from the worst of them, changing
    one distribution at a time, for instances nearer to the guarantees, whose tightness is open.""",
)
def guarantees(smoke: bool) -> list[Row]:
    rng = np.random.default_rng(61)
    rows = []
    for mechanism, least in (("balance", 0.2), ("two-period-balance", 0.5)):
        found = []
        for n in range(4 if smoke else 200):
            T = 2 if mechanism == "two-period-balance" or n % 2 == 0 else 3
            periods = [[random_prior(rng, 3 if T == 2 else 2) for _ in range(2)] for _ in range(T)]
            found.append((ratio(periods, mechanism), n, periods))
        low, _, periods = min(found, key=lambda item: item[:2])
        searched, bad = worse(rng, periods, mechanism, 0.3 if smoke else 25.0)
        rows += [
            holds(f"{mechanism}: at least {least} in all {len(found)}", low >= least),
            Row(f"{mechanism}: worst of them", low),
            holds(f"{mechanism}: at least {least} after the search", searched >= least),
            Row(f"{mechanism}: worst the search found", searched),
            Row(f"{mechanism}: where", shown(bad)),
        ]
    return rows


@benchmark(
    "asymptotic-revenue",
    "Throttled auctions over many periods: the lattice count against 10,000 simulated paths",
    """AsympOptimalMulti, two buyers, T = 10,000: revenue by the lattice recursion of each balance, best of three
    runs, against one simulation of 10,000 paths that NumPy runs side by side, and against paths two by two (scaled).
    Uniform values on 11 points, where balances hardly ever run dry, and values of 50 with
    probability 1/50, where balances do run dry.""",
)
def asymptotic(smoke: bool) -> list[Row]:
    rows: list[Row] = []
    T, paths = (200, 200) if smoke else (10_000, 10_000)
    for name, prior in (("uniform", UNIFORM), ("rare values", RARE)):
        model = mo.NonClairvoyantAuction(periods=[[prior, prior]], repeat=T, mechanism="asymptotic")
        seconds, revenue = math.inf, math.nan
        for _ in range(3 if name == "uniform" else 1):
            started = time.perf_counter()
            revenue, _ = lattice_revenue(ledgers(model))
            seconds = min(seconds, time.perf_counter() - started)
        started = time.perf_counter()
        sample = simulate(model, paths, 1)
        together = time.perf_counter() - started
        started = time.perf_counter()
        simulate(model, 2, 1)
        apart = (time.perf_counter() - started) / 2 * paths
        low, high = sample.interval
        if name == "uniform" and not smoke:
            rows.append(holds(f"{name}: at least 100 times faster, paths side by side", together >= 100 * seconds))
        rows += [
            holds(f"{name}: inside the 95 percent interval", low <= revenue <= high),
            Row(f"{name}: times faster than paths side by side", together / seconds),
            Row(f"{name}: times faster than paths two by two, scaled", apart / seconds),
            Row(f"{name}: seconds, count and simulation", f"{seconds:.3f}, {together:.2f}"),
            Row(f"{name}: revenue, interval", f"{revenue:.4f}, [{low:.4f}, {high:.4f}]"),
        ]
    return rows + regrets(smoke)


def regrets(smoke: bool) -> list[Row]:
    """Regret over sqrt(T) ln T as T grows, for both readings of the threshold."""
    rows = []
    for name, prior, horizons in (
        ("uniform", UNIFORM, (1000, 10_000, 100_000)),
        ("rare values", RARE, (1000, 3000)),
    ):
        for threshold in ("sqrt(t) ln t", "sqrt(t ln t)"):
            found = []
            for T in (50,) if smoke else horizons:
                books = ledgers(
                    mo.NonClairvoyantAuction(
                        periods=[[prior, prior]], repeat=T, mechanism="asymptotic", threshold=threshold
                    )
                )
                surplus = T * float(books[0].W[0])
                found.append(f"{(surplus - lattice_revenue(books)[0]) / (math.sqrt(T) * math.log(T)):.3f}")
            where = "50" if smoke else ", ".join(f"{T:,}" for T in horizons)
            rows.append(Row(f"{name}, threshold {threshold}: regret / (sqrt T ln T) at T = {where}", ", ".join(found)))
    return rows
