"""The virtual-pivot mechanism: profit against the bound, incentives by enumeration, and the engines' speed."""

from __future__ import annotations

import time
from importlib import resources

import numpy as np
from registry import Row, at_most, benchmark, holds

import mechopt as mo
from mechopt.models.pivot.expectation import expectations
from mechopt.models.pivot.incentives import audit, signal_grid
from mechopt.models.pivot.mechanism import VirtualPivotMechanism
from mechopt.models.pivot.virtual_pivot import VirtualPivot
from mechopt.solvers.decision import Dynamics, solve
from mechopt.solvers.decision_program import bellman_program
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.value_iteration import value_iteration


def catalog() -> dict[str, VirtualPivot]:
    """The catalog's environments by name."""
    folder = resources.files("mechopt") / "catalog" / "pivot"
    names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    loaded = {name: mo.load(f"pivot/{name}").model for name in names}
    return {name: model for name, model in loaded.items() if isinstance(model, VirtualPivot)}


def arms(agents: int, states: int, seed: int = 0) -> tuple[Dynamics, list[np.ndarray]]:
    """A bandit with an action that serves nobody: its process and each agent's rewards."""
    rng, A = np.random.default_rng(seed), agents + 1
    kernels, rewards = [], []
    for i in range(agents):
        P = np.broadcast_to(np.eye(states), (A, 1, states, states)).copy()
        P[i + 1, 0] = rng.dirichlet(np.ones(states), states)
        flow = np.zeros((A, 1, states))
        flow[i + 1, 0] = rng.random(states)
        kernels.append(P)
        rewards.append(flow)
    return Dynamics(tuple(kernels), np.zeros((A, 1), dtype=np.int64), np.ones((A, 1), dtype=bool), 0.9), rewards


@benchmark(
    "pivot-profit",
    "Virtual pivot: profit and incentives",
    """Every environment of the catalog. The profit is added up from payments and costs, the bound of Corollary 4.1 is
    the expected weighted welfare: two routes. Lies: all reports of signal and state at all times, ex post, after any
    reports at t = 0, on a grid of initial signals; with finitely many types the rents are the repaired ones.""",
)
def profit(smoke: bool) -> list[Row]:
    """Profit against the bound, and the largest gains from lies."""
    rows, gains = [], []
    for name, model in catalog().items():
        env = model.environment
        if smoke and (env.n > 1 or env.joint_states > 20):
            continue
        mechanism = VirtualPivotMechanism(env)
        found = expectations(mechanism.market, mechanism.rents)
        exact = not any(env.continuous)
        miss = abs(found.profit - found.bound) / abs(found.bound)
        rows.append(at_most(f"{name}: profit against the bound, relative", miss, 1e-12 if exact else 1e-9))
        honest = VirtualPivotMechanism(env, repaired=True, market=mechanism.market)
        lies = audit(honest, signal_grid(honest, 4), others_lied=env.joint_states <= 4)
        gains.append((lies.first.amount, lies.later.amount, lies.cases))
        rows.append(Row(f"{name}: lowest continuation utility at t >= 1", float(lies.staying.amount)))
        rows += proof(name, model)
    rows.append(at_most("largest gain from lies, t = 0", max(g[0] for g in gains), 1e-10))
    rows.append(at_most("largest gain from lies, t >= 1", max(g[1] for g in gains), 1e-10))
    rows.append(Row("environments in which all lies were enumerated", f"{len(gains)}"))
    rows.append(Row("cases of agent, signal and reports", f"{sum(g[2] for g in gains):,}"))
    return rows


def proof(name: str, model: VirtualPivot) -> list[Row]:
    """The certified bracket of an environment, and the seconds its exact check takes."""
    result = mo.solve(model)
    began = time.perf_counter()
    passed = result.verify().passed
    seconds = time.perf_counter() - began
    width = result.bounds.width / abs(result.value)
    proved = passed and result.bounds.certified
    target = 1e-12 if all(model.environment.continuous) else None  # types leave what their repaired rents cost
    rows = [Row(f"{name}: certified, seconds to verify", seconds, "certified", proved)]
    if target is not None:
        return [*rows, at_most(f"{name}: width of the certified bracket, relative", width, target)]
    return [*rows, Row(f"{name}: width of the certified bracket, relative", width)]


@benchmark(
    "pivot-engines",
    "Decision processes: engines against the program",
    """Bandits with a joint state space, discount 0.9. Policy iteration and value iteration against the Bellman program
    in CVXPY, solved by HiGHS; then value iteration to 1e-8 on as many joint states as 60 seconds allow.""",
)
def engines(smoke: bool) -> list[Row]:
    """Policy and value iteration against the linear program, and the largest space solved."""
    dynamics, rewards = arms(3, 4) if smoke else arms(4, 8)
    reward = dynamics.joint(rewards)
    start = np.full(dynamics.states, 1 / dynamics.states)
    _ = dynamics.matrix
    began = time.perf_counter()
    program = highs(bellman_program(dynamics, reward, start))
    lp = program.statistics.solve_seconds
    whole = time.perf_counter() - began
    times = []
    for _ in range(3):
        began = time.perf_counter()
        exact = solve(dynamics, reward).values[0]
        times.append(time.perf_counter() - began)
    began = time.perf_counter()
    iterated = value_iteration(dynamics, rewards, np.zeros((dynamics.A, 1)), 1e-9)
    swept = time.perf_counter() - began
    ratio, best = lp / min(*times, swept), min(times)
    rows = [
        Row("joint states", f"{dynamics.states:,}"),
        Row("seconds: HiGHS alone, with CVXPY", f"{lp:.3f}, {whole:.3f}"),
        Row("seconds: policy iteration, value iteration", f"{best:.4f}, {swept:.4f}"),
        Row("HiGHS over policy iteration", lp / best, ">= 20", None if smoke else lp / best >= 20),
        Row("HiGHS over the faster engine", ratio, ">= 20", None if smoke else ratio >= 20),
        at_most("values, program against policy iteration", abs(program.primal["v"][0] - exact).max(), 1e-9),
        at_most("values, value against policy iteration", abs(iterated.values.ravel() - exact).max(), 1e-8),
    ]
    return rows + largest(smoke)


def largest(smoke: bool) -> list[Row]:
    """The largest bandit that value iteration solves to 1e-8 within 60 seconds on one core."""
    rows, solved = [], 0
    for agents, states in ((3, 5), (3, 6)) if smoke else ((5, 10), (6, 10), (6, 12)):
        dynamics, rewards = arms(agents, states)
        began = time.perf_counter()
        found = value_iteration(dynamics, rewards, np.zeros((dynamics.A, 1)), 1e-8, time_limit=60)
        seconds = time.perf_counter() - began
        rows.append(Row(f"seconds for {dynamics.states:,} states to 1e-8 ({found.sweeps} sweeps)", seconds))
        if found.settled and seconds <= 60:
            solved = dynamics.states
    if smoke:
        return [*rows, holds("settled", solved > 0)]
    return [*rows, Row("largest joint state space in 60 s", f"{solved:,}", ">= 1,000,000", solved >= 10**6)]
