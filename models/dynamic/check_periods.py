"""Reading every period's distributions for the checkers of auctions over time."""

from __future__ import annotations

from typing import Any

from mechopt.models.check_priors import Prior, read_prior
from mechopt.solvers.certificate import Check


def read(periods: Any, listed: Any) -> tuple[list[list[Prior]], list[Check]]:
    """Every period's distributions; those of SciPy families from the certificate, if close to SciPy's own."""
    if len(periods) != len(listed) or any(len(a) != len(b) for a, b in zip(periods, listed, strict=True)):
        raise ValueError("one distribution per period and buyer")
    found: list[list[Prior]] = []
    checks: list[Check] = []
    for t, (row, given) in enumerate(zip(periods, listed, strict=True), 1):
        found.append([])
        for i, (written, own) in enumerate(zip(row, given, strict=True), 1):
            prior, check = read_prior(written, own, f"period {t}, buyer {i}")
            found[-1].append(prior)
            checks += [check] if check else []
    if len({len(row) for row in found}) != 1:
        raise ValueError("the same buyers in every period")
    return found, checks
