"""How a `dynamic-auction` instance is solved, by number of buyers and method, and then checked.

Methods:

* `bank-account`: one buyer: value functions swept backward, bounded from both sides; several: nested Benders
  decomposition in balances and promises. The default.
* `history`: the program over all histories; one buyer: the full one, several: bank accounts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.auctions.myerson_auction import MyersonAuction
from mechopt.models.dynamic import check_history, check_single, history_certify, several_solve
from mechopt.models.dynamic.bank_account import BankAccount
from mechopt.models.dynamic.bank_account_sources import of_account_program, of_points
from mechopt.models.dynamic.certify_single import certify, precision
from mechopt.models.dynamic.dynamic_auction import DynamicAuction
from mechopt.models.dynamic.history import dynamic_program
from mechopt.models.dynamic.history_accounts import account_program
from mechopt.models.dynamic.history_outcome import history_arrays
from mechopt.models.dynamic.single_policy import policy_of
from mechopt.models.dynamic.sweep import Sweep, sweep
from mechopt.models.inputs import fail
from mechopt.models.outcome import Bounds, ClosedForm, Labelled, Options, Outcome
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Residuals, Statistics, Status
from mechopt.solvers.rational import above, below, nearest, rational, text

METHODS = ("bank-account", "history")
GAP = 1e-4  # width of the bracket by default, relative to all welfare
CLOSE = 1e-9  # the same where there are few histories
FEW = 3000  # histories
LEAST = 1e-11  # the narrowest bracket one may ask for, relative to all welfare
SLIP = 1e-9  # by which bounds only floats have seen are widened, relative to all welfare


def solve(model: DynamicAuction, options: Options) -> Outcome:
    """Solve an instance and bracket it.

    `options.gap`: the width of the bracket, money. Raises InputError for options that do not fit the instance.
    """
    if options.method not in (None, *METHODS):
        raise fail("solve.method", " or ".join(METHODS), options.method)
    if options.method == "history":
        return _history(model, options)
    if model.buyers > 1:
        return several_solve.solve(model, options)
    return _single(model, options)


def mechanism(model: DynamicAuction, arrays: Mapping[str, Labelled]) -> BankAccount:
    """The mechanism of a result: an object that steps through the periods, one bid per buyer at a time."""
    if "x_1_1" in arrays:
        return of_account_program(model.periods, {name: found.values for name, found in arrays.items()}, exact=True)
    if "balances_1" in arrays:
        return of_points(model.periods, arrays)
    return BankAccount(policy_of(model.periods, arrays))


def static_revenue(model: DynamicAuction) -> Fraction:
    """The best revenue period by period: the sum of Myerson's, exactly."""
    known = {period: MyersonAuction(bidders=period).optimum for period in set(model.periods)}
    return sum((known[period] for period in model.periods), Fraction(0))


def scale_of(model: DynamicAuction) -> float:
    """All welfare there could be, money: sum over periods of E[sum_i |v_i|]."""
    return max(1e-12, sum(float(prior.f @ np.abs(prior.v)) for period in model.periods for prior in period))


def _width(model: DynamicAuction, options: Options) -> float:
    scale = scale_of(model)
    if options.gap is None:
        return scale * (CLOSE if model.histories <= FEW else GAP)
    if options.gap < LEAST * scale:
        expected = f"at least {LEAST * scale:.2g}, what floats can certify for this instance"
        raise fail("solve.gap", expected, f"{options.gap:g}", 'for an exact optimum see the method "history"')
    return options.gap


def _single(model: DynamicAuction, options: Options) -> Outcome:
    started = time.monotonic()
    gap = _width(model, options)
    limit = np.inf if options.time_limit is None else options.time_limit
    priors = [period[0] for period in model.periods]
    found = sweep(priors, 0.98 * gap, limit, options.progress)
    bits, fine = precision(scale_of(model), gap)
    part, worth = certify(priors, found.brackets, bits, fine)
    part["distributions"] = listed(model)
    bounds = _bounds(model, part, check_single.check_single, (found.lower, found.upper), options)
    status = Status.OPTIMAL if bounds.width <= gap * (1 + 1e-6) + SLIP * scale_of(model) else Status.USER_LIMIT
    arrays = single_arrays(model, part, worth)
    value = nearest(rational(part["lower"]))
    quantities = _quantities(model, value) | {
        "xi": [[float(arrays["start"].values[0]) if t == 0 else 0.0] for t in range(model.horizon)],
        "points": [len(stage["U"]) for stage in part["stages"]],
    }
    statistics = Statistics(iterations=found.programs, solve_seconds=time.monotonic() - started)
    return Outcome(
        status, value, bounds, _closed_form(model), quantities, arrays, statistics, Residuals(), METHODS[0],
        {"finite": part} if options.certificate else None, None, _notes(model, found),
    )  # fmt: skip


