"""How all mechanisms for I bidders with common moments are sought: the grid's program, then both continuum bounds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from mechopt.models.auctions import moment_auction_any as grid
from mechopt.models.auctions import moment_auction_any_upper as upper
from mechopt.models.auctions import moment_auction_check_any as checker
from mechopt.models.auctions import moment_auction_loglinear as lower
from mechopt.models.auctions.moment_auction import MomentAuction
from mechopt.models.auctions.moment_auction_any import Multisets, common_rows
from mechopt.models.auctions.moment_auction_check_price import Instance
from mechopt.models.inputs import fail
from mechopt.models.outcome import Array, Labelled, Options
from mechopt.solvers.certificate import project
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Solution
from mechopt.solvers.rational import nearest, rational, text

UNIT = 2**34  # chances are multiples of 1 / UNIT: far finer than the grid, and short to write
MOST_CELLS = {1: 400, 2: 64, 3: 24, 4: 10, 5: 6}  # by bidders: what still takes about a minute
FIRST_CELLS = {1: 100, 2: 24, 3: 12, 4: 7, 5: 4}


def sought(model: MomentAuction, options: Options) -> tuple[Solution, dict[str, Any], bool]:
    """The grid's solution, the certificate's parts, and whether time ran out. Raises InputError for unknown methods."""
    if options.method not in (None, "cells"):
        raise fail("solve.method", "cells for this instance", options.method, "or leave it out")
    started = time.monotonic()

    def rest() -> float | None:
        return None if options.time_limit is None else max(options.time_limit - (time.monotonic() - started), 0.01)

    options.progress(f"the grid's program: {model.size()}")
    found = highs(grid.seller(model), time_limit=rest(), options=options.options, memory=options.memory).require()
    finite = {"mechanism": _table(model, found), "nature": _nature(model, found)}
    instance, known = Instance(model.parameters()), common_rows(model)
    cells = FIRST_CELLS[model.bidders]
    nothing = [[0] * len(Multisets(model.bidders, 2).others)]
    never = {"nodes": ["0", "1"], "sigma": ["0"] * len(known), "slope": nothing, "jump": nothing}  # sells nothing
    whole: dict[str, Any] = {"loglinear": never}
    low, high = rational(0), rational(1)
    while True:
        nodes = nodes_for(_center(model), cells)
        options.progress(f"{cells} cells a side: nature's densities, then a log-linear mechanism")
        now = replace(options, time_limit=rest())
        points = nodes if model.mean is None and model.bidders <= 2 else [nodes[-1]]
        if (part := upper.best(model.bidders, upper.cells_of(nodes, points), known, now)) is not None:
            value, checks = checker.upper(instance, part)
            if all(c.passed for c in checks) and value < high:
                whole["density"], high = part, value
        if (part := lower.best(model.bidders, nodes, known, replace(options, time_limit=rest()))) is not None:
            value, checks = checker.lower(instance, part)
            if all(c.passed for c in checks) and value > low:
                whole["loglinear"], low = part, value
        width, stopped = nearest(high - low), options.time_limit is not None and (rest() or 0) <= 0.01
        most = MOST_CELLS[model.bidders]
        if options.gap is None or width <= options.gap or cells >= most or stopped:
            return found, {"finite": finite, "continuum": whole}, stopped
        cells = min(max(cells + 1, int(cells * min(max((width / options.gap) ** 0.5 * 1.05, 1.15), 2))), most)


def _center(model: MomentAuction) -> float:
    """The mean the values have at least, or at most; a half where no mean is known."""
    return float(next((sign * bound for power, sign, bound in common_rows(model) if power == 1), Fraction(1, 2)))


def nodes_for(mean: float, cells: int) -> list[Fraction]:
    """Increasing nodes from 0 to 1, fractions of 2^30, crowding towards low values under low means, else towards 1.

    The exponents were fitted to the brackets at means from 0.1 to 0.9; any choice is valid.

    >>> assert nodes_for(0.5, 4) == [0, Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), 1]
    """
    mean = min(max(mean, 0.02), 0.98)
    u = np.linspace(0, 1, cells + 1)
    x = u ** (0.25 + 0.75 * np.log2(1 / mean)) if mean <= 0.5 else 1 - (1 - u) ** (1 + 2.5 * (mean - 0.5))
    return sorted({Fraction(round(float(z) * 2**30), 2**30) for z in x})


def _table(model: MomentAuction, found: Solution) -> dict[str, Any]:
    """Chances as rationals, none falling, scaled until no profile gives more than the good away."""
    sets = Multisets(model.bidders, model.points + 1)
    q = np.rint(np.clip(found.primal["q"], 0, 1).reshape(sets.places, -1) * UNIT).astype(np.int64)
    q = np.maximum.accumulate(q, axis=0)
    most = max(int(q[sets.profiles, sets.rest].sum(axis=1).max()), UNIT)
    table = [[str(Fraction(int(x) * UNIT // most, UNIT)) for x in row] for row in q]
    return {"allocation": table, "sigma": [text(rational(max(float(s), 0.0))) for s in found.primal["sigma"]]}


def _nature(model: MomentAuction, found: Solution) -> dict[str, Any]:
    """Nature's masses in rationals with the moments, and the multipliers of the rows that chances do not fall."""
    sets, known, n = Multisets(model.bidders, model.points + 1), common_rows(model), model.points
    P = {
        tuple(w): Fraction(float(p)) for w, p in zip(sets.profiles.tolist(), found.dual["P"], strict=True) if p > 1e-13
    }
    total = sum(P.values(), Fraction(0))
    P = {w: Fraction(int(p / total * 2**60), 2**60) for w, p in P.items()}
    for end in ((n,) * model.bidders, (0,) * model.bidders):
        P.setdefault(end, Fraction(0))
    P[(n,) * model.bidders] += 1 - sum(P.values(), Fraction(0))
    atoms = list(P)
    lines = [[sum((sign * Fraction(k, n) ** power for k in w), Fraction(0)) for w in atoms] for power, sign, _ in known]
    goal = [model.bidders * bound for _, _, bound in known]
    mass = _with_moments(list(P.values()), lines, goal, {sign for _, sign, _ in known}, atoms)
    nu = found.dual["nu"].reshape(sets.places, -1)
    prices = [[int(k), list(sets.others[o]), text(rational(float(nu[k, o])))] for k, o in np.argwhere(nu > 1e-12)]
    return {"P": [[list(w), str(p)] for w, p in sorted(zip(atoms, mass, strict=True)) if p], "nu": prices}


