"""How an `independent-auction` instance is solved: the reduced program, an exactly feasible rule, the exact check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np

from mechopt.models.auctions import independent_check as checker
from mechopt.models.auctions.independent_auction import IndependentAuction
from mechopt.models.auctions.independent_theory import best_reserve, random_reserve, second_price
from mechopt.models.inputs import fail
from mechopt.models.outcome import Array, Bounds, Labelled, Mechanism, Options, Outcome
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Solution
from mechopt.solvers.rational import Rational, above, below, text

METHODS = ("reduced", "all-pairs")
GRAIN = 2**48
SLIP = 1e-9  # by which bounds only floats have seen are widened, relative to the highest value
ZERO = flint.fmpq(0)


def solve(model: IndependentAuction, options: Options) -> Outcome:
    """Solve an instance and bracket it. Raises InputError for a method or gap that does not fit."""
    method = options.method or METHODS[0]
    if method not in METHODS:
        raise fail("solve.method", f"one of {', '.join(METHODS)}", method)
    model.require_fits(full=method == "all-pairs")
    settings: dict[str, Any] = {
        "time_limit": options.time_limit, "options": options.options, "memory": options.memory,
    }  # fmt: skip
    options.progress(f"solving the reduced program: {model.size()}")
    found = highs(model.reduced(), verbose=options.verbose, **settings).require()
    shown = found
    if method == "all-pairs":
        options.progress(f"solving the full program: {model.size(full=True)}")
        shown = highs(model.primal(), verbose=options.verbose, **settings).require()
    slip = SLIP * max(1.0, float(model.distributions[0].v[-1]))
    bounds, certificate = Bounds(found.value - slip, found.bound + slip, "finite", False), None
    rule, value, notes = _rule(model, found), shown.value, []
    if options.certificate:
        options.progress("checking every row in rationals")
        bounds, certificate, rule = _certify(model, found)
        value = min(max(value, bounds.lower), bounds.upper)  # floats lose probabilities near 1e-9
        if abs(value - shown.value) > SLIP:
            notes.append(f"the solver's {shown.value:.12g} lies outside the proven bounds")
    arrays = _arrays(model, found, rule)
    if options.gap is not None and bounds.width > options.gap:
        notes.append(f"the bracket is {bounds.width:.2g} wide, not {options.gap:.2g}: programs are solved in floats")
    return Outcome(
        shown.status, value, bounds, model.closed_form(), _quantities(model, found, value), arrays, shown.statistics,
        shown.residuals, method, certificate, mechanism(model, arrays), tuple(notes),
    )  # fmt: skip


def _lines(model: IndependentAuction) -> list[int]:
    """For every list of others in rising order, where its seats begin."""
    steps, seat, K = model.orbits.steps, model.orbits.seat, model.types
    rising = (np.diff(steps[:, 1:], axis=1) >= 0).all(axis=1) & (steps[:, 0] == 0)
    return [int(x) for x in seat[rising, 0] // K]


def _rule(model: IndependentAuction, found: Solution) -> Array:
    """The solver's chances by others and own value, (L, K)."""
    return np.asarray(found.primal["q"].reshape(-1, model.types)[_lines(model)])


def _certify(model: IndependentAuction, found: Solution) -> tuple[Bounds, dict[str, Any], Array]:
    """A rule that is feasible in rationals, multipliers with the right signs, and what the checker says they prove."""
    parameters = model.parameters()
    instance = checker.Instance(parameters)
    rule = _feasible(instance, _rule(model, found))
    pi = [_grain(max(x, 0.0)) for x in np.atleast_1d(found.dual["pi"])]
    total = sum(pi, ZERO)
    pi = [x / total for x in pi] if total else [flint.fmpq(1, len(pi)) for _ in pi]
    mu = np.maximum(found.dual["mu"].reshape(len(pi), -1), 0.0)
    part: dict[str, Any] = {
        "mechanism": {"chances": [[text(x) for x in row] for row in rule.values()]},
        "nature": {"pi": [text(x) for x in pi], "mu": [[text(_grain(x)) for x in row] for row in mu]},
    }
    checks, proved = checker.check(parameters, {"finite": part})
    lower, upper = proved["finite"]
    part |= {"lower": text(lower), "upper": text(upper)}
    bounds = Bounds(below(lower), above(upper), "finite", all(c.passed for c in checks))
    return bounds, {"finite": part}, np.array([[float(x.p) / float(x.q) for x in row] for row in rule.values()])


def _grain(x: float) -> Rational:
    return flint.fmpq(round(float(x) * GRAIN), GRAIN)


