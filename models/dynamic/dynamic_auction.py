"""The revenue-maximising sale of one good per period to the same k buyers, whose values are drawn afresh every period.

Buyer i's value in period t is v_j with probability f_i^t(j), independently of everything else. A mechanism may use all
earlier reports. It has to be truthful at every point in time, given what it does later (dynamic incentive
compatibility), and no buyer may ever end up with a negative total, whatever the values (ex-post individual
rationality). The programs stand where they are built:

* models/dynamic/history.py: all reports so far, every pair of types: the ground truth, small instances;
* models/dynamic/history_accounts.py: bank account mechanisms, over all reports so far;
* models/dynamic/period.py: one period given what balances are worth later, program (12), and its dual;
* models/dynamic/sweep.py: one buyer at any size, value functions bounded from both sides.

Source: V. Mirrokni, R. Paes Leme, P. Tang, S. Zuo, Optimal dynamic auctions are virtual welfare maximizers (2018).
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.history import dynamic_program, dynamic_size
from mechopt.models.dynamic.history_accounts import account_program, account_size
from mechopt.models.inputs import checked, fail, plain
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Program

MOST_PERIODS = 1000
MOST_BUYERS = 20
TOLD = 10**15  # histories up to which their number is spelled out


@checked
class DynamicAuction:
    """T periods, one good in each; `periods[t][i]`: the distribution of buyer i's value in period t. Values are money.

    Buyers are the same in every period, their distributions need not be. Raises InputError for anything else.

    >>> from mechopt.solvers.highs import solve
    >>> even = {"values": [1, 2], "probabilities": ["1/2", "1/2"]}
    >>> model = DynamicAuction(periods=[[even], [even]])
    >>> assert (model.horizon, model.buyers, model.histories) == (2, 1, 4)
    >>> assert abs(solve(model.primal()).value - 2.25) < 1e-9  # period by period it would be 2
    """

    periods: tuple[tuple[Distribution, ...], ...]

    def __post_init__(self) -> None:
        if not self.periods:
            hint = "write periods = [[{values = [1, 2], probabilities = [0.5, 0.5]}]]"
            raise fail("periods", "at least one period, a list of the buyers' distributions", "none", hint)
        if len(self.periods) > MOST_PERIODS:
            raise fail("periods", f"at most {MOST_PERIODS:,} periods", f"{len(self.periods):,}")
        for t, period in enumerate(self.periods):
            if not period:
                raise fail(f"periods[{t}]", "at least one buyer's distribution", "none", "list one per buyer")
            if len(period) != len(self.periods[0]):
                expected = f"{len(self.periods[0])} distributions, one per buyer of the first period"
                hint = "a buyer who is absent has the one value 0"
                raise fail(f"periods[{t}]", expected, f"{len(period)}", hint)
        if self.buyers > MOST_BUYERS:
            raise fail("periods[0]", f"at most {MOST_BUYERS} buyers", f"{self.buyers}")

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        return {"periods": [[prior.parameters() for prior in period] for period in self.periods]}

    @property
    def horizon(self) -> int:
        """T, the number of periods."""
        return len(self.periods)

    @property
    def buyers(self) -> int:
        """k, the number of buyers."""
        return len(self.periods[0])

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """Per period, how many values each buyer may have."""
        return [tuple(len(prior) for prior in period) for period in self.periods]

    @cached_property
    def histories(self) -> int:
        """How many sequences of all buyers' values over all periods there are."""
        return math.prod(math.prod(shape) for shape in self.shapes)

    def told_histories(self) -> str:
        """How many histories there are, in words where there are too many to count."""
        if self.histories < TOLD:
            return f"{self.histories:,}"
        return f"about 10^{sum(math.log10(n) for shape in self.shapes for n in shape):.0f}"

    def size(self, method: str = "bank-account") -> Size:
        """Size of the program a method solves, before it is built; one buyer's default method needs none."""
        if self.buyers == 1:
            return dynamic_size(self) if method == "history" else Size(0, 0, 0)
        return account_size(self)

    def require_fits(self, method: str = "history") -> None:
        """Raise InputError, saying how many histories there are, when the method's program would not fit in memory."""
        size = self.size(method)
        if not size.fits:
            expected = f"a program over histories that fits in the {human(available())} of memory that are free"
            got = f"{self.told_histories()} histories" + (f": {size}" if self.histories < TOLD else "")
            raise fail("periods", expected, got, 'the method "bank-account" lists no histories')

    def primal(self) -> Program:
        """The seller's program over histories: the full one for one buyer, bank accounts for several.

        For several buyers the full program under the same notion of truth may be worth more: see docs.
        """
        self.require_fits("history")
        return dynamic_program(self) if self.buyers == 1 else account_program(self)

    def dropped(self) -> list[str]:
        """A line per distribution that had values of probability zero."""
        found = []
        for t, period in enumerate(self.periods, 1):
            for i, prior in enumerate(period, 1):
                if prior.dropped:
                    shown = ", ".join(str(plain(x)) for x in prior.dropped[:3])
                    more = ", ..." if len(prior.dropped) > 3 else ""
                    what = f"{len(prior.dropped):,} value{'s' if len(prior.dropped) > 1 else ''} of probability zero"
                    found.append(f"period {t}, buyer {i}: left out {what} ({shown}{more})")
        return found

    def words(self) -> str:
        """The problem and its program in words."""
        who = f"{self.buyers} buyer{'s' if self.buyers > 1 else ''}"
        kinds = {tuple(period): self.periods.count(period) for period in self.periods}
        what = "; ".join(
            f"{count} period{'s' if count > 1 else ''} with {', '.join(prior.words() for prior in period)}"
            for period, count in list(kinds.items())[:4]
        ) + ("; ..." if len(kinds) > 4 else "")
        return (
            f"Sell one good in each of {self.horizon} period{'s' if self.horizon > 1 else ''} to {who} whose values "
            f"are drawn afresh every period ({what}). Find the mechanism, truthful at every point in time and never a "
            f"loss in total to any buyer, that earns most ({self.told_histories()} histories).\n\n"
            f"{_BANK_ACCOUNTS}"
        )


_BANK_ACCOUNTS = """A bank account mechanism keeps a balance b_i >= 0 per buyer. With g^T = 0 and g^{t-1}(b) the
best revenue from period t on, period t solves

    g^{t-1}(b) = max  E[ sum_i (v_i x_i(v) - xi_i(v_-i)) + g^t(y(v)) ]
    s.t.  y_i(v_{j+1}) - y_i(v_j) = (v_{j+1} - v_j) x_i(v_j)       for i, j, v_-i
          E_{v_i}[ y_i(v) ] = b_i + xi_i(v_-i)                     for i, v_-i       [beta_i(v_-i)]
          y_i(v) >= 0,  x_i(v_j) <= x_i(v_{j+1})                   for i, v          [lambda_i(v_-i), eta_i(v)]
          sum_i x_i(v) <= 1,  x_i(v) >= 0                          for v             [mu(v)]"""
