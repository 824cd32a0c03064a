"""The saddle point of the minimax-regret auction in closed form: auction (3.2), (3.3) and nature's distribution (3.6).

For anonymous bidders on the continuum box [0, upper], with the corrections of docs/regret-auction.md. Nothing that
computes a value or a bound imports this file; tests and pictures compare with it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mechopt.models.outcome import Array
from mechopt.models.regret import regret_theory


def optimal_auction(values: Array, upper: Array) -> tuple[Array, Array]:
    """The optimal auction (3.2): allocation (..., I, J) and payment (..., I) at values (..., I, J), money.

    The first of the highest bidders for a good gets it with chance 1 + log(v / upper) if v is at least upper / e, and
    pays v - upper / e, or v + s log(s / upper) where the second highest value s is at least upper / e. `upper` (J,).

    >>> q, m = optimal_auction(np.array([[0.9], [0.6]]), np.array([1.0]))
    >>> assert q[1, 0] == m[1] == 0 and abs(m[0] - (0.9 + 0.6 * math.log(0.6))) < 1e-15
    """
    share = values / upper
    first, second = _two_highest(share)
    sold = first >= 1 / math.e
    chance = np.where(sold, 1 + np.log(np.where(sold, first, 1.0)), 0.0)
    rival = np.maximum(second, 1 / math.e)
    paid = np.where(sold, upper * (first + rival * np.log(rival)), 0.0)
    wins = _winner(share)
    return np.where(wins, chance[..., None, :], 0.0), np.where(wins, paid[..., None, :], 0.0).sum(axis=-1)


def auction_with_reserves(values: Array, reserves: Array) -> tuple[Array, Array]:
    """Second price auctions (3.3): allocation (..., I, J) and payment (..., I) at reserve prices (..., J), money.

    >>> q, m = auction_with_reserves(np.array([[0.9], [0.6]]), np.array([0.7]))
    >>> assert q.ravel().tolist() == [1, 0] and m.tolist() == [0.7, 0]
    """
    first, second = _two_highest(values)
    wins = _winner(values) & (first >= reserves)[..., None, :]
    paid = np.where(wins, np.maximum(second, reserves)[..., None, :], 0.0)
    return wins.astype(float), paid.sum(axis=-1)


def reserve_cdf(prices: Array, upper: float) -> Array:
    """P(reserve <= x) = 1 + log(x / upper) from upper / e on, at prices (...), money.

    >>> assert reserve_cdf(np.array([0.3, 1.0]), 1.0).tolist() == [0.0, 1.0]
    """
    live = prices >= upper / math.e
    return np.where(live, np.minimum(1.0, 1 + np.log(np.where(live, prices / upper, 1.0))), 0.0)


def reserve_quantile(chance: Array, upper: float) -> Array:
    """The reserve price at a cumulative probability, upper e^(chance - 1), money.

    >>> assert reserve_quantile(np.array([1.0]), 2.0).tolist() == [2.0]
    """
    return np.asarray(upper * np.exp(chance - 1))


def nature_cdf(values: Array, upper: Array) -> Array:
    """Nature's distribution (3.6), P(v~ <= v) at values (..., I, J): one bidder, drawn at random, is worth selling to.

    Her values for all goods move together by (3.5), all other bidders' values are zero. `upper` (J,), money.

    >>> assert nature_cdf(np.array([[0.5], [0.0]]), np.array([1.0])) == (1 - 2 / math.e) / 2
    """
    return np.asarray(regret_theory.nature_cdf(values, upper, np.zeros_like(upper)).mean(axis=-1))


def nature_draw(tail: Array, bidder: Array, bidders: int, upper: Array) -> Array:
    """Profiles (..., I, J) nature draws: `bidder` (...) holds upper times the margin that a share `tail` (...) exceeds.

    With tail uniform on (0, 1] and bidder uniform they follow (3.6).

    >>> assert nature_draw(np.array(0.5), np.array(1), 2, np.array([1.0])).tolist() == [[0.0], [2 / math.e]]
    """
    margin = np.minimum(1.0, 1 / (math.e * tail))
    here = np.arange(bidders) == np.expand_dims(bidder, -1)
    return np.where(here, np.expand_dims(margin, -1), 0.0)[..., None] * upper


def _two_highest(values: Array) -> tuple[Array, Array]:
    """The highest and the second highest over bidders, (..., J) each; zero where there is no second."""
    ordered = np.sort(values, axis=-2)
    second = ordered[..., -2, :] if values.shape[-2] > 1 else np.zeros_like(ordered[..., -1, :])
    return ordered[..., -1, :], second


def _winner(values: Array) -> NDArray[np.bool_]:
    """Whether a bidder is the first of the highest for a good, (..., I, J)."""
    return np.asarray(np.arange(values.shape[-2])[:, None] == values.argmax(axis=-2)[..., None, :])
