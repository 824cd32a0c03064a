"""A bound from above for the worst expected regret on a box where moments of the values are known.

Goods are sold apart, each by an allocation piecewise linear in its own value, and each pays for its own moments:

    min   r + sum_k b_k sigma_k
    s.t.  r + sum_k sigma_k f_k(v_i) >= (v_i - c)^+ - q_i (v_i - c) + u_i                [alpha(i)]
          u_{i+1} = u_i + (v_{i+1} - v_i)(q_i + q_{i+1}) / 2, u_0 = 0                    [tail(i)]
          0 <= q_0 <= ... <= q_n <= 1, sigma >= 0

at nodes v_0 = lower < ... < v_n = upper, cost among them. The checker evaluates it between the nodes too.
"""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np

from mechopt.models.moments import Side, features
from mechopt.models.moments import bounds as moment_bounds
from mechopt.models.outcome import Options
from mechopt.models.regret.price_lottery import fraction
from mechopt.models.regret.regret_pricing import RegretPricing
from mechopt.solvers.highs import solve
from mechopt.solvers.program import Array, Program
from mechopt.solvers.rational import rational, text


def program(v: Array, cost: float, rows: tuple[Side, ...]) -> Program:
    """The seller's program for one good on increasing nodes v, (n + 1,), money."""
    step = np.diff(v)
    r, sigma = cp.Variable(name="r"), cp.Variable(len(rows), name="sigma")
    q, u = cp.Variable(len(v), name="q"), cp.Variable(len(v), name="u")
    known = features(v[:, None], rows) @ sigma
    return Program(cp.Minimize(r + moment_bounds(rows) @ sigma), {
        "alpha": r + known >= np.maximum(v - cost, 0) - cp.multiply(v - cost, q) + u,
        "tail": u[1:] == u[:-1] + cp.multiply(step / 2, q[:-1] + q[1:]),
        "start": u[0] == 0,
        "rise": q[1:] >= q[:-1],
        "floor": q[0] >= 0,
        "lambda": q[-1] <= 1,
        "sigma": sigma >= 0,
    })  # fmt: skip


def continuum(model: RegretPricing, options: Options) -> tuple[dict[str, Any], float]:
    """The continuum part of the certificate, and the bound in floats."""
    parts: list[Any] = []
    total = 0.0
    for j in range(model.goods):
        if model.cost[j] >= model.upper[j]:
            parts.append(None)
            continue
        cost, most = model.cost[j], model.upper[j] - model.cost[j]
        axis = sorted(
            {(x - cost) / most for x in model.axes[j]} | ({(cost - cost)} if model.lower[j] < cost else set())
        )
        own = tuple(Side(0, s.power, s.sign, s.bound, s.field) for s in model.sides if s.good == j)
        v = np.array([float(cost + most * x) for x in axis])
        q, sigma, value = np.zeros(len(v)), np.zeros(len(own)), float(most)
        if options.time_limit is None or options.time_limit > 0:
            found = solve(
                _shaped(program(v, float(cost), own)), time_limit=options.time_limit, options=options.options,
                memory=options.memory,
            )  # fmt: skip
            if found.status.has_point:
                q = np.maximum.accumulate(np.clip(np.nan_to_num(found.primal["q"]), 0, 1))
                sigma, value = np.maximum(np.nan_to_num(found.primal.get("sigma", sigma)), 0), found.value
        total += value
        parts.append({
            "nodes": [text(fraction(x)) for x in axis],
            "allocation": [text(rational(float(x))) for x in q],
            "sigma": [text(rational(float(x))) for x in np.atleast_1d(sigma)],
        })  # fmt: skip
    return {"mechanism": parts}, total


def _shaped(built: Program) -> Program:
    """Without the rows of a good that has no moments: CVXPY has no variables of size zero."""
    kept = {name: row for name, row in built.constraints.items() if row.size}
    return Program(built.objective, kept)
