"""The checker of a second price auction against moment sets, on the continuum: from the instance to the inequalities.

Below: for multipliers sigma >= 0, lambda is the least rev(v) + sigma'f(v) over [0, 1]^I. With psi_i(x) minus bidder i's
moment terms, rev(v) depends on the winner and on the second highest value b alone, so lambda is the least of

    max(r, b) - max over a >= max(r, b) of psi_i(a) - sum over j != i of max over x <= b of psi_j(x)

over i and b, and of the same without a sale. With means only, these are linear between 0, r and 1; with higher powers
they are bounded cell by cell. Above: a distribution with these moments, or, for the best reserve, one for each reserve.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import flint

from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest

ONE = flint.fmpq(1)
Row = tuple[int, int, int, Rational]  # sign E[v_i^power] <= bound: bidder, power, sign, bound
Poly = dict[int, Rational]


class Instance:
    """A `moment-auction` instance as its checker reads it, in rationals."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.bidders = parameters["bidders"]
        if not isinstance(self.bidders, int) or isinstance(self.bidders, bool) or self.bidders < 1:
            raise ValueError("bidders is not a count")
        self.mechanism = parameters["mechanism"]
        self.mean = None if parameters.get("mean") is None else number(parameters["mean"])
        self.points = parameters["points"]
        self.reserve = None if parameters.get("reserve") is None else number(parameters["reserve"])
        if (self.mean is not None and not 0 < self.mean < 1) or (self.reserve or ZERO) < 0 or (self.reserve or 0) > 1:
            raise ValueError("a mean or reserve out of range")
        self.rows: list[Row] = []
        if self.mean is not None:
            self.rows = [(i, 1, -1, -self.mean) for i in range(self.bidders)]
        else:
            for moment in parameters["moments"]:
                self._read(moment)

    def _read(self, moment: Mapping[str, Any]) -> None:
        one = moment.get("bidder")
        for i in range(self.bidders) if one is None else [one - 1]:
            for name, sign in (("at_most", 1), ("at_least", -1)):
                if moment.get(name) is not None:
                    self.rows.append((i, int(moment["power"]), sign, sign * number(moment[name])))


