"""Value iteration on joint state spaces of a million states: kernels are applied factor by factor.

A sweep costs S K per factor that moves instead of S^2, factors that stay put cost nothing, and actions that move the
state alike share the work. After each sweep the optimum is bracketed by the sweep's smallest and largest change:

    T v + delta / (1 - delta) min(T v - v)  <=  v*  <=  T v + delta / (1 - delta) max(T v - v).

Source: J. MacQueen, A modified dynamic programming method for Markovian decision problems (1966).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.solvers.decision import Array, Dynamics


@dataclass(frozen=True)
class Iterated:
    """Values with how far the optimum may be from them on either side, sweeps made, and whether the goal was met."""

    values: Array  # (H, K_1, ..., K_n), the middle of the bracket
    radius: float
    sweeps: int
    settled: bool


class Sweeper:
    """The Bellman operator of a stationary process on tensors (H, K_1, ..., K_n).

    `tables`: per factor its reward (A, H or 1, K_i); `common`: (A, H).
    """

    def __init__(self, dynamics: Dynamics, tables: list[Array], common: Array) -> None:
        self.dynamics, self.tables, self.common = dynamics, tables, common
        self._moving = [
            [[self._kernel(i, a, h) for i in range(len(dynamics.kernels))] for h in range(dynamics.H)]
            for a in range(dynamics.A)
        ]

    def _kernel(self, i: int, a: int, h: int) -> Any:
        """A factor's kernel, None where it stays put."""
        P = self.dynamics.kernels[i]
        one = P[a, min(h, P.shape[1] - 1)]
        return None if (one == np.eye(len(one))).all() else one

    def reward(self, a: int, h: int) -> Any:
        """The reward over all private states, broadcastable to (K_1, ..., K_n)."""
        total: Any = self.common[a, h]
        for i, flow in enumerate(self.tables):
            row = flow[a, min(h, flow.shape[1] - 1)]
            if row.any():
                ends = [1] * len(self.tables)
                ends[i] = len(row)
                total = total + row.reshape(ends)
        return total

    def future(self, values: Array, a: int, h: int) -> Array:
        """E v(next state), over all private states."""
        found = values[self.dynamics.next[a, h]]
        shape = found.shape
        for i, P in enumerate(self._moving[a][h]):
            if P is None:
                continue
            after = int(np.prod(shape[i + 1 :], dtype=np.int64))
            if after == 1:
                found = (found.reshape(-1, shape[i]) @ P.T).reshape(shape)
            else:
                found = np.matmul(P, found.reshape(-1, shape[i], after)).reshape(shape)
        return np.asarray(found)

    def __call__(self, values: Array) -> Array:
        """T v, (H, K_1, ..., K_n)."""
        found = np.empty_like(values)
        delta = self.dynamics.discount
        for h in range(self.dynamics.H):
            groups: dict[Any, list[int]] = {}
            for a in np.flatnonzero(self.dynamics.feasible[:, h]).tolist():
                key = (int(self.dynamics.next[a, h]), tuple(None if P is None else P.tobytes()
                                                            for P in self._moving[a][h]))  # fmt: skip
                groups.setdefault(key, []).append(a)
            best = None
            for alike in groups.values():
                future = self.future(values, alike[0], h)
                flow = self.reward(alike[0], h)
                for a in alike[1:]:
                    flow = np.maximum(flow, self.reward(a, h))
                total = delta * future
                total += flow
                best = total if best is None else np.maximum(best, total, out=best)
            found[h] = best
        return found


def value_iteration(
    dynamics: Dynamics,
    tables: list[Array],
    common: Array,
    tolerance: float = 1e-9,
    time_limit: float | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Iterated:
    """The optimal values of a stationary process within `tolerance`, in the reward's unit.

    Raises ValueError for a process with a horizon (use `solve`).

    >>> coin = Dynamics((np.full((2, 1, 2, 2), 0.5),), np.zeros((2, 1), int), np.ones((2, 1), bool), 0.5)
    >>> found = value_iteration(coin, [np.array([[[0.0, 0.0]], [[-1.0, 3.0]]])], np.zeros((2, 1)))
    >>> assert found.settled and abs(found.values - [[1.5, 4.5]]).max() <= found.radius + 1e-15
    """
    if dynamics.horizon is not None:
        raise ValueError("value iteration is for processes without a horizon")
    started, told = time.monotonic(), time.monotonic()
    sweep = Sweeper(dynamics, tables, common)
    values = np.zeros(dynamics.shape)
    ahead = dynamics.discount / (1 - dynamics.discount)
    sweeps = 0
    while True:
        found = sweep(values)
        change = found - values
        low, high = float(change.min()), float(change.max())
        sweeps += 1
        radius = ahead * (high - low) / 2
        now = time.monotonic()
        late = time_limit is not None and now - started > time_limit
        if radius <= tolerance or late:
            return Iterated(found + ahead * (low + high) / 2, radius, sweeps, radius <= tolerance)
        if now - told > 2:
            told = now
            progress(f"value iteration: {sweeps} sweeps, values within {radius:.2g}")
        values = found
