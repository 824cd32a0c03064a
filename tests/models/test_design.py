"""The composer against the papers' own files, brute force, theory on the continuum, and what it refuses or explains."""

import itertools
import math
import random
import subprocess
import sys
from fractions import Fraction

import cvxpy as cp
import numpy as np
import pytest

import mechopt as mo
from mechopt.models.auctions.moment_auction_theory import second_price_revenue
from mechopt.models.composition.environment import Environment
from mechopt.models.composition.explain import NoOptimum
from mechopt.models.composition.orbits import Symmetry
from mechopt.models.design import Design
from mechopt.models.prices.posted_prices import PostedPrices
from mechopt.solvers.highs import solve as highs

SUPPORT = {"kind": "support"}
DSIC, BIC = {}, {"truth": "bayesian", "participation": "interim"}


def small(name, **changes):
    return mo.load(name, [f"parameters.{key}={value}" for key, value in changes.items()]).model


def regret(environment, **more):
    return Design(environment=environment, criterion={"kind": "regret", "ambiguity": {**SUPPORT, **more}})


def pricing(model):
    """A regret-pricing instance as a composition, on the very same types."""
    types = [[[str(x) for x in v] for v in model.exact_values]]
    environment = {"types": types, "cost": [str(c) for c in model.cost]}
    moments = [m.parameters() for m in model.moments]
    return regret(environment, **({"moments": moments} if moments else {}))


REGRET = {
    "one-good": {"points": 30}, "two-goods": {"points": 5}, "three-goods": {"points": 3}, "budget": {"points": 6},
    "costs-above-values": {"points": 4}, "explicit-profiles": {}, "mean-known": {"points": 5},
    "positive-lower-bounds": {"points": 5}, "large-two-goods": {"points": 6},
}  # fmt: skip


@pytest.mark.parametrize("name", REGRET)
def test_regret_pricing_is_a_composition(name):
    model = small(f"regret/{name}", **REGRET[name])
    composed = mo.solve(pricing(model))
    assert composed.bounds.certified
    assert composed.value == pytest.approx(highs(model.primal()).value, abs=1e-9)


@pytest.mark.parametrize(("name", "points"), [("two-bidders", 8), ("non-anonymous", 1), ("two-bidders", 1)])
def test_regret_auction_is_a_composition(name, points):
    model = small(f"regret/{name}", points=points)
    upper = [[str(x) for x in row] for row in model.bounds]
    composed = mo.solve(regret({"upper": upper, "points": points}))
    assert composed.value == pytest.approx(highs(model.primal()).value, abs=1e-9)
    assert composed.value == pytest.approx(model.grid_closed_form(), abs=1e-9)


@pytest.mark.parametrize("name", ["myerson-uniform", "myerson-asymmetric", "myerson-irregular"])
@pytest.mark.parametrize("incentives", [DSIC, BIC], ids=["ex-post", "bayesian"])
def test_myerson_is_a_composition_in_both_forms(name, incentives):
    model = mo.load(f"auctions/{name}").model
    result = mo.solve(
        Design(environment={"distributions": [p.parameters() for p in model.bidders]}, incentives=incentives)
    )
    assert result.bounds.certified
    low, high = (Fraction(result.certificate["finite"][end]) for end in ("lower", "upper"))
    assert low == model.optimum == high  # two independent ways to one fraction


@pytest.mark.parametrize("name", ["robust-two-bidders", "robust-from-zero"])
def test_the_robust_auction_is_a_composition(name):
    model = small(f"auctions/{name}", points=8)
    environment = {"bidders": 2, "lower": [str(model.lower)], "upper": [str(model.upper)], "points": 8}
    result = mo.solve(Design(environment=environment, criterion={"kind": "worst-case", "ambiguity": SUPPORT}))
    assert result.value == pytest.approx(float(model.lower), abs=1e-12)
    assert result.bounds.problem == "continuum"
    assert result.bounds.lower == result.bounds.upper == float(model.lower)


