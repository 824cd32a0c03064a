"""NonClairvoyantBalance: part Myerson, part second price, part money burning with caps, and a balance between them.

With weights (a, c, d) of the three and balances b, in every period, in fractions:

    Myerson          a x^M,  a p^M                                         the best auction of one period
    second price     c x^S,  c p^S      deposit_i = c (theta_i - theta^(2))^+
    money burning    d x^B,  d p^B + s_i    caps b_i / d on E[u^B_i],  spend s_i = d E[u^B_i]
    balance after    b_i - s_i + deposit_i

Weights are (1/5, 2/5, 2/5), for one buyer (1/3, 1/3, 1/3), for two periods (1/2, 1/2, 0) and then (1/2, 0, 1/2).
Money-burning payments are the seller's to keep. For one buyer "second price" gives the good for nothing, and money
burning posts the price that leaves exactly the utility wanted; several optima of money burning are alike in value, not
in later balances.

Source: Mirrokni, Paes Leme, Tang, Zuo (2020), Theorems 6.1 and 6.3, with weights, deposit and caps as the proof in
Appendix D.3 of the supplement needs them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.auctions.myerson_auction import MyersonAuction
from mechopt.models.auctions.myerson_mechanism import auction_of
from mechopt.models.clairvoyance.asymptotic_simulation import second_price_tables
from mechopt.models.clairvoyance.auction import NonClairvoyantAuction
from mechopt.models.clairvoyance.money_burning_auction import BurningAuction, burning_auction
from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.bank_account import Stage
from mechopt.models.inputs import fail

ZERO = Fraction(0)
State = tuple[Fraction, ...]
MOST_STATES = 3000  # balances met, over all periods but the first
MOST_PROFILES = 2000  # of a period


@dataclass(frozen=True)
class Burnt:
    """The money-burning part at some balances: tables over profiles, expected utilities, and how it draws."""

    allocation: Any
    payment: Any
    utilities: State
    auction: BurningAuction | None  # None for one buyer
    price: Fraction | None = None  # of one buyer


@dataclass
class Balance:
    """The mechanism's periods, as a source of a bank account mechanism; what is worked out once is kept."""

    model: NonClairvoyantAuction
    known: dict[tuple[int, State], Burnt] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for t, period in enumerate(self.model.periods):
            if (profiles := math.prod(map(len, period))) > MOST_PROFILES:
                raise fail(
                    f"periods[{t}]", f"at most {MOST_PROFILES:,} profiles of types", f"{profiles:,}", "use fewer points"
                )
        self.periods: Sequence[Sequence[Distribution]] = tuple(self.model.periods) * self.model.repeat
        self.second = [second_price_tables(period) for period in self.model.periods]
        self.myerson = [_myerson(period) for period in self.model.periods]

    def weights(self, t: int) -> State:
        """The shares of the good that Myerson's, the second price and the money-burning auction sell in period t."""
        half = Fraction(1, 2)
        if self.model.mechanism == "two-period-balance":
            return (half, ZERO, half) if t else (half, half, ZERO)
        if self.model.buyers == 1:
            return (Fraction(1, 3),) * 3
        return Fraction(1, 5), Fraction(2, 5), Fraction(2, 5)

    def burnt(self, t: int, state: State) -> Burnt:
        """The money-burning auction of period t at these balances."""
        k = t % len(self.model.periods)
        caps = tuple(b / self.weights(t)[2] for b in state)
        if (k, caps) not in self.known:
            self.known[k, caps] = _burn(self.model.periods[k], caps, self.second[k][0].shape)
        return self.known[k, caps]

    def parts(self, t: int, state: State) -> tuple[State, State]:
        """Expected payments of period t to the three auctions, (3,), and the spends, (k,), money."""
        a, c, d = self.weights(t)
        chance = self.chances(t)
        k = t % len(self.model.periods)
        burnt = self.burnt(t, state) if d else None
        paid = [a * self.myerson[k][1].sum(axis=0), c * self.second[k][1].sum(axis=0)]
        paid.append(d * burnt.payment.sum(axis=0) if burnt else 0 * paid[0])
        spends = tuple(d * u for u in burnt.utilities) if burnt else (ZERO,) * len(state)
        return tuple(Fraction((chance * row).sum()) for row in paid), spends

    def chances(self, t: int) -> Any:
        """f(theta) over the profiles of period t."""
        found: Any = np.array(Fraction(1))
        for prior in self.model.at(t):
            found = np.multiply.outer(found, np.array(prior.probabilities, dtype=object))
        return found

    def deposits(self, t: int) -> Any:
        """The deposits of period t, (k, n_1, .., n_k), money: they do not depend on balances."""
        allocation, payment, values = self.second[t % len(self.second)]
        return self.weights(t)[1] * (allocation * values - payment)

    def stage(self, t: int, state: State) -> Stage:
        """Period t, from zero, at these balances."""
        state = tuple(Fraction(b) for b in state)
        a, c, d = self.weights(t)
        k = t % len(self.second)
        (xM, pM), (xS, pS, _) = self.myerson[k], self.second[k]
        allocation, payment, spend = a * xM + c * xS, a * pM + c * pS, 0 * pS
        if d:
            burnt = self.burnt(t, state)
            fees = np.array([d * u for u in burnt.utilities], dtype=object).reshape(-1, *[1] * len(state))
            spend = spend + fees
            allocation, payment = allocation + d * burnt.allocation, payment + d * burnt.payment + fees
        held = np.array(state, dtype=object).reshape(-1, *[1] * len(state))
        deposit = self.deposits(t)
        return Stage(state, allocation, payment, spend, deposit, held - spend + deposit)


