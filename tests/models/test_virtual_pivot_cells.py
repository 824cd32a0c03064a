"""Two continua: cells of weights against grids, exact brackets, and what time limits leave of them."""

import copy
import json
from fractions import Fraction

import numpy as np
import pytest

import mechopt as mo
from mechopt.models.pivot import builders
from mechopt.models.pivot.cells import applies, partition, rectangle, sides
from mechopt.models.pivot.check import check
from mechopt.models.pivot.expectation import by_cells, expectations, extremes
from mechopt.models.pivot.rent import Rents
from mechopt.models.pivot.welfare import Market

ARMS = [
    {"kernel": [["1/2", "1/2"], ["1/5", "4/5"]], "value": [1, "1/2"]},
    {"kernel": [["3/5", "2/5"], ["1/10", "9/10"]], "value": ["1/4", "6/5"]},
]
FORCED = {  # one action, so that additive agents can be harmed, and leaving them out matters
    "discount": "4/5", "actions": ["serve"], "cost": ["1/10"],
    "agents": [{"separation": "additive", "states": 2, "start": ["1/2", "1/2"], "kernels": [[["3/4", "1/4"], [0, 1]]],
                "value": [[-1, one]], "initial": {"family": "uniform", "support": [0, high]}}
               for one, high in ((2, 1), (1, "3/2"))],
}  # fmt: skip
MODELS = {
    "bandit": lambda: builders.bandit("9/10", ARMS),
    "bandit at a cost, other supports": lambda: builders.bandit(
        "4/5",
        [
            {**ARMS[0], "initial": {"family": "uniform", "support": ["1/3", 2]}},
            {**ARMS[1], "worth": {"offset": "1/7", "scale": 2}},
        ],
        cost="1/5",
    ),
    "additive bandit": lambda: builders.bandit("9/10", [{**arm, "separation": "additive"} for arm in ARMS], cost="1/2"),
    "one of each": lambda: builders.bandit("4/5", [{**ARMS[0], "separation": "additive"}, ARMS[1]], cost="1/2"),
    "chain": lambda: builders.supply_chain("9/10", [[1, 2], ["1/2", 3]], [[["1/2", "1/2"], ["1/4", "3/4"]]] * 2, 1, 1),
    "forced": lambda: mo.VirtualPivot(**FORCED),
    "fading": lambda: builders.autoregressive("9/10", 2, [], ["-1/2", "1/2"], 2, persistence="1/2"),
}


SLOW = {"additive bandit", "one of each"}  # many cells: payments added up along signals take seconds


@pytest.fixture(scope="module", params=[pytest.param(m, marks=[pytest.mark.long] * (m in SLOW)) for m in MODELS])
def solved(request):
    model = MODELS[request.param]()
    return model, mo.solve(model)


def test_the_bracket_is_exact_and_certified(solved):
    _, result = solved
    assert result.status == "optimal"
    assert result.bounds.problem == "continuum"
    assert result.bounds.certified
    assert 0 <= result.bounds.width < 1e-12
    assert result.bounds.lower - 1e-12 <= result.value <= result.bounds.upper + 1e-12
    assert result.verify().passed


def test_the_bracket_lies_between_grids_of_middles_and_corners(solved):
    """W0 is convex in the weights: Jensen's inequality from below, chords from above, on squares of a plain grid."""
    model, result = solved
    market, n = Market(model.environment), 12
    ends = [[float(p[j]) for p in rectangle(model.environment)] for j in range(2)]

    def on(x):
        grids = [min(e) + (max(e) - min(e)) * x for e in ends]
        return np.array([[market.best((a, b)).value for b in grids[1]] for a in grids[0]])

    corners = on(np.arange(n + 1) / n)
    above = np.mean((corners[1:, 1:] + corners[:-1, 1:] + corners[1:, :-1] + corners[:-1, :-1]) / 4)
    below = np.mean(on((np.arange(n) + 0.5) / n))
    assert below - 1e-12 <= result.bounds.lower
    assert result.bounds.upper <= above + 1e-12
    assert above - below < 0.04 * (1 + above)


def test_payments_added_up_agree_with_the_cells(solved):
    """The profit along one agent's signals, integrated over the other's: another route than E W0 over polygons."""
    _, result = solved
    assert result.quantities["profit"] == pytest.approx(result.value, rel=1e-10)


@pytest.mark.parametrize("name", ["bandit", pytest.param("additive bandit", marks=pytest.mark.long)])
def test_cells_and_quadrature_that_knows_no_kinks_agree(name):
    market = Market(MODELS[name]().environment)
    cut = partition(market, 1000)
    found, again = expectations(market, Rents(market)), by_cells(market.env, cut)
    assert found.bound == pytest.approx(cut.lower, rel=2e-9)
    assert again.profit == pytest.approx(cut.lower, rel=1e-12)
    assert again.payments == pytest.approx(found.payments, rel=1e-8)
    assert again.utilities == pytest.approx(found.utilities, rel=1e-8)
    assert again.cost == pytest.approx(found.cost, rel=1e-8, abs=1e-12)


def test_the_gap_asked_for_is_met_with_fewer_cells():
    model = MODELS["chain"]()
    sizes = []
    for gap in (1.0, 1e-2, None):
        result = mo.solve(model, gap=gap)
        assert result.bounds.certified
        assert result.bounds.width <= (gap or 1e-12)
        assert result.bounds.lower <= result.value <= result.bounds.upper
        assert result.verify().passed
        sizes.append(len(result.certificate["finite"]["cells"]))
    assert sizes[0] < sizes[1] < sizes[2]


