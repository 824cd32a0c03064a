"""The checker of highest-bidder lotteries given cell by cell, and of nature's replies to all lotteries, exactly.

The lottery. On cell l of the second highest value s the highest bidder's chance is alpha + gamma/s + beta log(x/s) up
to x_{l+1}, and grows beyond by jumps J_k at x_k and slopes b_k: all nonnegative, so it does not fall in x. At x = s it
is monotone in s, so not negative if it is not at the cell's ends. Her payment is linear in x and s on each pair of
cells, so revenue less sigma (x + (I - 1) s), which is at most revenue less sigma times the sum of values, is least at a
corner. The chance at x = 1 has the second derivative 2 gamma/s^3 + beta/s^2 in s.

Nature. One bidder, drawn at random, has the value x, the others s_l < x. Only she may win; facing the price t >= s_l
she pays t T(t) on average, T(t) the mass of her values from t on. On a cell t T(t) exceeds its chord by mass h / 4 at
most.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import flint

from mechopt.models.auctions.moment_auction_check_price import Instance
from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest

BITS = 256
UNIT = flint.fmpz(2) ** 50


def _nodes(part: Mapping[str, Any]) -> list[Rational]:
    x = [number(t) for t in part["nodes"]]
    if x[0] != 0 or x[-1] != 1 or any(a >= b for a, b in itertools.pairwise(x)):
        raise ValueError("expected increasing nodes from 0 to 1")
    return x


def _read(values: Sequence[Any], count: int) -> list[Rational]:
    if len(values) != count or any(not isinstance(z, int) or isinstance(z, bool) for z in values):
        raise ValueError("expected integers, multiples of 2^-50, one for each cell")
    return [flint.fmpq(z, UNIT) for z in values]


def _log_above(ratio: Rational) -> Rational:
    """A multiple of 2^-60 that is at least log(ratio)."""
    with flint.ctx.workprec(BITS):
        unit = flint.fmpz(2) ** 60
        return flint.fmpq((flint.arb(ratio).log() * unit).upper().ceil().unique_fmpz(), unit)


def lower(instance: Instance, part: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """What a lottery given cell by cell guarantees: lambda + I mu sigma."""
    x, sigma, many = _nodes(part), number(part["sigma"]), instance.bidders
    n = len(x) - 1
    alpha, gamma, beta = (_read(part[name], n) for name in ("alpha", "gamma", "beta"))
    slope, jump = (iter(_read(part[name], n * (n - 1) // 2)) for name in ("slope", "jump"))
    logs = [ZERO, *(_log_above(b / a) for a, b in itertools.pairwise(x[1:]))]
    levels, crowd, least = [], ZERO, min(sigma, *beta)
    for c in range(n):  # s in cell c
        ends = (x[c], x[c + 1])

        def at(v: Rational, s: Rational, paid: Rational, c: int = c) -> Rational:
            return alpha[c] * s - beta[c] * s + paid - sigma * (v + (many - 1) * s)

        levels += [at(v, s, gamma[c] + beta[c] * v) for s, v in ((ends[0], ends[0]), ends, (ends[1], ends[1]))]
        paid, rise = gamma[c] + beta[c] * x[c + 1], ZERO
        for k in range(c + 1, n):
            b, J = next(slope), next(jump)
            least = min(least, b, J)
            paid += x[k] * J
            levels += [at(x[k], s, paid) for s in ends]
            paid += b * (x[k + 1] - x[k])
            levels += [at(x[k + 1], s, paid) for s in ends]
            rise += J + b * logs[k]
        chance, entry = _ends(x[c], x[c + 1], alpha[c], gamma[c], beta[c] * logs[c])
        least, crowd = min(least, entry), max(crowd, chance + rise + _bend(x[c], x[c + 1], gamma[c], beta[c]))
    return min(levels) + many * instance.mean * sigma, [
        at_most_zero("slopes, jumps and chances are nonnegative [nu]", -least),
        at_most_zero("no slope at zero", max(abs(beta[0]), abs(gamma[0]))),
        at_most_zero("at most one bidder wins [beta]", crowd - 1),
    ]


def _ends(
    low: Rational, high: Rational, alpha: Rational, gamma: Rational, growth: Rational
) -> tuple[Rational, Rational]:
    """The larger chance at x_{l+1} and the smaller one at x = s, over the two ends of the cell of s."""
    if low == 0:
        return alpha, alpha
    entries = (alpha + gamma / low, alpha + gamma / high)
    return max(entries[0] + growth, entries[1]), min(entries)


def _bend(low: Rational, high: Rational, gamma: Rational, beta: Rational) -> Rational:
    if low == 0:
        return ZERO
    return max(2 * max(-gamma, ZERO) / low**3 - beta / high**2, ZERO) * (high - low) ** 2 / 8


def upper(instance: Instance, part: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """What no lottery exceeds: the sum over nodes of the most that a price earns there."""
    x, many = _nodes(part), instance.bidders
    n = len(x) - 1
    rows: list[list[Rational]] = [[ZERO] * (n + 1) for _ in range(n + 1)]
    for c, k, p in part["nature"]:
        if not 0 <= c <= k <= n:
            raise ValueError("no such cell above its node")
        rows[c][k] += number(p)
    ends = [*x, flint.fmpq(1)]
    total = sum((p for row in rows for p in row), ZERO)
    mean = sum((p * ((ends[k] + ends[k + 1]) / 2 + (many - 1) * x[c])
                for c, row in enumerate(rows) for k, p in enumerate(row) if p), ZERO)  # fmt: skip
    value = ZERO
    for c, row in enumerate(rows):
        best = T = ZERO
        for k in range(n, c - 1, -1):
            bend = row[k] * (ends[k + 1] - ends[k]) / 4
            best = max(best, ends[k + 1] * T + bend if k < n else ZERO, ends[k] * (T + row[k]) + bend)
            T += row[k]
        value += best
    return value, [
        Check("nature's probabilities sum to one [lambda]", nearest(abs(total - 1)), total == 1),
        at_most_zero("nature's means are as known [sigma]", many * instance.mean - mean),
        at_most_zero("nature's probabilities are nonnegative", -min(p for row in rows for p in row)),
    ]
