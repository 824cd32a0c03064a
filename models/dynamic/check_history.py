"""The checker of programs over histories: a bank account mechanism, and virtual values that no such mechanism beats.

From the instance straight to both bounds, in rationals; it shares no code with the programs, CVXPY or the solver.
After the reports h = (v^1, .., v^{t-1}) buyer i has the balance b_i(h), zero at the start.

*Below.* The certificate lists allocations x_i(h, v) and promises xi_i^t(v_-i) >= 0. Balances follow: the lowest one
makes E_{v_i}[b_i(h, v)] = b_i(h) + xi_i(v_-i), and b_i(h, v_{j+1}) - b_i(h, v_j) = (v_{j+1} - v_j) x_i(h, v_j).
Nothing may be negative, allocations must rise with the own value and sell at most one good. Then utilities
u_i = b_i(h, v) - b_i(h) make truth best in every period, their mean xi_i does not depend on the balance, and totals are
balances, never negative.
The revenue is E[sum v x] - E[sum xi].

*Above.* The certificate lists beta_i(h, v_-i) and eta_i(h, v) >= 0. With g_i(h, v) = E_{v'_-i}[beta_i((h, v), v'_-i)],
zero after the last period, any bank account mechanism earns at most

    sum_h P(h) E_v[ max(0, max_i phit_i(h, v)) ],
    phit_i(v_j) = v_j - (v_{j+1} - v_j) sum_{l > j} f_l (beta_i - g_i(v_l)) / f_j
                  - eta_i(v_j) + f_{j-1} / f_j eta_i(v_{j-1})

where beta_i(h, v_-i) >= E_{v_i}[g_i(h, v)] (balances are not negative) and E_h[beta_i(h, v_-i)] <= 1 (promises cost one
each): add every row of the program times its multiplier. eta moves virtual value upwards, which is ironing.
For one buyer this bounds every dynamic mechanism, since bank accounts lose nothing then.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

from mechopt.models.check_priors import Prior
from mechopt.models.checking import ZERO, at_most_zero, number
from mechopt.models.dynamic.check_periods import read
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, rational

MOST_BITS = 4096


class _Period:
    """One period's profiles: every buyer's type, the chance, and where the others' profile and the neighbours are."""

    def __init__(self, priors: list[Prior]) -> None:
        self.priors = priors
        shape = [len(prior.v) for prior in priors]
        self.types = list(itertools.product(*(range(n) for n in shape)))
        self.place = {types: n for n, types in enumerate(self.types)}
        self.chance = [
            math.prod((p.f[j] for p, j in zip(priors, types, strict=True)), start=rational(1)) for types in self.types
        ]
        self.lines: list[list[tuple[Rational, list[int]]]] = []  # per buyer and v_-i: its chance, her types' profiles
        for i in range(len(shape)):
            rest = itertools.product(*(range(n) for m, n in enumerate(shape) if m != i))
            self.lines.append([])
            for others in rest:
                row = [self.place[(*others[:i], j, *others[i:])] for j in range(shape[i])]
                self.lines[-1].append((self.chance[row[0]] / priors[i].f[0], row))


def check_history(parameters: Mapping[str, Any], part: Mapping[str, Any]) -> tuple[list[Check], Rational, Rational]:
    """Checks, lower and upper bound. Raises KeyError, ValueError, TypeError or IndexError on a malformed part."""
    priors, checks = read(parameters["periods"], part["distributions"])
    bits, fine = part["bits"], part["fine"]
    if any(type(x) is not int or not 0 < x < MOST_BITS for x in (bits, fine)):
        raise ValueError("bits out of range")
    periods = [_Period(row) for row in priors]
    lower, below = _below(periods, part, rational(1 << bits), rational(1 << fine))
    upper, above = _above(periods, part, rational(1 << bits))
    checks += [*below, *above]
    for end, proved in (("lower", lower), ("upper", upper)):
        if (claimed := part.get(end)) is not None:
            miss = number(claimed) - proved
            checks.append(Check(f"{end} bound as claimed", nearest(abs(miss)), miss == 0))
    checks.append(at_most_zero("lower bound at most upper", lower - upper))
    return checks, lower, upper


def _table(listed: Any, buyers: int, lengths: list[int], unit: Rational) -> list[list[Rational]]:
    if len(listed) != buyers or any(len(row) != n for row, n in zip(listed, lengths, strict=True)):
        raise ValueError("a table of the wrong size")
    if any(type(x) is not int for row in listed for x in row):
        raise ValueError("expected integers")
    return [[rational(x) / unit for x in row] for row in listed]