def _with_moments(
    mass: list[Fraction], lines: list[list[Fraction]], goal: list[Fraction], signs: set[int], atoms: list[Any]
) -> list[Fraction]:
    """The masses mixed with all at the top, or at the bottom, or moved onto the rows that bind."""
    miss = [sum((p * f for p, f in zip(mass, line, strict=True)), Fraction(0)) - b
            for line, b in zip(lines, goal, strict=True)]  # fmt: skip
    if max(miss) <= 0:
        return mass
    if len(signs) == 1:
        end = atoms.index(max(atoms) if signs == {-1} else min(atoms))
        share = max(m / (m + b - line[end]) for m, b, line in zip(miss, goal, lines, strict=True) if m > 0)
        return [p * (1 - share) + (share if k == end else 0) for k, p in enumerate(mass)]
    rows = [dict.fromkeys(range(len(mass)), rational(1))]
    right = [rational(1)]
    for line, m, b in zip(lines, miss, goal, strict=True):
        if m > -Fraction(1, 10**9):
            rows.append({k: rational(f) for k, f in enumerate(line)})
            right.append(rational(b))
    order = sorted(range(len(mass)), key=lambda k: -mass[k])
    moved = project(rows, right, [rational(p) for p in mass], order)
    return mass if moved is None else [Fraction(str(p)) for p in moved]


def arrays_of(model: MomentAuction, found: Solution, certificate: Mapping[str, Any]) -> dict[str, Labelled]:
    """The grid's tables by own value and the others' values, nature's atoms, and the continuum's mechanism."""
    sets, g = Multisets(model.bidders, model.points + 1), np.array([float(x) for x in model.nodes])
    labels = [", ".join(f"{g[k]:g}" for k in o) for o in sets.others]
    axes = {"own_value": g, "others": labels}

    def table(values: Array, role: str) -> Labelled:
        return Labelled(values.reshape(len(g), -1), ("own_value", "others"), axes, role)

    keep = found.dual["P"] > 1e-12
    bidders = {"bidder": [f"bidder {i + 1}" for i in range(model.bidders)]}
    arrays = {
        "worst_case": Labelled(found.dual["P"][keep], ("atom",), {}, "worst_case"),
        "worst_case_values": Labelled(g[sets.profiles[keep]], ("atom", "bidder"), bidders, "worst_case"),
        "grid_allocation": table(found.primal["q"], "mechanism"),
        "grid_payment": table(found.primal["R"], "mechanism"),
        "sigma": Labelled(np.atleast_1d(found.primal["sigma"]), ("moment",), {}, "dual"),
        "lambda": Labelled(np.atleast_1d(found.primal["lambda"]), ("one",), {}, "dual"),
        "nu": table(found.dual["nu"], "dual"),
        "rho": table(found.dual["rho"], "dual"),
    }
    return arrays | loglinear_arrays(certificate["continuum"]["loglinear"])


def loglinear_arrays(part: Mapping[str, Any]) -> dict[str, Labelled]:
    """The log-linear mechanism of a certificate as floats: nodes, and slopes and jumps by cell and others' places."""
    nodes = np.array([nearest(rational(x)) for x in part["nodes"]])
    tables = {f"log_{name}": np.array(part[name], dtype=float) / lower.UNIT for name in ("slope", "jump")}
    return {
        "log_nodes": Labelled(nodes, ("log_node",), {}, "mechanism"),
        **{name: Labelled(x, ("log_cell", "others_places"), {}, "mechanism") for name, x in tables.items()},
    }
