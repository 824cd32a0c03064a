"""How a `virtual-index` instance is solved: by indices of single arms, or by a program; then checked.

Methods, all for the same optimum:

* `largest-remaining`: indices by elimination, worths by products of step functions; no program.
* `restart`: indices by the restart programs, then as above.
* `joint`: the specification, Bellman's program over joint states.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array, Bounds, Labelled, Options, Outcome
from mechopt.models.pivot import index_check
from mechopt.models.pivot.index import VirtualIndex
from mechopt.models.pivot.index_mechanism import BanditAuction, mechanism
from mechopt.solvers.gittins_exact import exact_indices
from mechopt.solvers.gittins_program import restart_indices
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Residuals, Statistics, Status
from mechopt.solvers.rational import above, below, rational, text

__all__ = ["mechanism", "solve"]
METHODS = ("largest-remaining", "restart", "joint")
EXACT = 60_000_000  # sum of L^2 times nonzero transitions, over kinds of arms, up to which indices are proved
PACE = 10_000_000  # multiplications of fractions per second, about
ADDED = 40  # arms up to which the certificate lists what each adds
SHORT = 20_000  # states of all arms up to which the result document lists indices
SLIP = 1e-11  # by which bounds only floats have seen are widened, relative


def solve(model: VirtualIndex, options: Options) -> Outcome:
    """Solve an instance and bracket it. Raises InputError for a method that does not fit the instance."""
    method = _check_options(options)
    started = time.monotonic()
    value, status, statistics, residuals, notes = _value(model, method, options)
    auction, worth = BanditAuction(model), model.at_start
    if method == METHODS[0]:
        statistics = Statistics(solve_seconds=time.monotonic() - started)
    certificate: dict[str, Any] | None = None
    slip = SLIP * (1 + abs(worth.total))
    bounds = Bounds(max(worth.total - slip, 0.0), worth.total + slip, "finite", False)
    seconds = _work(model) / PACE
    left = math.inf if options.time_limit is None else started + options.time_limit - time.monotonic()
    if options.certificate and seconds > left:
        status = Status.USER_LIMIT
        notes.append(f"proving the indices would take about {seconds:.1f} s, more than the time limit leaves")
    elif options.certificate and _work(model) <= EXACT:
        options.progress("proving every index in rationals")
        certificate = {"finite": _finite(model, worth.added)}
        checks, proved = index_check.check(model.parameters(), certificate)
        lower, upper = proved["finite"]
        certificate["finite"].update({"lower": text(lower), "upper": text(upper)})
        bounds = Bounds(below(lower), above(upper), "finite", all(c.passed for c in checks))
    elif options.certificate:
        notes.append("too many states for fractions: the bounds are what floats say; fewer pulls or states are proved")
    quantities = _quantities(model, auction)
    return Outcome(
        status, value, bounds, None, quantities, _arrays(model, auction), statistics, residuals, method,
        certificate, auction, tuple(notes + _warnings(model)),  # type: ignore[arg-type]
    )  # fmt: skip


def _check_options(options: Options) -> str:
    if options.method not in (None, *METHODS):
        raise fail("solve.method", " or ".join(METHODS), options.method)
    return options.method or METHODS[0]


def _work(model: VirtualIndex) -> int:
    """What proving the indices takes, in multiplications of fractions."""
    return sum(model.shape[i] ** 2 * sum(map(len, model.arms[i].rows)) for i in set(model.kinds))


def _value(
    model: VirtualIndex, method: str, options: Options
) -> tuple[float, Status, Statistics, Residuals, list[str]]:
    """The optimum by a method; for `restart`, with the largest difference of the two index tables as a note."""
    if method == "largest-remaining":
        return model.at_start.total, Status.OPTIMAL, Statistics(), Residuals(), []
    model.require_fits(method)
    how = {"time_limit": options.time_limit, "options": options.options, "verbose": options.verbose}
    if method == "joint":
        options.progress(f"solving Bellman's program: {model.size(method)}")
        found = highs(model.primal(), **how).require()  # type: ignore[arg-type]
        return found.value, found.status, found.statistics, found.residuals, []
    worst, rows, columns, nonzeros, iterations, build, spent, primal, dual = 0.0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0
    for i in sorted(set(model.kinds)):
        options.progress(f"solving the restart program of arm {i + 1}")
        found = highs(model.restart(i), **how).require()  # type: ignore[arg-type]
        worst = max(worst, float(np.abs(restart_indices(found, model.delta) - model.gittins[i]).max()))
        size = found.statistics
        rows, columns, nonzeros = rows + size.rows, columns + size.columns, nonzeros + size.nonzeros
        iterations, build, spent = iterations + size.iterations, build + size.build_seconds, spent + size.solve_seconds
        primal, dual = max(primal, found.residuals.primal), max(dual, found.residuals.dual)
    note = f"the restart programs' indices are those of the elimination within {worst:.1e}"
    statistics = Statistics(rows, columns, nonzeros, iterations, build, spent)
    return model.at_start.total, Status.OPTIMAL, statistics, Residuals(primal, dual), [note]


def _finite(model: VirtualIndex, added: Array) -> dict[str, Any]:
    """The certificate's part: the kinds of arms, their indices as fractions, virtual worths, what each arm adds."""
    indices = {}
    for i in sorted(set(model.kinds)):
        arm, L = model.arms[i], model.shape[i]
        P = [[rational(row.get(j, 0)) for j in range(L)] for row in arm.rows]
        found = exact_indices(P, [rational(x) for x in arm.rewards], rational(model.discount))
        indices[str(i)] = [text(x) for x in found]
    weights = [{"phi": str(arm.phi)} if arm.phi is not None and not arm.phi_is_exact else {} for arm in model.arms]
    part: dict[str, Any] = {"kinds": model.kinds, "indices": indices, "weights": weights}
    if len(model.arms) <= ADDED:
        part["added"] = [str(x) for x in added.tolist()]
    return part


