"""The checker of `optimal-contract`: welfare curves from policies, the menu against every misreport, in rationals.

It shares no code with the engines, CVXPY or the solver. The certificate lists policies and cuts of the agent's weight.

*The curve.* Each policy's worth is solved exactly: a line in the weight w, never above W0(w). At every cut the policy's
values are shown to satisfy every Bellman inequality, so the line is W0 there; W0 is convex, so between cuts the
chord is never below it.

*Above.* No mechanism earns more than E W0(phi(s)) (Corollary 4.1): chords are averaged. Where an additive agent takes
part although her virtual worth is negative, it is checked that some action spares her at no cost.

*Below, finitely many types.* The listed contracts: the own policy attains what the contract is meant to earn, and every
type's rent is at least what she gets, at most, by any other contract and any behaviour after, by the chords.

*Below, a continuum.* Signals are uniform and A is linear, nonnegative where it multiplies: then phi and alpha rise and
the contracts of the theorem are incentive compatible, at the mean of the lines.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flint

from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.models.pivot.contract_check_world import World, read_world
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, rational

Bracket = tuple[Rational, Rational]


@dataclass(frozen=True)
class Curve:
    """Cuts of the weight, W0 there, and the line (Q, rest) from each cut to the next."""

    cuts: list[Rational]
    heights: list[Rational]
    lines: list[tuple[Rational, Rational]]

    def place(self, w: Rational) -> int:
        """The piece a weight lies on. Raises ValueError outside of the cuts."""
        if not self.cuts[0] <= w <= self.cuts[-1]:
            raise ValueError("a weight outside of the listed cuts")
        low, high = 0, len(self.lines) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.cuts[middle] <= w else (low, middle - 1)
        return low

    def above(self, w: Rational) -> Rational:
        """The chord."""
        k = self.place(w)
        a, b = self.cuts[k], self.cuts[k + 1]
        return self.heights[k] + (self.heights[k + 1] - self.heights[k]) * (w - a) / (b - a)

    def below(self, w: Rational, line: int | None = None) -> Rational:
        """A policy's line."""
        Q, rest = self.lines[self.place(w) if line is None else line]
        return w * Q + rest


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """The bracket (lower, upper) of the best profit a certificate proves, with its checks.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    part, agent = certificate["finite"], parameters["agents"][0]
    if len(parameters["agents"]) != 1:
        raise ValueError("exactly one agent")
    world = read_world(parameters, agent)
    curve, checks = _curve(world, part)
    law = agent["initial"]
    continuum = "values" not in law and "points" not in law
    bracket, found = (_continuum if continuum else _types)(world, curve, agent, part)
    checks += found
    if world.additive:
        checks.append(Check("some action spares the agent at no cost", 0.0, world.spared))
    for end, proved in zip(("lower", "upper"), bracket, strict=True):
        if (claimed := part.get(end)) is not None:
            gap = number(claimed) - proved
            checks.append(Check(f"{end} bound as claimed", nearest(abs(gap)), gap == 0))
    checks.append(at_most_zero("lower bound at most upper", bracket[0] - bracket[1]))
    return checks, {"finite": bracket, "continuum": bracket}


def _curve(world: World, part: Mapping[str, Any]) -> tuple[Curve, list[Check]]:
    """Lines of the listed policies, and W0 at the cuts, every Bellman inequality checked there."""
    cuts = [number(w) for w in part["cuts"]]
    policies = part["policies"]
    if len(cuts) != len(policies) + 1 or any(a >= b for a, b in itertools.pairwise(cuts)):
        raise ValueError("increasing cuts, one more than policies")
    worth = [_worth(world, policy) for policy in policies]
    lines, heights, worst = [], [], ZERO
    for values in worth:
        Q, rest = (sum((p * values[0][x][c] for x, p in world.start), ZERO) for c in (0, 1))
        lines.append((world.delta * Q, world.delta * rest))
    for n, w in enumerate(cuts):
        line = min(n, len(policies) - 1)
        worst = max(worst, _excess(world, worth[line], w))
        heights.append(w * lines[line][0] + lines[line][1])
    return Curve(cuts, heights, lines), [
        at_most_zero("at every cut the policy satisfies every Bellman inequality", worst)
    ]


def _worth(world: World, policy: Sequence[Sequence[int]]) -> list[list[tuple[Rational, Rational]]]:
    """Values of a policy, period by period and state by state, as lines (C, rest) in the weight."""
    S = len(world.options)
    if len(policy) != (world.periods or 1) or any(len(row) != S for row in policy):
        raise ValueError("one action per period and state")
    if world.periods is None:
        matrix, right = flint.fmpq_mat(S, S), flint.fmpq_mat(S, 2)
        for x, a in enumerate(policy[0]):
            C, rest, moves = world.options[x][a]
            for y, p in moves:
                matrix[x, y] = matrix[x, y] - world.delta * p
            matrix[x, x], right[x, 0], right[x, 1] = matrix[x, x] + 1, C, rest
        solved = matrix.solve(right)
        return [[(solved[x, 0], solved[x, 1]) for x in range(S)]]
    values = [(ZERO, ZERO)] * S
    found = []
    for row in reversed(policy):
        here = []
        for x, a in enumerate(row):
            C, rest, moves = world.options[x][a]
            later = [world.delta * sum((p * values[y][c] for y, p in moves), ZERO) for c in (0, 1)]
            here.append((C + later[0], rest + later[1]))
        values = here
        found.append(here)
    return found[::-1]


def _excess(world: World, worth: Sequence[Sequence[tuple[Rational, Rational]]], w: Rational) -> Rational:
    """The most any action is better than the values at a weight."""
    worst = ZERO
    values = [[w * C + rest for C, rest in row] for row in worth]
    for t, row in enumerate(values):
        last = world.periods is not None and t + 1 == len(values)
        after = [ZERO] * len(row) if last else values[t if world.periods is None else t + 1]
        for x, options in enumerate(world.options):
            for C, rest, moves in options.values():
                reached = w * C + rest + world.delta * sum((p * after[y] for y, p in moves), ZERO)
                worst = max(worst, reached - row[x])
    return worst


def _affine(agent: Mapping[str, Any]) -> tuple[Rational, Rational]:
    """(offset, scale) of A(s). Raises ValueError for a power that is not 1."""
    offset, scale, power = (number(agent["worth"][name]) for name in ("offset", "scale", "power"))
    if power != 1 or scale <= 0:
        raise ValueError("the worth of the initial signal must be linear and rising")
    return offset, scale


def _continuum(world: World, curve: Curve, agent: Mapping[str, Any], part: Any) -> tuple[Bracket, list[Check]]:
    """The mean of W0 over virtual worths, which are uniform."""
    law, (offset, scale) = agent["initial"], _affine(agent)
    if law["family"] != "uniform":
        raise ValueError("only uniform laws are proved on a continuum")
    low, high = (number(x) for x in law["support"])
    first, last = offset + scale * (2 * low - high), offset + scale * high
    checks = []
    if not world.additive:
        checks.append(at_most_zero("the lowest worth is nonnegative", -(offset + scale * low)))
    start = first if world.additive else max(first, ZERO)
    inner = [start, *(w for w in curve.cuts if start < w < last), last]
    sums = []
    for height in (curve.below, curve.above):
        flat = height(start) * (start - first)
        pairs = list(itertools.pairwise(inner))
        sums.append((flat + sum((_area(height, curve, a, b) for a, b in pairs), ZERO)) / (last - first))
    return (sums[0], sums[1]), checks


def _area(height: Any, curve: Curve, a: Rational, b: Rational) -> Rational:
    """The integral between neighbouring cuts, where the height is linear."""
    return height((a + b) / 2) * (b - a)


def _types(world: World, curve: Curve, agent: Mapping[str, Any], part: Any) -> tuple[Bracket, list[Check]]:
    """Finitely many types: the mean of W0 from above, the listed contracts from below."""
    A, f, phi = _virtual(agent)
    contracts = part["contracts"]
    weights = [None if w is None else number(w) for w in contracts["weights"]]
    lines, rents = [int(x) for x in contracts["lines"]], [number(u) for u in contracts["rents"]]
    if not len(weights) == len(lines) == len(rents) == len(A):
        raise ValueError("one contract per type")
    positive = [x if world.additive else max(x, ZERO) for x in phi]
    upper = sum((p * curve.above(w) for p, w in zip(f, positive, strict=True)), ZERO)
    lower, gain, off = ZERO, max((-u for u in rents), default=ZERO), ZERO
    outside = curve.above(ZERO) if not world.additive else None
    for k, w in enumerate(weights):
        if w is None:
            if outside is None:
                raise ValueError("additive types are never left out")
            gain = max(gain, abs(rents[k]))
            lower += f[k] * curve.below(ZERO)
            continue
        Q, rest = curve.lines[lines[k]]
        off = max(off, curve.above(w) - curve.below(w, lines[k]))
        lower += f[k] * (A[k] * Q + rest - rents[k])
        if not world.additive and w <= 0:
            raise ValueError("weights of multiplicative types must be positive")
        scale = rational(1) if world.additive else A[k] / w
        for j, worth in enumerate(A):
            other = w + worth - A[k] if world.additive else w * worth / A[k]
            kept = rents[k] + scale * (curve.above(other) - curve.below(w, lines[k]))
            gain = max(gain, kept - rents[j])
    return (lower, upper), [
        at_most_zero("each contract's own policy is the best for whom it is meant", off),
        at_most_zero("no type gains by another contract and any behaviour, or by none", gain),
    ]


def _virtual(agent: Mapping[str, Any]) -> tuple[list[Rational], list[Rational], list[Rational]]:
    """Worths, chances and virtual worths of finitely many types."""
    law, (offset, scale) = agent["initial"], _affine(agent)
    if "values" in law:
        v, f = ([number(x) for x in law[name]] for name in ("values", "probabilities"))
    elif law["family"] == "uniform":
        (low, high), n = (number(x) for x in law["support"]), int(law["points"])
        v, f = [low + (high - low) * k / (n - 1) for k in range(n)], [rational(1) / n] * n
    else:
        raise ValueError("types of a family are proved from their list of values and probabilities")
    if len(v) != len(f) or min(f) <= 0 or sum(f, ZERO) != 1 or any(a >= b for a, b in itertools.pairwise(v)):
        raise ValueError("increasing types with positive chances that sum to one")
    A = [offset + scale * x for x in v]
    phi = []
    for k, worth in enumerate(A):
        after = sum(f[k + 1 :], ZERO) / f[k]
        phi.append(worth - after * (A[k + 1] - worth) if k + 1 < len(A) else worth)
    return A, f, phi
