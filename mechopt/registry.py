"""The models there are: where each lives, how it is solved, checked and drawn. Names only, so nothing heavy loads."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from mechopt.models.inputs import fail


@dataclass(frozen=True)
class Entry:
    """One model: its name in files, a line about it, its source, and `module:name` of its parts."""

    name: str
    title: str
    source: str
    model: str
    solve: str
    check: str
    mechanism: str
    picture: str

    def load(self, part: str) -> Any:
        """The class or function a field names."""
        module, _, name = getattr(self, part).partition(":")
        return getattr(importlib.import_module(module), name)


ENTRIES = (
    Entry(
        name="regret-pricing",
        title="minimax-regret pricing of several goods for one buyer whose values are known only to lie in a set",
        source="Kocyigit, Rujeerapaiboon, Kuhn (2020); Kocyigit's thesis, Chapter 2",
        model="mechopt.models.regret_pricing:RegretPricing",
        solve="mechopt.models.regret_solve:solve",
        check="mechopt.models.regret_check:check",
        mechanism="mechopt.models.regret_solve:mechanism",
        picture="mechopt.plots_regret:picture",
    ),
    Entry(
        name="posted-prices",
        title="posted prices of bundles for one buyer with values in a box: their worst-case regret, or the best ones",
        source="Kocyigit, Rujeerapaiboon, Kuhn (2020); Kocyigit's thesis, Section 2.4",
        model="mechopt.models.posted_prices:PostedPrices",
        solve="mechopt.models.posted_prices_solve:solve",
        check="mechopt.models.posted_prices_check:check",
        mechanism="mechopt.models.price_list:mechanism",
        picture="mechopt.plots_prices:picture",
    ),
    Entry(
        name="regret-auction",
        title="minimax-regret auction of several goods to several bidders whose values are known only to lie in a box",
        source="Kocyigit's thesis, Chapter 3",
        model="mechopt.models.regret_auction:RegretAuction",
        solve="mechopt.models.regret_auction_solve:solve",
        check="mechopt.models.regret_auction_check:check",
        mechanism="mechopt.models.regret_auction_outcome:mechanism",
        picture="mechopt.plots_auction:picture",
    ),
)


def find(name: object) -> Entry:
    """The entry of a model's name in files. Raises InputError for a name there is not."""
    names = [entry.name for entry in ENTRIES]
    if name is None:
        raise fail("model", f"one of {', '.join(names)}", "none", f'write model = "{names[0]}"')
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    raise fail("model", f"one of {', '.join(names)}", name, "see `mechopt list`")


def of(model: object) -> Entry:
    """The entry of a model object. Raises InputError for an object no entry makes."""
    home = f"{type(model).__module__}:{type(model).__name__}"
    for entry in ENTRIES:
        if entry.model == home:
            return entry
    raise fail("model", "a mechopt model such as RegretPricing(...)", type(model).__name__)
