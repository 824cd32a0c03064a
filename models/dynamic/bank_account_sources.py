"""Where bank account mechanisms come from: posted prices, points with mixtures, tables over histories, balances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.bank_account import BankAccount, Stage, State, Table, column
from mechopt.models.outcome import Labelled

Periods = Sequence[Sequence[Distribution]]


def payments(buyers: Sequence[Distribution], allocation: Table, xi: Sequence[Table]) -> Table:
    """What buyers pay so that truth is best and buyer i expects xi_i(v_-i), money, (k, n_1, .., n_k).

    The lowest type has some utility, each next one (v_{j+1} - v_j) x_j more than the one before (the slopes that cost
    the seller least). `allocation` (k, n_1, .., n_k), nondecreasing along each buyer's own axis; `xi[i]` an array over
    the others' types.
    """
    k, exact = len(buyers), allocation.dtype == object
    found = []
    for i, prior in enumerate(buyers):
        values, chances = (prior.values, prior.probabilities) if exact else (prior.v.tolist(), prior.f.tolist())
        x = np.moveaxis(allocation[i], i, -1)
        rents = [x[..., 0] * 0]
        for j in range(len(prior) - 1):
            rents.append(rents[-1] + (values[j + 1] - values[j]) * x[..., j])
        mean = sum(p * r for p, r in zip(chances, rents, strict=True))
        utility = np.stack([r - mean + xi[i] for r in rents], axis=-1)
        found.append(column(prior, i, k, exact) * allocation[i] - np.moveaxis(utility, -1, i))
    return np.stack(found)


@dataclass(frozen=True)
class Repeated:
    """One buyer and a posted price per period, whatever the balance: the static benchmark, exact."""

    periods: Periods
    prices: Sequence[Any]

    def stage(self, t: int, state: State) -> Stage:
        """The price of period t; nothing is kept on the account."""
        prior = self.periods[t][0]
        buys = np.array([Fraction(v >= self.prices[t]) for v in prior.values], dtype=object)[None, :]
        return Stage.of(self.periods[t], (Fraction(0),), buys, buys * Fraction(self.prices[t]), 0 * buys)


@dataclass(frozen=True)
class OfBalances:
    """A mechanism given by a function of (period from zero, balances): allocation, payment and balances after."""

    periods: Periods
    rule: Callable[[int, tuple[Any, ...]], tuple[Table, Table, Table]]

    def stage(self, t: int, state: Any) -> Stage:
        """What the function says, with spend and deposit worked out."""
        allocation, payment, after = self.rule(t, state)
        return Stage.of(self.periods[t], state, allocation, payment, after)


class Histories:
    """A bank account mechanism written over histories: a state is the list of all types so far.

    `allocation[t]`: (k, N_1, .., N_{t+1}), N the profiles of a period, the last buyer's type moving fastest; `xi[t]`:
    per buyer what she expects from the period by the others' profile. Payments and balances follow from them.
    """

    first: State = ((), None)

    def __init__(self, periods: Periods, allocation: Sequence[Table], xi: Sequence[Sequence[Table]]) -> None:
        self.periods = [tuple(buyers) for buyers in periods]
        self.allocation, self.xi = list(allocation), list(xi)

    def stage(self, t: int, state: Any) -> Stage:
        """The period's auction after a history, all that is left kept on the account."""
        history, balances = state
        buyers = self.periods[t]
        shape = tuple(len(prior) for prior in buyers)
        x = self.allocation[t][(slice(None), *history)].reshape(len(buyers), *shape)
        others = [shape[:i] + shape[i + 1 :] for i in range(len(shape))]
        xi = [np.asarray(row).reshape(rest) for row, rest in zip(self.xi[t], others, strict=True)]
        held = (0,) * len(buyers) if balances is None else balances
        made = Stage.of(buyers, held, x, payments(buyers, x, xi))
        following = np.empty(shape, dtype=object)
        for n, v in enumerate(np.ndindex(shape)):
            following[v] = ((*history, n), tuple(made.after[(slice(None), *v)].tolist()))
        return Stage(made.before, made.allocation, made.payment, made.spend, made.deposit, made.after, following)