@pytest.mark.parametrize("name", ["independent-two-priors", "independent-one-prior"])
def test_the_independent_auction_is_a_composition(name):
    model = mo.load(f"auctions/{name}").model
    if model.types > 5:
        model = mo.IndependentAuction(bidders=3, distributions=[{"family": "uniform", "support": [0, 1], "points": 4}])
    priors = [{"marginals": [[str(p) for p in one.probabilities]]} for one in model.distributions]
    types = [[[str(x)] for x in model.distributions[0].values]]
    result = mo.solve(Design(
        environment={"bidders": model.bidders, "types": types}, incentives={**BIC, "priors": priors},
        criterion={"kind": "worst-case", "ambiguity": {"kind": "priors", "priors": priors}},
    ))  # fmt: skip
    assert result.value == pytest.approx(highs(model.primal()).value, abs=1e-9)
    assert result.bounds.certified


def markov(points, bidders=2, mean="1/2", **restrictions):
    return Design(
        environment={"bidders": bidders, "upper": [1], "points": points}, restrictions=restrictions,
        criterion={"kind": "worst-case", "ambiguity": {**SUPPORT, "moments": [{"at_least": mean}]}},
    )  # fmt: skip


@pytest.mark.parametrize(("name", "more"), [("any-markov", {}), ("lottery-markov", {"highest_bidder_only": True})])
def test_moment_auctions_are_compositions(name, more):
    model = small(f"auctions/{name}", points=8)
    result = mo.solve(markov(8, **more))
    assert result.value == pytest.approx(highs(model.primal()).value, abs=1e-9)
    assert result.bounds.certified


def second_price(points, reserve):
    values = [Fraction(k, points) for k in range(points + 1)]
    q = np.full((2, points + 1, points + 1), Fraction(0), dtype=object)
    m = q.copy()
    for a, b in itertools.product(range(points + 1), repeat=2):
        winner = 0 if a >= b else 1
        if values[max(a, b)] >= reserve:
            q[winner, a, b], m[winner, a, b] = Fraction(1), max(values[min(a, b)], reserve)
    return {"allocation": q, "payment": m}


@pytest.mark.parametrize("reserve", ["0", "1/10", "1/5"])
def test_a_second_price_auction_assessed_in_a_markov_set(reserve):
    theorem = second_price_revenue(2, 0.3, float(Fraction(reserve)))
    misses = []
    for points in (10, 20):  # on a uniform grid the worst case is above the continuum's, by less and less
        found = mo.assess(markov(points, mean="3/10"), second_price(points, Fraction(reserve)))
        assert found.feasible
        assert 0 <= found.gap[0] <= found.gap[1]
        misses.append(float(found.exact) - theorem)
        assert found.worst_case.sum() == pytest.approx(1)
    assert -1e-12 <= misses[1] <= misses[0] + 1e-12
    assert misses[0] < 0.05


@pytest.mark.parametrize("points", [1, 2, 3])
def test_deterministic_prices_are_the_papers(points):
    """A whole allocation is a list of prices; on the grid its regret is the best posted prices'."""
    model = Design(environment={"upper": [1, 1], "points": points}, restrictions={"deterministic": True},
                   criterion={"kind": "regret", "ambiguity": SUPPORT})  # fmt: skip
    result = mo.solve(model)
    best = {1: 0.0, 2: 1.0, 3: 2 / 3}[points]
    assert result.value == pytest.approx(best, abs=1e-9)
    assert mo.solve(PostedPrices(upper=[1, 1], points=points)).value == pytest.approx(best, abs=1e-9)
    assert result.bounds.certified
    assert result.bounds.lower == pytest.approx(best, abs=1e-12)
    assert result.bounds.upper == pytest.approx(best, abs=1e-12)
    assert set(np.unique(result.arrays["allocation"].values)) <= {0.0, 1.0}


# the continuum


def test_regret_of_one_good_closes_in_on_one_over_e():
    widths = []
    for points in (10, 20, 40):
        bounds = mo.solve(regret({"upper": [1], "points": points})).bounds
        assert bounds.certified
        assert bounds.problem == "continuum"
        assert bounds.lower <= math.exp(-1) <= bounds.upper
        widths.append(bounds.width)
    assert widths[0] / widths[2] > 14  # second order: 16 in the limit


