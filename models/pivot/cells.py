"""The bound of Corollary 4.1 for two agents with uniform signals and linear worths: weights cut where policies change.

The weights phi(s) are then uniform on a rectangle too. Every policy is worth a line in the weights and W0 is the
maximum of these lines: convex, whatever exclusion does, and rising in every weight. On a convex polygon,

    mean of one policy's line  =  the line at the centroid  <=  E W0  <=  mean over triangles of the corners' W0,

and the two agree where one policy is optimal at all corners. A polygon where they do not is cut along the line on which
two of its corners' policies are worth the same, the loosest polygon first. Corners and cuts are rational, so that a
checker can repeat every cut exactly.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mechopt.models.pivot.environment import Environment
from mechopt.models.pivot.welfare import Market, Optimum
from mechopt.solvers.decision import OutOfTime

Point = tuple[Fraction, Fraction]
Polygon = tuple[Point, ...]
Line = tuple[Fraction, Fraction, Fraction]  # a x + b y + c
GRID = 50  # weights are rounded to multiples of 2^-GRID, upwards at corners and downwards inside
FINEST = 10**12  # largest denominator of a cut's coefficients
MOST_CELLS = 4000  # corners and cells, where no certificate limits them
CLOSE = 1e-9  # between signals that count as one
TIGHT = 1e-13  # width of a bracket, relative to its size, below which no cut is worth its time


def rounded(point: Point, up: bool) -> Point:
    """A point of weights with short coordinates, none lower (up) or none higher than before."""
    scale = 2**GRID
    x, y = (Fraction(-((-c.numerator * scale) // c.denominator) if up else (c.numerator * scale) // c.denominator,
                       scale) for c in point)  # fmt: skip
    return x, y


@dataclass(frozen=True)
class Cell:
    """A polygon of weights with what is known of W0 on it, in floats; `share` of the whole rectangle's area."""

    corners: Polygon
    at: tuple[Optimum, ...]
    share: float
    lower: float
    upper: float
    best: Optimum

    @property
    def width(self) -> float:
        """Its part of the bracket's width, money."""
        return self.share * (self.upper - self.lower)


@dataclass
class Node:
    """A cell and, once it is cut, the line and the two nodes on its sides, a x + b y + c <= 0 first."""

    cell: Cell
    line: Line | None = None
    sides: tuple[Node, Node] | None = None

    def leaves(self) -> list[Cell]:
        """The cells that are not cut."""
        found, todo = [], [self]
        while todo:
            node = todo.pop()
            if node.sides is None:
                found.append(node.cell)
            else:
                todo += node.sides
        return found


@dataclass(frozen=True)
class Partition:
    """A rectangle of weights cut into cells: their tree, and the bracket they make, money."""

    root: Node
    lower: float
    upper: float
    late: bool


def applies(env: Environment) -> bool:
    """Whether there are two agents, both with uniform signals and a linear worth."""
    return env.n == 2 and all(
        one.initial.continuous and one.initial.family == "uniform" and one.worth.power == 1 for one in env.agents
    )


def rectangle(env: Environment) -> Polygon:
    """The corners of all weights, counterclockwise."""
    spans = []
    for one in env.agents:
        low, high = (Fraction(str(x)) for x in one.initial.written["support"])
        spans.append((one.worth.exactly(2 * low - high), one.worth.exactly(high)))
    (a, b), (c, d) = spans
    return ((a, c), (b, c), (b, d), (a, d))


def partition(
    market: Market, most: int, gap: float | None = None, progress: Callable[[str], None] = lambda message: None
) -> Partition:
    """Cut the weights of two agents until the bracket is tight, as narrow as `gap`, or has `most` corners and cells.

    Stops early, with what is proved by then, where the market's deadline has passed.
    """
    corners = rectangle(market.env)
    area = _area(corners)
    root = Node(_cell(market, corners, area))
    heap, count, known = [(-root.cell.width, 0, root)], itertools.count(1), set(corners)
    width, leaves, late, told = root.cell.width, 1, False, time.monotonic()
    goal = max(gap or 0.0, TIGHT * (1 + abs(root.cell.lower)))
    while heap and width > goal and len(known) + leaves < most:
        _, _, node = heapq.heappop(heap)
        try:
            line = _cut(node.cell)
            halves = None if line is None else [_cell(market, half, area) for half in sides(node.cell.corners, line)]
        except OutOfTime:
            late = True
            break
        if halves is None or line is None:
            continue
        node.line, node.sides = line, (Node(halves[0]), Node(halves[1]))
        width += sum(half.width for half in halves) - node.cell.width
        leaves += 1
        for side in node.sides:
            known |= set(side.cell.corners)
            if side.cell.width > TIGHT * goal:
                heapq.heappush(heap, (-side.cell.width, next(count), side))
        if time.monotonic() - told > 2:
            told = time.monotonic()
            progress(f"weights cut into {leaves:,} cells, bracket {width:.3g} wide")
    cells = root.leaves()
    lower, upper = sum(c.share * c.lower for c in cells), sum(c.share * c.upper for c in cells)
    return Partition(root, lower, upper, late)


