"""The checker of all mechanisms for I bidders whose values have the same moments, on the grid and on the continuum.

Tables are lists over the multisets of positions in lexicographic order, each written increasing. Rationals throughout.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import flint

from mechopt.models.auctions.moment_auction_check_price import Instance
from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest

Multiset = tuple[int, ...]
Known = list[tuple[int, int, Rational]]
ROUND = flint.fmpz(2) ** 60
BITS = 256


def multisets(places: int, size: int) -> list[Multiset]:
    """All multisets, each increasing, in lexicographic order."""
    return list(itertools.combinations_with_replacement(range(places), size))


def common(instance: Instance) -> Known:
    """Power, sign and bound of what is known of every bidder's value; ValueError when bidders differ."""
    known = [(power, sign, bound) for i, power, sign, bound in instance.rows if i == 0]
    if sorted(map(str, instance.rows)) != sorted(str((i, *row)) for i in range(instance.bidders) for row in known):
        raise ValueError("the bidders' moments differ")
    return known


def _without(w: Multiset, i: int) -> Multiset:
    return (*w[:i], *w[i + 1 :])


def _sigma(values: Sequence[Any], known: Known) -> list[Rational]:
    found = [number(s) for s in values]
    if len(found) != len(known):
        raise ValueError("one multiplier per moment")
    return found


def _worth(x: Rational, sigma: Sequence[Rational], known: Known) -> Rational:
    """The moments' terms of one bidder at a value: sum_k sigma_k f_k(x)."""
    return sum((s * sign * x**power for s, (power, sign, _) in zip(sigma, known, strict=True)), ZERO)


def _bounds(sigma: Sequence[Rational], known: Known) -> Rational:
    return sum((s * bound for s, (_, _, bound) in zip(sigma, known, strict=True)), ZERO)


def _table(rows: Sequence[Sequence[Any]], own: int, others: Sequence[Multiset]) -> list[dict[Multiset, Rational]]:
    if len(rows) != own or any(len(row) != len(others) for row in rows):
        raise ValueError("a table does not list every profile")
    return [dict(zip(others, map(number, row), strict=True)) for row in rows]


