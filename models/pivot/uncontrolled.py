"""Uncontrolled environments: nothing that is done changes what comes later, so the mechanism looks at one period only.

The allocation maximises the flow of the period and the payments are those of a static pivot with weights,
p_i = v_i - (max flow - max flow without i) / alpha_i: truth is a dominant strategy at every t >= 1, whatever the others
report and whatever is known of the future.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011), Section 6.2.1 and Corollary 6.2. Erratum: kernels that do not depend
on actions are not enough; values, costs and feasible actions must not depend on past actions either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array
from mechopt.models.pivot.subscription import Subscription
from mechopt.solvers.decision import Indices


@dataclass(frozen=True)
class Myopic:
    """Per state of those taking part: the action, and the payment of each of them, (S,) and (agents, S)."""

    action: Indices
    payments: Array


def require_uncontrolled(sub: Subscription) -> None:
    """Raise InputError for an environment whose future depends on actions."""
    if not sub.env.uncontrolled:
        hint = "kernels and public states must move the same way under every action"
        raise fail("agents", "an uncontrolled environment", "actions that change what comes later", hint)


def myopic(sub: Subscription, signals: Sequence[float]) -> Myopic:
    """The static pivot of one period for re-reported initial signals. Raises InputError if actions have a future."""
    require_uncontrolled(sub)
    dynamics, at = sub.welfare.dynamics, np.arange(sub.welfare.dynamics.states)
    weights = sub.alpha_times(signals)[list(sub.included)]
    flows = np.where(dynamics.allowed, sub.welfare.reward(weights), -np.inf)
    action = flows.argmax(axis=0)
    payments = []
    for place, i in enumerate(sub.included):
        own = weights[place] * sub.welfare.C[place] + sub.welfare.D[place]
        rest = np.where(dynamics.allowed, flows - own, -np.inf).max(axis=0)
        value = float(sub.env.data[i].signal.worth(signals[i])) * sub.welfare.C[place] + sub.welfare.D[place]
        payments.append(value[action, at] - (flows[action, at] - rest) / sub.alpha[i])
    return Myopic(action.astype(np.int64), np.array(payments).reshape(len(sub.included), -1))


def dominance(sub: Subscription, agent: int, signals: Sequence[Sequence[float]]) -> tuple[float, int]:
    """The largest gain in a period from any report (y, k) against any reports of the others, and how many were tried.

    `signals`: per agent the initial signals considered, true or reported. Raises InputError if actions have a future.
    """
    require_uncontrolled(sub)
    dynamics = sub.welfare.dynamics
    place = sub.included.index(agent)
    grid = np.arange(dynamics.states).reshape(dynamics.shape)
    claimed = np.stack([np.broadcast_to(grid.take([k], axis=1 + place), grid.shape).ravel()
                        for k in range(sub.env.data[agent].size)])  # fmt: skip
    at = np.arange(dynamics.states)
    worst, tried = 0.0, 0
    mesh = np.array(np.meshgrid(*[s for j, s in enumerate(signals) if j != agent], indexing="ij"))
    for others in mesh.reshape(sub.env.n - 1, -1).T.tolist():
        outcomes = {y: myopic(sub, [*others[:agent], y, *others[agent:]]) for y in signals[agent]}
        for truth in signals[agent]:
            worth = float(sub.env.data[agent].signal.worth(truth))
            value = worth * sub.welfare.C[place] + sub.welfare.D[place]
            honest = value[outcomes[truth].action, at] - outcomes[truth].payments[place]
            for found in outcomes.values():
                for report in claimed:
                    lie = value[found.action[report], at] - found.payments[place][report]
                    worst, tried = max(worst, float((lie - honest).max())), tried + len(at)
    return worst, tried
