"""Every lie an agent could tell, at every time, exactly: a dynamic program over reports, the others truthful.

After the reports r of t = 0, agent i, whose signal is s, sees the joint state x (ex post: the others' states too) and
may report any pair (y, k) of a signal and a state. Each pair leads to an action and a payment; the best sequence of
them is the optimum of a decision process. Its gain over truth must be zero from every state at t >= 1, also after a
false report at t = 0, and at t = 0 over all reports. A payment at t >= 1 depends on her report through the action
alone, so that choosing any feasible action at its price covers every report of a continuum.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011), Definitions 2.1 and 2.2, Theorem 5.1.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mechopt.models.outcome import Array
from mechopt.models.pivot.mechanism import VirtualPivotMechanism
from mechopt.models.pivot.subscription import Subscription
from mechopt.solvers.decision import STRICT, Indices


@dataclass(frozen=True)
class Worst:
    """The largest gain, or loss, found so far, and where: agent, her signal, reports of t = 0, state, period."""

    amount: float = -np.inf
    where: str = ""


@dataclass(frozen=True)
class Audit:
    """What lies and leaving would bring at worst, money.

    `first`: the largest gain from false reports at t = 0 (and any afterwards); `later`: at any t >= 1, from any state
    and after any reports of t = 0. `joining`: the lowest utility at t = 0; `staying`: the lowest continuation utility
    at t >= 1, which may be negative where agents cannot be spared what harms them. `price_spread`: how far payments
    for one action and state differ between reports; zero by the taxation principle.
    """

    first: Worst
    later: Worst
    joining: Worst
    staying: Worst
    price_spread: float
    cases: int


@dataclass(frozen=True)
class Lies:
    """The decision process of one agent after t = 0: the action and payment of every report at every state.

    `actions`, `payments`: (reports, periods, S); `truth`: the number of the true report at every state, (S,).
    `value`: the agent's own flow, (A, S).
    """

    subscription: Subscription
    actions: Indices
    payments: Array
    truth: Indices
    value: Array

    def continuation(self, report: Indices | None = None) -> Array:
        """The value of the best reports, (periods, S), or of a given one per period and state."""
        horizon = self.subscription.env.horizon
        return self._induct(report) if horizon is not None else self._iterate(report)

    def _flow(self, t: int) -> Array:
        at = np.arange(self.value.shape[1])
        return np.asarray(self.value[self.actions[:, t], at] - self.payments[:, t])

    def _induct(self, report: Indices | None) -> Array:
        dynamics = self.subscription.welfare.dynamics
        T, S = self.actions.shape[1], self.value.shape[1]
        at, found = np.arange(S), np.zeros((T + 1, S))
        for t in reversed(range(T)):
            future = dynamics.discount * (dynamics.matrix @ found[t + 1]).reshape(dynamics.A, S)
            total = self._flow(t) + future[self.actions[:, t], at]
            found[t] = total.max(axis=0) if report is None else total[report, at]
        return found[:T]

    def _iterate(self, report: Indices | None) -> Array:
        dynamics = self.subscription.welfare.dynamics
        S = self.value.shape[1]
        at, flow, actions = np.arange(S), self._flow(0), self.actions[:, 0]
        choice = self.truth if report is None else report
        while True:
            P = dynamics.under(actions[choice, at])
            values = np.linalg.solve(np.eye(S) - dynamics.discount * P.toarray(), flow[choice, at])
            if report is not None:
                return values[None]
            future = dynamics.discount * (dynamics.matrix @ values).reshape(dynamics.A, S)
            total = flow + future[actions, at]
            better = total.max(axis=0) > total[choice, at] + STRICT * (1 + np.abs(values).max())
            if not better.any():
                return values[None]
            choice = np.where(better, total.argmax(axis=0), choice)


def lies(sub: Subscription, agent: int, signals: Sequence[float], reports: Sequence[float]) -> Lies:
    """All reports (y, k) with y among `reports`, of an agent taking part; `signals` are everyone's true ones."""
    dynamics, data = sub.welfare.dynamics, sub.env.data[agent]
    S, K = dynamics.states, data.size
    axis = 1 + sub.included.index(agent)
    grid = np.arange(S).reshape(dynamics.shape)
    mine = np.broadcast_to(np.arange(K).reshape([-1 if d == axis else 1 for d in range(grid.ndim)]), grid.shape).ravel()
    claimed = [np.broadcast_to(grid.take([k], axis=axis), grid.shape).ravel() for k in range(K)]
    listed = list(dict.fromkeys([float(signals[agent]), *map(float, reports)]))
    actions, payments = [], []
    for y in listed:
        said = [*signals[:agent], y, *signals[agent + 1 :]]
        policy = sub.resolve(said).solved.policy
        paid = sub.payments(agent, said, policy)
        actions += [policy[:, claim] for claim in claimed]
        payments += [paid[:, claim] for claim in claimed]
    place = sub.included.index(agent)
    worth = float(data.signal.worth(signals[agent]))
    value = worth * sub.welfare.C[place] + sub.welfare.D[place]
    feasible = np.where(dynamics.allowed, value, -np.inf)
    return Lies(sub, np.array(actions), np.array(payments), mine, feasible)


