"""The optimal auction as tables over profiles, and as a function of any values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.models.auctions.myerson_auction import Indices, MyersonAuction
from mechopt.models.inputs import plain
from mechopt.models.outcome import Array


@dataclass(frozen=True)
class ThresholdAuction:
    """The good goes to the bidder of the highest rank that is not negative, the first among equals.

    She pays the lowest of her listed values that would still have won. A value between two listed ones counts as the
    lower one, and a value below all of them never wins: truthful and individually rational at any values whatever.
    `values` and `ranks`: per bidder, (K_i,), ranks nondecreasing, -1 where she never wins.

    >>> auction = ThresholdAuction((np.array([1.0, 2.0]),) * 2, (np.array([-1, 0]),) * 2)
    >>> allocation, payment = auction(np.array([[2.5, 3.0], [1.9, 2.0], [0.0, 1.0]]))
    >>> assert allocation.tolist() == [[1, 0], [0, 1], [0, 0]] and payment.tolist() == [[2, 0], [0, 2], [0, 0]]
    """

    values: tuple[Array, ...]
    ranks: tuple[Indices, ...]

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation and payment, (..., I) each, at values (..., I)."""
        values = np.asarray(values, dtype=float)
        if values.shape[-1:] != (len(self.values),):
            raise ValueError(f"expected one value per bidder, (..., {len(self.values)}), got the shape {values.shape}")
        types = np.stack(
            [np.searchsorted(v, values[..., i], side="right") - 1 for i, v in enumerate(self.values)], axis=-1
        )
        wins, price = self.at_types(types)
        paid = np.stack([v[price[..., i]] for i, v in enumerate(self.values)], axis=-1)
        return wins.astype(float), np.where(wins, paid, 0.0)

    def at_types(self, types: Indices) -> tuple[Any, Indices]:
        """Who wins, and at which of her types a bidder would just win, (..., I) each, at types (..., I).

        A type of -1 stands for a value below all listed ones.
        """
        rank = np.stack([np.append(r, -1)[types[..., i]] for i, r in enumerate(self.ranks)], axis=-1)
        wins, price = np.zeros(rank.shape, dtype=bool), np.zeros(rank.shape, dtype=np.int64)
        for i, own in enumerate(self.ranks):
            before, after = rank[..., :i].max(axis=-1, initial=-1) + 1, rank[..., i + 1 :].max(axis=-1, initial=0)
            need = np.maximum(before, after)  # the lowest rank that wins
            wins[..., i] = rank[..., i] >= need
            price[..., i] = np.minimum(np.searchsorted(own, need, side="left"), len(own) - 1)
        return wins, price


def auction_of(model: MyersonAuction) -> ThresholdAuction:
    """The optimal auction of a model.

    >>> model = MyersonAuction(bidders=[{"family": "uniform", "support": [0, 1], "points": 5}] * 2)
    >>> allocation, payment = auction_of(model)(np.array([0.8, 0.3]))
    >>> assert allocation.tolist() == [1, 0] and payment.tolist() == [0.5, 0]
    """
    return ThresholdAuction(tuple(prior.v for prior in model.bidders), tuple(model.ranks))


def mechanism_file(model: MyersonAuction) -> dict[str, Any]:
    """The optimal auction as `mechopt audit` reads it: types, allocation, payment and the prior, exactly.

    >>> model = MyersonAuction(bidders=[{"values": [1, 2], "probabilities": ["1/2", "1/2"]}])
    >>> assert mechanism_file(model)["allocation"] == [[1, 1]] and mechanism_file(model)["payment"] == [[1, 1]]
    """
    wins, price = auction_of(model).at_types(model.types)
    allocation: list[Any] = []
    payment: list[Any] = []
    for i, prior in enumerate(model.bidders):
        names = [plain(x) for x in prior.values]
        paid = [names[k] if won else 0 for won, k in zip(wins[:, i], price[:, i], strict=True)]
        allocation.append(nested(wins[:, i].astype(int).tolist(), model.shape))
        payment.append(nested(paid, model.shape))
    types = [[plain(x) for x in prior.values] for prior in model.bidders]
    chances = [[plain(x) for x in prior.probabilities] for prior in model.bidders]
    return {"types": types, "allocation": allocation, "payment": payment, "prior": {"marginals": chances}}


def nested(flat: Sequence[Any], shape: Sequence[int]) -> Any:
    """A flat list, the last index moving fastest, as lists within lists of the given shape.

    >>> assert nested([1, 2, 3, 4, 5, 6], [2, 3]) == [[1, 2, 3], [4, 5, 6]]
    """
    found = list(flat)
    for size in reversed(shape[1:]):
        found = [found[k : k + size] for k in range(0, len(found), size)]
    return found


def tables(model: MyersonAuction) -> Mapping[str, list[list[str]]]:
    """Allocation and payment of every bidder in every profile, (I, P) each, as a certificate holds them."""
    wins, price = auction_of(model).at_types(model.types)
    payment = []
    for i, prior in enumerate(model.bidders):
        names = [str(x) for x in prior.values]
        payment.append([names[k] if won else "0" for won, k in zip(wins[:, i], price[:, i], strict=True)])
    return {"allocation": [[str(int(won)) for won in row] for row in wins.T], "payment": payment}
