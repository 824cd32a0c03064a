"""Bank account mechanisms as objects: step through the periods with bids, simulate, count what they earn exactly.

The state of a bank account mechanism is one balance per buyer. Before period t they are b; each buyer's balance pays
her spend, which may depend on the others' bids but not on hers, and takes her deposit, at most her utility without the
spend. Her payment is that of an auction with nothing for her lowest value, plus the spend: utility u = u' - spend,
balance after = b - spend + deposit <= b + u.

A *source* says what happens in a period. It has `periods`, per period the buyers' distributions, and
`stage(t, state)`, t counted from zero. A state is the tuple of balances, unless the source gives states of its own in
`Stage.following` (and `first`, the first one). Numbers are floats, or all of them Fractions.

Source: V. Mirrokni, R. Paes Leme, P. Tang, S. Zuo, Optimal dynamic auctions are virtual welfare maximizers (2018),
Section 2.3; Non-clairvoyant dynamic mechanism design (2020), Section 3.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from mechopt.models.distributions import Distribution
from mechopt.models.inputs import fail

Table = Any  # array of floats, or of Fractions (dtype object)
State = Hashable
NORMAL = 1.959963984540054  # quantile of the normal distribution for 95 percent
MOST_STATES = 200_000


@dataclass(frozen=True)
class Stage:
    """One period at given balances, over the grid of its types: tables (k, n_1, .., n_k), money but for allocation."""

    before: Sequence[Any]  # (k,)
    allocation: Table
    payment: Table
    spend: Table
    deposit: Table
    after: Table
    following: Table | None = None  # states after, (n_1, .., n_k), where they are more than the balances after

    @classmethod
    def of(
        cls, buyers: Sequence[Distribution], before: Sequence[Any], allocation: Table, payment: Table,
        after: Table | None = None, following: Table | None = None,
    ) -> Stage:  # fmt: skip
        """A stage from allocation and payment; balances after default to all that is left, before + utility."""
        exact = allocation.dtype == object
        utility = np.stack(
            [column(prior, i, len(buyers), exact) * allocation[i] - payment[i] for i, prior in enumerate(buyers)]
        )
        own = [np.take(utility[i], [0], axis=i) for i in range(len(buyers))]  # the lowest type's
        spend = np.stack([0 * utility[i] - lowest for i, lowest in enumerate(own)])
        held = np.array(list(before), dtype=allocation.dtype).reshape(-1, *[1] * len(buyers))
        left = held + utility if after is None else after
        return cls(tuple(before), allocation, payment, spend, left - held + spend, left, following)

    def state(self, profile: tuple[int, ...]) -> State:
        """The state after a profile of types."""
        if self.following is not None:
            return self.following[profile]  # type: ignore[no-any-return]
        return tuple(self.after[(slice(None), *profile)].tolist())


class Source(Protocol):
    """What a period does, for every state."""

    @property
    def periods(self) -> Sequence[Sequence[Distribution]]:
        """Per period the buyers' distributions."""

    def stage(self, t: int, state: Any) -> Stage:
        """Period t, from zero, in a state."""


@dataclass(frozen=True)
class Record:
    """What one period's bids led to, (k,) each: probabilities, and money."""

    bids: tuple[Any, ...]
    allocation: tuple[Any, ...]
    payment: tuple[Any, ...]
    spend: tuple[Any, ...]
    deposit: tuple[Any, ...]
    balance: tuple[Any, ...]  # after the period


@dataclass
class Run:
    """A mechanism on its way through the periods."""

    mechanism: BankAccount
    state: State
    balance: tuple[Any, ...]
    records: list[Record] = field(default_factory=list)

    @property
    def period(self) -> int:
        """How many periods are over."""
        return len(self.records)

    def bid(self, values: Sequence[Any]) -> Record:
        """Take one bid per buyer; a bid between two listed values counts as the lower one.

        Raises InputError for a bid below all of a buyer's values, a wrong number of bids, or bids after the end.
        """
        mechanism, t = self.mechanism, self.period
        if t == mechanism.horizon:
            raise fail("bids", f"bids for {t} periods", "one period more", "start() a new run")
        buyers = mechanism.periods[t]
        if len(values) != len(buyers):
            raise fail("bids", f"{len(buyers)} numbers, one per buyer", f"{len(values)}")
        profile = []
        for i, (value, prior) in enumerate(zip(values, buyers, strict=True)):
            place = bisect.bisect_right(prior.values, _number(value, i)) - 1
            if place < 0:
                raise fail(f"bids[{i}]", f"a value of at least {float(prior.values[0]):g}", str(value))
            profile.append(place)
        stage, at = mechanism.source.stage(t, self.state), tuple(profile)
        tables = (stage.allocation, stage.payment, stage.spend, stage.deposit, stage.after)
        row = [tuple(table[(slice(None), *at)].tolist()) for table in tables]
        self.state, self.balance = stage.state(at), row[-1]
        self.records.append(Record(tuple(values), *row))
        return self.records[-1]


