"""Separable dynamic environments: what agents know, how their signals move, what they are worth, what actions cost.

Periods t = 1, 2, ... are discounted by delta^t; payments may also be made at t = 0. Before t = 1, agent i learns her
initial signal s_0 (models/pivot/initial.py). At every t >= 1 she has a private state k, a finite Markov chain that
starts from the law mu and moves by the kernel P(k' | a, h, k) of the action a and the public state h. Her value is

    multiplicative:   A(s_0) C(a, h, k)              additive:   A(s_0) C(a, h) + D(a, h, k),       C >= 0.

The public state starts at `start` and moves by next(a, h); only feasible actions may be taken, at cost(a, h).

Source: S. Kakade, I. Lobel, H. Nazerzadeh, Optimal dynamic mechanism design and the virtual-pivot mechanism (2011),
Sections 2.1 and 4, with finitely many signals and actions.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import WithJsonSchema

from mechopt.models.inputs import Count, Number, checked, fail, plain
from mechopt.models.outcome import Array
from mechopt.models.pivot.initial import Initial, Worth
from mechopt.models.pivot.reading import MOST_STATES, Data, Reader
from mechopt.models.pivot.reading import grid as read_grid
from mechopt.models.pivot.reading import names as read_names
from mechopt.models.pivot.reading import place as read_place
from mechopt.models.pivot.tables import Exact, Nested, floats, lists

Names = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "minItems": 1}]})]
PerAction = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "array"}, {"type": "object"}]})]
MOST_AGENTS, MOST_ACTIONS = 1000, 2000


@checked
class Public:
    """The part of the state everyone sees: a clock, a stock, service counts.

    `states`: names or a count H. `next`: the next public state by action and state, (actions, H), as positions or
    names. `feasible`: whether an action may be taken, (actions, H), true or false; all by default. `start`: position
    or name.
    """

    states: Names
    next: Nested
    feasible: Nested | None = None
    start: int | str = 0


@checked
class Agent:
    """One agent as written; shapes are checked by the environment, which knows the actions.

    `initial`: law of the initial signal (uniform on [0, 1] by default). `worth`: A(s) = offset + scale s^power.
    `separation`: "multiplicative" or "additive". `states`: names or a count K. `start`: law of the state at t = 1,
    (K,); the first state by default. `kernels`: transition matrices (K, K) per action, or per action and public state,
    or one matrix for all actions, or a table by the action's name (actions left out keep the state). `value`: C(a, k)
    of multiplicative agents or D(a, k) of additive ones, (actions, K), or with the public state between, or a table by
    the action's name (0 where left out). `exposure`: C(a) of additive agents, (actions,) or (actions, H); by default 1
    under actions with a value that is not 0.
    """

    initial: Initial = pydantic.Field(default_factory=Initial)
    separation: Literal["multiplicative", "additive"] = "multiplicative"
    worth: Worth = pydantic.Field(default_factory=Worth)
    states: Names
    start: Nested | None = None
    kernels: PerAction
    value: PerAction
    exposure: PerAction | None = None


@checked
class Environment:
    """A separable environment with finitely many actions and states.

    `discount`: strictly between 0 and 1. `agents`: see `Agent`. `actions`: names or a count. `cost`: (actions,) or
    (actions, H), money, zero by default. `horizon`: the last period; none by default. `public`: see `Public`.
    Raises InputError naming agent, action, state and sum where a kernel is not stochastic, and for wrong shapes.

    >>> env = Environment(discount="9/10", actions=["wait", "serve"], cost=[0, "1/2"], agents=[{
    ...     "states": ["low", "high"], "kernels": [["1/2", "1/2"], ["1/2", "1/2"]], "value": {"serve": [0, 1]}}])
    >>> assert env.data[0].P.shape == (2, 1, 2, 2) and env.joint_states == 2 and env.uncontrolled
    """

    discount: Number
    agents: tuple[Agent, ...]
    actions: Names
    cost: PerAction | None = None
    horizon: Count | None = None
    public: Public | None = None

    def __post_init__(self) -> None:
        if not 0 < self.discount < 1:
            raise fail("discount", "a number strictly between 0 and 1", self.discount, "write discount = 0.9")
        if not self.agents:
            raise fail("agents", "at least one agent", "none")
        if len(self.agents) > MOST_AGENTS:
            raise fail("agents", f"at most {MOST_AGENTS:,} agents", f"{len(self.agents):,}")
        _ = self.data, self.cost_table, self.next, self.feasible, self.public_start  # each checks what it reads
        for h in range(self.H):
            if not self.feasible[:, h].any():
                expected = f"at least one feasible action in every public state ({self.public_names[h]!r})"
                raise fail("public.feasible", expected, "none")
        for a, name in enumerate(self.action_names):
            if not self.feasible[a].any():
                hint = "leave the action out, or let it be feasible in some public state"
                raise fail(f"public.feasible[{a}]", f"some public state where {name!r} is feasible", "none", hint)

    @cached_property
    def action_names(self) -> tuple[str, ...]:
        """Names of the actions."""
        return read_names("actions", self.actions, "action", MOST_ACTIONS)

    @cached_property
    def public_names(self) -> tuple[str, ...]:
        """Names of the public states; one without a name where there are none."""
        return ("",) if self.public is None else read_names("public.states", self.public.states, "state", MOST_STATES)

    @property
    def n(self) -> int:
        """The number of agents."""
        return len(self.agents)

    @property
    def A(self) -> int:
        """The number of actions."""
        return len(self.action_names)

    @property
    def H(self) -> int:
        """The number of public states."""
        return len(self.public_names)

    @property
    def delta(self) -> float:
        """The discount factor as a float."""
        return float(self.discount)

    @property
    def shape(self) -> tuple[int, ...]:
        """K_1, ..., K_n: how many private states each agent has."""
        return tuple(one.size for one in self.data)

    @property
    def joint_states(self) -> int:
        """Public states times private states, times periods (and the end) where there is a horizon."""
        clock = 1 if self.horizon is None else self.horizon
        return self.H * clock * math.prod(self.shape) + (self.horizon is not None)

    @cached_property
    def cost_table(self) -> Exact:
        """Costs, (actions, H), money, exactly."""
        if self.cost is None:
            return np.full((self.A, self.H), Fraction(0), dtype=object)
        made = self._reader.per_action("cost", self.cost, (), Fraction(0))
        return np.broadcast_to(made, (self.A, self.H))

    @cached_property
    def costs(self) -> Array:
        """Costs in floats, (actions, H)."""
        return floats(self.cost_table)

    @cached_property
    def next(self) -> NDArray[np.int64]:
        """The next public state, (actions, H)."""
        if self.public is None:
            return np.zeros((self.A, 1), dtype=np.int64)
        rows = read_grid("public.next", self.public.next, self.A, self.H)
        return np.array(
            [[read_place(f"public.next[{a}][{h}]", x, self.public_names) for h, x in enumerate(row)]
             for a, row in enumerate(rows)], dtype=np.int64,
        )  # fmt: skip

    @cached_property
    def feasible(self) -> NDArray[np.bool_]:
        """Which actions may be taken, (actions, H)."""
        if self.public is None or self.public.feasible is None:
            return np.ones((self.A, self.H), dtype=bool)
        rows = read_grid("public.feasible", self.public.feasible, self.A, self.H)
        for a, row in enumerate(rows):
            for h, x in enumerate(row):
                if x not in (True, False):
                    raise fail(f"public.feasible[{a}][{h}]", "true or false", repr(x))
        return np.array(rows, dtype=bool)

    @cached_property
    def public_start(self) -> int:
        """The public state at t = 1."""
        return 0 if self.public is None else read_place("public.start", self.public.start, self.public_names)

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.action_names, self.public_names)

    @cached_property
    def data(self) -> tuple[Data, ...]:
        """The agents in exact arrays; agents that are written alike share theirs."""
        known: dict[str, Data] = {}
        keys = [repr(one) for one in self.agents]
        for i, (key, one) in enumerate(zip(keys, self.agents, strict=True)):
            if key not in known:
                known[key] = self._reader.read(one, f"agents[{i}]", i + 1)
        return tuple(known[key] for key in keys)

    @property
    def uncontrolled(self) -> bool:
        """Whether actions change neither private signals nor what is feasible, worth or costly later."""
        alike = all(bool((one.P[:1] == one.P).all()) and (one.P.shape[1] == 1 or self.autonomous) for one in self.data)
        return alike and self.autonomous

    @property
    def autonomous(self) -> bool:
        """Whether the public state moves the same way under every action that is feasible."""
        return all(len(set(self.next[self.feasible[:, h], h].tolist())) == 1 for h in range(self.H))

    @property
    def continuous(self) -> tuple[bool, ...]:
        """Which agents have a continuum of initial signals."""
        return tuple(one.signal.initial.continuous for one in self.data)

    def parameters(self) -> dict[str, Any]:
        """The instance as its file has it, every number in its shortest exact form."""
        found: dict[str, Any] = {"discount": plain(self.discount)}
        if self.horizon is not None:
            found["horizon"] = self.horizon
        found["actions"] = list(self.action_names)
        found["cost"] = lists(self.cost_table if self.H > 1 else self.cost_table[:, 0])
        if self.public is not None:
            found["public"] = {
                "states": list(self.public_names), "start": self.public_start, "next": self.next.tolist(),
                "feasible": self.feasible.tolist(),
            }  # fmt: skip
        found["agents"] = [self._written(one, data) for one, data in zip(self.agents, self.data, strict=True)]
        return found

    def _written(self, one: Agent, data: Data) -> dict[str, Any]:
        found = {
            "initial": one.initial.parameters(), "separation": one.separation, "worth": one.worth.parameters(),
            "states": list(data.states), "start": lists(data.mu), "kernels": _thin(data.P),
            "value": _thin(data.D if data.additive else data.C),
        }  # fmt: skip
        if data.additive:
            found["exposure"] = _thin(data.C[:, :, 0])
        return found


def _thin(made: Exact) -> Any:
    """Nested lists without the axis of public states where it has length 1."""
    return lists(made[:, 0] if made.shape[1] == 1 else made)
