"""How a `dynamic-auction` with several buyers is solved: a two-sided search, made exact and checked in rationals."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from mechopt.models.auctions.myerson_auction import MyersonAuction
from mechopt.models.auctions.myerson_mechanism import auction_of
from mechopt.models.dynamic import several_check
from mechopt.models.dynamic.bank_account_sources import of_points
from mechopt.models.dynamic.several_cuts import CutList
from mechopt.models.dynamic.several_period import Period
from mechopt.models.dynamic.several_points import Decision, Points
from mechopt.models.dynamic.several_policy import Policy, build, listed, multipliers, prune
from mechopt.models.dynamic.several_search import Found, Search
from mechopt.models.inputs import fail
from mechopt.models.outcome import Array, Bounds, Labelled, Options, Outcome
from mechopt.solvers.program import Residuals, Statistics, Status
from mechopt.solvers.rational import above, below, nearest, text

GAP = 1e-6  # width of the bracket by default, relative to all welfare
LEAST = 1e-10  # the narrowest one may ask for, relative to all welfare
MIDDLING = 5  # the solver sees all welfare as a number between 2^MIDDLING and twice that
SLIP = 1e-9  # by which bounds only floats have seen are widened, relative to all welfare
MOST = 400_000  # numbers of a period's tables up to which the method takes an instance


def solve(model: Any, options: Options) -> Outcome:
    """Bracket the best bank account mechanism of a DynamicAuction with several buyers.

    `options.gap`: width of the bracket, money; `options.time_limit`: seconds, after which the bracket reached is
    returned. Raises InputError for options it cannot use and periods with too many profiles.

    >>> from mechopt.models.dynamic.dynamic_auction import DynamicAuction
    >>> even = {"values": [1, 2], "probabilities": ["1/2", "1/2"]}
    >>> outcome = solve(DynamicAuction(periods=[[even, even], [even, even]]), Options(gap=1e-6))
    >>> assert outcome.bounds.certified and outcome.bounds.width < 1e-6
    >>> assert outcome.value > outcome.quantities["static_revenue"] - 1e-9 and outcome.value < 3.5
    """
    started = time.monotonic()
    rough = sum(Period(buyers).welfare for buyers in _fitting(model))
    unit = 2.0 ** (math.floor(math.log2(rough)) - MIDDLING) if rough > 0 else 1.0
    periods = [Period(buyers, unit) for buyers in model.periods]
    scale = max(1e-12, rough)
    gap = _gap(options, scale)
    limit = math.inf if options.time_limit is None else options.time_limit
    search = Search(periods, gap / unit, limit, options.progress, options.options)
    built = time.monotonic() - started
    start = static(periods)
    found = search.run(start)
    policy = build(periods, found, scale)
    certificate: dict[str, Any] = {"finite": _part(model, policy, found, search.cuts, periods)}
    if options.certificate:
        options.progress("checking every row in rationals")
        checks, proved = several_check.check(model.parameters(), certificate)
        lower, upper = proved["finite"]
        certificate["finite"].update({"lower": text(lower), "upper": text(upper)})
        bounds = Bounds(below(lower), above(upper), "finite", all(c.passed for c in checks))
        value = nearest(lower)
    else:
        slip = SLIP * scale
        bounds, value = (
            Bounds(found.lower * unit - slip, found.upper * unit + slip, "finite", False),
            found.lower * unit,
        )
    statistics = Statistics(
        iterations=found.programs, build_seconds=built, solve_seconds=time.monotonic() - started - built
    )
    arrays, quantities = arrays_of(policy, periods), _quantities(policy, periods, value, start[3] * unit)
    status = Status.OPTIMAL if bounds.width <= gap + LEAST * scale else Status.USER_LIMIT
    return Outcome(
        status, value, bounds, None, quantities, arrays, statistics, Residuals(), "bank-account",
        certificate if options.certificate else None, of_points(model.periods, arrays), _notes(bounds, gap, found),
    )  # fmt: skip


def _fitting(model: Any) -> Any:
    """The periods, refused where a period's tables would be too large."""
    for t, buyers in enumerate(model.periods):
        profiles = math.prod(len(prior) for prior in buyers)
        if profiles * len(buyers) ** 2 > MOST:
            expected = f"at most {MOST // len(buyers) ** 2:,} profiles of {len(buyers)} buyers' values"
            raise fail(f"periods[{t}]", expected, f"{profiles:,}", "use fewer values per buyer")
    return model.periods


