"""How the time of every engine grows, and how much of it a thousand cores could share: fractions measured, not guessed.

Three parts of a solve are timed inside `mo.solve`: HiGHS, which works on one core; the exact check, whose
rows are independent of each other; and the calls an engine makes that do not need each other's results.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np
from pivot import arms as processes
from pivot_index import arms as bandit
from registry import Row, benchmark, holds

import mechopt as mo
from mechopt import registry as models
from mechopt.solvers.value_iteration import value_iteration

CORES = 1000
ENOUGH = 5.0  # seconds after which no run is repeated


@dataclass(frozen=True)
class Engine:
    """A model at growing sizes, what is counted, and which calls of its engine do not need each other."""

    name: str
    unit: str
    full: tuple[int, ...]
    tiny: tuple[int, ...]
    make: Callable[[int], Any]
    count: Callable[[int], int]
    options: dict[str, Any] = field(default_factory=dict)
    apart: tuple[str, ...] = ()  # module:function, or module:Class.method
    check: tuple[str, ...] = ()  # where the exact check is not the registered one


def uniform(low: int, high: int, points: int) -> dict[str, Any]:
    """Equally likely values."""
    return {"family": "uniform", "support": [low, high], "points": points}


def arms(n: int) -> mo.VirtualIndex:
    """Random arms with six states each, in fractions."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(n):
        weights = rng.integers(1, 9, (6, 6))
        rows = [[f"{x}/{row.sum()}" for x in row] for row in weights]
        found.append({"transition": rows, "reward": [f"{x}/100" for x in rng.integers(0, 100, 6)]})
    return mo.VirtualIndex(discount="9/10", arms=found)


def pivot(K: int) -> mo.VirtualPivot:
    """Two agents with K states each, an item per period for one of them, K^2 joint states."""
    P, r = bandit(2, K, seed=3)
    actions = ["nobody", "first", "second"]
    agents = []
    for i in range(2):
        kernels = [[float(x) for x in row] for row in P[i]]
        worth = {actions[i + 1]: [float(x) for x in np.sort(r[i])]}
        kind = {"initial": uniform(0, 1, 5), "states": [str(k) for k in range(K)]}
        agents.append({**kind, "kernels": kernels, "value": worth})
    return mo.VirtualPivot(discount=0.9, actions=actions, cost=[0, 0.1, 0.1], agents=agents)


def several(n: int) -> mo.DynamicAuction:
    """Two buyers, two periods, n values each."""
    rng = np.random.default_rng(3)

    def prior() -> dict[str, Any]:
        values = np.sort(rng.choice(np.arange(1, 41), n, replace=False)).tolist()
        weights = rng.integers(1, 9, n).tolist()
        return {"values": values, "probabilities": [f"{w}/{sum(weights)}" for w in weights]}

    return mo.DynamicAuction(periods=[[prior(), prior()] for _ in range(2)])


SINGLE = ("mechopt.models.dynamic.check_single:check_single",)
PERIOD = ("mechopt.models.dynamic.sweep:bracket", "mechopt.models.dynamic.sweep:from_slopes")
ENGINES = (
    Engine(
        "regret pricing, price lottery", "types", (500, 1000, 2000), (10, 20, 40),
        lambda n: mo.RegretPricing(upper=[1], points=n), lambda n: n + 1,
    ),
    Engine(
        "regret pricing, sweep, two goods", "types", (100, 200, 400), (6, 9, 12),
        lambda n: mo.RegretPricing(upper=[1, 1], points=n), lambda n: (n + 1) ** 2,
    ),
    Engine(
        "regret pricing, rows, two goods", "types", (15, 30, 60), (4, 6, 8),
        lambda n: mo.RegretPricing(upper=[1, 1], points=n), lambda n: (n + 1) ** 2, {"method": "rows"},
        ("mechopt.models.regret.regret_rows:violated",),
    ),
    Engine(
        "regret auction, orbits", "profiles", (10, 20, 30), (3, 4, 5),
        lambda n: mo.RegretAuction(bidders=2, upper=[1], points=n), lambda n: (n + 1) ** 2, {"method": "orbits"},
    ),
    Engine(
        "Myerson's auction, formula", "types of 10 bidders", (100, 200, 400), (5, 10, 20),
        lambda n: mo.MyersonAuction(bidders=[uniform(0, 1, n)] * 10), lambda n: 10 * n,
    ),
    Engine(
        "moment auction, cells, lottery", "cells of a value", (20, 40, 80), (4, 6, 8),
        lambda n: mo.MomentAuction(bidders=2, mean="1/2", points=n, mechanism="highest-bidder-lottery"),
        lambda n: n, {"method": "cells"},
    ),
    Engine(
        "auction over time, sweep", "periods, 20 values each", (5, 10, 20), (2, 3, 4),
        lambda T: mo.DynamicAuction(periods=[[uniform(1, 2, 20)]] * T), lambda T: T, {"gap": 0.02}, PERIOD, SINGLE,
    ),
    Engine(
        "auction over time, several buyers", "histories of two periods", (4, 6, 8, 10), (2, 3),
        several, lambda n: n**4, {"gap": 1e-6, "time_limit": 30.0},
        (), ("mechopt.models.dynamic.several_check:check",),
    ),
    Engine(
        "virtual pivot, policy iteration", "joint states", (6, 12, 18), (2, 3),
        pivot, lambda K: K * K, {}, ("mechopt.models.pivot.welfare:Market.optimum",),
    ),
    Engine(
        "virtual index, tables", "arms of 6 states", (100, 200, 400), (3, 6),
        arms, lambda n: n, {}, ("mechopt.solvers.gittins:index_tables", "mechopt.solvers.gittins_exact:exact_indices"),
    ),
    Engine(
        "composed auction, rows as needed", "profiles", (16, 32, 48), (3, 4),
        lambda n: mo.Design(environment={"distributions": [uniform(0, 1, n)] * 2}), lambda n: n * n, {},
        ("mechopt.models.composition.engine:Truth.violated",),
    ),
)  # fmt: skip


