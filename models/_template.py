"""Copy this file to start a model: the best way to sell one good to a buyer with a known distribution.

The seller draws a posted price; x_k is the chance that it is v_k. The buyer has the value v_k with
probability p_k and buys at any price up to her value, so the price v_k earns e_k = v_k (p_k + ... + p_K).
The dual's letter stands in brackets at the end of each row:

    max   sum_k x_k e_k
    s.t.  sum_k x_k <= 1                              [rho]
          x_k >= 0                  for k = 1..K      [slack_k]

Its dual, the primal's letter in brackets:

    min   rho
    s.t.  rho >= e_k                for k = 1..K      [x_k]
          rho >= 0

rho is the worth of one more unit to sell; slack_k is what the price v_k loses against the best one.

Source: R. Myerson, Optimal auction design (1981), and J. Riley, R. Zeckhauser, Optimal selling strategies
(1983): for one buyer a posted price is best among all mechanisms.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np

from mechopt.models.inputs import Number, checked, fail, plain
from mechopt.models.outcome import ClosedForm
from mechopt.solvers.program import Array, Program


@checked
class PostedPrice:
    """One good and one buyer whose value is `values[k]` with probability `probabilities[k]`.

    `values`: money, increasing and positive, (K,). `probabilities`: (K,), positive, summing to one. Numbers
    may be rationals such as "1/3". Raises InputError for anything else.

    >>> from mechopt.solvers.highs import solve
    >>> model = PostedPrice(values=[1, 2, 3], probabilities=["1/2", "1/4", "1/4"])
    >>> primal, dual = solve(model.primal()), solve(model.dual())
    >>> assert abs(primal.value - dual.value) < 1e-9 and abs(primal.value - model.closed_form().value) < 1e-9
    >>> assert primal.dual["rho"] == dual.primal["rho"] == 1.0 and abs(dual.dual["x"].sum() - 1) < 1e-9
    """

    values: tuple[Number, ...]
    probabilities: tuple[Number, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise fail("values", "at least one number", "none", "write values = [1, 2]")
        if len(self.values) != len(self.probabilities):
            expected = f"{len(self.values)} numbers, one per value"
            raise fail("probabilities", expected, f"{len(self.probabilities)}")
        for k, (value, chance) in enumerate(zip(self.values, self.probabilities, strict=True)):
            if value <= (self.values[k - 1] if k else 0):
                raise fail(f"values[{k}]", "a positive number above the one before", value)
            if chance <= 0:
                raise fail(f"probabilities[{k}]", "a positive number", chance)
        if (total := sum(self.probabilities, Fraction(0))) != 1:
            raise fail("probabilities", "numbers that sum to 1", total, 'write thirds as "1/3"')

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        return {name: [plain(x) for x in getattr(self, name)] for name in ("values", "probabilities")}

    @cached_property
    def earnings(self) -> Array:
        """What each price earns, e_k = v_k P(v >= v_k), (K,), money."""
        return np.array([float(e) for e in expected_earnings(self.values, self.probabilities)])

    def primal(self) -> Program:
        """The seller's program: a lottery over posted prices."""
        x = cp.Variable(len(self.values), name="x")
        return Program(cp.Maximize(self.earnings @ x), {"rho": cp.sum(x) <= 1, "slack": x >= 0})

    def dual(self) -> Program:
        """Its dual; the multipliers of its rows are the lottery, by the letter x."""
        rho = cp.Variable(name="rho")
        return Program(cp.Minimize(rho), {"x": rho >= self.earnings, "worth": rho >= 0})

    def closed_form(self) -> ClosedForm:
        """The theorem's revenue, max_k e_k: equal to the optimum of the program."""
        value = float(max(expected_earnings(self.values, self.probabilities)))
        return ClosedForm(value, "finite optimum", "Riley, Zeckhauser (1983)")


def expected_earnings(values: tuple[Fraction, ...], probabilities: tuple[Fraction, ...]) -> list[Fraction]:
    """Price times the chance of a sale, for every price among the values: exact, and no program involved.

    >>> third = Fraction(1, 3)
    >>> assert expected_earnings((Fraction(1), Fraction(2), Fraction(3)), (third,) * 3) == [1, 4 * third, 1]
    """
    tails = [sum(probabilities[k:], Fraction(0)) for k in range(len(values))]
    return [value * tail for value, tail in zip(values, tails, strict=True)]
