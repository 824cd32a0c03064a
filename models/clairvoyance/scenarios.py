"""One mechanism for several futures: the tree of what may come, and the program over all mechanisms that do not know.

A future s is a list of distributions, one per period; those that begin alike share their first periods. A node n of the
tree is a beginning, of length t(n). What the mechanism does there, x_n(h) and m_n(h), may depend on the buyer's values
h = (v_1, ..., v_t) so far and on the node, on nothing that comes later: that is non-clairvoyance.

Source: V. Mirrokni, R. Paes Leme, P. Tang, S. Zuo, Non-clairvoyant dynamic mechanism design (2020).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from mechopt.models.distributions import Distribution
from mechopt.solvers.memory import Size
from mechopt.solvers.program import Program


@dataclass(frozen=True)
class Tree:
    """`nodes`: the beginnings, each a tuple of distributions, parents first; `futures`: the nodes of every one, in
    order.

    >>> a, b = (Distribution(values=[1, k], probabilities=["1/2", "1/2"]) for k in (2, 3))
    >>> tree = Tree.of([(a,), (a, b), (a, a)])
    >>> assert len(tree.nodes) == 3 and tree.futures == ((0,), (0, 1), (0, 2)) and tree.histories == 2 + 4 + 4
    """

    nodes: tuple[tuple[Distribution, ...], ...]
    futures: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, futures: Sequence[Sequence[Distribution]]) -> Tree:
        """The tree of a list of futures."""
        places: dict[tuple[Distribution, ...], int] = {}
        paths = []
        for future in futures:
            beginnings = [tuple(future[: t + 1]) for t in range(len(future))]
            paths.append(tuple(places.setdefault(beginning, len(places)) for beginning in beginnings))
        return cls(tuple(places), tuple(paths))

    def alone(self, future: int) -> Tree:
        """The tree of one of its futures only."""
        return Tree.of([self.nodes[self.futures[future][-1]]])

    def count(self, node: int) -> int:
        """H, the number of histories at a node."""
        return math.prod(len(prior) for prior in self.nodes[node])

    @property
    def histories(self) -> int:
        """The number of histories at all nodes."""
        return sum(self.count(node) for node in range(len(self.nodes)))

    def size(self) -> Size:
        """Size of the engine's program, before it is built."""
        along = sum(self.count(node) for path in self.futures for node in path)
        ends = sum(self.count(path[-1]) for path in self.futures)
        most = max(len(prior) for node in self.nodes for prior in node)
        rows = self.histories + 4 * along + ends
        return Size(rows, 2 * self.histories + 2 * along, 8 * rows + most * along)


def _mean(tree: Tree, node: int) -> Any:
    """The sparse matrix (H / K, H) that averages over a node's last value."""
    *_, prior = tree.nodes[node]
    return sp.kron(sp.eye_array(tree.count(node) // len(prior)), prior.f[None, :], format="csr")


def scenario_program(tree: Tree, best: Sequence[Fraction]) -> Program:
    """The best guarantee over all mechanisms of a tree, `best[s]` being what a seller who knows the future s earns.

    All quantities are a times as large as the mechanism's, whose guarantee is 1 / a. u is the buyer's utility of a
    period, W_s her expected utility of the later ones in the future s:

        min   a
        s.t.  x_n(h) <= a                                                    for n, h               [kappa_n(h)]
              E_s[sum_t m_t(h_t)] >= best_s                                  for s                  [lambda_s]
              v_t x_n(h) - m_n(h) + W_s(h)
                  >= v_t x_n(h', v) - m_n(h', v) + W_s(h', v)                for s, t, h, reports v [gamma_st(h, v)]
              sum_t u_t(h_t) >= 0                                            for s, h to the end    [eta_s(h)]
              x_n(h) >= 0                                                    for n, h
    """
    a = cp.Variable(name="a")
    x = [cp.Variable(tree.count(n), name=f"x_{n + 1}") for n in range(len(tree.nodes))]
    m = [cp.Variable(tree.count(n), name=f"m_{n + 1}") for n in range(len(tree.nodes))]
    u = [cp.multiply(_last(tree, n), x[n]) - m[n] for n in range(len(tree.nodes))]
    rows: dict[str, Any] = {}
    revenue = []
    for s, path in enumerate(tree.futures):
        W: Any = np.zeros(tree.count(path[-1]))
        earned: Any = np.zeros(tree.count(path[-1]))
        for t, n in reversed(list(enumerate(path))):
            K, v = len(tree.nodes[n][-1]), tree.nodes[n][-1].v
            table = (tree.count(n) // K, K)
            contract = [cp.reshape(z, table, order="C") for z in (x[n], W - m[n])]
            for k in range(K):  # the true value is v_k: one row per history before it and report
                truth = v[k] * contract[0][:, k] + contract[1][:, k]
                lie = v[k] * contract[0] + contract[1]
                rows[f"gamma_{s + 1}_{t + 1}_{k + 1}"] = cp.reshape(truth, (table[0], 1), order="C") >= lie
            mean = _mean(tree, n)
            W, earned = mean @ (u[n] + W), mean @ (m[n] + earned)
        revenue.append(earned[0])
        total = sum(
            np.kron(np.eye(tree.count(n)), np.ones((tree.count(path[-1]) // tree.count(n), 1))) @ u[n] for n in path
        )
        rows[f"eta_{s + 1}"] = total >= 0
    bounds = {f"kappa_{n + 1}": z <= a for n, z in enumerate(x)} | {f"chance_{n + 1}": z >= 0 for n, z in enumerate(x)}
    enough = {"future": cp.hstack(revenue) >= np.array([float(worth) for worth in best])}
    return Program(cp.Minimize(a), {**enough, **bounds, **rows})


def _last(tree: Tree, node: int) -> Any:
    """The last value of every history of a node, (H,)."""
    *_, prior = tree.nodes[node]
    return np.tile(prior.v, tree.count(node) // len(prior))
