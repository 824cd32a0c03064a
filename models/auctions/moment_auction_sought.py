"""How the best allocation is sought: the left and right rule on the grid, and curves on the continuum where known.

Methods: `curves` (default) proves the continuum's bounds by mechanisms and distributions of a few parameters, `grid` by
the tables of the right and the left rule alone, `cells` (lotteries) by programs on cells that lose O(1/n^2).
"""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.auctions import moment_auction_certify as certify
from mechopt.models.auctions import moment_auction_loglinear as loglinear
from mechopt.models.auctions import moment_auction_lottery_cells as cells
from mechopt.models.auctions.moment_auction import MomentAuction
from mechopt.models.auctions.moment_auction_any import common_rows
from mechopt.models.auctions.moment_auction_check_any import lower as any_lower
from mechopt.models.auctions.moment_auction_check_curve import any_upper, lottery_lower
from mechopt.models.auctions.moment_auction_check_price import Instance
from mechopt.models.auctions.moment_auction_grid import Tables, seller, tables
from mechopt.models.inputs import fail
from mechopt.models.outcome import Array, Bounds, Labelled, Options
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Solution
from mechopt.solvers.rational import nearest, rational, text

METHODS = ("curves", "grid", "cells")
LOSS, MOST_CELLS = 0.09, 96  # of log-linear mechanisms: their guarantee's loss times cells^2, and cells that still fit


def sought(model: MomentAuction, options: Options) -> tuple[Solution, dict[str, Any], Tables, Solution]:
    """The left rule's solution, the certificate's parts, the matrices, and the right rule's solution."""
    methods = METHODS if model.mechanism != "any" and model.bidders > 1 else METHODS[:2]
    if options.method not in (None, *methods):
        raise fail("solve.method", f"{' or '.join(methods)} for {model.mechanism!r}", options.method)
    started = time.monotonic()
    found, tabs = [], []
    for left in (True, False):
        options.progress(f"the {'left' if left else 'right'} rule: {model.size()}")
        rest = None if options.time_limit is None else max(options.time_limit - (time.monotonic() - started), 0.01)
        found.append(
            highs(
                seller(model, model.nodes, left), time_limit=rest, options=options.options, memory=options.memory
            ).require()
        )  # fmt: skip
        tabs.append(tables(model.bidders, model.mechanism != "any", model.nodes, left))
    left_part = _table(model, tabs[0], found[0], left=True)
    nature = certify.nature_of(model, tabs[0], found[0].dual["P"], found[0].dual["nu"])
    whole: dict[str, Any] = {"mechanism": _table(model, tabs[1], found[1], left=False)}
    rest = None if options.time_limit is None else max(options.time_limit - (time.monotonic() - started), 0.01)
    if options.method == "cells":
        whole |= _cells(model, found[0], replace(options, time_limit=rest))
    elif options.method != "grid":
        options.progress("curves on the continuum")
        whole |= _curves(model, replace(options, time_limit=rest))
    certificate = {"finite": {"mechanism": left_part, "nature": nature}, "continuum": whole}
    return found[0], certificate, tabs[0], found[1]


