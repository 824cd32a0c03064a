"""The program over all mechanisms of finitely many futures, in whole numbers and with neighbouring lies only.

In one dimension the truth rows between neighbouring values imply all others. The buyer's later utility W_s(h) and the
seller's later revenue R_s(h) are variables, each the average of the next period's, so that every coefficient is a
value or a probability. Money is counted in the least unit in which all values are whole, and an average's row is
multiplied by the probabilities' common denominator: floats then hold the instance exactly, and the basis gives the
optimum as a fraction.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import scipy.sparse as sp

from mechopt.models.clairvoyance.scenarios import Tree
from mechopt.solvers.highs import load, read_point, status_of
from mechopt.solvers.linear import LinearProgram, Point, residuals
from mechopt.solvers.program import Residuals, Solution, SolveError, Statistics, Status
from mechopt.solvers.rational import rational

WHOLE = 2**53  # whole numbers up to which floats are exact
EXACT_COLUMNS = 1500  # unknowns up to which a basis is solved in fractions: seconds, not minutes

Table = tuple[Fraction, ...]
Entry = int | Fraction


@dataclass(frozen=True)
class TreeSolution:
    """What the engine found: `factor` a, and where fractions were reached the mechanism and multipliers that prove it.

    `allocation`, `payment`: per node, (H,), for the mechanism itself; `weights`: nature's lambda, (S,); `up`, `down`:
    gamma per future and period, (H,), of reporting the next higher and the next lower value; `end`: eta per future,
    (H,).
    """

    status: Status
    factor: Fraction
    exact: bool
    allocation: list[Table]
    payment: list[Table]
    weights: Table
    up: list[list[Table]]
    down: list[list[Table]]
    end: list[Table]
    statistics: Statistics
    residuals: Residuals

    def require(self) -> TreeSolution:
        """Itself when it is optimal, else a SolveError that holds the summary."""
        if self.status is Status.OPTIMAL:
            return self
        raise SolveError(Solution(self.status, math.nan, math.nan, {}, {}, self.residuals, self.statistics))


class _Builder:
    """Names rows and columns, and collects entries."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, Entry]] = []
        self.lower: list[Entry] = []
        self.upper: list[float] = []
        self.columns = 0

    def block(self, size: int) -> range:
        self.columns += size
        return range(self.columns - size, self.columns)

    def row(self, entries: Mapping[int, Entry], lower: Entry, upper: float) -> int:
        self.entries += [(len(self.lower), column, value) for column, value in entries.items() if value]
        self.lower.append(lower)
        self.upper.append(upper)
        return len(self.lower) - 1


def _add(entries: dict[int, Entry], column: int, value: Entry) -> None:
    entries[column] = entries.get(column, 0) + value


class _Program:
    """The compiled program of a tree, and where its rows and columns are."""

    def __init__(self, tree: Tree, best: Sequence[Fraction]) -> None:
        self.tree = tree
        build = self.build = _Builder()
        priors = {prior for node in tree.nodes for prior in node}
        self.unit = math.lcm(*(x.denominator for prior in priors for x in prior.values))
        self.common = {prior: math.lcm(*(p.denominator for p in prior.probabilities)) for prior in priors}
        largest = max(self.unit * max(Fraction(1), prior.values[-1]) * self.common[prior] for prior in priors)
        if largest >= WHOLE:  # floats then only come near the instance, and its basis may not be one of the floats'
            self.unit, self.common = 1, dict.fromkeys(priors, 1)
        self.values = {prior: [x * self.unit for x in prior.values] for prior in priors}
        self.a = build.block(1)[0]
        sizes = [tree.count(n) for n in range(len(tree.nodes))]
        self.x, self.m = ([build.block(size) for size in sizes] for _ in range(2))
        self.cap = [[build.row({self.a: 1, column: -1}, 0, np.inf) for column in block] for block in self.x]
        self.up: list[list[list[int]]] = []
        self.down: list[list[list[int]]] = []
        self.end: list[list[int]] = []
        self.future = [self._future(path, worth) for path, worth in zip(tree.futures, best, strict=True)]

    def _future(self, path: Sequence[int], worth: Fraction) -> int:
        """The rows of one future; returns that of its revenue."""
        tree, build = self.tree, self.build
        later: range | None = None
        earned: range | None = None
        ups: list[list[int]] = []
        downs: list[list[int]] = []
        for n in reversed(path):
            prior = tree.nodes[n][-1]
            up, down = self._truth(n, later)
            ups.insert(0, up)
            downs.insert(0, down)
            before = tree.count(n) // len(prior)
            W, R = build.block(before), build.block(before)
            for g in range(before):
                self._average(n, g, W[g], R[g], later, earned)
            later, earned = W, R
        self.up.append(ups)
        self.down.append(downs)
        self.end.append([self._participation(path, h) for h in range(tree.count(path[-1]))])
        assert earned is not None
        return build.row({earned[0]: 1}, worth * self.unit, np.inf)

    def _truth(self, n: int, later: range | None) -> tuple[list[int], list[int]]:
        """Neighbouring lies at every history: up from k to k + 1, and down from k + 1 to k."""
        prior = self.tree.nodes[n][-1]
        v, K = self.values[prior], len(prior)
        up: list[int] = []
        down: list[int] = []
        for h in range(self.tree.count(n)):
            k = h % K
            for other, kept in ((h + 1, up), (h - 1, down)):
                if not 0 <= k + other - h < K:
                    kept.append(-1)
                    continue
                entries: dict[int, Entry] = {}
                for place, sign in ((h, 1), (other, -1)):
                    _add(entries, self.x[n][place], sign * v[k])
                    _add(entries, self.m[n][place], -sign)
                    if later is not None:
                        _add(entries, later[place], sign)
                kept.append(self.build.row(entries, 0, np.inf))
        return up, down

    def _average(self, n: int, g: int, W: int, R: int, later: range | None, earned: range | None) -> None:
        prior = self.tree.nodes[n][-1]
        D, v = self.common[prior], self.values[prior]
        utility: dict[int, Entry] = {W: D}
        revenue: dict[int, Entry] = {R: D}
        for k, p in enumerate(prior.probabilities):
            h, weight = g * len(prior) + k, p * D
            _add(utility, self.x[n][h], -weight * v[k])
            _add(utility, self.m[n][h], weight)
            _add(revenue, self.m[n][h], -weight)
            if later is not None and earned is not None:
                _add(utility, later[h], -weight)
                _add(revenue, earned[h], -weight)
        self.build.row(utility, 0, 0.0)
        self.build.row(revenue, 0, 0.0)

    def _participation(self, path: Sequence[int], h: int) -> int:
        entries: dict[int, Entry] = {}
        for n in reversed(path):
            prior = self.tree.nodes[n][-1]
            _add(entries, self.x[n][h], self.values[prior][h % len(prior)])
            _add(entries, self.m[n][h], -1)
            h //= len(prior)
        return self.build.row(entries, 0, np.inf)

    def compile(self) -> LinearProgram:
        build = self.build
        rows, columns, data = zip(*build.entries, strict=True)
        matrix = sp.csc_array(([float(x) for x in data], (rows, columns)), shape=(len(build.lower), build.columns))
        cost, low = np.zeros(build.columns), np.full(build.columns, -np.inf)
        cost[self.a] = 1.0
        for block in self.x:
            low[list(block)] = 0.0
        return LinearProgram(
            cost, matrix, np.array([float(x) for x in build.lower]), np.array(build.upper), low,
            np.full(build.columns, np.inf),
            np.zeros(build.columns, dtype=bool),
        )  # fmt: skip


