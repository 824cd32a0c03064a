"""A solved design as labelled arrays, and its mechanism as a function of the bidders' values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.composition.continuum import Inner
from mechopt.models.composition.criteria import laid_out
from mechopt.models.composition.engine import split
from mechopt.models.composition.environment import Environment
from mechopt.models.composition.nature import Nature
from mechopt.models.composition.rows import Composition
from mechopt.models.outcome import Array, Labelled
from mechopt.solvers.rational import nearest

if TYPE_CHECKING:
    from mechopt.models.design import Design


@dataclass(frozen=True)
class Tables:
    """The mechanism of a design: tables over profiles of types; a single buyer may have any values."""

    model: Design
    allocation: Array  # (I, P, J)
    payment: Array  # (I, P), money
    between: bool = False  # whether the tables are a step rule, for all values of the box

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I, J) and payment (..., I) at values (..., I, J), or (..., J) for one buyer.

        A step rule takes any values of the box. Else one buyer picks what is best for her from the menu of all types,
        or nothing, and several must have types of the environment. For one good the last axis may be left out. Raises
        ValueError for other shapes and values.
        """
        environment = self.model.environment
        B, J = environment.count, environment.goods
        v = np.asarray(values, dtype=float)
        shape = v.shape
        if B == 1 and not self.between:
            if v.shape[-1] != J:
                raise ValueError(f"expected values (..., {J}), got {v.shape}")
            return self._menu(v)
        if J == 1 and v.shape[-1] == B and v.shape[-2:] != (B, 1):
            v = v[..., None]
        if v.shape[-2:] != (B, J):
            raise ValueError(f"expected values (..., {B}, {J}), got {v.shape}")
        flat = v.reshape(-1, B, J)
        at = np.zeros(len(flat), dtype=np.int64)
        for i in range(B):
            types = np.array([[float(x) for x in t] for t in environment.exact[i]])
            if self.between:  # a value in (g_{k-1}, g_k] counts as k
                k = np.searchsorted(types[:, 0], flat[:, i, 0] - 1e-12 * types[-1, 0])
                if k.max(initial=0) == len(types) or (flat[:, i, 0] < types[0, 0] - 1e-9).any():
                    raise ValueError(f"expected values of bidder {i + 1} in the box of the environment")
                at += k * int(environment.strides[i])
                continue
            far = np.abs(flat[:, i, None, :] - types).max(axis=2)
            if far.min(axis=1).max(initial=0.0) > 1e-9 * max(1.0, float(np.abs(types).max())):
                raise ValueError(f"expected types of bidder {i + 1}, got values between them")
            at += far.argmin(axis=1) * int(environment.strides[i])
        q, m = self.allocation[:, at].transpose(1, 0, 2), self.payment[:, at].T
        return q.reshape(shape), m.reshape(v.shape[:-1])

    def _menu(self, v: Array) -> tuple[Array, Array]:
        q = np.vstack([self.allocation[0], np.zeros((1, v.shape[-1]))])
        m = np.append(self.payment[0], 0.0)
        gain = v.reshape(-1, v.shape[-1]) @ q.T - m
        cost = np.array([float(c) for c in self.model.environment.cost])
        best = gain.max(axis=1, keepdims=True)
        seller = np.where(
            gain >= best - 1e-9 * np.maximum(1.0, np.abs(best)), m - q @ cost, -np.inf
        )  # ties: to the seller
        choice = seller.argmax(axis=1)
        return q[choice].reshape(v.shape), m[choice].reshape(v.shape[:-1])


@dataclass(frozen=True)
class Apart:
    """Step rules for all values of the box, one per good."""

    rules: tuple[Tables, ...]

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I, J) and payment (..., I) at values (..., I, J); for one buyer (..., J) and (...).

        For one good the last axis may be left out. Raises ValueError for other shapes, and values outside the box.
        """
        bidders, goods = self.rules[0].model.environment.count, len(self.rules)
        v = np.asarray(values, dtype=float)
        full = v[..., None, :] if bidders == 1 and v.shape[-2:] != (1, goods) else v
        if goods == 1 and full.shape[-1] == bidders and full.shape[-2:] != (bidders, 1):
            full = full[..., None]
        if full.shape[-2:] != (bidders, goods):
            raise ValueError(f"expected values (..., {bidders}, {goods}), got {v.shape}")
        found = [rule(full[..., j : j + 1]) for j, rule in enumerate(self.rules)]
        q = np.concatenate([chance for chance, _ in found], axis=-1)
        m = np.sum([paid for _, paid in found], axis=0)
        return q.reshape(v.shape), m[..., 0] if bidders == 1 and full.ndim > v.ndim else m


def step_arrays(model: Design, rules: Sequence[Inner] | None) -> dict[str, Labelled]:
    """The step rules for all values of the box, by good and cell, where there are any."""
    found: dict[str, Labelled] = {}
    bidders = [f"bidder {i + 1}" for i in range(model.environment.count)]
    for j, rule in enumerate(rules or (), 1):
        for name, column in (("allocation", rule.q), ("payment", rule.m)):
            table = np.array([nearest(v) for v in column]).reshape(len(bidders), -1)
            found[f"step_{name}_{j}"] = Labelled(table, ("bidder", f"cell_{j}"), {"bidder": bidders}, "bound")
    return found


def mechanism_arrays(model: Design, x: Array) -> dict[str, Labelled]:
    """Types, allocation and payment of a point, whose first columns they are."""
    environment = model.environment
    bidders = [f"bidder {i + 1}" for i in range(environment.count)]
    coords = {"bidder": bidders, "good": [f"good {j + 1}" for j in range(environment.goods)]}
    q, m = split(model, x)
    return {
        "values": Labelled(environment.values, ("bidder", "profile", "good"), coords, "types"),
        "allocation": Labelled(q, ("bidder", "profile", "good"), coords, "mechanism"),
        "payment": Labelled(m, ("bidder", "profile"), {"bidder": bidders}, "mechanism"),
    }


def arrays_of(model: Design, composition: Composition, primal: Any, dual: Any) -> dict[str, Labelled]:
    """Mechanism, worst case and multipliers, by name."""
    environment = model.environment
    x, y = np.asarray(primal, dtype=float), np.asarray(dual, dtype=float)
    found = mechanism_arrays(model, x)
    for variable in composition.variables:
        if variable.name not in ("q", "m"):
            start = composition.offsets[variable.name]
            found[variable.name] = Labelled(
                x[start : start + variable.size], (f"{variable.name}_row",), {}, "mechanism"
            )
    at = 0
    duals: dict[str, list[tuple[Any, Array]]] = {}
    for family in composition.families:
        duals.setdefault(family.name, []).append((family, y[at : at + len(family)]))
        at += len(family)
    for name, parts in duals.items():
        row = f"{name}_row"
        values = np.concatenate([column for _, column in parts])
        labels = {f"{name}_{k}": (row, np.concatenate([np.asarray(f.labels[k]) for f, _ in parts]))
                  for k in parts[0][0].labels}  # fmt: skip
        found[name] = Labelled(np.asarray(values), (row,), labels, "dual")
    nature = laid_out(model.criterion, environment)
    found["worst_case"] = Labelled(mass_of(environment, nature, found["alpha"].values), ("profile",), {}, "worst_case")
    return found


def mass_of(environment: Environment, nature: Nature, alpha: Array) -> Array:
    """Nature's distribution over profiles, (P,), from the weights of her atoms."""
    mass = np.asarray(nature.mass.matrix((environment.profiles, nature.atoms)) @ alpha)
    total = mass.sum()
    return np.asarray(mass / total if total > 0 else mass)
