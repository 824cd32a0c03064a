"""The checker of `money-burning`: from the instance and a certificate straight to the inequalities, in rationals.

It shares no code with the virtual values, the simplex method, the programs, CVXPY or the solver.

*Above.* In every auction that competes, buyer i's expected utility is at most sum_k f(k) vt(k) Q(k), with vt of the
convention, which the checker computes from the instance. Her chances Q rise with her value, so multipliers mu >= 0 of
Q(k) <= Q(k + 1) may be added: s(k) = vt(k) + (mu(k - 1) - mu(k)) / f(k). For any weights w in [0, 1], one where there
is no cap, sum_i min(b_i, E u_i) <= sum_i (1 - w_i) b_i + E[max(0, max_i w_i s_i)].

*Below.* An auction in the certificate. Where its tables over profiles are short they are listed, and every ex-post
row is checked: all misreports, participation, payments as the convention has them. Else the draw of scaled auctions
is: weights at least zero on scores that rise with values, first buyer among equals, a fixed chance for the winner;
truth follows, and the utilities are counted from f, vt and the chances of winning.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mechopt.models.checking import ZERO, at_most_zero, dot, number
from mechopt.models.distributions import Distribution
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, rational

Bracket = tuple[Rational, Rational]
CLOSE = 1e-12  # of a listed probability of a SciPy family with SciPy's own
CLASSES = ("upper", "upper-zero", "lower")


@dataclass(frozen=True)
class Buyer:
    """Values and probabilities of one buyer, vt of every value, and the cap; None where there is none."""

    v: list[Rational]
    f: list[Rational]
    vt: list[Rational]
    cap: Rational | None


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the bracket (lower, upper) of the finite program it proves.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    part, convention = certificate["finite"], parameters.get("convention", "upper")
    if convention not in CLASSES:
        raise ValueError("no such convention")
    buyers, checks = _buyers(parameters, part["distributions"], convention)
    scores, found = _scores(buyers, part["flows"])
    upper, weighed = _above(buyers, scores, [number(w) for w in part["weights"]])
    lower, audited = (
        _tables(buyers, part["mechanism"], convention)
        if "mechanism" in part
        else _draw(buyers, scores, part["auction"])
    )
    checks += found + weighed + audited
    for end, proved in (("lower", lower), ("upper", upper)):
        if (claimed := part.get(end)) is not None:
            gap = number(claimed) - proved
            checks.append(Check(f"{end} bound as claimed", nearest(abs(gap)), gap == 0))
    checks.append(at_most_zero("lower bound at most upper", lower - upper))
    return checks, {"finite": (lower, upper)}


def _buyers(parameters: Mapping[str, Any], listed: Sequence[Any], convention: str) -> tuple[list[Buyer], list[Check]]:
    caps = parameters.get("caps") or [None] * len(parameters["buyers"])
    buyers, checks = [], []
    for i, (written, own, cap) in enumerate(zip(parameters["buyers"], listed, caps, strict=True)):
        prior = Distribution(**written)
        v, f = [rational(x) for x in prior.values], [rational(x) for x in prior.probabilities]
        if own is not None and "family" in written:
            f = [number(x) for x in own]
            miss = max(abs(nearest(a) - float(b)) for a, b in zip(f, prior.probabilities, strict=True))
            name = f"buyer {i + 1}: probabilities are those of {written['family']} within {CLOSE:g}"
            checks.append(Check(name, miss, miss <= CLOSE and min(f) > 0 and sum(f, ZERO) == 1))
        if v[0] < 0:
            raise ValueError("values must be at least zero")
        buyers.append(Buyer(v, f, _utility_values(v, f, convention), None if cap is None else number(cap)))
    return buyers, checks


def _utility_values(v: list[Rational], f: list[Rational], convention: str) -> list[Rational]:
    """vt: what one more chance of winning at v_k gives all types it gives anything."""
    found = []
    for k in range(len(v)):
        here = sum(f[k:], ZERO)
        if convention == "lower":
            found.append((v[k + 1] - v[k]) * (here - f[k]) / f[k] if k + 1 < len(v) else ZERO)
        elif k:
            found.append((v[k] - v[k - 1]) * here / f[k])
        else:
            found.append(v[0] / f[0] if convention == "upper" else ZERO)
    return found


def _scores(buyers: Sequence[Buyer], flows: Sequence[Sequence[Any]]) -> tuple[list[list[Rational]], list[Check]]:
    scores, checks = [], []
    for i, (buyer, row) in enumerate(zip(buyers, flows, strict=True)):
        mu = [ZERO, *(number(x) for x in row), ZERO]
        if len(mu) != len(buyer.v) + 1:
            raise ValueError("one multiplier per pair of neighbouring values")
        pairs = zip(buyer.vt, itertools.pairwise(mu), buyer.f, strict=True)
        scores.append([vt + (a - b) / f for vt, (a, b), f in pairs])
        checks.append(at_most_zero(f"buyer {i + 1}: multipliers of rising chances are nonnegative", -min(mu)))
    return scores, checks


def _above(
    buyers: Sequence[Buyer], scores: Sequence[Sequence[Rational]], weights: Sequence[Rational]
) -> tuple[Rational, list[Check]]:
    """sum_i (1 - w_i) b_i + E[max(0, max_i w_i s_i)]."""
    spare = ZERO
    for buyer, w in zip(buyers, weights, strict=True):
        if buyer.cap is None and w != 1:
            raise ValueError("a buyer without a cap has the weight 1")
        spare += (1 - w) * buyer.cap if buyer.cap is not None else ZERO
    outside = max(max(-w, w - 1) for w in weights)
    laws = [
        [(w * s, f) for s, f in zip(row, buyer.f, strict=True)]
        for w, row, buyer in zip(weights, scores, buyers, strict=True)
    ]
    total, left = ZERO, ZERO
    for step in sorted({s for law in laws for s, _ in law if s > 0}):
        below = math.prod((sum((f for s, f in law if s <= left), ZERO) for law in laws), start=rational(1))
        total += (step - left) * (1 - below)
        left = step
    return spare + total, [at_most_zero("weights lie between zero and one", outside)]


def _utility(buyers: Sequence[Buyer], expected: Sequence[Rational]) -> Rational:
    pairs = zip(buyers, expected, strict=True)
    return sum((u if buyer.cap is None else min(u, buyer.cap) for buyer, u in pairs), ZERO)


def _draw(
    buyers: Sequence[Buyer], scores: Sequence[Sequence[Rational]], auction: Mapping[str, Any]
) -> tuple[Rational, list[Check]]:
    """Utility counted up to the caps in a draw of scaled auctions."""
    chances, q = ([number(x) for x in auction[name]] for name in ("chances", "q"))
    scales = [[number(x) for x in row] for row in auction["scales"]]
    if any(len(row) != len(buyers) for row in scales) or len(q) != len(buyers):
        raise ValueError("one scale and one chance per buyer")
    fall = max((a - b for row in scores for a, b in itertools.pairwise(row)), default=ZERO)
    negative = max(-min([*chances, *q]), -min(w for row in scales for w in row))
    checks = [
        at_most_zero("a higher value never has a lower score", fall),
        at_most_zero("chances and scales are nonnegative", negative),
        at_most_zero("the draw's chances sum to at most one", sum(chances, ZERO) - 1),
        at_most_zero("no winner's chance is above one", max(q) - 1),
    ]
    expected = [ZERO] * len(buyers)
    for chance, scale in zip(chances, scales, strict=True):
        rows = [[w * s for s in row] for w, row in zip(scale, scores, strict=True)]
        for i, buyer in enumerate(buyers):
            won = {s: _wins(buyers, rows, i, s) for s in set(rows[i])}
            used = zip(buyer.f, buyer.vt, rows[i], strict=True)
            expected[i] += chance * q[i] * sum((f * vt * won[s] for f, vt, s in used), ZERO)
    return _utility(buyers, expected), checks


def _wins(buyers: Sequence[Buyer], rows: Sequence[Sequence[Rational]], i: int, s: Rational) -> Rational:
    """Chance that no buyer before i scores s or more, and none after her more than s."""
    found = rational(1)
    for j, (buyer, row) in enumerate(zip(buyers, rows, strict=True)):
        if j != i:
            found *= sum((f for f, r in zip(buyer.f, row, strict=True) if r < s or (r == s and j > i)), ZERO)
    return found


def _tables(buyers: Sequence[Buyer], mechanism: Mapping[str, Any], convention: str) -> tuple[Rational, list[Check]]:
    """Utility counted up to the caps of an auction listed profile by profile, all its ex-post rows checked."""
    shape = [len(buyer.v) for buyer in buyers]
    q, m = ([[number(x) for x in row] for row in mechanism[name]] for name in ("allocation", "payment"))
    P = math.prod(shape)
    if not len(q) == len(m) == len(buyers) or any(len(row) != P for row in [*q, *m]):
        raise ValueError("the tables do not list every buyer and profile")
    over = max(sum((row[t] for row in q), ZERO) - 1 for t in range(P))
    checks = [at_most_zero("the good is given at most once, never less than nothing", max(over, -min(map(min, q))))]
    chance = [rational(1)]
    for buyer in buyers:
        chance = [c * f for c in chance for f in buyer.f]
    expected = []
    for i, buyer in enumerate(buyers):
        stride = math.prod(shape[i + 1 :])
        own = [buyer.v[t // stride % shape[i]] for t in range(P)]
        expected.append(dot(chance, [a * v - p for a, v, p in zip(q[i], own, m[i], strict=True)]))
        starts = [t for t in range(P) if t // stride % shape[i] == 0]
        menus = [[(q[i][t + k * stride], m[i][t + k * stride]) for k in range(shape[i])] for t in starts]
        checks += _audit(f"buyer {i + 1}", buyer.v, menus, convention)
    return _utility(buyers, expected), checks


def _audit(
    who: str, v: Sequence[Rational], menus: Sequence[Sequence[tuple[Rational, Rational]]], convention: str
) -> list[Check]:
    """The ex-post rows of one buyer: a menu for every profile of the others, her types' contracts in order."""
    gain = loss = unpaid = odd = ZERO
    for menu in menus:
        utility = [a * x - p for (a, p), x in zip(menu, v, strict=True)]
        for x, u in zip(v, utility, strict=True):
            loss, gain = max(loss, -u), max(gain, max(a * x - p for a, p in set(menu)) - u)
        unpaid = max(unpaid, max(-p for _, p in menu))
        steps = [abs(b - a - (y - x) * c) for (a, b), (x, y), (c, _) in zip(
            itertools.pairwise(utility), itertools.pairwise(v), menu[:-1], strict=True)]  # fmt: skip
        odd = max(odd, abs(utility[0]) if convention != "upper" else ZERO, *(steps if convention == "lower" else ()))
    checks = [
        at_most_zero(f"{who}: no profile where a lie gains", gain),
        at_most_zero(f"{who}: no profile where taking part loses", loss),
        at_most_zero(f"{who}: no payment is negative", unpaid),
    ]
    name = "payments are the highest the allocation allows" if convention == "lower" else "the lowest type gets nothing"
    return checks if convention == "upper" else [*checks, at_most_zero(f"{who}: {name}", odd)]