@pytest.mark.parametrize(("parts", "gap", "inside"), [
    ({"environment": {"upper": [1], "points": 6},
      "criterion": {"kind": "regret", "ambiguity": {"moments": [{"at_least": "1/2", "at_most": "1/2"}]}}}, 1e-4, None),
    ({"environment": {"upper": [1], "points": 3}, "criterion": {"kind": "regret", "ambiguity": SUPPORT}},
     1e-5, math.exp(-1)),
    ({"environment": {"upper": [2], "cost": ["1/3"], "points": 3},
      "criterion": {"kind": "regret", "ambiguity": SUPPORT}}, 1e-4, 5 / 3 / math.e),
    ({"environment": {"upper": [1], "points": 4},
      "criterion": {"kind": "worst-case", "ambiguity": {"moments": [{"at_least": "1/2"}]}}}, 1e-4, 0.18668231),
    ({"environment": {"upper": [1], "points": 4, "lower": ["1/4"]},
      "criterion": {"kind": "ratio", "ambiguity": SUPPORT}}, 1e-4, 1 / (1 + math.log(4))),
    ({"environment": {"upper": [1], "points": 4, "lower": ["1/4"]},
      "criterion": {"kind": "ratio", "ambiguity":
                    {"kind": "wasserstein", "samples": [["0.33"], ["0.7"]], "radius": "1/10"}}}, 1e-3, None),
    ({"environment": {"bidders": 2, "upper": [1], "points": 4},
      "criterion": {"kind": "regret", "ambiguity": SUPPORT}}, 1e-2, math.exp(-1)),
])  # fmt: skip
def test_a_gap_is_met_on_finer_cells(parts, gap, inside):
    coarse, fine = mo.solve(Design(**parts)), mo.solve(Design(**parts), gap=gap)
    assert fine.bounds.certified and fine.bounds.width <= gap  # noqa: PT018
    assert coarse.bounds.lower <= fine.bounds.lower + 1e-12
    assert fine.bounds.upper <= coarse.bounds.upper + 1e-12
    assert fine.value == coarse.value  # the finite program's, on the grid given
    assert inside is None or fine.bounds.lower - 1e-8 <= inside <= fine.bounds.upper + 1e-8
    assert fine.verify().passed


def test_a_gap_that_is_not_met_says_why():
    two = Design(environment={"bidders": 2, "upper": [1], "points": 4},
                 criterion={"kind": "worst-case", "ambiguity": {"moments": [{"at_least": "1/2"}]}})  # fmt: skip
    assert any("rows" in note and "above the gap" in note for note in mo.solve(two, gap=1e-6).document["notes"])
    goods = mo.solve(regret({"upper": [1, 2], "points": 2}), gap=1e-3)
    assert any("nature's end is the grid's" in note for note in goods.document["notes"])


def test_a_markov_set_of_one_bidder_is_bracketed():
    r = 0.18668231  # r (1 - log r) = 1/2
    bounds = mo.solve(markov(40, bidders=1)).bounds
    assert bounds.lower <= r <= bounds.upper
    assert bounds.width < 6e-4


def test_the_known_bracket_of_two_bidders_lies_inside():
    bounds = mo.solve(markov(10)).bounds
    assert bounds.lower <= 0.32897062 <= 0.32899111 <= bounds.upper


def test_the_continuum_rule_is_truthful_everywhere_and_earns_its_guarantee():
    result = mo.solve(regret({"bidders": 2, "upper": [1], "points": 8}))
    rng = np.random.default_rng(3)
    v = rng.random((3000, 2))
    q, m = (x[..., 0] if x.ndim == 3 else x for x in result.mechanism(v))
    assert (q.sum(axis=1) <= 1 + 1e-12).all()
    assert ((q * v - m) >= -1e-12).all()
    for i in range(2):
        lies = v.copy()
        lies[:, i] = rng.permutation(lies[:, i])
        other, paid = (x[..., 0] if x.ndim == 3 else x for x in result.mechanism(lies))
        assert ((q * v - m)[:, i] >= (other * v - paid)[:, i] - 1e-12).all()
    assert (v.max(axis=1) - m.sum(axis=1)).max() <= result.bounds.upper + 1e-12


