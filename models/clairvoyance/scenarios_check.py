"""The checker's part for finitely many futures: one mechanism and one set of multipliers, row by row in rationals.

*From below.* A mechanism listed node by node earns what its tables say in every future; truth is best against every
misreport after every history, later utility included, and no buyer who tells the truth loses by the end of any future.

*From above.* Multiply every truth row by gamma and every participation row by eta, and add them to sum_s w_s R_s.
Where nothing is left of any payment, sum_s w_s R_s is at most the sum of the positive coefficients of the chances x
in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.models.distributions import Distribution
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, rational

Law = tuple[tuple[Rational, ...], tuple[Rational, ...]]  # values and probabilities
Tables = list[list[Rational]]


@dataclass(frozen=True)
class Futures:
    """The beginnings of the futures, in the order in which they appear, and every future as a path through them."""

    nodes: list[tuple[Law, ...]]
    paths: list[list[int]]

    @classmethod
    def of(cls, futures: Sequence[Sequence[Law]]) -> Futures:
        """Raises ValueError when a distribution is none, or there is no future."""
        places: dict[tuple[Law, ...], int] = {}
        paths = [[places.setdefault(tuple(f[: t + 1]), len(places)) for t in range(len(f))] for f in futures]
        if not paths or not all(paths):
            raise ValueError("at least one period in every future")
        return cls(list(places), paths)

    def count(self, node: int) -> int:
        """The number of histories at a node."""
        return math.prod(len(v) for v, _ in self.nodes[node])

    def alone(self, future: int) -> Futures:
        """The tree of one future only."""
        return Futures.of([self.nodes[self.paths[future][-1]]])


def read(parameters: Mapping[str, Any]) -> Futures:
    """The futures of an instance."""
    if "scenarios" in parameters:
        written = parameters["scenarios"]
    else:
        written = [[parameters["first"]], [parameters["first"], parameters["second"]]]
    return Futures.of([[_law(prior) for prior in future] for future in written])


def _law(written: Mapping[str, Any]) -> Law:
    prior = Distribution(**written)
    if prior.values[0] < 0:
        raise ValueError("values must be at least zero")
    return tuple(rational(x) for x in prior.values), tuple(rational(x) for x in prior.probabilities)


def _tables(futures: Futures, listed: Sequence[Sequence[Any]]) -> Tables:
    tables = [[number(x) for x in row] for row in listed]
    if [len(row) for row in tables] != [futures.count(n) for n in range(len(futures.nodes))]:
        raise ValueError("one entry per node and history")
    return tables


def earned(futures: Futures, mechanism: Mapping[str, Any], who: str) -> tuple[list[Rational], list[Check]]:
    """What a mechanism earns in every future, all its rows checked."""
    x, m = _tables(futures, mechanism["allocation"]), _tables(futures, mechanism["payment"])
    over = max(max(-min(row), max(row) - 1) for row in x)
    gain = loss = ZERO
    revenue = []
    for path in futures.paths:
        W = R = [ZERO] * futures.count(path[-1])
        for n in reversed(path):
            v, f = futures.nodes[n][-1]
            K = len(v)
            u = [v[h % K] * x[n][h] - m[n][h] for h in range(len(x[n]))]
            for g in range(0, len(x[n]), K):
                for k in range(K):
                    own = u[g + k] + W[g + k]
                    best = max(v[k] * x[n][h] - m[n][h] + W[h] for h in range(g, g + K))
                    gain = max(gain, best - own)
            W = [sum((p * (u[g + k] + W[g + k]) for k, p in enumerate(f)), ZERO) for g in range(0, len(u), K)]
            R = [sum((p * (m[n][g + k] + R[g + k]) for k, p in enumerate(f)), ZERO) for g in range(0, len(u), K)]
        paid = [ZERO]
        for n in path:
            v, _ = futures.nodes[n][-1]
            paid = [paid[h // len(v)] + v[h % len(v)] * x[n][h] - m[n][h] for h in range(len(x[n]))]
        loss = max(loss, -min(paid))
        revenue.append(R[0])
    return revenue, [
        at_most_zero(f"{who}: the good is given at most once, never less than nothing", over),
        at_most_zero(f"{who}: no history where a lie gains", gain),
        at_most_zero(f"{who}: no path on which the buyer loses", loss),
    ]


def bounded(futures: Futures, part: Mapping[str, Any], who: str) -> tuple[list[Rational], Rational, list[Check]]:
    """The weights w and a bound of sum_s w_s R_s over all mechanisms, the rows of the dual program checked."""
    weights = [number(w) for w in part["weights"]]
    if len(weights) != len(futures.paths):
        raise ValueError("one weight per future")
    chance = [[ZERO] * futures.count(n) for n in range(len(futures.nodes))]  # what is left of x
    payment = [[ZERO] * futures.count(n) for n in range(len(futures.nodes))]  # and of m
    least = min([*weights, ZERO])
    for s, path in enumerate(futures.paths):
        carried, likely = [ZERO], [rational(1)]  # what multiplies W_s(h), and the probability of h
        for t, n in enumerate(path):
            up, down = ([number(x) for x in part[name][s][t]] for name in ("up", "down"))
            if not len(up) == len(down) == len(chance[n]):
                raise ValueError("one multiplier per history, up and down")
            least = min([least, *up, *down])
            likely = _spread(futures, n, likely)
            carried = _truth(futures, n, _spread(futures, n, carried), up, down, chance[n], payment[n])
            payment[n] = [a + weights[s] * p for a, p in zip(payment[n], likely, strict=True)]
        end = [number(x) for x in part["end"][s]]
        least = min([least, *end])
        _participation(futures, path, end, chance, payment)
    left = max(abs(c) for row in payment for c in row)
    bound = sum((max(c, ZERO) for row in chance for c in row), ZERO)
    return (
        weights,
        bound,
        [
            at_most_zero(f"{who}: weights and multipliers are nonnegative", -least),
            at_most_zero(f"{who}: multipliers leave nothing of any payment", left),
        ],
    )


def _spread(futures: Futures, n: int, before: Sequence[Rational]) -> list[Rational]:
    """Numbers of the histories before a node's last value, times its probability."""
    _, f = futures.nodes[n][-1]
    return [b * p for b in before for p in f]


