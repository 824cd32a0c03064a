"""The checker of `virtual-index`: index tables proved in rationals, then the worth of the bandit enclosed.

It shares no code with the elimination, the products, CVXPY or the solver. The certificate lists the Gittins indices of
each kind of arm as fractions. For every listed level g let C be the states of higher indices and f = R - g T, where R
and T solve R = r + delta P R and T = 1 + delta P T on C. Then, with f = 0 outside of C, it is checked that

    f > 0 on C,     r(k) - g + delta sum_y P(k, y) f(y) <= 0 outside of C,  with equality at the states of index g.

So f satisfies the optimality equation of stopping at a charge g per pull: pulling until C is left attains it, f itself
is superharmonic and no stopping time does better. g is therefore the index of its states.

The worth of the bandit is the integral of 1 - prod_i d_i(m) over positive charges, with d_i = 1 - (1 - delta) T on C,
which are fractions too: Whittle's theorem. The sum is taken with balls of 320 bits, whose ends are the bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flint

from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, rational

Bracket = tuple[Rational, Rational]
BITS = 320  # of the balls: thousands of roundings cost a few of them
CLOSE = 1e-12  # of a listed virtual worth with the formula's, where it is no fraction
AGREES = 1e-9  # of listed contributions with their enclosures, relative


@dataclass(frozen=True)
class Chain:
    """An arm: rewards, sparse transition rows."""

    r: list[Rational]
    P: list[dict[int, Rational]]


@dataclass(frozen=True)
class Steps:
    """Distinct falling indices, and E[delta^tau] by state above all of them and after each."""

    levels: list[Rational]
    stay: list[list[Rational]]


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every index of a certificate, and the bracket (lower, upper) of the bandit's worth it proves.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    part = certificate["finite"]
    delta = number(parameters["discount"])
    if not 0 <= delta < 1:
        raise ValueError("the discount must be at least 0 and below 1")
    arms, kinds = parameters["arms"], [int(k) for k in part["kinds"]]
    if not len(arms) == len(kinds) == len(part["weights"]) or any(not 0 <= k <= i for i, k in enumerate(kinds)):
        raise ValueError("one kind and one weight per arm, kinds named by their first arm")
    checks: list[Check] = []
    steps: dict[int, Steps] = {}
    chains = [_chain(arm) for arm in arms]
    for i, kind in enumerate(kinds):
        if kind == i:
            steps[i], found = _prove(chains[i], [number(x) for x in part["indices"][str(i)]], delta, i + 1)
            checks += found
        elif (chains[kind].r, chains[kind].P) != (chains[i].r, chains[i].P):
            raise ValueError(f"arms {i + 1} and {kind + 1} are not alike")
    falls = []
    for i, (arm, kind) in enumerate(zip(arms, kinds, strict=True)):
        (w, b), found = _weights(arm, part["weights"][i], i + 1)
        checks += found
        law = _law(arm, len(chains[i].r))
        stay = [sum((p * d for p, d in zip(law, column, strict=True) if p), ZERO) for column in steps[kind].stay]
        falls.append(
            [(w * g + b, a, c) for g, a, c in zip(steps[kind].levels, stay, stay[1:], strict=False)] if w > 0 else []
        )
    lower, upper = _worth(falls, delta)
    checks += _claims(part, falls, delta, (lower, upper))
    return checks, {"finite": (lower, upper)}


def _chain(arm: Mapping[str, Any]) -> Chain:
    """Rewards and transitions from the instance."""
    if "beta" not in arm:
        r = [number(x) for x in arm["reward"]]
        P = [{j: number(p) for j, p in enumerate(row) if number(p)} for row in arm["transition"]]
        if len(P) != len(r) or any(len(row) != len(r) for row in arm["transition"]):
            raise ValueError("a square matrix of transitions, with one reward per row")
    else:
        (a, b), last = (number(x) for x in arm["beta"]), int(arm["pulls"])
        r, P = [], []
        for n in range(last + 1):
            for j in range(n + 1):
                won = (a + n - j) / (a + b + n)
                here = len(r)
                r.append(won)
                P.append({here: rational(1)} if n == last else {here + n + 1: won, here + n + 2: 1 - won})
    for row in P:
        if min(row.values()) < 0 or sum(row.values(), ZERO) != 1:
            raise ValueError("transitions must be nonnegative and sum to one")
    return Chain(r, P)


def _law(arm: Mapping[str, Any], L: int) -> list[Rational]:
    if "start" not in arm:
        return [rational(1)] + [ZERO] * (L - 1)
    law = [number(p) for p in arm["start"]]
    if len(law) != L or min(law) < 0 or sum(law, ZERO) != 1:
        raise ValueError("the law of the first state must be nonnegative and sum to one")
    return law


def _prove(chain: Chain, indices: Sequence[Rational], delta: Rational, arm: int) -> tuple[Steps, list[Check]]:
    """The step functions of proved indices, and the checks that prove them."""
    L = len(chain.r)
    if len(indices) != L:
        raise ValueError("one index per state")
    levels = sorted(set(indices), reverse=True)
    stay, one = [[rational(1)] * L], rational(1)
    beaten = missed = below = ZERO
    inside: list[int] = []
    R: dict[int, Rational] = {}
    T: dict[int, Rational] = {}
    for g in levels:
        f = {k: R[k] - g * T[k] for k in inside}
        below = max([below, *(-x for x in f.values())])
        for k in range(L):
            if k not in f:
                gain = chain.r[k] - g + delta * sum((p * f[y] for y, p in chain.P[k].items() if y in f), ZERO)
                if indices[k] == g:
                    missed = max(missed, abs(gain))
                else:
                    beaten = max(beaten, gain)
        inside = [k for k in range(L) if indices[k] >= g]
        place = {k: n for n, k in enumerate(inside)}
        matrix = flint.fmpq_mat(len(inside), len(inside))
        for k in inside:
            for y, p in chain.P[k].items():
                if y in place:
                    matrix[place[k], place[y]] = -delta * p
            matrix[place[k], place[k]] = matrix[place[k], place[k]] + one
        right = flint.fmpq_mat([[chain.r[k], one] for k in inside])
        solved = matrix.solve(right)
        R, T = ({k: solved[n, c] for k, n in place.items()} for c in (0, 1))
        stay.append([one - (1 - delta) * T[k] if k in place else one for k in range(L)])
    return Steps(levels, stay), [
        at_most_zero(f"arm {arm}: pulling until the index falls is worth nothing less than stopping", below),
        at_most_zero(f"arm {arm}: at its index every state just breaks even", missed),
        at_most_zero(f"arm {arm}: no stopping time beats an index", beaten),
    ]


def _weights(arm: Mapping[str, Any], listed: Mapping[str, Any], i: int) -> tuple[Bracket, list[Check]]:
    """What rewards are multiplied with and what is added, from the instance; virtual worths in floats are compared."""
    cost = number(arm.get("cost", 0))
    if "report" not in arm:
        return (number(arm.get("weight", 1)), number(arm.get("offset", 0)) - cost), []
    phi, found = _virtual_worth(arm, listed, i)
    if arm["separation"] == "additive":
        return (rational(1), phi - cost), found
    return (max(phi, ZERO), -cost), found


def _virtual_worth(arm: Mapping[str, Any], listed: Mapping[str, Any], i: int) -> tuple[Rational, list[Check]]:
    """phi of the report: as a fraction for finite and uniform laws with A linear, else the listed one if close."""
    law, worth, s = arm["initial"], arm["worth"], number(arm["report"])
    offset, scale, power = (number(worth[name]) for name in ("offset", "scale", "power"))
    uniform = law.get("family") == "uniform"
    if power == 1 and uniform and "points" not in law:
        return offset + scale * (2 * s - number(law["support"][1])), []
    if power == 1 and (uniform or "values" in law):
        if uniform:
            (low, high), n = (number(x) for x in law["support"]), int(law["points"])
            values, chances = [low + (high - low) * k / (n - 1) for k in range(n)], [rational(1) / n] * n
        else:
            values, chances = ([number(x) for x in law[name]] for name in ("values", "probabilities"))
        k = values.index(s)
        if k + 1 == len(values):
            return offset + scale * s, []
        rest = sum(chances[k + 1 :], ZERO) / chances[k]
        return offset + scale * (s - rest * (values[k + 1] - values[k])), []
    phi, other = number(listed["phi"]), _formula(arm)
    miss = abs(nearest(phi) - other)
    return phi, [
        Check(f"agent {i}: virtual worth is the law's within {CLOSE:g}", miss, miss <= CLOSE * (1 + abs(other)))
    ]


def _formula(arm: Mapping[str, Any]) -> float:
    """A - (1 - F) / f A' in floats, from SciPy's distribution."""
    import scipy.stats

    law, s = arm["initial"], nearest(number(arm["report"]))
    offset, scale, power = (nearest(number(arm["worth"][name])) for name in ("offset", "scale", "power"))
    low, high = (nearest(number(x)) for x in law["support"])
    own = {k: nearest(number(x)) for k, x in law.items() if k not in ("family", "support", "points")}
    if law["family"] == "uniform":
        own = {"loc": low, "scale": high - low}
    F = getattr(scipy.stats, law["family"])(**own)
    if "points" in law:
        raise ValueError("types of a family are proved from their list of values and probabilities")
    A, slope = offset + scale * s**power, scale * power * s ** (power - 1) if s > 0 else 0.0
    above = max(float(F.sf(s) - F.sf(high)), 0.0)
    return float(A - (slope * above / float(F.pdf(s)) if above > 0 and s < high else 0.0))


def _worth(falls: Sequence[Sequence[tuple[Rational, Rational, Rational]]], delta: Rational) -> Bracket:
    """1 / (1 - delta) times the integral of 1 - prod d_i over m > 0, enclosed."""
    events = sorted((e for row in falls for e in row if e[0] > 0), key=lambda e: -e[0])
    before = flint.ctx.prec
    try:
        flint.ctx.prec = BITS
        total, product, zeros = flint.arb(0), flint.arb(1), 0
        for n, (level, old, new) in enumerate(events):
            product = product * (flint.arb(new) if new else 1) / (flint.arb(old) if old else 1)
            zeros += (new == 0) - (old == 0)
            width = level - (events[n + 1][0] if n + 1 < len(events) else ZERO)
            total += flint.arb(width) * (1 - (product if zeros == 0 else 0))
        total = total / flint.arb(1 - delta)
        return _end(total.lower()), _end(total.upper())
    finally:
        flint.ctx.prec = before


def _end(ball: Any) -> Rational:
    """An exact ball as a fraction."""
    mantissa, exponent = ball.mid().man_exp()
    two = flint.fmpz(2)
    return flint.fmpq(mantissa) * (two ** int(exponent) if exponent >= 0 else flint.fmpq(1, two ** int(-exponent)))


def _claims(part: Mapping[str, Any], falls: Any, delta: Rational, bracket: Bracket) -> list[Check]:
    """The bounds and, where they are listed, what each arm adds, against enclosures without that arm."""
    checks = []
    for end, proved in zip(("lower", "upper"), bracket, strict=True):
        if (claimed := part.get(end)) is not None:
            gap = number(claimed) - proved
            checks.append(Check(f"{end} bound as claimed", nearest(abs(gap)), gap == 0))
    if "added" in part:
        if len(part["added"]) != len(falls):
            raise ValueError("one contribution per arm")
        miss = 0.0
        for i, listed in enumerate(part["added"]):
            low, high = _worth([row for j, row in enumerate(falls) if j != i], delta)
            exact = nearest((bracket[0] + bracket[1] - low - high) / 2)
            miss = max(miss, abs(nearest(number(listed)) - exact) / (1 + abs(nearest(bracket[1]))))
        checks.append(Check("what each arm adds to the worth", miss, miss <= AGREES))
    return checks
