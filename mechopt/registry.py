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
    maximizes: bool | None = False  # whether fewer types raise the optimum, so that the grid bounds the continuum from
    # above; None where that depends on the instance and the checker's bracket already holds the grid's bound
    value_is: str = "optimum of the finite program"  # what the value is, in words
    own_mechanism: bool = False  # whether `mechanism` makes an object with methods of its own, not a plain function

    def load(self, part: str) -> Any:
        """The class or function a field names."""
        module, _, name = getattr(self, part).partition(":")
        return getattr(importlib.import_module(module), name)


ENTRIES = (
    Entry(
        name="regret-pricing",
        title="minimax-regret pricing of several goods for one buyer whose values are known only to lie in a set",
        source="Kocyigit, Rujeerapaiboon, Kuhn (2020); Kocyigit's thesis, Chapter 2",
        model="mechopt.models.regret.regret_pricing:RegretPricing",
        solve="mechopt.models.regret.regret_solve:solve",
        check="mechopt.models.regret.regret_check:check",
        mechanism="mechopt.models.regret.regret_solve:mechanism",
        picture="mechopt.plots_regret:picture",
    ),
    Entry(
        name="posted-prices",
        title="posted prices of bundles for one buyer with values in a box: their worst-case regret, or the best ones",
        source="Kocyigit, Rujeerapaiboon, Kuhn (2020); Kocyigit's thesis, Section 2.4",
        model="mechopt.models.prices.posted_prices:PostedPrices",
        solve="mechopt.models.prices.posted_prices_solve:solve",
        check="mechopt.models.prices.posted_prices_check:check",
        mechanism="mechopt.models.prices.price_list:mechanism",
        picture="mechopt.plots_prices:picture",
    ),
    Entry(
        name="regret-auction",
        title="minimax-regret auction of several goods to several bidders whose values are known only to lie in a box",
        source="Kocyigit's thesis, Chapter 3",
        model="mechopt.models.regret.regret_auction:RegretAuction",
        solve="mechopt.models.regret.regret_auction_solve:solve",
        check="mechopt.models.regret.regret_auction_check:check",
        mechanism="mechopt.models.regret.regret_auction_outcome:mechanism",
        picture="mechopt.plots_auction:picture",
    ),
    Entry(
        name="myerson-auction",
        title="optimal auction of one good to bidders with known, independent distributions of values",
        source="Myerson (1981); Bulow, Roberts (1989)",
        model="mechopt.models.auctions.myerson_auction:MyersonAuction",
        solve="mechopt.models.auctions.myerson_solve:solve",
        check="mechopt.models.auctions.myerson_check:check",
        mechanism="mechopt.models.auctions.myerson_solve:mechanism",
        picture="mechopt.plots_myerson:picture",
    ),
    Entry(
        name="robust-auction",
        title="auction of one good with the largest sure revenue, bidders' values known only to lie in an interval",
        source="Bandi, Bertsimas (2014); Kocyigit's thesis, Section 1.3",
        model="mechopt.models.auctions.robust_auction:RobustAuction",
        solve="mechopt.models.auctions.robust_solve:solve",
        check="mechopt.models.auctions.robust_check:check",
        mechanism="mechopt.models.auctions.robust_solve:mechanism",
        picture="mechopt.plots_robust:picture",
        maximizes=True,
    ),
    Entry(
        name="moment-auction",
        title="auctions of one good against all joint distributions of values in [0, 1] with known moments",
        source="Kocyigit, Iyengar, Kuhn, Wiesemann (2020); Kocyigit's thesis, Section 1.5",
        model="mechopt.models.auctions.moment_auction:MomentAuction",
        solve="mechopt.models.auctions.moment_auction_solve:solve",
        check="mechopt.models.auctions.moment_auction_check:check",
        mechanism="mechopt.models.auctions.moment_auction_solve:mechanism",
        picture="mechopt.plots_moments:picture",
        maximizes=True,
    ),
    Entry(
        name="independent-auction",
        title="auction of one good to independent bidders who are alike, their distribution being one of several",
        source="Kocyigit's thesis, Section 1.4",
        model="mechopt.models.auctions.independent_auction:IndependentAuction",
        solve="mechopt.models.auctions.independent_solve:solve",
        check="mechopt.models.auctions.independent_check:check",
        mechanism="mechopt.models.auctions.independent_solve:mechanism",
        picture="mechopt.plots_independent:picture",
        maximizes=True,
    ),
    Entry(
        name="money-burning",
        title="auction of one good whose payments are lost, with the largest utility of its buyers, counted up to caps",
        source="Mirrokni, Paes Leme, Tang, Zuo (2020), supplement, Appendix E; Hartline, Roughgarden (2008)",
        model="mechopt.models.clairvoyance.money_burning:MoneyBurning",
        solve="mechopt.models.clairvoyance.money_burning_solve:solve",
        check="mechopt.models.clairvoyance.money_burning_check:check",
        mechanism="mechopt.models.clairvoyance.money_burning_solve:mechanism",
        picture="mechopt.plots_burning:picture",
        maximizes=True,
    ),
    Entry(
        name="virtual-pivot",
        title="best dynamic mechanism for agents whose signals change over time, in separable environments",
        source="Kakade, Lobel, Nazerzadeh (2011)",
        model="mechopt.models.pivot.virtual_pivot:VirtualPivot",
        solve="mechopt.models.pivot.solve:solve",
        check="mechopt.models.pivot.check:check",
        mechanism="mechopt.models.pivot.solve:mechanism",
        picture="mechopt.plots_pivot:picture",
        maximizes=True,
        own_mechanism=True,
        value_is="expected profit of the mechanism",
    ),
    Entry(
        name="optimal-contract",
        title="one agent whose signals arrive over time: the best menu of a fee first and prices of actions afterwards",
        source="Kakade, Lobel, Nazerzadeh (2011), Section 6.1",
        model="mechopt.models.pivot.contract:OptimalContract",
        solve="mechopt.models.pivot.contract_solve:solve",
        check="mechopt.models.pivot.contract_check:check",
        mechanism="mechopt.models.pivot.contract_solve:mechanism",
        picture="mechopt.plots_contract:picture",
        maximizes=True,
        own_mechanism=True,
        value_is="expected profit of the menu",
    ),
    Entry(
        name="virtual-index",
        title="bandit auction: one item per period, agents whose states move only when served, by Gittins indices",
        source="Kakade, Lobel, Nazerzadeh (2011), Section 6.2.2; Gittins (1979); Whittle (1980)",
        model="mechopt.models.pivot.index:VirtualIndex",
        solve="mechopt.models.pivot.index_solve:solve",
        check="mechopt.models.pivot.index_check:check",
        mechanism="mechopt.models.pivot.index_mechanism:mechanism",
        picture="mechopt.plots_index:picture",
        maximizes=True,
        own_mechanism=True,
        value_is="expected profit of the auction",
    ),
    Entry(
        name="non-clairvoyant-gap",
        title="selling over time without knowing what comes later: the best guarantee against a seller who knows",
        source="Mirrokni, Paes Leme, Tang, Zuo (2020), Theorem 5.1 and supplement, Appendix C",
        model="mechopt.models.clairvoyance.gap:NonClairvoyantGap",
        solve="mechopt.models.clairvoyance.gap_solve:solve",
        check="mechopt.models.clairvoyance.gap_check:check",
        mechanism="mechopt.models.clairvoyance.gap_solve:mechanism",
        picture="mechopt.plots_gap:picture",
        maximizes=True,
        own_mechanism=True,
    ),
    Entry(
        name="non-clairvoyant-auction",
        title="selling over time without knowing what comes later: what balances and throttled auctions earn",
        source="Mirrokni, Paes Leme, Tang, Zuo (2020), Theorems 6.1 and 6.3, and supplement, Appendices D to F",
        model="mechopt.models.clairvoyance.auction:NonClairvoyantAuction",
        solve="mechopt.models.clairvoyance.auction_solve:solve",
        check="mechopt.models.clairvoyance.auction_check:check",
        mechanism="mechopt.models.clairvoyance.auction_solve:mechanism",
        picture="mechopt.plots_nonclairvoyant:picture",
        maximizes=True,
        own_mechanism=True,
        value_is="expected revenue of the mechanism",
    ),
    Entry(
        name="design",
        title="any static problem composed of four parts: environment, incentives, criterion, restrictions",
        source="the programs of Kocyigit's thesis (EPFL) and of Myerson (1981) as one family",
        model="mechopt.models.design:Design",
        solve="mechopt.models.composition.solve:solve",
        check="mechopt.models.composition.check:check",
        mechanism="mechopt.models.composition.solve:mechanism",
        picture="mechopt.plots_design:picture",
        maximizes=None,
    ),
    Entry(
        name="dynamic-auction",
        title="optimal sale of one good per period to the same buyers, truthful over time and never a loss in total",
        source="Mirrokni, Paes Leme, Tang, Zuo (2018)",
        model="mechopt.models.dynamic.dynamic_auction:DynamicAuction",
        solve="mechopt.models.dynamic.solve:solve",
        check="mechopt.models.dynamic.check:check",
        mechanism="mechopt.models.dynamic.solve:mechanism",
        picture="mechopt.plots_dynamic:picture",
        own_mechanism=True,
        value_is="expected revenue of the best mechanism found",
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