@contextlib.contextmanager
def clock(owners: list[tuple[Any, str]]) -> Iterator[list[float]]:
    """Seconds within some functions, whoever calls them by whatever name; calls within calls count once."""
    spent, depth = [0.0], [0]

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*given: Any, **named: Any) -> Any:
            began, depth[0] = time.perf_counter(), depth[0] + 1
            try:
                return function(*given, **named)
            finally:
                depth[0] -= 1
                if not depth[0]:
                    spent[0] += time.perf_counter() - began

        return run

    replaced: list[tuple[Any, str, Any]] = []
    for owner, name in owners:
        function = getattr(owner, name)
        for place in [owner] if isinstance(owner, type) else _holders(function):
            names = [name] if isinstance(owner, type) else [k for k, v in vars(place).items() if v is function]
            for known in names:
                replaced.append((place, known, vars(place).get(known)))
                setattr(place, known, timed(function))
    try:
        yield spent
    finally:
        for place, known, function in replaced:
            if function is None:  # it was inherited
                delattr(place, known)
            else:
                setattr(place, known, function)


def _holders(function: Any) -> list[Any]:
    loaded = [module for name, module in list(sys.modules.items()) if name.startswith("mechopt")]
    return [module for module in loaded if any(v is function for v in list(vars(module).values()))]


def _owner(address: str) -> tuple[Any, str]:
    module, _, name = address.partition(":")
    place: Any = importlib.import_module(module)
    *classes, last = name.split(".")
    for part in classes:
        place = getattr(place, part)
    return place, last


def parts(engine: Engine, size: int) -> tuple[float, float, float, float, bool]:
    """Seconds of the whole, of HiGHS, of the exact check, of independent calls; and whether it was certified."""
    model = engine.make(size)
    checks = engine.check or (models.of(model).check,)
    watched = [[(highspy.Highs, "run")], [_owner(a) for a in checks], [_owner(a) for a in engine.apart]]
    with contextlib.ExitStack() as stack:
        spent = [stack.enter_context(clock(owners)) for owners in watched]
        began = time.perf_counter()
        result = mo.solve(model, **engine.options)
        whole = time.perf_counter() - began
    certified = result.bounds is not None and result.bounds.certified
    return whole, spent[0][0], spent[1][0], spent[2][0], certified


def quickest(engine: Engine, size: int, repeats: int) -> tuple[float, float, float, float, bool]:
    """The best of several runs; of fewer where they take long."""
    runs = [parts(engine, size)]
    while len(runs) < repeats and sum(run[0] for run in runs) < ENOUGH:
        runs.append(parts(engine, size))
    return min(runs)


def measured(engine: Engine, smoke: bool) -> tuple[list[Row], bool]:
    """Exponent, seconds, fractions, and what they allow."""
    sizes = engine.tiny if smoke else engine.full
    mo.solve(engine.make(engine.tiny[0]), **engine.options)  # imports what is imported late
    runs = [quickest(engine, size, 1 if smoke else 3) for size in sizes]
    counts = [engine.count(size) for size in sizes]
    slope = float(np.polyfit(np.log(counts), np.log([run[0] for run in runs]), 1)[0])
    whole, highs, check, apart, _ = runs[-1]
    shared = min(1.0, (check + apart) / whole)
    most = 1 / (1 - shared + shared / CORES)
    told = f"{highs / whole:.0%}, {check / whole:.0%}, {apart / whole:.0%}; {most:.1f}"
    rows = [
        Row(f"{engine.name}: exponent in {engine.unit}", slope),
        Row(f"seconds at {', '.join(f'{c:,}' for c in counts)}", ", ".join(f"{run[0]:.3g}" for run in runs)),
        Row(f"HiGHS, check, independent calls; speed-up at most on {CORES:,} cores", told),
    ]
    return rows, all(run[4] for run in runs) and math.isfinite(slope)


def iterated(smoke: bool) -> list[Row]:
    """Value iteration on joint states of agents with ten states each, to 1e-8; nothing is certified here."""
    counts, seconds = [], []
    for agents in (2, 3) if smoke else (3, 4, 5):
        dynamics, rewards = processes(agents, 10)
        began = time.perf_counter()
        value_iteration(dynamics, rewards, np.zeros((dynamics.A, 1)), 1e-8)
        seconds.append(time.perf_counter() - began)
        counts.append(dynamics.states)
    slope = float(np.polyfit(np.log(counts), np.log(seconds), 1)[0])
    return [
        Row("virtual pivot, value iteration: exponent in joint states", slope),
        Row(f"seconds at {', '.join(f'{c:,}' for c in counts)}", ", ".join(f"{x:.3g}" for x in seconds)),
    ]


@benchmark(
    "engine-growth",
    "How the time of every engine grows, and what a thousand cores could share of one solve",
    """The whole of mo.solve, certificate included, at growing sizes: the slope of log seconds, by least squares. At
    the largest size, the share of HiGHS, which solves a program on one core; of the exact check, whose rows are
    independent; and of the calls of the engine that do not need each other (separation of rows, the points of a period,
    the profiles of initial signals, the arms). By Amdahl's law the last two, spread without any cost, allow the
    speed-up told; the rest stays serial.""",
)
def growth(smoke: bool) -> list[Row]:
    found = [measured(engine, smoke) for engine in ENGINES]
    rows = [row for rows, _ in found for row in rows] + iterated(smoke)
    return [*rows, holds("every result certified", all(ok for _, ok in found))]
