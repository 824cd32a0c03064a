"""Constraints a user writes in CVXPY on allocations and payments, read into rows that files and checkers hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import cvxpy as cp
import numpy as np

from mechopt.models.composition.restrictions import Row, Term
from mechopt.models.inputs import exact, fail

if TYPE_CHECKING:
    from mechopt.models.design import Design

Rule = Callable[[list[Any], list[Any]], Any]


def rows_of(design: Design, name: str, rule: Rule) -> tuple[Row, ...]:
    """The rows of `rule(q, m)`, one affine CVXPY constraint or a list; q[i] is (P, J), m[i] is (P,) of bidder i.

    Raises InputError for constraints that are not affine.
    """
    environment = design.environment
    B, P, J = environment.count, environment.profiles, environment.goods
    q = [cp.Variable((P, J), name=f"q_{i + 1}") for i in range(B)]
    m = [cp.Variable(P, name=f"m_{i + 1}") for i in range(B)]
    made = rule(q, m)
    listed = list(made) if isinstance(made, list | tuple) else [made]
    for constraint in listed:
        if not isinstance(constraint, cp.constraints.Inequality | cp.constraints.Equality):
            raise fail(name, "affine constraints written with <=, >= or ==", type(constraint).__name__)
        if not constraint.expr.is_affine():
            raise fail(name, "an affine constraint", str(constraint), "write |x| <= b as two rows, x <= b and -x <= b")
    found: list[Row] = []
    for constraint in listed:
        found += _read(design, name, constraint, q, m)
    return tuple(found)


def _read(design: Design, name: str, constraint: Any, q: list[Any], m: list[Any]) -> list[Row]:
    """Rows of one constraint, by its value at zero and its derivatives."""
    for variable in [*q, *m]:
        variable.value = np.zeros(variable.shape)
    expression = constraint.expr
    at_zero = np.asarray(expression.value, dtype=float).ravel(order="F")
    J = design.environment.goods
    terms: list[list[Term]] = [[] for _ in at_zero]
    types = design.environment.steps + 1
    for variable, jacobian in expression.grad.items():
        bidder, good = _whose(variable, q, m)
        table = jacobian.tocoo()  # columns entries of the expression, rows entries of the variable
        for entry, row, a in zip(table.row.tolist(), table.col.tolist(), table.data.tolist(), strict=True):
            if a:
                profile, j = (
                    (entry % design.environment.profiles, entry // design.environment.profiles)
                    if good
                    else (entry, None)
                )
                assert j is None or j < J
                terms[row].append(
                    Term(
                        bidder=bidder + 1,
                        types=types[profile].tolist(),
                        good=None if j is None else j + 1,
                        coefficient=exact(float(a)),
                    )
                )
    sense: Literal["==", "<="] = "==" if isinstance(constraint, cp.constraints.Equality) else "<="
    return [Row(name=name, terms=tuple(t), sense=sense, right=exact(-float(b) + 0.0))
            for t, b in zip(terms, at_zero, strict=True)]  # fmt: skip


def _whose(variable: Any, q: list[Any], m: list[Any]) -> tuple[int, bool]:
    for i, (chance, paid) in enumerate(zip(q, m, strict=True)):
        if variable is chance:
            return i, True
        if variable is paid:
            return i, False
    raise fail("rule", "the variables it was given", variable.name(), "use q[i] and m[i] only")