def _gap(options: Options, scale: float) -> float:
    if options.gap is None:
        return GAP * scale
    if not (np.isfinite(options.gap) and options.gap > 0):
        raise fail("solve.gap", "a positive width of the bracket, in money", str(options.gap))
    if options.gap < LEAST * scale:
        raise fail("solve.gap", f"at least {LEAST * scale:.3g}, what the programs' floats can reach", str(options.gap))
    return options.gap


def static(periods: list[Period]) -> tuple[Array, Decision, list[Points], float]:
    """The best auctions period by period, as a bank account mechanism whose balances stay empty.

    xi of all periods in a row, the decision of period 1, the points of the others, and the revenue.
    """
    xi, decisions, values = [], [], []
    for period in periods:
        wins, _ = auction_of(MyersonAuction(bidders=period.buyers)).at_types(period.types)
        x = np.asarray(wins, dtype=float).T  # (k, N)
        utility = [
            x[i, place] @ np.append(np.diff(v) * [float(p) for p in prior.tails[1:]], 0.0)
            for i, (place, v, prior) in enumerate(zip(period.place, period.values, period.buyers, strict=True))
        ]
        xi.append(np.concatenate(utility))
        decisions.append(Decision(x, np.zeros_like(x)))
        welfare = sum(float(period.f @ (x[i] * v[period.types[:, i]])) for i, v in enumerate(period.values))
        values.append(welfare - float(period.chances @ xi[-1]))
    scale = max(1e-12, sum(period.welfare for period in periods))
    points = []
    for t in range(1, len(periods)):
        row = Points(periods[t].k, scale)
        row.add(np.zeros(periods[t].k), sum(values[t:]), decisions[t])
        points.append(row)
    return np.concatenate(xi), decisions[0], points, sum(values)


def _part(model: Any, policy: Policy, found: Found, cuts: list[CutList], periods: list[Period]) -> dict[str, Any]:
    plainly = [[prior.written.get("family", "uniform") == "uniform" for prior in row] for row in model.periods]
    part = listed(policy, periods)
    part["cuts"] = [[multipliers(cut, periods[0].unit) for cut in row] for row in prune(found.root, cuts)]
    part["distributions"] = [
        [None if known else {name: [str(x) for x in getattr(prior, name)] for name in ("values", "probabilities")}
         for prior, known in zip(buyers, row, strict=True)]
        for buyers, row in zip(model.periods, plainly, strict=True)
    ]  # fmt: skip
    return part


def _quantities(policy: Policy, periods: list[Period], value: float, alone: float) -> dict[str, Any]:
    ends = np.cumsum([period.slack for period in periods])[:-1]
    xi = [
        [row.tolist() for row in np.split(part, period.start[1:-1])]
        for part, period in zip(np.split(policy.xi, ends), periods, strict=True)
    ]
    return {"revenue": value, "static_revenue": alone, "periods": len(periods), "xi": xi}


def _notes(bounds: Bounds, gap: float, found: Found) -> tuple[str, ...]:
    notes = ["the best bank account mechanism; for several buyers other mechanisms may earn more (see the manual)"]
    if bounds.width > 1.01 * gap:
        remedy = "raise the time limit" if found.late else "floats reach no further"
        notes.append(f"the bracket is {bounds.width:.2g} wide, not {gap:.2g}: {remedy}")
    notes.append(f"{found.iterations} iterations, {found.programs:,} programs of one period")
    return tuple(notes)


def arrays_of(policy: Policy, periods: list[Period]) -> dict[str, Labelled]:
    """The mechanism's points, per period t: balances (P, k), allocation (P, k, N), and what comes next.

    Rows of `next_t` are (point, profile, point of the next period, weight).
    """
    arrays: dict[str, Labelled] = {}
    buyers = [f"buyer {i + 1}" for i in range(periods[0].k)]
    ends = np.cumsum([period.slack for period in periods])[:-1]
    for t, (row, xi) in enumerate(zip(policy.points, np.split(policy.xi, ends), strict=True), 1):
        coords = {"buyer": buyers}
        links = [(q, v, r, w) for q, p in enumerate(row) for v, mixture in enumerate(p.next) for r, w in mixture]
        tables: dict[str, tuple[Any, tuple[str, ...], Any]] = {
            f"xi_{t}": (xi, (f"others_{t}",), {}),
            f"balances_{t}": (np.array([p.balances for p in row]), (f"point_{t}", "buyer"), coords),
            f"allocation_{t}": (np.array([p.allocation for p in row]), (f"point_{t}", "buyer", f"profile_{t}"), coords),
            f"next_{t}": (np.array(links, dtype=float).reshape(-1, 4), (f"link_{t}", "entry"), {}),
        }
        arrays |= {name: Labelled(table, dims, axes, "mechanism") for name, (table, dims, axes) in tables.items()}
    return arrays
