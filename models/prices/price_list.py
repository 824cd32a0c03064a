"""A list of bundle prices as a mechanism, and the worst of its buyers as arrays and short lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.models.outcome import Array, Labelled, Mechanism
from mechopt.models.prices.bundles import label, members
from mechopt.models.prices.posted_prices import PostedPrices
from mechopt.models.prices.posted_prices_worst import Case, Worst
from mechopt.solvers.rational import nearest


@dataclass(frozen=True)
class PriceList:
    """The buyer takes the bundle she likes best at these prices; of equals the one that earns the seller least.

    >>> own = PriceList(np.array([[0.0], [1.0]]), np.array([0.0, 0.5]), np.array([0.2]))
    >>> q, m = own(np.array([[0.4], [0.5], [0.6]]))
    >>> assert q.ravel().tolist() == [0, 0, 1] and m.tolist() == [0, 0, 0.5]
    """

    bundles: Array  # (K, J), ones for the goods of a bundle
    prices: Array  # (K,), money
    costs: Array  # (J,), money

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Allocation (..., J) and payment (...) at values (..., J)."""
        order = np.argsort(self.prices - self.bundles @ self.costs, kind="stable")
        bundles, prices = self.bundles[order], self.prices[order]
        bought = np.argmax(np.asarray(values) @ bundles.T - prices, axis=-1)
        return bundles[bought], prices[bought]


def mechanism(model: PostedPrices, arrays: Mapping[str, Labelled]) -> Mechanism:
    """The prices of a result as a mechanism at any values."""
    costs = np.array(model.cost, dtype=float)
    return PriceList(arrays["offered"].values, arrays["prices"].values, costs)


def labelled(model: PostedPrices, worst: Worst) -> dict[str, Labelled]:
    """Prices by bundle; and for every bundle somebody buys the worst of its buyers, what she gets, pays and costs."""
    bought, goods = worst.bought, [f"good {j + 1}" for j in range(model.goods)]
    by_bundle: dict[str, Any] = {"bundle": [label(case.bundle) for case in worst.cases], "good": goods}
    values = np.array([[nearest(x) for x in case.values] for case in bought])  # (bundles bought, J)
    by_type: dict[str, Any] = {"type": np.arange(len(bought)), "bought": ("type", [label(c.bundle) for c in bought])}
    by_type |= {f"value_{j + 1}": ("type", values[:, j]) for j in range(model.goods)}
    regret = np.array([nearest(case.regret) for case in bought])
    price = np.array([nearest(case.price) for case in worst.cases])
    mass = np.array([float(case.regret == worst.regret) for case in bought])
    return {
        "prices": Labelled(price, ("bundle",), {"bundle": by_bundle["bundle"]}, "mechanism"),
        "offered": Labelled(_held(worst.cases, model.goods), ("bundle", "good"), by_bundle, "mechanism"),
        "allocation": Labelled(_held(bought, model.goods), ("type", "good"), by_type | {"good": goods}, "mechanism"),
        "payment": Labelled(np.array([nearest(case.price) for case in bought]), ("type",), by_type, "mechanism"),
        "regret": Labelled(regret, ("type",), by_type, "mechanism"),
        "worst_case": Labelled(mass / mass.sum(), ("type",), by_type, "worst_case"),
    }


def _held(cases: Sequence[Case], goods: int) -> Array:
    table = np.zeros((len(cases), goods))
    for row, case in zip(table, cases, strict=True):
        row[members(case.bundle)] = 1.0
    return table


def quantities(worst: Worst) -> dict[str, Any]:
    """Prices, worst regret in all, by bundle, and with ties for the seller; profiles that attain it, equally likely."""
    atoms = list(dict.fromkeys(case.values for case in worst.bought if case.regret == worst.regret))
    return {
        "regret": nearest(worst.regret),
        "optimistic_regret": nearest(worst.optimistic),
        "regret_by_bundle": {label(case.bundle): nearest(case.regret) for case in worst.bought},
        "prices": {label(case.bundle): nearest(case.price) for case in worst.cases if case.bundle},
        "worst_case": [{"probability": 1 / len(atoms), "values": [nearest(x) for x in values]} for values in atoms],
    }
