"""How a `myerson-auction` instance is solved: by ironed virtual values, or by one of the two programs; then checked.

Methods, all for the same optimum:

* `virtual-values`: ironed virtual values in rationals; the distribution of their maximum is a product over bidders.
* `bayesian`: the specification, the Bayesian program with interim rows.
* `ex-post`: the program with ex-post rows, truthful in dominant strategies.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from mechopt.models.auctions import myerson_check
from mechopt.models.auctions.myerson_auction import MyersonAuction
from mechopt.models.auctions.myerson_mechanism import auction_of, tables
from mechopt.models.inputs import fail, plain
from mechopt.models.outcome import Array, Bounds, Labelled, Mechanism, Options, Outcome
from mechopt.models.virtual_values import ironing_flows
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Residuals, Statistics, Status
from mechopt.solvers.rational import above, below, text

METHODS = ("virtual-values", "bayesian", "ex-post")
AUDITED = 20_000  # entries of the tables up to which a certificate lists them and its checker audits every row
LISTED = 200_000  # entries up to which a result holds the tables
SHORT = 1000  # types of a bidder up to which the result document lists virtual values
DENSE = 300  # types of a bidder up to which her multipliers of truth are a matrix in the result
SLIP = 1e-12  # by which bounds only floats have seen are widened, relative to the highest value


def solve(model: MyersonAuction, options: Options) -> Outcome:
    """Solve an instance and bracket it. Raises InputError for a method that does not fit the instance."""
    method = _check_options(options)
    started = time.monotonic()
    certificate = {"finite": _finite(model)}
    if method == "virtual-values":
        value, status, statistics, residuals = (
            float(model.optimum), Status.OPTIMAL,
            Statistics(solve_seconds=time.monotonic() - started), Residuals(),
        )  # fmt: skip
    else:
        model.require_fits(method)
        program = model.primal_dsic() if method == "ex-post" else model.primal()
        found = highs(
            program, time_limit=options.time_limit, options=options.options, verbose=options.verbose,
            memory=options.memory,
        )  # fmt: skip
        found.require()
        value, status, statistics, residuals = found.value, found.status, found.statistics, found.residuals
    if options.certificate:
        options.progress("checking every row in rationals")
        checks, proved = myerson_check.check(model.parameters(), certificate)
        lower, upper = proved["finite"]
        certificate["finite"].update({"lower": text(lower), "upper": text(upper)})
        bounds = Bounds(below(lower), above(upper), "finite", all(c.passed for c in checks))
    else:
        slip = SLIP * max(float(abs(x)) for prior in model.bidders for x in prior.values)
        bounds = Bounds(float(model.optimum) - slip, float(model.optimum) + slip, "finite", False)
    return Outcome(
        status, value, bounds, model.closed_form(), _quantities(model), _arrays(model), statistics, residuals, method,
        certificate if options.certificate else None, auction_of(model), _notes(model, options),
    )  # fmt: skip


def mechanism(model: MyersonAuction, arrays: Mapping[str, Labelled]) -> Mechanism:
    """The optimal auction as a function of any values, (..., I)."""
    return auction_of(model)


def _check_options(options: Options) -> str:
    if options.method not in (None, *METHODS):
        raise fail("solve.method", " or ".join(METHODS), options.method)
    return options.method or METHODS[0]


def _finite(model: MyersonAuction) -> dict[str, Any]:
    """The certificate's part: multipliers of neighbouring truth rows, and the auction's tables where they are short."""
    known = {}
    for prior in set(model.bidders):
        up = ironing_flows(prior)
        down = [tail + mu for tail, mu in zip(prior.tails[1:], up, strict=True)]
        known[prior] = {"down": [str(x) for x in down], "up": [str(x) for x in up]}
    exact = [prior.written.get("family", "uniform") == "uniform" for prior in model.bidders]
    part: dict[str, Any] = {"gamma": [known[prior] for prior in model.bidders]}
    part["distributions"] = [
        None if plainly else {"values": [str(x) for x in prior.values],
                              "probabilities": [str(x) for x in prior.probabilities]}
        for prior, plainly in zip(model.bidders, exact, strict=True)
    ]  # fmt: skip
    if model.profiles * len(model.bidders) <= AUDITED:
        part["mechanism"] = tables(model)
    return part


def _quantities(model: MyersonAuction) -> dict[str, Any]:
    welfare = sum(
        q * f * v
        for row, prior in zip(model.chances, model.bidders, strict=True)
        for q, f, v in zip(row, prior.probabilities, prior.values, strict=True)
    )
    found: dict[str, Any] = {
        "revenue": float(model.optimum),
        "welfare": float(welfare),
        "reserve": [None if x is None else float(x) for x in model.reserves],
    }
    if max(model.shape) <= SHORT:
        found["virtual_values"] = [[float(x) for x in row] for row in model.phi]
        found["ironed_virtual_values"] = [[float(x) for x in row] for row in model.scores]
    return found


def _notes(model: MyersonAuction, options: Options) -> tuple[str, ...]:
    notes = []
    for i, prior in enumerate(model.bidders, 1):
        if prior.dropped:
            shown = ", ".join(str(plain(x)) for x in prior.dropped[:3]) + (", ..." if len(prior.dropped) > 3 else "")
            notes.append(f"bidder {i}: {len(prior.dropped):,} values of probability zero are left out ({shown})")
    if options.certificate:
        exact = "the optimum is known as a fraction (certificate.json)"
        if model.profiles * len(model.bidders) <= AUDITED:
            notes.append(f"{exact}; every ex-post row was checked")
        else:
            notes.append(f"{exact}; {model.told_profiles()} profiles: truth follows from scores that rise with values")
    if max(model.shape) > SHORT:
        notes.append("virtual values are too many to list here: see the arrays phi_1, ironed_1, ...")
    return tuple(notes)


def _arrays(model: MyersonAuction) -> dict[str, Labelled]:
    """Per bidder what the auction gives each type, with the dual; the tables over profiles where they are short."""
    arrays: dict[str, Labelled] = {}
    for i, prior in enumerate(model.bidders, 1):
        axis = f"type_{i}"
        coords = {axis: prior.v}
        Q = np.array([float(x) for x in model.chances[i - 1]])
        rises = np.diff(Q, prepend=0.0)
        scores = np.array([float(x) for x in model.scores[i - 1]])
        flows = np.array([float(x) for x in ironing_flows(prior)])
        columns = {
            f"chance_{i}": (prior.f, "types"), f"phi_{i}": (np.array([float(x) for x in model.phi[i - 1]]), "types"),
            f"ironed_{i}": (scores, "types"), f"interim_allocation_{i}": (Q, "mechanism"),
            f"interim_payment_{i}": (np.cumsum(prior.v * rises), "mechanism"), f"w_{i}": (scores * prior.f, "dual"),
        }  # fmt: skip
        arrays |= {name: Labelled(column, (axis,), coords, role) for name, (column, role) in columns.items()}
        if len(prior) <= DENSE:
            tails = np.array([float(x) for x in prior.tails[1:]])
            gamma = np.diag(flows, 1) + np.diag(tails + flows, -1)  # gamma(k, l): type k, report l
            arrays[f"gamma_{i}"] = Labelled(gamma, (axis, f"report_{i}"), {axis: prior.v}, "dual")
    if model.profiles * len(model.bidders) <= LISTED:
        arrays |= _tables(model)
    return arrays


def _tables(model: MyersonAuction) -> dict[str, Labelled]:
    bidders = [f"bidder {i + 1}" for i in range(len(model.bidders))]
    values = np.stack([prior.v[model.types[:, i]] for i, prior in enumerate(model.bidders)], axis=1)
    allocation, payment = auction_of(model)(values)
    listed: dict[str, tuple[Array, str]] = {
        "values": (values, "types"), "allocation": (allocation, "mechanism"), "payment": (payment, "mechanism"),
    }  # fmt: skip
    dims = ("profile", "bidder")
    return {name: Labelled(table, dims, {"bidder": bidders}, role) for name, (table, role) in listed.items()}
