"""Ambiguity sets: which distributions nature may choose from, each with multipliers of its own.

Every set is a list of atoms that nature mixes: atom a puts mass on profiles, by the column a of M, and the weights
alpha >= 0 of the atoms obey the rows of the set,  R alpha = b  or  R alpha <= b:

    support            atoms: profiles                        [t] sum alpha = 1
    priors             atoms: the listed priors               [t] sum alpha = 1
    box                atoms: profiles                        [t] sum = 1, [low], [high] |alpha - p| <= radius
    total-variation    atoms: stay(n), leave(n), arrive(v)    [t] stay(n) + leave(n) = p(n), [move] left = arrived,
                                                              [radius] sum of arrivals <= radius
    wasserstein        atoms: mass from sample n to v         [t] per sample, [radius] sum of mass times distance

and, with moments, [sigma] E[f_k] <= b_k on top. The seller's program holds one row per atom, whose multiplier is
alpha, and the letters in brackets are her variables: the transport plan of a Wasserstein ball is alpha itself.
"""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from mechopt.models.composition.environment import Environment
from mechopt.models.composition.nature import Nature, lay_out
from mechopt.models.composition.priors import Prior
from mechopt.models.inputs import Count, Number, checked, exact, fail, plain, require_bounds, shorten

Kind = Literal["support", "priors", "box", "total-variation", "wasserstein"]
BALLS = ("box", "total-variation", "wasserstein")
HIGHEST_POWER = 12


@checked
class MomentBound:
    """at_least <= E[v^power] <= at_most of a bidder's value of a good, both counted from 1; of all when left out."""

    bidder: Count | None = None
    good: Count | None = None
    power: Count = 1
    at_least: Number | None = None
    at_most: Number | None = None

    def __post_init__(self) -> None:
        require_bounds(self.at_least, self.at_most)
        if self.power > HIGHEST_POWER:
            raise fail("power", f"a power of at most {HIGHEST_POWER}", self.power)

    def parameters(self) -> dict[str, Any]:
        """As a file has it."""
        return _given(self, ("bidder", "good", "power", "at_least", "at_most"))


@checked
class HalfSpace:
    """Profiles with sum of weights * values <= at_most; weights per bidder a list of one number per good."""

    weights: tuple[tuple[Number, ...], ...]
    at_most: Number

    def parameters(self) -> dict[str, Any]:
        """As a file has it."""
        return {"weights": [[plain(x) for x in row] for row in self.weights], "at_most": plain(self.at_most)}


