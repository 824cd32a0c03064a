"""All mechanisms for any number of bidders, and the best reserve under moments: brute force, brackets, frauds."""

import copy
import itertools

import cvxpy as cp
import numpy as np
import pytest

import mechopt as mo
from mechopt.models.auctions import moment_auction_any_solve as together
from mechopt.models.auctions import moment_auction_loglinear as lower
from mechopt.models.auctions.moment_auction_check import check
from mechopt.models.auctions.moment_auction_check_any import multisets
from mechopt.models.auctions.moment_auction_reserves import earned
from mechopt.solvers.highs import solve as highs

SPREAD = [{"at_least": "1/2"}, {"power": 2, "at_most": "3/10"}]


def brute_force(bidders, points, mean):
    """Every mechanism on the grid, bidder by bidder and profile by profile: no symmetry, all pairs of reports."""
    g = np.linspace(0, 1, points + 1)
    profiles = list(itertools.product(range(points + 1), repeat=bidders))
    number = {w: k for k, w in enumerate(profiles)}
    q, m = (cp.Variable((len(profiles), bidders)) for _ in range(2))
    level, sigma = cp.Variable(), cp.Variable(bidders, nonneg=True)
    values = g[np.array(profiles)]
    rows = [q >= 0, cp.sum(q, axis=1) <= 1, cp.sum(m, axis=1) >= level + values @ sigma]
    for i in range(bidders):
        for w in profiles:
            truth = g[w[i]] * q[number[w], i] - m[number[w], i]
            rows.append(truth >= 0)
            for lie in range(points + 1):
                there = number[(*w[:i], lie, *w[i + 1 :])]
                rows.append(truth >= g[w[i]] * q[there, i] - m[there, i])
    return cp.Problem(cp.Maximize(level + mean * cp.sum(sigma)), rows).solve(solver=cp.HIGHS)


@pytest.mark.parametrize(("bidders", "points"), [(1, 6), (2, 4), (3, 2), (3, 3)])
@pytest.mark.parametrize("mean", [0.3, 0.6])
def test_the_grid_program_equals_all_mechanisms_without_symmetry(bidders, points, mean):
    model = mo.MomentAuction(bidders=bidders, mean=mean, points=points, mechanism="any")
    value = highs(model.primal()).value
    assert value == pytest.approx(highs(model.dual()).value, abs=1e-9)
    assert value == pytest.approx(brute_force(bidders, points, mean), abs=1e-7)


def test_two_ways_to_two_bidders():
    """A mean as a mean has two bidders' own program; as a moment it has the one for any number."""
    pairs = mo.solve(mo.MomentAuction(bidders=2, mean="1/2", points=8, mechanism="any"))
    listed = mo.solve(mo.MomentAuction(bidders=2, moments=[{"at_least": "1/2"}], points=8, mechanism="any"))
    assert listed.value == pytest.approx(pairs.value, abs=1e-9)
    assert listed.bounds.certified
    assert listed.bounds.lower <= 0.32899 and listed.bounds.upper >= 0.32897  # noqa: PT018 - one bracket
    assert listed.bounds.width < 2e-3


def test_one_bidder_is_the_robust_posted_price_lottery():
    """With a mean alone the optimum is the root r of r (1 - log r) = mu."""
    result = mo.solve(mo.MomentAuction(bidders=1, mean="1/2", points=10, mechanism="any"), gap=2e-5)
    lottery = mo.solve(mo.MomentAuction(bidders=1, mean="1/2", points=10, mechanism="highest-bidder-lottery"))
    assert result.bounds.certified
    assert result.bounds.width <= 2e-5
    assert result.bounds.lower <= lottery.closed_form.value <= result.bounds.upper


@pytest.mark.parametrize(("spread", "value"), [("3/10", 0.21690689), ("26/100", 0.30288413), ("45/100", 0.18668231)])
def test_one_bidder_with_known_mean_and_spread(spread, value):
    """q = s1 log(v/r) - 2 s2 (v - r) up to where it is flat: reference values by that formula's own equations."""
    known = [{"at_least": "1/2"}, {"power": 2, "at_most": spread}]
    bounds = mo.solve(mo.MomentAuction(bidders=1, moments=known, points=10, mechanism="any")).bounds
    assert bounds.certified
    assert bounds.lower - 1e-8 <= value <= bounds.upper + 1e-8
    assert bounds.width < 5e-4


def test_three_bidders_are_bracketed_above_the_lottery():
    model = mo.MomentAuction(bidders=3, mean="1/2", points=4, mechanism="any")
    result = mo.solve(model)
    assert result.bounds.certified
    assert result.bounds.width < 1e-2
    lottery = mo.MomentAuction(bidders=3, mean="1/2", mechanism="highest-bidder-lottery").closed_form().value
    assert result.bounds.lower > lottery + 0.04
    assert result.quantities["finite_lower"] - 1e-9 <= result.value <= result.quantities["finite_upper"] + 1e-9
    assert result.verify().passed


