"""Random compositions: the program, its dual, the engine and the exact certificate over all rows name one number."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import mechopt as mo
from mechopt.models.composition.explain import NoOptimum, irreducible
from mechopt.models.design import Design
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.program import Status

SIZES = {  # bidders, goods -> values of a good
    (1, 1): [0, 1, 2, 3], (1, 2): [0, 1, 3], (2, 1): [0, 2, 3], (2, 2): [1, 2], (3, 1): [1, 2],
}  # fmt: skip


@st.composite
def environments(draw):
    bidders, goods = draw(st.sampled_from(sorted(SIZES)))
    grid = draw(st.booleans()) and goods == 1
    found = {}
    if grid:
        found |= {"bidders": bidders, "upper": [draw(st.sampled_from([1, "3/2"]))], "points": 1 if bidders == 3 else 2}
    else:
        number = st.sampled_from(SIZES[bidders, goods])
        size = st.integers(1, 2 if bidders == 3 else 3)
        one = st.lists(st.tuples(*[number] * goods), min_size=1, max_size=draw(size), unique=True).map(sorted)
        found["types"] = [draw(one) for _ in range(bidders)]
        if draw(st.booleans()):
            found |= {"types": found["types"][:1], "bidders": bidders}
    if draw(st.booleans()):
        found["cost"] = [draw(st.sampled_from([0, "1/2"])) for _ in range(goods)]
    if draw(st.integers(0, 3)) == 0:
        found["supply"] = [draw(st.integers(1, 2)) for _ in range(goods)]
    if draw(st.integers(0, 3)) == 0:
        found["goods_per_bidder"] = 1
    return found


def shape_of(environment):
    return Design(environment=environment, criterion={"prior": {"uniform": True}}).environment


@st.composite
def priors(draw, made):
    kind = draw(st.sampled_from(["uniform", "marginals", "joint"]))
    if kind == "uniform":
        return {"uniform": True}
    if kind == "marginals":
        rows = [draw(st.lists(st.integers(1, 4), min_size=k, max_size=k)) for k in made.shape]
        return {"marginals": [[f"{w}/{sum(row)}" for w in row] for row in rows]}
    flat = draw(st.lists(st.integers(0, 3), min_size=made.profiles, max_size=made.profiles))
    assume(sum(flat))
    return {"joint": nested([f"{w}/{sum(flat)}" for w in flat], made.shape)}


def nested(flat, shape):
    if len(shape) == 1:
        return list(flat)
    step = len(flat) // shape[0]
    return [nested(flat[k : k + step], shape[1:]) for k in range(0, len(flat), step)]


@st.composite
def ambiguities(draw, made):
    kind = draw(st.sampled_from(["support", "support", "priors", "box", "total-variation", "wasserstein"]))
    found = {"kind": kind}
    if kind == "priors":
        found["priors"] = [draw(priors(made)) for _ in range(draw(st.integers(1, 2)))]
    elif kind == "wasserstein" and draw(st.booleans()):
        value = st.sampled_from([0, "1/3", 1, "7/4"])
        row = st.lists(value, min_size=made.count * made.goods, max_size=made.count * made.goods)
        found |= {"samples": draw(st.lists(row, min_size=1, max_size=3)), "radius": 9}
        found["radius"] = draw(st.sampled_from([1, 3, 9]))
    elif kind != "support":
        found |= {"centre": draw(priors(made)), "radius": draw(st.sampled_from([0, "1/10", "1/2"]))}
    if draw(st.integers(0, 3)) == 0:
        found["moments"] = [{"power": draw(st.integers(1, 2)), "at_least": draw(st.sampled_from([0, "1/2", 1]))}]
    return found


@st.composite
def goals(draw, made, floor=False):
    kind = draw(st.sampled_from(["expected", "worst-case", "regret", "ratio"]))
    found = {"kind": kind}
    plain = ["revenue", "welfare"]
    weighted = [*plain, "sale", {"revenue": 2, "welfare": 1}, {"revenue": 1, "utility": "1/2"}]
    found["measure"] = draw(st.sampled_from(plain if kind in ("regret", "ratio") else weighted))
    if kind == "expected" or draw(st.integers(0, 4)) == 0:
        found["prior"] = draw(priors(made))
    else:
        found["ambiguity"] = draw(ambiguities(made))
    if floor:
        found["at_most" if kind == "regret" else "at_least"] = draw(st.sampled_from(["1/10", "1/4", "1/2", 1]))
    return found


@st.composite
def designs(draw):
    environment = draw(environments())
    made = shape_of(environment)
    truth = draw(st.sampled_from(["ex-post", "ex-post", "bayesian", "none"]))
    stay = draw(st.sampled_from(["ex-post", "ex-post", "interim", "none"]))
    incentives = {"truth": truth, "participation": stay}
    if truth == "bayesian" or stay == "interim":
        incentives["priors"] = [draw(priors(made)) for _ in range(draw(st.integers(1, 2)))]
    whole = ["deterministic"] if made.profiles * made.count * made.goods <= 12 else []
    flags = [*whole, "highest_bidder_only", "efficient", "anonymous", "separable", "monotone"]
    restrictions = dict.fromkeys(draw(st.lists(st.sampled_from(flags), max_size=2, unique=True)), True)
    if draw(st.integers(0, 3)) == 0 or stay == "none":
        restrictions["budgets"] = [draw(st.sampled_from(["1/2", 2]))]
    if draw(st.integers(0, 4)) == 0:
        restrictions["reserve"] = [1] * made.goods
    if draw(st.integers(0, 2)) == 0:
        restrictions["floors"] = [draw(goals(made, floor=True))]
    if draw(st.integers(0, 4)) == 0:
        term = {"bidder": 1, "types": [1] * made.count, "coefficient": 1}
        restrictions["rows"] = [{"name": "mine", "terms": [term], "sense": draw(st.sampled_from(["<=", ">=", "=="])),
                                 "right": "1/8"}]  # fmt: skip
    return {"environment": environment, "incentives": incentives, "criterion": draw(goals(made)),
            "restrictions": restrictions}  # fmt: skip


def agree(parts, seen):
    try:
        model = Design(**parts)
        result = mo.solve(model)
    except mo.InputError as error:
        seen["refused"] += all(problem.field for problem in error.problems)
    except NoOptimum as error:
        no_optimum(model, error, seen)
    else:
        solved(model, result, seen)


def no_optimum(model, error, seen):
    primal = highs(model.primal())
    assert primal.status is error.solution.status
    if not model.restrictions.deterministic:
        assert highs(model.dual()).status is not Status.OPTIMAL
    seen["infeasible"] += 1
    if primal.status is Status.INFEASIBLE:
        assert error.parts
        assert set(error.parts) == set(irreducible(model.composition))


def solved(model, result, seen):
    primal = highs(model.primal())
    seen["solved"] += 1
    scale = 1e-7 * max(1.0, abs(primal.value))
    if not model.restrictions.deterministic:
        assert highs(model.dual()).value == pytest.approx(primal.value, abs=scale)
    assert result.bounds.certified, result.document["notes"]
    low, high = (Fraction(result.certificate["finite"][end]) for end in ("lower", "upper"))
    assert low == high  # the optimum, as a fraction
    assert float(low) == pytest.approx(primal.value, abs=scale)
    assert result.bounds.lower <= low <= result.bounds.upper
    assert result.value == pytest.approx(primal.value, abs=scale)
    if seen["solved"] % 10 == 0:
        assert result.verify().passed


def test_primal_dual_engine_and_certificate_agree():
    seen = {"solved": 0, "infeasible": 0, "refused": 0}

    @settings(
        max_examples=300,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(designs())
    def every(parts):
        agree(parts, seen)

    every()
    assert seen["solved"] >= 150
    assert seen["infeasible"] >= 5
    assert sum(seen.values()) >= 300  # with the unbounded ones among the infeasible
