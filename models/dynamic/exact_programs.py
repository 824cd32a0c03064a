"""The optimum of a program over histories as a fraction, proved by a primal and a dual point in rationals.

A program's coefficients are sums and products of values and probabilities. Where all of these have small denominators,
every float in its arrays is nearer to its own fraction than to any other with such a denominator, so the fractions can
be read back. Every row is then multiplied into whole numbers, which floats hold exactly, and the optimal basis is
solved in rationals: its primal point satisfies every row, its dual point prices every column, and both give the same
value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.solvers.certificate import exact_bounds
from mechopt.solvers.highs import solve
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Array, Program

if TYPE_CHECKING:
    from mechopt.models.dynamic.dynamic_auction import DynamicAuction

DENOMINATOR = 10**6  # two fractions with at most this denominator are 10^-12 apart
CLOSE = 1e-13


def exact_optimum(model: DynamicAuction, build: Callable[[DynamicAuction], Program]) -> Fraction:
    """The optimum of the program that `build` makes of an instance, money, exactly.

    Raises ValueError where denominators are too large, or where the basis found is not optimal in rationals.

    >>> from mechopt.models.dynamic.dynamic_auction import DynamicAuction
    >>> from mechopt.models.dynamic.history import per_path_program
    >>> coin = {"values": [1, 2], "probabilities": ["1/2", "1/2"]}
    >>> assert exact_optimum(DynamicAuction(periods=[[coin]] * 2), per_path_program) == Fraction(9, 4)
    """
    priors = [prior for period in model.periods for prior in period]
    denominators = [math.lcm(*(x.denominator for x in (*prior.values, *prior.probabilities))) for prior in priors]
    if math.prod(denominators) > DENOMINATOR:
        raise ValueError(f"denominators multiply to {math.prod(denominators):,}, more than {DENOMINATOR:,}")
    solution = solve(build(model)).require()
    assert solution.compiled is not None
    assert solution.point is not None
    whole, scale = in_whole_numbers(solution.compiled)
    found = exact_bounds(whole, solution.point)
    if not found.closed:
        raise ValueError("the basis is not optimal in rationals")
    return Fraction(str(found.lower)) / scale


def in_whole_numbers(program: LinearProgram) -> tuple[LinearProgram, int]:
    """The same program with every row multiplied into whole numbers, and what its cost was multiplied by.

    Raises ValueError for a coefficient that is not close to a fraction with a small denominator.
    """
    bounds = np.concatenate([program.col_lower, program.col_upper])
    if program.offset or np.any(bounds[np.isfinite(bounds)] % 1):
        raise ValueError("expected no offset and whole bounds of columns")
    rows = program.matrix.tocsr().copy()
    lower, upper = program.row_lower.copy(), program.row_upper.copy()
    for i in range(program.shape[0]):
        part = slice(rows.indptr[i], rows.indptr[i + 1])
        ends = np.array([lower[i], upper[i]])
        finite = np.isfinite(ends)
        numbers, _ = _whole(np.concatenate([rows.data[part], ends[finite]]))
        rows.data[part] = numbers[: part.stop - part.start]
        ends[finite] = numbers[part.stop - part.start :]
        lower[i], upper[i] = ends
    cost, scale = _whole(program.cost)
    return replace(program, matrix=rows.tocsc(), row_lower=lower, row_upper=upper, cost=cost), scale


def _whole(row: Array) -> tuple[Array, int]:
    fractions: list[Any] = [Fraction(x).limit_denominator(DENOMINATOR) for x in row.tolist()]
    if any(abs(float(a) - x) > CLOSE * max(1.0, abs(x)) for a, x in zip(fractions, row.tolist(), strict=True)):
        raise ValueError("a coefficient is not close to a fraction with a small denominator")
    scale = math.lcm(*(a.denominator for a in fractions))
    return np.array([float(a * scale) for a in fractions]), scale
