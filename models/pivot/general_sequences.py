"""Histories of reports and actions in the general program: index arithmetic, chances, and sparse matrices.

Histories are numbers: r^t = (r^{t-1}, r_t) and a^t = (a^{t-1}, a_t), the latest entry moving fastest. Nothing here
optimises; models/pivot/general.py says what the matrices are for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from mechopt.models.outcome import Array

if TYPE_CHECKING:
    from mechopt.models.pivot.general import FiniteEnvironment


@dataclass(frozen=True)
class Lies:
    """Sparse matrices whose rows are (s_0, k, r^t, a^{t-1}): z_t itself, values, payments and the next z."""

    now: Any
    value: Any
    paid: Any
    next: Any = None


class Sequences:
    """Histories as numbers: r^t = (r^{t-1}, r_t) and a^t = (a^{t-1}, a_t), the latest moving fastest."""

    def __init__(self, env: FiniteEnvironment) -> None:
        self.env = env
        self._chances: dict[tuple[int, int], Array] = {}

    def profiles(self, t: int) -> int:
        """How many histories of all agents' reports there are."""
        return math.prod(self.env.histories(i, t) for i in range(len(self.env.parties)))

    def chance(self, i: int, t: int) -> Array:
        """P(k_1..k_t | s_0, a^{t-1}) by history and earlier actions, (K L^t, A^(t-1))."""
        if (i, t) not in self._chances:
            one = self.env.parties[i]
            if t == 1:
                made = one.start.reshape(-1, 1)
            else:
                before = self.chance(i, t - 1)  # (M, A^(t-2))
                last = np.arange(len(before)) % one.L
                step = one.kernel[:, last, :]  # (A, M, L)
                made = before[:, None, :, None] * step.transpose(1, 2, 0)[:, :, None, :]  # (M, L, A^(t-2), A)
                made = made.reshape(len(before) * one.L, -1)
            self._chances[i, t] = made
        return self._chances[i, t]

    def parts(self, t: int) -> tuple[Any, ...]:
        """Agent by agent, the own history in each profile of histories, (profiles,) each."""
        sizes = [self.env.histories(i, t) for i in range(len(self.env.parties))]
        return tuple(np.unravel_index(np.arange(math.prod(sizes)), sizes))

    def drawn(self, t: int) -> Any:
        """Sums over a_t, rows (R_t, a^{t-1})."""
        rows = self.profiles(t) * self.env.A ** (t - 1)
        return sp.kron(sp.identity(rows), np.ones((1, self.env.A)), format="csr")

    def earlier(self, t: int) -> Any:
        """Picks x_{t-1}(R_{t-1}, a^{t-1}) for each (R_t, a^{t-1})."""
        env, acts = self.env, self.env.A ** (t - 1)
        sizes = [env.histories(i, t - 1) for i in range(len(env.parties))]
        parts = tuple(part // one.L for part, one in zip(self.parts(t), env.parties, strict=True))
        where: Any = np.ravel_multi_index(parts, tuple(sizes))
        columns = (where[:, None] * acts + np.arange(acts)).ravel()
        return _picks(columns, math.prod(sizes) * acts)

    def weights(self, t: int, but: int | None) -> Array:
        """Chance of all truthful reports but one agent's, given earlier actions, (profiles, A^(t-1))."""
        made = np.ones((self.profiles(t), self.env.A ** (t - 1)))
        for j, (part, one) in enumerate(zip(self.parts(t), self.env.parties, strict=True)):
            if j != but:
                made = (
                    made
                    * (self.chance(j, t) * one.chance[np.arange(self.env.histories(j, t)) // one.L**t][:, None])[part]
                )
        return made

    def seen(self, i: int, t: int) -> Any:
        """From x_t to x^i_t."""
        acts = self.env.A**t
        own = self.parts(t)[i]
        weight = np.repeat(self.weights(t, i), self.env.A, axis=1)  # (profiles, A^t)
        rows = (own[:, None] * acts + np.arange(acts)).ravel()
        shape = (self.env.histories(i, t) * acts, weight.size)
        return sp.csr_array((weight.ravel(), (rows, np.arange(weight.size))), shape=shape)

    def costs(self, t: int) -> Array:
        """Expected cost at t by (R_t, a^t), as coefficients of x_t."""
        weight = self.weights(t, None)
        return np.asarray((weight[:, :, None] * self.env.cost[t - 1]).ravel())

    def public(self, i: int, t: int) -> Lies:
        """Rows (s_0, r_0): value and payment at t when only s_0 is misreported."""
        one, A = self.env.parties[i], self.env.A
        M, acts = self.env.histories(i, t), A ** (t - 1)
        s, h, b = (x.ravel() for x in np.indices((one.K, M, acts)))
        r, tail, k = h // one.L**t, h % one.L**t, h % one.L
        chance = self.chance(i, t)[s * one.L**t + tail, b]
        row = s * one.K + r
        paid = sp.csr_array((chance, (row, h * acts + b)), shape=(one.K**2, M * acts))
        rows, columns, entries = [], [], []
        for a in range(A):
            rows.append(row)
            columns.append((h * acts + b) * A + a)
            entries.append(chance * one.value[t - 1, a, s, k])
        value = _matrix(rows, columns, entries, (one.K**2, M * acts * A))
        return Lies(None, value, paid)

    def lies(self, i: int, t: int) -> Lies:
        """Rows (s_0, k, r^t, a^{t-1}): what reporting r_t earns from t on."""
        one, A, env = self.env.parties[i], self.env.A, self.env
        M, acts = env.histories(i, t), A ** (t - 1)
        s, k, h, b = (x.ravel() for x in np.indices((one.K, one.L, M, acts)))
        size = len(s)
        now = _picks(((s * one.L + k) * (M // one.L) + h // one.L) * acts + b, size // one.L)
        paid = _picks(h * acts + b, M * acts)
        rows, columns, entries, following = [], [], [], []
        for a in range(A):
            rows.append(np.arange(size))
            columns.append((h * acts + b) * A + a)
            entries.append(one.value[t - 1, a, s, k])
        value = _matrix(rows, columns, entries, (size, M * acts * A))
        if t == env.T:
            return Lies(now, value, paid)
        for a in range(A):
            for j in range(one.L):
                place = ((s * one.L + j) * M + h) * (acts * A) + b * A + a
                following.append((np.arange(size), place, one.kernel[a, k, j]))
        ours, places, chances = zip(*following, strict=True)
        return Lies(now, value, paid, _matrix(ours, places, chances, (size, one.K * one.L * M * acts * A)))


def _picks(columns: Any, width: int) -> Any:
    return sp.csr_array((np.ones(len(columns)), (np.arange(len(columns)), columns)), shape=(len(columns), width))


def _matrix(rows: Sequence[Any], columns: Sequence[Any], entries: Sequence[Any], shape: tuple[int, int]) -> Any:
    flat = [np.concatenate(list(x)) for x in (rows, columns, entries)]
    kept = flat[2] != 0
    return sp.csr_array((flat[2][kept], (flat[0][kept], flat[1][kept])), shape=shape)
