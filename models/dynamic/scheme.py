"""The paper's own scheme for one buyer, promises xi optimised: the specification the sweep is compared with.

For given xi, backward from the last period, program (12) is solved at balances on a grid. Its value and multipliers
give a tangent of g^{t-1} that holds for every balance and all later promises at once: slope beta in b, beta_t - 1 in
xi_t, and the mixture of its parents' in later xi. R(xi) = g^0(0) is concave, and Kelley's method maximises it: the next
xi is best for all tangents found so far. The value is an upper bound of the best revenue, exact as the grid is refined.

Source: Mirrokni, Paes Leme, Tang, Zuo (2018), Sections 3 and 4; E_b[beta] = 1 where xi_t > 0 is Theorem 3.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from mechopt.models.distributions import Distribution
from mechopt.models.dynamic.period import PeriodProgram
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Array, Program


@dataclass(frozen=True)
class Scheme:
    """R at the best promises found, the promises xi (T,), dR/dxi there, and how many period programs were solved."""

    value: float
    bound: float
    xi: Array
    gradient: Array
    iterations: int
    programs: int


def scheme(priors: Sequence[Distribution], points: int, tolerance: float, most: int = 200) -> Scheme:
    """Kelley's method on xi with `points` balances per period, until bound minus value is at most `tolerance` (money).

    >>> coin = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
    >>> assert abs(scheme([coin, coin], points=4, tolerance=1e-7).value - 2.25) < 1e-6
    """
    T = len(priors)
    gains = [float(prior.f @ (prior.v - prior.v[0])) for prior in priors]
    top = np.cumsum(gains[::-1])[::-1]  # a promise beyond what all later periods can pay is idle
    cuts: list[tuple[float, Array]] = []
    best = Scheme(-np.inf, np.inf, np.zeros(T), np.zeros(T), 0, 0)
    xi, bound, programs = np.array(gains), np.inf, 0
    for iteration in range(1, most + 1):
        value, gradient, solved = _revenue(priors, xi, top, points)
        programs += solved
        cuts.append((value - gradient @ xi, gradient))
        if value > best.value:
            best = Scheme(value, bound, xi, gradient, iteration, programs)
        xi, bound = _master(cuts, top)
        if bound - best.value <= tolerance:
            break
    return Scheme(best.value, bound, best.xi, best.gradient, iteration, programs)


def _revenue(priors: Sequence[Distribution], xi: Array, top: Array, points: int) -> tuple[float, Array, int]:
    """R(xi) from tangents at grid balances, its gradient, and the programs solved."""
    T = len(priors)
    a, s, d = np.zeros(1), np.zeros((1, 1)), np.zeros((1, T))  # tangents of g^t: a + s b, and their derivatives in xi
    programs = 0
    for t in reversed(range(T)):
        grid = np.append(np.linspace(0.0, top[t], points - 1), 2 * top[t] + 1) if t else np.zeros(1)
        found = []
        for b in grid:
            program = PeriodProgram((priors[t],), np.array([b]), (xi[t : t + 1],), a, s)
            solution = solve(program.primal()).require()
            programs += 1
            values = program.virtual_values(0, solution.dual)
            beta = float(values["beta"][0])
            slope = solution.dual["gamma"].sum(axis=0) @ d
            slope[t] += beta - 1
            found.append((solution.value - beta * b, beta, slope))
        a = np.array([row[0] for row in found])
        s = np.array([[row[1]] for row in found])
        d = np.array([row[2] for row in found])
    return float(a[0]), d[0], programs


def _master(cuts: Sequence[tuple[float, Array]], top: Array) -> tuple[Array, float]:
    """The promises that are best for all tangents of R so far, and the bound they give."""
    theta, xi = cp.Variable(name="theta"), cp.Variable(len(top), name="xi")
    levels, slopes = np.array([a for a, _ in cuts]), np.array([d for _, d in cuts])
    rows = {"cut": theta <= levels + slopes @ xi, "low": xi >= 0, "high": xi <= top}
    solution = solve(Program(cp.Maximize(theta), rows)).require()
    return np.clip(solution.primal["xi"], 0.0, top), solution.value
