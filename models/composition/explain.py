"""Why a composition has no optimum, in economic words: families that cannot hold together, sets that are empty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from mechopt.models.composition.criteria import distributions, laid_out
from mechopt.models.composition.engine import Solved
from mechopt.models.composition.nature import Nature
from mechopt.models.composition.rows import Composition, floats
from mechopt.models.inputs import InputError, fail
from mechopt.solvers.highs import load, status_of
from mechopt.solvers.linear import LinearProgram
from mechopt.solvers.program import Solution, SolveError, Status

if TYPE_CHECKING:
    from mechopt.models.design import Design


SAID = {
    "t": "probabilities that sum to one", "sigma": "the moments", "radius": "the radius", "low": "the box",
    "high": "the box", "move": "the mass moved",
}  # fmt: skip


class NoOptimum(SolveError):
    """A design without an optimum; `parts` are the families that cannot hold together, none when unbounded."""

    def __init__(self, solution: Solution, message: str, parts: Sequence[str] = ()) -> None:
        super().__init__(solution)
        self.args = (message,)
        self.parts = tuple(parts)


def conflict(design: Design, solved: Solved) -> NoOptimum:
    """The error for a design that was not solved."""
    worst = solved.arrays.sign * np.inf
    value = {Status.INFEASIBLE: worst, Status.UNBOUNDED: -worst}.get(solved.status, np.nan)
    solution = Solution(solved.status, float(value), -float(worst), {}, {}, solved.residuals, solved.statistics)
    if solved.status is Status.INFEASIBLE:
        names = irreducible(solved.composition)
        chosen = [f for f in solved.composition.families if f.name in names]
        said = "; ".join(dict.fromkeys(f"{f.words} [{f.part}: {f.name}]" for f in chosen))
        message = (
            f"{chosen[0].part if chosen else 'design'}: expected parts some mechanism satisfies together, got "
            f"a conflict of {len(chosen)}: {said}; relax or drop any one of them"
        )
        return NoOptimum(solution, message, names)
    if solved.status is Status.UNBOUNDED:
        message = (
            "criterion: expected a goal with a limit, got one that grows without limit: rows on average leave payments "
            'free in profiles their priors give no chance; write participation = "ex-post", or add budgets'
        )
        return NoOptimum(solution, message)
    return NoOptimum(solution, f"solve: expected an optimum, got {solved.status.word}; {solved.status.value}")


def irreducible(composition: Composition) -> list[str]:
    """Names of families that have no common point, while any of them may be dropped to get one."""
    arrays = composition.arrays()
    highs = load(
        LinearProgram(
            np.zeros(arrays.shape[1]),
            arrays.matrix,
            arrays.row_lower,
            arrays.row_upper,
            arrays.col_lower,
            arrays.col_upper,
            arrays.integral,
            0.0,
            1,
        ),
        {},
    )
    spans, at = [], 0
    for family in composition.families:
        spans.append(np.arange(at, at + len(family), dtype=np.int32))
        at += len(family)
    kept = []
    for family, span in zip(composition.families, spans, strict=True):
        free = np.full(len(span), np.inf)
        highs.changeRowsBounds(len(span), span, -free, free)
        highs.run()
        if status_of(highs) not in (Status.INFEASIBLE, Status.INFEASIBLE_OR_UNBOUNDED):
            highs.changeRowsBounds(len(span), span, arrays.row_lower[span], arrays.row_upper[span])
            kept.append(family.name)
    return kept


def require_distributions(design: Design) -> None:
    """Raise InputError when an ambiguity set holds no distribution, naming the rows in conflict."""
    for suffix, goal in design.goals:
        chosen = distributions(goal, design.environment)
        place = "criterion" if not suffix else f"restrictions.floors[{int(suffix[1:]) - 1}]"
        try:
            nature = laid_out(goal, design.environment)
        except InputError as error:
            raise error.within(place) from None
        if chosen.kind in ("support", "priors", "total-variation") and not chosen.moments and not chosen.support:
            continue  # never empty
        blocks, lower, upper, names = [], [], [], []
        for row in nature.rows:
            blocks.append(row.block.matrix((len(row.right), nature.atoms)))
            right = floats(row.right, row.den)
            lower.append(right if row.equal else np.full(len(right), -np.inf))
            upper.append(right)
            names += [row.name] * len(right)
        if missing := _clash(blocks, lower, upper, names, nature.atoms):
            got = " and ".join(dict.fromkeys(SAID[name] for name in missing if name != "t")) or "none"
            hint = "widen the radius or the moments, or use more types"
            if "radius" in missing and (least := _least_radius(nature)) is not None:
                hint = f"the types are farther than that from the samples; write radius = {least:.6g} or more"
            raise fail(
                f"{place}.ambiguity", "a set that holds some distribution on the types", f"none with {got}", hint
            )


def _least_radius(nature: Nature) -> float | None:
    """The smallest radius at which the other rows of a ball can be met, rounded up."""
    ball = next(row for row in nature.rows if row.name == "radius")
    others = [row for row in nature.rows if row.name != "radius"]
    low = [floats(row.right, row.den) if row.equal else np.full(len(row.right), -np.inf) for row in others]
    program = LinearProgram(
        ball.block.matrix((1, nature.atoms)).toarray().ravel(),
        sp.vstack([row.block.matrix((len(row.right), nature.atoms)) for row in others], format="csc"),
        np.concatenate(low), np.concatenate([floats(row.right, row.den) for row in others]), np.zeros(nature.atoms),
        np.full(nature.atoms, np.inf), np.zeros(nature.atoms, dtype=bool),
    )  # fmt: skip
    highs = load(program, {})
    highs.run()
    if status_of(highs) is not Status.OPTIMAL:
        return None
    return math.ceil(float(highs.getInfo().objective_function_value) * 1e6) / 1e6


def _clash(blocks: list[Any], lower: list[Any], upper: list[Any], names: list[str], atoms: int) -> list[str]:
    """Names of rows that no distribution satisfies together; empty when one does."""
    low, high = np.concatenate(lower), np.concatenate(upper)
    program = LinearProgram(
        np.zeros(atoms), sp.vstack(blocks, format="csc"), low, high, np.zeros(atoms), np.full(atoms, np.inf),
        np.zeros(atoms, dtype=bool),
    )  # fmt: skip
    highs = load(program, {})
    highs.run()
    if status_of(highs) is not Status.INFEASIBLE:
        return []
    kept = []
    for name in dict.fromkeys(names):
        span = np.flatnonzero(np.array(names) == name).astype(np.int32)
        free = np.full(len(span), np.inf)
        highs.changeRowsBounds(len(span), span, -free, free)
        highs.run()
        if status_of(highs) is not Status.INFEASIBLE:
            highs.changeRowsBounds(len(span), span, low[span], high[span])
            kept.append(name)
    return kept