def _myerson(period: tuple[Distribution, ...]) -> tuple[Any, Any]:
    """Allocation and payment of the best auction of one period, (k, n_1, .., n_k), fractions."""
    model = MyersonAuction(bidders=tuple(period))
    wins, price = auction_of(model).at_types(model.types)
    allocation = np.array([[int(w) for w in row] for row in wins.T], dtype=object).reshape(-1, *model.shape)
    paid = [[prior.values[k] for k in price[:, i]] for i, prior in enumerate(period)]
    return allocation, allocation * np.array(paid, dtype=object).reshape(allocation.shape)


def _burn(period: tuple[Distribution, ...], caps: State, shape: tuple[int, ...]) -> Burnt:
    if len(period) == 1:
        return _post(period[0], caps[0])
    auction = burning_auction(period, caps)
    types = np.stack(np.unravel_index(np.arange(math.prod(shape[1:])), shape[1:]), axis=1).astype(np.int64)
    won, paid = auction.at_types(types)
    return Burnt(won.T.reshape(shape), paid.T.reshape(shape), tuple(auction.utilities), auction)


def _post(prior: Distribution, cap: Fraction) -> Burnt:
    """One buyer: the posted price at which she expects min(cap, E[theta])."""
    price = leaving(prior, cap)
    sold = np.array([[int(v >= price) for v in prior.values]], dtype=object)
    gain = sum((p * max(v - price, ZERO) for v, p in zip(prior.values, prior.probabilities, strict=True)), ZERO)
    return Burnt(sold, sold * price, (gain,), None, price)


def leaving(prior: Distribution, utility: Fraction) -> Fraction:
    """The highest price of at least zero at which a buyer expects `utility`, or zero where even that leaves less.

    >>> even = Distribution(values=[1, 3], probabilities=["1/2", "1/2"])
    >>> assert leaving(even, Fraction(3, 2)) == Fraction(1, 2) and leaving(even, Fraction(5)) == 0
    >>> assert leaving(even, Fraction(0)) == 3
    """
    tail, mean = ZERO, ZERO  # P and E of the values above the price
    for v, p in zip(reversed(prior.values), reversed(prior.probabilities), strict=True):
        if mean - tail * v >= utility:  # the price lies at or above v
            break
        tail, mean = tail + p, mean + p * v
    return max((mean - utility) / tail, ZERO) if tail else prior.values[-1]


@dataclass(frozen=True)
class Counted:
    """A mechanism counted out: expected revenue by period and component, expected spends (T, k), and the states met."""

    components: list[tuple[Fraction, Fraction, Fraction]]
    spends: list[State]
    balances: list[State]  # expected, after every period
    states: list[dict[State, Fraction]]  # before every period

    @property
    def revenue(self) -> Fraction:
        """Expected revenue, money."""
        return sum((sum(row, ZERO) for row in self.components), ZERO) + sum(
            (sum(row, ZERO) for row in self.spends), ZERO
        )


def bound_on_states(model: NonClairvoyantAuction) -> int:
    """At most so many balances are met, before looking at any of them; 10^15 for more."""
    now = total = 1
    for t in range(model.horizon - 1):
        now = min(now * math.prod(map(len, model.at(t))), 10**15)
        total = min(total + now, 10**15)
        if total == 10**15:
            break
    return total


def count(source: Balance, progress: Callable[[str], None], late: Callable[[], bool]) -> Counted | None:
    """Go through all balances that truthful buyers reach, exactly; None when there are too many or it is late."""
    model = source.model
    states: dict[State, Fraction] = {(ZERO,) * model.buyers: Fraction(1)}
    found = Counted([], [], [], [])
    met = 0
    for t in range(model.horizon):
        met += len(states)
        if met > MOST_STATES:
            return None
        progress(f"period {t + 1} of {model.horizon}: {len(states):,} balances")
        paid, spent = [ZERO] * 3, [ZERO] * model.buyers
        after: dict[State, Fraction] = {}
        deposits, last = _laws(source, t), t + 1 == model.horizon
        expected = [ZERO] * model.buyers
        for state, p in states.items():
            if late():
                return None
            parts, spends = source.parts(t, state)
            paid = [x + p * y for x, y in zip(paid, parts, strict=True)]
            spent = [x + p * y for x, y in zip(spent, spends, strict=True)]
            left = tuple(b - s for b, s in zip(state, spends, strict=True))
            for deposit, chance in deposits.items():
                new = tuple(b + d for b, d in zip(left, deposit, strict=True))
                expected = [e + p * chance * b for e, b in zip(expected, new, strict=True)]
                if not last:
                    after[new] = after.get(new, ZERO) + p * chance
        found.components.append((paid[0], paid[1], paid[2]))
        found.spends.append(tuple(spent))
        found.balances.append(tuple(expected))
        found.states.append(states)
        states = after
    return found


def _laws(source: Balance, t: int) -> dict[State, Fraction]:
    """The law of the deposits of a period."""
    table, chance = source.deposits(t), source.chances(t)
    law: dict[State, Fraction] = {}
    for profile in np.ndindex(chance.shape):
        key = tuple(Fraction(x) for x in table[(slice(None), *profile)])
        law[key] = law.get(key, ZERO) + chance[profile]
    return law
