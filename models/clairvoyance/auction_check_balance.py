"""Checks NonClairvoyantBalance at every balance that truthful buyers reach: all rows of all periods, and the revenue.

Of each period and balance the certificate lists only the money-burning auction: a draw of scaled auctions with the
chances its winners keep, and multipliers; for one buyer a posted price. The checker works out virtual values,
Myerson's and the second price auction, goes through all profiles and misreports, and proves the money-burning part
optimal by weak duality."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from mechopt.models.distributions import Distribution
from mechopt.solvers.certificate import Check

ZERO, ONE = Fraction(0), Fraction(1)
Profile = tuple[int, ...]
Rows = dict[Profile, list[tuple[Fraction, Fraction]]]  # per profile every buyer's (chance, payment)


@dataclass
class Worst:
    """The largest violation of every kind so far."""

    found: dict[str, Fraction] = field(default_factory=dict)

    def note(self, name: str, violation: Fraction) -> None:
        """Remember a violation; values at most zero are none."""
        self.found[name] = max(self.found.get(name, ZERO), violation)

    def checks(self) -> list[Check]:
        """One line per kind."""
        return [Check(name, float(x), x <= 0) for name, x in self.found.items()]


def balanced(
    periods: Sequence[Sequence[Distribution]], horizon: int, mechanism: str, part: Mapping[str, Any]
) -> tuple[list[Check], Fraction]:
    """The checks, and the expected revenue."""
    listed = part["states"]
    if len(listed) != horizon:
        raise ValueError("one list of balances per period")
    buyers = len(periods[0])
    states: dict[tuple[Fraction, ...], Fraction] = {(ZERO,) * buyers: ONE}
    worst, revenue, missing = Worst(), ZERO, 0
    for t in range(horizon):
        period = periods[t % len(periods)]
        statics = _statics(period)
        known = {tuple(Fraction(b) for b in entry["balance"]): entry for entry in listed[t]}
        after: dict[tuple[Fraction, ...], Fraction] = {}
        for state, p in states.items():
            if state not in known:
                missing += 1
                continue
            earned, law = _period(period, statics, _weights(mechanism, buyers, t), state, known[state], worst)
            revenue += p * earned
            for new, chance in law.items():
                after[new] = after.get(new, ZERO) + p * chance
        states = after
    return [*worst.checks(), Check("every balance reached is listed", float(missing), missing == 0)], revenue


def _weights(mechanism: str, buyers: int, t: int) -> tuple[Fraction, Fraction, Fraction]:
    if mechanism == "two-period-balance":
        return (Fraction(1, 2), ZERO, Fraction(1, 2)) if t else (Fraction(1, 2), Fraction(1, 2), ZERO)
    if mechanism != "balance":
        raise ValueError("no such mechanism")
    return (Fraction(1, 3),) * 3 if buyers == 1 else (Fraction(1, 5), Fraction(2, 5), Fraction(2, 5))


def _isotonic(phi: Sequence[Fraction], f: Sequence[Fraction]) -> list[Fraction]:
    pools: list[tuple[Fraction, Fraction, int]] = []
    for x, p in zip(phi, f, strict=True):
        mean, mass, size = x, p, 1
        while pools and pools[-1][0] >= mean:
            before, weight, count = pools.pop()
            mean, mass, size = (before * weight + mean * mass) / (weight + mass), weight + mass, size + count
        pools.append((mean, mass, size))
    return [mean for mean, _, size in pools for _ in range(size)]


def _tails(prior: Distribution) -> list[Fraction]:
    return [sum(prior.probabilities[k:], ZERO) for k in range(len(prior) + 1)]


def _statics(period: Sequence[Distribution]) -> tuple[Rows, Rows, list[list[Fraction]], dict[Profile, Fraction]]:
    """Both other auctions over profiles, ironed virtual values for utility, and the profiles' chances."""
    sale, use = [], []
    for prior in period:
        v, f, T = prior.values, prior.probabilities, _tails(prior)
        revenue = [t * x for t, x in zip(T, [*v, ZERO], strict=True)]
        sale.append(_isotonic([(a - b) / p for a, b, p in zip(revenue, revenue[1:], f, strict=False)], f))
        use.append(_isotonic([(b - a) * t / p for a, b, t, p in zip([ZERO, *v], v, T, f, strict=False)], f))
    own = [list(prior.values) for prior in period]
    chance = {
        t: math.prod((prior.probabilities[k] for prior, k in zip(period, t, strict=True)), start=ONE)
        for t in itertools.product(*(range(len(prior)) for prior in period))
    }
    kept = [ONE] * len(period)
    second = {}
    for t in chance:  # the winner pays the highest value of the others
        values = [prior.values[k] for prior, k in zip(period, t, strict=True)]
        first = values.index(max(values))
        price = max([*values[:first], *values[first + 1 :]], default=ZERO)
        second[t] = [(ONE, price) if i == first else (ZERO, ZERO) for i in range(len(values))]
    return _highest(sale, own, kept, list(chance), True), second, use, chance


def _highest(
    scores: Sequence[Sequence[Fraction]], price: Sequence[Sequence[Fraction]], kept: Sequence[Fraction],
    profiles: Sequence[Profile], reserve: bool,
) -> Rows:  # fmt: skip
    """The highest score wins, the first among equals, with the chance kept; her lowest winning type l pays price[l]."""
    found: Rows = {}
    for t in profiles:
        now = [row[k] for row, k in zip(scores, t, strict=True)]
        best = max(now)
        first = now.index(best)
        rows = [(ZERO, ZERO)] * len(t)
        if best >= 0 or not reserve:
            need_more = max(now[:first], default=None)
            need = max([*now[first + 1 :], *([ZERO] if reserve else [])], default=None)
            lowest = next(
                k for k, s in enumerate(scores[first])
                if (need_more is None or s > need_more) and (need is None or s >= need)
            )  # fmt: skip
            rows[first] = (kept[first], kept[first] * price[first][lowest])
        found[t] = rows
    return found