def test_goods_sold_apart_bracket_several_goods():
    for points in (4, 8):
        result = mo.solve(regret({"upper": [1, 2], "points": points}))
        assert result.bounds.certified
        assert result.bounds.problem == "continuum"
        assert result.bounds.lower <= 3 / math.e <= result.bounds.upper
    v = np.random.default_rng(1).random((3000, 2)) * [1, 2]
    q, m = result.mechanism(v)
    assert ((q * v).sum(axis=1) - m).min() >= -1e-12
    assert (v.sum(axis=1) - m).max() <= result.bounds.upper + 1e-12
    two = mo.solve(regret({"bidders": 2, "upper": [1, 1], "points": 1}))
    assert two.bounds.lower <= 2 / math.e <= two.bounds.upper


def test_what_cannot_be_bounded_on_the_continuum_says_why():
    ratio = Design(environment={"upper": [1, 1], "points": 2}, criterion={"kind": "ratio", "ambiguity": SUPPORT})
    found = mo.solve(ratio)
    assert found.bounds.problem == "finite"
    assert any("several goods" in note for note in found.document["notes"])
    ball = {"kind": "total-variation", "centre": {"uniform": True}, "radius": "1/10"}
    tv = mo.solve(Design(environment={"upper": [1], "points": 3}, criterion={"kind": "regret", "ambiguity": ball}))
    assert any("live on the grid" in note for note in tv.document["notes"])


# ambiguity sets against brute force


def worst_over_vertices(score, vertices):
    return min(float(p @ score) for p in vertices)


def test_balls_shrink_to_their_centre_and_grow_to_the_support():
    environment = {"bidders": 2, "upper": [1], "points": 2}
    centre = {"marginals": [["1/2", "1/4", "1/4"]]}
    expected = mo.solve(Design(environment=environment, criterion={"prior": centre})).value
    sure = mo.solve(Design(environment=environment, criterion={"kind": "worst-case", "ambiguity": SUPPORT})).value
    for kind, most in (("box", 1), ("total-variation", 1), ("wasserstein", 2)):
        values = []
        for radius in (0, "1/20", "1/5", most):
            ball = {"kind": kind, "centre": centre, "radius": radius}
            values.append(
                mo.solve(Design(environment=environment, criterion={"kind": "worst-case", "ambiguity": ball})).value
            )
        assert values[0] == pytest.approx(expected, abs=1e-9)
        assert values[-1] == pytest.approx(sure, abs=1e-9)
        assert values == sorted(values, reverse=True)


def test_a_wasserstein_ball_against_its_definition():
    """Nature's best reply, computed as a transport problem by hand in CVXPY, against the certificate's."""
    samples = [[0.3, 0.7], [0.9, 0.5], [0.2, 0.2], [0.3, 0.7]]
    ball = {"kind": "wasserstein", "samples": samples, "radius": "1/5"}
    model = Design(environment={"bidders": 2, "upper": [1], "points": 4},
                   criterion={"kind": "worst-case", "ambiguity": ball})  # fmt: skip
    result = mo.solve(model)
    revenue = result.arrays["payment"].values.sum(axis=0)
    places = result.arrays["values"].values[:, :, 0].T
    plan = cp.Variable((4, len(places)), nonneg=True)
    distance = np.abs(np.array(samples)[:, None] - places).sum(axis=2)
    rows = [cp.sum(plan, axis=1) == 0.25, cp.sum(cp.multiply(plan, distance)) <= 0.2]
    problem = cp.Problem(cp.Minimize(cp.sum(plan @ revenue)), rows)
    problem.solve(solver=cp.HIGHS)
    assert problem.value == pytest.approx(result.value, abs=1e-7)


def test_full_surplus_with_unit_demand_is_an_assignment():
    from scipy.optimize import linear_sum_assignment

    rng = random.Random(4)
    types = [[[rng.randint(0, 9) for _ in range(3)] for _ in range(2)] for _ in range(3)]
    environment = Environment(types=types, goods_per_bidder=1)
    surplus, den = environment.surplus
    for v in range(environment.profiles):
        table = environment.values[:, v, :]
        i, j = linear_sum_assignment(-table)
        assert surplus[v] / den == pytest.approx(table[i, j].sum())


# the user's own rows, engines, explanations


