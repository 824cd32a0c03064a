"""Every Bayesian incentive compatible dynamic mechanism of a finite environment, as one linear program.

Agent i knows s_0 of K types at t = 0 and learns a signal k_t of L at t = 1..T. She reports r_t every time, knows her
own reports and the actions, and may lie at any time in any way. The mechanism draws the action a_t given all reports
and earlier actions. R_t is the history of all agents' reports, r^t agent i's own. In sequence form:

    x_t(R_t, a^t)     chance that the mechanism draws a_1..a_t, given the reports        (sum over a_t = x_{t-1})
    x^i_t(r^t, a^t)   the same in agent i's eyes: times the chance of the others' truthful reports
    y^i_t(r^t, a^{t-1})   what i pays at t, times the chance of getting there
    z^i_t(s_0, k; r^{t-1}, a^{t-1})   the most i can get from t on given s_0 and k, times that chance

    max   E[payments - costs]
    s.t.  z_t(s_0, k; r^{t-1}, a^{t-1}) >= sum_a x_t(r^t, a^t) v_t(a, s_0, k) - y_t(r^t, a^{t-1})
              + delta sum_{a, k'} P(k' | a, k) z_{t+1}(s_0, k'; r^t, a^t)         for every report r_t      [continue_i]
          U_i(s_0) >= delta sum_k mu(k | s_0) z_1(s_0, k; r_0) - y_0(r_0)         for every report r_0      [truth_i]
          U_i(s_0) >= 0                                                                                     [join_i]
          sum over a_t of x_t(R_t, a^t) = x_{t-1}(R_{t-1}, a^{t-1}),   x >= 0                               [chance_t]

with U_i(s_0) what truth earns. By the revelation principle this is every mechanism. The relaxed environment, in which
signals after t = 0 are public, keeps join and chance, and lies about s_0 alone:

          U_i(s_0) >= what the report r_0 earns when all later signals are known to the mechanism           [truth_i]

Sources: S. Kakade, I. Lobel, H. Nazerzadeh (2011), Sections 2 to 4 and 7; R. Myerson, Multistage games with
communication (1986); sequence form: B. von Stengel (1996).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from mechopt.models.inputs import fail
from mechopt.models.outcome import Array
from mechopt.models.pivot.general_sequences import Sequences
from mechopt.solvers.memory import Size, available, human
from mechopt.solvers.program import Program

SUM = 1e-9


@dataclass(frozen=True)
class Party:
    """One agent: `chance` of her types, (K,); `start`, the law of the first signal by type, (K, L); `kernel`, the law
    of the next signal by action and signal, (A, L, L); `value` by period, action, type and signal, (T, A, K, L), money.
    """

    chance: Array
    start: Array
    kernel: Array
    value: Array

    @property
    def K(self) -> int:
        """The number of types."""
        return len(self.chance)

    @property
    def L(self) -> int:
        """The number of signals."""
        return int(self.start.shape[1])


@dataclass(frozen=True)
class FiniteEnvironment:
    """A finite environment, separable or not: `discount` in (0, 1], `cost` of actions by period, (T, A), money.

    Raises InputError for shapes that do not fit and laws that do not sum to one.

    >>> from mechopt.solvers.highs import solve
    >>> one = Party(np.full(2, 0.5), np.full((2, 1), 1.0), np.ones((2, 1, 1)), np.array([[[[0], [0]], [[1], [2]]]]))
    >>> env = FiniteEnvironment(1.0, (one,), np.zeros((1, 2)))
    >>> assert abs(solve(env.primal()).value - 1) < 1e-9 and abs(solve(env.relaxed()).value - 1) < 1e-9
    """

    discount: float
    parties: tuple[Party, ...]
    cost: Array

    def __post_init__(self) -> None:
        if not 0 < self.discount <= 1:
            raise fail("discount", "a number above 0 and at most 1", self.discount)
        T, A = self.cost.shape
        for i, one in enumerate(self.parties):
            shapes = {"start": (one.K, one.L), "kernel": (A, one.L, one.L), "value": (T, A, one.K, one.L)}
            for name, shape in shapes.items():
                if (found := getattr(one, name)).shape != shape:
                    raise fail(f"parties[{i}].{name}", f"the shape {shape}", f"{found.shape}")
            for name in ("chance", "start", "kernel"):
                law = getattr(one, name)
                if law.min() < 0 or np.abs(law.sum(axis=-1) - 1).max() > SUM:
                    raise fail(f"parties[{i}].{name}", "probabilities that sum to 1", f"{law.sum(axis=-1).tolist()}")
            if not np.isfinite(one.value).all():
                raise fail(f"parties[{i}].value", "finite numbers", "others")

    @property
    def T(self) -> int:
        """The number of periods after t = 0."""
        return int(self.cost.shape[0])

    @property
    def A(self) -> int:
        """The number of actions."""
        return int(self.cost.shape[1])

    def histories(self, i: int, t: int) -> int:
        """How many histories of reports agent i has after period t."""
        return int(self.parties[i].K * self.parties[i].L ** t)

    def size(self) -> Size:
        """Rows, columns and nonzeros of the program, before it is built."""
        rows = columns = nonzeros = 0
        for t in range(1, self.T + 1):
            profiles = math.prod(self.histories(i, t) for i in range(len(self.parties)))
            columns += profiles * self.A**t
            rows, nonzeros = rows + profiles * self.A ** (t - 1), nonzeros + 3 * profiles * self.A**t
            for i, one in enumerate(self.parties):
                lies = one.K * one.L * self.histories(i, t) * self.A ** (t - 1)
                others = profiles // self.histories(i, t)
                rows, columns = rows + lies, columns + lies // one.L + self.histories(i, t) * self.A ** (t - 1)
                nonzeros += lies * (2 + self.A * (others + (one.L if t < self.T else 0)))
        rows += sum(one.K * (one.K + 1) for one in self.parties)
        return Size(rows, columns, nonzeros)

    def require_fits(self) -> None:
        """Raise InputError, saying how large the program would be, when it would not fit in memory."""
        if not (size := self.size()).fits:
            raise fail("parties", f"a program that fits in the {human(available())} of memory that are free", str(size))

    @cached_property
    def sequences(self) -> Sequences:
        """Index arithmetic of report and action histories."""
        return Sequences(self)

    def primal(self) -> Program:
        """The best Bayesian incentive compatible dynamic mechanism."""
        self.require_fits()
        common = _Common(self)
        rows, delta = dict(common.rows), self.discount
        for i, one in enumerate(self.parties):
            later: Any = None
            for t in range(self.T, 0, -1):
                shape = (one.K * one.L, self.histories(i, t - 1) * self.A ** (t - 1))
                z = cp.Variable(shape[0] * shape[1], name=f"z_{i + 1}_{t}")
                lie = self.sequences.lies(i, t)
                best = lie.value @ common.seen(i, t) - lie.paid @ common.y[i][t]
                if later is not None:
                    best = best + delta * (lie.next @ later)
                rows[f"continue_{i + 1}_{t}"] = lie.now @ z >= best
                later = z
            first = sp.csr_array(np.kron(_blocks(one.start), np.eye(one.K)))  # (s_0, r_0) by (s_0, k, r_0)
            told = sp.csr_array(np.kron(np.ones((one.K, 1)), np.eye(one.K)))
            truth = sp.csr_array(np.kron(np.eye(one.K), np.ones((one.K, 1)))) @ common.U[i]
            rows[f"truth_{i + 1}"] = truth >= delta * (first @ later) - told @ common.y[i][0]
        return Program(cp.Maximize(common.profit), rows)

    def relaxed(self) -> Program:
        """The same where signals after t = 0 are public: an upper bound."""
        self.require_fits()
        common = _Common(self)
        rows = dict(common.rows)
        for i, one in enumerate(self.parties):
            truth = sp.csr_array(np.kron(np.eye(one.K), np.ones((one.K, 1)))) @ common.U[i]
            rows[f"truth_{i + 1}"] = truth >= common.earned[i]
        return Program(cp.Maximize(common.profit), rows)


def _blocks(start: Array) -> Array:
    """mu(k | s_0) as a matrix from (s_0, k) to s_0, (K, K L)."""
    K, L = start.shape
    made = np.zeros((K, K * L))
    for s in range(K):
        made[s, s * L : (s + 1) * L] = start[s]
    return made


class _Common:
    """What both programs share: variables, what reports earn when later signals are public, profit, chances."""

    def __init__(self, env: FiniteEnvironment) -> None:
        self.env, seq = env, env.sequences
        agents, periods = range(len(env.parties)), range(1, env.T + 1)
        self.x = {t: cp.Variable(seq.profiles(t) * env.A**t, name=f"x_{t}", nonneg=True) for t in periods}
        self.y = [
            [cp.Variable(one.K, name=f"y_{i + 1}_0")]
            + [cp.Variable(env.histories(i, t) * env.A ** (t - 1), name=f"y_{i + 1}_{t}") for t in periods]
            for i, one in enumerate(env.parties)
        ]
        self.rows: dict[str, Any] = {}
        for t in periods:
            before = seq.earlier(t) @ self.x[t - 1] if t > 1 else np.ones(seq.profiles(1))
            self.rows[f"chance_{t}"] = seq.drawn(t) @ self.x[t] == before
        self.earned: list[Any] = []  # by (true s_0, reported r_0), later reports true
        self.U: list[Any] = []
        profit: Any = -sum(env.discount**t * (seq.costs(t) @ self.x[t]) for t in periods)
        for i in agents:
            one = env.parties[i]
            told = sp.csr_array(np.kron(np.ones((one.K, 1)), np.eye(one.K)))
            value: Any = 0
            paid: Any = told @ self.y[i][0]
            for t in periods:
                public = seq.public(i, t)
                value = value + env.discount**t * (public.value @ self.seen(i, t))
                paid = paid + env.discount**t * (public.paid @ self.y[i][t])
            honest = sp.csr_array(np.eye(one.K * one.K)[:: one.K + 1])  # rows where r_0 = s_0
            self.earned.append(value - paid)
            self.U.append(honest @ (value - paid))
            self.rows[f"join_{i + 1}"] = self.U[i] >= 0
            profit = profit + one.chance @ (honest @ paid)
        self.profit = profit

    def seen(self, i: int, t: int) -> Any:
        """x^i_t: the mechanism in the eyes of agent i."""
        return self.x[t] if len(self.env.parties) == 1 else self.env.sequences.seen(i, t) @ self.x[t]