def _history(model: DynamicAuction, options: Options) -> Outcome:
    model.require_fits("history")
    accounts = highs(account_program(model), time_limit=options.time_limit, options=options.options,
                     verbose=options.verbose).require()  # fmt: skip
    found = accounts
    if model.buyers == 1:
        found = highs(dynamic_program(model), time_limit=options.time_limit, options=options.options,
                      verbose=options.verbose).require()  # fmt: skip
    part = history_certify.certify(model, accounts.primal, accounts.dual)
    part["distributions"] = listed(model)
    ends = (accounts.value, accounts.value)
    bounds = _bounds(model, part, check_history.check_history, ends, options)
    arrays = history_arrays(model, accounts, part)
    xi = [[_short(accounts.primal[f"xi_{i + 1}_{t + 1}"]) for i in range(model.buyers)] for t in range(model.horizon)]
    notes = [*model.dropped()]
    if model.buyers > 1:
        notes.append("the best bank account mechanism; under the same notion of truth others may earn more: see docs")
    else:
        priors = [period[0] for period in model.periods]
        swept = certify(priors, sweep(priors, CLOSE * scale_of(model)).brackets, *precision(1.0, 0.0))
        arrays |= single_arrays(model, *swept)
    return Outcome(
        found.status, found.value, bounds, _closed_form(model), _quantities(model, found.value) | {"xi": xi}, arrays,
        found.statistics, found.residuals, "history", {"finite": part} if options.certificate else None, None,
        tuple(notes),
    )  # fmt: skip


def _short(xi: Any) -> float | list[float]:
    """A number, or one per profile of the others' values."""
    return float(xi[0]) if len(xi) == 1 else [float(x) for x in xi]


def _bounds(model: DynamicAuction, part: dict[str, Any], checker: Any, ends: Any, options: Options) -> Bounds:
    if not options.certificate:
        slip = SLIP * scale_of(model)
        return Bounds(ends[0] - slip, ends[1] + slip, "finite", False)
    options.progress("checking every row in rationals")
    checks, lower, upper = checker(model.parameters(), part)
    part.update({"lower": text(lower), "upper": text(upper)})
    return Bounds(below(lower), above(upper), "finite", all(c.passed for c in checks))


def listed(model: DynamicAuction) -> list[list[Any]]:
    """The distributions a checker cannot rebuild from the instance in rationals, None for the others."""
    return [
        [
            None if prior.written.get("family", "uniform") == "uniform" else
            {"values": [str(x) for x in prior.values], "probabilities": [str(x) for x in prior.probabilities]}
            for prior in period
        ]
        for period in model.periods
    ]  # fmt: skip


def _closed_form(model: DynamicAuction) -> ClosedForm | None:
    """Myerson's optimum for a single period; None otherwise."""
    if model.horizon > 1:
        return None
    return ClosedForm(float(static_revenue(model)), "finite optimum", "Myerson (1981)")


def _quantities(model: DynamicAuction, value: float) -> dict[str, Any]:
    static = float(static_revenue(model))
    return {"revenue": value, "static_revenue": static, "periods": model.horizon}


def _notes(model: DynamicAuction, found: Sweep) -> tuple[str, ...]:
    notes = [*model.dropped(), "the value is the exact revenue bound of the mechanism in the result"]
    how = f"{found.programs:,} linear programs of one period, {found.steps:,} problems solved by Newton steps"
    notes.append(f"{how}, in {found.passes} passes")
    if not found.finished:
        notes.append("stopped before the bracket was as narrow as asked for; both ends hold all the same")
    return tuple(notes)


def single_arrays(model: DynamicAuction, part: Mapping[str, Any], worth: list[list[float]]) -> dict[str, Labelled]:
    """Points and tangents of every period: promise U, worth w, lottery over prices; slope and intercept; first xi."""
    money, chance = 0.5 ** part["fine"], 0.5 ** part["bits"]
    found = {"start": Labelled(np.array([part["start"] * money]), ("buyer",), {}, "mechanism")}
    for t, (stage, period) in enumerate(zip(part["stages"], model.periods, strict=True), 1):
        prices = np.zeros((len(stage["U"]), len(period[0])))
        for row, pairs in zip(prices, stage["prices"], strict=True):
            for m, x in pairs:
                row[m] = x * chance
        point, line, price = f"point_{t}", f"tangent_{t}", f"price_{t}"
        found[f"promise_{t}"] = Labelled(np.array(stage["U"]) * money, (point,), {}, "mechanism")
        found[f"worth_{t}"] = Labelled(np.array(worth[t - 1]), (point,), {}, "bound")
        found[f"prices_{t}"] = Labelled(prices, (point, price), {price: period[0].v}, "mechanism")
        found[f"slope_{t}"] = Labelled(np.array(stage["slope"]) * chance, (line,), {}, "dual")
        found[f"intercept_{t}"] = Labelled(np.array(stage["intercept"]) * money, (line,), {}, "bound")
    return found
