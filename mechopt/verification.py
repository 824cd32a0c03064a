"""Re-checking a saved result from its files: exact arithmetic, no solver, no CVXPY."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechopt import registry
from mechopt.files import FILES, RESULT, digest, read_json
from mechopt.result import FORMAT
from mechopt.solvers.certificate import Check
from mechopt.solvers.rational import above, below, rational

AGREEMENT = 1e-9  # of a solver's value with the exact bracket, relative to its size


@dataclass(frozen=True)
class Verification:
    """Every check with its residual and verdict."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def document(self) -> dict[str, Any]:
        """As `mechopt verify --json` prints it."""
        rows = [
            {"check": c.name, "residual": c.residual if math.isfinite(c.residual) else None, "passed": c.passed,
             "detail": c.detail} for c in self.checks
        ]  # fmt: skip
        return {"passed": self.passed, "checks": rows}


def verify(path: str | Path) -> Verification:
    """Check a saved result: digests, the instance, every inequality in rationals, the bounds as rounded.

    Raises InputError when the directory holds no result at all.
    """
    folder = Path(path)
    document = read_json(folder / RESULT, str(folder))
    if not (folder / FILES["certificate"]).exists():
        return Verification((Check("a certificate is there", math.nan, False, "solved without one"),))
    try:
        certificate = read_json(folder / FILES["certificate"], str(folder))
        packed = (folder / FILES["arrays"]).read_bytes()
    except (OSError, ValueError) as error:
        return Verification((Check("the files can be read", math.nan, False, str(error)),))
    seals = (
        _equal("certificate.json is as written", certificate.get("digest"), digest(certificate)),
        _equal("result.json is as written", certificate.get("result_sha256"), digest(document)),
        _equal("arrays.npz is as written", certificate.get("arrays_sha256"), hashlib.sha256(packed).hexdigest()),
    )
    return Verification(seals + verify_documents(document, certificate).checks)


def verify_documents(document: Mapping[str, Any], certificate: Mapping[str, Any] | None) -> Verification:
    """Check a result document against a certificate, without looking at files or digests."""
    if certificate is None:
        return Verification((Check("a certificate is there", math.nan, False, "solved without one"),))
    try:
        return Verification(tuple(_checks(document, certificate)))
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, ZeroDivisionError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}"
        return Verification((Check("the certificate can be read", math.nan, False, reason),))


def _equal(name: str, found: object, expected: object) -> Check:
    same = type(found) is type(expected) and found == expected
    return Check(name, 0.0 if same else math.nan, same, "" if same else "changed since it was written")


def _checks(document: Mapping[str, Any], certificate: Mapping[str, Any]) -> list[Check]:
    entry = registry.find(document["model"])
    checks = [
        _equal("certificate format", certificate["format"], FORMAT),
        _equal("model", certificate["model"], document["model"]),
        _equal("instance", certificate["instance"], document["instance"]["parameters"]),
        _equal("status", certificate["status"], document["status"]),
        _equal("value", certificate["value"], document["value"]),
        _equal("bounds", certificate["bounds"], document["bounds"]),
    ]
    found, proved = entry.load("check")(certificate["instance"], certificate)
    checks += found
    bounds = certificate["bounds"]
    lower, upper = proved[bounds["problem"]]
    relaxed = "finite" in proved and entry.maximizes is not None  # the grid is a relaxation of the continuum
    if bounds["problem"] == "continuum" and relaxed:
        if entry.maximizes:
            upper = min(upper, proved["finite"][1])
        else:
            lower = max(lower, proved["finite"][0])
    checks.append(_equal("lower bound, rounded down", bounds["lower"], below(lower)))
    checks.append(_equal("upper bound, rounded up", bounds["upper"], above(upper)))
    checks.append(_equal("certified as claimed", bounds["certified"], all(c.passed for c in found)))
    if certificate["status"] == "optimal":
        low, high, value = below(proved["finite"][0]), above(proved["finite"][1]), certificate["value"]
        miss = max(low - value, value - high, 0.0)
        checks.append(Check("value lies in the finite bracket", miss, miss <= AGREEMENT * max(1.0, abs(high))))
        rational(value)
    return checks
