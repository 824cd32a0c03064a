"""The engines that solve program (2.6), each with the finite part of its certificate.

    price-lottery   one good: adjacent rows, by HiGHS                          models/regret/price_lottery.py
    sweep           a grid of several goods: a recursion, no program            models/regret/regret_sweep.py
    rows            any profiles: incentive rows generated, by HiGHS            models/regret/regret_rows.py
    all-pairs       the specification: every incentive row, by CVXPY and HiGHS  models/regret/regret_pricing.py

The first that fits is taken unless the user names one. The certificate re-checks every row, whichever ran.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array, Options
from mechopt.models.regret import price_lottery, regret_certify
from mechopt.models.regret.price_lottery import Lottery
from mechopt.models.regret.regret_pricing import RegretPricing
from mechopt.models.regret.regret_rows import solve_rows, violated
from mechopt.models.regret.regret_sweep import Lattice, Multipliers, Sweep, separable_utilities, sweep
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Residuals, Solution, SolveError, Statistics, Status
from mechopt.solvers.rational import nearest

EXACT_VALUES = 501  # a fraction has about 1.44 n bits; beyond this the certificate rounds to 2^-56
SEPARATE = 1e-9  # how far utility may be from a sum over goods, relative to regret, to sell them apart


@dataclass(frozen=True)
class Finite:
    """The finite program's solution, whichever engine found it: the certificate's part and the solver's own word."""

    part: dict[str, Any]
    method: str
    value: float
    bound: float
    status: Status = Status.OPTIMAL
    statistics: Statistics = field(default_factory=Statistics)
    residuals: Residuals = field(default_factory=Residuals)


def choose(model: RegretPricing, method: str | None) -> Callable[[RegretPricing, Options], Finite | None]:
    """The engine by its name, or the first that fits. Raises InputError for one that does not."""
    fits = {
        "price-lottery": model.goods == 1 and model.budget is None and not model.moments,
        "sweep": model.is_continuum and not model.moments and lattice(model) is not None,
        "rows": True,
        "all-pairs": True,
    }
    if method is None:
        return ENGINES[next(name for name, good in fits.items() if good)]
    if not fits.get(method, False):
        able = [name for name, good in fits.items() if good]
        raise fail("solve.method", " or ".join(able), method, "the others do not fit this instance")
    return ENGINES[method]


def lottery(model: RegretPricing, options: Options) -> Finite:
    """One good, by its price lottery."""
    margins = regret_certify.positive_margins(model, 0)
    if not margins:
        return Finite(regret_certify.unsold(model), "nothing to sell", 0.0, 0.0)
    floats = np.array([nearest(x) for x in margins])
    scale = float(floats[-1])
    solution = highs(price_lottery.program(floats / scale), **_settings(options)).require()
    found = None
    if solution.status is Status.OPTIMAL:
        found = _exact_lottery(margins, solution.primal["x"])
    if found is None:
        tail = solution.dual.get("tail", np.ones(len(margins)))
        found = price_lottery.rounded(solution.primal["x"], tail)
    part = (
        regret_certify.from_lotteries(model, [found], regret_certify.comonotone(model, found, [0]))
        if model.is_box
        else regret_certify.from_lottery(model, found)
    )
    return Finite(part, "price-lottery", solution.value * scale, solution.bound * scale, solution.status,
                  solution.statistics, solution.residuals)  # fmt: skip


def _settings(options: Options) -> dict[str, Any]:
    return {"time_limit": options.time_limit, "options": options.options, "verbose": options.verbose,
            "memory": options.memory}  # fmt: skip


def _exact_lottery(margins: list[Any], chance: Array) -> Lottery | None:
    """The lottery as fractions, where they stay short enough to be worth it."""
    if len(margins) > EXACT_VALUES:
        return None
    return price_lottery.from_support(margins, np.flatnonzero(chance > 1e-11).tolist())


def lattice(model: RegretPricing) -> Lattice | None:
    """The grid in margins of the goods that can be sold; None where the sweep does not apply."""
    sold = [j for j in range(model.goods) if model.cost[j] < model.upper[j]]
    below_cost = any(model.floor(j) < model.cost[j] for j in sold)
    if not sold or below_cost or (model.budget is not None and len(sold) < model.goods):
        return None
    axes = tuple(np.array([float(x - model.cost[j]) for x in model.axes[j]]) for j in sold)
    return Lattice(axes, None if model.budget is None else model.member)


def by_sweep(model: RegretPricing, options: Options) -> Finite | None:
    """Several goods on a grid, by the sweep; None when its solution breaks one of the rows it left out."""
    grid = lattice(model)
    assert grid is not None
    found, multipliers = sweep(grid, options.progress, options.time_limit)
    inside = np.ones(len(found.utility), bool) if grid.member is None else grid.member
    count = int(inside.sum())
    goods = len(grid.axes)
    sizes = Statistics((1 + 2 * goods) * count, 1 + count, (2 + 4 * goods) * count, found.passes)
    if not found.done and model.is_box and goods == model.goods:
        nothing = regret_certify.from_lotteries(model, [None] * goods, _lattice_nature(model, grid, multipliers))
        worst = float(model.surplus.max())  # of selling nothing, the incumbent
        return Finite(nothing, "sweep", worst, found.regret, Status.USER_LIMIT, sizes)
    if grid.member is None and (part := _sold_apart(model, grid, found, multipliers)) is not None:
        return Finite(part, "sweep", found.regret, found.regret, statistics=sizes)
    if (model.is_box and len(model.values) != count) or len(grid.axes) < model.goods:
        return None
    u, q = found.utility[inside], found.allocation[inside]
    pairs, gains = violated(model.values, u, q, 1e-9 * max(1.0, found.regret), top=1)
    if len(pairs):
        options.progress(f"the sweep breaks {len(pairs)} rows, by up to {gains.max():.1e}: generating rows")
        return None
    payment = (q * model.values).sum(axis=1) - u
    part = regret_certify.from_point(model, q, payment, _lattice_nature(model, grid, multipliers))
    return Finite(part, "sweep", found.regret, found.regret, statistics=sizes)


