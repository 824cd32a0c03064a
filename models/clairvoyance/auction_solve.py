"""How a `non-clairvoyant-auction` instance is solved: the mechanism is counted out, and simulated where asked.

Methods: `exact` counts all balances in fractions; `lattice` (asymptotic only) counts their laws in floats;
`simulation` draws paths. Without a method the first that fits is taken, the last only if `samples` is given.
Simulations have no proven bounds, only an interval among the quantities."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.clairvoyance import asymptotic, asymptotic_lattice, asymptotic_simulation, auction_check
from mechopt.models.clairvoyance.asymptotic_slopes import slopes
from mechopt.models.clairvoyance.auction import NonClairvoyantAuction
from mechopt.models.clairvoyance.balance import MOST_STATES, Balance, Counted, bound_on_states, count
from mechopt.models.dynamic.bank_account import BankAccount
from mechopt.models.dynamic.dynamic_auction import DynamicAuction
from mechopt.models.dynamic.history import dynamic_program
from mechopt.models.inputs import fail
from mechopt.models.outcome import Bounds, Labelled, Options, Outcome
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Residuals, Statistics, Status
from mechopt.solvers.rational import above, below, text

METHODS = ("exact", "lattice", "simulation")
HISTORIES = 1500  # up to which the best mechanism that knows the future is solved for beside
SHORT = 400  # periods up to which fractions are tried for "asymptotic"
DRAWN = 2000  # periods up to which accounts are in the result
PATHS = 5


def solve(model: NonClairvoyantAuction, options: Options) -> Outcome:
    """Count or simulate what the mechanism earns. Raises InputError where it is too large and has no `samples`."""
    _check_options(model, options)
    started = time.monotonic()
    end = math.inf if options.time_limit is None else started + options.time_limit
    run = _asymptotic if model.mechanism == "asymptotic" else _balance
    value, status, method, certificate, quantities, arrays = run(model, options, end)
    quantities = _reference(model, options, value) | quantities
    bounds = None
    if certificate is not None and options.certificate:
        options.progress("counting again in rationals")
        parameters = model.parameters()
        checks, proved = auction_check.check(parameters, {"finite": certificate})
        lower, upper = proved["finite"]
        certificate |= {"lower": text(lower), "upper": text(upper)}
        bounds = Bounds(below(lower), above(upper), "finite", all(c.passed for c in checks))
    elif method == "exact":
        bounds = Bounds(math.nextafter(value, -math.inf), math.nextafter(value, math.inf), "finite", False)
    kept = {"finite": certificate} if certificate is not None and options.certificate else None
    return Outcome(
        status, value, bounds, None, {"revenue": value, "periods": model.horizon} | quantities, arrays,
        Statistics(solve_seconds=time.monotonic() - started), Residuals(), method, kept, None, _notes(model, method),
    )  # fmt: skip


def mechanism(model: NonClairvoyantAuction, arrays: Mapping[str, Labelled]) -> BankAccount:
    """The mechanism, period by period, in fractions: `start()`, `bid`, `simulate`, `source.stage(t, balances)`."""
    return BankAccount(asymptotic_simulation.Asymptotic(model) if model.mechanism == "asymptotic" else Balance(model))


def _check_options(model: NonClairvoyantAuction, options: Options) -> None:
    known = METHODS if model.mechanism == "asymptotic" else (METHODS[0], METHODS[2])
    if options.method not in (None, *known):
        raise fail("solve.method", " or ".join(known), options.method)
    if options.gap is not None:
        raise fail("solve.gap", "no gap: what a mechanism earns is counted, not searched for", str(options.gap))
    if options.method == "simulation" and model.samples is None:
        raise fail("samples", "the number of paths to simulate", "none", "write samples = 10000")


def _asymptotic(model: NonClairvoyantAuction, options: Options, end: float) -> Any:
    books = asymptotic.ledgers(model)
    found = None
    if options.method in (None, "exact") and model.horizon <= SHORT:
        found = asymptotic.exact_revenue(model)
    if options.method == "exact" and found is None:
        raise fail("solve.method", "periods few enough for fractions", f"{model.horizon:,}", 'use method = "lattice"')
    quantities: dict[str, Any] = {}
    arrays: dict[str, Labelled] = {}
    if model.samples is not None:
        options.progress(f"simulating {model.samples:,} paths")
        sample = asymptotic_simulation.simulate(model, model.samples, model.seed)
        quantities["simulation"] = _simulated(sample.mean, sample.interval, model.samples)
        arrays |= _paths(model, {"balance": sample.balance})
    certificate: dict[str, Any] | None = {}
    if found is not None:
        value, method = float(found), "exact"
    elif options.method == "simulation":
        value, method, certificate = quantities["simulation"]["mean"], "simulation", None
    else:
        try:
            value, lost = asymptotic_lattice.lattice_revenue(books)
            method, certificate = "lattice", {"slopes": [slopes(book) for book in books]}
            quantities["lost_mass"] = lost
        except asymptotic_lattice.TooFine as error:
            if model.samples is None:
                raise error.refusal from None
            value, method, certificate = quantities["simulation"]["mean"], "simulation", None
    T = model.horizon
    W = sum((w for w in books[0].W), Fraction(0)) * model.repeat
    quantities |= {"welfare": float(W), "regret": float(W) - value, "free_periods": [int(b.free.sum()) for b in books]}
    if T > 1:
        quantities["scaled_regret"] = (float(W) - value) / (math.sqrt(T) * math.log(T))
    if T <= DRAWN:
        table = np.array([b.free.astype(float) for b in books])
        coords = {"buyer": [f"buyer {i + 1}" for i in range(model.buyers)]}
        arrays["free"] = Labelled(table, ("buyer", "period"), coords, "mechanism")
    return value, Status.OPTIMAL, method, certificate, quantities, arrays


def _balance(model: NonClairvoyantAuction, options: Options, end: float) -> Any:
    source = Balance(model)
    quantities: dict[str, Any] = {}
    arrays: dict[str, Labelled] = {}
    found: Counted | None = None
    if options.method != "simulation":
        found = count(source, options.progress, lambda: time.monotonic() > end)
        if found is None and model.samples is None:
            expected = f"at most {MOST_STATES:,} balances to enumerate, within the time limit"
            most = bound_on_states(model)
            got = (
                f"{model.told_histories()} histories, up to {most:,} balances"
                if most < 10**15
                else f"{model.told_histories()} histories"
            )
            raise fail("periods", expected, got, "set samples = 1000 to simulate")
    if model.samples is not None:
        options.progress(f"simulating {model.samples:,} paths")
        sample = BankAccount(source).simulate(model.samples, model.seed)
        quantities["simulation"] = _simulated(sample.mean, sample.interval, model.samples)
        few = {n: getattr(sample, n)[:PATHS] for n in ("balance", "spend", "deposit")}
        arrays |= _paths(model, few)
    if found is None:
        return quantities["simulation"]["mean"], Status.OPTIMAL, "simulation", None, quantities, arrays
    parts = [sum((row[k] for row in found.components), Fraction(0)) for k in range(3)]
    spends = sum((sum(row, Fraction(0)) for row in found.spends), Fraction(0))
    names = ("myerson", "second_price", "money_burning")
    quantities["components"] = {name: float(x) for name, x in zip(names, parts, strict=True)} | {"spend": float(spends)}
    quantities["balances"] = sum(map(len, found.states))
    coords = {"buyer": [f"buyer {i + 1}" for i in range(model.buyers)], "period": np.arange(1, model.horizon + 1)}
    for name, rows in (("expected_spend", found.spends), ("expected_balance", found.balances)):
        table = np.array([[float(x) for x in row] for row in rows])
        arrays[name] = Labelled(table, ("period", "buyer"), coords, "mechanism")
    return float(found.revenue), Status.OPTIMAL, "exact", _certificate(source, found), quantities, arrays


def _certificate(source: Balance, found: Counted) -> dict[str, Any]:
    """Per period every balance reached, and how the good is burnt there."""
    listed = []
    for t, states in enumerate(found.states):
        rows = []
        for state in states:
            entry: dict[str, Any] = {"balance": [str(b) for b in state]}
            if source.weights(t)[2]:
                burnt = source.burnt(t, state)
                if burnt.auction is None:
                    entry["price"] = str(burnt.price)
                else:
                    entry |= {
                        name: [str(x) for x in getattr(burnt.auction, name)] for name in ("chances", "q", "weights")
                    }
                    entry["scales"] = [[str(x) for x in row] for row in burnt.auction.scales]
            rows.append(entry)
        listed.append(rows)
    return {"states": listed}


def _simulated(mean: float, interval: tuple[float, float], paths: int) -> dict[str, Any]:
    return {"mean": mean, "interval": list(interval), "level": 0.95, "paths": paths}


def _paths(model: NonClairvoyantAuction, accounts: Mapping[str, Any]) -> dict[str, Labelled]:
    if model.horizon > DRAWN:
        return {}
    coords = {"buyer": [f"buyer {i + 1}" for i in range(model.buyers)], "period": np.arange(1, model.horizon + 1)}
    return {
        f"path_{name}": Labelled(np.asarray(table, dtype=float), ("path", "period", "buyer"), coords, "mechanism")
        for name, table in accounts.items()
    }


def _reference(model: NonClairvoyantAuction, options: Options, value: float) -> dict[str, Any]:
    """Full surplus, and where histories are few the best mechanism that knows the future, from floats."""
    surplus = sum((asymptotic.shares(period)[1] for period in model.periods), Fraction(0)) * model.repeat
    found: dict[str, Any] = {"welfare_bound": float(surplus)}
    if 0 < model.histories <= HISTORIES:
        options.progress("solving for the best mechanism that knows the future")
        program = dynamic_program(DynamicAuction(periods=model.periods * model.repeat))
        optimum = highs(program, options=options.options).require().value
        found |= {"clairvoyant_optimum": optimum, "ratio": value / optimum if optimum else None}
    if model.guarantee is not None:
        found["guarantee"] = float(model.guarantee)
    return found


def _notes(model: NonClairvoyantAuction, method: str) -> tuple[str, ...]:
    notes = list(model.dropped())
    if method == "simulation":
        notes.append("a simulation: its interval holds with probability 0.95 and proves nothing")
    if method == "lattice":
        notes.append("counted in floats; the bounds are those of exponential moments, proved in ball arithmetic")
    return tuple(notes)
