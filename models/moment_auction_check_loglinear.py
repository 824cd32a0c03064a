"""The checker of log-linear mechanisms for two bidders, on the continuum.

On the cell [x_k, x_{k+1}] of the own value and [x_l, x_{l+1}] of the opponent's y, the chance of the good is
p(x, y) = a_k(y) + b_k(y) log(x / x_k), a and b >= 0 linear in y. Between cells it jumps up by J_k(y) >= 0 at x_k, so
a_k = sum of the jumps so far + sum of b_i log(x_{i+1} / x_i). As x dp = b dx, the payment that makes truth best is

    sum over i <= k of x_i J_i(y) + sum over i < k of b_i(y) (x_{i+1} - x_i) + b_k(y) (x - x_k),

bilinear in (x, y) on the cell. So revenue less sigma (x + y) is least at a corner, and lambda is known exactly. One
good: log(x / x_k) exceeds its chord on the cell by at most d_k = log((q - 1) / L) - 1 + L / (q - 1), q = x_{k+1} / x_k,
L = log q, so p(x, y) + p(y, x) is at most its chords at the corners plus b d for both: checked, logarithms rounded up.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import flint

from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.models.moment_auction_check_price import Instance
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational

ROUND = flint.fmpz(2) ** 60
BITS = 256


def _above(ball: Any) -> Rational:
    """A multiple of 2^-60 that is at least every number of the ball."""
    return flint.fmpq((ball * flint.arb(ROUND)).upper().ceil().unique_fmpz(), ROUND)


def logarithms(nodes: list[Rational]) -> tuple[list[Rational], list[Rational]]:
    """Upper bounds of L_k and d_k for every cell; zero on the first, which begins at 0 and has b = 0.

    >>> L, d = logarithms([flint.fmpq(0), flint.fmpq(1, 2), flint.fmpq(1)])
    >>> assert 0 < float(L[1].p) / float(L[1].q) - 0.693147 < 1e-6 and d[0] == 0 and d[1] > 0
    """
    L, d = [ZERO], [ZERO]
    with flint.ctx.workprec(BITS):
        for low, high in itertools.pairwise(nodes[1:]):
            ratio = flint.arb(high / low)
            log = ratio.log()
            L.append(_above(log))
            d.append(_above(((ratio - 1) / log).log() - 1 + log / (ratio - 1)))
    return L, d


def any_lower(instance: Instance, part: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """What a log-linear mechanism guarantees: lambda + 2 mu sigma, `slope` and `jump` being [k][l][end of y]."""
    x, mean = [number(t) for t in part["nodes"]], instance.mean
    n, sigma = len(x) - 1, number(part["sigma"])
    if x[0] != 0 or x[-1] != 1 or any(a >= b for a, b in itertools.pairwise(x)) or mean is None or _other(instance):
        raise ValueError("expected increasing nodes from 0 to 1 and two bidders")
    b, J = (_read(part[name], n) for name in ("slope", "jump"))
    L, d = logarithms(x)
    a, M = _sums(b, J, L, x, n)
    levels, crowd = [], ZERO
    for k in range(n):
        for m in range(k + 1):
            for s, t in ((0, 0), (0, 1), (1, 0), (1, 1)):  # the corner (x_{k+s}, x_{l+t})
                paid = M[k][m][t] + M[m][k][s]
                paid += (b[k][m][t] * (x[k + 1] - x[k]) if s else ZERO) + (
                    b[m][k][s] * (x[m + 1] - x[m]) if t else ZERO
                )
                levels.append(paid - sigma * (x[k + s] + x[m + t]))
                chance = a[k][m][t] + a[m][k][s] + b[k][m][t] * (s * L[k] + d[k]) + b[m][k][s] * (t * L[m] + d[m])
                crowd = max(crowd, chance)
    least = min(z for table in (b, J) for row in table for cell in row for z in cell)
    first = max(z for cell in b[0] for z in cell)
    return min(levels) + 2 * mean * sigma, [
        at_most_zero("slopes and jumps are nonnegative [nu]", -min(least, sigma)),
        at_most_zero("no slope at zero", first),
        at_most_zero("at most one bidder wins [beta]", crowd - 1),
    ]


def _other(instance: Instance) -> bool:
    return bool(instance.bidders != 2 or instance.mechanism != "any")


def _read(table: Any, n: int) -> Any:
    rows = [[[flint.fmpq(int(z), flint.fmpz(2) ** 40) for z in cell] for cell in row] for row in table]
    if any(not isinstance(z, int) or isinstance(z, bool) for row in table for cell in row for z in cell):
        raise ValueError("expected integers, multiples of 2^-40")
    if len(rows) != n or any(len(row) != n or any(len(cell) != 2 for cell in row) for row in rows):
        raise ValueError("the mechanism does not list every cell")
    return rows


def _sums(b: Any, J: Any, L: list[Rational], x: list[Rational], n: int) -> tuple[Any, Any]:
    """a (rounded up with L) and the payment M at the lower end of every cell, [k][l][end of y]."""
    a: list[Any] = []
    M: list[Any] = []
    for k in range(n):
        before = k - 1
        a.append([[J[k][m][e] + (a[before][m][e] + b[before][m][e] * L[before] if k else 0) for e in (0, 1)]
                  for m in range(n)])  # fmt: skip
        M.append([[x[k] * J[k][m][e] + (M[before][m][e] + b[before][m][e] * (x[k] - x[before]) if k else 0)
                   for e in (0, 1)] for m in range(n)])  # fmt: skip
    return a, M