def _sold_apart(model: RegretPricing, grid: Lattice, found: Sweep, multipliers: Multipliers) -> dict[str, Any] | None:
    """The part when utility is a sum over goods: one lottery a good, nature on the diagonal if she can."""
    lines = separable_utilities(grid, found.utility)
    total = sum(line.reshape([-1 if i == j else 1 for i in range(len(lines))]) for j, line in enumerate(lines))
    if np.abs(np.ravel(total) - found.utility + found.utility[0]).max() > SEPARATE * max(found.regret, 1e-300):
        return None
    sold = [j for j in range(model.goods) if model.cost[j] < model.upper[j]]
    lotteries: list[Lottery | None] = [None] * model.goods
    for j, line, step in zip(sold, lines, grid.steps, strict=True):
        margins = regret_certify.positive_margins(model, j)
        q = np.append(np.diff(line) / step, 1.0)
        chance = np.diff(np.maximum.accumulate(np.clip(q, 0, 1)), prepend=0.0)[-len(margins) :]
        tails = _axis_tails(grid, sold.index(j), len(margins))
        lotteries[j] = _exact_lottery(margins, chance) or price_lottery.rounded(chance, tails)
    shares = {tuple((x - model.cost[j]) / (model.upper[j] - model.cost[j]) for x in model.axes[j][:2]) for j in sold}
    first = lotteries[sold[0]]
    if len(shares) == 1 and first is not None:
        return regret_certify.from_lotteries(model, lotteries, regret_certify.comonotone(model, first, sold))
    if len(sold) < model.goods:
        return None
    return regret_certify.from_lotteries(model, lotteries, _lattice_nature(model, grid, multipliers))


def _axis_tails(grid: Lattice, axis: int, count: int) -> Array:
    """Nature's tail probabilities on one axis alone, by the same sweep."""
    _, multipliers = sweep(Lattice((grid.axes[axis],)))
    return np.asarray(np.cumsum(multipliers.alpha[::-1])[::-1][-count:])


def _lattice_nature(model: RegretPricing, grid: Lattice, multipliers: Multipliers) -> dict[str, Any]:
    """Nature's part from the sweep's multipliers, by the positions of the profiles the set holds."""
    inside = np.ones(len(multipliers.alpha), bool) if grid.member is None else grid.member
    position = np.cumsum(inside) - 1
    pairs, weights = [], []
    for j in range(len(grid.axes)):
        stride = int(np.prod(grid.shape[j + 1 :]))
        low = np.flatnonzero(multipliers.gamma[:, j] > 0)
        pairs.append(np.column_stack([position[low + stride], position[low]]))
        weights.append(multipliers.gamma[low, j])
    return regret_certify.nature(multipliers.alpha[inside], np.concatenate(pairs), np.concatenate(weights))


def by_rows(model: RegretPricing, options: Options) -> Finite:
    """Any profiles, by generated incentive rows."""
    found = solve_rows(model, options)
    N, J = model.values.shape
    if not found.status.has_point:
        raise SolveError(Solution(found.status, np.nan, found.bound, {}, {}, found.residuals, found.statistics))
    q = found.point.x[1 + N : 1 + N + N * J].reshape(N, J)
    sigma = np.maximum(found.point.x[1 + N + N * J :], 0)
    payment = (q * model.values).sum(axis=1) - found.point.x[1 : 1 + N]
    pairs = found.labels["gamma"] if len(found.labels["gamma"]) else np.zeros((0, 2), np.int64)
    weights = np.maximum(found.multipliers["gamma"], 0)
    nature = regret_certify.nature_of(model, np.maximum(found.point.y[:N], 0), pairs, weights)
    part = regret_certify.from_point(model, q, payment, nature, sigma)
    return Finite(part, "rows", found.value, found.bound, found.status, found.statistics, found.residuals)


def all_pairs(model: RegretPricing, options: Options) -> Finite:
    """The specification itself."""
    solution = highs(model.primal(), **_settings(options)).require()
    gamma = solution.dual.get("gamma", np.zeros((model.types, model.types)))
    pairs = np.argwhere(gamma > 0)
    alpha = solution.dual.get("alpha", np.zeros(model.types))
    nature = regret_certify.nature_of(model, alpha, pairs, gamma[gamma > 0])
    sigma = np.maximum(np.atleast_1d(solution.primal.get("sigma", np.zeros(0))), 0)
    part = regret_certify.from_point(model, solution.primal["q"], solution.primal["m"], nature, sigma)
    return Finite(part, "all-pairs", solution.value, solution.bound, solution.status,
                  solution.statistics, solution.residuals)  # fmt: skip


ENGINES: dict[str, Callable[[RegretPricing, Options], Finite | None]] = {
    "price-lottery": lottery,
    "sweep": by_sweep,
    "rows": by_rows,
    "all-pairs": all_pairs,
}