def _feasible(instance: checker.Instance, q: Array) -> dict[checker.Others, list[Rational]]:
    """Floats made a rule: clipped, scaled to what there is to sell, then mixed with the second price auction,
    whose means rise strictly, just enough for every mean to rise."""
    lists = instance.lists(instance.bidders - 1)
    rule = {w: [_grain(min(max(x, 0.0), 1.0)) for x in row] for w, row in zip(lists, q.tolist(), strict=True)}
    if (most := checker.most_sold(instance, rule)) > 1:
        rule = {w: [x / most for x in row] for w, row in rule.items()}
    count = len(instance.values)
    plain = {w: [flint.fmpq(1, 1 + w.count(k)) if not w or k >= w[-1] else ZERO for k in range(count)] for w in lists}
    share = ZERO
    for prior in instance.priors:
        Q, strict = checker.means(instance, rule, prior), checker.means(instance, plain, prior)
        for k in range(count - 1):
            if (rise := Q[k + 1] - Q[k]) < 0:
                share = max(share, -rise / (strict[k + 1] - strict[k] - rise)) if strict[k + 1] > strict[k] else share
    if not share:
        return rule
    return {w: [(1 - share) * a + share * b for a, b in zip(row, plain[w], strict=True)] for w, row in rule.items()}


def _quantities(model: IndependentAuction, found: Solution, value: float) -> dict[str, Any]:
    """Revenue beside that of second price auctions: best reserve, random reserve, none but one more bidder."""
    priors = model.distributions
    reserve, revenue = best_reserve(priors, model.bidders)
    return {
        "revenue": value,
        "reserve": float(reserve),
        "second_price_revenue": float(revenue),
        "random_reserve_revenue": float(random_reserve(priors, model.bidders)[1]),
        "one_more_bidder_revenue": float(min(second_price(prior, model.bidders + 1)[0] for prior in priors)),
        "weights": [float(x) for x in np.atleast_1d(found.dual["pi"])],
    }


def _arrays(model: IndependentAuction, found: Solution, rule: Array) -> dict[str, Labelled]:
    """The rule and its payments by profile and bidder, weights on priors, and the multipliers."""
    steps, v, K = model.orbits.steps, model.distributions[0].v, model.types
    by_line = np.empty_like(rule)
    by_line[_lines(model)] = rule
    rents = np.cumsum(by_line[:, :-1] * np.diff(v), axis=1)
    paid = by_line * v - np.concatenate([np.zeros((len(rule), 1)), rents], axis=1)
    names = {"bidder": [f"bidder {i + 1}" for i in range(model.bidders)]}
    N = len(model.distributions)
    priors = {"prior": np.arange(1, N + 1)}
    seats = ("profile", "bidder")
    mu = np.asarray(found.dual["mu"]).reshape(N, K - 1)
    return {
        "values": Labelled(v[steps], seats, names, "types"),
        "allocation": Labelled(by_line.ravel()[model.orbits.seat], seats, names, "mechanism"),
        "payment": Labelled(paid.ravel()[model.orbits.seat], seats, names, "mechanism"),
        "worst_case": Labelled(np.atleast_1d(found.dual["pi"]), ("prior",), priors, "worst_case"),
        "pi": Labelled(np.atleast_1d(found.dual["pi"]), ("prior",), priors, "dual"),
        "mu": Labelled(mu, ("prior", "step"), {**priors, "step": v[1:]}, "dual"),
        "lambda": Labelled(np.atleast_1d(found.dual["lambda"]), ("orbit",), {}, "dual"),
    }


@dataclass(frozen=True)
class TableAuction:
    """A table over a grid, `allocation` and `payment` (K, ..., K, I), at values rounded down to it; below it, nothing.

    >>> one = TableAuction(np.array([1.0, 2.0]), np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]]))
    >>> q, m = one(np.array([[0.5], [1.5], [2.5]]))
    >>> assert q.ravel().tolist() == [0, 0, 1] and m.ravel().tolist() == [0, 0, 2]
    """

    grid: Array
    allocation: Array
    payment: Array

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I) and payment (..., I) at values (..., I)."""
        cells = np.searchsorted(self.grid, values, side="right") - 1
        at = tuple(np.moveaxis(np.maximum(cells, 0), -1, 0))
        served = cells >= 0
        return np.where(served, self.allocation[at], 0.0), np.where(served, self.payment[at], 0.0)


def mechanism(model: IndependentAuction, arrays: Mapping[str, Labelled]) -> Mechanism:
    """The mechanism that proves the lower bound, values rounded down to the grid: (..., I) each at values (..., I)."""
    shape = (model.types,) * model.bidders + (model.bidders,)
    q, m = (arrays[name].values.reshape(shape) for name in ("allocation", "payment"))
    return TableAuction(model.distributions[0].v, q, m)
