"""The checker of `myerson-auction`: from the instance and a certificate straight to the inequalities, in rationals.

It shares no code with the formulas, the programs, CVXPY or the solver. The certificate holds, per bidder, multipliers
gamma of the truth rows between neighbouring values: `down` for reporting the next lower one, `up` for the next higher.

*Above.* Multiply every row beta_i(k) and gamma_i(k, l) of the Bayesian program by its multiplier and add them up.
Where the multipliers are nonnegative and balance, f = beta + out - in, all payments cancel, and no Bayesian auction
earns more than E[max(0, max_i s_i)] with s_i(k) = w_i(k) / f_i(k). The checker rebuilds beta and w from the instance;
the s_i are independent, so the distribution of their maximum is a product and no profile is listed.

*Below.* The auction that gives the good to the highest s_i of at least zero, the first bidder among equals, at the
lowest of her values that would still have won. A certificate lists it as tables where they are short: every row of the
ex-post program is then checked, and the revenue is the tables'. Else every bidder's s_i has to be nondecreasing, which
makes that auction truthful and individually rational ex post, and its revenue is counted price by price.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mechopt.models.check_priors import Prior, read_prior
from mechopt.models.checking import ZERO, at_most_zero, dot, number
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, rational

Bracket = tuple[Rational, Rational]
Law = tuple[tuple[Rational, ...], tuple[Rational, ...]]  # increasing scores, and the chance of each or less


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the bracket (lower, upper) of the finite program it proves.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    part = certificate["finite"]
    listed = part["distributions"]
    if not len(parameters["bidders"]) == len(listed) == len(part["gamma"]):
        raise ValueError("one entry per bidder")
    read = [
        read_prior(a, b, f"bidder {i + 1}") for i, (a, b) in enumerate(zip(parameters["bidders"], listed, strict=True))
    ]
    priors, checks = [prior for prior, _ in read], [c for _, c in read if c is not None]
    scores = []
    for i, (prior, gamma) in enumerate(zip(priors, part["gamma"], strict=True)):
        row, found = _scores(prior, gamma, i + 1)
        scores.append(row)
        checks += found
    laws = [_law(row, prior.f) for row, prior in zip(scores, priors, strict=True)]
    upper = _expected_best(laws)
    below = _tables(priors, part["mechanism"]) if "mechanism" in part else _thresholds(priors, scores, laws)
    lower, found = below
    checks += found
    for end, proved in (("lower", lower), ("upper", upper)):
        if (claimed := part.get(end)) is not None:
            gap = number(claimed) - proved
            checks.append(Check(f"{end} bound as claimed", nearest(abs(gap)), gap == 0))
    checks.append(at_most_zero("lower bound at most upper", lower - upper))
    return checks, {"finite": (lower, upper)}


def _scores(prior: Prior, gamma: Mapping[str, Any], bidder: int) -> tuple[list[Rational], list[Check]]:
    """s(k) = w(k) / f(k) of multipliers between neighbours, the rows of the dual program checked."""
    v, f, K = prior.v, prior.f, len(prior.v)
    down, up = ([number(x) for x in gamma[name]] for name in ("down", "up"))  # (K - 1,): from k + 1 to k, and back
    if not len(down) == len(up) == K - 1:
        raise ValueError("one multiplier per pair of neighbouring values, each way")
    out = [a + b for a, b in zip([ZERO, *down], [*up, ZERO], strict=True)]
    into = [a + b for a, b in zip([ZERO, *up], [*down, ZERO], strict=True)]
    beta = [p - a + b for p, a, b in zip(f, out, into, strict=True)]
    scores = []
    for k in range(K):
        w = v[k] * (beta[k] + out[k])
        w -= down[k] * v[k + 1] if k < K - 1 else ZERO
        w -= up[k - 1] * v[k - 1] if k else ZERO
        scores.append(w / f[k])
    return scores, [
        at_most_zero(f"bidder {bidder}: multipliers of truth are nonnegative", -min([*down, *up, ZERO])),
        at_most_zero(f"bidder {bidder}: multipliers of participation are nonnegative", -min(beta)),
    ]


def _law(scores: Sequence[Rational], f: Sequence[Rational]) -> Law:
    steps: list[Rational] = []
    chance: list[Rational] = []
    for s, p in sorted(zip(scores, f, strict=True)):
        before = chance[-1] if chance else ZERO
        if steps and steps[-1] == s:
            chance[-1] = before + p
        else:
            steps.append(s)
            chance.append(before + p)
    return tuple(steps), tuple(chance)


def _at_most(law: Law, x: Rational, strictly: bool = False) -> Rational:
    """P(score <= x), or P(score < x)."""
    steps, chance = law
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        if steps[middle] < x or (steps[middle] == x and not strictly):
            low = middle + 1
        else:
            high = middle
    return chance[low - 1] if low else ZERO


def _all_at_most(laws: Mapping[Law, int], x: Rational, strictly: bool = False) -> Rational:
    """P(all scores <= x), or < x, for so many independent scores of each law."""
    return math.prod((_at_most(law, x, strictly) ** n for law, n in laws.items() if n), start=rational(1))


def _expected_best(laws: Sequence[Law]) -> Rational:
    """E[max(0, max_i s_i)]: sum over its positive values s of s P(max = s)."""
    counts = Counter(laws)
    total, before = ZERO, _all_at_most(counts, ZERO)
    for s in sorted({s for steps, _ in counts for s in steps if s > 0}):
        here = _all_at_most(counts, s)
        total += s * (here - before)
        before = here
    return total


def _thresholds(
    priors: Sequence[Prior], scores: Sequence[Sequence[Rational]], laws: Sequence[Law]
) -> tuple[Rational, list[Check]]:
    """Revenue of the threshold auction, bidder by bidder: v_k is the price when k just wins and k - 1 does not."""
    revenue, checks = ZERO, []
    first: Counter[Law] = Counter()  # the bidders before this one, who win ties against her
    later = Counter(laws)
    for i, (prior, row) in enumerate(zip(priors, scores, strict=True)):
        fall = max((a - b for a, b in itertools.pairwise(row)), default=ZERO)
        checks.append(at_most_zero(f"bidder {i + 1}: a higher value never has a lower score", fall))
        later[laws[i]] -= 1
        wins = {s: _all_at_most(first, s, strictly=True) * _all_at_most(later, s) if s >= 0 else ZERO for s in set(row)}
        first[laws[i]] += 1
        lost, left = ZERO, rational(1)
        for v, f, s in zip(prior.v, prior.f, row, strict=True):
            revenue += v * left * (wins[s] - lost)
            lost, left = wins[s], left - f
    return revenue, checks


def _tables(priors: Sequence[Prior], mechanism: Mapping[str, Any]) -> tuple[Rational, list[Check]]:
    """Revenue of an auction listed profile by profile, all its ex-post rows checked."""
    shape = [len(prior.v) for prior in priors]
    q, m = ([[number(x) for x in row] for row in mechanism[name]] for name in ("allocation", "payment"))
    P = math.prod(shape)
    if not len(q) == len(m) == len(priors) or any(len(row) != P for row in [*q, *m]):
        raise ValueError("the tables do not list every bidder and profile")
    over = max(sum((row[t] for row in q), ZERO) - 1 for t in range(P))
    under = max(-min(row) for row in q)
    checks = [at_most_zero("the good is given at most once, never less than nothing", max(over, under))]
    for i, prior in enumerate(priors):
        stride = math.prod(shape[i + 1 :])
        starts = [t for t in range(P) if t // stride % shape[i] == 0]
        gain = loss = ZERO
        for start in starts:  # the others' types are fixed: all of bidder i's types against all her reports
            menu = [(q[i][start + k * stride], m[i][start + k * stride]) for k in range(shape[i])]
            distinct = set(menu)
            for v, (a, p) in zip(prior.v, menu, strict=True):
                utility = a * v - p
                loss = max(loss, -utility)
                gain = max(gain, max(b * v - r for b, r in distinct) - utility)
        checks.append(at_most_zero(f"bidder {i + 1}: no profile where a lie gains", gain))
        checks.append(at_most_zero(f"bidder {i + 1}: no profile where taking part loses", loss))
    chance = [rational(1)]
    for prior in priors:
        chance = [c * f for c in chance for f in prior.f]
    return sum((dot(chance, row) for row in m), ZERO), checks
