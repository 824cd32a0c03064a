"""How a `non-clairvoyant-gap` instance is solved, bracketed and checked.

With mu, the finite program over a grid of prices gives the value, and two prices against nature's weights, in ball
arithmetic, the bracket on the continuum. With distributions, one program over all mechanisms of the futures, in
fractions where they fit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.clairvoyance import gap_check, gap_theory
from mechopt.models.clairvoyance.gap import NonClairvoyantGap
from mechopt.models.clairvoyance.gap_mechanism import PostedMixture, TreeMechanism, over_tree, posted
from mechopt.models.clairvoyance.gap_prices import saddle
from mechopt.models.clairvoyance.scenarios_engine import TreeSolution, solve_tree
from mechopt.models.inputs import fail
from mechopt.models.outcome import Bounds, Labelled, Options, Outcome
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Status
from mechopt.solvers.rational import above, below, rational, text

SLIP = 1e-8  # by which bounds only floats have seen are widened, relative


def solve(model: NonClairvoyantGap, options: Options) -> Outcome:
    """Solve an instance and bracket it. Raises InputError for a method that does not fit the instance."""
    if options.method is not None:
        raise fail("solve.method", "no method: there is one way", options.method, "leave it out")
    return _theorem(model, options) if model.mu is not None else _futures(model, options)


def mechanism(model: NonClairvoyantGap, arrays: Mapping[str, Labelled]) -> PostedMixture | TreeMechanism:
    """The mechanism that proves the upper bound: a mixture of posted prices, or tables over histories."""
    return posted(arrays) if model.mu is not None else over_tree(model.tree, arrays)


def _theorem(model: NonClairvoyantGap, options: Options) -> Outcome:
    assert model.mu is not None
    found = highs(
        model.primal(), time_limit=options.time_limit, options=options.options, verbose=options.verbose
    ).require()
    epsilon = model.epsilon or Fraction(0)
    options.progress("bracketing the continuum optimum")
    best = saddle(model.mu, epsilon)
    chances = np.maximum(found.primal["h"], 0.0)
    kept = {int(k): Fraction(float(chances[k])) for k in np.flatnonzero(chances > 1e-12)}
    total = sum(kept.values(), Fraction(0))
    weights = [max(float(found.dual[name]), 0.0) for name in ("one", "both")]
    certificate: dict[str, Any] = {
        "continuum": {"price": str(best.price), "chance": str(best.chance),
                      "lambda": [str(best.first), str(1 - best.first)]},
        "finite": {"chances": {str(k): str(g / total) for k, g in kept.items()},
                   "lambda": [str(Fraction(w)) for w in weights]},
    }  # fmt: skip
    options.progress("checking in ball arithmetic")
    checks, proved = gap_check.check(model.parameters(), certificate)
    for name, (lower, upper) in proved.items():
        certificate[name].update({"lower": text(lower), "upper": text(upper)})
    lower, upper = proved["continuum"]
    upper = min(upper, proved["finite"][1])
    bounds = Bounds(below(lower), above(upper), "continuum", options.certificate and all(c.passed for c in checks))
    value = found.value
    price, t = [float(best.price), float(np.exp(float(model.mu) ** 2))], gap_theory.log_support(*model.small)
    one, both = gap_theory.best_revenues(*model.small)
    quantities = {
        "ratio": 1 / value, "prices": price, "chances": [float(best.chance), float(1 - best.chance)],
        "lambda": [float(best.first), float(1 - best.first)], "analytic_bound": gap_theory.analytic_bound(*model.small),
        "limit": 2.0, "clairvoyant_revenue": [one, both], "second_log_support": t,
        "finite_lower": below(proved["finite"][0]), "finite_upper": above(proved["finite"][1]),
    }  # fmt: skip
    prices, r1, r12 = model.ratios
    arrays = {
        "price": Labelled(prices, ("price",)), "r_1": Labelled(r1, ("price",)), "r_12": Labelled(r12, ("price",)),
        "h": Labelled(chances, ("price",), role="dual"),
        "lambda": Labelled(np.array(weights), ("scenario",), {"scenario": ["one good", "both goods"]}, "dual"),
        "mixture_price": Labelled(np.array(price), ("draw",), role="mechanism"),
        "mixture_chance": Labelled(np.array(quantities["chances"]), ("draw",), role="mechanism"),
    }  # fmt: skip
    notes = ["the value is on the grid of prices, the bounds on all prices: the grid's is an upper bound"]
    if t is not None and t > 700:
        notes.append(
            f"the second distribution reaches to exp({t:.4g}), more than a float holds, to spend every balance"
        )
    if t is None:
        notes.append("epsilon = 0 is a limit: the second distribution earns nothing by itself and spends any balance")
    return Outcome(
        found.status, value, bounds, model.closed_form(), quantities, arrays, found.statistics, found.residuals,
        "posted-prices", certificate if options.certificate else None, posted(arrays), tuple(notes),
    )  # fmt: skip


def _part(found: TreeSolution) -> dict[str, Any]:
    """A solution as the checker reads it."""

    def rows(tables: Any) -> Any:
        return [rows(table) for table in tables] if isinstance(tables, list | tuple) else str(tables)

    names = ("allocation", "payment", "weights", "up", "down", "end")
    return {name: rows(getattr(found, name)) for name in names}


def _futures(model: NonClairvoyantGap, options: Options) -> Outcome:
    model.require_fits()
    started = time.monotonic()

    def left() -> float | None:
        return None if options.time_limit is None else max(1e-3, options.time_limit - (time.monotonic() - started))

    alone = []
    for s in range(len(model.futures)):
        options.progress(f"future {s + 1}: what a seller who knows it earns")
        alone.append(solve_tree(model.tree.alone(s), [Fraction(1)], left(), options.options))
        if alone[-1].status is Status.USER_LIMIT:
            return _stopped(model, alone[-1])
        alone[-1].require()
    best = [1 / found.factor for found in alone]
    options.progress("one mechanism for all futures")
    found = solve_tree(model.tree, best, left(), options.options)
    if found.status is Status.USER_LIMIT:
        return _stopped(model, found)
    found.require()
    value = float(found.factor)
    certificate: dict[str, Any] | None = None
    bounds = Bounds(max(1.0, value * (1 - SLIP)), value * (1 + SLIP), "finite", False)
    if all(each.exact for each in (*alone, found)):
        part = {**_part(found), "clairvoyant": [_part(each) for each in alone]}
        options.progress("checking every row in rationals")
        checks, proved = gap_check.check(model.parameters(), {"finite": part})
        lower, upper = proved["finite"]
        if all(check.passed for check in checks):
            certificate = {"finite": {**part, "lower": text(lower), "upper": text(upper)}}
            bounds = Bounds(below(lower), above(upper), "finite", options.certificate)
    arrays, quantities = _tables(model, found), _quantities(model, found, best)
    return Outcome(
        found.status, value, bounds, None, quantities, arrays, found.statistics, found.residuals, "tree",
        certificate if options.certificate else None, None,
        _notes(model, certificate, quantities),
    )  # fmt: skip


def _stopped(model: NonClairvoyantGap, found: TreeSolution) -> Outcome:
    """Out of time: the best static price in every period, against all the buyer's values."""
    tree = model.tree
    prices, earned, worth = [], [], []
    for node in tree.nodes:
        sold, price = max((v * tail, v) for v, tail in zip(node[-1].values, node[-1].tails, strict=True))
        prices.append(price)
        earned.append(sold)
        worth.append(sum((v * p for v, p in zip(node[-1].values, node[-1].probabilities, strict=True)), Fraction(0)))
    factor = max(sum(worth[n] for n in path) / sum(earned[n] for n in path) for path in tree.futures)
    arrays: dict[str, Labelled] = {}
    for n, price in enumerate(prices):
        prior = tree.nodes[n][-1]
        bought = np.tile([float(v >= price) for v in prior.values], tree.count(n) // len(prior))
        for name, table in (("allocation", bought), ("payment", bought * float(price))):
            arrays[f"{name}_{n + 1}"] = Labelled(table, (f"history_{n + 1}",), role="mechanism")
    revenue = [float(sum(earned[n] for n in path)) for path in tree.futures]
    return Outcome(
        Status.USER_LIMIT, float(factor), Bounds(1.0, above(rational(factor)), "finite", False), None,
        {"ratio": 1 / float(factor), "revenue": revenue}, arrays, found.statistics, found.residuals, "tree", None, None,
        ("out of time: the best price of every period by itself, compared with all its buyer's values are worth",),
    )  # fmt: skip


def _quantities(model: NonClairvoyantGap, found: TreeSolution, best: list[Fraction]) -> dict[str, Any]:
    mechanism_ = over_tree(model.tree, _tables(model, found))
    earned = [mechanism_.revenue(s) for s in range(len(best))]
    mixed = [float(w * r) for w, r in zip(found.weights, best, strict=True)]  # weights of the ratios
    quantities: dict[str, Any] = {
        "ratio": 1 / float(found.factor), "revenue": earned, "clairvoyant_revenue": [float(r) for r in best],
        "ratios": [a / float(b) for a, b in zip(earned, best, strict=True)], "lambda": [w / sum(mixed) for w in mixed],
    }  # fmt: skip
    if model.scenarios is None:
        quantities["posted_price_bound"] = highs(model.primal()).require().value
    return quantities


def _notes(model: NonClairvoyantGap, certificate: Any, quantities: Mapping[str, Any]) -> tuple[str, ...]:
    notes = []
    if certificate is None:
        notes.append("fractions did not reach: the bounds are the solver's, widened, and there is no certificate")
    if quantities["ratio"] > 1 - 1e-12:
        notes.append("nothing is lost: one mechanism is optimal in every future")
    return tuple(notes)


def _tables(model: NonClairvoyantGap, found: TreeSolution) -> dict[str, Labelled]:
    arrays: dict[str, Labelled] = {}
    for n, (x, m) in enumerate(zip(found.allocation, found.payment, strict=True), 1):
        for name, table in (("allocation", x), ("payment", m)):
            axis = f"history_{n}"
            arrays[f"{name}_{n}"] = Labelled(np.array([float(z) for z in table]), (axis,), role="mechanism")
    names = [f"future {s + 1}" for s in range(len(model.futures))]
    weights = np.array([float(w) for w in found.weights])
    return arrays | {"lambda": Labelled(weights, ("future",), {"future": names}, "dual")}