def test_rows_written_in_cvxpy_bind_as_they_would_in_the_program():
    one = Design(environment={"bidders": 2, "upper": [1], "points": 3}, criterion={"prior": {"uniform": True}})
    mine = one.with_rows("mine", lambda q, m: [m[0] <= 0.25, cp.sum(q[1]) >= 3, q[0][3, 0] + q[1][3, 0] == 1])
    program = one.primal()
    q, m = program.variables["q"], program.variables["m"]
    P = one.environment.profiles
    more = [m[0] <= 0.25, cp.sum(q[P:]) >= 3, q[3, 0] + q[P + 3, 0] == 1]
    problem = cp.Problem(program.objective, program.problem.constraints + more)
    problem.solve(solver=cp.HIGHS)
    result = mo.solve(mine)
    assert result.value == pytest.approx(problem.value, abs=1e-8)
    assert result.bounds.certified
    with pytest.raises(mo.InputError, match="an affine constraint"):
        one.with_rows("bent", lambda q, m: cp.abs(m[0]) <= 1)


@pytest.mark.parametrize("incentives", [DSIC, {**BIC, "priors": [{"uniform": True}]}], ids=["ex-post", "bayesian"])
def test_engines_agree(incentives):
    model = Design(environment={"bidders": 2, "types": [[[0, 1], [2, 1], [1, 3], [3, 3]]]}, incentives=incentives,
                   criterion={"prior": {"uniform": True}})  # fmt: skip
    lazy, whole = mo.solve(model), mo.solve(model, method="all-rows")
    assert lazy.value == pytest.approx(whole.value, abs=1e-12)
    assert lazy.bounds == whole.bounds


def test_a_conflict_names_an_irreducible_set_of_parts():
    floor = {"kind": "worst-case", "measure": "revenue", "at_least": "1/2", "ambiguity": SUPPORT}
    parts = {"environment": {"upper": [1], "points": 3}, "criterion": {"kind": "regret", "ambiguity": SUPPORT},
             "restrictions": {"floors": [floor], "monotone": True}}  # fmt: skip
    with pytest.raises(NoOptimum) as caught:
        mo.solve(Design(**parts))
    assert set(caught.value.parts) == {"alpha_1", "theta_1", "beta"}
    assert "nobody loses by taking part" in str(caught.value)
    freed = {**parts, "incentives": {"participation": "none"}, "restrictions": {"floors": [floor], "budgets": [1]}}
    assert mo.solve(Design(**freed)).bounds.certified  # dropping one of the three is enough


def test_an_unbounded_goal_is_explained():
    prior = {"atoms": [{"probability": 1, "values": [[0]]}]}
    model = Design(
        environment={"upper": [1], "points": 1}, criterion={"measure": "revenue", "prior": {"uniform": True}},
        incentives={"truth": "none", "participation": "interim", "priors": [prior]},
    )  # fmt: skip
    with pytest.raises(NoOptimum, match="grows without limit"):
        mo.solve(model)


def test_an_empty_ball_says_how_wide_it_must_be():
    ball = {"kind": "wasserstein", "samples": [[0.4], [0.9]], "radius": 0.01}
    model = Design(environment={"upper": [1], "points": 2}, criterion={"kind": "worst-case", "ambiguity": ball})
    with pytest.raises(mo.InputError, match=r"write radius = 0\.1 or more"):
        mo.solve(model)


def test_assess_finds_broken_rows_and_accepts_its_own_optimum(tmp_path):
    model = regret({"upper": [1], "points": 2})
    good = mo.assess(model, {"allocation": [[0, 1, 1]], "payment": [[0, "1/2", "1/2"]]})
    assert good.feasible
    assert good.exact == Fraction(1, 2)
    assert good.gap == (0.25, 0.25)
    bad = mo.assess(model, {"allocation": [[0, 1, 1]], "payment": [[0, "1/2", "3/4"]]})
    assert [b.name for b in bad.broken] == ["gamma"]
    assert bad.broken[0].violation == 0.25
    assert "not feasible" in bad.summary()
    own = mo.assess(model, mo.solve(model).mechanism)
    assert own.feasible
    assert own.gap[0] == pytest.approx(0, abs=1e-9)
    file = tmp_path / "mechanism.json"
    file.write_text('{"types": [[0, 0.5, 1]], "allocation": [[0, 0, 1]], "payment": [[0, 0, 1]]}')
    assert mo.assess(model, file).exact == Fraction(1, 2)
    file.write_text('{"types": [[0, 0.4, 1]], "allocation": [[0, 0, 1]], "payment": [[0, 0, 1]]}')
    with pytest.raises(mo.InputError, match="the types of the design"):
        mo.assess(model, file)