def kinks(env: Environment, cut: Partition) -> tuple[list[float], ...]:
    """Per agent the signals at which some cell has a corner: between them, integrals over the other's are smooth."""
    found: list[list[float]] = []
    for j, one in enumerate(env.agents):
        high, worth = Fraction(str(one.initial.written["support"][1])), one.worth
        levels = {point[j] for cell in cut.root.leaves() for point in cell.corners}
        signals = sorted(float(((w - worth.offset) / worth.scale + high) / 2) for w in levels)
        kept = [signals[0]]
        kept += [s for s in signals[1:-1] if s - kept[-1] > CLOSE and signals[-1] - s > CLOSE]
        found.append([*kept, signals[-1]])
    return tuple(found)


def sides(corners: Sequence[Point], line: Line) -> tuple[Polygon, Polygon]:
    """The two parts of a convex polygon, where a x + b y + c is at most 0 and at least 0.

    >>> one, zero = Fraction(1), Fraction(0)
    >>> square = ((zero, zero), (one, zero), (one, one), (zero, one))
    >>> low, high = sides(square, (one, -one, zero))
    >>> assert low == ((0, 0), (1, 1), (0, 1)) and high == ((0, 0), (1, 0), (1, 1))
    """
    heights = [line[0] * x + line[1] * y + line[2] for x, y in corners]
    parts: tuple[list[Point], list[Point]] = ([], [])
    for k, (point, height) in enumerate(zip(corners, heights, strict=True)):
        if height <= 0:
            parts[0].append(point)
        if height >= 0:
            parts[1].append(point)
        after = (k + 1) % len(corners)
        if height * heights[after] < 0:
            t = height / (height - heights[after])
            cross = tuple(p + t * (q - p) for p, q in zip(point, corners[after], strict=True))
            parts[0].append((cross[0], cross[1]))
            parts[1].append((cross[0], cross[1]))
    return tuple(parts[0]), tuple(parts[1])


def triangles(corners: Sequence[Point]) -> list[tuple[Fraction, tuple[int, int, int]]]:
    """A convex polygon as triangles that share its first corner, each with its area."""
    (x0, y0), found = corners[0], []
    for k in range(1, len(corners) - 1):
        (x1, y1), (x2, y2) = corners[k], corners[k + 1]
        found.append((((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) / 2, (0, k, k + 1)))
    return found


def centroid(corners: Sequence[Point]) -> Point:
    """The mean of a uniform point of the polygon."""
    parts, whole = triangles(corners), _area(corners)
    x, y = (sum(area * sum(corners[k][j] for k in at) for area, at in parts) / (3 * whole) for j in range(2))
    return x, y


def _area(corners: Sequence[Point]) -> Fraction:
    return sum((area for area, _ in triangles(corners)), Fraction(0))


def _worth(optimum: Optimum, point: Sequence[float | Fraction]) -> float:
    """What a policy is worth under other weights."""
    return float(sum(q * float(w) for q, w in zip(optimum.Q, point, strict=True)) + optimum.D.sum()) - optimum.cost


def _cell(market: Market, corners: Polygon, whole: Fraction) -> Cell:
    at = tuple(market.best((float(x), float(y))) for x, y in corners)
    middle, area = centroid(corners), _area(corners)
    best = max(at, key=lambda one: _worth(one, middle))
    upper = sum(float(part / area) * sum(at[k].value for k in which) / 3 for part, which in triangles(corners))
    lower = _worth(best, middle)
    return Cell(corners, at, float(area / whole), lower, max(upper, lower), best)


def _cut(cell: Cell) -> Line | None:
    """Where the policy best at the centroid and the one it falls behind most at a corner are worth the same."""
    behind = [one.value - _worth(cell.best, point) for one, point in zip(cell.at, cell.corners, strict=True)]
    other = cell.at[max(range(len(behind)), key=behind.__getitem__)]
    a, b = (float(q) for q in other.Q - cell.best.Q)
    scale = max(abs(a), abs(b))
    if scale <= 1e-13 * (1 + float(abs(other.Q).max())):
        return None
    rest = float(other.D.sum() - cell.best.D.sum()) - (other.cost - cell.best.cost)
    line = tuple(Fraction(x / scale).limit_denominator(FINEST) for x in (a, b, rest))
    heights = [line[0] * x + line[1] * y + line[2] for x, y in cell.corners]
    if min(heights) >= 0 or max(heights) <= 0:
        return None
    return line[0], line[1], line[2]