def grid_lower(instance: Instance, part: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """What a table guarantees when all values are on the grid: payments are the largest that keep truth best."""
    n, many, known = _points(instance), instance.bidders, common(instance)
    g = [flint.fmpq(k, n) for k in range(n + 1)]
    others = multisets(n + 1, many - 1)
    q, sigma = _table(part["allocation"], n + 1, others), _sigma(part["sigma"], known)
    R = [{o: g[0] * q[0][o] for o in others}]
    for k in range(1, n + 1):
        R.append({o: R[-1][o] + g[k] * (q[k][o] - q[k - 1][o]) for o in others})
    falls = max(q[k - 1][o] - q[k][o] if k else -q[0][o] for k in range(n + 1) for o in others)
    terms = [_worth(x, sigma, known) for x in g]
    level, crowd = None, ZERO
    for w in multisets(n + 1, many):
        rest = [(k, _without(w, i)) for i, k in enumerate(w)]
        paid = sum((R[k][o] + terms[k] for k, o in rest), ZERO)
        level = paid if level is None else min(level, paid)
        crowd = max(crowd, sum((q[k][o] for k, o in rest), ZERO))
    return level - many * _bounds(sigma, known), [
        at_most_zero("chances are nonnegative and do not fall in the own value [nu]", falls),
        at_most_zero("at most one bidder wins [beta]", crowd - 1),
        at_most_zero("sigma is nonnegative", -min(sigma)),
    ]


def _points(instance: Instance) -> int:
    n = instance.points
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise ValueError("a grid has at least one step")
    return n


def grid_upper(instance: Instance, part: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """What no mechanism exceeds when nature draws a profile of the grid, in any order equally likely.

    Expected revenue is linear in the chances; nu >= 0 adds the rows that they do not fall. The good goes, profile by
    profile, to where its coefficient is largest if positive.
    """
    n, many, known = _points(instance), instance.bidders, common(instance)
    g, others = [flint.fmpq(k, n) for k in range(n + 1)], multisets(n + 1, many - 1)
    P = {tuple(w): number(p) for w, p in part["P"]}
    nu = {(k, tuple(o)): number(x) for k, o, x in part["nu"]}
    profiles = multisets(n + 1, many)
    if not set(P) <= set(profiles) or not set(nu) <= {(k, o) for k in range(n + 1) for o in others}:
        raise ValueError("no such profile of values")
    mass: Counter[tuple[int, Multiset]] = Counter()
    for w, p in P.items():
        for i, k in enumerate(w):
            mass[k, _without(w, i)] += p
    worth: dict[tuple[int, Multiset], Rational] = {}
    for o in others:
        tail = ZERO
        for k in range(n, -1, -1):
            step = g[k + 1] - g[k] if k < n else ZERO
            worth[k, o] = g[k] * mass[k, o] - step * tail + nu.get((k, o), ZERO) - nu.get((k + 1, o), ZERO)
            tail += mass[k, o]
    value = ZERO
    for w in profiles:
        count = Counter(w)
        value += max([ZERO, *(worth[k, _without(w, w.index(k))] / times for k, times in count.items())])
    missed = [sum((p * sign * sum((g[k] ** power for k in w), ZERO) for w, p in P.items()), ZERO) - many * bound
              for power, sign, bound in known]  # fmt: skip
    return value, _nature(sum(P.values(), ZERO), missed, [*P.values(), *nu.values()])


def _nature(total: Rational, missed: Sequence[Rational], masses: Sequence[Rational]) -> list[Check]:
    return [
        Check("nature's probabilities sum to one [lambda]", nearest(abs(total - 1)), total == 1),
        at_most_zero("nature's moments are as known [sigma]", max(missed)),
        at_most_zero("nature's probabilities and multipliers are nonnegative", -min(masses)),
    ]


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


def lower(instance: Instance, part: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """What a log-linear mechanism guarantees on the continuum; end e of cell k is the place 2k + e."""
    many, known = instance.bidders, common(instance)
    x, sigma = [number(t) for t in part["nodes"]], _sigma(part["sigma"], known)
    n = len(x) - 1
    if x[0] != 0 or x[-1] != 1 or any(a >= b for a, b in itertools.pairwise(x)):
        raise ValueError("expected increasing nodes from 0 to 1")
    others = multisets(2 * n, many - 1)
    b, J = (_integers(part[name], n, others) for name in ("slope", "jump"))
    L, d = logarithms(x)
    a, M = [dict(J[0])], [dict.fromkeys(others, ZERO)]
    for k in range(1, n):
        a.append({o: a[-1][o] + b[k - 1][o] * L[k - 1] + J[k][o] for o in others})
        M.append({o: M[-1][o] + b[k - 1][o] * (x[k] - x[k - 1]) + x[k] * J[k][o] for o in others})
    worth = [_worth(x[c // 2 + c % 2], sigma, known) - _bend(x, c // 2, sigma, known) for c in range(2 * n)]
    level, crowd = None, ZERO
    for w in multisets(2 * n, many):
        paid, chance = ZERO, ZERO
        for i, c in enumerate(w):
            k, e, o = c // 2, c % 2, _without(w, i)
            paid += M[k][o] + worth[c] + (b[k][o] * (x[k + 1] - x[k]) if e else ZERO)
            chance += a[k][o] + b[k][o] * (L[k] + d[k] if e else d[k])
        level = paid if level is None else min(level, paid)
        crowd = max(crowd, chance)
    least = min(z for table in (b, J) for row in table for z in row.values())
    return level - many * _bounds(sigma, known), [
        at_most_zero("slopes and jumps are nonnegative [nu]", -min(least, *sigma)),
        at_most_zero("no slope at zero", max(b[0].values())),
        at_most_zero("at most one bidder wins [beta]", crowd - 1),
    ]


def _integers(rows: Any, own: int, others: Sequence[Multiset]) -> list[dict[Multiset, Rational]]:
    if any(not isinstance(z, int) or isinstance(z, bool) for row in rows for z in row):
        raise ValueError("expected integers, multiples of 2^-40")
    found = _table(rows, own, others)
    unit = flint.fmpz(2) ** 40
    return [{o: z / unit for o, z in row.items()} for row in found]


def _bend(x: Sequence[Rational], k: int, sigma: Sequence[Rational], known: Known) -> Rational:
    """How far the moments' terms can lie below their chords on cell k: h^2 / 8 times the largest second derivative."""
    convex = [(s, power) for s, (power, sign, _) in zip(sigma, known, strict=True) if sign > 0 and power > 1]
    steep = sum((s * power * (power - 1) * x[k + 1] ** (power - 2) for s, power in convex), ZERO)
    return steep * (x[k + 1] - x[k]) ** 2 / 8


def upper(instance: Instance, part: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """What no mechanism exceeds when nature has constant density on products of cells, which may be points.

    With T(t, o) the mass of own values from t on, facing the price t earns t T(t, o), which on a cell is at most its
    chord plus mass times length / 4; the price's mass from t on, S(t, o), is linear there. Where it is never less, a
    mechanism earns at most the price of what it sells.
    """
    many, known = instance.bidders, common(instance)
    cells = [(number(low), number(high)) for low, high in part["cells"]]
    places = [z for cell in cells for z in cell]
    apart = all(p != r or p[0] != p[1] for p, r in itertools.pairwise(cells))
    if places != sorted(places) or not apart or places[0] < 0 or places[-1] > 1:
        raise ValueError("expected disjoint cells of [0, 1], increasing")
    profiles = multisets(len(cells), many)
    P, B = (dict(zip(profiles, map(number, part[name]), strict=True)) for name in ("nature", "price"))
    orders = {w: math.factorial(many) // math.prod(map(math.factorial, Counter(w).values())) for w in profiles}
    means = [[sign * _mean(*cell, power) for cell in cells] for power, sign, _ in known]
    missed = [sum((orders[w] * p * sum((each[k] for k in w), ZERO) for w, p in P.items()), ZERO) - many * bound
              for each, (_, _, bound) in zip(means, known, strict=True)]  # fmt: skip
    excess = max(_excess(cells, P, B, o) for o in multisets(len(cells), many - 1))
    total = sum((orders[w] * p for w, p in P.items()), ZERO)
    return sum((orders[w] * p for w, p in B.items()), ZERO), [
        *_nature(total, missed, [*P.values(), *B.values()]),
        at_most_zero("no price earns more than the good is worth [q]", excess),
    ]


def _mean(low: Rational, high: Rational, power: int) -> Rational:
    """E[v^power] for v uniform on a cell, or at a point."""
    if low == high:
        return low**power
    return (high ** (power + 1) - low ** (power + 1)) / ((power + 1) * (high - low))


def _excess(
    cells: Sequence[tuple[Rational, Rational]], P: Mapping[Multiset, Rational], B: Mapping[Multiset, Rational],
    o: Multiset,
) -> Rational:  # fmt: skip
    """The most that facing a price earns beyond the good's own price, given the others' cells."""
    worst = T = S = ZERO
    for k in range(len(cells) - 1, -1, -1):
        low, high = cells[k]
        w = tuple(sorted((k, *o)))
        bend = P[w] * (high - low) / 4
        if high > low:
            worst = max(worst, high * T + bend - S)
        T, S = T + P[w], S + B[w]
        worst = max(worst, low * T + bend - S)
    return worst
