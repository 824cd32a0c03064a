"""Truth and participation: whose rows hold in every profile, whose on average under which priors.

u_i(w; v) = q_i(w, v_-i)'v_i - m_i(w, v_-i) is what bidder i with values v_i gets by reporting w. The rows:

    ex-post     u_i(v_i; v) >= u_i(w; v)                                  for i, v, w            [gamma]
                u_i(v_i; v) >= 0                                          for i, v               [beta]
    bayesian    sum over v_-i of P(v) (u_i(v_i; v) - u_i(w; v)) >= 0      for P, i, v_i, w       [gamma]
    interim     sum over v_-i of P(v) u_i(v_i; v) >= 0                    for P, i, v_i          [beta]

Interim rows are weighted by the joint probability of the profile, not the conditional one; a type without a chance
under a prior has no row there.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from mechopt.models.composition.environment import Environment
from mechopt.models.composition.priors import Prior, own_prior
from mechopt.models.composition.rows import Block, Family, Indices, Integers, zeros
from mechopt.models.inputs import InputError, checked, fail

Truth = Literal["ex-post", "bayesian", "none"]
Participation = Literal["ex-post", "interim", "none"]


@checked
class Incentives:
    """`truth`: "ex-post" (dominant strategies), "bayesian" (under every one of `priors`) or "none".

    `participation`: "ex-post", "interim" (under every one of `priors`) or "none". `priors`: default to the
    environment's own. Raises InputError for rows on average without a prior.
    """

    truth: Truth = "ex-post"
    participation: Participation = "ex-post"
    priors: tuple[Prior, ...] = ()

    @property
    def interim(self) -> bool:
        """Whether any row holds on average."""
        return self.truth == "bayesian" or self.participation == "interim"

    def parameters(self) -> dict[str, Any]:
        """As a file has it."""
        fields: dict[str, Any] = {"truth": self.truth, "participation": self.participation}
        return fields | ({"priors": [prior.parameters() for prior in self.priors]} if self.priors else {})

    def words(self) -> str:
        """The part in words."""
        truth = {"ex-post": "truthful in dominant strategies", "none": "whether or not truthful"}
        stay = {"ex-post": "never worse than staying away", "none": "taking part being compulsory"}
        many = "every prior of the list" if len(self.priors) > 1 else "the prior"
        first = truth.get(self.truth, f"truthful on average under {many}")
        return f"{first}, {stay.get(self.participation, f'on average not worse than staying away under {many}')}"

    def tables(self, environment: Environment) -> list[tuple[Integers, int]]:
        """The priors as tables, none for ex-post rows. Raises InputError when there is no prior to average under."""
        if not self.interim:
            return []
        given = self.priors or tuple(p for p in [own_prior(environment)] if p is not None)
        if not given:
            name = "truth" if self.truth == "bayesian" else "participation"
            hint = f'write priors = [{{uniform = true}}], or {name} = "ex-post", which needs none'
            raise fail("priors", f"at least one prior for {getattr(self, name)} {name}", "none", hint)
        found = []
        for n, prior in enumerate(given):
            try:
                found.append(prior.table(environment))
            except InputError as error:
                raise error.within(f"priors[{n}]") from None
        return found

    def families(self, environment: Environment) -> list[Family]:
        """All rows of participation and truth."""
        found = []
        tables = self.tables(environment)
        if self.participation == "ex-post":
            found.append(stay_rows(environment))
        elif self.participation == "interim":
            found.append(interim_rows(environment, tables, interim_labels(environment, tables, reports=False), "beta"))
        if self.truth == "ex-post":
            found.append(truth_rows(environment, *all_misreports(environment)))
        elif self.truth == "bayesian":
            found.append(interim_rows(environment, tables, interim_labels(environment, tables, reports=True), "gamma"))
        return [family for family in found if len(family)]


def all_misreports(environment: Environment) -> tuple[Indices, Indices, Indices]:
    """Every bidder, profile and report other than the truth."""
    found = []
    for i in range(environment.count):
        K, own = environment.shape[i], environment.steps[:, i]
        profile = np.repeat(np.arange(environment.profiles), K)
        report = np.tile(np.arange(K), environment.profiles)
        lies = report != own[profile]
        found.append((np.full(int(lies.sum()), i), profile[lies], report[lies]))
    bidder, profile, report = (np.concatenate(column) for column in zip(*found, strict=True))
    return bidder, profile, report


def truth_rows(environment: Environment, bidder: Indices, profile: Indices, report: Indices) -> Family:
    """Ex-post truth for the given bidders, profiles and reports."""
    J, P, R = environment.goods, environment.profiles, len(bidder)
    there = profile + (report - environment.steps[profile, bidder]) * environment.strides[bidder]
    own, den = environment.own
    value = own[bidder, profile]  # (R, J)
    at = np.arange(R)
    here_q, there_q = ((bidder * P + p)[:, None] * J + np.arange(J) for p in (profile, there))
    entries = np.r_[value.ravel(), -value.ravel()]
    q = Block(np.tile(np.repeat(at, J), 2), np.r_[here_q.ravel(), there_q.ravel()], entries, den)
    one = np.ones(R, np.int64)
    m = Block(np.r_[at, at], np.r_[bidder * P + profile, bidder * P + there], np.r_[-one, one])
    labels = {"bidder": bidder, "profile": profile, "report": report}
    words = "nobody gains by a misreport, whatever the others' types"
    return Family("gamma", "incentives", words, {"q": q, "m": m}, zeros(R), labels=labels)


def stay_rows(environment: Environment) -> Family:
    """Ex-post participation for every bidder and profile."""
    J, P = environment.goods, environment.profiles
    own, den = environment.own
    seats = np.arange(environment.count * P)
    q = Block(np.repeat(seats, J), np.arange(len(seats) * J), own.ravel(), den)
    m = Block(seats, seats, -np.ones(len(seats), np.int64))
    labels = {"bidder": seats // P, "profile": seats % P}
    words = "nobody loses by taking part, whatever the others' types"
    return Family("beta", "incentives", words, {"q": q, "m": m}, zeros(len(seats)), labels=labels)


def interim_labels(environment: Environment, tables: list[tuple[Integers, int]], reports: bool) -> dict[str, Indices]:
    """Every prior, bidder and type with a chance under it, and, with `reports`, every other report."""
    found = []
    for n, (weights, _) in enumerate(tables):
        cube = weights.reshape(environment.shape)
        for i, K in enumerate(environment.shape):
            mass = cube.sum(axis=tuple(j for j in range(environment.count) if j != i))
            for k in np.flatnonzero(mass != 0).tolist():
                found += [(n, i, k, w) for w in (range(K) if reports else [k]) if w != k or not reports]
    columns = np.array(found, dtype=np.int64).reshape(-1, 4).T
    names = ("prior", "bidder", "type", "report")[: 4 if reports else 3]
    return dict(zip(names, columns, strict=False))


def interim_rows(
    environment: Environment, tables: list[tuple[Integers, int]], labels: dict[str, Indices], name: str
) -> Family:
    """Rows on average, weighted by joint probabilities: of truth where labels hold reports, else of participation."""
    J, P = environment.goods, environment.profiles
    types, _, den = environment.whole
    q_blocks, m_blocks = [], []
    for n, (weights, over) in enumerate(tables):
        for i in range(environment.count):
            at = np.flatnonzero((labels["prior"] == n) & (labels["bidder"] == i))
            if not len(at):
                continue
            stride = int(environment.strides[i])
            zero = np.flatnonzero(environment.steps[:, i] == 0)  # (R,): the others' profiles
            k = labels["type"][at]
            here = zero + k[:, None] * stride  # (rows, R)
            chance = weights[here]
            value = types[i][k]  # (rows, J)
            worth = _outer(chance, value)  # (rows, R, J)
            rows = np.broadcast_to(at[:, None], here.shape)
            views = [(1, here)]
            if "report" in labels:
                views.append((-1, zero + labels["report"][at][:, None] * stride))
            for sign, seen in views:
                cols = (i * P + seen)[:, :, None] * J + np.arange(J)
                keep = (worth != 0).ravel()
                q_blocks.append(Block(np.repeat(rows.ravel(), J)[keep], cols.ravel()[keep], sign * worth.ravel()[keep],
                                      den * over))  # fmt: skip
                some = (chance != 0).ravel()
                m_blocks.append(
                    Block(rows.ravel()[some], (i * P + seen).ravel()[some], -sign * chance.ravel()[some], over)
                )
    words = "nobody gains by a misreport on average" if "report" in labels else "nobody loses on average by taking part"
    count = len(labels["bidder"])
    blocks = {"q": Block.stacked(q_blocks), "m": Block.stacked(m_blocks)} if count else {}
    return Family(name, "incentives", words, blocks, zeros(count), labels=labels)


def _outer(chance: Integers, value: Integers) -> Integers:
    """chance (rows, R) times value (rows, J), (rows, R, J)."""
    most = max(1, int(np.abs(chance).max(initial=0))) * max(1, int(np.abs(value).max(initial=0)))
    if most >= 2**62:
        chance, value = chance.astype(object), value.astype(object)
    return chance[:, :, None] * value[:, None, :]
