"""A dynamic mechanism written out: allocation and payment after every history of reports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.bank_account import BankAccount, Table
from mechopt.models.inputs import fail

MOST_HISTORIES = 2_000_000  # entries of the last period's tables


@dataclass(frozen=True)
class Tables:
    """Per period t the tables over histories (k, N_1, .., N_t), N_s the profiles of period s, the last buyer fastest.

    Entries are floats or Fractions. `balance`: what is on the accounts after each period, for bank account mechanisms.
    """

    periods: Sequence[Sequence[Distribution]]
    allocation: Sequence[Table]
    payment: Sequence[Table]
    balance: Sequence[Table] | None = None

    @property
    def horizon(self) -> int:
        """T."""
        return len(self.periods)

    @property
    def buyers(self) -> int:
        """k."""
        return len(self.periods[0])

    @property
    def exact(self) -> bool:
        """Whether entries are Fractions."""
        return bool(self.allocation[0].dtype == object)

    def shape(self, t: int) -> tuple[int, ...]:
        """The grid of period t's types, from zero."""
        return tuple(len(prior) for prior in self.periods[t])

    def chances(self, buyer: int, t: int) -> Table:
        """The probabilities of a buyer's types, (n,)."""
        prior = self.periods[t][buyer]
        return np.array(prior.probabilities, dtype=object) if self.exact else prior.f

    def values(self, buyer: int, t: int) -> Table:
        """A buyer's values, (n,), money."""
        prior = self.periods[t][buyer]
        return np.array(prior.values, dtype=object) if self.exact else prior.v

    def others(self, buyer: int, t: int) -> Table:
        """f(v_-i) over the others' profiles, (M,)."""
        found = np.array([1], dtype=object if self.exact else float)
        for i in range(self.buyers):
            if i != buyer:
                found = np.multiply.outer(found, self.chances(i, t)).ravel()
        return found

    def profiles(self, t: int) -> Table:
        """f(v) over profiles, (N,)."""
        found = np.array([1], dtype=object if self.exact else float)
        for i in range(self.buyers):
            found = np.multiply.outer(found, self.chances(i, t)).ravel()
        return found

    def own(self, table: Table, buyer: int, t: int) -> Table:
        """A buyer's table of period t with axes (o_1, r_1, .., o_t, r_t): the others' profile and her own report."""
        found = table[buyer]
        for s in range(t, -1, -1):
            shape = self.shape(s)
            grid = np.arange(math.prod(shape)).reshape(shape)
            found = np.take(found, np.moveaxis(grid, buyer, -1).reshape(-1, shape[buyer]), axis=s)
        return found

    @cached_property
    def utility(self) -> list[list[Table]]:
        """Truthful utility of each period, per buyer and period with the axes of `own`, money."""
        return [
            [
                self.values(i, t) * self.own(self.allocation[t], i, t) - self.own(self.payment[t], i, t)
                for t in range(self.horizon)
            ]
            for i in range(self.buyers)
        ]

    def revenue(self) -> Any:
        """What truthful buyers are expected to pay in total."""
        total: Any = 0
        for t, payment in enumerate(self.payment):
            table = payment.sum(axis=0)
            for s in range(t, -1, -1):
                table = table @ self.profiles(s)
            total = total + table
        return total

    def welfare(self) -> Any:
        """What the goods are expected to be worth to the truthful buyers who get them."""
        total: Any = 0
        for t, allocation in enumerate(self.allocation):
            shape = self.shape(t)
            for i in range(self.buyers):
                types = np.unravel_index(np.arange(math.prod(shape)), shape)[i]
                table = self.values(i, t)[types] * allocation[i]
                for s in range(t, -1, -1):
                    table = table @ self.profiles(s)
                total = total + table
        return total


def tables_of_program(periods: Sequence[Sequence[Distribution]], primal: Mapping[str, Any]) -> Tables:
    """The mechanism of a full-history program, from its primal solution: x_i_t and p_i_t by name."""
    counts: list[int] = []
    rows: dict[str, list[Table]] = {"x": [], "p": []}
    for t, buyers in enumerate(periods, 1):
        counts.append(math.prod(len(prior) for prior in buyers))
        for name, tables in rows.items():
            each = [np.asarray(primal[f"{name}_{i}_{t}"]).reshape(counts) for i in range(1, len(buyers) + 1)]
            tables.append(np.stack(each))
    return Tables(periods, rows["x"], rows["p"])


def tables_of(mechanism: BankAccount) -> Tables:
    """A bank account mechanism written out. Raises InputError where it has too many histories."""
    counts = [math.prod(len(prior) for prior in buyers) for buyers in mechanism.periods]
    if math.prod(counts) * mechanism.buyers > MOST_HISTORIES:
        raise fail("mechanism", f"at most {MOST_HISTORIES:,} entries", f"{math.prod(counts):,} histories")
    found: dict[str, list[Table]] = {"allocation": [], "payment": [], "after": []}
    states: list[Any] = [mechanism.first]
    for t, count in enumerate(counts):
        stages = [mechanism.source.stage(t, state) for state in states]
        for name, rows in found.items():
            table = np.stack([getattr(stage, name).reshape(mechanism.buyers, count) for stage in stages], axis=1)
            rows.append(table.reshape(mechanism.buyers, *counts[: t + 1]))
        if t + 1 < mechanism.horizon:
            shape = tuple(len(prior) for prior in mechanism.periods[t])
            states = [stage.state(v) for stage in stages for v in np.ndindex(shape)]
    return Tables(mechanism.periods, found["allocation"], found["payment"], found["after"])
