"""W0 as a function of one agent's weight: convex and piecewise linear, its pieces found by intersecting lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mechopt.models.pivot.welfare import TIE, Market, Optimum


@dataclass(frozen=True)
class Piece:
    """An interval of one agent's weight on which one policy is optimal."""

    low: float
    high: float
    optimum: Optimum


def pieces(market: Market, weights: tuple[float, ...], agent: int, low: float, high: float) -> list[Piece]:
    """W0 as a function of one agent's weight on [low, high], the others' fixed: its linear pieces, left to right.

    Two lines that meet where the optimum lies on them leave no room for a third (W0 is convex), so each piece costs two
    solutions. Breakpoints are exact up to rounding.

    >>> from mechopt.models.pivot.environment import Environment
    >>> env = Environment(discount="1/2", actions=["wait", "serve"], agents=[{
    ...     "states": 2, "kernels": [["1/2", "1/2"]] * 2, "value": {"serve": [1, 4]}}], cost={"serve": 1})
    >>> found = pieces(Market(env), (0.0,), 0, 0.0, 2.0)
    >>> assert [round(p.high, 12) for p in found] == [0.25, 1.0, 2.0] and found[0].optimum.Q[0] == 0
    """

    def at(w: float) -> Optimum:
        return market.best((*weights[:agent], w, *weights[agent + 1 :]))

    if not low < high:
        return [Piece(low, high, at(high))]
    found = _between(at, agent, low, at(low), high, at(high), 0)
    merged = [found[0]]
    for piece in found[1:]:
        last = merged[-1]
        if _same(last.optimum, piece.optimum, agent):
            merged[-1] = Piece(last.low, piece.high, last.optimum)
        else:
            merged.append(piece)
    return merged


def _same(first: Optimum, second: Optimum, agent: int) -> bool:
    """Whether two optima lie on one line."""
    size = 1 + abs(first.value) + abs(second.value)
    gap = abs(first.at(agent, second.weights[agent]) - second.value) + abs(
        second.at(agent, first.weights[agent]) - first.value
    )
    slopes = abs(float(first.Q[agent] - second.Q[agent]))
    return gap <= TIE * size and slopes <= 1e-11 * (1 + abs(float(first.Q[agent])))


def _between(
    at: Callable[[float], Optimum], agent: int, low: float, left: Optimum, high: float, right: Optimum, depth: int
) -> list[Piece]:
    """Pieces of [low, high], given an optimum that holds at each end."""
    rise = float(right.Q[agent] - left.Q[agent])
    if _same(left, right, agent) or depth > 200:
        return [Piece(low, high, left)]
    anchor, size = left.weights[agent], 1 + abs(left.value) + abs(right.value)
    if rise <= 1e-14 * (1 + abs(float(left.Q[agent]))):
        return [Piece(low, high, right)]
    cross = anchor + (left.value - right.at(agent, anchor)) / rise
    if not low < cross < high:  # a kink within rounding of an end: one of the lines rules the whole interval
        return [Piece(low, high, right if cross <= low else left)]
    middle = at(cross)
    if middle.value <= left.at(agent, cross) + TIE * size:
        return [Piece(low, cross, left), Piece(cross, high, right)]
    return [
        *_between(at, agent, low, left, cross, middle, depth + 1),
        *_between(at, agent, cross, middle, high, right, depth + 1),
    ]
