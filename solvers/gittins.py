"""Gittins indices of finite arms, and how long each arm stays above a level: all of them in one elimination.

An arm has states x, a transition matrix P, rewards r, and moves only when it is pulled. Its index at x is the largest
average reward a stopping time can reach,

    G(x) = max over tau >= 1 of  E_x[sum_{t < tau} delta^t r(x_t)] / E_x[sum_{t < tau} delta^t].

The algorithm of largest remaining indices eliminates states in the order of falling index. With C eliminated, the row
of x holds the discounted law of the first state outside of C, the reward collected on the way, and the chance e(x) of
being killed on the way, which happens with probability 1 - delta per pull; e(x) / (1 - delta) is then the discounted
time. Every division is by one minus the chance of staying, computed as a sum of nonnegative terms, so that no
digits cancel.

Sources: P. Varaiya, J. Walrand, C. Buyukkoc, Extensions of the multiarmed bandit problem (1985); for the elimination
W. Grassmann, M. Taksar, D. Heyman (1985) and I. Sonin (2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class IndexTables:
    """What the elimination knows of n arms with L states each.

    `indices`: G(x), (n, L). `order`: the states by falling index, (n, L). `levels`: the indices in that order, (n, L).
    `stay`: E_x[delta^tau], (n, L, L + 1), where tau is the first time the arm is outside of the first j states of the
    order: in column j, the first time its index is at most a level between levels[j - 1] and levels[j].
    """

    indices: Array
    order: Indices
    levels: Array
    stay: Array


def index_tables(transition: Array, reward: Array, discount: float) -> IndexTables:
    """Indices and discounted exits of n arms at once, from transitions (n, L, L) and rewards (n, L).

    Time grows with n L^3. Raises ValueError for shapes that do not fit or a discount outside of [0, 1).

    >>> table = index_tables(np.array([[[0.0, 1.0], [0.0, 1.0]]]), np.array([[1.0, 4.0]]), 0.5)
    >>> assert table.indices.tolist() == [[2.5, 4.0]] and table.order.tolist() == [[1, 0]]
    >>> assert table.stay[0].tolist() == [[1, 1, 0], [1, 0, 0]]
    """
    if reward.ndim != 2 or transition.shape != (*reward.shape, reward.shape[-1]):
        raise ValueError(f"expected (n, L, L) and (n, L), got {transition.shape} and {reward.shape}")
    if not 0 <= discount < 1:
        raise ValueError(f"expected a discount from 0 to below 1, got {discount}")
    n, L = reward.shape
    arms = np.arange(n)  # the last axis throughout: every step works on long contiguous rows
    law = discount * np.ascontiguousarray(transition.transpose(1, 2, 0))  # of the first state outside, (L, L, n)
    column = np.tile(np.arange(L)[:, None], (1, n))  # where a state's column is: those still to come move to the right
    holds = column.copy()
    collected = reward.T.astype(float, order="C")
    killed = np.full((L, n), 1.0 - discount)
    gone = np.zeros((L, n), dtype=bool)
    room = np.empty_like(law)  # fresh memory in every step would cost more than the sums
    order, levels, stay = np.empty((L, n), dtype=np.int64), np.empty((L, n)), np.ones((L + 1, L, n))
    for j in range(L):
        ratio = np.where(gone, -np.inf, collected / killed)
        best = ratio.argmax(axis=0)
        order[j], levels[j] = best, (1.0 - discount) * ratio[best, arms]
        gone[best, arms] = True
        place, first = column[best, arms], holds[j].copy()
        into = law[:, place, arms]  # chance of reaching the state eliminated now, (L, n)
        law[:, place, arms] = law[:, j]
        holds[place, arms], column[first, arms] = first, place
        into[best, arms] = 0.0
        left = law[:, j + 1 :]
        row = left[best, :, arms].T  # (L - j - 1, n)
        leave = row.sum(axis=0) + killed[best, arms]
        row = row / leave
        earned, lost = collected[best, arms] / leave, killed[best, arms] / leave
        left += np.multiply(into[:, None], row, out=room[:, j + 1 :])
        collected += into * earned
        killed += into * lost
        left[best, :, arms], collected[best, arms], killed[best, arms] = row.T, earned, lost
        np.copyto(stay[j + 1], left.sum(axis=1), where=gone)
    indices = np.empty((n, L))
    indices[arms, order] = levels
    of_each = np.ascontiguousarray(stay.transpose(2, 1, 0))
    return IndexTables(indices, np.ascontiguousarray(order.T), np.ascontiguousarray(levels.T), of_each)
