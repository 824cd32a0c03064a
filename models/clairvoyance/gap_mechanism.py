"""What a seller does who does not know the future: a mixture of posted prices, or tables over all histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mechopt.models.clairvoyance.scenarios import Tree
from mechopt.models.outcome import Array, Labelled


@dataclass(frozen=True)
class PostedMixture:
    """Draws `prices[k]`, money, with probability `chances[k]`, (N,) each, for a buyer who values the good as much.

    >>> mixture = PostedMixture(np.array([1.0, 3.0]), np.array([0.25, 0.75]))
    >>> allocation, payment = mixture([0.5, 1, 4])
    >>> assert allocation.tolist() == [0, 0.25, 1] and payment.tolist() == [0, 0.25, 2.5]
    """

    prices: Array
    chances: Array

    def __call__(self, values: Array | Sequence[float]) -> tuple[Array, Array]:
        """Chance of the good and expected payment, (...,) each, at values (...,), money, of the first period."""
        sold = np.asarray(values, dtype=float)[..., None] >= self.prices
        return sold @ self.chances, sold @ (self.chances * self.prices)


@dataclass(frozen=True)
class TreeMechanism:
    """Per node of the tree and history (the last value moving fastest): `allocation` and `payment`, (H,), money."""

    tree: Tree
    allocation: tuple[Array, ...]
    payment: tuple[Array, ...]

    def at(self, future: int, values: Sequence[float]) -> tuple[float, float]:
        """Chance of the good and payment in the period after len(values) - 1 others, when the values so far are these.

        `future` counts from zero; only its first len(values) periods matter. Raises ValueError for a value that is
        not listed.
        """
        node = self.tree.futures[future][len(values) - 1]
        h = 0
        for value, prior in zip(values, self.tree.nodes[node], strict=True):
            k = int(np.abs(prior.v - value).argmin())
            if abs(prior.v[k] - value) > 1e-9 * max(1.0, abs(value)):
                raise ValueError(f"expected one of the values {prior.v.tolist()}, got {value}")
            h = h * len(prior) + k
        return float(self.allocation[node][h]), float(self.payment[node][h])

    def revenue(self, future: int) -> float:
        """Expected revenue in a future, money, every buyer telling the truth."""
        total = 0.0
        chance = np.ones(1)
        for node in self.tree.futures[future]:
            chance = np.multiply.outer(chance, self.tree.nodes[node][-1].f).ravel()
            total += float(chance @ self.payment[node])
        return total


def posted(arrays: Mapping[str, Labelled]) -> PostedMixture:
    """The mixture of a result's arrays."""
    return PostedMixture(arrays["mixture_price"].values, arrays["mixture_chance"].values)


def over_tree(tree: Tree, arrays: Mapping[str, Labelled]) -> TreeMechanism:
    """The mechanism of a result's arrays."""
    tables = [
        tuple(arrays[f"{name}_{n + 1}"].values for n in range(len(tree.nodes))) for name in ("allocation", "payment")
    ]
    return TreeMechanism(tree, tables[0], tables[1])