def test_halves_of_a_polygon_share_the_cut():
    triangle = ((Fraction(0), Fraction(0)), (Fraction(3), Fraction(0)), (Fraction(0), Fraction(3)))
    low, high = sides(triangle, (Fraction(1), Fraction(0), Fraction(-1)))
    assert set(low) == {(0, 0), (1, 0), (1, 2), (0, 3)}
    assert set(high) == {(1, 0), (3, 0), (1, 2)}


def test_cells_are_for_two_uniform_agents_with_linear_worths():
    law = {"family": "beta", "a": 2, "b": 3, "support": [0, 1]}
    assert applies(MODELS["bandit"]().environment)
    for changed in ({"initial": law}, {"worth": {"power": "1/2"}}, {"initial": {"values": [1], "probabilities": [1]}}):
        model = builders.bandit("9/10", [{**ARMS[0], **changed}, ARMS[1]])
        assert not applies(model.environment)


@pytest.fixture(scope="module")
def bandit():
    model = MODELS["bandit"]()
    return model, mo.solve(model)


def forge(part, how):
    """A certificate of the bandit in which a cell, a cut, a value or a policy is not what it was."""
    part = copy.deepcopy(part)
    leaf = next(node for node in part["cells"] if node.get("included") == [0, 1])
    root = part["cells"][0]
    if how == "served twice":
        leaf["included"] = [0, 0]
    elif how == "an unknown agent":
        leaf["included"] = [2]
    elif how == "both sides the same":
        root["sides"] = [root["sides"][0]] * 2
    elif how == "a loop":
        root["sides"] = [0, root["sides"][1]]
    elif how == "a cut outside":
        root["cut"] = ["1", "1", "100"]
    elif how == "a node too many":
        part["cells"].append({"included": [0]})
    elif how == "rounded to whole numbers":
        part["grid"] = 0
    elif how == "values lowered":
        for entry in part["optima"]:
            entry["values"] = [[x - 2**30 for x in row] for row in entry["values"]]
    elif how == "a lazy policy":
        for entry in part["optima"]:
            if "policy" in entry:
                entry["policy"] = [[0] * len(row) for row in entry["policy"]]
    return part


@pytest.mark.parametrize(
    "how",
    ["served twice", "an unknown agent", "both sides the same", "a loop", "a cut outside", "a node too many",
     "rounded to whole numbers", "values lowered", "a lazy policy"],
)  # fmt: skip
def test_forged_cells_prove_nothing_false(how, bandit):
    model, result = bandit
    part = json.loads(json.dumps(result.certificate["finite"]))
    true = (Fraction(result.bounds.lower), Fraction(result.bounds.upper))
    part = {key: x for key, x in forge(part, how).items() if key not in ("lower", "upper")}
    try:
        checks, proved = check(model.parameters(), {"finite": part})
    except (KeyError, ValueError, TypeError, IndexError):
        return
    lower, upper = (Fraction(int(x.p), int(x.q)) for x in proved["continuum"])
    assert not all(c.passed for c in checks) or (lower <= true[1] and upper >= true[0])
    assert how in ("values lowered", "a lazy policy", "a node too many")


@pytest.mark.parametrize("limit", [1e-6, 0.02, 0.2])
def test_time_limits_leave_a_true_bracket(limit):
    model = builders.sponsored_search("9/10", 2, 5)
    true = partition(Market(model.environment), 400)
    stopped = mo.solve(model, time_limit=limit)
    assert stopped.status == "user_limit"
    assert stopped.bounds.lower <= true.upper
    assert stopped.bounds.upper >= true.lower
    assert stopped.document["statistics"]["solve_seconds"] < limit + 2
    assert any("stopped at the time limit" in note for note in stopped.document["notes"])
    assert stopped.summary()
    stopped.plot()


def test_a_proof_made_in_time_is_kept_though_payments_are_not():
    stops = [mo.solve(MODELS["additive bandit"](), time_limit=limit) for limit in (0.1, 0.3)]
    for stopped in stops:
        assert stopped.status == "user_limit"
        assert stopped.bounds.lower <= 5.917757165173989 + 1e-12
        assert stopped.bounds.upper >= 5.917757165173989 - 1e-12
        if stopped.certificate:
            assert stopped.verify().passed


def test_finitely_many_types_have_a_true_bracket_when_time_is_up():
    model = mo.load("pivot/autoregressive").model
    true = mo.solve(model).bounds
    for limit in (1e-6, 0.02, 0.1):
        stopped = mo.solve(model, time_limit=limit)
        assert stopped.status == "user_limit"
        assert stopped.bounds.lower <= true.upper
        assert stopped.bounds.upper >= true.lower


def test_the_bracket_at_a_glance_holds(solved):
    model, result = solved
    low, high = extremes(Market(model.environment))
    assert low <= result.bounds.lower + 1e-12
    assert high >= result.bounds.upper - 1e-12


def test_partitions_stop_at_their_size():
    market = Market(builders.sponsored_search("9/10", 2, 4).environment)
    widths = [partition(market, most).upper - partition(market, most).lower for most in (10, 40, 160)]
    assert widths[0] > widths[1] > widths[2] > 0
    assert all(len(partition(market, most).root.leaves()) <= most for most in (10, 40))
