"""One buyer's sweep with many values: interior-point steps against linear programs, and offers that may be anything."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from mechopt.models.distributions import Distribution
from mechopt.models.dynamic import slopes
from mechopt.models.dynamic import sweep as sweeping
from mechopt.models.dynamic.exact import exact_value_functions
from mechopt.models.dynamic.interior import offers
from mechopt.models.dynamic.slopes import from_slopes, steepest
from mechopt.models.dynamic.sweep import bracket, sweep, tops
from mechopt.models.dynamic.value_brackets import Period, nothing


def priors(seed, n, T, most, whole):
    """n integer values below `most` with probabilities over `whole`."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(T):
        values = sorted(rng.choice(most, n, replace=False).tolist())
        cuts = sorted(rng.choice(np.arange(1, whole), n - 1, replace=False).tolist())
        chances = [Fraction(b - a, whole) for a, b in itertools.pairwise([0, *cuts, whole])]
        found.append(Distribution(values=values, probabilities=chances))
    return found


@pytest.mark.parametrize("arrive", [True, False])
def test_steps_and_linear_programs_bracket_the_same_optimum(arrive, monkeypatch):
    """Where no step arrives, linear programs do it all."""
    many = priors(4, 48, 6, 900, 1024)
    gap = 1e-3 * sum(float(prior.f @ prior.v) for prior in many)
    if not arrive:
        monkeypatch.setattr(slopes, "offers", lambda *given: (*offers(*given)[:3], np.zeros(len(given[2]), bool)))
    quick = sweep(many, gap)
    monkeypatch.setattr(sweeping, "VALUES", 1000)
    slow = sweep(many, gap)
    assert quick.finished
    assert slow.finished
    assert slow.steps == 0
    assert max(quick.lower, slow.lower) <= min(quick.upper, slow.upper)
    assert (quick.programs < 0.8 * slow.programs) == arrive


def test_slopes_get_denser_until_the_bracket_is_narrow_enough():
    prior = Distribution(family="uniform", support=[1, 2], points=20)
    heard: list[str] = []
    wide, narrow = (sweep([prior] * 8, gap, np.inf, heard.append) for gap in (0.03, 0.003))
    assert wide.finished
    assert narrow.finished
    assert narrow.steps > 1.5 * wide.steps
    assert wide.lower <= narrow.upper
    assert narrow.lower <= wide.upper
    assert all(message.startswith("pass ") for message in heard)


@pytest.mark.parametrize("seed", range(3))
def test_the_steepest_slope_is_that_of_the_first_unit_of_promise(seed):
    few = priors(seed, 3, 2, 12, 16)
    found = steepest([Period.of(prior) for prior in few])
    assert found == pytest.approx([float(curve.slopes[0]) for curve in exact_value_functions(few)])


@pytest.mark.parametrize("seed", range(3))
def test_brackets_hold_whatever_the_steps_return(seed, monkeypatch):
    """Offers are noise: tangents stay above and points below the exact value function all the same."""
    few = priors(seed, 3, 2, 12, 16)
    exact = exact_value_functions(few)[0]
    first, last = (Period.of(prior) for prior in few)
    top = tops([first, last])
    after = bracket(last, nothing(), float(top[1]), 0.0, None)
    rng = np.random.default_rng(seed)
    noise = (rng.random((9, 3)), rng.random(9) * 5, rng.random((9, 3)) * 3, np.ones(9, bool))
    monkeypatch.setattr(slopes, "offers", lambda *_: noise)
    found = from_slopes(first, after, np.linspace(3, 0.1, 9), float(top[0]), 1e-3)
    for k in range(41):
        U = Fraction(k, 2)
        assert found.lower(np.array([float(U)]))[0] <= float(exact(U)) + 1e-9
        assert found.upper(np.array([float(U)]))[0] >= float(exact(U)) - 1e-9
    assert found.upper(np.array([100.0]))[0] == pytest.approx(float(exact(Fraction(100))))  # the ends are exact
    assert found.lower(np.array([100.0]))[0] == pytest.approx(float(exact(Fraction(100))))