def _below(
    periods: list[_Period], part: Mapping[str, Any], one: Rational, unit: Rational
) -> tuple[Rational, list[Check]]:
    if not len(part["allocation"]) == len(part["xi"]) == len(periods):
        raise ValueError("one table per period")
    buyers = len(periods[0].priors)
    chance, balance = [rational(1)], [[ZERO] for _ in range(buyers)]
    revenue = ZERO
    worst = {"promises are not negative": ZERO, "the good is given at most once, never less than nothing": ZERO,
             "allocations rise with the own value": ZERO, "no balance is negative": ZERO}  # fmt: skip
    promises, sold, rises, held = worst
    for period, allocation, promised in zip(periods, part["allocation"], part["xi"], strict=True):
        P, N = len(period.types), len(chance)
        x = _table(allocation, buyers, [N * P] * buyers, one)
        xi = _table(promised, buyers, [len(lines) for lines in period.lines], unit)
        worst[promises] = max(worst[promises], -min(min(row) for row in xi))
        worst[sold] = max(worst[sold], -min(min(row) for row in x), max(map(sum, zip(*x, strict=True))) - 1)
        after = [[ZERO] * (N * P) for _ in range(buyers)]
        for i, prior in enumerate(period.priors):
            steps = [b - a for a, b in itertools.pairwise(prior.v)]
            for o, (rest, row) in enumerate(period.lines[i]):
                revenue -= rest * xi[i][o]
                for h in range(N):
                    sale = [x[i][h * P + n] for n in row]
                    worst[rises] = max([worst[rises], *(a - b for a, b in itertools.pairwise(sale))])
                    rent = [ZERO, *itertools.accumulate(d * s for d, s in zip(steps, sale, strict=False))]
                    lowest = balance[i][h] + xi[i][o] - sum((f * r for f, r in zip(prior.f, rent, strict=True)), ZERO)
                    worst[held] = max(worst[held], -lowest)
                    for f, v, s, r, n in zip(prior.f, prior.v, sale, rent, row, strict=True):
                        after[i][h * P + n] = lowest + r
                        revenue += chance[h] * rest * f * v * s
        chance = [a * b for a in chance for b in period.chance]
        balance = after
    return revenue, [at_most_zero(name, violation) for name, violation in worst.items()]


def _above(periods: list[_Period], part: Mapping[str, Any], one: Rational) -> tuple[Rational, list[Check]]:
    if not len(part["beta"]) == len(part["eta"]) == len(periods):
        raise ValueError("one table per period")
    buyers = len(periods[0].priors)
    chances = [[rational(1)]]
    for period in periods[:-1]:
        chances.append([a * b for a in chances[-1] for b in period.chance])
    bound, short, dear, signs = ZERO, ZERO, rational(-1), ZERO
    worth: list[list[Rational]] = [[ZERO] * (len(chances[-1]) * len(periods[-1].types)) for _ in range(buyers)]
    for period, chance, listed, moved in zip(
        periods[::-1], chances[::-1], part["beta"][::-1], part["eta"][::-1], strict=True
    ):
        P, N = len(period.types), len(chance)
        beta = _table(listed, buyers, [N * len(lines) for lines in period.lines], one)
        eta = _table(moved, buyers, [N * P] * buyers, one)
        signs = max(signs, -min(min(row) for row in [*beta, *eta]))
        best = [ZERO] * (N * P)
        before = [[ZERO] * N for _ in range(buyers)]
        for i, prior in enumerate(period.priors):
            many = len(period.lines[i])
            for o, (rest, row) in enumerate(period.lines[i]):
                dear = max(dear, sum((c * beta[i][h * many + o] for h, c in enumerate(chance)), ZERO) - 1)
                for h in range(N):
                    b = beta[i][h * many + o]
                    g = [worth[i][h * P + n] for n in row]
                    short = max(short, sum((f * x for f, x in zip(prior.f, g, strict=True)), ZERO) - b)
                    before[i][h] += rest * b
                    values = virtual(prior, b, g, [eta[i][h * P + n] for n in row])
                    for value, n in zip(values, row, strict=True):
                        best[h * P + n] = max(best[h * P + n], value)
        bound += sum((c * p * best[h * P + n] for h, c in enumerate(chance) for n, p in enumerate(period.chance)), ZERO)
        worth = before
    return bound, [
        at_most_zero("multipliers are not negative", signs),
        at_most_zero("beta is at least the mean worth of later balances", short),
        at_most_zero("a promise is worth at most what it costs: E[beta] <= 1", dear),
    ]


def virtual(prior: Prior, beta: Rational, g: list[Rational], eta: list[Rational]) -> list[Rational]:
    """Ironed virtual values of one buyer after a history, the others' values given; the top type's eta is not used."""
    n = len(prior.v)
    owed, found = ZERO, [ZERO] * n  # owed: sum over higher types of f (beta - g)
    for j in reversed(range(n)):
        step = prior.v[j + 1] - prior.v[j] if j < n - 1 else ZERO
        found[j] = prior.v[j] - step * owed / prior.f[j]
        if j < n - 1:
            found[j] -= eta[j]
        if j:
            found[j] += prior.f[j - 1] / prior.f[j] * eta[j - 1]
        owed += prior.f[j] * (beta - g[j])
    return found
