"""mechopt: the best mechanism, nature's worst case, and a certificate that brackets the true optimum.

>>> import mechopt as mo
>>> result = mo.solve(mo.RegretPricing(upper=[1], points=10))
>>> assert result.bounds.certified and result.bounds.lower <= result.closed_form.value <= result.bounds.upper
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mechopt.assessing import assess as assess
    from mechopt.auditing import Audit as Audit
    from mechopt.auditing import audit as audit
    from mechopt.instance import Instance as Instance
    from mechopt.instance import load as load
    from mechopt.models.auctions.independent_auction import IndependentAuction as IndependentAuction
    from mechopt.models.auctions.moment_auction import MomentAuction as MomentAuction
    from mechopt.models.auctions.myerson_auction import MyersonAuction as MyersonAuction
    from mechopt.models.auctions.robust_auction import RobustAuction as RobustAuction
    from mechopt.models.clairvoyance.auction import NonClairvoyantAuction as NonClairvoyantAuction
    from mechopt.models.clairvoyance.gap import NonClairvoyantGap as NonClairvoyantGap
    from mechopt.models.clairvoyance.money_burning import MoneyBurning as MoneyBurning
    from mechopt.models.design import Design as Design
    from mechopt.models.distributions import Distribution as Distribution
    from mechopt.models.dynamic.dynamic_auction import DynamicAuction as DynamicAuction
    from mechopt.models.inputs import InputError as InputError
    from mechopt.models.outcome import Bounds as Bounds
    from mechopt.models.outcome import ClosedForm as ClosedForm
    from mechopt.models.pivot.contract import OptimalContract as OptimalContract
    from mechopt.models.pivot.index import VirtualIndex as VirtualIndex
    from mechopt.models.pivot.virtual_pivot import VirtualPivot as VirtualPivot
    from mechopt.models.prices.posted_prices import PostedPrices as PostedPrices
    from mechopt.models.regret.regret_auction import RegretAuction as RegretAuction
    from mechopt.models.regret.regret_pricing import RegretPricing as RegretPricing
    from mechopt.result import Result as Result
    from mechopt.solvers.program import Program as Program
    from mechopt.solvers.program import Solution as Solution
    from mechopt.solvers.program import SolveError as SolveError
    from mechopt.solvers.program import Status as Status
    from mechopt.solving import solve as solve
    from mechopt.sweeping.runs import Runs as Runs
    from mechopt.sweeping.runs import sweep as sweep
    from mechopt.verification import Verification as Verification
    from mechopt.verification import verify as verify

__version__ = "0.1.0"

_HOMES = {
    "Audit": "mechopt.auditing",
    "Bounds": "mechopt.models.outcome",
    "ClosedForm": "mechopt.models.outcome",
    "Design": "mechopt.models.design",
    "Distribution": "mechopt.models.distributions",
    "DynamicAuction": "mechopt.models.dynamic.dynamic_auction",
    "IndependentAuction": "mechopt.models.auctions.independent_auction",
    "InputError": "mechopt.models.inputs",
    "Instance": "mechopt.instance",
    "MomentAuction": "mechopt.models.auctions.moment_auction",
    "MoneyBurning": "mechopt.models.clairvoyance.money_burning",
    "MyersonAuction": "mechopt.models.auctions.myerson_auction",
    "NonClairvoyantAuction": "mechopt.models.clairvoyance.auction",
    "NonClairvoyantGap": "mechopt.models.clairvoyance.gap",
    "OptimalContract": "mechopt.models.pivot.contract",
    "PostedPrices": "mechopt.models.prices.posted_prices",
    "Program": "mechopt.solvers.program",
    "RegretAuction": "mechopt.models.regret.regret_auction",
    "RegretPricing": "mechopt.models.regret.regret_pricing",
    "Result": "mechopt.result",
    "RobustAuction": "mechopt.models.auctions.robust_auction",
    "Runs": "mechopt.sweeping.runs",
    "Solution": "mechopt.solvers.program",
    "SolveError": "mechopt.solvers.program",
    "Status": "mechopt.solvers.program",
    "Verification": "mechopt.verification",
    "VirtualIndex": "mechopt.models.pivot.index",
    "VirtualPivot": "mechopt.models.pivot.virtual_pivot",
    "assess": "mechopt.assessing",
    "audit": "mechopt.auditing",
    "load": "mechopt.instance",
    "solve": "mechopt.solving",
    "sweep": "mechopt.sweeping.runs",
    "verify": "mechopt.verification",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that importing mechopt imports neither CVXPY nor SciPy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mechopt' has no attribute {name!r}; it has {', '.join(_HOMES)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
