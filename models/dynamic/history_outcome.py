"""What a solved program over histories becomes in a result: allocations, balances and the paper's multipliers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.dynamic.history import counts
from mechopt.models.dynamic.history_certify import betas
from mechopt.models.outcome import Labelled
from mechopt.solvers.program import Solution

if TYPE_CHECKING:
    from mechopt.models.dynamic.dynamic_auction import DynamicAuction


def history_arrays(model: DynamicAuction, solution: Solution, part: Mapping[str, Any]) -> dict[str, Labelled]:
    """Per period and buyer: `x`, `b` by the history that includes the period, `xi` and `beta` by the others' values.

    `x` and `xi` are those of the certificate: binary fractions, with which no balance is negative.
    """
    chance, money = 0.5 ** part["bits"], 0.5 ** part["fine"]
    found: dict[str, Labelled] = {}
    beta = betas(model, solution.dual)
    N = counts(model)
    for t in range(model.horizon):
        for i in range(model.buyers):
            name = f"{i + 1}_{t + 1}"
            shape = model.shapes[t]
            axes = (f"before_{t + 1}", *(f"type_{m + 1}_{t + 1}" for m in range(model.buyers)))
            sold = np.array(part["allocation"][t][i]) * chance
            for letter, table in (("x", sold), ("b", solution.primal[f"b_{name}"])):
                found[f"{letter}_{name}"] = Labelled(table.reshape(N[t], *shape), axes, {}, "mechanism")
            rest = f"others_{name}"
            found[f"xi_{name}"] = Labelled(np.array(part["xi"][t][i]) * money, (rest,), {}, "mechanism")
            found[f"beta_{name}"] = Labelled(beta[t][i], (f"before_{t + 1}", rest), {}, "dual")
        mu = np.reshape(solution.dual[f"mu_{t + 1}"], (N[t], -1))
        found[f"mu_{t + 1}"] = Labelled(mu, (f"before_{t + 1}", f"profile_{t + 1}"), {}, "dual")
    return found
