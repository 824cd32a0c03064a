"""The checker of `robust-auction`: from the instance and a certificate straight to the inequalities, in fractions.

It shares no code with the programs, CVXPY or the solver. Rows of truth and participation go through the exhaustive
audit (models/audit.py).

On the continuum the mechanism is a table by cells: the lowest value by itself, then (g_{k-1}, g_k] for each step. What
a type gains by another cell's contract is linear in her value, so both ends of her own cell speak for all of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.audit import DirectMechanism, ex_post
from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, text

Bracket = tuple[Rational, Rational]
Found = tuple[Rational, list[Check]]


class Instance:
    """The instance as the checker reads it: its grid and the profiles on it, the last bidder moving fastest."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.bidders, self.points = parameters["bidders"], parameters["points"]
        low, high = number(parameters["lower"]), number(parameters["upper"])
        if not (isinstance(self.bidders, int) and isinstance(self.points, int)):
            raise ValueError("bidders and points are integers")
        if self.bidders < 2 or self.points < 1 or not 0 <= low < high:
            raise ValueError("no such instance")
        self.axis = [low + (high - low) * k / self.points for k in range(self.points + 1)]

    def profiles(self) -> list[tuple[int, ...]]:
        """Grid positions of every profile."""
        return list(itertools.product(range(self.points + 1), repeat=self.bidders))

    def position(self, profile: Sequence[int]) -> tuple[int, ...]:
        """A profile of a certificate, refused when it is not one."""
        if len(profile) != self.bidders or any(type(k) is not int or not 0 <= k <= self.points for k in profile):
            raise ValueError(f"{profile} is no profile")
        return tuple(profile)


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the brackets (lower, upper) it proves by the name of its part.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    instance = Instance(parameters)
    finite, continuum, pareto = certificate["finite"], certificate["continuum"], certificate["pareto"]
    upper, nature = _at_most(instance, finite["nature"])
    least, rows = _at_least(instance, finite["mechanism"], [instance.axis])
    cells = [instance.axis, [instance.axis[0], *instance.axis[:-1]]]
    between, cell_rows = _at_least(instance, continuum["mechanism"], cells)
    checks = _named("finite", rows + nature) + _named("continuum", cell_rows)
    proved = {"finite": (least, upper), "continuum": (between, upper)}
    for name, part in (("finite", finite), ("continuum", continuum)):
        for end, found in zip(("lower", "upper"), proved[name], strict=True):
            miss = abs(number(part[end]) - found)
            checks.append(Check(f"{name}: {end} bound as claimed", nearest(miss), miss == 0))
        checks.append(at_most_zero(f"{name}: lower bound at most upper", proved[name][0] - upper))
    gain, held = _pareto(instance, pareto, finite["mechanism"])
    miss = abs(number(pareto["gain"]) - gain)
    held.append(Check("gain as claimed", nearest(miss), miss == 0))
    return checks + _named("pareto", held), proved


def _named(part: str, checks: list[Check]) -> list[Check]:
    return [Check(f"{part}: {c.name}", c.residual, c.passed, c.detail) for c in checks]


def _tables(instance: Instance, mechanism: Mapping[str, Any]) -> tuple[Any, Any]:
    """Allocation and payment as fractions, (P, I) each."""
    found = []
    for name in ("allocation", "payment"):
        rows = mechanism[name]
        if len(rows) != (instance.points + 1) ** instance.bidders or any(len(r) != instance.bidders for r in rows):
            raise ValueError(f"the {name} does not list every profile")
        table = np.empty((len(rows), instance.bidders), dtype=object)
        known: dict[Any, Fraction] = {}
        for v, row in enumerate(rows):
            for i, x in enumerate(row):
                if x not in known:
                    known[x] = Fraction(text(number(x)))
                table[v, i] = known[x]
        found.append(table)
    return found[0], found[1]


def _at_least(instance: Instance, mechanism: Mapping[str, Any], ends: list[list[Rational]]) -> Found:
    """The least revenue of a table, and its rows for types at each of the lists `ends`."""
    q, m = _tables(instance, mechanism)
    shape = (instance.points + 1,) * instance.bidders
    by_bidder = [np.moveaxis(x.reshape(*shape, instance.bidders), -1, 0) for x in (q, m)]
    checks = [
        at_most_zero("chances are nonnegative", -_rational(q.min())),
        at_most_zero("sold at most once [lambda]", _rational(q.sum(axis=1).max()) - 1),
    ]
    for k, axis in enumerate(ends):
        types = np.array([[Fraction(text(x))] for x in axis], dtype=object)
        audited = DirectMechanism((types,) * instance.bidders, by_bidder[0][..., None], by_bidder[1])
        truth, stay = ex_post(audited)
        where = "" if len(ends) == 1 else " at upper ends" if k == 0 else " at lower ends"
        detail = str(dict(truth.where)) if truth.violation else ""
        checks.append(at_most_zero(f"individually rational{where} [beta]", _rational(stay.violation)))
        checks.append(at_most_zero(f"incentive compatible{where} [gamma]", _rational(truth.violation), detail))
    return _rational(m.sum(axis=1).min()), checks


