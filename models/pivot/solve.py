"""How a `virtual-pivot` instance is solved: weighted welfare by policy iteration or backward induction, then checked.

`value` is the bound of Corollary 4.1. The lower bound is the profit of a mechanism that is truthful at all times: the
virtual pivot itself for a continuum of initial signals, the one with repaired rents for finitely many types.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Bounds, Labelled, Options, Outcome
from mechopt.models.pivot import check as checker
from mechopt.models.pivot.certify import certificate
from mechopt.models.pivot.environment import Environment
from mechopt.models.pivot.expectation import Expected, expectations
from mechopt.models.pivot.incentives import audit, signal_grid
from mechopt.models.pivot.mechanism import VirtualPivotMechanism
from mechopt.models.pivot.virtual_pivot import VirtualPivot
from mechopt.solvers.program import Residuals, Statistics, Status
from mechopt.solvers.rational import above, below, text

METHODS = ("policy-iteration",)
SLIP = 1e-11  # by which bounds only floats have seen are widened, relative to the value
AUDITED = 40_000  # work up to which all lies are enumerated
SHOWN = {1: 101, 2: 11}  # signals of a continuum at which the tables are shown, by the number of agents
MOST_SHOWN = 2_000  # profiles the tables hold


def solve(model: VirtualPivot, options: Options) -> Outcome:
    """Solve an instance and bracket its profit. Raises InputError for options it cannot use."""
    _check_options(options)
    _ = model.dynamics  # refuses state spaces that would not fit, before anything is computed
    started = time.monotonic()
    env = model.environment
    mechanism = VirtualPivotMechanism(env)
    deadline = None if options.time_limit is None else started + options.time_limit
    found = expectations(mechanism.market, mechanism.rents, options.progress, deadline)
    late = deadline is not None and time.monotonic() > deadline
    notes, regular = _notes(model, found)
    part = None
    if options.certificate and not late:
        options.progress("listing values for the exact check")
        part = certificate(mechanism.market, mechanism.rents)
    bounds = _bounds(mechanism, found, regular)
    if part is not None:
        options.progress("checking every value in rationals")
        checks, proved = checker.check(model.parameters(), {"finite": part})
        lower, upper = proved["finite"]
        part |= {"lower": text(lower), "upper": text(upper)}
        bounds = Bounds(below(lower), above(upper), bounds.problem, all(c.passed for c in checks))
    elif options.certificate:
        notes.append("the bounds are from floats: exact arithmetic is for finitely many types of moderate number, "
                     "or one agent with uniform signals")  # fmt: skip
    if options.gap is not None and bounds.width > options.gap:
        notes.append(f"the bracket is wider than the {options.gap:g} asked for: {_why(found)}")
    quantities = _quantities(mechanism, found)
    if not late:
        quantities |= _incentives(mechanism, options, notes)
    statistics = Statistics(*_size(model), mechanism.market.solves, 0.0, time.monotonic() - started)
    gap = abs(found.bound - found.profit)
    return Outcome(
        Status.USER_LIMIT if late else Status.OPTIMAL, found.bound, bounds, None, quantities, _arrays(mechanism),
        statistics, Residuals(primal=gap, gap=gap), METHODS[0], None if part is None else {"finite": part}, None,
        tuple(notes),
    )  # fmt: skip


def mechanism(model: VirtualPivot, arrays: Mapping[str, Labelled]) -> VirtualPivotMechanism:
    """The mechanism as an object: subscribe with the reports of t = 0, then step, or simulate.

    With finitely many types its rents are the repaired ones, which make truth best at t = 0 too.
    """
    return VirtualPivotMechanism(model.environment, repaired=True)


def _check_options(options: Options) -> None:
    if options.method not in (None, *METHODS):
        raise fail("solve.method", " or ".join(METHODS), options.method)
    if options.options:
        raise fail("solve.options", "none: no HiGHS program is solved", ", ".join(options.options))
    if options.gap is not None and not (np.isfinite(options.gap) and options.gap > 0):
        raise fail("solve.gap", "a positive width of the bracket, in money", str(options.gap))
    if options.time_limit is not None and not options.time_limit > 0:
        raise fail("solve.time_limit", "a positive number of seconds", str(options.time_limit))


def _size(model: VirtualPivot) -> tuple[int, int, int]:
    size = model.size()
    return size.rows, size.columns, size.nonzeros


def _why(found: Expected) -> str:
    if (found.repaired - found.utilities).max(initial=0.0) > 0:
        return "finitely many initial types; more of them close it"
    return "it is what the quadrature and rounding leave"


def _bounds(mechanism: VirtualPivotMechanism, found: Expected, regular: bool) -> Bounds:
    """From floats: the bound of Corollary 4.1, and the profit of a mechanism that is truthful at all times."""
    env = mechanism.env
    slip = SLIP * (1 + abs(found.bound)) + found.error
    lower = found.repaired_profit
    if not regular:
        lower = mechanism.market.optimum((0.0,) * env.n, ()).value
    return Bounds(lower - slip, found.bound + slip, "continuum" if all(env.continuous) else "finite", False)


def _notes(model: VirtualPivot, found: Expected) -> tuple[list[str], bool]:
    """What the user should know, and whether every alpha (b) rises, which makes truth best at t = 0."""
    notes, regular = [], True
    env = model.environment
    for i, one in enumerate(env.data, 1):
        fall, hazard = one.signal.regularity(one.additive)
        if fall:
            regular = False
            name = "b = phi - A" if one.additive else "alpha = phi / A"
            notes.append(
                f"agent {i}: optimality is not guaranteed: {name} falls by up to {fall:.3g} between initial signals "
                f"(it must never fall), so that truth may not be best at t = 0"
            )
        if hazard:
            notes.append(
                f"agent {i}: the hazard rate is not monotone: (1 - F) / f rises by up to {hazard:.3g}, against "
                f"Assumption 5.1" + ("" if fall else "; alpha still rises, which is what the proof uses")
            )
    if not all(env.continuous):
        lost = found.profit - found.repaired_profit
        notes.append(
            f"with finitely many initial types the pivot's payments let a type report another first and correct "
            f"later; rents that stop this cost {lost:.3g} of profit (repaired_profit), and are in the lower bound"
        )
    if found.error > SLIP:
        notes.append(f"the expectation over a second continuum is within about {found.error:.1e}")
    return notes, regular


def _quantities(mechanism: VirtualPivotMechanism, found: Expected) -> dict[str, Any]:
    env = mechanism.env
    ends = [one.signal.virtual_worths.tolist() if one.signal.initial.types is not None else
            [_finite(one.signal.phi(one.signal.initial.low)), _finite(one.signal.phi(one.signal.initial.high))]
            for one in env.data]  # fmt: skip
    return {
        "profit": found.profit,
        "upper_bound_profit": found.bound,
        "repaired_profit": found.repaired_profit,
        "revenue": float(found.payments.sum()),
        "welfare": float(found.payments.sum() + found.utilities.sum()) - found.cost,
        "weights": ends,
        "utilities": found.utilities.tolist(),
    }


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _incentives(mechanism: VirtualPivotMechanism, options: Options, notes: list[str]) -> dict[str, Any]:
    """All lies enumerated, where the environment is small enough; with repaired rents for finitely many types."""
    env = mechanism.env
    repaired = VirtualPivotMechanism(env, repaired=True, market=mechanism.market)
    points = next((p for p in (9, 7, 5, 4, 3) if _audit_effort(env, p) <= AUDITED), None)
    if points is None:
        notes.append("too many profiles, states and reports to enumerate all lies here")
        return {}
    grid = signal_grid(repaired, points)
    found = audit(repaired, grid, others_lied=False, progress=options.progress)
    notes.append(f"all lies enumerated for {' x '.join(str(len(row)) for row in grid)} initial signals")
    if found.staying.amount < -1e-9:
        notes.append(
            f"leaving later pays: continuation utility {found.staying.amount:.6g} at worst ({found.staying.where}); "
            f"without free disposal only participation at t = 0 is guaranteed"
        )
    if found.first.amount > 1e-9:
        notes.append(f"a lie at t = 0 gains {found.first.amount:.6g}: {found.first.where}")
    return {
        "largest_gain_first": found.first.amount, "largest_gain_later": found.later.amount,
        "lowest_utility_first": found.joining.amount, "lowest_utility_later": found.staying.amount,
    }  # fmt: skip


def _audit_effort(env: Environment, points: int) -> float:
    """Profiles, times true and re-reported signals, times states and actions."""
    counts = [points if one.signal.initial.types is None else min(points, len(one.signal.initial.types))
              for one in env.data]  # fmt: skip
    return float(np.prod(counts, dtype=float)) * sum(c * c for c in counts) * env.joint_states * env.A


def _arrays(mechanism: VirtualPivotMechanism) -> dict[str, Labelled]:
    """What the mechanism does at t = 0, over profiles of initial signals on a grid, (profiles, agents)."""
    env = mechanism.env
    points = SHOWN.get(env.n, 3)
    grid = signal_grid(mechanism, points)
    names = ("signals", "weights", "entry_payments", "utilities", "expected_payments", "takes_part", "expected_service")
    rows: dict[str, list[Any]] = {name: [] for name in names}
    for reports in itertools.islice(itertools.product(*grid), MOST_SHOWN):
        sub = mechanism.subscribe(reports)
        rows["signals"].append(reports)
        rows["weights"].append(sub.weights)
        rows["entry_payments"].append(sub.entry_payments)
        rows["utilities"].append(sub.utilities)
        rows["expected_payments"].append(sub.expected_payments)
        rows["takes_part"].append([float(i in sub.included) for i in range(env.n)])
        rows["expected_service"].append(sub.optimum.Q)
    agents = [f"agent {i + 1}" for i in range(env.n)]
    return {name: Labelled(np.array(row, dtype=float), ("profile", "agent"), {"agent": agents},
                           "types" if name == "signals" else "mechanism") for name, row in rows.items()}  # fmt: skip