def lower(instance: Instance, reserve: Rational, part: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """lambda - b'sigma for the multipliers of a certificate."""
    sigma = [number(x) for x in part["sigma"]]
    psi: list[Poly] = [{} for _ in range(instance.bidders)]
    for s, (i, power, sign, _) in zip(sigma, instance.rows, strict=True):
        psi[i][power] = psi[i].get(power, ZERO) - sign * s
    nodes = sorted({ZERO, reserve, ONE, *(number(x) for x in part.get("nodes", []))})
    if nodes[0] < 0 or nodes[-1] > 1:
        raise ValueError("a node outside [0, 1]")
    straight = all(power == 1 for _, power, _, _ in instance.rows)
    least = _least(psi, nodes, reserve, straight)
    value = least - sum((s * row[3] for s, row in zip(sigma, instance.rows, strict=True)), ZERO)
    return value, [at_most_zero("moment multipliers sigma are nonnegative", -min(sigma, default=ZERO))]


def _least(psi: list[Poly], nodes: list[Rational], reserve: Rational, straight: bool) -> Rational:
    """lambda, at the nodes where everything is linear between them, else over whole cells."""
    peaks: dict[tuple[tuple[int, Rational], ...], tuple[list[Rational], list[Rational]]] = {}
    keys = [tuple(sorted(p.items())) for p in psi]
    for key, p in zip(keys, psi, strict=True):
        if key not in peaks:
            peaks[key] = _running(p, nodes, reserve, straight)
    at = nodes.index(reserve)
    ends = range(len(nodes))
    upto = [sum((peaks[k][0][b] for k in keys), ZERO) for b in ends]
    found = [-upto[at]] if reserve > 0 else []  # nobody reaches the reserve: the closure of that set
    for key in set(keys):
        below, after = peaks[key]
        for b in ends[:1] if len(psi) == 1 else ends if straight else ends[1:]:
            start = b if straight or len(psi) == 1 else b - 1  # a cell's revenue and winner from its left end
            found.append(max(reserve, nodes[start]) - after[max(start, at)] - (upto[b] - below[b]))
    return min(found)


def _running(
    p: Poly, nodes: list[Rational], reserve: Rational, straight: bool
) -> tuple[list[Rational], list[Rational]]:
    """Bounds of psi's maximum up to each node, and from each node on."""
    value = [sum((c * x**power for power, c in p.items()), ZERO) for x in nodes]
    cells = [max(a, b) for a, b in itertools.pairwise(value)]
    if not straight:
        cells = [min(_cell(p, m, u), top + _bend(p, m, u)) for m, u, top in zip(nodes, nodes[1:], cells, strict=False)]
    below, after = [value[0]], [value[-1]]
    for top in cells:
        below.append(max(below[-1], top))
    for top in reversed(cells):
        after.append(max(after[-1], top))
    return below, after[::-1]


def _cell(p: Poly, low: Rational, high: Rational) -> Rational:
    return sum((c * (high if c > 0 else low) ** power for power, c in p.items()), ZERO)


def _bend(p: Poly, low: Rational, high: Rational) -> Rational:
    """How far psi can rise above its chord: (u - l)^2 / 8 times the largest -psi''."""
    curve = sum((-c * power * (power - 1) * high ** (power - 2) for power, c in p.items() if c < 0 and power > 1), ZERO)
    return curve * (high - low) ** 2 / 8


def revenue(values: Sequence[Rational], reserve: Rational) -> Rational:
    """What a second price auction earns: the larger of reserve and second highest value when the highest reaches it."""
    ranked = sorted(values)
    if ranked[-1] < reserve:
        return ZERO
    return max(reserve, ranked[-2]) if len(ranked) > 1 else reserve


def upper(instance: Instance, reserve: Rational, nature: Sequence[Any]) -> tuple[Rational, list[Check]]:
    """The expected revenue under a distribution, which must have the moments."""
    atoms = [([number(x) for x in values], number(p)) for values, p in nature]
    if any(len(v) != instance.bidders for v, _ in atoms):
        raise ValueError("an atom does not list every bidder")
    total = sum((p for _, p in atoms), ZERO)
    checks = [
        Check("nature's probabilities sum to one [lambda]", nearest(abs(total - 1)), total == 1),
        at_most_zero("nature's probabilities are nonnegative", -min(p for _, p in atoms)),
        at_most_zero("nature's values lie in [0, 1]", max(max(-x, x - 1) for v, _ in atoms for x in v)),
    ]
    missed = [
        sign * sum((p * v[i] ** power for v, p in atoms), ZERO) - bound for i, power, sign, bound in instance.rows
    ]
    checks.append(at_most_zero("nature's moments are as known [sigma]", max(missed, default=ZERO)))
    return sum((p * revenue(v, reserve) for v, p in atoms), ZERO), checks


def upper_all(instance: Instance, claim: Rational) -> list[Check]:
    """That no reserve guarantees more than `claim` under a Markov set.

    Nature's reply to r <= (I mu - 1)/(I - 1): weight (1 - mu)/((I - 1)(1 - r)) on each profile with one bidder at 1 and
    the others at r, the rest at 1, which earns (I mu - 1)/(I - 1). To a larger r <= mu, in the limit from below: weight
    (mu - r)/(1 - r) on each profile with one bidder at 1 and the others just below r, the rest just below r: it earns
    I r (mu - r)/(1 - r); or (mu - r)/(1 - r) with all at 1, else all just below r, which earns that. To r > mu: all at
    mu, which earns nothing. The three inequalities are quadratic in r and decided exactly.
    """
    count, mean = instance.bidders, instance.mean
    if mean is None:
        raise ValueError("the best reserve is bounded for Markov sets only")
    flat = (count * mean - 1) / (count - 1) if count > 1 else -ONE
    start, share = max(flat, ZERO), ONE / count
    checks = [at_most_zero("small reserves guarantee no more", max(flat, ZERO) - claim)]
    end = min(mean, share)
    if start <= end:  # claim (1 - r) - I r (mu - r) >= 0 on [start, end]
        vertex = min(max((count * mean + claim) / (2 * count), start), end)
        slack = min(claim * (1 - r) - count * r * (mean - r) for r in (start, vertex, end))
        checks.append(at_most_zero("reserves up to 1/I guarantee no more", -slack))
    start = max(start, share)
    if start <= mean:
        checks.append(at_most_zero("larger reserves guarantee no more", (mean - start) / (1 - start) - claim))
    return checks
