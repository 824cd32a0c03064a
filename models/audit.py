"""Audits of direct mechanisms on finite types: how much anybody gains by a misreport or by staying away, exactly.

u_i(w; v_i, v_-i) = q_i(w, v_-i)'v_i - m_i(w, v_-i) is what bidder i with values v_i gets by reporting w, and
U_P(w; v_i) = E_P[u_i(w; v_i, v_-i) | v_i] what she expects under a prior P. The notions, for every i, v_i and w:

    ex-post                  u_i(v_i; v) >= u_i(w; v)                          for every v_-i
    bayesian                 E_Q U_P(v_i; v_i) >= E_Q U_P(w; v_i)              Q: weights on priors, or one prior
    distributionally-robust  U_P(v_i; v_i) >= U_P(w; v_i)                      for every prior P
    maxmin                   min_P U_P(v_i; v_i) >= min_P U_P(w; v_i)
    hurwicz:a                a min_P + (1 - a) max_P of U_P(v_i; v_i)  >=  the same of U_P(w; v_i)

Individual rationality puts zero on the right. Q is not updated by v_i, as Definition 1.2.6(iv) is printed. Under a
prior that gives a type no probability its expectation is not defined: the type then skips that prior.

Every number is a fraction and so is every answer: tables are scaled to integers, in 64 bits where the products fit.

Source: C. Kocyigit's thesis (EPFL), Definitions 1.2.3, 1.2.4 and 1.2.6.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

Exact = Any  # an object array of fractions, or an integer array with its denominator beside it
Criterion = Callable[[Sequence[Fraction], Sequence[int]], Fraction]  # (utilities, numbers of their priors) -> worth
TRUTH, PARTICIPATION = "incentive compatibility", "individual rationality"


@dataclass(frozen=True)
class Finding:
    """One notion, of truth or of participation (`about`): the most anybody gains by deviating, and who does.

    `gain`: money, negative when every deviation loses, None when there is no deviation at all. `where`: bidder (from
    1), type, misreport (IC alone), and the others' values or the priors (from 1) that attain it.
    """

    notion: str
    about: str
    gain: Fraction | None
    where: Mapping[str, Any]

    @property
    def violation(self) -> Fraction:
        """The gain where it is one, else zero."""
        return max(self.gain or Fraction(0), Fraction(0))


def scaled(numbers: Exact) -> tuple[Exact, int]:
    """Fractions as integers over one denominator.

    >>> table, whole = scaled(np.array([Fraction(1, 2), Fraction(1, 3)]))
    >>> assert table.tolist() == [3, 2] and whole == 6
    """
    flat = np.asarray(numbers, dtype=object).ravel()
    whole = math.lcm(*{x.denominator for x in flat})
    integers = np.array([x.numerator * (whole // x.denominator) for x in flat], dtype=object)
    return integers.reshape(np.shape(numbers)), whole


@dataclass(frozen=True)
class DirectMechanism:
    """A direct mechanism on finite types, in fractions.

    `types`: per bidder, (K_i, J), money. `allocation` (I, K_1, .., K_I, J): chances. `payment` (I, K_1, .., K_I): money
    """

    types: tuple[Exact, ...]
    allocation: Exact
    payment: Exact

    def values(self, bidder: int, t: int) -> Any:
        """A type as people write it: a number, or a list of them where there are several goods."""
        row = list(self.types[bidder][t])
        return row[0] if len(row) == 1 else row

    @cached_property
    def seats(self) -> tuple[_Seat, ...]:
        """Every bidder's own view of the tables."""
        return tuple(_Seat.of(self, i) for i in range(len(self.types)))

    def revenue(self, prior: Exact) -> Fraction:
        """Expected revenue under a prior over profiles, (K_1, .., K_I), money."""
        return Fraction(sum((prior * self.payment.sum(axis=0)).ravel(), Fraction(0)))


@dataclass(frozen=True)
class _Seat:
    """One bidder's tables: own type first, all others' profiles flat. Utilities are integers over `whole`."""

    bidder: int
    values: Exact  # (K, J)
    chance: Exact  # (K, R, J)
    payment: Exact  # (K, R), times whole
    factor: int  # what makes values * chance an integer over whole
    whole: int

    @classmethod
    def of(cls, mechanism: DirectMechanism, i: int) -> _Seat:
        count, goods = mechanism.types[i].shape
        q = np.moveaxis(mechanism.allocation[i], i, 0).reshape(count, -1, goods)
        m = np.moveaxis(mechanism.payment[i], i, 0).reshape(count, -1)
        (v, per_value), (chance, per_chance), (paid, per_payment) = scaled(mechanism.types[i]), scaled(q), scaled(m)
        whole = math.lcm(per_value * per_chance, per_payment)
        factor, paid = whole // (per_value * per_chance), paid * (whole // per_payment)
        most = max(1, _largest(v)) * max(1, _largest(chance)) * factor * goods + _largest(paid)
        kind = np.int64 if 4 * most < 2**62 else object
        return cls(i, v.astype(kind), chance.astype(kind), paid.astype(kind), factor, whole)

    def utilities(self, t: int) -> Exact:
        """What type t gets by every report against all others' profiles, (K, R), times whole."""
        return (self.chance @ self.values[t]) * self.factor - self.payment

    def expected(self, prior: Exact) -> list[list[Fraction] | None]:
        """What every type expects by every report, K rows of K; None for a type the prior gives no chance."""
        count = len(self.values)
        weights, _ = scaled(np.moveaxis(prior, self.bidder, 0).reshape(count, -1))
        table: list[list[Fraction] | None] = []
        for t in range(count):
            mass = int(weights[t].sum())
            if not mass:
                table.append(None)
                continue
            total = self.utilities(t).astype(object) @ weights[t]
            table.append([Fraction(int(x), mass * self.whole) for x in total])
        return table


