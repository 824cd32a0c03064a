"""Auctions that do not know the future: one good per period, rules that use only the distributions seen so far.

Three mechanisms, bank accounts all of them. Theta^(2) is the second highest value, b the balance before the period.

`balance` (NonClairvoyantBalance), k >= 2 buyers: each period sells 1/5 of the good by Myerson's auction, 2/5 by a
second price auction, whose utility 2/5 (theta_i - theta^(2))^+ is deposited, and 2/5 by the money-burning auction with
caps 5/2 b_i, whose expected utility s_i is spent, that is, paid as a fee. It earns 1/5 of the best mechanism that
knows the future. One buyer: weights 1/3, 1/3, 1/3, caps 3 b, a guarantee of 1/3.

`two-period-balance`: 1/2 Myerson in both periods, 1/2 second price in the first, 1/2 money burning with caps 2 b in
the second; a guarantee of 1/2.

`asymptotic` (AsympOptimalMulti): a second price auction while the expected deposits of a buyer, sum of her mu_tau over
the periods tau < t in which she got it for free, are at most W_t sqrt(t) ln t; else a throttled one, in which she pays
mu_t on top and takes part only if her balance is at least mu_t. mu_t is her expected utility in a second price
auction, W_t its expected welfare. Its regret against full surplus is O(sqrt(T) ln T).

Source: V. Mirrokni, R. Paes Leme, P. Tang, S. Zuo, Non-clairvoyant dynamic mechanism design, Econometrica 88 (2020),
Theorems 6.1 and 6.3, and its supplement, Appendices D to F.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field

from mechopt.models.distributions import Distribution
from mechopt.models.inputs import Count, checked, fail, plain
from mechopt.solvers.memory import Size

MOST_PERIODS = 1_000_000
MOST_BUYERS = 20
MOST_TYPES = 100_000  # profiles of a period
TOLD = 10**15
FEWEST, MOST_SAMPLES = 2, 10_000_000
Threshold = Literal["sqrt(t) ln t", "sqrt(t ln t)"]


@checked
class NonClairvoyantAuction:
    """One good per period; `periods` lists the buyers' distributions in each, and is gone through `repeat` times.

    Values are money, at least zero. `samples` paths, drawn with `seed`, simulate the mechanism beside the exact
    count, and in its place where that is too large. `threshold` is a variant of "asymptotic". Raises InputError for
    anything else.

    >>> even = {"values": [1, 2], "probabilities": ["1/2", "1/2"]}
    >>> model = NonClairvoyantAuction(periods=[[even, even]], repeat=2, mechanism="balance")
    >>> assert (model.horizon, model.buyers, model.histories, model.guarantee) == (2, 2, 16, Fraction(1, 5))
    """

    periods: tuple[tuple[Distribution, ...], ...]
    mechanism: Literal["balance", "two-period-balance", "asymptotic"]
    repeat: Count = 1
    samples: Count | None = None
    seed: Annotated[int, Field(strict=True, ge=0)] = 0
    threshold: Threshold = "sqrt(t) ln t"

    def __post_init__(self) -> None:
        if not self.periods or not self.periods[0]:
            hint = "write periods = [[{values = [1, 2], probabilities = [0.5, 0.5]}]]"
            raise fail("periods" if not self.periods else "periods[0]", "at least one distribution", "none", hint)
        if self.buyers > MOST_BUYERS:
            raise fail("periods[0]", f"at most {MOST_BUYERS} buyers", f"{self.buyers}")
        for t, period in enumerate(self.periods):
            if len(period) != self.buyers:
                hint = "a buyer who is absent has the one value 0"
                raise fail(f"periods[{t}]", f"{self.buyers} distributions, as in period 1", f"{len(period)}", hint)
            for i, prior in enumerate(period):
                if prior.values[0] < 0:
                    raise fail(f"periods[{t}][{i}].values[0]", "a value of at least 0", prior.values[0])
            if (profiles := math.prod(map(len, period))) > MOST_TYPES:
                raise fail(
                    f"periods[{t}]", f"at most {MOST_TYPES:,} profiles of types", f"{profiles:,}", "use fewer points"
                )
        if self.horizon > MOST_PERIODS:
            raise fail("repeat", f"at most {MOST_PERIODS:,} periods in all", f"{self.horizon:,}")
        if self.mechanism == "two-period-balance" and self.horizon != 2:
            raise fail(
                "periods", "two periods for two-period-balance", f"{self.horizon}", 'mechanism = "balance" takes any'
            )
        if self.mechanism != "asymptotic" and self.threshold != "sqrt(t) ln t":
            raise fail("threshold", 'no threshold but with mechanism = "asymptotic"', self.threshold)
        if self.samples is not None and not FEWEST <= self.samples <= MOST_SAMPLES:
            raise fail("samples", f"an integer from {FEWEST} to {MOST_SAMPLES:,}", self.samples)

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        found: dict[str, Any] = {"periods": [[prior.parameters() for prior in period] for period in self.periods]}
        found |= {"mechanism": self.mechanism, "seed": self.seed}
        if self.repeat > 1:
            found["repeat"] = self.repeat
        if self.samples is not None:
            found["samples"] = self.samples
        return found | ({"threshold": self.threshold} if self.mechanism == "asymptotic" else {})

    @property
    def horizon(self) -> int:
        """T, the number of periods."""
        return len(self.periods) * self.repeat

    @property
    def buyers(self) -> int:
        """k, the number of buyers."""
        return len(self.periods[0])

    def at(self, t: int) -> tuple[Distribution, ...]:
        """The buyers' distributions in period t, counted from zero."""
        return self.periods[t % len(self.periods)]

    @cached_property
    def histories(self) -> int:
        """How many sequences of all buyers' values there are; 0 stands for more than can be told."""
        digits = sum(math.log10(len(prior)) for period in self.periods for prior in period) * self.repeat
        return (
            math.prod(len(prior) for period in self.periods for prior in period) ** self.repeat if digits < 300 else 0
        )

    def told_histories(self) -> str:
        """How many histories there are, in words where there are too many to count."""
        if 0 < self.histories < TOLD:
            return f"{self.histories:,}"
        return f"about 10^{sum(math.log10(len(p)) for period in self.periods for p in period) * self.repeat:.0f}"

    @property
    def guarantee(self) -> Fraction | None:
        """The share of the best mechanism that knows the future which the theorems promise; None for "asymptotic"."""
        if self.mechanism == "asymptotic":
            return None
        if self.mechanism == "two-period-balance":
            return Fraction(1, 2)
        return Fraction(1, 3 if self.buyers == 1 else 5)

    def size(self, method: str = "") -> Size:
        """No program is built: the mechanism is counted out."""
        return Size(0, 0, 0)

    def words(self) -> str:
        """The problem in words."""
        who = f"{self.buyers} buyer{'s' if self.buyers > 1 else ''}"
        kinds = "; ".join(", ".join(prior.words() for prior in period) for period in self.periods[:3])
        more = "; ..." if len(self.periods) > 3 else ""
        again = f", {self.repeat:,} times over" if self.repeat > 1 else ""
        what = {"balance": 0, "two-period-balance": 1, "asymptotic": 2}[self.mechanism]
        return (
            f"Sell one good in each of {self.horizon:,} periods to {who} with independent values "
            f"({kinds}{more}{again}), by rules that know no later distribution, and count what they earn "
            f"({self.told_histories()} histories).\n\n"
            f"{(__doc__ or '').split(chr(10) * 2)[2 + what]}"
        )

    def dropped(self) -> list[str]:
        """A line per distribution that had values of probability zero."""
        found = []
        for t, period in enumerate(self.periods):
            for i, prior in enumerate(period):
                if prior.dropped:
                    shown = ", ".join(str(plain(x)) for x in prior.dropped[:3])
                    found.append(f"periods[{t}], buyer {i + 1}: values of probability zero are left out ({shown})")
        return found
