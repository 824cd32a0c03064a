"""Brackets of the profit for uniform initial signals, exactly; part of the checker of `virtual-pivot`.

Weights are uniform where signals are, and W0 is convex in them, as a maximum of policies' lines:

* one agent: chords between the ends of stretches are above it, and the line of one policy below;
* two agents: the rectangle of weights is cut by listed lines into convex polygons. On each, W0 is on average at most
  the mean over triangles of bounds at the corners, and at least one policy's worth at the centroid. W0 rises in every
  weight, as does what any policy is worth, so that corners may be rounded up and centroids down.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from mechopt.models.pivot.check_instance import Instance, fraction
from mechopt.models.pivot.check_values import ZERO, Optima, most
from mechopt.solvers.certificate import Check

Point = tuple[Fraction, Fraction]
FINE = 128  # sums over cells are rounded outwards to multiples of 2^-FINE, or their denominators would explode


def stretches(instance: Instance, optima: Optima, rows: Any) -> tuple[Fraction, Fraction, list[Check]]:
    """The bracket that chords and lines on stretches of one agent's signals prove."""
    one = instance.agents[0]
    if instance.n != 1 or one.support is None:
        raise ValueError("stretches are for one agent with uniform signals")
    low, high = one.support
    at, upper, lower = low, ZERO, ZERO
    nobody = optima.entry([ZERO], ())
    for row in rows:
        ends = fraction(row["low"]), fraction(row["high"])
        if ends[0] != at or not ends[0] < ends[1] <= high:
            raise ValueError("stretches follow each other over the whole support")
        weights = [one.virtual(s) for s in ends]
        policy = row.get("policy")
        included = tuple(row["included"])
        if included not in ((), (0,)):
            raise ValueError("who takes part")
        found = []
        for w, values in zip(weights, row["values"], strict=True):
            some = policy if policy is not None else instance.some_policy((0,))
            found.append(optima.bounds([w], (0,), values, some))
        mass = (ends[1] - ends[0]) / (high - low)
        upper += mass * sum((max(above, nobody.upper) for above, _ in found), ZERO) / 2
        lower += mass * (sum((below for _, below in found), ZERO) / 2 if included else nobody.sure)
        at = ends[1]
    return lower, upper, [Check("stretches reach the highest signal", float(high - at), at == high)]


def cells(instance: Instance, optima: Optima, nodes: Any, grid: int) -> tuple[Fraction, Fraction, list[Check]]:
    """The bracket that polygons of two agents' weights prove.

    `nodes`: a tree, the root first; each a `cut` (a, b, c) with the places of its `sides`, where a x + b y + c is at
    most and at least 0, or a cell with who is `included`: by construction the cells make up the rectangle. `grid`:
    weights are rounded to multiples of 2^-grid.
    """
    if instance.n != 2 or not 0 <= grid <= 1000:
        raise ValueError("cells are for two agents")
    spans = []
    for one in instance.agents:
        if one.support is None:
            raise ValueError("cells are for uniform signals")
        spans.append((one.virtual(one.support[0]), one.virtual(one.support[1])))
    (a, b), (c, d) = spans
    whole = (b - a) * (d - c)
    todo: list[tuple[int, list[Point]]] = [(0, [(a, c), (b, c), (b, d), (a, d)])]
    used, upper, lower = 0, ZERO, ZERO
    while todo:
        place, corners = todo.pop()
        node = nodes[place]
        used += 1
        if used > len(nodes):
            raise ValueError("a node is on two sides")
        if "cut" in node:
            left, right = (int(x) for x in node["sides"])
            if not (place < left < len(nodes) and place < right < len(nodes)):
                raise ValueError("the sides of a cut come after it")
            line = [fraction(x) for x in node["cut"]]
            todo += [(left, _kept(corners, [-x for x in line])), (right, _kept(corners, line))]
            continue
        included = tuple(node["included"])
        if included not in ((), (0,), (1,), (0, 1)):
            raise ValueError("who takes part")
        area, above, middle = _cell(instance, optima, corners, grid)
        worth = optima.entry(_rounded(middle, grid, False), included).sure
        upper += _rounded([area / whole * above], FINE, True)[0]
        lower += _rounded([area / whole * worth], FINE, False)[0]
    left = len(nodes) - used
    return lower, upper, [Check("cells cover all weights, each once", float(abs(left)), left == 0)]


def _kept(corners: Sequence[Point], line: Sequence[Fraction]) -> list[Point]:
    """The part of a convex polygon where a x + b y + c >= 0. Raises ValueError for less than a triangle."""
    found: list[Point] = []
    before, height_before = corners[-1], _height(corners[-1], line)
    for point in corners:
        height = _height(point, line)
        if (height > 0 and height_before < 0) or (height < 0 and height_before > 0):
            t = height_before / (height_before - height)
            found.append((before[0] + t * (point[0] - before[0]), before[1] + t * (point[1] - before[1])))
        if height >= 0:
            found.append(point)
        before, height_before = point, height
    if len(found) < 3:
        raise ValueError("a cut leaves nothing on one side")
    return found


def _height(point: Point, line: Sequence[Fraction]) -> Fraction:
    a, b, c = line
    return a * point[0] + b * point[1] + c


def _rounded(point: Sequence[Fraction], grid: int, up: bool) -> list[Fraction]:
    scale = 2**grid
    return [Fraction(-(-x * scale // 1) if up else x * scale // 1, scale) for x in point]


def _cell(instance: Instance, optima: Optima, corners: list[Point], grid: int) -> tuple[Fraction, Fraction, Point]:
    """Area, an upper bound on the mean of W0, and the centroid."""
    bounds = [most(instance, optima, _rounded(point, grid, True)) for point in corners]
    (x0, y0), area, above, x, y = corners[0], ZERO, ZERO, ZERO, ZERO
    for k in range(1, len(corners) - 1):
        (x1, y1), (x2, y2) = corners[k], corners[k + 1]
        part = ((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) / 2
        area += part
        above += part * (bounds[0] + bounds[k] + bounds[k + 1]) / 3
        x += part * (x0 + x1 + x2) / 3
        y += part * (y0 + y1 + y2) / 3
    if area <= 0:
        raise ValueError("a cell without area")
    return area, above / area, (x / area, y / area)
