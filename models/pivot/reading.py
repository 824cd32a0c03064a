"""The tables of an environment as its user wrote them, read into exact arrays: shapes, signs and sums checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from mechopt.models.inputs import fail, plain
from mechopt.models.outcome import Array
from mechopt.models.pivot.initial import Signal
from mechopt.models.pivot.tables import Exact, floats, number, probabilities, table

MOST_STATES = 2000


@dataclass(frozen=True)
class Data:
    """One agent in exact arrays; the axis of public states has length 1 where they make no difference.

    `P`: (actions, H or 1, K, K). `C`, `D`: (actions, H or 1, K). `mu`: (K,).
    """

    signal: Signal
    states: tuple[str, ...]
    mu: Exact
    P: Exact
    C: Exact
    D: Exact
    additive: bool

    @cached_property
    def start(self) -> Array:
        """Law of the state at t = 1, (K,)."""
        return floats(self.mu)

    @cached_property
    def kernel(self) -> Array:
        """P in floats."""
        return floats(self.P)

    @cached_property
    def scaled(self) -> Array:
        """C in floats: what is multiplied by the worth of the initial signal."""
        return floats(self.C)

    @cached_property
    def apart(self) -> Array:
        """D in floats: what is added to it."""
        return floats(self.D)

    @property
    def size(self) -> int:
        """K."""
        return len(self.states)


@dataclass(frozen=True)
class Reader:
    """Reads the tables of agents and costs, given the names of the actions and of the public states.

    Raises InputError naming the entry, and for kernels the agent, the action, the state and the sum.
    """

    actions: tuple[str, ...]
    public: tuple[str, ...]

    @property
    def A(self) -> int:
        """The number of actions."""
        return len(self.actions)

    @property
    def H(self) -> int:
        """The number of public states."""
        return len(self.public)

    def read(self, one: Any, field: str, number_: int) -> Data:
        """An agent as written, `field` being her place in the file."""
        states = names(f"{field}.states", one.states, "state", MOST_STATES)
        K = len(states)
        if one.start is None:
            mu = np.array([Fraction(int(k == 0)) for k in range(K)], dtype=object)
        else:
            row = table(f"{field}.start", one.start, [(("state", K),)])
            mu = probabilities(f"{field}.start", row, f"agent {number_}, the first state")
        P = self._kernels(f"{field}.kernels", one.kernels, states, number_)
        B = self.per_action(f"{field}.value", one.value, (("state", K),), Fraction(0))
        signal = Signal(one.initial, one.worth)
        if one.separation == "additive":
            C = self._exposure(f"{field}.exposure", one.exposure, B)
            C = np.broadcast_to(C[:, :, None], (*C.shape, K))
            return Data(signal, states, mu, P, C, B, True)
        if one.exposure is not None:
            raise fail(f"{field}.exposure", "no such field for multiplicative agents", "a table")
        _nonnegative(f"{field}.value", B, "value of a multiplicative agent")
        if float(one.worth(one.initial.low)) < 0:
            hint = "the lowest type must not lose by being served: use an additive agent or a higher offset"
            raise fail(f"{field}.worth", "A(s) of at least 0 on the support", float(one.worth(one.initial.low)), hint)
        return Data(signal, states, mu, P, B, np.full((1, 1, K), Fraction(0), dtype=object), False)

    def _exposure(self, field: str, content: Any, B: Exact) -> Exact:
        if content is None:
            return np.array([[Fraction(int(any(x != 0 for x in row))) for row in rows] for rows in B], dtype=object)
        made = self.per_action(field, content, (), Fraction(0))
        _nonnegative(field, made, "exposure")
        return made

    def _kernels(self, field: str, content: Any, states: tuple[str, ...], agent: int) -> Exact:
        K = len(states)
        stay = np.array([[Fraction(int(j == k)) for k in range(K)] for j in range(K)], dtype=object)
        square = (("state", K), ("state", K))
        if isinstance(content, list | tuple) and content and _levels(content) == 2:
            made = table(field, content, [square])[None, None]
        else:
            made = self.per_action(field, content, square, stay)
        P = made.copy()
        for a, h, k in np.ndindex(P.shape[:3]):
            action = f"action {self.actions[a]!r}" if P.shape[0] > 1 or self.A == 1 else "every action"
            where = f", public state {self.public[h]!r}" if P.shape[1] > 1 else ""
            what = f"agent {agent}, {action}{where}, state {states[k]!r}"
            at = "".join(f"[{x}]" for x, size in zip((a, h), P.shape[:2], strict=True) if size > 1) + f"[{k}]"
            P[a, h, k] = probabilities(field + at, P[a, h, k], what)
        return np.broadcast_to(P, (self.A, *P.shape[1:]))

    def per_action(self, field: str, content: Any, inner: tuple[tuple[str, int], ...], missing: Any) -> Exact:
        """(actions, H or 1, *inner) from a list per action, with public states between or not, or a table by name."""
        options = [inner, (("public state", self.H), *inner)]
        if isinstance(content, Mapping):
            for name in content:
                if name not in self.actions:
                    raise fail(f"{field}.{name}", f"one of the actions {', '.join(self.actions)}", repr(name))
            rows = []
            for name in self.actions:
                read = table(f"{field}.{name}", content[name], options) if name in content else None
                rows.append(read)
            deep = any(row is not None and row.ndim > len(inner) for row in rows)
            shape = (self.H if deep else 1, *(size for _, size in inner))
            full = [np.broadcast_to(np.asarray(missing, dtype=object) if r is None else
                                    r if r.ndim > len(inner) else r[None], shape) for r in rows]  # fmt: skip
            return np.stack(full)
        axes: list[tuple[tuple[str, int], ...]] = [(("action", self.A), *option) for option in options]
        made = table(field, content, axes)
        return made if made.ndim == 2 + len(inner) else made[:, None]


def _levels(content: Any) -> int:
    return 1 + _levels(content[0]) if isinstance(content, list | tuple) and content else 0


def _nonnegative(field: str, made: Exact, what: str) -> None:
    for at in np.ndindex(made.shape):
        if made[at] < 0:
            place = "".join(f"[{k}]" for k, size in zip(at, made.shape, strict=True) if size > 1)
            raise fail(f"{field}{place}", f"a {what} of at least 0", made[at])


def names(field: str, content: Any, what: str, most: int) -> tuple[str, ...]:
    """Names from a list of them, or from a count."""
    if isinstance(content, int) and not isinstance(content, bool):
        names = [str(k) for k in range(content)]
    elif isinstance(content, list | tuple):
        names = [name if isinstance(name, str) else str(plain(number(field, name))) for name in content]
    else:
        raise fail(field, f"a count, or a list with the name of every {what}", repr(content))
    if not 1 <= len(names) <= most:
        raise fail(field, f"from 1 to {most:,}", f"{len(names):,}")
    for k, name in enumerate(names):
        if name in names[:k]:
            raise fail(f"{field}[{k}]", "names that differ", repr(name))
    return tuple(names)


def grid(field: str, content: Any, A: int, H: int) -> list[list[Any]]:
    """Entries by action and public state, (A, H); one entry for all public states is repeated."""
    if not isinstance(content, list | tuple) or len(content) != A:
        raise fail(field, f"a list with one entry per action ({A})", repr(content))
    rows = [[row] * H if not isinstance(row, list | tuple) else list(row) for row in content]
    for a, row in enumerate(rows):
        if len(row) != H:
            raise fail(f"{field}[{a}]", f"{H} entries, one per public state", f"{len(row)}")
    return rows


def place(field: str, content: Any, names: tuple[str, ...]) -> int:
    """The position of a public state given by position or name."""
    if isinstance(content, int) and not isinstance(content, bool) and 0 <= content < len(names):
        return content
    if isinstance(content, str) and content in names:
        return names.index(content)
    raise fail(field, f"a public state: a position from 0 to {len(names) - 1} or a name", repr(content))
