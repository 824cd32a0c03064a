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
from typing import Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array
from mechopt.models.pivot.environment import Environment
from mechopt.models.pivot.rent import Rents
from mechopt.models.pivot.subscription import Subscription
from mechopt.models.pivot.welfare import Market
from mechopt.solvers.decision import Indices


@dataclass(frozen=True)
class Turn:
    """One period of the mechanism: its number, the action by name, and every agent's payment, money, (n,)."""

    period: int
    action: str
    payments: Array


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
