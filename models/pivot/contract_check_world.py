"""An `optimal-contract` instance as its checker reads it: exact flows, moves and laws, straight from the fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mechopt.models.checking import ZERO, number
from mechopt.solvers.rational import Rational

Moves = list[tuple[int, Rational]]


@dataclass(frozen=True)
class World:
    """The instance: per feasible action and state the flow's parts (C, D - cost) and where it leads; the first law."""

    delta: Rational
    periods: int | None
    options: list[dict[int, tuple[Rational, Rational, Moves]]]
    start: list[tuple[int, Rational]]
    additive: bool
    spared: bool


def read_world(parameters: Mapping[str, Any], agent: Mapping[str, Any]) -> World:
    """The world of an instance's parameters. Raises ValueError for what is no decision process."""
    actions, K = parameters["actions"], len(agent["states"])
    public = parameters.get("public") or {"states": [""], "start": 0, "next": [[0]] * len(actions)}
    H = len(public["states"])
    feasible = public.get("feasible") or [[True] * H] * len(actions)
    additive = agent["separation"] == "additive"
    delta = number(parameters["discount"])
    options: list[dict[int, tuple[Rational, Rational, Moves]]] = []
    free: list[list[set[tuple[int, Rational]]]] = [[set(), set()] for _ in range(H)]
    for h in range(H):
        for k in range(K):
            row = {}
            for a in range(len(actions)):
                if not feasible[a][h]:
                    continue
                value = number(_at(agent["value"][a], h, 1)[k])
                cost = number(_at(parameters["cost"][a], h, 0))
                C = number(_at(agent["exposure"][a], h, 0)) if additive else value
                if C < 0:
                    raise ValueError("what the initial signal multiplies must be nonnegative")
                law = [number(p) for p in _at(agent["kernels"][a], h, 2)[k]]
                to = int(public["next"][a][h])
                if min(law) < 0 or sum(law, ZERO) != 1 or not 0 <= to < H:
                    raise ValueError("kernels must be stochastic, public states exist")
                row[a] = (C, (value if additive else ZERO) - cost, [(to * K + j, p) for j, p in enumerate(law) if p])
            if not row:
                raise ValueError("a state without a feasible action")
            options.append(row)
        for a in range(len(actions)):
            if feasible[a][h]:
                rows = [options[h * K + k][a] for k in range(K)]
                move = int(public["next"][a][h]), number(_at(parameters["cost"][a], h, 0))
                quiet = all(C == 0 and rest == -move[1] for C, rest, _ in rows)
                free[h][0].add(move)
                if quiet:
                    free[h][1].add(move)
    spared = all(any(b[0] == a[0] and b[1] <= a[1] for b in quiet) for every, quiet in free for a in every)
    first = [(int(public["start"]) * K + k, number(p)) for k, p in enumerate(agent["start"])]
    if not 0 <= delta < 1 or min(p for _, p in first) < 0 or sum((p for _, p in first), ZERO) != 1:
        raise ValueError("a discount in [0, 1) and a law of the first state")
    return World(delta, parameters.get("horizon"), options, first, additive, spared)


def _at(table: Any, h: int, depth: int) -> Any:
    """One action's table at a public state, the axis of public states being there or not."""
    inner, levels = table, 0
    while isinstance(inner, list):
        inner, levels = inner[0], levels + 1
    return table[h] if levels > depth else table
