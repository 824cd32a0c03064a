"""How an `optimal-contract` instance is solved: by the pieces of the welfare curve, or by the program; then checked.

Methods, all for the same optimum:

* `envelope`: W0 is convex and piecewise linear in the agent's weight; its pieces give the menu and the profit.
* `program`: the specification, the relaxed program over occupation measures, for finitely many types.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.models.outcome import Bounds, Labelled, Options, Outcome
from mechopt.models.pivot import contract_check
from mechopt.models.pivot.contract import OptimalContract
from mechopt.models.pivot.contract_envelope import as_lists
from mechopt.models.pivot.contract_menu import Contract, ContractMenu
from mechopt.models.pivot.expectation import expectations, extremes
from mechopt.solvers.decision import OutOfTime
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Residuals, Statistics, Status
from mechopt.solvers.rational import above, below, text

METHODS = ("envelope", "program")
SLIP = 1e-10  # by which bounds only floats have seen are widened, relative
GAP = 1e-9  # of a menu's profit from the bound, relative, above which a note says so


def solve(model: OptimalContract, options: Options) -> Outcome:
    """Solve an instance and bracket it. Raises InputError for a method that does not fit the instance.

    After options.time_limit the bracket is what is known at a glance: no contract, and the best of every period.
    """
    method, started = _check_options(options), time.monotonic()
    market = model.market
    market.deadline = None if options.time_limit is None else started + options.time_limit
    try:
        return _solved(model, options, method, started)
    except OutOfTime:
        nobody, most = extremes(market)
        slip, statistics = SLIP * (1 + abs(most)), Statistics(solve_seconds=time.monotonic() - started)
        bounds = Bounds(nobody - slip, most + slip, "continuum" if model.continuous else "finite", False)
        told = ("stopped at the time limit, before the welfare curve was cut into its pieces",)
        return Outcome(Status.USER_LIMIT, nobody, bounds, model.closed_form(), {}, {}, statistics, Residuals(), method,
                       notes=told)  # fmt: skip
    finally:
        market.deadline = None


def _solved(model: OptimalContract, options: Options, method: str, started: float) -> Outcome:
    menu = ContractMenu(model)
    options.progress("cutting the welfare curve into its pieces")
    profit, bound = _profit(menu)
    value, status, statistics, residuals = profit, Status.OPTIMAL, Statistics(), Residuals()
    if method == "program":
        how: dict[str, Any] = {"time_limit": options.time_limit, "options": options.options}
        found = highs(model.primal(), verbose=options.verbose, **how).require()
        value, status, statistics, residuals = found.value, found.status, found.statistics, found.residuals
    else:
        statistics = Statistics(solve_seconds=time.monotonic() - started)
    bounds, certificate = _bracket(menu, profit, bound, options)
    offers = [(s, menu.contract(s)) for s in menu.signals()]
    return Outcome(
        status, value, bounds, model.closed_form(), _quantities(menu, offers, profit, bound), _arrays(menu, offers),
        statistics, residuals, method, certificate, menu, _notes(menu, profit, bound, certificate, options),  # type: ignore[arg-type]
    )  # fmt: skip


def mechanism(model: OptimalContract, arrays: Mapping[str, Labelled]) -> ContractMenu:
    """The menu of a solved instance."""
    return ContractMenu(model)


def _check_options(options: Options) -> str:
    if options.method not in (None, *METHODS):
        raise fail("solve.method", " or ".join(METHODS), options.method)
    return options.method or METHODS[0]


def _profit(menu: ContractMenu) -> tuple[float, float]:
    """What the menu earns, and the bound of Corollary 4.1."""
    if menu.model.continuous:
        found = expectations(menu.model.market, menu.rents)
        if found.late:
            raise OutOfTime("stopped at the time limit")
        return found.profit, found.bound
    steps, curve, signal = menu.ladder, menu.envelope, menu.signal
    lines = menu.exact.lines if menu.exact is not None else curve.lines
    profit = bound = 0.0
    for k, chance in enumerate(signal.initial.types.f):
        phi, w = float(signal.virtual_worths[k]), steps.weights[k]
        bound += chance * menu.model.market.best((phi,)).value
        if w is None:
            profit += chance * menu.model.market.best((0.0,)).value
        else:
            Q, rest = (float(text_to_float(x)) for x in lines[steps.lines[k]])
            profit += chance * (float(signal.worths[k]) * Q + rest - steps.rents[k])
    return profit, bound


def text_to_float(number: Any) -> float:
    """A float, or a fraction of the exact envelope, as a float."""
    return number if isinstance(number, float) else int(number.p) / int(number.q)


def _provable(menu: ContractMenu) -> bool:
    """Whether the law is one whose virtual worths are fractions, and the curve is known in fractions."""
    initial, worth = menu.signal.initial, menu.signal.worth
    rational = worth.power == 1 and initial.written.get("family", "uniform") == "uniform"
    return bool(rational and menu.exact is not None)


def _bracket(menu: ContractMenu, profit: float, bound: float, options: Options) -> tuple[Bounds, Any]:
    problem = "continuum" if menu.model.continuous else "finite"
    slip = SLIP * (1 + abs(bound))
    regular = max(menu.signal.regularity(menu.data.additive)) == 0 or not menu.model.continuous
    floor = profit if regular else min(profit, menu.model.market.best((-1e300,)).value)
    loose = Bounds(floor - slip, bound + slip, problem, False)
    if not options.certificate or not _provable(menu):
        return loose, None
    options.progress("checking every Bellman inequality and every misreport in rationals")
    curve = menu.exact
    assert curve is not None
    part: dict[str, Any] = {"policies": [as_lists(p) for p in curve.policies], "cuts": [text(w) for w in curve.cuts]}
    if (steps := menu.exact_ladder) is not None:
        part["contracts"] = {
            "weights": [None if w is None else text(w) for w in steps.weights],
            "lines": list(steps.lines), "rents": [text(u) for u in steps.rents],
        }  # fmt: skip
    certificate = {"finite": part}
    checks, proved = contract_check.check(menu.model.parameters(), certificate)
    lower, upper = proved["finite"]
    part.update({"lower": text(lower), "upper": text(upper)})
    return Bounds(below(lower), above(upper), problem, all(c.passed for c in checks)), certificate


def _quantities(
    menu: ContractMenu, offers: list[tuple[float, Contract | None]], profit: float, bound: float
) -> dict[str, Any]:
    names = menu.env.action_names

    def prices(offer: Contract) -> Any:
        rows = offer.prices[:, 0] if menu.env.H == 1 else offer.prices
        return dict(zip(names, rows.tolist(), strict=True))

    kept = [(s, offer) for s, offer in offers if offer is not None and menu.serves(offer)]
    return {
        "profit": profit,
        "upper_bound_profit": bound,
        "menu": [
            {"signal": s, "entry_fee": offer.fee, "prices": prices(offer), "weight": offer.weight,
             "utility": offer.utility} for s, offer in kept
        ],
        "entry_fee": [offer.fee for _, offer in kept],
        "prices": [prices(offer) for _, offer in kept],
        "weights": [offer.weight for _, offer in kept],
        "utilities": [offer.utility for _, offer in kept],
        "cuts": [text_to_float(w) for w in (menu.exact or menu.envelope).cuts],
    }  # fmt: skip


def _arrays(menu: ContractMenu, offers: list[tuple[float, Contract | None]]) -> dict[str, Labelled]:
    """By listed signal: fee, utility, weight and prices (NaN where it is left out); and the welfare curve's lines."""
    signals, env = np.array([s for s, _ in offers]), menu.env
    coords = {"signal": signals}

    def column(name: str) -> Labelled:
        values = [np.nan if offer is None else getattr(offer, name) for _, offer in offers]
        return Labelled(np.array(values), ("signal",), coords, "mechanism")

    arrays = {name: column(name) for name in ("fee", "utility", "weight", "alpha")}
    blank = np.full(env.costs.shape, np.nan)
    prices = np.stack([blank if offer is None else offer.prices for _, offer in offers])
    axes = {**coords, "action": list(env.action_names)}
    arrays["prices"] = Labelled(prices, ("signal", "action", "public"), axes, "mechanism")
    curve = menu.envelope
    arrays["cuts"] = Labelled(np.array(curve.cuts, dtype=float), ("cut",), {}, "bound")
    arrays["lines"] = Labelled(np.array(curve.lines, dtype=float), ("piece", "part"), {"part": ["Q", "rest"]}, "bound")
    return arrays


def _notes(menu: ContractMenu, profit: float, bound: float, certificate: Any, options: Options) -> tuple[str, ...]:
    notes = []
    fall = max(menu.signal.regularity(menu.data.additive))
    if fall > 0:
        notes.append(f"virtual worths or hazard rates fall by up to {fall:.3g}: optimality is not guaranteed")
    if bound - profit > GAP * (1 + abs(bound)):
        notes.append(
            f"the menu earns {bound - profit:.3g} less than the bound, which signals on a grid need not attain"
        )
    if options.certificate and certificate is None:
        notes.append("the bounds are what floats say: too many states, or a law whose virtual worths are no fractions")
    return tuple(notes)