def _given(part: Any, names: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for name in names:
        value = getattr(part, name)
        if value is not None:
            found[name] = plain(value) if isinstance(value, Fraction) else value
    return found


@checked
class Ambiguity:
    """The distributions the worst case is over.

    `kind`: "support": all distributions on the types; "priors": the mixtures of the list `priors`; "box",
    "total-variation", "wasserstein": all within `radius` of `centre` (a prior) or of the empirical distribution of
    `samples` (a list of rows, one value per bidder and good, bidder by bidder) or of a `csv` file of such rows.
    Distances: of single probabilities (box), half the sum of those (total variation), mean absolute change of values
    in money (wasserstein; samples need not be types there). `support`: half-spaces the values must lie in.
    `moments`: bounds on top of any kind. Raises InputError.
    """

    kind: Kind = "support"
    priors: tuple[Prior, ...] = ()
    centre: Prior | None = None
    samples: tuple[tuple[Number, ...], ...] = ()
    csv: str | None = None
    radius: Number | None = None
    support: tuple[HalfSpace, ...] = ()
    moments: tuple[MomentBound, ...] = ()

    def __post_init__(self) -> None:
        if self.csv is not None:
            if self.samples:
                raise fail("csv", "samples or csv, one of them", "both")
            object.__setattr__(self, "samples", read_csv(self.csv))
            object.__setattr__(self, "csv", None)
        sources = [name for name in ("centre", "samples") if getattr(self, name)]
        if self.kind == "priors" and not self.priors:
            raise fail("priors", "at least one prior", "none", "write priors = [{uniform = true}]")
        if self.kind != "priors" and self.priors:
            raise fail(
                "priors", 'nothing unless kind = "priors"', f"{len(self.priors)} priors", 'write kind = "priors"'
            )
        if self.kind in BALLS:
            if len(sources) != 1:
                raise fail("centre", "centre, samples or csv, one of them", " and ".join(sources) or "none")
            if self.radius is None or self.radius < 0:
                got = "none" if self.radius is None else plain(self.radius)
                raise fail("radius", "a number of at least 0", got, "write radius = 0.05")
        elif sources or self.radius is not None:
            name = (sources or ["radius"])[0]
            raise fail(name, f'nothing beside kind = "{self.kind}"', "a value", 'write kind = "wasserstein"')
        if len({len(row) for row in self.samples}) > 1:
            raise fail("samples", "rows of one length", "rows of several lengths")

    def parameters(self) -> dict[str, Any]:
        """As a file has it."""
        fields: dict[str, Any] = {"kind": self.kind}
        if self.priors:
            fields["priors"] = [prior.parameters() for prior in self.priors]
        if self.centre is not None:
            fields["centre"] = self.centre.parameters()
        if self.samples:
            fields["samples"] = [[plain(x) for x in row] for row in self.samples]
        if self.radius is not None:
            fields["radius"] = plain(self.radius)
        if self.support:
            fields["support"] = [half.parameters() for half in self.support]
        return fields | ({"moments": [m.parameters() for m in self.moments]} if self.moments else {})

    def words(self) -> str:
        """The set in words."""
        kinds = {
            "support": "every distribution on the types",
            "priors": "the one prior" if len(self.priors) == 1 else f"the mixtures of {len(self.priors)} priors",
        }
        what = f"{len(self.samples)} samples" if self.samples else "the centre"
        found = kinds.get(
            self.kind, f"the {self.kind} ball of radius {plain(self.radius or Fraction(0))} around {what}"
        )
        found += f" that keeps to {len(self.support)} half-spaces" if self.support else ""
        return found + (f" with {len(self.moments)} moment bounds" if self.moments else "")

    def nature(self, environment: Environment) -> Nature:
        """The set laid out over an environment's profiles. Raises InputError where it does not fit or is empty."""
        return lay_out(self, environment)

    def sides(self, environment: Environment) -> list[tuple[int, int, int, int, Fraction]]:
        """The moments as rows sign * E[v_bidder,good^power] <= bound: (bidder, good, power, sign, bound)."""
        found = []
        for k, m in enumerate(self.moments):
            for name, index, most in (("bidder", m.bidder, environment.count), ("good", m.good, environment.goods)):
                if index is not None and index > most:
                    raise fail(f"moments[{k}].{name}", f"a {name} from 1 to {most}", index)
            for i in range(environment.count) if m.bidder is None else [m.bidder - 1]:
                for j in range(environment.goods) if m.good is None else [m.good - 1]:
                    if m.at_most is not None:
                        found.append((i, j, m.power, 1, m.at_most))
                    if m.at_least is not None:
                        found.append((i, j, m.power, -1, -m.at_least))
        return found


def read_csv(path: str) -> tuple[tuple[Fraction, ...], ...]:
    """Rows of numbers from a file of comma-separated values; a first row that holds no numbers is a header."""
    try:
        lines = [row for row in csv.reader(Path(path).read_text(encoding="utf-8").splitlines()) if any(row)]
    except (OSError, UnicodeDecodeError) as error:
        raise fail("csv", "a readable text file", f"{path}: {error}") from None
    found = []
    for n, row in enumerate(lines):
        try:
            found.append(tuple(exact(x.strip()) for x in row))
        except ValueError:
            if n:
                raise fail("csv", f"numbers in line {n + 1}", shorten(", ".join(row))) from None
    if not found:
        raise fail("csv", "at least one row of numbers", "none")
    return tuple(found)
