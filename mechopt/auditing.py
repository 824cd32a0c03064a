"""`mechopt.audit`: every notion of incentive compatibility and individual rationality one asks for, in fractions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import mechopt
from mechopt.mechanism_file import Brought, MechanismFile, read
from mechopt.models.audit import Finding, Interim, bayes, ex_post, hurwicz
from mechopt.models.inputs import exact, fail, plain

NOTIONS = "ex-post, bayesian, distributionally-robust, maxmin or hurwicz:ALPHA"


@dataclass(frozen=True)
class Audit:
    """What an audit found: two findings per notion, truth first, each with the worst deviation and who makes it."""

    findings: tuple[Finding, ...]
    tolerance: Fraction
    brought: Brought

    @property
    def passed(self) -> bool:
        """Whether nobody gains more than the tolerance under any notion asked for."""
        return all(self.passes(finding) for finding in self.findings)

    def passes(self, finding: Finding) -> bool:
        """Whether one finding is within the tolerance, decided exactly."""
        return bool(finding.violation <= self.tolerance)

    @cached_property
    def _interim(self) -> Interim:
        return Interim(self.brought.mechanism, _priors(self.brought))

    def expected_utilities(self, bidder: int, type: Any, report: Any) -> list[Fraction]:
        """What a bidder (from 1) of a type expects from a report, by prior that gives the type a chance, money.

        Raises InputError when the mechanism came without a prior, or for a bidder or type there is not.
        """
        if not _priors(self.brought):
            raise fail("prior", "a prior or an ambiguity set in the mechanism file", "none")
        types = self.brought.mechanism.types
        if not 1 <= bidder <= len(types):
            raise fail("bidder", f"a bidder from 1 to {len(types)}", bidder)
        rows = [tuple(row) for row in types[bidder - 1]]
        steps = []
        for name, value in (("type", type), ("report", report)):
            row = tuple(exact(x) for x in (value if isinstance(value, list | tuple) else [value]))
            if row not in rows:
                raise fail(name, f"a type of bidder {bidder}", value)
            steps.append(rows.index(row))
        return [utility for _, utility in self._interim.utilities(bidder - 1, *steps)]

    def document(self) -> dict[str, Any]:
        """As `mechopt audit --json` prints it; fractions as "p/q" beside their floats."""
        rows = [
            {"notion": f.notion, "property": f.about, "violation": float(f.violation), "passed": self.passes(f),
             "gain": None if f.gain is None else str(f.gain), "where": _plain(f.where)} for f in self.findings
        ]  # fmt: skip
        revenues = [self.brought.mechanism.revenue(p) for p in _priors(self.brought)]
        return {
            "mechopt": mechopt.__version__,
            "passed": self.passed,
            "tolerance": float(self.tolerance),
            "findings": rows,
            "revenue": [str(r) for r in revenues],
            "notes": notes(self.brought),
        }

    def summary(self) -> str:
        """One line per finding: verdict, notion, the largest gain, and who deviates how."""
        lines = []
        for f in self.findings:
            verdict = "pass" if self.passes(f) else "FAIL"
            gain = "nobody can deviate" if f.gain is None else _gain(f)
            lines.append(f"{verdict}  {f.notion:<24} {f.about:<23} {gain}")
        revenues = [self.brought.mechanism.revenue(p) for p in _priors(self.brought)]
        if revenues:
            lines.append(f"revenue   {', '.join(_told(r) for r in revenues)}, by prior")
        lines += [f"note      {note}" for note in notes(self.brought)]
        return "\n".join(lines)


def audit(
    mechanism: str | Path | Mapping[str, Any],
    notions: Sequence[str] | None = None,
    tolerance: float | str | Fraction = "1e-9",
) -> Audit:
    """Audit a direct mechanism on finite types: a file, or its fields `types`, `allocation`, `payment` and so on.

    `notions`: any of ex-post, bayesian, distributionally-robust, maxmin, hurwicz:ALPHA; all the data allow when None.
    `tolerance`: money; decided exactly. Raises InputError for anything else, naming the field.

    >>> first_price = {"types": [[0, 2], [0, 2]], "allocation": [[[1, 0], [1, 1]], [[0, 1], [0, 0]]],
    ...                "payment": [[[0, 0], [2, 2]], [[0, 2], [0, 0]]]}
    >>> truth, participation = audit(first_price).findings
    >>> assert truth.gain == 2 and truth.where["misreport"] == 0 and participation.gain == 0
    """
    fields = mechanism if isinstance(mechanism, Mapping) else None
    brought = read(str(mechanism)) if fields is None else MechanismFile(**dict(fields)).brought()
    asked = list(notions) if notions is not None else _possible(brought)
    found: list[Finding] = []
    interim: Interim | None = None
    for notion in dict.fromkeys(asked):
        if _kind(notion) == "ex-post":
            found += ex_post(brought.mechanism)
            continue
        if _kind(notion) == "bayesian" and brought.prior is not None:
            found += Interim(brought.mechanism, [brought.prior]).by(notion, bayes([Fraction(1)]))
            continue
        _require(notion, brought)
        interim = interim or Interim(brought.mechanism, brought.ambiguity or [])
        found += _judged(notion, interim, brought)
    return Audit(tuple(found), _tolerance(tolerance), brought)


def _possible(brought: Brought) -> list[str]:
    """The notions a mechanism's data allow."""
    bayesian = ["bayesian"] if brought.prior is not None or brought.weights is not None else []
    robust = ["distributionally-robust", "maxmin", "hurwicz:1/2"] if brought.ambiguity is not None else []
    return ["ex-post", *bayesian, *robust]