def _rational(x: Fraction) -> Rational:
    return number(str(x))


def _at_most(instance: Instance, nature: Mapping[str, Any]) -> Found:
    """The most any mechanism expects under nature's distribution, from the nonzeros of alpha and gamma."""
    alpha: dict[tuple[int, ...], Rational] = {}
    beta: dict[tuple[int, tuple[int, ...]], Rational] = {}
    worth: dict[tuple[int, tuple[int, ...]], Rational] = {}

    def add(i: int, v: tuple[int, ...], mass: Rational, worthy: Rational) -> None:
        beta[i, v] = beta.get((i, v), ZERO) + mass
        worth[i, v] = worth.get((i, v), ZERO) + worthy

    least = ZERO
    for listed, mass in nature["alpha"]:
        v, a = instance.position(listed), number(mass)
        least, alpha[v] = min(least, a), alpha.get(v, ZERO) + a
        for i in range(instance.bidders):
            add(i, v, a, a * instance.axis[v[i]])
    for i, listed, report, weight in nature["gamma"]:
        v, g = instance.position(listed), number(weight)
        if type(i) is not int or not 0 <= i < instance.bidders:
            raise ValueError(f"{i} is no bidder")
        lie = instance.position((*v[:i], report, *v[i + 1 :]))
        least = min(least, g)
        add(i, v, -g, ZERO)
        add(i, lie, g, g * (instance.axis[report] - instance.axis[v[i]]))
    capacity: dict[tuple[int, ...], Rational] = {}
    for (_, v), x in worth.items():
        capacity[v] = max(capacity.get(v, ZERO), x)
    total = sum(alpha.values(), ZERO)
    return sum(capacity.values(), ZERO), [
        Check("nature's probabilities sum to one [t]", nearest(abs(total - 1)), total == 1),
        at_most_zero("multipliers alpha, gamma are nonnegative", -least),
        at_most_zero("participation multiplier beta is nonnegative [m]", -min(beta.values())),
    ]


def _pareto(instance: Instance, part: Mapping[str, Any], auction: Mapping[str, Any]) -> Found:
    """By how much a better mechanism gains on average over profiles; or a prior under which none gains anything."""
    _, paid = _tables(instance, auction)
    earned = paid.sum(axis=1)
    if "mechanism" in part:
        _, checks = _at_least(instance, part["mechanism"], [instance.axis])
        _, better = _tables(instance, part["mechanism"])
        gains = better.sum(axis=1) - earned
        return _rational(gains.sum() / len(gains)), [
            *checks, at_most_zero("it never earns less [delta]", -_rational(gains.min())),
        ]  # fmt: skip
    prior = [number(x) for x in part["prior"]]
    if len(prior) != instance.points + 1:
        raise ValueError("one probability per value")
    below = [sum(prior[: k + 1], ZERO) for k in range(len(prior))]
    top = instance.axis[-1]
    virtual = [
        x - (following - x) * (1 - f) / p
        for x, following, p, f in zip(instance.axis, [*instance.axis[1:], top], prior, below, strict=True)
    ]
    order = sorted(range(len(prior)), key=lambda k: virtual[k])
    mass, most = ZERO, ZERO
    for k in order:  # the largest of independent virtual values
        before, mass = mass, mass + prior[k]
        most += max(virtual[k], ZERO) * (mass**instance.bidders - before**instance.bidders)
    expected = ZERO
    for profile, revenue in zip(instance.profiles(), earned, strict=True):
        chance = number(1)
        for k in profile:
            chance *= prior[k]
        expected += chance * _rational(revenue)
    return ZERO, [
        Check("the prior sums to one", nearest(abs(below[-1] - 1)), below[-1] == 1),
        Check("the prior gives every value a chance", nearest(-min(min(prior), ZERO)), min(prior) > 0),
        at_most_zero("no mechanism earns more under this prior", most - expected),
    ]
