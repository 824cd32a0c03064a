"""The virtual-pivot mechanism, period by period: who takes part, what is done, and what everyone pays.

At t = 0 agents report initial signals r, which fix weights phi_i = alpha_i A_i(r_i) + b_i and who takes part. At every
t >= 1 they report initial signal and state afresh; the action is optimal for the weights alpha_i A_i(y_i) + b_i of the
new reports y, and agent i's payment leaves her flow marginal contribution over alpha_i:

    m_i = flow(a) - W_-i(x) + delta E[W_-i(x') | x, a],        p_i = v_i(y_i, x, a) - m_i / alpha_i.

At t = 0 she pays p_i,0 = delta E[W - W_-i] / alpha_i - U_i, with U_i = int A'(z) Q_i(phi_i(z), phi_-i) dz: W0 is convex
and piecewise linear in her own weight, so U_i is a finite sum. From then on truth earns her (W - W_-i) / alpha_i.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011), Figure 2 and equations (19) to (25). Errata: the continuation of W_-i
in (20) and (21) is under the action taken, not the one that would be best without i; values are current ones; who is
left out is decided inside the optimum (phi_i <= 0, or the best set of additive agents), not by dropping agents later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array
from mechopt.models.pivot.environment import Environment
from mechopt.models.pivot.rent import Rents
from mechopt.models.pivot.welfare import Market, Optimum
from mechopt.solvers.decision import Indices

REPORTS = "one report per agent"


@dataclass(frozen=True)
class Turn:
    """One period of the mechanism: its number, the action by name, and every agent's payment, money, (n,)."""

    period: int
    action: str
    payments: Array