def _curves(model: MomentAuction, options: Options) -> dict[str, Any]:
    """The lottery and nature's reply; for all mechanisms the log-linear one where it guarantees more."""
    lottery, nature = certify.lottery_curves(model)
    if model.mechanism != "any":
        return {"curve": lottery, "nature_curve": nature}
    nature, instance = certify.any_curve(model), Instance(model.parameters())
    high = any_upper(instance, nature)[0]
    found: dict[str, Any] = {"curve": lottery}
    value, count = lottery_lower(instance, lottery)[0], max(model.points, 3)
    if options.gap is not None:  # the width is about LOSS / cells^2
        count = max(count, min(int((LOSS / options.gap) ** 0.5) + 1, MOST_CELLS))
    low, top = (float(Fraction(nature[name])) for name in ("low", "high"))
    started = time.monotonic()
    while True:
        options.progress(f"a log-linear mechanism on {count} x {count} cells")
        rest = None if options.time_limit is None else max(options.time_limit - (time.monotonic() - started), 0.01)
        nodes = nodes_for(low, top, count)
        part = loglinear.best(model.bidders, nodes, common_rows(model), replace(options, time_limit=rest))
        if part is not None:
            least, checks = any_lower(instance, part)
            if all(check.passed for check in checks) and least > value:
                found, value = {"loglinear": part}, least
        if part is None or options.gap is None or nearest(high - value) <= options.gap or count >= MOST_CELLS:
            return found | {"nature_curve": nature}
        count = min(count * 5 // 4, MOST_CELLS)


def _cells(model: MomentAuction, found: Solution, options: Options) -> dict[str, Any]:
    """The lottery and nature's reply cell by cell, geometric from about where the lottery starts to rise."""
    mean, sigma = model.mean or Fraction(0), float(found.primal["sigma"])
    low = min(max(-float(found.primal["lambda"]) / max(sigma, 1e-9), float(mean) / 100), 0.99)
    nodes = cells.nodes_for(low, max(model.points, 2))
    options.progress(f"{len(nodes) - 1} cells: the lottery, then nature")
    parts = {
        "cells": cells.lottery(model.bidders, float(mean), nodes, options),
        "cells_nature": cells.densities(model.bidders, mean, nodes, options),
    }
    return {name: part for name, part in parts.items() if part is not None}


def nodes_for(low: float, high: float, cells: int) -> list[Fraction]:
    """Increasing nodes from 0 to 1 with nature's two parameters among them, as fractions of 2^40, (cells + 1,).

    Cells crowd towards nature's lowest value, where the allocation bends most. Shares and exponents were fitted to the
    guarantees at means from 0.1 to 0.9; any choice is valid, these lose least.

    >>> nodes = nodes_for(0.25, 0.75, 12)
    >>> assert len(nodes) == 13 and nodes[0] == 0 and nodes[-1] == 1 and {0.25, 0.75} <= set(nodes)
    """
    first = max(1, round(cells * (0.15 + 0.33 * (low - 0.21))))
    third = max(1, round(cells * (0.3 - 0.36 * (low - 0.21))))
    second = max(1, cells - first - third)
    u, v, w = (np.linspace(0, 1, count + 1) for count in (first, second, third))
    pieces = (
        low * (1 - (1 - u) ** 2.4),
        low * (high / low) ** (v ** (1.45 - 0.45 * low)),
        high + (1 - high) * w ** (1.25 - 0.95 * low),
    )
    exact = {Fraction(round(float(x) * loglinear.UNIT), loglinear.UNIT) for piece in pieces for x in piece}
    return sorted(exact)


def _table(model: MomentAuction, t: Tables, solution: Solution, left: bool) -> dict[str, Any]:
    columns = certify.columns_of(t, solution.primal["q"], certify.given_away(model, left))
    sigma = max(float(solution.primal["sigma"]), 0.0)
    return {"allocation": columns, "sigma": text(rational(sigma))}


def float_bounds(lower: float, upper: float, slip: float) -> Bounds:
    """Bounds only floats have seen: the right rule below, the left rule above."""
    return Bounds(max(lower - slip, 0.0), upper + slip, "continuum", False)


def arrays_of(model: MomentAuction, t: Tables, left: Solution, right: Solution) -> dict[str, Labelled]:
    """Tables by own value and highest of the others', duals of the left rule, nature's pairs; NaN where no pair is."""
    g = np.array([float(x) for x in model.nodes])
    axes = {"own_value": g, "highest_other": g}

    def table(values: Array, name: str) -> Labelled:
        return Labelled(np.where(t.index >= 0, values[t.index], np.nan), ("own_value", "highest_other"), axes, name)

    P = np.maximum(left.dual["P"], 0.0)
    pairs = t.pairs if model.mechanism != "any" else t.pairs[t.pairs[:, 0] >= t.pairs[:, 1]]
    keep = P > 1e-12
    highest = {"role": ["one", "others"]}
    return {
        "worst_case": Labelled(P[keep], ("atom",), {}, "worst_case"),
        "worst_case_values": Labelled(g[pairs[keep]], ("atom", "role"), highest, "worst_case"),
        "grid_allocation": table(left.primal["q"], "mechanism"),
        "grid_payment": table(left.primal["R"], "mechanism"),
        "rounded_allocation": table(right.primal["q"], "bound"),
        "rounded_payment": table(right.primal["R"], "bound"),
        "sigma": Labelled(left.primal["sigma"].reshape(1), ("one",), {}, "dual"),
        "lambda": Labelled(left.primal["lambda"].reshape(1), ("one",), {}, "dual"),
        "nu": table(left.dual["nu"], "dual"),
        "rho": table(left.dual["rho"], "dual"),
    }