def solve_tree(
    tree: Tree, best: Sequence[Fraction], time_limit: float | None = None, options: Mapping[str, Any] | None = None
) -> TreeSolution:
    """The least a of a tree whose futures are worth `best` to a seller who knows them, proved where fractions reach.

    >>> from mechopt.models.distributions import Distribution
    >>> die = Distribution(values=[1, 2, 3], probabilities=["1/3", "1/3", "1/3"])
    >>> found = solve_tree(Tree.of([(die,)]), [Fraction(1)])
    >>> assert found.exact and 1 / found.factor == Fraction(4, 3)
    """
    started = time.monotonic()
    program = _Program(tree, best)
    compiled = program.compile()
    highs = load(compiled, options or {})
    if time_limit is not None:
        highs.setOptionValue("time_limit", float(time_limit))
    built = time.monotonic()
    highs.run()
    status, point = status_of(highs), read_point(highs, compiled)
    info = highs.getInfo()
    statistics = Statistics(
        *compiled.shape,
        compiled.matrix.nnz,
        int(info.simplex_iteration_count),
        built - started,
        time.monotonic() - built,
    )
    exact = _fractions(program, point) if status is Status.OPTIMAL else None
    x, y = exact or ([Fraction(z) for z in point.x.tolist()], [Fraction(z) for z in point.y.tolist()])
    return _solution(program, status, x, y, exact is not None, statistics, residuals(compiled, point))


def _fractions(program: _Program, point: Point) -> tuple[list[Fraction], list[Fraction]] | None:
    """The point and the multipliers of a basis, solved with the instance's own numbers; None where that fails.

    A column that is not basic is zero, and a row that is not basic holds with equality.
    """
    if point.basic_columns is None or point.basic_rows is None or point.basic_columns.sum() > EXACT_COLUMNS:
        return None
    columns, rows = np.flatnonzero(point.basic_columns).tolist(), np.flatnonzero(~point.basic_rows).tolist()
    if len(columns) != len(rows):
        return None
    across, down = {c: k for k, c in enumerate(columns)}, {r: k for k, r in enumerate(rows)}
    size = len(rows)
    matrix = flint.fmpq_mat(size, size)
    for r, c, value in program.build.entries:
        if r in down and c in across:
            matrix[down[r], across[c]] = rational(value)
    right = flint.fmpq_mat(size, 1, [rational(program.build.lower[r]) for r in rows])
    cost = flint.fmpq_mat(size, 1, [rational(int(c == program.a)) for c in columns])
    try:
        found, prices = matrix.solve(right), matrix.transpose().solve(cost)
    except ZeroDivisionError:
        return None
    x, y = [Fraction(0)] * len(point.x), [Fraction(0)] * len(point.y)
    for k, c in enumerate(columns):
        x[c] = Fraction(str(found[k, 0]))
    for k, r in enumerate(rows):
        y[r] = Fraction(str(prices[k, 0]))
    return x, y


def _solution(
    program: _Program, status: Status, x: Sequence[Fraction], y: Sequence[Fraction], exact: bool,
    statistics: Statistics, measured: Residuals,
) -> TreeSolution:  # fmt: skip
    def prices(rows: Sequence[int]) -> Table:
        return tuple(Fraction(0) if r < 0 else y[r] * program.unit for r in rows)

    a = x[program.a] or Fraction(1)
    allocation = [tuple(x[c] / a for c in block) for block in program.x]
    payment = [tuple(x[c] / a / program.unit for c in block) for block in program.m]
    return TreeSolution(
        status, a, exact, allocation, payment, prices(program.future),
        [[prices(rows) for rows in future] for future in program.up],
        [[prices(rows) for rows in future] for future in program.down],
        [prices(rows) for rows in program.end], statistics, measured,
    )  # fmt: skip
