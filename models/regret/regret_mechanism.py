"""Mechanisms for one buyer as functions of her values, anywhere on the continuum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mechopt.models.outcome import Array, Labelled

if TYPE_CHECKING:
    from mechopt.models.regret.regret_pricing import RegretPricing


@dataclass(frozen=True)
class MenuMechanism:
    """The buyer picks what she likes best from a menu, or nothing; near-ties (1e-12) go to the seller's profit.

    `allocation` (K, J) and `payment` (K,), money, are the menu; `cost` (J,) decides ties.

    >>> menu = MenuMechanism(np.array([[1.0]]), np.array([0.5]), np.array([0.0]))
    >>> q, m = menu(np.array([[0.4], [0.5]]))
    >>> assert q.tolist() == [[0.0], [1.0]] and m.tolist() == [0.0, 0.5]
    """

    allocation: Array
    payment: Array
    cost: Array

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., J) and payment (...) at values (..., J)."""
        values = np.asarray(values, dtype=float)
        flat = values.reshape(-1, self.allocation.shape[1])
        Q = np.vstack([np.zeros_like(self.allocation[:1]), self.allocation])
        M = np.concatenate([[0.0], self.payment])
        utility = flat @ Q.T - M
        close = utility >= utility.max(axis=1, keepdims=True) - 1e-12 * (1 + np.abs(M).max())
        pick = np.where(close, M - Q @ self.cost, -np.inf).argmax(axis=1)
        return Q[pick].reshape(values.shape), M[pick].reshape(values.shape[:-1])


@dataclass(frozen=True)
class SeparableMechanism:
    """Goods sold apart, each by an allocation that is piecewise linear in its value; payments by the envelope theorem.

    Per good: increasing values (n + 1,) and allocations there (n + 1,); None for a good that is never sold. Values
    below the first node buy nothing, values above the last are treated as the last.
    """

    curves: tuple[tuple[Array, Array] | None, ...]

    @classmethod
    def from_curves(cls, curves: Sequence[Labelled | None], model: RegretPricing) -> SeparableMechanism:
        """From curves over s = margin / largest margin, put back into the instance's money."""
        made: list[tuple[Array, Array] | None] = []
        for j, curve in enumerate(curves):
            if curve is None:
                made.append(None)
                continue
            cost, most = float(model.cost[j]), float(model.upper[j] - model.cost[j])
            nodes = next(iter(curve.coords.values()))
            made.append((cost + most * np.asarray(nodes), curve.values))
        return cls(tuple(made))

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., J) and payment (...) at values (..., J)."""
        values = np.asarray(values, dtype=float)
        q = np.zeros(values.shape)
        m = np.zeros(values.shape[:-1])
        for j, curve in enumerate(self.curves):
            if curve is None:
                continue
            nodes, heights = curve
            x = np.minimum(values[..., j], nodes[-1])
            inside = x >= nodes[0]
            k = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, len(nodes) - 2)
            before = np.concatenate([[0.0], np.cumsum(np.diff(nodes) * (heights[:-1] + heights[1:]) / 2)])
            height = np.interp(x, nodes, heights)
            utility = before[k] + (x - nodes[k]) * (heights[k] + height) / 2
            q[..., j] = np.where(inside, height, 0.0)
            m += np.where(inside, height * x - utility, 0.0)
        return q, m
