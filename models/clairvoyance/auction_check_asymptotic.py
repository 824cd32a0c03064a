"""Checks the revenue of AsympOptimalMulti: exactly where balances are few, else between two bounds that balls prove.

With q_t decided in ball arithmetic, buyer i pays at most A_i = sum_t (y_t - q_t mu_t), and less only by what
throttling costs. Up to her first throttling the balance is the free walk S_t = sum u - sum (1 - q) mu, so for any l >=
0

    P(throttled in t)  <=  sum_{s <= t, q_s = 0} P(S_{s-1} < mu_s),
    P(S_{s-1} < mu_s)  <=  e^(l mu_s) E e^(-l S_{s-1}).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import flint

from mechopt.models.distributions import Distribution
from mechopt.solvers.certificate import Check

ZERO = Fraction(0)
Law = dict[Fraction, Fraction]
Share = tuple[Law, Fraction, Fraction]  # utilities, their mean, E[theta x]


def throttled(
    periods: Sequence[Sequence[Distribution]], horizon: int, threshold: str, part: Mapping[str, Any]
) -> tuple[list[Check], tuple[Fraction, Fraction]]:
    """The checks, and lower and upper bound of the expected revenue."""
    statics = [_second_price(period) for period in periods]
    low = high = ZERO
    buyers = len(periods[0])
    slopes = part.get("slopes")
    if slopes is not None and len(slopes) != buyers:
        raise ValueError("one list of slopes per buyer")
    done: dict[str, tuple[Fraction, Fraction]] = {}
    for i in range(buyers):
        own = [shares[i] for shares, _ in statics]
        key = repr((own, None if slopes is None else slopes[i]))
        if key not in done:
            free = _schedule(own, [w for _, w in statics], horizon, threshold)
            sure = sum((own[t % len(own)][2] - (own[t % len(own)][1] if q else ZERO) for t, q in enumerate(free)), ZERO)
            lost = (_exact(own, free),) * 2 if slopes is None else (ZERO, _at_most(own, free, slopes[i]))
            done[key] = sure - lost[1], sure - lost[0]
        low, high = low + done[key][0], high + done[key][1]
    name = "every balance counted" if slopes is None else "throttling bounded by exponential moments"
    return [Check(name, float(high - low) if slopes is None else 0.0, low <= high)], (low, high)


def _second_price(period: Sequence[Distribution]) -> tuple[list[Share], Fraction]:
    """From all profiles: per buyer the law of her utility, its mean and what she is served; and E[max theta]."""
    laws: list[Law] = [{} for _ in period]
    served = [ZERO] * len(period)
    for t in itertools.product(*(zip(prior.values, prior.probabilities, strict=True) for prior in period)):
        chance = math.prod((p for _, p in t), start=Fraction(1))
        values = [v for v, _ in t]
        first = values.index(max(values))
        served[first] += chance * values[first]
        for i, law in enumerate(laws):
            u = values[i] - max([*values[:i], *values[i + 1 :], ZERO]) if i == first else ZERO
            law[u] = law.get(u, ZERO) + chance
    means = [sum((u * p for u, p in law.items()), ZERO) for law in laws]
    return list(zip(laws, means, served, strict=True)), sum(served, ZERO)


def _schedule(own: Sequence[Share], W: Sequence[Fraction], horizon: int, threshold: str) -> list[bool]:
    if threshold not in ("sqrt(t) ln t", "sqrt(t ln t)"):
        raise ValueError("no such threshold")
    total, free, n = flint.fmpq(0), [], len(own)
    fees = [flint.fmpq(s[1].numerator, s[1].denominator) for s in own]
    welfare = [flint.arb(flint.fmpq(w.numerator, w.denominator)) for w in W]
    for t in range(horizon):
        now = flint.arb(t + 1)
        grows = now.sqrt() * now.log() if threshold == "sqrt(t) ln t" else (now * now.log()).sqrt()
        limit = welfare[t % n] * (grows if t else 0)
        inside, outside = limit >= total, limit < total
        if inside == outside:
            raise ValueError(f"period {t + 1}: threshold and deposits are too close to tell apart")
        free.append(bool(inside))
        if inside:
            total += fees[t % n]
    return free


def _exact(own: Sequence[Share], free: Sequence[bool]) -> Fraction:
    """What throttling costs, all balances counted."""
    law: Law = {ZERO: Fraction(1)}
    lost = ZERO
    for t, q in enumerate(free):
        steps, fee, served = own[t % len(own)]
        after: Law = {}
        for b, p in law.items():
            if q or b >= fee:
                for u, chance in steps.items():
                    new = b + u - (ZERO if q else fee)
                    after[new] = after.get(new, ZERO) + p * chance
            else:
                lost += p * served
                after[b] = after.get(b, ZERO) + p
        law = after
    return lost


def _at_most(own: Sequence[Share], free: Sequence[bool], slopes: Sequence[Any]) -> Fraction:
    """An upper bound of what throttling costs; `slopes` lists [first period, slope], each good until the next."""
    listed = [(int(start), Fraction(slope)) for start, slope in slopes]
    if listed and (any(a[0] >= b[0] for a, b in itertools.pairwise(listed)) or min(s for _, s in listed) < 0):
        raise ValueError("slopes at least zero, from increasing periods on")
    n, counts, paid = len(own), [0] * len(own), ZERO
    cost, some = flint.arb(0), flint.arb(0)  # some: bound of the chance that she was ever throttled
    place, slope, logs = -1, ZERO, [flint.arb(0)] * n
    for t, q in enumerate(free):
        while place + 1 < len(listed) and listed[place + 1][0] <= t:
            place, slope = place + 1, listed[place + 1][1]
            logs = [_log_moment(law, slope) for law, _, _ in own]
        fee = own[t % n][1]
        if not q:
            exponent = _ball(slope * (fee + paid)) + sum(
                (c * m for c, m in zip(counts, logs, strict=True)), flint.arb(0)
            )
            some = (some + exponent.exp()).min(flint.arb(1))
            cost += some * _ball(own[t % n][2])
            paid += fee
        counts[t % n] += 1
    top = cost.upper().mid().str(20, radius=False)
    return Fraction(top) * (1 + Fraction(1, 10**15)) + Fraction(1, 10**300) if Fraction(top) else ZERO


def _log_moment(law: Law, slope: Fraction) -> Any:
    return sum((_ball(p) * (-_ball(slope * u)).exp() for u, p in law.items()), flint.arb(0)).log()


def _ball(x: Fraction) -> Any:
    return flint.arb(flint.fmpq(x.numerator, x.denominator))
