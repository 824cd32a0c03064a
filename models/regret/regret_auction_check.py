"""The checker of `regret-auction`: from the instance and a certificate straight to the inequalities, in rationals.

It shares no code with the programs, CVXPY or the solver, and never sees a compiled matrix. The grid's rows stand in
models/regret/regret_auction_check_finite.py, the continuum's in models/regret/regret_auction_check_continuum.py.

What is sold apart is checked apart. A bidder's gain from a misreport, and the seller's regret, are sums over the parts
of a mechanism whose parts see the values of their own goods only; and the box is the product of their values. So the
rows of every part imply the rows of the whole, and the worst regrets add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mechopt.models.checking import at_most_zero, number
from mechopt.models.regret.regret_auction_check_continuum import continuum_above, continuum_below
from mechopt.models.regret.regret_auction_check_finite import finite_above, finite_below
from mechopt.models.regret.regret_auction_read import Instance
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import Rational, nearest, text

Bracket = tuple[Rational, Rational]


def check(parameters: Mapping[str, Any], certificate: Mapping[str, Any]) -> tuple[list[Check], dict[str, Bracket]]:
    """Every inequality of a certificate, and the brackets (lower, upper) it proves by the name of its part.

    Raises KeyError, ValueError, TypeError or IndexError on a malformed certificate; callers treat that as a failure.
    """
    instance = Instance(parameters)
    checks: list[Check] = []
    proved: dict[str, Bracket] = {}
    finite, continuum = certificate["finite"], certificate["continuum"]
    for name, part in (("finite", finite), ("continuum", continuum)):
        if name == "finite":
            upper, above = finite_above(instance, part["mechanism"])
            lower, below = finite_below(instance, part["nature"])
        else:
            upper, above = continuum_above(instance, part["mechanism"])
            # Fewer types are a relaxation: what the grid's distribution proves holds on the continuum as well.
            known = part["nature"] is not None
            lower, below = continuum_below(instance, part["nature"]) if known else (proved["finite"][0], [])
        checks += [Check(f"{name}: {c.name}", c.residual, c.passed, c.detail) for c in above + below]
        for end, claimed, found in (("lower", part.get("lower"), lower), ("upper", part.get("upper"), upper)):
            if claimed is not None:
                agrees = number(claimed) == found
                checks.append(Check(f"{name}: {end} bound as claimed", nearest(abs(number(claimed) - found)), agrees))
        checks.append(at_most_zero(f"{name}: lower bound at most upper", lower - upper))
        proved[name] = (lower, upper)
    return checks, proved


def bracket_text(bracket: Bracket) -> dict[str, str]:
    """A bracket as a certificate holds it."""
    return {"lower": text(bracket[0]), "upper": text(bracket[1])}
