"""A solved design as labelled arrays, and its mechanism as a function of the bidders' values."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.composition.continuum import Bracket
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

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I, J) and payment (..., I) at values (..., I, J), or (..., J) for one buyer.

        One buyer picks what is best for her from the menu of all types, or nothing; several must have types of the
        environment. For one good the last axis may be left out. Raises ValueError for other shapes and values.
        """
        environment = self.model.environment
        B, J = environment.count, environment.goods
        v = np.asarray(values, dtype=float)
        shape = v.shape
        if B == 1:
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
class Linear:
    """A piecewise-linear mechanism of one good for all values of the box.

    `nodes`: per bidder increasing, money. `chance`, `utility`: per bidder and corner, (I, C): place 2k + e of a bidder
    is end e of her cell k, the last bidder's place moving fastest.
    """

    nodes: tuple[Array, ...]
    chance: Array
    utility: Array

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation and payment, (N, I) each, at values (N, I). Raises ValueError outside the box."""
        bidders = range(len(self.nodes))
        shape = [2 * (len(own) - 1) for own in self.nodes]
        cell, share = np.zeros(values.shape, dtype=np.int64), np.zeros(values.shape)
        for i, own in enumerate(self.nodes):
            v, slip = values[:, i], 1e-9 * max(1.0, own[-1])
            if (v < own[0] - slip).any() or (v > own[-1] + slip).any():
                raise ValueError(f"expected values of bidder {i + 1} in the box of the environment")
            cell[:, i] = np.clip(np.searchsorted(own, v, side="right") - 1, 0, len(own) - 2)
            share[:, i] = np.clip((v - own[cell[:, i]]) / np.diff(own)[cell[:, i]], 0.0, 1.0)
        q, m = np.zeros(values.shape), np.zeros(values.shape)
        for i in bidders:
            width = np.diff(self.nodes[i])[cell[:, i]]
            for others in itertools.product((0, 1), repeat=len(self.nodes) - 1):
                ends = [*others[:i], 0, *others[i:]]
                weight = np.prod([share[:, k] if ends[k] else 1 - share[:, k] for k in bidders if k != i], axis=0)
                at = [2 * cell[:, k] + ends[k] for k in bidders]
                low = np.ravel_multi_index(at, shape)
                at[i] = at[i] + 1
                high, t = np.ravel_multi_index(at, shape), share[:, i]
                start, rise = self.chance[i, low], self.chance[i, high] - self.chance[i, low]
                chance, utility = start + t * rise, self.utility[i, low] + width * (t * start + t**2 * rise / 2)
                q[:, i] += weight * chance
                m[:, i] += weight * (values[:, i] * chance - utility)
        return q, m


@dataclass(frozen=True)
class Apart:
    """Mechanisms for all values of the box, one per good."""

    rules: tuple[Linear, ...]

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., I, J) and payment (..., I) at values (..., I, J); for one buyer (..., J) and (...).

        For one good the last axis may be left out. Raises ValueError for other shapes, and values outside the box.
        """
        bidders, goods = len(self.rules[0].nodes), len(self.rules)
        v = np.asarray(values, dtype=float)
        full = v[..., None, :] if bidders == 1 and v.shape[-2:] != (1, goods) else v
        if goods == 1 and full.shape[-1] == bidders and full.shape[-2:] != (bidders, 1):
            full = full[..., None]
        if full.shape[-2:] != (bidders, goods):
            raise ValueError(f"expected values (..., {bidders}, {goods}), got {v.shape}")
        found = [rule(full[..., j].reshape(-1, bidders)) for j, rule in enumerate(self.rules)]
        q = np.stack([chance for chance, _ in found], axis=-1).reshape(full.shape)
        m = np.sum([paid for _, paid in found], axis=0).reshape(full.shape[:-1])
        return q.reshape(v.shape), m[..., 0] if bidders == 1 and full.ndim > v.ndim else m


def continuum_arrays(model: Design, bracket: Bracket | None) -> dict[str, Labelled]:
    """The mechanisms for all values of the box, by good, bidder and corner of a product of cells."""
    found: dict[str, Labelled] = {}
    bidders = [f"bidder {i + 1}" for i in range(model.environment.count)]
    for j, rule in enumerate(bracket.rules if bracket else (), 1):
        for i, own in enumerate(rule.nodes, 1):
            nodes = np.array([float(x) for x in own])
            found[f"nodes_{j}_{i}"] = Labelled(nodes, (f"node_{j}_{i}",), {}, "bound")
        for name, column in (("chance", rule.q), ("utility", rule.u)):
            table = np.array([nearest(v) for v in column]).reshape(len(bidders), -1)
            found[f"{name}_{j}"] = Labelled(table, ("bidder", f"corner_{j}"), {"bidder": bidders}, "bound")
    return found


def linear_rules(model: Design, arrays: Mapping[str, Labelled]) -> Apart | None:
    """The mechanism for all values of the box, from its arrays; None where there is none."""
    if "chance_1" not in arrays:
        return None
    return Apart(tuple(
        Linear(tuple(arrays[f"nodes_{j}_{i}"].values for i in range(1, model.environment.count + 1)),
               arrays[f"chance_{j}"].values, arrays[f"utility_{j}"].values)
        for j in range(1, model.environment.goods + 1)
    ))  # fmt: skip


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