def of_account_program(periods: Periods, primal: Mapping[str, Any], exact: bool = False) -> BankAccount:
    """The mechanism of the program over histories, from its primal solution: x_i_t and xi_i_t by name.

    In floats, or in the Fractions these floats are.
    """
    read = np.vectorize(lambda x: Fraction(float(x)), otypes=[object]) if exact else np.asarray
    allocation: list[Table] = []
    xi = []
    counts: list[int] = []
    for t, buyers in enumerate(periods, 1):
        counts.append(int(np.prod([len(prior) for prior in buyers])))
        rows = [read(primal[f"x_{i}_{t}"]).reshape(counts) for i in range(1, len(buyers) + 1)]
        allocation.append(np.stack(rows))
        xi.append([read(primal[f"xi_{i}_{t}"]) for i in range(1, len(buyers) + 1)])
    return BankAccount(Histories(periods, allocation, xi))


class Mixtures:
    """Finitely many points per period; a state is a mixture of them, and what it does the mixture of what they do.

    `xi[t]`: (D,); `balances[t]`: (P, k); `allocation[t]`: (P, k, N); `links[t]`: rows (point, profile, next point,
    weight). Exact (Fractions) or in floats; a float stands for its shortest decimal when it is made exact.
    """

    first: State = ((0, 1),)

    def __init__(self, periods: Periods, tables: Sequence[Mapping[str, Any]], exact: bool) -> None:
        self.periods = [tuple(buyers) for buyers in periods]
        read = np.vectorize(lambda x: Fraction(repr(float(x))), otypes=[object]) if exact else np.asarray
        self.xi, self.balances, self.allocation, self.next = [], [], [], []
        for buyers, table in zip(self.periods, tables, strict=True):
            shape = tuple(len(prior) for prior in buyers)
            held, x = read(table["balances"]), read(table["allocation"])
            self.balances.append(held)
            self.allocation.append(x.reshape(len(held), len(buyers), *shape))
            rests = [shape[:i] + shape[i + 1 :] for i in range(len(shape))]
            ends = np.cumsum([int(np.prod(rest)) for rest in rests])[:-1]
            parts = np.split(read(table["xi"]), ends)
            self.xi.append([part.reshape(rest) for part, rest in zip(parts, rests, strict=True)])
            rows: dict[tuple[int, int], list[tuple[int, Any]]] = {}
            for q, v, r, w in table["links"]:
                weight = Fraction(repr(float(w))) if exact else float(w)
                rows.setdefault((int(q), int(v)), []).append((int(r), weight))
            self.next.append(rows)
        self._stage = lru_cache(maxsize=50_000)(self._make)

    def stage(self, t: int, state: Any) -> Stage:
        """The mixture of the points' allocations; what it leaves beyond the next mixture's balances is given up."""
        return self._stage(t, state)

    def _make(self, t: int, state: Any) -> Stage:
        buyers = self.periods[t]
        shape = tuple(len(prior) for prior in buyers)
        x = sum(w * self.allocation[t][q] for q, w in state)
        before = sum(w * self.balances[t][q] for q, w in state)
        after: Table | None = None  # after the last period nobody needs what is left
        following = None
        if t + 1 < len(self.periods):
            after, following = 0 * x, np.empty(shape, dtype=object)
            for n, v in enumerate(np.ndindex(shape)):
                mixed: dict[int, Any] = {}
                for q, w in state:
                    for r, share in self.next[t][q, n]:
                        mixed[r] = mixed.get(r, 0) + w * share
                following[v] = tuple(sorted(mixed.items()))
                after[(slice(None), *v)] = sum(w * self.balances[t + 1][r] for r, w in following[v])
        return Stage.of(buyers, before.tolist(), x, payments(buyers, x, self.xi[t]), after, following)


def of_points(periods: Periods, arrays: Mapping[str, Labelled], exact: bool = False) -> BankAccount:
    """The mechanism of a result with several buyers, from its arrays: in floats, or in Fractions."""
    tables = [
        {
            "xi": arrays[f"xi_{t}"].values,
            "balances": arrays[f"balances_{t}"].values,
            "allocation": arrays[f"allocation_{t}"].values,
            "links": arrays[f"next_{t}"].values,
        }
        for t in range(1, len(periods) + 1)
    ]
    return BankAccount(Mixtures(periods, tables, exact))
