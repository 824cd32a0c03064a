"""How a `virtual-pivot` instance is solved: weighted welfare by policy iteration or backward induction, then checked.

`value` is the bound of Corollary 4.1. The lower bound is the profit of a mechanism that is truthful at all times: the
virtual pivot itself for a continuum of initial signals, the one with repaired rents for finitely many types.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mechopt.models.inputs import fail
from mechopt.models.outcome import Bounds, Labelled, Options, Outcome
from mechopt.models.pivot import check as checker
from mechopt.models.pivot.cells import MOST_CELLS, Partition, applies, kinks, partition
from mechopt.models.pivot.certify import affordable, certificate, effort
from mechopt.models.pivot.expectation import Expected, by_cells, expectations, extremes, require_countable
from mechopt.models.pivot.findings import arrays, incentives, notes, quantities
from mechopt.models.pivot.mechanism import VirtualPivotMechanism
from mechopt.models.pivot.virtual_pivot import VirtualPivot
from mechopt.models.pivot.welfare import Market
from mechopt.solvers.decision import OutOfTime
from mechopt.solvers.program import Residuals, Statistics, Status
from mechopt.solvers.rational import above, below, text

METHODS = ("policy-iteration",)
LOOSE = 1e-6  # width of a bracket, relative, that a note explains
EXACT = 1e-12  # width of cells' bracket, relative, that counts as none
MOST_KINKS = 400  # pairs of signals at which cells have corners, up to which payments are added up along signals
FEWEST = 40  # cells that make a certificate worth having
SLIP = 1e-11  # by which bounds only floats have seen are widened, relative to the value


def solve(model: VirtualPivot, options: Options) -> Outcome:
    """Solve an instance and bracket its profit. Raises InputError for options it cannot use.

    After options.time_limit the bracket is what is proved by then, and what is missing is left out.
    """
    _check_options(options)
    _ = model.dynamics  # refuses state spaces that would not fit, before anything is computed
    require_countable(model.environment)
    started = time.monotonic()
    market = Market(model.environment, None if options.time_limit is None else started + options.time_limit)
    mechanism = VirtualPivotMechanism(model.environment, market=market)
    cut = _cut(market, options)
    proof = _proof(model, mechanism, cut, options) if cut is not None and not cut.late else None
    found = _expected(market, mechanism, cut, options)
    told, regular = notes(model, found)
    bounds, value = _bounds(market, found, regular, cut)
    late = found.late or (cut is not None and cut.late)
    if proof is None:
        proof = Proof(late=late) if late else _proof(model, mechanism, cut, options)
    bounds = proof.bounds or bounds
    if options.certificate and proof.part is None:
        told.append(f"the bounds are from floats: {LATE if proof.late else INEXACT}")
    if cut is not None and not late and options.gap is None and bounds.width > LOOSE * (1 + abs(value)):
        told.append(f"{len(cut.root.leaves()):,} cells leave the bracket {bounds.width:.3g} wide; without a "
                    f"certificate there may be more of them; profit is what one policy per cell earns")  # fmt: skip
    if options.gap is not None and bounds.width > options.gap and not late:
        told.append(f"the bracket is wider than the {options.gap:g} asked for: {_why(found)}")
    tables, short = arrays(mechanism)
    shown, cut_short = ({}, True) if late else incentives(mechanism, options, told)
    late = late or short or cut_short or proof.late
    if late:
        told.append("stopped at the time limit: the bracket is what was proved by then, some of the rest is missing")
    statistics = Statistics(*_size(model), market.solves, 0.0, time.monotonic() - started)
    gap = abs(found.bound - found.profit)
    return Outcome(
        Status.USER_LIMIT if late else Status.OPTIMAL, value, bounds, None,
        quantities(mechanism, found, value) | shown, tables, statistics,
        Residuals() if found.late else Residuals(primal=gap, gap=gap), METHODS[0],
        None if proof.part is None else {"finite": proof.part}, None, tuple(told),
    )  # fmt: skip


LATE = "the time limit left no time for the exact check"
INEXACT = (
    "exact arithmetic is for one or two agents with uniform signals, or finitely many types, with linear worths and "
    "moderate numbers of states, types and pieces"
)


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


def _size(model: VirtualPivot) -> tuple[int, int, int]:
    size = model.size()
    return size.rows, size.columns, size.nonzeros


def _why(found: Expected) -> str:
    if (found.repaired - found.utilities).max(initial=0.0) > 0:
        return "finitely many initial types; more of them close it"
    return "it is what cells, quadrature and rounding leave"


def _cut(market: Market, options: Options) -> Partition | None:
    """The weights of two agents with uniform signals, cut into cells; as many as a certificate can list, if one is."""
    if not applies(market.env):
        return None
    options.progress("cutting the weights of two agents into cells")
    most = affordable(market.env) // 2 ** len(market.droppable) if options.certificate else 0
    try:
        return partition(market, most if most >= FEWEST else MOST_CELLS, options.gap, options.progress)
    except OutOfTime:  # before the four corners are known
        return None


def _expected(
    market: Market, mechanism: VirtualPivotMechanism, cut: Partition | None, options: Options
) -> Expected:  # fmt: skip
    """Payments, utilities and costs: added up along signals where cells are few or unknown, else from the cells."""
    if cut is None:
        return expectations(market, mechanism.rents, options.progress)
    edges = kinks(market.env, cut)
    if cut.upper - cut.lower > EXACT * (1 + abs(cut.lower)) or len(edges[0]) * len(edges[1]) > MOST_KINKS:
        return by_cells(market.env, cut)
    return expectations(market, mechanism.rents, options.progress, edges)


def _bounds(market: Market, found: Expected, regular: bool, cut: Partition | None) -> tuple[Bounds, float]:
    """From floats: the bound of Corollary 4.1, the profit of a mechanism truthful at all times; and the value."""
    env = market.env
    problem = "continuum" if all(env.continuous) else "finite"
    if cut is not None:
        slip, value = SLIP * (1 + abs(cut.upper)), (cut.lower + cut.upper) / 2
        if not found.late:
            value = min(max(found.bound, cut.lower), cut.upper)
        return Bounds(cut.lower - slip, cut.upper + slip, problem, False), value
    slip = SLIP * (1 + abs(found.bound)) + found.error
    if found.late:
        nobody, most = extremes(market)
        slip *= 1 + found.missing
        return Bounds(nobody - slip, found.bound + found.missing * most + slip, problem, False), nobody
    lower = found.repaired_profit if regular else market.optimum((0.0,) * env.n, ()).value
    return Bounds(lower - slip, found.bound + slip, problem, False), found.bound


@dataclass(frozen=True)
class Proof:
    """A certificate's part with the bounds it proves, None where none can be made; and whether time ran out."""

    part: dict[str, Any] | None = None
    bounds: Bounds | None = None
    late: bool = False


def _proof(model: VirtualPivot, mechanism: VirtualPivotMechanism, cut: Partition | None, options: Options) -> Proof:
    """The exact check, if it is wanted and there is time."""
    if not options.certificate:
        return Proof()
    options.progress("listing values for the exact check")
    try:
        part = certificate(mechanism.market, mechanism.rents, cut)
        if part is None:
            return Proof()
        mechanism.market.require_time(len(part["optima"]) * effort(mechanism.env) / 1e6)
    except OutOfTime:
        return Proof(late=True)
    options.progress("checking every value in rationals")
    checks, proved = checker.check(model.parameters(), {"finite": part})
    lower, upper = proved["finite"]
    part |= {"lower": text(lower), "upper": text(upper)}
    problem = "continuum" if all(model.environment.continuous) else "finite"
    return Proof(part, Bounds(below(lower), above(upper), problem, all(c.passed for c in checks)))