@dataclass(frozen=True)
class Simulation:
    """Truthful paths: total revenue per path (P,), its mean with a 95 percent interval, and accounts (P, T, k)."""

    revenue: Any
    balance: Any
    spend: Any
    deposit: Any
    mean: float
    interval: tuple[float, float]


class BankAccount:
    """A mechanism from a source: `start()` a run and `bid`, `simulate`, `expected_revenue`, and see `tables`.

    >>> from mechopt.models.dynamic.bank_account_sources import Repeated
    >>> even = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
    >>> mechanism = BankAccount(Repeated([[even], [even]], prices=[1, 2]))
    >>> run = mechanism.start()
    >>> assert run.bid([2]).payment == (1,) and run.bid([2]).payment == (2,)
    >>> assert mechanism.expected_revenue() == 2
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.periods = [tuple(buyers) for buyers in source.periods]
        self.horizon, self.buyers = len(self.periods), len(self.periods[0])

    @property
    def first(self) -> State:
        """The state before period 1."""
        return getattr(self.source, "first", (0,) * self.buyers)

    def start(self) -> Run:
        """Begin with empty balances."""
        return Run(self, self.first, (0,) * self.buyers)

    def __call__(self, values: Any) -> tuple[Any, Any]:
        """Allocation and payment on a path of values, (T, k) each, given the buyers' values (T, k)."""
        run = self.start()
        for row in np.asarray(values, dtype=float).reshape(self.horizon, self.buyers):
            run.bid(row.tolist())
        x, p = ([[float(a) for a in getattr(r, name)] for r in run.records] for name in ("allocation", "payment"))
        return np.array(x), np.array(p)

    def chances(self, t: int) -> Table:
        """f(v) of period t over its grid, exact."""
        found = np.array(Fraction(1))
        for prior in self.periods[t]:
            found = np.multiply.outer(found, np.array(prior.probabilities, dtype=object))
        return found

    def expected_revenue(self) -> Any:
        """What it earns from truthful buyers, a Fraction for exact sources. Raises InputError for too many states."""
        if hasattr(self.source, "expected_revenue"):
            return self.source.expected_revenue()
        known: dict[tuple[int, State], Any] = {}
        chances = [self.chances(t) for t in range(self.horizon)]

        def value(t: int, state: State) -> Any:
            if t == self.horizon:
                return 0
            if (t, state) not in known:
                if len(known) >= MOST_STATES:
                    raise fail("mechanism", f"at most {MOST_STATES:,} states", "more", "simulate instead")
                stage = self.source.stage(t, state)
                f = chances[t] if stage.payment.dtype == object else chances[t].astype(float)
                total = (f * stage.payment.sum(axis=0)).sum()
                if t + 1 < self.horizon:
                    total += sum(f[v] * value(t + 1, stage.state(v)) for v in np.ndindex(f.shape))
                known[t, state] = total
            return known[t, state]

        return value(0, self.first)

    def simulate(self, paths: int, seed: int) -> Simulation:
        """Draw truthful paths; states met by several paths are worked out once. Raises InputError for no path."""
        if paths < 2:
            raise fail("paths", "at least 2", f"{paths}")
        rng = np.random.default_rng(seed)
        states: list[State] = [self.first] * paths
        accounts = {name: np.zeros((paths, self.horizon, self.buyers)) for name in ("after", "spend", "deposit")}
        revenue = np.zeros(paths)
        for t, buyers in enumerate(self.periods):
            drawn = np.stack([rng.choice(len(prior), paths, p=prior.f) for prior in buyers], axis=1)
            groups: dict[State, list[int]] = {}
            for path, state in enumerate(states):
                groups.setdefault(state, []).append(path)
            for state, members in groups.items():
                stage = self.source.stage(t, state)
                at = (slice(None), *drawn[members].T)
                revenue[members] += stage.payment[at].sum(axis=0).astype(float)
                for name, account in accounts.items():
                    account[members, t] = getattr(stage, name)[at].T.astype(float)
                if t + 1 < self.horizon:
                    for path in members:
                        states[path] = stage.state(tuple(drawn[path].tolist()))
        mean, half = float(revenue.mean()), NORMAL * float(revenue.std(ddof=1)) / math.sqrt(paths)
        return Simulation(
            revenue, accounts["after"], accounts["spend"], accounts["deposit"], mean, (mean - half, mean + half)
        )


def column(prior: Distribution, buyer: int, buyers: int, exact: bool) -> Table:
    """A buyer's values along her own axis of a period's grid."""
    values = np.array(prior.values, dtype=object) if exact else prior.v
    return values.reshape([-1 if i == buyer else 1 for i in range(buyers)])


def _number(value: Any, buyer: int) -> Any:
    try:
        if math.isfinite(value):
            return value
    except TypeError:
        pass
    raise fail(f"bids[{buyer}]", "a finite number", str(value))
