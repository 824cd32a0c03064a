"""Tools of the exact checkers: numbers as files hold them, one-line verdicts, and all incentive rows at once.

Nothing here builds or solves; flint, NumPy and the rational tools are all it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flint
import numpy as np

from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, rational

ZERO = flint.fmpq(0)
BLOCK = 512


def number(value: Any) -> Rational:
    """A number of a file, exactly: floats mean their shortest decimal. Raises ValueError for anything else."""
    return rational(repr(value) if isinstance(value, float) else value)


def dot(a: Sequence[Rational], b: Sequence[Rational]) -> Rational:
    """Inner product."""
    return sum((x * y for x, y in zip(a, b, strict=True)), ZERO)


def at_most_zero(name: str, violation: Rational, where: str = "") -> Check:
    """A check that passes when the violation is not positive."""
    return Check(name, max(0.0, nearest(violation)), violation <= 0, where)


def largest_gain(
    types: Sequence[Sequence[Rational]],
    utility: Sequence[Rational],
    menu: Sequence[tuple[Sequence[Rational], Rational]],
) -> tuple[Rational, str]:
    """The most any type gains by taking another contract (q, m) of the menu than its own, and who does.

    Floats with a rigorous error bound pass over the pairs with room to spare; the rest are decided in rationals.
    """
    distinct = list({(tuple(q), m): k for k, (q, m) in reversed(list(enumerate(menu)))}.values())
    V = np.array([[nearest(x) for x in v] for v in types])
    Q = np.array([[nearest(x) for x in menu[k][0]] for k in distinct])
    M = np.array([nearest(menu[k][1]) for k in distinct])
    U = np.array([nearest(u) for u in utility])
    doubt = 16 * (V.shape[1] + 4) * 2.0**-53
    worst, where = ZERO, ""
    for start in range(0, len(types), BLOCK):
        rows = slice(start, start + BLOCK)
        gain = V[rows] @ Q.T - M - U[rows, None]
        size = np.abs(V[rows]) @ np.abs(Q.T) + np.abs(M) + np.abs(U[rows, None])
        for i, k in np.argwhere(gain > -doubt * size - 1e-300).tolist():
            v, (q, m) = start + i, menu[distinct[k]]
            exact = dot(q, types[v]) - m - utility[v]
            if exact > worst:
                worst, where = exact, f"type {v} takes contract {distinct[k]}"
    return worst, where
