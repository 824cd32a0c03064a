"""Auctions of one good as functions of all bidders' values, anywhere in [0, 1]^I."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mechopt.models.outcome import Array


@dataclass(frozen=True)
class SecondPrice:
    """Second price auction with a reserve, money; the first of the highest bidders wins ties.

    >>> q, m = SecondPrice(0.5)(np.array([[0.7, 0.6], [0.2, 0.5], [0.4, 0.4]]))
    >>> assert q.tolist() == [[1, 0], [0, 1], [0, 0]] and m.tolist() == [[0.6, 0], [0, 0.5], [0, 0]]
    """

    reserve: float

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I) and payment (..., I) at values (..., I)."""
        values = np.asarray(values, dtype=float)
        winner = np.expand_dims(values.argmax(axis=-1), -1)
        here = np.arange(values.shape[-1]) == winner
        second = np.where(here, self.reserve, values).max(axis=-1, keepdims=True)
        sold = here & (values >= self.reserve)
        return np.where(sold, 1.0, 0.0), np.where(sold, np.maximum(second, self.reserve), 0.0)


@dataclass(frozen=True)
class RoundedUp:
    """A table of chances on the grid 0, 1/n, ..., 1, reports rounded up; the right rule's mechanism.

    `chances` (n + 1, n + 1) by own cell and cell of the highest other value; one column for a single bidder. In a
    `lottery` only the highest bidder, the first on ties, may win, and entering costs the second highest value.

    >>> rule = RoundedUp(np.array([[0.0, 0.0], [1.0, 0.5]]), lottery=True)
    >>> q, m = rule(np.array([0.75, 0.5]))
    >>> assert q.tolist() == [0.5, 0] and m.tolist() == [0.25, 0]
    """

    chances: Array
    lottery: bool

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I) and payment (..., I) at values (..., I)."""
        values = np.asarray(values, dtype=float)
        n, bidders = len(self.chances) - 1, values.shape[-1]
        others = np.stack([np.delete(values, i, axis=-1).max(axis=-1, initial=0.0) for i in range(bidders)], axis=-1)
        own, column = (np.minimum(np.ceil(x * n - 1e-9).astype(int), n) for x in (values, others))
        column = np.minimum(column, self.chances.shape[1] - 1)
        gained = np.diff(self.chances, axis=0, prepend=0.0)
        price = np.maximum(np.arange(n + 1) - 1, 0) / n
        diagonal = np.arange(n + 1)[:, None] == np.arange(self.chances.shape[1])
        entry = diagonal & self.lottery & (bidders > 1)
        paid = np.cumsum(np.where(entry, 0.0, gained * price[:, None]), axis=0)[own, column]
        chance = self.chances[own, column]
        if self.lottery:
            winner = np.arange(bidders) == np.expand_dims(values.argmax(axis=-1), -1)
            paid = paid + (others * self.chances[column, column] if bidders > 1 else 0.0)
            chance, paid = np.where(winner, chance, 0.0), np.where(winner, paid, 0.0)
        return chance, paid
