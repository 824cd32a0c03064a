"""Bounds on moments of the values: what is known of a distribution beyond its support.

Every bound is held as one row E[f_k(v)] <= b_k with f_k(v) = +-v_j^p, so that its multiplier sigma_k is nonnegative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import cvxpy as cp
import numpy as np

from mechopt.models.inputs import Count, Number, checked, fail, plain, require_bounds
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Array, Program

FEASIBLE = 1e-9  # least total violation, relative to the bounds, at which moments count as possible together


@checked
class Moment:
    """at_least <= E[v_j^power] <= at_most for good j (counted from 1), or for every good when left out.

    >>> assert Moment(good=1, at_least="1/2").power == 1
    """

    good: Count | None = None
    power: Count = 1
    at_least: Number | None = None
    at_most: Number | None = None

    def __post_init__(self) -> None:
        require_bounds(self.at_least, self.at_most)

    def parameters(self) -> dict[str, object]:
        """As a file has it."""
        fields: dict[str, object] = {} if self.good is None else {"good": self.good}
        fields["power"] = self.power
        for name in ("at_least", "at_most"):
            if getattr(self, name) is not None:
                fields[name] = plain(getattr(self, name))
        return fields


@dataclass(frozen=True)
class Side:
    """One row sign * E[v_good^power] <= bound, good counted from 0; `field` is where the user wrote it."""

    good: int
    power: int
    sign: int
    bound: Fraction
    field: str

    def __str__(self) -> str:
        words = "at most" if self.sign > 0 else "at least"
        return f"E[v_{self.good + 1}^{self.power}] {words} {plain(self.sign * self.bound)}"


def sides(moments: Sequence[Moment], goods: int) -> tuple[Side, ...]:
    """All rows of a list of moments. Raises InputError for a good there is not."""
    rows = []
    for i, moment in enumerate(moments):
        if moment.good is not None and moment.good > goods:
            raise fail(f"moments[{i}].good", f"a good from 1 to {goods}", moment.good)
        for good in range(goods) if moment.good is None else [moment.good - 1]:
            if moment.at_most is not None:
                rows.append(Side(good, moment.power, 1, moment.at_most, f"moments[{i}].at_most"))
            if moment.at_least is not None:
                rows.append(Side(good, moment.power, -1, -moment.at_least, f"moments[{i}].at_least"))
    return tuple(rows)


def features(values: Array, rows: Sequence[Side]) -> Array:
    """f_k(v) for every profile and row, (N, K), from values (N, J)."""
    columns = [row.sign * values[:, row.good] ** row.power for row in rows]
    return np.column_stack(columns) if columns else np.zeros((len(values), 0))


def bounds(rows: Sequence[Side]) -> Array:
    """b_k, (K,)."""
    return np.array([float(row.bound) for row in rows])


def room(values: Array, rows: Sequence[Side]) -> Array:
    """The distribution on the profiles, (N,), that satisfies every row and whose smallest probability is largest.

    Raises InputError naming the moments in conflict when no distribution on the profiles satisfies them all.
    """
    f, b = features(values, rows), bounds(rows)
    alpha = cp.Variable(len(values), name="alpha")
    least = cp.Variable(name="least")
    miss = cp.Variable(len(rows), name="miss")
    scale = 1.0 + np.abs(b)
    base = {"one": cp.sum(alpha) == 1, "even": alpha >= least, "sign": miss >= 0}
    nearest = solve(Program(cp.Minimize(cp.sum(miss)), {
        **base, "moments": f.T @ alpha - cp.multiply(scale, miss) <= b, "chance": least >= 0,
    }))  # fmt: skip
    missed = nearest.require().primal["miss"]
    if missed.sum() > FEASIBLE:
        worst = int(missed.argmax())
        others = ", ".join(str(row) for k, row in enumerate(rows) if k != worst)
        raise fail(
            rows[worst].field,
            "moments some distribution on the values has" + (f" together with {others}" if others else ""),
            str(rows[worst]),
            f"it is missed by {missed[worst] * scale[worst]:.3g} at least",
        )
    even = solve(Program(cp.Maximize(least), {
        **base, "moments": f.T @ alpha <= b + 1e-12 * scale, "none": miss == 0,
    }))  # fmt: skip
    return even.require().primal["alpha"]
