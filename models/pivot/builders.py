"""The environments of the virtual-pivot paper, built: each function returns a `VirtualPivot` to solve.

They fill in the plain fields of an instance file and nothing else: `parameters()` of the result can be written to one.

Source: S. Kakade, I. Lobel, H. Nazerzadeh (2011): sponsored search and supply chains (Section 1), autoregressive values
(Section 1.1), a stream of items (Section 6.1), bandits (Section 6.2.2).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from mechopt.models.inputs import exact, fail, plain
from mechopt.models.pivot.virtual_pivot import VirtualPivot

Arm = Mapping[str, Any]
UNIFORM: dict[str, Any] = {"family": "uniform", "support": [0, 1]}


def _made(**fields: Any) -> VirtualPivot:
    """The model of plain fields, as a file would have them."""
    return VirtualPivot(**fields)


def stream_of_items(
    discount: Any, values: Sequence[Any], kernel: Any, cost: Any, start: Any = None, initial: Any = None,
    horizon: int | None = None,
) -> VirtualPivot:  # fmt: skip
    """One buyer, one item per period at a production cost; her value s_0 B_t follows a Markov chain B.

    `values`: B by state, (K,), money. `kernel`: (K, K), or `None` for independent draws from `start`.

    >>> model = stream_of_items("9/10", [0, 1], None, "1/4", start=["1/2", "1/2"])
    >>> assert model.environment.uncontrolled and model.environment.joint_states == 2
    """
    if kernel is None:
        if start is None:
            raise fail("start", "the law of independent draws where there is no kernel", "none")
        kernel = [list(start)] * len(values)
    agent = {"initial": initial or UNIFORM, "states": len(values), "kernels": kernel, "value": {"sell": list(values)}}
    if start is not None:
        agent["start"] = list(start)
    return _made(discount=discount, horizon=horizon, actions=["wait", "sell"], cost={"sell": cost},
                        agents=[agent])  # fmt: skip


def bandit(discount: Any, arms: Sequence[Arm], horizon: int | None = None, cost: Any = 0) -> VirtualPivot:
    """One item per period to at most one agent, whose state moves only when she gets it.

    `arms`: each `kernel` (K, K) and `value` (K,), and optionally `initial`, `worth`, `start`, `separation`. The value
    of an additive arm is s_0 + value. `cost`: of serving anybody.

    >>> model = bandit("9/10", [{"kernel": [["1/2", "1/2"], [0, 1]], "value": [1, 2]}] * 2)
    >>> assert model.environment.action_names == ("nobody", "serve 1", "serve 2")
    """
    names = [f"serve {i + 1}" for i in range(len(arms))]
    agents = []
    for name, arm in zip(names, arms, strict=True):
        rest = {key: found for key, found in arm.items() if key not in ("kernel", "value")}
        agent = {"states": len(arm["value"]), "kernels": {name: arm["kernel"]}, "value": {name: arm["value"]}, **rest}
        if rest.get("separation") == "additive":
            agent["exposure"] = {name: 1}
        agents.append(agent)
    return _made(discount=discount, horizon=horizon, actions=["nobody", *names], agents=agents,
                        cost=dict.fromkeys(names, cost))  # fmt: skip


def beta_bernoulli(pulls: int, successes: int = 1, failures: int = 1) -> tuple[list[str], list[list[Any]], list[Any]]:
    """Learning a chance of success from draws: states (a, b), transitions on a draw, and the mean a / (a + b).

    The prior is Beta(successes, failures); after `pulls` draws the belief is frozen. (pulls + 1)(pulls + 2) / 2 states.

    >>> states, kernel, mean = beta_bernoulli(2)
    >>> assert len(states) == 6 and mean[0] == Fraction(1, 2) and kernel[0][1] == Fraction(1, 2)
    """
    if pulls < 0 or successes < 1 or failures < 1:
        raise fail("pulls", "at least 0 draws and a prior with positive whole parameters", pulls)
    pairs = [(successes + d - k, failures + k) for d in range(pulls + 1) for k in range(d + 1)]
    at = {pair: k for k, pair in enumerate(pairs)}
    kernel: list[list[Any]] = [[Fraction(0)] * len(pairs) for _ in pairs]
    for (a, b), k in at.items():
        if (a + 1, b) in at:
            kernel[k][at[a + 1, b]] += Fraction(a, a + b)
            kernel[k][at[a, b + 1]] += Fraction(b, a + b)
        else:
            kernel[k][k] = Fraction(1)
    return [f"{a}:{b}" for a, b in pairs], kernel, [Fraction(a, a + b) for a, b in pairs]


def sponsored_search(discount: Any, advertisers: int, pulls: int, initial: Any = None) -> VirtualPivot:
    """One slot on a page per period; an advertiser's profit per conversion is s_0, her rate of conversion is learned.

    >>> assert sponsored_search("9/10", 2, 3).environment.joint_states == 100
    """
    states, kernel, mean = beta_bernoulli(pulls)
    table = [[plain(x) for x in row] for row in kernel]
    arm = {"kernel": table, "value": [plain(x) for x in mean], "states": states, "initial": initial or UNIFORM}
    return bandit(discount, [arm] * advertisers)


def supply_chain(
    discount: Any, demands: Sequence[Sequence[Any]], kernels: Sequence[Any], stock: int, production: Any,
    holding: Any = 0, initial: Any = None,
) -> VirtualPivot:  # fmt: skip
    """A manufacturer with a stock of at most `stock` units, and retailers with a margin s_0 and a demand that moves.

    In every period the manufacturer may produce a unit, at cost `production`, and ship a unit from stock to one of the
    retailers; a unit shipped is worth s_0 times her demand. `demands`: per retailer, by state. `kernels`: per retailer,
    (K, K), moving by itself. `holding`: the cost of a unit in stock at the beginning of a period.

    >>> model = supply_chain("9/10", [[1, 2]], [[["1/2", "1/2"]] * 2], stock=2, production="1/5")
    >>> assert model.environment.H == 3 and model.environment.A == 4
    """
    ships = [None, *range(len(demands))]
    actions = list(itertools.product((False, True), ships))
    names = [("produce" if makes else "rest") + ("" if to is None else f", ship to {to + 1}") for makes, to in actions]
    levels = range(stock + 1)
    move = [[level + makes - (to is not None) for level in levels] for makes, to in actions]
    feasible = [[(to is None or level > 0) and m <= stock for level, m in zip(levels, row, strict=True)]
                for (_, to), row in zip(actions, move, strict=True)]  # fmt: skip
    after = [[min(max(m, 0), stock) for m in row] for row in move]
    cost = [[plain(exact(production) * makes + exact(holding) * level) for level in levels] for makes, _ in actions]
    agents = [
        {"initial": initial or UNIFORM, "states": len(demand), "kernels": kernel,
         "value": {name: list(demand) for name, (_, to) in zip(names, actions, strict=True) if to == i}}
        for i, (demand, kernel) in enumerate(zip(demands, kernels, strict=True))
    ]  # fmt: skip
    public = {"states": [f"{level} in stock" for level in levels], "next": after, "feasible": feasible}
    return _made(discount=discount, actions=names, cost=cost, public=public, agents=agents)


def autoregressive(
    discount: Any, agents: int, coefficients: Sequence[Any], shocks: Sequence[Any], horizon: int,
    probabilities: Sequence[Any] | None = None, persistence: Any = 1, initial: Any = None,
) -> VirtualPivot:  # fmt: skip
    """One item per period; values s_0 g^t + e_t, where e_t = c_1 e_{t-1} + ... + c_k e_{t-k} + shock: an AR(k) process.

    Additive, over a finite horizon, so that e_t takes finitely many values: the state is the last k of them. `shocks`
    and their `probabilities`: (J,), money. `persistence`: g, how much of the initial signal is left per period.

    >>> model = autoregressive(1 - 0.1, 2, ["1/2"], [-1, 1], horizon=3)
    >>> assert model.environment.n == 2 and model.environment.data[0].additive
    """
    chances = [Fraction(1, len(shocks))] * len(shocks) if probabilities is None else [exact(p) for p in probabilities]
    c, jumps = [exact(x) for x in coefficients], [exact(x) for x in shocks]
    none = (Fraction(0),) * max(len(c), 1)
    first = {(x, *none[:-1]): p for x, p in zip(jumps, chances, strict=True)}
    known, layer = dict.fromkeys(first), list(first)
    moves: dict[Any, dict[Any, Fraction]] = {}
    for _ in range(horizon - 1):
        later: dict[Any, None] = {}
        for state in layer:
            drift = sum((a * e for a, e in zip(c, state, strict=False)), Fraction(0))
            moves[state] = {}
            for x, p in zip(jumps, chances, strict=True):
                to = (drift + x, *state[: max(len(c), 1) - 1])
                moves[state][to] = moves[state].get(to, Fraction(0)) + p
                later[to] = None
        known |= later
        layer = list(later)
    states = list(known)
    at = {state: k for k, state in enumerate(states)}
    kernel = [[plain(moves.get(s, {s: Fraction(1)}).get(to, Fraction(0))) for to in states] for s in states]
    clock = [f"period {t}" for t in range(1, horizon + 1)]
    names = [f"serve {i + 1}" for i in range(agents)]
    fade = [plain(exact(persistence) ** t) for t in range(1, horizon + 1)]
    made = [
        {"initial": initial or UNIFORM, "separation": "additive", "states": len(states),
         "start": [plain(first.get(s, Fraction(0))) for s in at], "kernels": kernel,
         "value": {name: [plain(s[0]) for s in states]}, "exposure": {name: fade}}
        for name in names
    ]  # fmt: skip
    after = [[min(t + 1, horizon - 1) for t in range(horizon)]] * (agents + 1)
    return _made(discount=discount, horizon=horizon, actions=["nobody", *names], agents=made,
                        public={"states": clock, "next": after})  # fmt: skip