def any_action(sub: Subscription, agent: int, signals: Sequence[float]) -> Lies:
    """The same with any feasible action at its price instead of reports: covers every report of a continuum.

    The price of an action does not depend on the agent's report, so it is computed from the true one.
    """
    dynamics, S = sub.welfare.dynamics, sub.welfare.dynamics.states
    found = lies(sub, agent, signals, [])
    T = sub.env.horizon or 1
    every = [np.broadcast_to(np.int64(a), (T, S)) for a in range(dynamics.A)]
    chosen = [found.actions[k] for k in range(len(found.actions))]
    prices = [sub.payments(agent, signals, np.ascontiguousarray(a)) for a in every]
    actions = np.array([*chosen, *every])
    return replace(found, actions=actions, payments=np.concatenate([found.payments, np.array(prices)]))


def audit(
    mechanism: VirtualPivotMechanism,
    signals: Sequence[Sequence[float]],
    others_lied: bool = True,
    progress: Callable[[str], None] = lambda message: None,
) -> Audit:
    """Enumerate all reports at all times for all profiles of true and reported initial signals on a grid.

    `signals`: per agent, the initial signals considered. `others_lied`: whether the others' reports of t = 0 may
    differ from their signals in the checks of t >= 1 (true of two agents or one).

    >>> from mechopt.models.pivot.environment import Environment
    >>> env = Environment(discount="1/2", actions=["wait", "serve"], cost={"serve": "1/4"}, agents=[{
    ...     "states": 2, "kernels": [["1/2", "1/2"]] * 2, "value": {"serve": [0, 1]}}])
    >>> found = audit(VirtualPivotMechanism(env), [[0.1, 0.6, 0.8, 1.0]])
    >>> assert found.first.amount < 1e-12 and found.later.amount < 1e-12 and found.staying.amount > -1e-12
    """
    env = mechanism.env
    others_lied = others_lied and env.n <= 2
    first, later, joining, staying = Worst(), Worst(), Worst(), Worst(np.inf)
    spread, cases = 0.0, 0
    for reports in itertools.product(*signals):
        progress(f"all lies after the reports {reports}")
        sub = mechanism.subscribe(reports)
        for i in range(env.n):
            joining = _lower(joining, float(sub.utilities[i]), f"agent {i + 1}, reports {reports}")
            for truth in _truths(signals, reports, i, others_lied):
                cases += 1
                mechanism.market.require_time()
                told = f"agent {i + 1} with signal {truth[i]:g}, reports {reports} at t = 0"
                gained = 0.0
                if i in sub.included:
                    found = lies(sub, i, truth, signals[i])
                    honest = found.continuation(found.truth)
                    best = np.maximum(found.continuation(), any_action(sub, i, truth).continuation())
                    spread = max(spread, _spread(found))
                    t, x = divmod(int((best - honest).argmax()), best.shape[1])
                    later = _upper(later, float((best - honest)[t, x]), f"{told}; period {t + 1}, state {x}")
                    if truth[i] == reports[i]:  # whatever the others said
                        staying = _lower(staying, float(honest.min()), f"{told}; state {int(honest.argmin())}")
                    gained = env.delta * float(sub.welfare.start @ best[0]) - float(sub.entry_payments[i])
                if truth[:i] + truth[i + 1 :] == tuple(reports[:i]) + tuple(reports[i + 1 :]):
                    keeps = float(mechanism.subscribe(truth).utilities[i])
                    first = _upper(first, gained - keeps, told)
    return Audit(first, later, _finish(joining), _finish(staying), spread, cases)


def _truths(
    signals: Sequence[Sequence[float]], reports: Sequence[float], agent: int, others_lied: bool
) -> list[tuple[float, ...]]:
    choices = [list(map(float, own)) if i == agent or others_lied else [float(reports[i])]
               for i, own in enumerate(signals)]  # fmt: skip
    return list(itertools.product(*choices))


def _spread(found: Lies) -> float:
    """The largest difference of payments for the same action at the same state."""
    worst = 0.0
    for a in range(found.value.shape[0]):
        paid = np.where(found.actions == a, found.payments, np.nan)
        taken = ~np.isnan(paid).all(axis=0)
        if taken.any():
            worst = max(worst, float((np.nanmax(paid[:, taken], axis=0) - np.nanmin(paid[:, taken], axis=0)).max()))
    return worst


def _upper(worst: Worst, amount: float, where: str) -> Worst:
    return Worst(amount, where) if amount > worst.amount else worst


def _lower(worst: Worst, amount: float, where: str) -> Worst:
    return Worst(amount, where) if not np.isfinite(worst.amount) or amount < worst.amount else worst


def _finish(worst: Worst) -> Worst:
    return worst if np.isfinite(worst.amount) else Worst(0.0, "no agent takes part")


def signal_grid(mechanism: VirtualPivotMechanism, points: int) -> list[list[float]]:
    """Per agent so many initial signals: equally spaced ones of a continuum, ends included, or (some of) her types."""
    found: list[list[float]] = []
    for one in mechanism.env.data:
        initial = one.signal.initial
        if initial.types is None:
            found.append(np.linspace(initial.low, initial.high, points).tolist())
        else:
            every = np.linspace(0, len(initial.types) - 1, min(points, len(initial.types))).round().astype(int)
            found.append(initial.types.v[every].tolist())
    return found