def _mixed(parts: Sequence[tuple[Fraction, Rows]]) -> Rows:
    rows = next(iter(parts))[1]
    return {
        t: [(sum((w * r[t][i][0] for w, r in parts), ZERO), sum((w * r[t][i][1] for w, r in parts), ZERO))
            for i in range(len(rows[t]))]
        for t in rows
    }  # fmt: skip


def _period(
    period: Sequence[Distribution], statics: Any, weights: tuple[Fraction, Fraction, Fraction],
    state: tuple[Fraction, ...], entry: Mapping[str, Any], worst: Worst,
) -> tuple[Fraction, dict[tuple[Fraction, ...], Fraction]]:  # fmt: skip
    myerson, second, use, chance = statics
    a, c, d = weights
    fees = [ZERO] * len(state)
    parts = [(a, myerson), (c, second)]
    if d:
        burnt = _burnt(period, use, chance, [b / d for b in state], entry, worst)
        gains = [_expected(period, burnt, chance, i) for i in range(len(state))]
        fees = [d * gain for gain in gains]
        parts.append((d, burnt))
    whole = _mixed(parts)
    worst.note("spends are at most the balances", max(s - b for s, b in zip(fees, state, strict=True)))
    _audit(period, whole, worst)
    law: dict[tuple[Fraction, ...], Fraction] = {}
    earned = sum(fees, ZERO)
    for t, p in chance.items():
        earned += p * sum((m for _, m in whole[t]), ZERO)
        put = [c * (q * prior.values[k] - m) for prior, k, (q, m) in zip(period, t, second[t], strict=True)]
        for i, (prior, k, (q, m)) in enumerate(zip(period, t, whole[t], strict=True)):
            worst.note("deposits are at most the utility of the period", put[i] - (q * prior.values[k] - m))
        new = tuple(b - s + x for b, s, x in zip(state, fees, put, strict=True))
        law[new] = law.get(new, ZERO) + p
    return earned, law


def _expected(period: Sequence[Distribution], rows: Rows, chance: Mapping[Profile, Fraction], i: int) -> Fraction:
    return sum((p * (rows[t][i][0] * period[i].values[t[i]] - rows[t][i][1]) for t, p in chance.items()), ZERO)


def _audit(period: Sequence[Distribution], rows: Rows, worst: Worst) -> None:
    """Truth is best whatever the others report, nobody loses but for the spend, the good is given at most once."""
    for t, row in rows.items():
        worst.note("the good is given at most once", sum((q for q, _ in row), ZERO) - 1)
        for i, prior in enumerate(period):
            v = prior.values[t[i]]
            own = row[i][0] * v - row[i][1]
            worst.note("nobody loses before the spend", -own)
            for k in range(len(prior)):
                q, m = rows[(*t[:i], k, *t[i + 1 :])][i]
                worst.note("no lie gains", q * v - m - own)


def _burnt(
    period: Sequence[Distribution], use: Sequence[Sequence[Fraction]], chance: Mapping[Profile, Fraction],
    caps: Sequence[Fraction], entry: Mapping[str, Any], worst: Worst,
) -> Rows:  # fmt: skip
    """The money-burning auction listed; that its utilities keep to the caps and are the most there can be."""
    if "price" in entry:
        if len(period) != 1:
            raise ValueError("a posted price is for one buyer")
        price = Fraction(entry["price"])
        sold = {t: [(ONE, price) if period[0].values[t[0]] >= price else (ZERO, ZERO)] for t in chance}
        most = min(caps[0], sum((p * v for v, p in zip(period[0].values, period[0].probabilities, strict=True)), ZERO))
        worst.note("the posted price leaves the utility wanted", abs(_expected(period, sold, chance, 0) - most))
        worst.note("a posted price is at least zero", -price)
        return sold
    below = [[ZERO, *prior.values[:-1]] for prior in period]
    draw = [Fraction(x) for x in entry["chances"]]
    kept = [Fraction(x) for x in entry["q"]]
    worst.note(
        "draws and sharing are probabilities", max(abs(sum(draw, ZERO) - 1), -min(draw), -min(kept), max(kept) - 1)
    )
    parts = []
    for p, row in zip(draw, entry["scales"], strict=True):
        scale = [Fraction(x) for x in row]
        worst.note("scales are at least zero", -min(scale))
        scores = [[w * s for s in own] for w, own in zip(scale, use, strict=True)]
        parts.append((p, _highest(scores, below, kept, list(chance), False)))
    rows = _mixed(parts)
    gains = [_expected(period, rows, chance, i) for i in range(len(period))]
    worst.note("utilities of money burning keep to the caps", max(g - b for g, b in zip(gains, caps, strict=True)))
    w = [Fraction(x) for x in entry["weights"]]
    worst.note("multipliers of the caps are at least zero", max(-min(w), max(w) - 1))
    best = sum((p * max(x * own[k] for x, own, k in zip(w, use, t, strict=True)) for t, p in chance.items()), ZERO)
    bound = best + sum(((1 - x) * b for x, b in zip(w, caps, strict=True)), ZERO)
    worst.note("no money-burning auction leaves more utility", bound - sum(gains, ZERO))
    return rows