class Subscription:
    """The mechanism after the reports of t = 0, before t = 1; states are those of the agents taking part.

    `weights`, `alpha`, `b`: (n,). `included`: the agents taking part. `utilities`: U_i of truthful agents seen from
    t = 0, `entry_payments`: what each pays at t = 0, `expected_payments`: the sum of all her payments, money, (n,).
    """

    def __init__(self, market: Market, rents: Rents, reports: Sequence[float], repaired: bool = False) -> None:
        self.market, self.env = market, market.env
        if len(reports) != self.env.n:
            raise fail("reports", f"{self.env.n} initial signals, one per agent", f"{len(reports)}")
        self.reports = tuple(float(r) for r in reports)
        signals = [one.signal for one in self.env.data]
        for i, (signal, report) in enumerate(zip(signals, self.reports, strict=True)):
            if not signal.initial.low <= report <= signal.initial.high:
                span = f"[{signal.initial.low:g}, {signal.initial.high:g}]"
                raise fail(f"reports[{i}]", f"an initial signal in {span}", report)
        self.weights = np.array([float(s.phi(r)) for s, r in zip(signals, self.reports, strict=True)])
        worths = self.worths(self.reports)
        additive = np.array([one.additive for one in self.env.data])
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(worths > 0, self.weights / worths, -np.inf)
        self.alpha = np.where(additive, 1.0, share)
        self.b = np.where(additive, self.weights - worths, 0.0)
        self.optimum: Optimum = market.best(tuple(self.weights))
        self.included = self.optimum.included
        self.welfare = market.welfare(self.included)
        self.rents, self.repaired = rents, repaired

    def worths(self, signals: Sequence[float]) -> Array:
        """A_i of signals, (n,)."""
        return np.array([float(one.signal.worth(s)) for one, s in zip(self.env.data, signals, strict=True)])

    @cached_property
    def utilities(self) -> Array:
        """U_i, (n,), money."""
        find = self.rents.repaired if self.repaired else self.rents.utility
        return np.array([find(i, self.reports) for i in range(self.env.n)])

    @cached_property
    def entry_payments(self) -> Array:
        """p_i,0, (n,), money; negative where the agent is paid to take part."""
        delta, start = self.welfare.dynamics.discount, self.welfare.start
        found = -self.utilities
        for i in self.included:
            found[i] += delta * float(start @ self.marginal(i)[0]) / self.alpha[i]
        return found + 0.0

    @cached_property
    def expected_payments(self) -> Array:
        """p*_i, (n,), money: the expected discounted sum of all payments of truthful agents."""
        return self.worths(self.reports) * self.optimum.Q + self.optimum.D - self.utilities

    @property
    def values(self) -> Array:
        """W, (periods, S)."""
        return self.optimum.solved.values

    def without(self, agent: int, signals: Sequence[float] | None = None) -> Array:
        """W_-i, (periods, S), for the initial signals of t = 0 or re-reported ones; the agent's own does not matter."""
        rest = tuple(i for i in self.included if i != agent)
        weights = self.weights if signals is None else self.alpha_times(signals)
        return self.market.values(tuple(weights), rest, self.included)

    def marginal(self, agent: int) -> Array:
        """W - W_-i, (periods, S): alpha_i times what truth earns the agent from then on."""
        return self.values - self.without(agent)

    def resolve(self, signals: Sequence[float]) -> Optimum:
        """The optimum when the initial signals re-reported at t >= 1 are others than at t = 0."""
        if tuple(signals) == self.reports:
            return self.optimum
        return self.market.optimum(tuple(self.alpha_times(signals)), self.included)

    def alpha_times(self, signals: Sequence[float]) -> Array:
        """alpha_i A_i(y_i) + b_i, (n,); meaningful for those taking part."""
        alpha = np.where(np.isfinite(self.alpha), self.alpha, 0.0)
        return alpha * self.worths(signals) + self.b

    def payments(self, agent: int, signals: Sequence[float], policy: Indices) -> Array:
        """p_i,t of an agent taking part at every state reported, (periods, S), money, under the policy for `signals`.

        The policy's action, flows and values are those of the report; W_-i moves on under the action taken.
        """
        dynamics, at = self.welfare.dynamics, np.arange(self.welfare.dynamics.states)
        own = self.included.index(agent)
        weights = self.alpha_times(signals)[list(self.included)]
        flows, without = self.welfare.reward(weights), self.without(agent, signals)
        worth = float(self.env.data[agent].signal.worth(signals[agent]))
        found = np.empty(policy.shape)
        for t in range(len(policy)):
            a = policy[t]
            nothing = dynamics.horizon is not None and t + 1 == len(policy)
            after = without[t if dynamics.horizon is None else min(t + 1, len(policy) - 1)]
            future = 0.0 if nothing else dynamics.discount * (dynamics.under(a) @ after)
            m = flows[a, at] - without[t] + future
            found[t] = worth * self.welfare.C[own][a, at] + self.welfare.D[own][a, at] - m / self.alpha[agent]
        return found

    def state(self, public: int, states: Sequence[int]) -> int:
        """The number of a joint state."""
        place = public
        for i in self.included:
            place = place * self.env.data[i].size + int(states[i])
        return place