def test_assess_measures_floors():
    floor = {"measure": "welfare", "kind": "ratio", "at_least": "1/2", "ambiguity": SUPPORT}
    model = Design(environment={"upper": [1], "points": 2}, criterion={"kind": "regret", "ambiguity": SUPPORT},
                   restrictions={"floors": [floor]})  # fmt: skip
    found = mo.assess(model, {"allocation": [[0, "1/4", 1]], "payment": [[0, "1/8", "7/8"]]}, compare=False)
    assert [b.name for b in found.broken] == ["theta_1"]
    assert found.broken[0].violation == pytest.approx(0.25)
    assert found.best is None


def test_latex_of_every_part_names_its_letters():
    model = Design(
        environment={"bidders": 2, "upper": [1, 1], "points": 1, "supply": [1, 2], "goods_per_bidder": 1},
        criterion={"kind": "regret", "ambiguity": {**SUPPORT, "moments": [{"at_least": "1/2"}]}},
        restrictions={"anonymous": True, "separable": True, "monotone": True, "budgets": [1], "reserve": [0, 0],
                      "floors": [{"measure": "sale", "at_least": "1/8", "prior": {"uniform": True}}]},
    )  # fmt: skip
    text = model.latex()
    for letter in (r"\alpha", r"\alpha^{1}", r"\beta_i(v)", r"\gamma_i(v, w)", r"\lambda_j(v)", r"\delta", r"\kappa",
                   r"\phi", r"\xi", r"\nu", r"\zeta", r"\theta_1", r"\sigma_k", r"[m_i(v)]"):  # fmt: skip
        assert letter in text
    assert text.count(r"\begin{align*}") == text.count(r"\end{align*}") == 2
    assert text.count("{") == text.count("}")


def test_a_csv_of_bids_becomes_part_of_the_instance(tmp_path):
    file = tmp_path / "bids.csv"
    file.write_text("bidder 1,bidder 2\n0.25,0.5\n0.75,0.5\n0.25,0.5\n")
    ball = {"kind": "wasserstein", "csv": str(file), "radius": "1/10"}
    model = Design(
        environment={"bidders": 2, "upper": [1], "points": 4}, criterion={"kind": "worst-case", "ambiguity": ball}
    )
    file.unlink()
    result = mo.solve(model)
    assert result.bounds.certified
    assert len(result.document["instance"]["parameters"]["criterion"]["ambiguity"]["samples"]) == 3
    assert result.model.parameters() == model.parameters()


def test_save_load_verify_plot(tmp_path):
    for name in ("regret-mean", "budgeted-buyer", "welfare-floor", "deterministic-menu", "wasserstein-bids"):
        result = mo.solve(mo.load(f"design/{name}"))
        assert result.bounds.certified
        folder = result.save(tmp_path / name)
        assert mo.verify(folder).passed
        again = mo.Result.load(folder)
        assert len(again.mechanism.to_frame()) == again.model.environment.profiles * again.model.environment.count * \
            again.model.environment.goods  # fmt: skip
        for kind in ("mechanism", "incentives") if name in ("regret-mean", "welfare-floor") else ("mechanism",):
            again.plot(kind).savefig(tmp_path / f"{name}-{kind}.png")
            assert (tmp_path / f"{name}-{kind}.png").stat().st_size > 8_000