def test_the_mechanism_keeps_truth_best_and_its_promise_everywhere():
    model = mo.MomentAuction(bidders=3, mean="1/2", points=3, mechanism="any")
    result = mo.solve(model)
    rng = np.random.default_rng(0)
    values = rng.random((200, 3))
    q, m = result.mechanism(values)
    assert q.min() >= 0
    assert q.sum(axis=1).max() <= 1 + 1e-9
    own = (values * q - m)[:, 0]
    assert own.min() >= -1e-12
    for lie in rng.random((40, 200)):
        other = values.copy()
        other[:, 0] = lie
        q_lie, m_lie = result.mechanism(other)
        assert (values[:, 0] * q_lie[:, 0] - m_lie[:, 0] - own).max() < 1e-9
    sigma = float(result.certificate["continuum"]["loglinear"]["sigma"][0].split("/")[0])
    sigma /= float(result.certificate["continuum"]["loglinear"]["sigma"][0].split("/")[1])
    level = result.bounds.lower - 3 * 0.5 * sigma
    assert (m.sum(axis=1) - sigma * values.sum(axis=1)).min() >= level - 1e-9
    assert np.abs(result.mechanism(values[:, ::-1])[0][:, ::-1] - q).max() < 1e-12  # bidders alike


def test_frauds_are_refused():
    model = mo.MomentAuction(bidders=3, mean="1/2", points=2, mechanism="any")
    result = mo.solve(model, time_limit=60)
    honest = {k: v for k, v in result.certificate.items() if k in ("finite", "continuum")}
    assert all(c.passed for c in check(model.parameters(), honest)[0])

    def refused(change):
        forged = copy.deepcopy(honest)
        change(forged)
        return not all(c.passed for c in check(model.parameters(), forged)[0])

    def more_chance(c):
        c["continuum"]["loglinear"]["jump"][5][0] += 2**38

    def slope_at_zero(c):
        c["continuum"]["loglinear"]["slope"][0][3] = 1

    def cheaper(c):
        price = c["continuum"]["density"]["price"]
        price[max(range(len(price)), key=lambda k: eval_fraction(price[k]))] = "0"

    def heavier(c):
        c["continuum"]["density"]["nature"][0] = "1/10"

    def grid_mass(c):
        c["finite"]["nature"]["P"][0][1] = "7/9"

    def grid_chance(c):
        c["finite"]["mechanism"]["allocation"][2][0] = "2"

    for change in (more_chance, slope_at_zero, cheaper, heavier, grid_mass, grid_chance):
        assert refused(change), change.__name__


def eval_fraction(text):
    head, _, tail = text.partition("/")
    return int(head) / int(tail or 1)


def test_places_and_nodes():
    assert multisets(2, 2) == [(0, 0), (0, 1), (1, 1)]
    for mean in (0.1, 0.5, 0.9):
        nodes = together.nodes_for(mean, 12)
        assert nodes[0] == 0
        assert nodes[-1] == 1
        assert nodes == sorted(set(nodes))
    assert lower.bends(np.array([0.0, 1.0]), 2, 1).tolist() == [0.25]  # v^2 lies 1/4 below its chord at 1/2


def test_the_best_reserve_under_a_mean_by_moments_is_the_theorem():
    listed = mo.solve(mo.MomentAuction(bidders=2, moments=[{"at_least": "1/2"}], points=4))
    theorem = mo.MomentAuction(bidders=2, mean="1/2").closed_form().value
    assert listed.value == pytest.approx(theorem, abs=1e-9)
    assert listed.bounds.certified
    assert listed.bounds.lower - 1e-9 <= theorem <= listed.bounds.upper + 1e-9


def test_the_best_posted_price_with_known_mean_and_spread():
    """One bidder: the price p sells for p (mu - p) / (min(1, (s - p mu) / (mu - p)) - p) in the worst case."""
    p = np.linspace(0, 0.5, 200_001)[:-1]
    best = (p * (0.5 - p) / (np.minimum(1, (0.3 - 0.5 * p) / (0.5 - p)) - p)).max()
    result = mo.solve(mo.MomentAuction(bidders=1, moments=SPREAD, points=40), gap=3e-3)
    assert result.bounds.certified
    assert result.bounds.lower - 1e-9 <= best <= result.bounds.upper + 1e-9
    assert result.bounds.width < 3e-3


def test_a_reserve_left_out_of_the_cover_is_noticed():
    model = mo.MomentAuction(bidders=1, moments=[{"at_least": "1/2"}], points=2)
    result = mo.solve(model)
    forged = copy.deepcopy({k: result.certificate[k] for k in ("finite", "continuum")})
    cover = forged["continuum"]["cover"]
    assert len(cover) > 3
    gone = cover.pop(2)
    with pytest.raises(ValueError, match="left out"):
        check(model.parameters(), forged)
    cover.insert(2, gone | {"high": cover[-1]["high"]})
    assert not all(c.passed for c in check(model.parameters(), forged)[0])
    far = earned(gone["nature"], np.array([float(eval_fraction(cover[3]["high"]))]))
    assert far.shape == (1,)


def test_a_time_limit_leaves_valid_bounds_and_says_so():
    model = mo.MomentAuction(bidders=3, mean="1/2", points=4, mechanism="any")
    result = mo.solve(model, gap=1e-4, time_limit=1e-3)
    assert result.status == "user_limit"
    assert result.bounds.certified
    assert 0 <= result.bounds.lower <= 0.4289 <= result.bounds.upper + 1e-3
