"""What a solved `virtual-pivot` tells beside its bracket: notes, quantities, tables of t = 0, enumerated lies."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from mechopt.models.outcome import Labelled, Options
from mechopt.models.pivot.environment import Environment
from mechopt.models.pivot.expectation import Expected
from mechopt.models.pivot.incentives import audit, signal_grid
from mechopt.models.pivot.mechanism import VirtualPivotMechanism
from mechopt.models.pivot.virtual_pivot import VirtualPivot
from mechopt.solvers.decision import OutOfTime

AUDITED = 1_000_000  # work up to which all lies are enumerated, about a second
SHOWN = {1: 101, 2: 11}  # signals of a continuum at which the tables are shown, by the number of agents
LARGE = 500  # joint states beyond which every profile takes long, and few are shown
MOST_SHOWN = 2_000  # profiles the tables hold


def notes(model: VirtualPivot, found: Expected) -> tuple[list[str], bool]:
    """What the user should know, and whether every alpha (b) rises, which makes truth best at t = 0."""
    told, regular = [], True
    env = model.environment
    for i, one in enumerate(env.data, 1):
        fall, hazard = one.signal.regularity(one.additive)
        if fall:
            regular = False
            name = "b = phi - A" if one.additive else "alpha = phi / A"
            told.append(
                f"agent {i}: optimality is not guaranteed: {name} falls by up to {fall:.3g} between initial signals "
                f"(it must never fall), so that truth may not be best at t = 0"
            )
        if hazard:
            told.append(
                f"agent {i}: the hazard rate is not monotone: (1 - F) / f rises by up to {hazard:.3g}, against "
                f"Assumption 5.1" + ("" if fall else "; alpha still rises, which is what the proof uses")
            )
    if not all(env.continuous) and not found.late:
        lost = found.profit - found.repaired_profit
        told.append(
            f"with finitely many initial types the pivot's payments let a type report another first and correct "
            f"later; rents that stop this cost {lost:.3g} of profit (repaired_profit), and are in the lower bound"
        )
    if found.error > 1e-11:
        told.append(f"the expectation over a second continuum is within about {found.error:.1e}")
    return told, regular


def quantities(mechanism: VirtualPivotMechanism, found: Expected, value: float) -> dict[str, Any]:
    """The named scalars and lists of the result; only the weights where expectations were not finished in time."""
    env = mechanism.env
    ends = [one.signal.virtual_worths.tolist() if one.signal.initial.types is not None else
            [_finite(one.signal.phi(one.signal.initial.low)), _finite(one.signal.phi(one.signal.initial.high))]
            for one in env.data]  # fmt: skip
    if found.late:
        return {"weights": ends}
    return {
        "profit": found.profit,
        "upper_bound_profit": value,
        "repaired_profit": found.repaired_profit,
        "revenue": float(found.payments.sum()),
        "welfare": float(found.payments.sum() + found.utilities.sum()) - found.cost,
        "weights": ends,
        "utilities": found.utilities.tolist(),
    }


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def incentives(mechanism: VirtualPivotMechanism, options: Options, told: list[str]) -> tuple[dict[str, Any], bool]:
    """All lies enumerated, where the environment is small enough; with repaired rents for finitely many types.

    Second, whether the time limit came first.
    """
    env = mechanism.env
    repaired = VirtualPivotMechanism(env, repaired=True, market=mechanism.market)
    points = next((p for p in (9, 7, 5, 4, 3) if _audit_effort(env, p) <= AUDITED), None)
    if points is None:
        told.append("too many profiles, states and reports to enumerate all lies here")
        return {}, False
    grid = signal_grid(repaired, points)
    try:
        found = audit(repaired, grid, others_lied=False, progress=options.progress)
    except OutOfTime:
        told.append("not all lies could be enumerated in time")
        return {}, True
    told.append(f"all lies enumerated for {' x '.join(str(len(row)) for row in grid)} initial signals")
    if found.staying.amount < -1e-9:
        told.append(
            f"leaving later pays: continuation utility {found.staying.amount:.6g} at worst ({found.staying.where}); "
            f"without free disposal only participation at t = 0 is guaranteed"
        )
    if found.first.amount > 1e-9:
        told.append(f"a lie at t = 0 gains {found.first.amount:.6g}: {found.first.where}")
    return {
        "largest_gain_first": found.first.amount, "largest_gain_later": found.later.amount,
        "lowest_utility_first": found.joining.amount, "lowest_utility_later": found.staying.amount,
    }, False  # fmt: skip


def _audit_effort(env: Environment, points: int) -> float:
    """Profiles, times true and re-reported signals, times states and actions (and what a case costs anyway)."""
    counts = [points if one.signal.initial.types is None else min(points, len(one.signal.initial.types))
              for one in env.data]  # fmt: skip
    each = env.joint_states * env.A + 600
    return float(np.prod(counts, dtype=float)) * sum(c * c for c in counts) * each


def arrays(mechanism: VirtualPivotMechanism) -> tuple[dict[str, Labelled], bool]:
    """What the mechanism does at t = 0, over profiles of initial signals on a grid, (profiles, agents).

    Second, whether the time limit cut them short.
    """
    env = mechanism.env
    points = SHOWN.get(env.n, 3) if env.joint_states <= LARGE or env.n == 1 else 3
    grid = signal_grid(mechanism, points)
    names = ("signals", "weights", "entry_payments", "utilities", "expected_payments", "takes_part", "expected_service")
    rows: dict[str, list[Any]] = {name: [] for name in names}
    late = False
    for reports in itertools.islice(itertools.product(*grid), MOST_SHOWN):
        try:
            sub = mechanism.subscribe(reports)
            row = (reports, sub.weights, sub.entry_payments, sub.utilities, sub.expected_payments,
                   [float(i in sub.included) for i in range(env.n)], sub.optimum.Q)  # fmt: skip
        except OutOfTime:
            late = True
            break
        for name, content in zip(names, row, strict=True):
            rows[name].append(content)
    agents = [f"agent {i + 1}" for i in range(env.n)]
    made = {
        name: Labelled(np.array(row, dtype=float).reshape(-1, env.n), ("profile", "agent"), {"agent": agents},
                       "types" if name == "signals" else "mechanism")
        for name, row in rows.items()
    }  # fmt: skip
    return made, late
