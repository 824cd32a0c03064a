"""Bounds on the continuum for regret on a box, by two small programs per good.

In units of a good's largest margin, s = (v - c) / (vbar - c) ranges over [a, 1].

The seller's program gives a mechanism that is feasible at every value: q is piecewise linear between the nodes
s_0 = a < ... < s_n = 1, and u, the buyer's utility, its integral. Regret s (1 - q) + u is a concave quadratic
between two nodes, so its maximum there is known exactly and the bound above holds between the nodes too.

    min   r
    s.t.  r >= s_k (1 - q_k) + u_k                                      [alpha(k)]
          u_{k+1} = u_k + (s_{k+1} - s_k)(q_k + q_{k+1}) / 2, u_0 = 0   [tail(k)]
          0 <= q_0 <= ... <= q_n <= 1

Nature's program gives a distribution through its revenue curve in quantile space (Bulow and Roberts 1989): R(T) is
the revenue of the price that a share T of buyers accepts, piecewise linear between T_0 = 1 > ... > T_n = 0. The
margin at quantile T is R(T) / T = A + B / T on a cell, its mean needs only a logarithm, and
log(T_k / T_{k+1}) >= 2 (T_k - T_{k+1}) / (T_k + T_{k+1}) keeps the mean rational and on the safe side.

    max   sum_k A_k (T_k - T_{k+1}) + B_k 2 (T_k - T_{k+1}) / (T_k + T_{k+1}) - sum_k d_k
    s.t.  d_k >= R_k - R_{k+1}, d_k >= 0       A_k, B_k: the line through (T_k, R_k) and (T_{k+1}, R_{k+1})
          R_k T_{k+1} <= R_{k+1} T_k           margins rise as quantiles fall
          a T_k <= R_k <= T_k,  R_n = 0

Whatever the seller does, her profit from one good is at most sum_k (R_k - R_{k+1})^+. The same holds good by good
when all goods' margins move together with one quantile T (nature's comonotone distribution), because profit is
sum_j of the integral of q_j(T) dR_j(T) less the lowest type's utility. So the goods share the nodes T_k and their
bounds add up.

Both brackets are O(1/n^2); `refine` splits the cells where they are loose. Neither uses the closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np

from mechopt.models.outcome import Options
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Array, Program

ROUNDS = 8
MOST_NODES = 40_000
SHARE = 0.4  # of the width asked for, left to each side


@dataclass(frozen=True)
class Curve:
    """Nodes and a value at each: (s_k, q_k) for the seller, (T_k, R_k) for nature, with the bound it gives."""

    nodes: Array
    heights: Array
    bound: float


def seller(nodes: Array) -> Program:
    """The seller's program on increasing nodes s_k in [a, 1], (n + 1,)."""
    step = np.diff(nodes)
    r = cp.Variable(name="r")
    q = cp.Variable(len(nodes), name="q")
    u = cp.Variable(len(nodes), name="u")
    return Program(cp.Minimize(r), {
        "alpha": r >= nodes - cp.multiply(nodes, q) + u,
        "tail": u[1:] == u[:-1] + cp.multiply(step / 2, q[:-1] + q[1:]),
        "start": u[0] == 0,
        "rise": q[1:] >= q[:-1],
        "floor": q[0] >= 0,
        "lambda": q[-1] <= 1,
    })  # fmt: skip


def nature(quantiles: Array, least: float) -> Program:
    """Nature's program on falling quantiles T_k from 1 to 0, (n + 1,), for margins of at least `least` = a."""
    T, step = quantiles, -np.diff(quantiles)
    R = cp.Variable(len(T), name="R")
    d = cp.Variable(len(T) - 1, name="d")
    fall = R[:-1] - R[1:]
    slope, log = cp.multiply(1 / step, fall), 2 * step / (T[:-1] + T[1:])  # A_k, and less than the log
    B = R[:-1] - cp.multiply(T[:-1], slope)
    return Program(cp.Maximize(cp.sum(fall) + log @ B - cp.sum(d)), {
        "lambda": d >= fall,
        "chance": d >= 0,
        "order": cp.multiply(T[1:], R[:-1]) <= cp.multiply(T[:-1], R[1:]),
        "least": least * T <= R,
        "most": R <= T,
    })  # fmt: skip


def peaks(nodes: Array, q: Array) -> tuple[Array, Array]:
    """Largest regret per cell (n,), and regret at the nodes (n + 1,), of a piecewise-linear allocation."""
    step = np.diff(nodes)
    u = np.concatenate([[0.0], np.cumsum(step * (q[:-1] + q[1:]) / 2)])
    regret = nodes * (1 - q) + u
    slope = np.diff(q) / step
    with np.errstate(divide="ignore", invalid="ignore"):
        top = regret[:-1] + (1 - nodes[:-1] * slope) ** 2 / (2 * slope)
        inside = (slope > 0) & (nodes[:-1] * slope < 1) & (nodes[1:] * slope > 1)
    return np.where(inside, top, np.maximum(regret[:-1], regret[1:])), regret