def _truth(
    futures: Futures, n: int, carried: list[Rational], up: Sequence[Rational], down: Sequence[Rational],
    chance: list[Rational], payment: list[Rational],
) -> list[Rational]:  # fmt: skip
    """Adds a node's truth rows and the utility carried to it to what is left of x and m; returns what multiplies W."""
    v, _ = futures.nodes[n][-1]
    K = len(v)
    for h, utility in enumerate(list(carried)):
        k = h % K
        if (k == K - 1 and up[h]) or (k == 0 and down[h]):
            raise ValueError("there is no neighbour to report")
        own = utility + up[h] + down[h]
        chance[h] += v[k] * own
        payment[h] -= own
        carried[h] += up[h] + down[h]
        for other, gamma in ((h + 1, up[h]), (h - 1, down[h])):
            if gamma:
                chance[other] -= v[k] * gamma
                payment[other] += gamma
                carried[other] -= gamma
    return carried


def _participation(
    futures: Futures, path: Sequence[int], end: Sequence[Rational], chance: Tables, payment: Tables
) -> None:
    if len(end) != futures.count(path[-1]):
        raise ValueError("one multiplier per path")
    for leaf, eta in enumerate(end):
        h = leaf
        for n in reversed(path):
            v, _ = futures.nodes[n][-1]
            chance[n][h] += v[h % len(v)] * eta
            payment[n][h] -= eta
            h //= len(v)


def finite(parameters: Mapping[str, Any], part: Mapping[str, Any]) -> tuple[Rational, Rational, list[Check]]:
    """Lower and upper bound of the factor a: what a seller who knows earns, over what one who does not is sure of."""
    futures = read(parameters)
    checks: list[Check] = []
    least, most = [], []
    for s, alone in enumerate(part["clairvoyant"]):
        (revenue,), found = earned(futures.alone(s), alone, f"future {s + 1}")
        (weight,), bound, more = bounded(futures.alone(s), alone, f"future {s + 1}")
        least.append(revenue)
        most.append(bound / weight)
        checks += found + more
    if len(least) != len(futures.paths):
        raise ValueError("one seller who knows per future")
    revenue, found = earned(futures, part, "not knowing")
    weights, bound, more = bounded(futures, part, "not knowing")
    if min(revenue) <= 0 or bound <= 0:
        raise ValueError("nothing is earned in one of the futures")
    lower = sum((w * r for w, r in zip(weights, least, strict=True)), ZERO) / bound
    upper = max(r / own for r, own in zip(most, revenue, strict=True))
    return lower, upper, checks + found + more