def _kind(notion: str) -> str:
    """A notion without its number. Raises InputError for one there is not."""
    kind, colon, tail = str(notion).partition(":")
    if kind not in ("ex-post", "bayesian", "distributionally-robust", "maxmin", "hurwicz") or (
        (kind == "hurwicz") != bool(colon)
    ):
        raise fail("--notion", NOTIONS, notion, "write hurwicz:1/2" if kind == "hurwicz" else "")
    if kind == "hurwicz":
        try:
            alpha = exact(tail)
        except ValueError:
            raise fail("--notion", "hurwicz:ALPHA with a number from 0 to 1", notion) from None
        if not 0 <= alpha <= 1:
            raise fail("--notion", "hurwicz:ALPHA with a number from 0 to 1", notion)
    return kind


def _require(notion: str, brought: Brought) -> None:
    if notion == "bayesian" and brought.weights is None:
        raise fail("prior", "a prior, for bayesian", "none", "add a joint table, marginals, or weights on `ambiguity`")
    if brought.ambiguity is None:
        raise fail("ambiguity", f"a list of priors, for {notion}", "none", "add it, or ask for bayesian")


def _judged(notion: str, interim: Interim, brought: Brought) -> tuple[Finding, Finding]:
    kind, _, tail = notion.partition(":")
    if kind == "distributionally-robust":
        return interim.robust(notion)
    if kind == "bayesian":
        return interim.by(notion, bayes(brought.weights or []))
    return interim.by(notion, hurwicz(Fraction(1) if kind == "maxmin" else exact(tail)))


def _tolerance(given: float | str | Fraction) -> Fraction:
    try:
        tolerance = exact(given)
    except ValueError:
        raise fail("--tolerance", "a finite number of at least 0", given) from None
    if tolerance < 0:
        raise fail("--tolerance", "a finite number of at least 0", given)
    return tolerance


def _priors(brought: Brought) -> list[Any]:
    if brought.ambiguity is not None:
        return brought.ambiguity
    return [] if brought.prior is None else [brought.prior]


def notes(brought: Brought) -> list[str]:
    """What is odd about a mechanism though no notion asks: chances below zero, or a good promised more than once."""
    q = brought.mechanism.allocation
    said = []
    if (least := min(q.ravel())) < 0:
        said.append(f"an allocation is {_told(least)}, below 0")
    if (most := max(q.sum(axis=0).ravel())) > 1:
        said.append(f"allocations of one good sum to {_told(most)} in some profile, above 1")
    return said


def _plain(value: Any) -> Any:
    """Fractions as files show them; utilities and values stay exact."""
    if isinstance(value, Fraction):
        return plain(value)
    if isinstance(value, Mapping):
        return {key: _plain(x) for key, x in value.items()}
    return [_plain(x) for x in value] if isinstance(value, list) else value


def _gain(f: Finding) -> str:
    assert f.gain is not None
    where = f.where
    deed = f"reports {_told(where['misreport'])}" if "misreport" in where else "stays away"
    against = f" against {_told(where['others'])}" if where.get("others") else ""
    under = f" under prior {where['prior']}" if "prior" in where else ""
    verb = "gains" if f.gain > 0 else "loses" if f.gain < 0 else "gains nothing:"
    amount = f" {_told(abs(f.gain))}:" if f.gain else ""
    return f"{verb}{amount} bidder {where['bidder']} of type {_told(where['type'])} {deed}{against}{under}"


def _told(value: Any) -> str:
    """Numbers on one line: short fractions as they are, long ones as decimals."""
    if isinstance(value, list):
        return "(" + ", ".join(_told(x) for x in value) + ")"
    return str(plain(value)) if value.denominator < 10**6 else f"{float(value):.9g}"