def _clean(q: Array) -> Array:
    return np.asarray(np.maximum.accumulate(np.clip(q, 0.0, 1.0)))


def seller_curve(nodes: Array, options: Options) -> Curve:
    """Solve the seller's program; the bound is the worst regret between the nodes too."""
    settings: dict[str, Any] = {"time_limit": options.time_limit, "options": options.options, "memory": options.memory}
    solution = solve(seller(nodes), **settings).require()
    q = _clean(solution.primal["q"])
    return Curve(nodes, q, float(peaks(nodes, q)[0].max()))


def nature_curve(quantiles: Array, least: float, options: Options) -> Curve:
    """Solve nature's program; the bound is its value in floats."""
    settings: dict[str, Any] = {"time_limit": options.time_limit, "options": options.options, "memory": options.memory}
    solution = solve(nature(quantiles, least), **settings).require()
    margin = np.clip(solution.primal["R"][:-1] / quantiles[:-1], least, 1.0)
    R = np.concatenate([np.maximum.accumulate(margin) * quantiles[:-1], [0.0]])
    return Curve(quantiles, R, solution.value)


def _corner(slope: Array, step: Array) -> Array:
    """What a chord loses next to a kink: the change of slope times the cell squared, over 4."""
    bend = np.abs(np.diff(slope))
    return np.asarray(np.maximum(np.append(bend, 0.0), np.append(0.0, bend)) * step**2 / 4)


def _seller_slack(curve: Curve) -> Array:
    """How far each cell's peak stands above the largest regret at a node, or what a kink of q costs there."""
    top, regret = peaks(curve.nodes, curve.heights)
    step = np.diff(curve.nodes)
    return np.asarray(np.maximum(top - regret.max(), _corner(np.diff(curve.heights) / step, step)))


def _nature_slack(curve: Curve) -> Array:
    """What each cell may lose: its share of the logarithm's error, and the corner the chord cuts off."""
    T, R = curve.nodes[:-1], curve.heights
    step = -np.diff(curve.nodes)
    slope = (R[:-1] - R[1:]) / step
    ratio = step / np.maximum(curve.nodes[1:], step)
    log = (R[:-1] - T * slope) * ratio**3 / 12
    return np.asarray(np.maximum(log * len(step), _corner(slope, step) / T))


def split_cells(nodes: Array, slack: Array, target: float) -> Array:
    """Nodes with every cell whose slack (of second order in its width) exceeds the target cut into equal parts."""
    parts = np.where(slack > target, np.ceil(np.sqrt(np.maximum(slack, target) / target)), 1).astype(int)
    parts = np.minimum(parts, 64)
    pieces = [np.linspace(nodes[k], nodes[k + 1], parts[k], endpoint=False) for k in range(len(parts))]
    return np.concatenate([*pieces, nodes[-1:]])


def refine(
    start: Array, solve_on: Callable[[Array], Curve], slack: Callable[[Curve], Array], target: float | None,
    options: Options, sense: int,
) -> Curve:  # fmt: skip
    """Solve on the start nodes, then, if a target is given, split loose cells until none exceeds it.

    Keeps the best curve seen (`sense` 1: the lowest bound, -1: the highest), and stops early where floats have
    nothing more to give, or at MOST_NODES.
    """
    curve = best = solve_on(start)
    for _ in range(ROUNDS if target else 0):
        loose = slack(curve)
        nodes = split_cells(curve.nodes, loose, target or 0.0)
        if len(nodes) == len(curve.nodes) or len(nodes) > MOST_NODES:
            break
        options.progress(f"refining the continuum bracket: {len(nodes)} nodes")
        curve = solve_on(nodes)
        if sense * curve.bound >= sense * best.bound:
            break
        best = curve
    return best


def bracket(least: float, n: int, gap: float | None, options: Options) -> tuple[Curve, Curve]:
    """The seller's and nature's curves for one good in units of its largest margin, from n cells on.

    `gap` is the width asked for in the same units, None to keep the n cells.

    >>> top, low = bracket(0.0, 50, None, Options())
    >>> assert low.bound < 0.36787944117144233 < top.bound and top.bound - low.bound < 1e-3
    """
    target = SHARE * gap if gap else None
    upper = refine(
        np.linspace(least, 1.0, n + 1), lambda s: seller_curve(s, options), _seller_slack, target, options, 1
    )
    lower = refine(
        np.linspace(1.0, 0.0, n + 1), lambda T: nature_curve(T, least, options), _nature_slack, target, options, -1
    )
    return upper, lower


def trivial(least: float) -> tuple[Curve, Curve]:
    """The curves known without solving anything: sell to nobody, and every buyer at the top."""
    return Curve(np.array([least, 1.0]), np.zeros(2), 1.0), Curve(np.array([1.0, 0.0]), np.array([1.0, 0.0]), 0.0)
