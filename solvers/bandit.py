"""Several arms, one pull per period: worths of the whole bandit from tables of single arms, without joint states.

Pull the arm whose index is highest and positive, else none. With d_i(m) = E[delta^tau_i], where tau_i counts arm i's
own pulls until its index is at most m, the discounted rewards from states chosen independently sum to

    W = 1 / (1 - delta) * integral over m > 0 of (1 - d_1(m) d_2(m) ... d_n(m)) dm,

without arm i its factor is left out, and arm i's part of the sum is the integral of m against d_i's falls, times the
other factors. All d_i are step functions, so each integral is a finite sum, and one sort serves all states.

Source: P. Whittle, Multi-armed bandits and the Gittins index (1980).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
TINY = 1e-150  # below, a factor counts as zero


class Bandit:
    """n arms by the levels at which their step functions fall, (n, L), each row falling; -inf fills short rows.

    >>> bandit = Bandit(np.array([[4.0, 2.0], [3.0, -np.inf]]), 0.5)
    >>> worth = bandit.at(np.array([[1.0, 0.5, 0.0], [1.0, 0.0, 0.0]]))  # 4, then 2 for ever; 3 for ever
    >>> assert np.allclose([worth.total, *worth.added, *worth.parts], [7, 1, 1, 4, 3])
    """

    def __init__(self, levels: Array, discount: float) -> None:
        n, L = levels.shape
        self.discount, self.shape = discount, (n, L)
        flat = levels.ravel()
        kept = np.flatnonzero(flat > 0)
        self.where = kept[np.argsort(-flat[kept], kind="stable")]  # falls by falling level, the first arm first
        self.level = flat[self.where]  # (N,)
        self.width = self.level - np.append(self.level[1:], 0.0)[: len(self.level)]
        self.arm, self.step = np.divmod(self.where, L)
        place = np.full(n * L, len(kept), dtype=np.int64)
        place[self.where] = np.arange(len(kept))
        self.place = np.hstack([place.reshape(n, L), np.full((n, 1), len(kept))])  # (n, L + 1)

    def at(self, stay: Array) -> Worth:
        """The worth of the bandit where the step functions' heights are `stay`, (n, L + 1): one before all falls."""
        return Worth(self, stay)


@dataclass(frozen=True, eq=False)
class Worth:
    """The bandit at given states, or at laws of states; all worths discounted to the first pull."""

    bandit: Bandit
    stay: Array

    @cached_property
    def _falls(self) -> tuple[Array, Array]:
        b = self.bandit
        return self.stay[b.arm, b.step], self.stay[b.arm, b.step + 1]

    @cached_property
    def _product(self) -> tuple[Array, NDArray[np.int64]]:
        """After each fall: the logarithm of the factors that are not zero, and how many are zero, (N,) each."""
        before, after = self._falls
        logs = [np.log(np.where(x > TINY, x, 1.0)) for x in (before, after)]
        zeros = (after <= TINY).astype(np.int64) - (before <= TINY)
        return np.cumsum(logs[1] - logs[0]), np.cumsum(zeros)

    @property
    def _per(self) -> float:
        return 1.0 / (1.0 - self.bandit.discount)

    @cached_property
    def total(self) -> float:
        """W, the discounted rewards of all arms."""
        log, zeros = self._product
        return float(self._per * (np.where(zeros == 0, -np.expm1(log), 1.0) @ self.bandit.width))

    @cached_property
    def added(self) -> Array:
        """W - W_-i: by how much each arm raises the total, (n,)."""
        b = self.bandit
        log, zeros = self._product
        sums = []
        for count in (0, 1):  # integrals of the product, and of the product without its only zero, from below
            mass = np.where(zeros == count, np.exp(log), 0.0) * b.width
            sums.append(np.append(np.cumsum(mass[::-1])[::-1], 0.0))
        whole, bare = (s[b.place[:, :-1]] - s[b.place[:, 1:]] for s in sums)  # over each arm's own pieces, (n, L)
        d = self.stay[:, 1:]
        zero = d <= TINY
        return np.asarray(self._per * np.where(zero, bare, whole / np.where(zero, 1.0, d) * (1.0 - d)).sum(axis=1))

    @cached_property
    def _drops(self) -> Array:
        """By how much each fall lowers the product, (N,)."""
        before, after = self._falls
        log, zeros = self._product
        earlier = np.where(np.append(0, zeros[:-1]) == 0, np.exp(np.append(0.0, log[:-1])), 0.0)[: len(log)]
        return np.asarray(earlier * np.where(before > TINY, (before - after) / np.where(before > TINY, before, 1.0), 0))

    @cached_property
    def parts(self) -> Array:
        """Each arm's own discounted rewards when the highest index is pulled, the first arm among equals, (n,)."""
        b = self.bandit
        return np.asarray(self._per * np.bincount(b.arm, b.level * self._drops, b.shape[0]))

    @cached_property
    def pulls(self) -> Array:
        """Each arm's discounted number of pulls, (n,)."""
        b = self.bandit
        return np.asarray(self._per * np.bincount(b.arm, self._drops, b.shape[0]))

    def others(self, arm: int) -> tuple[Array, Array]:
        """The product without one arm: its falls' levels, (N',); its heights above all and after each, (N' + 1,)."""
        b = self.bandit
        kept = b.arm != arm
        before, after = (x[kept] for x in self._falls)
        zeros = np.cumsum((after <= TINY).astype(np.int64) - (before <= TINY))
        log = np.cumsum(np.log(np.where(after > TINY, after, 1.0)) - np.log(np.where(before > TINY, before, 1.0)))
        return b.level[kept], np.append(1.0, np.where(zeros == 0, np.exp(log), 0.0))


def stacked(rows: list[Array], fill: float | None = None) -> Array:
    """Rows of different lengths as one array, short ones filled up with `fill`, or with their last entry.

    >>> assert stacked([np.ones(1), np.array([1.0, 2.0])]).tolist() == [[1, 1], [1, 2]]
    """
    longest = max(len(row) for row in rows)
    return np.stack([np.append(r, np.full(longest - len(r), r[-1] if fill is None else fill)) for r in rows])