def _largest(integers: Exact) -> int:
    return max((abs(int(x)) for x in integers.ravel()), default=0)


def ex_post(mechanism: DirectMechanism) -> tuple[Finding, Finding]:
    """The largest gains over all profiles: by a misreport, and by staying away."""
    lies: list[tuple[Fraction, dict[str, Any]]] = []
    exits: list[tuple[Fraction, dict[str, Any]]] = []
    for seat in mechanism.seats:
        for t in range(len(seat.values)):
            table = seat.utilities(t)
            truth = table[t]
            at = int(truth.argmin())
            exits.append((Fraction(-int(truth[at]), seat.whole), _place(mechanism, seat.bidder, t, None, at)))
            gains = np.delete(table, t, axis=0) - truth
            if gains.size:
                row, other = divmod(int(gains.argmax()), gains.shape[1])
                gain = Fraction(int(gains[row, other]), seat.whole)
                lies.append((gain, _place(mechanism, seat.bidder, t, row + (row >= t), other)))
    return _worst("ex-post", TRUTH, lies), _worst("ex-post", PARTICIPATION, exits)


def _place(mechanism: DirectMechanism, i: int, t: int, report: int | None, at: int | None = None) -> dict[str, Any]:
    """Who deviates, as people read it; `at` numbers the others' profile."""
    place: dict[str, Any] = {"bidder": i + 1, "type": mechanism.values(i, t)}
    if report is not None:
        place["misreport"] = mechanism.values(i, report)
    if at is not None:
        others = [j for j in range(len(mechanism.types)) if j != i]
        steps = np.unravel_index(at, [len(mechanism.types[j]) for j in others]) if others else ()
        place["others"] = [mechanism.values(j, int(s)) for j, s in zip(others, steps, strict=True)]
    return place


def _worst(notion: str, about: str, found: Iterable[tuple[Fraction, dict[str, Any]]]) -> Finding:
    """The largest gain of all, the first of equals."""
    gain, where = max(found, key=lambda pair: pair[0], default=(None, {}))
    return Finding(notion, about, gain, where)


class Interim:
    """Expected utilities under several priors over profiles, each (K_1, .., K_I): the notions that rest on them."""

    def __init__(self, mechanism: DirectMechanism, priors: Sequence[Exact]) -> None:
        self.mechanism = mechanism
        self.tables = [[seat.expected(prior) for prior in priors] for seat in mechanism.seats]

    def utilities(self, bidder: int, t: int, report: int) -> list[tuple[int, Fraction]]:
        """By prior (from 0) under which type t of a bidder has a chance: what she expects by a report, money."""
        rows = [(p, table[t]) for p, table in enumerate(self.tables[bidder])]
        return [(p, row[report]) for p, row in rows if row is not None]

    def robust(self, notion: str) -> tuple[Finding, Finding]:
        """Truth and participation under every prior."""
        lies, exits = [], []
        for i, t, report, truth, lie in self._pairs():
            for (p, here), (_, there) in zip(truth, lie, strict=True):
                place = {**_place(self.mechanism, i, t, report), "prior": p + 1, "truth": here}
                if report is None:
                    exits.append((-here, place))
                else:
                    lies.append((there - here, {**place, "deviation": there}))
        return _worst(notion, TRUTH, lies), _worst(notion, PARTICIPATION, exits)

    def by(self, notion: str, criterion: Criterion) -> tuple[Finding, Finding]:
        """Truth and participation of bidders who judge a list of expectations, one per prior, by one number."""
        lies, exits = [], []
        for i, t, report, truth, lie in self._pairs():
            priors = [p for p, _ in truth]
            worths = [criterion([u for _, u in utilities], priors) for utilities in (truth, lie)]
            place = {**_place(self.mechanism, i, t, report), "priors": [p + 1 for p in priors], "truth": worths[0],
                     "truth_by_prior": [u for _, u in truth]}  # fmt: skip
            if report is None:
                exits.append((-worths[0], place))
            else:
                place |= {"deviation": worths[1], "deviation_by_prior": [u for _, u in lie]}
                lies.append((worths[1] - worths[0], place))
        return _worst(notion, TRUTH, lies), _worst(notion, PARTICIPATION, exits)

    def _pairs(self) -> Iterator[tuple[int, int, int | None, list[tuple[int, Fraction]], list[tuple[int, Fraction]]]]:
        """Every bidder, type and other report (None: staying away), with what both choices promise by prior."""
        for i, types in enumerate(self.mechanism.types):
            for t in range(len(types)):
                truth = self.utilities(i, t, t)
                if truth:
                    yield i, t, None, truth, truth
                    for w in range(len(types)):
                        if w != t:
                            yield i, t, w, truth, self.utilities(i, t, w)


def hurwicz(alpha: Fraction) -> Criterion:
    """Alpha times the worst expectation plus 1 - alpha times the best; alpha = 1 is maxmin.

    >>> assert hurwicz(Fraction(1, 2))([Fraction(1), Fraction(3)], [0, 1]) == 2
    """
    return lambda utilities, priors: alpha * min(utilities) + (1 - alpha) * max(utilities)


def bayes(weights: Sequence[Fraction]) -> Criterion:
    """The average over priors by their weights, among those that give the type a chance.

    >>> assert bayes([Fraction(1, 4), Fraction(3, 4)])([Fraction(8), Fraction(4)], [0, 1]) == 5
    """

    def average(utilities: Sequence[Fraction], priors: Sequence[int]) -> Fraction:
        total = sum((weights[p] for p in priors), Fraction(0))
        sums = sum((weights[p] * u for p, u in zip(priors, utilities, strict=True)), Fraction(0))
        return sums / total if total else Fraction(0)

    return average
