"""One item per period and agents whose state moves only when they are served: the bandit auction, by virtual indices.

In every period at most one arm is pulled. Pulling arm i in state k_i brings the virtual flow f_i(k_i) = w_i r_i(k_i) +
b_i (models/pivot/index_arm.py) and moves k_i by P_i; nothing else moves. Over joint states x = (k_1, ..., k_n) with
law mu at the first pull, the specification is Bellman's program:

    min   sum_x mu(x) W(x)
    s.t.  W(x) >= f_i(k_i) + delta sum_y P_i(k_i, y) W(y, x_-i)        for x and i        [pull_i(x)]
          W(x) >= 0                                                    for x              [rest(x)]

Its dual, the primal's letter in brackets, is the discounted time in each state by what is done there; after `rest`
nothing is pulled any more:

    max   sum_x sum_i pull_i(x) f_i(k_i)
    s.t.  sum_i pull_i(x) + rest(x) = mu(x) + delta sum_i sum_y P_i(y, k_i) pull_i(y, x_-i)      for x      [W(x)]
          pull, rest >= 0

The engine knows no joint states: the index of arm i is w_i G_i + b_i with G_i the Gittins index of (P_i, r_i), the arm
of the highest positive index is pulled, and worths are integrals of products (solvers/gittins.py, solvers/bandit.py).

Sources: S. Kakade, I. Lobel, H. Nazerzadeh, Optimal dynamic mechanism design and the virtual-pivot mechanism (2011),
Section 6.2.2; J. Gittins (1979); P. Whittle (1980).
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np

from mechopt.models.inputs import Number, checked, fail, plain
from mechopt.models.outcome import Array
from mechopt.models.pivot.index_arm import Arm
from mechopt.solvers.bandit import Bandit, Worth, stacked
from mechopt.solvers.gittins import index_tables
from mechopt.solvers.gittins_program import restart_dual, restart_program
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Program

MOST_ARMS = 5000
TOLD = 10**15


@checked
class VirtualIndex:
    """A bandit with several arms, and the auction in which each arm is an agent.

    `discount`: from 0 to below 1. `arms`: see `Arm`. Raises InputError naming the arm, the state and the sum where a
    transition is not stochastic.

    >>> from mechopt.solvers.highs import solve
    >>> model = VirtualIndex(discount="1/2", arms=[{"transition": [[0, 1], [0, 1]], "reward": [1, 4]},
    ...                                            {"transition": [[1]], "reward": [3]}])
    >>> assert model.gittins[0].tolist() == [2.5, 4] and model.at_start.total == 6
    >>> assert abs(solve(model.primal()).value - 6) < 1e-9 and abs(solve(model.dual()).value - 6) < 1e-9
    """

    discount: Number
    arms: tuple[Arm, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.discount < 1:
            raise fail("discount", "a number from 0 to below 1", self.discount, "write discount = 0.9")
        if not self.arms:
            raise fail("arms", "at least one arm", "none", "write arms = [{transition = [[1]], reward = [1]}]")
        if len(self.arms) > MOST_ARMS:
            raise fail("arms", f"at most {MOST_ARMS:,} arms", f"{len(self.arms):,}")
        longest = max(len(arm.rewards) for arm in self.arms)
        if (needed := 24 * len(self.arms) * longest**2) > available():
            got = f"{len(self.arms):,} arms of up to {longest:,} states: about {human(needed)}"
            raise fail("arms", f"tables that fit in the {human(available())} of memory that are free", got)

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        return {"discount": plain(self.discount), "arms": [arm.parameters() for arm in self.arms]}

    @property
    def delta(self) -> float:
        """The discount factor as a float."""
        return float(self.discount)

    @property
    def shape(self) -> tuple[int, ...]:
        """L_1, ..., L_n: how many states each arm has."""
        return tuple(len(arm.rewards) for arm in self.arms)

    @property
    def joint_states(self) -> int:
        """How many joint states there are; only the specification lists them."""
        return math.prod(self.shape)

    @cached_property
    def kinds(self) -> list[int]:
        """For every arm, the first one that moves and pays alike."""
        first: dict[Any, int] = {}
        return [first.setdefault(arm.key, i) for i, arm in enumerate(self.arms)]

    @cached_property
    def _tables(self) -> tuple[list[Array], list[Array], list[Array]]:
        """Per arm: Gittins indices (L,), the same falling (L,), and E[delta^tau] (L, L + 1)."""
        found: dict[int, tuple[Array, Array, Array]] = {}
        for L in set(self.shape):
            kinds = sorted({kind for kind in self.kinds if self.shape[kind] == L})
            transition, reward = (np.stack([getattr(self.arms[i], x) for i in kinds]) for x in ("matrix", "r"))
            made = index_tables(transition, reward, self.delta)
            found |= {i: (made.indices[k], made.levels[k], made.stay[k]) for k, i in enumerate(kinds)}
        rows = [found[kind] for kind in self.kinds]
        return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]

    @property
    def gittins(self) -> list[Array]:
        """Gittins indices of every arm's states, without weights, (L_i,) each, money."""
        return self._tables[0]

    @cached_property
    def indices(self) -> list[Array]:
        """Virtual indices w_i G_i + b_i, (L_i,) each, money; -inf for arms that are left out."""
        return [self._virtual(i, G) for i, G in enumerate(self._tables[0])]

    def _virtual(self, i: int, levels: Array) -> Array:
        w, b = float(self.arms[i].scale), float(self.arms[i].shift)
        return w * levels + b if w > 0 else np.full(len(levels), -np.inf)

    @cached_property
    def bandit(self) -> Bandit:
        """The bandit by its step functions."""
        return Bandit(stacked([self._virtual(i, x) for i, x in enumerate(self._tables[1])], -np.inf), self.delta)

    def at(self, states: Any) -> Worth:
        """Worths at a joint state, one position per arm."""
        return self.bandit.at(stacked([stay[k] for stay, k in zip(self._tables[2], states, strict=True)]))

    @cached_property
    def at_start(self) -> Worth:
        """Worths at the law of the first states."""
        laws = [np.array([float(p) for p in arm.law]) for arm in self.arms]
        return self.bandit.at(stacked([law @ stay for law, stay in zip(laws, self._tables[2], strict=True)]))

    def size(self, method: str = "largest-remaining") -> Size:
        """Size of the programs a method solves, before they are built; the elimination needs none."""
        if method == "joint":
            P, n = min(self.joint_states, 10**30), len(self.arms)
            entries = max(max(map(len, arm.rows)) for arm in self.arms)
            return Size(P * (n + 1), P, P * (n * (1 + entries) + 1))
        if method == "restart":
            sizes = [self.shape[i] for i in set(self.kinds)]
            counts = [sum(len(row) for row in self.arms[i].rows) for i in set(self.kinds)]
            widest = [max(map(len, self.arms[i].rows)) for i in set(self.kinds)]
            nonzeros = sum(L * (e + L) + L * L * (m + 1) for L, e, m in zip(sizes, counts, widest, strict=True))
            return Size(2 * sum(L * L for L in sizes), sum(L * L for L in sizes), nonzeros)
        return Size(0, 0, 0)

    def require_fits(self, method: str) -> None:
        """Raise InputError, saying how large the method's program would be, when it would not fit in memory."""
        size = self.size(method)
        if not size.fits:
            told = f"{self.joint_states:,}" if self.joint_states < TOLD else "more than 10^15"
            got = f"{told} joint states: {size}" if method == "joint" else str(size)
            expected = f"a program that fits in the {human(available())} of memory that are free"
            raise fail("arms", expected, got, 'the method "largest-remaining" needs no program')

    def words(self) -> str:
        """The problem and its program in words."""
        told = f"{self.joint_states:,}" if self.joint_states < TOLD else f"10^{sum(map(math.log10, self.shape)):.0f}"
        agents = sum(arm.report is not None for arm in self.arms)
        rows = (__doc__ or "").partition("Bellman's program:\n\n")[2].partition("\n\nIts dual")[0]
        arms = f"{len(self.arms)} arm{'s' if len(self.arms) > 1 else ''}"
        return (
            f"Serve at most one of {arms} with {min(self.shape)} to {max(self.shape)} states per period (discount "
            f"{plain(self.discount)}; {agents} of the agents reported an initial signal); an arm moves only when it is "
            f"pulled. Find the allocation with the largest discounted virtual welfare, and the payments that make it "
            f"incentive compatible, from one index per arm and state ({told} joint states, none of which is listed):"
            f"\n\n{rows}"
        )

    def restart(self, arm: int) -> Program:
        """The program of one arm's Gittins indices (solvers/gittins_program.py), without weights."""
        return restart_program(self.arms[arm].matrix, self.arms[arm].r, self.delta)

    def restart_dual(self, arm: int) -> Program:
        """Its dual."""
        return restart_dual(self.arms[arm].matrix, self.arms[arm].r, self.delta)

    @cached_property
    def joint_start(self) -> Array:
        """mu(x), the law of the joint state at the first pull, (L_1, ..., L_n)."""
        made = np.ones(())
        for arm in self.arms:
            made = np.multiply.outer(made, np.array([float(p) for p in arm.law]))
        return made

    def _moved(self, i: int) -> Any:
        """The sparse joint kernel of pulling arm i, joint states by joint states."""
        import scipy.sparse as sp

        made: Any = sp.identity(1, format="csr")
        for j, arm in enumerate(self.arms):
            made = sp.kron(made, sp.csr_array(arm.matrix) if j == i else sp.identity(len(arm.rewards)), format="csr")
        return made

    def _flow(self, i: int) -> Array:
        """f_i by joint state."""
        own = float(self.arms[i].scale) * self.arms[i].r + float(self.arms[i].shift)
        shape = [len(own) if j == i else 1 for j in range(len(self.arms))]
        return np.asarray(np.broadcast_to(own.reshape(shape), self.shape).ravel())

    @property
    def _served(self) -> list[int]:
        return [i for i, arm in enumerate(self.arms) if arm.scale > 0]

    def primal(self) -> Program:
        """Bellman's program over joint states."""
        self.require_fits("joint")
        W = cp.Variable(self.joint_states, name="W")
        rows: dict[str, Any] = {
            f"pull_{i + 1}": self._flow(i) + self.delta * (self._moved(i) @ W) <= W for i in self._served
        }
        return Program(cp.Minimize(self.joint_start.ravel() @ W), {**rows, "rest": W >= 0})

    def dual(self) -> Program:
        """The discounted times in joint states; the multipliers of its rows are W."""
        self.require_fits("joint")
        rest = cp.Variable(self.joint_states, name="rest", nonneg=True)
        pull = {i: cp.Variable(self.joint_states, name=f"pull_{i + 1}", nonneg=True) for i in self._served}
        earned: Any = 0
        spent, arrived = rest, self.joint_start.ravel()
        for i, time in pull.items():
            earned = earned + self._flow(i) @ time
            spent, arrived = spent + time, arrived + self.delta * (self._moved(i).T @ time)
        return Program(cp.Maximize(earned), {"W": spent == arrived})