def test_the_checker_loads_neither_cvxpy_nor_a_solver(tmp_path):
    mo.solve(regret({"upper": [1], "points": 2})).save(tmp_path / "one")
    code = (
        "import sys, mechopt; assert mechopt.verify(sys.argv[1]).passed; "
        "assert not {'cvxpy', 'highspy'} & set(sys.modules), 'loaded'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "one")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("incentives", [DSIC, {**BIC, "priors": [{"uniform": True}]}], ids=["ex-post", "bayesian"])
@pytest.mark.parametrize("kind", ["support", "box", "total-variation", "priors"])
def test_orbits_solve_the_same_program(incentives, kind):
    """Bidders who are alike are folded together; the value, and every row off the orbits, stay the same."""
    diagonal = {"joint": [["1/4", "1/8", 0], ["1/8", 0, "1/8"], [0, "1/8", "1/4"]]}
    chosen = {"kind": kind, "moments": [{"at_least": "1/4"}, {"power": 2, "at_most": "2/3"}]}
    if kind == "priors":
        chosen = {"kind": kind, "priors": [diagonal, {"uniform": True}]}
    elif kind != "support":
        chosen |= {"centre": diagonal, "radius": "1/20"}
    model = Design(
        environment={"bidders": 2, "upper": [1], "points": 2},
        incentives=incentives,
        criterion={"kind": "regret", "ambiguity": chosen},
        restrictions={"anonymous": True, "budgets": ["3/4"]},
    )
    assert Symmetry.of(model) is not None
    lazy, whole = mo.solve(model), mo.solve(model, method="all-rows")
    assert lazy.certificate["finite"]["lower"] == whole.certificate["finite"]["lower"]
    assert lazy.document["statistics"]["columns"] < whole.document["statistics"]["columns"]
    assert lazy.bounds.certified
    chances = lazy.arrays["allocation"].values[:, :, 0].reshape(2, 3, 3)
    np.testing.assert_allclose(chances[0], chances[1].T, atol=1e-12)


def test_bidders_who_differ_are_not_folded():
    assert (
        Symmetry.of(Design(environment={"upper": [[1], [2]], "points": 2}, criterion={"prior": {"uniform": True}}))
        is None
    )
    ball = {"kind": "box", "centre": {"marginals": [["1/2", "1/2"], ["1/3", "2/3"]]}, "radius": "1/10"}
    near = Design(
        environment={"bidders": 2, "upper": [1], "points": 1}, criterion={"kind": "regret", "ambiguity": ball}
    )
    assert Symmetry.of(near) is None


def test_a_limit_returns_an_incumbent_between_valid_bounds():
    parts = {"environment": {"bidders": 2, "upper": [1, 1], "points": 3}, "criterion": {"prior": {"uniform": True}}}
    best = mo.solve(Design(**parts)).value
    for seconds in (1e-6, 0.05, 0.2, 0.5):
        result = mo.solve(Design(**parts), time_limit=seconds)
        assert result.bounds.lower <= result.value + 1e-9
        assert result.bounds.lower - 1e-9 <= best <= result.bounds.upper + 1e-9


@pytest.mark.parametrize("more", [
    {}, {"restrictions": {"deterministic": True}}, {"restrictions": {"anonymous": True, "efficient": True}},
    {"restrictions": {"reserve": ["1/3", "2/3"]}}, {"restrictions": {"budgets": ["1/10"]}},
    {"criterion": {"kind": "regret", "ambiguity": SUPPORT}},
    {"criterion": {"kind": "ratio", "ambiguity": {"moments": [{"at_least": "1/2"}]}}},
    {"criterion": {"measure": {"revenue": 1, "welfare": 1, "sale": "1/4"}, "prior": {"uniform": True}}},
])  # fmt: skip
def test_a_limit_before_the_first_relaxation_returns_an_auction(more):
    environment = {"bidders": 2, "upper": [1, 1], "points": 2, "cost": ["1/8", 0]}
    design = Design(**{"environment": environment, "criterion": {"prior": {"uniform": True}}} | more)
    stopped, best = mo.solve(design, time_limit=1e-9), mo.solve(design)
    assert stopped.status == "user_limit"
    assert stopped.bounds.lower <= best.value <= stopped.bounds.upper
    own = stopped.bounds.lower if design.maximizes else stopped.bounds.upper
    assert stopped.value == pytest.approx(own, abs=1e-6)
    tables = {name: stopped.arrays[name].values for name in ("allocation", "payment")}
    assert mo.assess(design, tables, tolerance="1/1000000000").feasible
    nothing = "budgets" in more.get("restrictions", {})
    assert any(("sells nothing" if nothing else "uniform-price") in note for note in stopped.document["notes"])


def test_a_limit_where_no_auction_is_allowed_has_no_incumbent():
    floor = {"measure": "revenue", "at_least": "9/10", "prior": {"uniform": True}}
    parts = {"environment": {"upper": [1], "points": 3}, "criterion": {"prior": {"uniform": True}}}
    with pytest.raises(NoOptimum, match="user_limit"):
        mo.solve(Design(**parts, restrictions={"floors": [floor]}), time_limit=1e-9)
