"""Expectations over initial signals: the bound of Corollary 4.1, and what the mechanism earns, each on its own.

The bound is E W0(phi(s)). On a stretch of signals served by one policy W0 is linear in phi, and

    int_a^b phi dF = A(a) (1 - F(a)) - A(b) (1 - F(b)),

so that for one agent the bound is a finite sum for any law F. The profit is added up from payments instead: per agent
E[A Q + D - U], minus costs, Gauss-Legendre on each stretch. A second continuum is integrated by adaptive
four-point Lobatto rules, exact for the piecewise cubics of uniform signals between kinks, which cells of weights tell
(models/pivot/cells.py); finitely many types are summed.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011), Corollary 4.1, Lemma 5.1 and equation (33).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array
from mechopt.models.pivot.cells import Partition, centroid
from mechopt.models.pivot.environment import Environment
from mechopt.models.pivot.quadrature import adaptive
from mechopt.models.pivot.rent import Rents
from mechopt.models.pivot.welfare import Market, Optimum
from mechopt.solvers.decision import OutOfTime

Progress = Callable[[str], None]
FINE, FINE_WEIGHTS = np.polynomial.legendre.leggauss(24)
Kinks = tuple[list[float], ...]  # per agent, signals between which integrands are smooth
MOST_PROFILES = 200_000


@dataclass(frozen=True)
class Expected:
    """Expectations over initial signals, money: the bound, what each agent pays in all and keeps, costs, slots used.

    `payments`, `utilities`, `repaired`: (n,). `error`: the quadrature's own estimate for the bound. `late`: whether
    time was up; what the signals not reached by then bring, of the probability `missing` for the bound, is left out.
    """

    bound: float
    payments: Array
    utilities: Array
    repaired: Array
    cost: float
    error: float
    late: bool = False
    missing: float = 0.0

    @property
    def profit(self) -> float:
        """All payments less costs."""
        return float(self.payments.sum()) - self.cost

    @property
    def repaired_profit(self) -> float:
        """The profit when rents are raised so that truth is best among finitely many types too."""
        return self.profit - float((self.repaired - self.utilities).sum())


def require_countable(env: Environment) -> None:
    """Raise InputError where expectations would need more than two continua or too many profiles."""
    if sum(env.continuous) > 2:
        hint = "give the others points, or values and probabilities"
        raise fail("agents", "at most two agents with a continuum of initial signals", f"{sum(env.continuous)}", hint)
    profiles = profiles_of(env)
    if profiles > MOST_PROFILES:
        hint = "give fewer points to the initial signals"
        raise fail("agents", f"at most {MOST_PROFILES:,} profiles of initial types", f"{profiles:,}", hint)


def profiles_of(env: Environment) -> int:
    """How many profiles of finitely many initial types there are, continua counted once."""
    found = 1
    for one in env.data:
        found *= 1 if one.signal.initial.types is None else len(one.signal.initial.types)
    return found


def extremes(market: Market) -> tuple[float, float]:
    """W0 of nobody taking part, which any mechanism can earn, and a bound that no profit exceeds, at a glance.

    The bound adds up, in every period, the best single action and states for the highest worths.
    """
    env = market.env
    best = np.full((env.A, env.H), 0.0)
    for one in env.data:
        worth = max(float(one.signal.worth(one.signal.initial.high)), 0.0)
        best = best + np.maximum((worth * one.scaled).max(axis=2) + np.maximum(one.apart, 0.0).max(axis=2), 0.0)
    flow = float((best - env.costs)[env.feasible].max())
    periods = (1 - env.delta**env.horizon if env.horizon else 1.0) * env.delta / (1 - env.delta)
    nobody = Market(env).optimum((0.0,) * env.n, ()).value
    return nobody, max(nobody, flow * periods)


def expectations(
    market: Market, rents: Rents, progress: Progress = lambda message: None, kinks: Kinks = ()
) -> Expected:  # fmt: skip
    """The bound, payments, utilities and costs. Raises InputError for more than two continua.

    What is not reached by the market's deadline is left out.
    """
    env = market.env
    require_countable(env)
    rows = []
    for agent in range(env.n):
        progress(f"expectations over the initial signals of agent {agent + 1} of {env.n}")
        inner = functools.partial(_inner, market, rents, agent)
        rows.append(_over_others(env, agent, inner, progress, kinks))
    table = np.array([row for row, _, _ in rows])  # (n, 5): bound, cost, payment, utility, repaired utility
    _, error, missing = rows[0]
    late = any(left for _, _, left in rows)
    return Expected(
        float(table[0, 0]), table[:, 2], table[:, 3], table[:, 4], float(table[0, 1]), error, late, missing
    )  # fmt: skip


def by_cells(env: Environment, cut: Partition) -> Expected:
    """The same for two agents with uniform signals from their cells of weights, one policy each.

    An agent's utility U(s) = int A' Q dz up to s is, on average over s, the mean of A' Q (1 - F) / f.
    """
    total = np.zeros((3, env.n))  # payments, utilities, costs
    for cell in cut.root.leaves():
        middle = centroid(cell.corners)
        for j, one in enumerate(env.agents):
            high, worth = one.initial.high, one.worth
            s = (float((middle[j] - worth.offset) / worth.scale) + high) / 2
            Q, D = float(cell.best.Q[j]), float(cell.best.D[j])
            keeps = Q * float(worth.scale) * (high - s)
            total[:, j] += cell.share * np.array([float(worth(s)) * Q + D - keeps, keeps, cell.best.cost])
    return Expected((cut.lower + cut.upper) / 2, total[0], total[1], total[1], float(total[2, 0]), 0.0)


def _over_others(
    env: Environment, agent: int, inner: Callable[[list[float]], Array], progress: Progress, kinks: Kinks
) -> tuple[Array, float, float]:
    """E of `inner` over all other agents' reports, the quadrature's error estimate, and the probability left out."""
    lists: list[list[tuple[float, float]]] = []
    second = None
    for j, one in enumerate(env.data):
        initial = one.signal.initial
        if j == agent:
            lists.append([(initial.high, 1.0)])
        elif initial.types is None:
            second = j
            lists.append([(initial.high, 1.0)])
        else:
            lists.append(list(zip(initial.types.v.tolist(), initial.types.f.tolist(), strict=True)))
    total, error, left = np.zeros(5), 0.0, 1.0
    for profile in itertools.product(*lists):
        reports = [s for s, _ in profile]
        chance = float(np.prod([p for _, p in profile]))
        try:
            if second is None:
                found, miss = inner(reports), 0.0
            else:
                edges = kinks[second] if kinks else None
                found, miss = _second(env, second, reports, inner, progress, edges)
        except OutOfTime:
            return total, error, left
        left -= chance
        total += chance * found
        error += chance * miss
    return total, error, 0.0


def _second(
    env: Environment, at: int, reports: list[float], inner: Callable[[list[float]], Array], progress: Progress,
    edges: list[float] | None,
) -> tuple[Array, float]:  # fmt: skip
    """The expectation of `inner` over the continuum of another agent's signals, and an estimate of its error."""
    law = env.data[at].signal.initial

    def density(s: float) -> Array:
        weight = float(law.pdf(s))
        return (weight if math.isfinite(weight) else 0.0) * inner([*reports[:at], s, *reports[at + 1 :]])

    return adaptive(density, law.low, law.high, progress, edges)