class Run:
    """One play of the mechanism: step it with reports until the horizon, if there is one."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.public = subscription.env.public_start
        self.period = 0
        self._tables: dict[tuple[float, ...], tuple[Indices, dict[int, Array]]] = {}

    def step(self, states: Sequence[int | str], signals: Sequence[float] | None = None) -> Turn:
        """Play a period on reported states (positions or names) and, if they changed, re-reported initial signals.

        Raises InputError for reports that do not exist, or after the last period.
        """
        sub, env = self.subscription, self.subscription.env
        if env.horizon is not None and self.period >= env.horizon:
            raise fail("period", f"at most {env.horizon} periods", f"{self.period + 1}")
        places = tuple(_state(env, i, s) for i, s in enumerate(_each(env, "states", states)))
        signals = sub.reports if signals is None else tuple(map(float, _each(env, "signals", signals)))
        if signals not in self._tables:
            policy = sub.resolve(signals).solved.policy
            self._tables[signals] = policy, {i: sub.payments(i, signals, policy) for i in sub.included}
        policy, paid = self._tables[signals]
        t = 0 if env.horizon is None else self.period
        x = sub.state(self.public, places)
        action = int(policy[t, x])
        payments = np.array([float(paid[i][t, x]) if i in paid else 0.0 for i in range(env.n)])
        self.public = int(env.next[action, self.public])
        self.period += 1
        return Turn(self.period, env.action_names[action], payments)


@dataclass(frozen=True)
class Path:
    """A simulated play: states (T, n), actions by name, payments (T + 1, n) from t = 0, discounted utilities (n,)."""

    states: Indices
    actions: tuple[str, ...]
    payments: Array
    utilities: Array
    profit: float


class VirtualPivotMechanism:
    """The mechanism as an object: subscribe with reports of t = 0, then step; or simulate truthful agents.

    `repaired`: for finitely many initial types, raise rents to the gains from reporting another type first and
    correcting later, so that truth is best at t = 0 as well.

    >>> env = Environment(discount="1/2", actions=["wait", "serve"], cost={"serve": "1/4"}, agents=[{
    ...     "states": ["low", "high"], "start": ["1/2", "1/2"], "kernels": [["1/2", "1/2"]] * 2,
    ...     "value": {"serve": [0, 1]}}])
    >>> run = VirtualPivotMechanism(env).start([0.75])
    >>> turn = run.step(["high"])
    >>> assert turn.action == "serve" and abs(turn.payments[0] - 0.375) < 1e-15  # cost / alpha
    >>> assert run.step(["low"]).payments[0] == 0
    """

    def __init__(self, env: Environment, repaired: bool = False, market: Market | None = None) -> None:
        self.env, self.repaired = env, repaired
        self.market = Market(env) if market is None else market
        self.rents = Rents(self.market)

    def subscribe(self, reports: Sequence[float]) -> Subscription:
        """Weights, who takes part and the payments of t = 0, for reported initial signals."""
        return Subscription(self.market, self.rents, reports, self.repaired)

    def start(self, reports: Sequence[float]) -> Run:
        """A play that begins with these reports at t = 0."""
        return Run(self.subscribe(reports))

    def simulate(self, signals: Sequence[float], periods: int, seed: int = 0) -> Path:
        """A play of truthful agents with given initial signals over so many periods."""
        env, rng = self.env, np.random.default_rng(seed)
        run = self.start(signals)
        worths = run.subscription.worths(signals)
        places = [int(rng.choice(one.size, p=one.start)) for one in env.data]
        entry = run.subscription.entry_payments
        payments, states, actions = [entry], [], []
        utilities, profit = -entry, float(entry.sum())
        for t in range(1, min(periods, env.horizon or periods) + 1):
            h = run.public
            turn = run.step(places)
            a = env.action_names.index(turn.action)
            values = np.array([_at(one.scaled, a, h, k) * w + _at(one.apart, a, h, k)
                               for one, k, w in zip(env.data, places, worths, strict=True)])  # fmt: skip
            taking_part = np.array([i in run.subscription.included for i in range(env.n)])
            utilities = utilities + env.delta**t * (np.where(taking_part, values, 0.0) - turn.payments)
            profit += env.delta**t * float(turn.payments.sum() - env.costs[a, h])
            payments.append(turn.payments)
            states.append(list(places))
            actions.append(turn.action)
            places = [int(rng.choice(one.size, p=_at(one.kernel, a, h, k)))
                      for one, k in zip(env.data, places, strict=True)]  # fmt: skip
        return Path(np.array(states, dtype=np.int64).reshape(-1, env.n), tuple(actions), np.array(payments),
                    utilities, profit)  # fmt: skip


def _at(table: Array, a: int, h: int, k: int) -> Any:
    return table[min(a, len(table) - 1), min(h, table.shape[1] - 1), k]


def _each(env: Environment, field: str, content: Sequence[Any]) -> Sequence[Any]:
    if len(content) != env.n:
        raise fail(field, f"{env.n} reports, one per agent", f"{len(content)}")
    return content


def _state(env: Environment, agent: int, report: int | str) -> int:
    names = env.data[agent].states
    if isinstance(report, str) and report in names:
        return names.index(report)
    if isinstance(report, int | np.integer) and 0 <= report < len(names):
        return int(report)
    raise fail(f"states[{agent}]", f"one of {', '.join(names[:5])}, or its position", repr(report))
