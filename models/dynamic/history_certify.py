"""A solved program over histories as a certificate: a mechanism made feasible, multipliers made valid, whole numbers.

The mechanism is what `account_program` returns with its allocation clipped and made monotone, scaled down where a
balance would not pay for it. The multipliers are beta_i after every history and eta_i, beta scaled down so that
E_b[beta] <= 1 and lifted where it is less than what it is made of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.dynamic.history import chances, counts, profiles
from mechopt.models.dynamic.history_accounts import neighbours, others_of
from mechopt.models.outcome import Array

if TYPE_CHECKING:
    from mechopt.models.dynamic.dynamic_auction import DynamicAuction

BITS = 48
SHRINK = 1e-13  # room for rounding beta up


def certify(model: DynamicAuction, primal: Mapping[str, Array], dual: Mapping[str, Array]) -> dict[str, Any]:
    """`allocation`, `xi`, `beta`, `eta`: per period and buyer, integers over 2^bits (xi: over 2^fine)."""
    scale = sum(max(abs(float(x)) for prior in row for x in prior.values) for row in model.periods)
    fine = max(1, 52 - math.ceil(math.log2(max(scale, 1e-300))))
    part: dict[str, Any] = {"bits": BITS, "fine": fine}
    part |= _mechanism(model, primal, fine)
    part |= _multipliers(model, dual)
    return part


def betas(model: DynamicAuction, dual: Mapping[str, Array]) -> list[list[Array]]:
    """beta_i(v_-i) after every history, per period and buyer, (N_t, others): the program's, over their chance."""
    found = []
    chance = np.ones(1)
    for t in range(model.horizon):
        row = []
        for i in range(model.buyers):
            index, many = others_of(model, t, i)
            own = model.periods[t][i].f[profiles(model, t)[:, i]]
            rest = np.zeros(many)
            rest[index] = chances(model, t) / own
            raw = np.reshape(dual[f"beta_{i + 1}_{t + 1}"], (len(chance), many))
            row.append(np.abs(raw) / np.outer(chance, rest))
        found.append(row)
        chance = np.outer(chance, chances(model, t)).ravel()
    return found


def _mechanism(model: DynamicAuction, primal: Mapping[str, Array], fine: int) -> dict[str, Any]:
    k, T, N = model.buyers, model.horizon, counts(model)
    x = {(t, i): np.clip(primal[f"x_{i + 1}_{t + 1}"], 0, 1) for t in range(T) for i in range(k)}
    xi = {(t, i): np.maximum(primal[f"xi_{i + 1}_{t + 1}"], 0) for t in range(T) for i in range(k)}
    before = [np.zeros(1)] * k
    for t in range(T):
        shape, f = model.shapes[t], [prior.f for prior in model.periods[t]]
        for i in range(k):
            table = np.maximum.accumulate(x[t, i].reshape(N[t], *shape), axis=i + 1)
            x[t, i] = table.ravel()
        total = np.maximum(np.sum([x[t, i] for i in range(k)], axis=0).max(initial=0.0), 1.0)
        after = []
        for i, prior in enumerate(model.periods[t]):
            table = np.moveaxis((x[t, i] / total).reshape(N[t], *shape), i + 1, -1)  # own type last
            rent = np.concatenate([np.zeros((*table.shape[:-1], 1)),
                                   np.cumsum(table[..., :-1] * np.diff(prior.v), axis=-1)], axis=-1)  # fmt: skip
            room = before[i].reshape(-1, *[1] * (len(shape) - 1)) + xi[t, i].reshape(shape[:i] + shape[i + 1 :])
            spent = rent @ f[i]
            with np.errstate(divide="ignore", invalid="ignore"):
                share = np.where(spent > room * (1 - 1e-12), np.maximum(room, 0) * (1 - 1e-12) / spent, 1.0)
            table[..., :-1] *= np.nan_to_num(share, nan=1.0)[..., None]
            rent *= np.nan_to_num(share, nan=1.0)[..., None]
            y = rent + (room - rent @ f[i])[..., None]
            x[t, i] = np.moveaxis(table, -1, i + 1).ravel()
            after.append(np.moveaxis(y, -1, i + 1).ravel() * (1 - 1e-15))
        before = after
    whole = 2.0**BITS
    return {
        "allocation": [[np.floor(x[t, i] * whole).astype(np.int64).tolist() for i in range(k)] for t in range(T)],
        "xi": [[np.ceil(xi[t, i] * 2.0**fine).astype(np.int64).tolist() for i in range(k)] for t in range(T)],
    }


def _multipliers(model: DynamicAuction, dual: Mapping[str, Array]) -> dict[str, Any]:
    k, T = model.buyers, model.horizon
    found = betas(model, dual)
    chance = [np.ones(1)]
    for t in range(T):
        chance.append(np.outer(chance[-1], chances(model, t)).ravel())
    worst = max(float((chance[t] @ found[t][i]).max()) for t in range(T) for i in range(k))
    shrink = (1 - SHRINK * T) / max(1.0, worst)
    beta: list[list[list[int]]] = [[] for _ in range(T)]
    eta: list[list[list[int]]] = [[] for _ in range(T)]
    worth = [np.zeros((1, 1))] * k  # g_i after every history, (N_{t+1},)
    for t in reversed(range(T)):
        nexts = []
        for i, prior in enumerate(model.periods[t]):
            index, many = others_of(model, t, i)
            types, P = profiles(model, t), len(profiles(model, t))
            g = np.zeros((len(chance[t]), P)) if t == T - 1 else worth[i].reshape(len(chance[t]), P)
            mean = np.zeros((len(chance[t]), many))
            np.add.at(mean.T, index, (g * prior.f[types[:, i]]).T)
            lifted = np.maximum(found[t][i] * shrink, mean * (1 + 1e-15)) + 2.0 ** (1 - BITS) * (T - t)
            beta[t].append(np.ceil(lifted * 2.0**BITS).astype(np.int64).ravel().tolist())
            rest = np.zeros(many)
            rest[index] = chances(model, t) / prior.f[types[:, i]]
            nexts.append(lifted @ rest + 2.0**-BITS)
            full = np.zeros((len(chance[t]), P))
            low, _ = neighbours(model, t, i)
            if len(low):
                raw = np.maximum(np.reshape(dual[f"eta_{i + 1}_{t + 1}"], (len(chance[t]), len(low))), 0)
                full[:, low] = raw / np.outer(chance[t], chances(model, t)[low])
            eta[t].append(np.round(full * 2.0**BITS).astype(np.int64).ravel().tolist())
        worth = nexts
    return {"beta": beta, "eta": eta}