def _quantities(model: VirtualIndex, auction: BanditAuction) -> dict[str, Any]:
    found: dict[str, Any] = {
        "welfare": model.at_start.total,
        "weights": [float(arm.scale) for arm in model.arms],
        "marginal_contributions": model.at_start.added.tolist(),
        "utilities": auction.utilities.tolist(),
        "entry_fee": auction.entry_fees.tolist(),
        "profit": auction.profit,
    }
    if sum(model.shape) <= SHORT:
        found["indices"] = [[x if np.isfinite(x) else None for x in row.tolist()] for row in model.indices]
        found["gittins"] = [row.tolist() for row in model.gittins]
    return found


def _warnings(model: VirtualIndex) -> list[str]:
    notes = []
    left = [str(i + 1) for i, arm in enumerate(model.arms) if arm.scale == 0]
    if left:
        notes.append(f"left out, their virtual worth being at most 0: agents {', '.join(left[:10])}"
                     + (", ..." if len(left) > 10 else ""))  # fmt: skip
    for i, arm in enumerate(model.arms, 1):
        if arm.report is not None and (fall := max(arm.signal.regularity(arm.additive))) > 0:
            notes.append(f"agent {i}: virtual worths fall by up to {fall:.3g}; truth at time 0 is not guaranteed")
    return notes[:20]


def _arrays(model: VirtualIndex, auction: BanditAuction) -> dict[str, Labelled]:
    """Index tables side by side (NaN where an arm has fewer states), and what each agent gets and pays."""
    longest, n = max(model.shape), len(model.arms)
    names = [f"arm {i + 1}" for i in range(n)]
    tables = {"index": model.indices, "gittins": model.gittins}
    arrays = {}
    for name, rows in tables.items():
        made = np.full((n, longest), np.nan)
        for i, row in enumerate(rows):
            made[i, : len(row)] = row
        arrays[name] = Labelled(made, ("arm", "state"), {"arm": names}, "mechanism")
    worth = model.at_start
    columns = {
        "marginal_contribution": worth.added, "part": worth.parts, "pulls": worth.pulls, "value": auction.values,
        "utility": auction.utilities, "entry_fee": auction.entry_fees,
    }  # fmt: skip
    return arrays | {name: Labelled(x, ("arm",), {"arm": names}, "mechanism") for name, x in columns.items()}