def _inner(market: Market, rents: Rents, agent: int, reports: list[float]) -> Array:
    """E over one agent's own signal: W0, costs, her payments, her utility, her repaired utility."""
    one = market.env.data[agent]
    if one.signal.initial.types is not None:
        return _inner_types(market, rents, agent, reports)
    law, worth = one.signal.initial, one.signal.worth
    total, U = np.zeros(5), 0.0
    for stretch in rents.cuts(agent, reports):
        optimum, a, b = stretch.optimum, stretch.low, stretch.high
        Q, D = float(optimum.Q[agent]), float(optimum.D[agent])
        mass = float(law.cdf(b) - law.cdf(a))
        if agent in optimum.included:
            phi = float(worth(a)) * float(1 - law.cdf(a)) - float(worth(b)) * float(1 - law.cdf(b))
            bound = Q * phi + mass * optimum.at(agent, 0.0)
        else:
            bound = mass * optimum.value
        s = (a + b) / 2 + (b - a) / 2 * FINE
        f = law.pdf(s) * FINE_WEIGHTS * (b - a) / 2
        f *= mass / f.sum() if f.sum() > 0 else 0.0
        keeps = U + Q * (worth(s) - worth(a))
        pays = worth(s) * Q + D - keeps
        total += [bound, mass * optimum.cost, float(f @ pays), float(f @ keeps), float(f @ keeps)]
        U += Q * float(worth(b) - worth(a))
    return total


def _inner_types(market: Market, rents: Rents, agent: int, reports: list[float]) -> Array:
    one = market.env.data[agent]
    types = one.signal.initial.types
    assert types is not None
    total, U, raised = np.zeros(5), 0.0, 0.0
    for k, optimum in enumerate(_types(market, rents, agent, reports)):
        pays = one.signal.worths[k] * optimum.Q[agent] + optimum.D[agent] - U
        total += types.f[k] * np.array([optimum.value, optimum.cost, pays, U, raised])
        if k + 1 < len(types):
            U += float(optimum.Q[agent]) * float(one.signal.worths[k + 1] - one.signal.worths[k])
            raised += rents.gain(agent, reports, k)
    return total


def _types(market: Market, rents: Rents, agent: int, reports: list[float]) -> Iterator[Optimum]:
    for k in range(len(market.env.data[agent].signal.worths)):
        yield rents.at_type(agent, reports, k)
