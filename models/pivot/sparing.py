"""Whether agents can be spared: served nothing, while everyone else is served as before."""

from __future__ import annotations

import numpy as np

from mechopt.models.pivot.environment import Environment


def harmless(env: Environment, agent: int) -> bool:
    """Whether every action has one beside it that does the same to all others, costs no more, and gives her 0.

    >>> agent = {"separation": "additive", "states": 1, "kernels": [[1]], "value": {"serve": [-1]}}
    >>> assert harmless(Environment(discount="1/2", actions=["wait", "serve"], agents=[agent]), 0)
    >>> assert not harmless(Environment(discount="1/2", actions=["serve"], agents=[agent]), 0)
    """
    for a, h in zip(*np.nonzero(env.feasible), strict=True):
        if not any(_spares(env, agent, int(a), b, int(h)) for b in np.flatnonzero(env.feasible[:, h]).tolist()):
            return False
    return True


def _spares(env: Environment, agent: int, a: int, b: int, h: int) -> bool:
    if env.next[a, h] != env.next[b, h] or env.cost_table[b, h] > env.cost_table[a, h]:
        return False
    for j, one in enumerate(env.data):
        at = [min(h, table.shape[1] - 1) for table in (one.P, one.C, one.D)]
        rows = [(table[min(a, len(table) - 1), k], table[min(b, len(table) - 1), k])
                for table, k in zip((one.P, one.C, one.D), at, strict=True)]  # fmt: skip
        if j == agent:
            if any(x != 0 for _, row in rows[1:] for x in row):
                return False
        elif any(not (first == second).all() for first, second in rows):
            return False
    return True
