"""How a `robust-auction` instance is solved: the second price auction, nature's profile, the exact check, dominance."""

from __future__ import annotations

import time
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.auctions import robust_check
from mechopt.models.auctions.robust_auction import RobustAuction, vickrey
from mechopt.models.auctions.robust_pareto import equal_revenue, improvement
from mechopt.models.inputs import fail
from mechopt.models.outcome import Array, Bounds, Labelled, Mechanism, Options, Outcome
from mechopt.models.regret.regret_auction_mechanism import RoundedUp
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Residuals, Statistics, Status
from mechopt.solvers.rational import above, below, rational

METHODS = ("vickrey", "all-pairs")
DENSE = 300_000  # multipliers gamma that are still listed
Exact = list[list[Fraction]]


def solve(model: RobustAuction, options: Options) -> Outcome:
    """Solve an instance and bracket it. Raises InputError for a method or gap that does not fit."""
    method = options.method or METHODS[0]
    if method not in METHODS:
        raise fail("solve.method", f"one of {', '.join(METHODS)}", method)
    model.require_fits(method)
    started = time.monotonic()
    value, status, statistics, residuals = float(model.lower), Status.OPTIMAL, Statistics(), Residuals()
    if method == "all-pairs":
        options.progress(f"solving program (RMDP): {model.size(method)}")
        found = highs(
            model.primal(), time_limit=options.time_limit, options=options.options, verbose=options.verbose,
            memory=options.memory,
        ).require()  # fmt: skip
        value, status, statistics, residuals = found.value, found.status, found.statistics, found.residuals
    auction, better = vickrey(model), improvement(model)
    certificate = _certificate(model, auction, better)
    certified = False
    if options.certificate:
        options.progress("checking every row in fractions")
        checks, _ = robust_check.check(model.parameters(), certificate)
        certified = all(check.passed for check in checks)
    if method == METHODS[0]:
        statistics = Statistics(build_seconds=time.monotonic() - started)
    exact = rational(model.lower)
    arrays = _arrays(model, auction, better)
    gain = Fraction(certificate["pareto"]["gain"])
    quantities = {
        "revenue": value, "pareto_gain": float(gain), "pareto_robustly_optimal": gain == 0,
        "worst_case": [{"probability": 1.0, "values": [float(model.lower)] * model.bidders}],
    }  # fmt: skip
    notes = ["another mechanism never earns less and sometimes more: dominating_allocation"] if better else []
    return Outcome(
        status, value, Bounds(below(exact), above(exact), "continuum", certified), model.closed_form(), quantities,
        arrays, statistics, residuals, method, certificate if options.certificate else None,
        mechanism(model, arrays), tuple(notes),
    )  # fmt: skip


def _certificate(model: RobustAuction, auction: tuple[Exact, Exact], better: tuple[Exact, Exact] | None) -> Any:
    """The auction on the grid and by cells, nature's one profile, and what settles dominance."""
    lowest, bound = [0] * model.bidders, str(model.lower)
    cells = (auction[0], [[_cell_price(model, x) for x in row] for row in auction[1]])
    if better is None:
        pareto: dict[str, Any] = {"prior": [str(p) for p in equal_revenue(model.axis)], "gain": "0"}
    else:
        gained = sum(map(sum, better[1]), Fraction(0)) - sum(map(sum, auction[1]), Fraction(0))
        pareto = {"mechanism": _written(better), "gain": str(gained / model.profiles)}
    return {
        "finite": {"mechanism": _written(auction), "nature": {"alpha": [[lowest, "1"]], "gamma": []}, "lower": bound,
                   "upper": bound},
        "continuum": {"mechanism": _written(cells), "lower": bound, "upper": bound},
        "pareto": pareto,
    }  # fmt: skip


def _cell_price(model: RobustAuction, price: Fraction) -> Fraction:
    """What the winner pays when bids are rounded up: the lower end of the least cell with which she would have won."""
    return max(model.lower, price - (model.upper - model.lower) / model.points) if price else price


def _written(tables: tuple[Exact, Exact]) -> dict[str, Any]:
    known: dict[Fraction, str] = {}
    rows = [[[known.setdefault(x, str(x)) for x in row] for row in table] for table in tables]
    return {"allocation": rows[0], "payment": rows[1]}


def _arrays(
    model: RobustAuction, auction: tuple[Exact, Exact], better: tuple[Exact, Exact] | None
) -> dict[str, Labelled]:
    """Mechanism, worst case, multipliers, and the dominating mechanism where there is one."""
    P, bidders, K = model.profiles, model.bidders, model.points + 1
    names = {"bidder": [f"bidder {i + 1}" for i in range(bidders)]}
    mass = np.zeros(P)
    mass[0] = 1.0

    def table(values: Exact, role: str) -> Labelled:
        return Labelled(np.array(values, dtype=float), ("profile", "bidder"), names, role)

    arrays = {
        "values": Labelled(model.values, ("profile", "bidder"), names, "types"),
        "allocation": table(auction[0], "mechanism"),
        "payment": table(auction[1], "mechanism"),
        "worst_case": Labelled(mass, ("profile",), {}, "worst_case"),
        "alpha": Labelled(mass, ("profile",), {}, "dual"),
        "beta": Labelled(np.repeat(mass[:, None], bidders, axis=1), ("profile", "bidder"), names, "dual"),
        "lambda": Labelled(mass * float(model.lower), ("profile",), {}, "dual"),
    }
    if P * bidders * K <= DENSE:
        arrays["gamma"] = Labelled(np.zeros((P, bidders, K)), ("profile", "bidder", "misreport"), names, "dual")
    if better is not None:
        arrays["dominating_allocation"] = table(better[0], "mechanism")
        arrays["dominating_payment"] = table(better[1], "mechanism")
    return arrays


def mechanism(model: RobustAuction, arrays: Mapping[str, Labelled]) -> Mechanism:
    """The auction that proves the lower bound, bids rounded up to the grid: chances, payments (..., I) at (..., I)."""
    grid: Array = np.tile(np.array([float(x) for x in model.axis]), (model.bidders, 1))
    shape = (model.points + 1,) * model.bidders + (model.bidders,)
    return RoundedUp(grid, arrays["allocation"].values.reshape(shape))
