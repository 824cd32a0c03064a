"""Auctions of one good against every joint distribution of the values on [0, 1]^I with known moments.

Nothing is known of the joint distribution P but rows E[f_k(v)] <= b_k: for a Markov set, E[v_i] >= mu for every
bidder. The seller wants her worst expected revenue to be large. With rev(v) the payments in profile v (thesis, (1.8)),
nature's letter in brackets:

    max   lambda - sum_k b_k sigma_k
    s.t.  rev(v) >= lambda - sum_k sigma_k f_k(v)    for v in [0, 1]^I    [P(v)]
          sigma >= 0

Its dual, nature's program (1.7), the seller's letters in brackets:

    min   sum_v P(v) rev(v)
    s.t.  sum_v P(v) = 1                              [lambda]
          sum_v P(v) f_k(v) <= b_k    for all k       [sigma_k]
          P >= 0

A second price auction has the revenue max(r, second highest value) when the highest value reaches the reserve r. Where
the allocation is sought too, payments follow from truth being a dominant strategy, see moment_auction_grid.py.

Source: C. Kocyigit's thesis (EPFL), Section 1.5: Propositions 1.5.5 to 1.5.7, Theorems 1.5.2 and 1.5.3; after
C. Kocyigit, G. Iyengar, D. Kuhn, W. Wiesemann, Distributionally robust mechanism design (2020).
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from mechopt.models.auctions import moment_auction_any as everyone
from mechopt.models.auctions import moment_auction_theory as theory
from mechopt.models.auctions.moment_auction_inputs import BidderMoment, Kind, check_fields, sides
from mechopt.models.auctions.moment_auction_nature import Grid
from mechopt.models.inputs import Count, Number, checked, fail, plain
from mechopt.models.moments import Side
from mechopt.models.outcome import ClosedForm
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Array, Program

SOURCE = "Kocyigit's thesis (EPFL), "


@checked
class MomentAuction:
    """One good, I bidders with values in [0, 1] of which only moments are known; worst-case expected revenue.

    `bidders`: I. `mean`: every bidder's mean value is at least this, inside (0, 1); or `moments`, a list of
    {bidder, power, at_least, at_most}. `points`: grid steps n, hence n + 1 values. `mechanism`: "second-price" (with
    `reserve`, or the best one when left out), "highest-bidder-lottery" (only the highest bidder may win), or "any"
    (all mechanisms, at most five bidders, moments the same for all). Raises InputError for anything else.

    >>> model = MomentAuction(bidders=2, mean="3/10", reserve="1/5", mechanism="second-price")
    >>> from mechopt.solvers.highs import solve
    >>> primal, dual = solve(model.primal()), solve(model.dual())
    >>> assert abs(primal.value - 0.05) < 1e-12 and abs(dual.value - 0.05) < 1e-12
    >>> assert abs(dual.dual["sigma"] - 0.25) < 1e-12  # r / (1 - r)
    """

    bidders: Count
    mean: Number | None = None
    moments: tuple[BidderMoment, ...] = ()
    points: Count = 20
    mechanism: Kind = "second-price"
    reserve: Number | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        fields: dict[str, Any] = {"bidders": self.bidders}
        if self.mean is not None:
            fields["mean"] = plain(self.mean)
        else:
            fields["moments"] = [moment.parameters() for moment in self.moments]
        fields |= {"points": self.points, "mechanism": self.mechanism}
        return fields | ({} if self.reserve is None else {"reserve": plain(self.reserve)})

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        """What is known, as rows E[f_k(v)] <= b_k."""
        moments = (BidderMoment(at_least=self.mean),) if self.mean is not None else self.moments
        return sides(moments, self.bidders)

    @cached_property
    def nodes(self) -> list[Fraction]:
        """The grid's values, (n + 1,)."""
        return [Fraction(k, self.points) for k in range(self.points + 1)]

    @property
    def together(self) -> bool:
        """Whether the program has a column for every profile of the others, not only for their highest value."""
        return self.mechanism == "any" and (self.bidders != 2 or self.mean is None)

    def grid(self, reserve: Fraction) -> Grid:
        """The grid with a reserve, and the place just below it."""
        return Grid.of(self.nodes, reserve)

    def size(self) -> Size:
        """Size of the program that is solved, before anything is built."""
        n, width = self.points + 1, len(self.sides) + 1
        if self.mechanism == "second-price":  # rows are generated, about as many as this
            return Size(4 * self.bidders * width, width, 4 * self.bidders * width**2)
        if self.together:
            return everyone.size(self.bidders, self.points)
        if self.bidders == 1:
            return Size(5 * n, 2 * n + 2, 9 * n)
        share = 1 if self.mechanism == "any" else 2  # the lottery's bidders win in half of all pairs
        return Size(7 * n**2 // (2 * share) + 3 * n, 2 * n**2 // share + 2 * n + 2, 10 * n**2 // share)

    def require_fits(self) -> None:
        """Raise InputError, saying how large the program would be, when it would not fit in memory."""
        size, most = self.size(), 100_000 if self.mechanism == "second-price" else 400
        if not size.fits or self.points > most:
            wanted = f"at most {most:,} steps, and a program that fits in the {human(available())} of memory free"
            raise fail("points", wanted, f"{self.points} steps: {size}", "use fewer steps")

    def words(self) -> str:
        """The problem and its program in words."""
        if self.mean is not None:
            known = f"of which only E[v_i] >= {plain(self.mean)} is known for every bidder"
        else:
            known = "with " + ", ".join(str(side) for side in self.sides)
        kind = {
            "second-price": "the best second price auction with a reserve" if self.reserve is None
            else f"the second price auction with the reserve {plain(self.reserve)}",
            "highest-bidder-lottery": "the best mechanism in which only the highest bidder may win",
            "any": "the best mechanism among all with truth in dominant strategies",
        }[self.mechanism]  # fmt: skip
        rows = (__doc__ or "").partition("brackets:\n\n")[2].partition("\n\nIts dual")[0]
        who = "one bidder" if self.bidders == 1 else f"{self.bidders} bidders"
        return (
            f"Sell one good to {who} with values in [0, 1], {known}; their joint distribution may be anything. Find "
            f"{kind} and its worst-case expected revenue:\n\n{rows}"
        )

    def _atoms(self, grid: Grid) -> tuple[NDArray[np.int64], Array, Array]:
        """Profiles of positions (A, I), features f (A, K) and bounds b (K,) of the programs as written.

        For a Markov set the profiles (a, b, ..., b) with a >= b suffice, on average over the bidders, and the rows
        become the one E[a + (I - 1) b] >= I mu.
        """
        m = len(grid.exact)
        if self.mean is not None:
            pairs = [(a, *(b,) * (self.bidders - 1)) for a in range(m) for b in range(a + 1 if self.bidders > 1 else 1)]
            atoms = np.array(pairs)
            return atoms, -grid.values[atoms].sum(axis=1)[:, None], np.array([-self.bidders * float(self.mean)])
        if m**self.bidders > 300_000:
            raise fail("points", "at most 300,000 profiles to list", f"{m}^{self.bidders}", "use fewer steps")
        atoms = np.array(list(itertools.product(range(m), repeat=self.bidders)))
        columns = [side.sign * grid.values[atoms[:, side.good]] ** side.power for side in self.sides]
        return atoms, np.column_stack(columns), np.array([float(side.bound) for side in self.sides])

    def _given(self) -> Grid:
        if self.reserve is None:
            raise fail("reserve", "a number in [0, 1]", "none", "the program belongs to one reserve; solve() seeks it")
        return self.grid(self.reserve)

    def primal(self) -> Program:
        """The seller's program (1.8) on the grid; for a given reserve only sigma and lambda are free."""
        if self.together:
            return everyone.seller(self)
        if self.mechanism != "second-price":
            from mechopt.models.auctions.moment_auction_grid import seller

            return seller(self, self.nodes, left=True)
        grid = self._given()
        atoms, f, b = self._atoms(grid)
        level, sigma = cp.Variable(name="lambda"), cp.Variable(len(b), name="sigma")
        return Program(cp.Maximize(level - b @ sigma), {
            "P": grid.revenue(atoms) >= level - f @ sigma,
            "sign": sigma >= 0,
        })  # fmt: skip

    def dual(self) -> Program:
        """Nature's program (1.7) on the grid; the multipliers of its rows are lambda and sigma."""
        if self.together:
            return everyone.nature(self)
        if self.mechanism != "second-price":
            from mechopt.models.auctions.moment_auction_grid import nature

            return nature(self, self.nodes)
        grid = self._given()
        atoms, f, b = self._atoms(grid)
        P = cp.Variable(len(atoms), name="P")
        return Program(cp.Minimize(grid.revenue(atoms) @ P), {
            "lambda": cp.sum(P) == 1,
            "sigma": cp.matmul(f.T, P) <= b,
            "chance": P >= 0,
        })  # fmt: skip

    def closed_form(self) -> ClosedForm | None:
        """The theorem's worst-case revenue; None for general moments and for all mechanisms of several bidders."""
        if self.mean is None or self.mechanism == "any":
            return None
        count, mean = self.bidders, float(self.mean)
        relation = "continuum optimum"
        if self.mechanism == "highest-bidder-lottery":
            return ClosedForm(theory.lottery_revenue(count, mean), relation, SOURCE + "Theorem 1.5.3")
        if self.reserve is None:
            return ClosedForm(theory.best_reserve(count, mean)[1], relation, SOURCE + "Theorem 1.5.2")
        value = theory.second_price_revenue(count, mean, float(self.reserve))
        return ClosedForm(value, "continuum worst case", SOURCE + "Propositions 1.5.5 to 1.5.7")
