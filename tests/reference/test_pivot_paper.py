"""Optimal dynamic mechanism design and the virtual-pivot mechanism (2011): lemmas by hand, one agent and items i.i.d.

Items come every period from t = 1 on, discount 9/10, worth s B with B one of LOWS, served at the cost 3/10. A weight
w on the agent serves B > cost / w, so every quantity below is a finite sum, written here and not taken from the models.
"""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

import mechopt as mo
from mechopt.models.pivot import builders
from mechopt.models.pivot.initial import Initial, Signal, Worth
from mechopt.models.pivot.mechanism import VirtualPivotMechanism

LOWS, CHANCES, COST = np.array([0.2, 0.6, 1.0]), np.array([0.3, 0.4, 0.3]), 0.3
LAWS = {
    "uniform": {"family": "uniform", "support": [0, 1]},
    "skewed": {"family": "beta", "a": 1, "b": 2, "support": [0, 1]},
    "two humps": {"family": "dweibull", "c": 4, "loc": 0.5, "scale": 0.3, "support": [0, 1]},  # alpha falls
}
OFFSET = {"uniform": 0, "skewed": 0, "two humps": 1}  # A(s) = offset + s


def items(law):
    row = ["3/10", "2/5", "3/10"]
    agent = {"initial": LAWS[law], "states": 3, "start": row, "kernels": [row] * 3,
             "value": {"serve": ["1/5", "3/5", 1]}, "worth": {"offset": OFFSET[law]}}  # fmt: skip
    model = mo.VirtualPivot(discount="9/10", actions=["wait", "serve"], cost=[0, "3/10"], agents=[agent])
    return VirtualPivotMechanism(model.environment)


def served(w):
    """Q: the discounted worth of the items a weight w serves, 9 E[B; w B > cost]."""
    return 9 * float(CHANCES @ (LOWS * (w * LOWS > COST)))


def area(weight, low, high):
    """The integral of Q(weight(z)) between two signals: Q is constant where the weight passes no cost / B."""
    if low > high:
        return -area(weight, high, low)
    grid = np.linspace(low, high, 401)
    w, ends = weight(grid), {low, high}
    for level in COST / LOWS:
        for k in np.flatnonzero((w[1:] > level) != (w[:-1] > level)):
            ends.add(brentq(lambda z, level=level: float(weight(z)) - level, grid[k], grid[k + 1], xtol=1e-14))
    return sum(served(float(weight((a + b) / 2))) * (b - a) for a, b in itertools.pairwise(sorted(ends)))


def corrected_later(mechanism, report, signal):
    """U^{report -> signal}(signal), simulated: report at t = 0, then the truth, all payments as the mechanism asks."""
    sub, worth = mechanism.subscribe([report]), float(mechanism.env.data[0].signal.worth(signal))
    total = -float(sub.entry_payments[0])
    for k, p in enumerate(CHANCES):
        turn = mechanism.start([report]).step([k], signals=[signal])
        total += 9 * p * ((worth * LOWS[k] if turn.action != "wait" else 0.0) - float(turn.payments[0]))
    return total


@pytest.mark.parametrize("law", LAWS)
def test_correcting_oneself_later_is_worth_an_integral(law):
    """Lemma 3.4: periodic truth from t = 1 on makes U^{x' -> x}(x) - U(x') the integral of Q(alpha(x') z)."""
    mechanism = items(law)
    for report, signal in itertools.product([0.75, 0.85, 0.95], [0.6, 0.8, 1.0]):
        sub = mechanism.subscribe([report])
        alpha = float(sub.alpha[0])
        if alpha <= 0.05:
            continue
        found = corrected_later(mechanism, report, signal) - float(sub.utilities[0])
        right = area(lambda z, a=alpha: a * (OFFSET[law] + z), report, signal)
        assert found == pytest.approx(right, abs=1e-8)


@pytest.mark.parametrize("law", LAWS)
def test_truth_at_the_start_is_the_envelope_and_interval_dominance(law):
    """Lemmas 3.2 and 3.5: (11) holds; whatever the law, the gain from x' is the right side of (12) less the left."""
    mechanism = items(law)
    phi = mechanism.env.data[0].signal.phi
    gains = []
    for report, signal in itertools.product([0.15, 0.22, 0.7, 0.8, 0.9], [0.3, 0.4, 0.75, 0.85, 1.0]):
        alpha = float(phi(report)) / (OFFSET[law] + report)
        utility = [float(mechanism.subscribe([s]).utilities[0]) for s in (report, signal)]
        envelope = area(phi, report, signal)
        assert utility[1] - utility[0] == pytest.approx(envelope, abs=1e-8)
        if alpha > 0.05:
            gain = corrected_later(mechanism, report, signal) - utility[1]
            assert gain == pytest.approx(
                area(lambda z, a=alpha: a * (OFFSET[law] + z), report, signal) - envelope, abs=1e-8
            )
            gains.append(gain)
    assert max(gains) > 1 if law == "two humps" else max(gains) <= 1e-9


@pytest.mark.parametrize("additive", [False, True])
def test_expected_payments_are_expected_virtual_worths(additive):
    """Lemmas 3.3 and 4.1: E[sum of payments] = E[phi Q + D] - U(0), quadrature over the signal."""
    if additive:
        buyer = {"separation": "additive", "states": 2, "kernels": [["1/2", "1/2"]] * 2,
                 "value": {"sell": ["-4/5", "1/2"]}}  # fmt: skip
        model = mo.VirtualPivot(discount="9/10", actions=["wait", "sell"], agents=[buyer])
        mechanism = VirtualPivotMechanism(model.environment)
        kinks = [0.25, 0.9]  # 2 s - 1 + 1/2 and 2 s - 1 - 4/5 change sign
    else:
        mechanism, kinks = items("uniform"), [0.65, 0.75]

    def paid(s):
        return float(mechanism.subscribe([s]).expected_payments[0])

    def virtual(s):
        best = mechanism.subscribe([s]).optimum
        return float((2 * s - 1) * best.Q[0] + best.D[0])

    ends = list(itertools.pairwise([0.0, *kinks, 1.0]))
    total = [sum(quad(g, a, b, epsabs=1e-10)[0] for a, b in ends) for g in (paid, virtual)]
    assert total[0] == pytest.approx(total[1], abs=1e-8)


def test_the_derivative_of_a_strategys_value_is_bounded():
    """Lemma A.1: V^{y -> z}(x) = x Q(alpha(y) z), so its slope is Q, at most sup |dv/ds| / (1 - delta)."""
    for y, z in itertools.product([0.6, 0.8, 1.0], repeat=2):
        weight = (2 - 1 / y) * z
        found = [worth_to(y, z, x) for x in (0.3, 0.5)]
        assert (found[1] - found[0]) / 0.2 == pytest.approx(served(weight), abs=1e-9)
        assert served(weight) <= LOWS.max() / 0.1


def worth_to(y, z, x):
    """V^{y -> z}(x): the discounted worth to a type x of what the mechanism gives her, by enumeration."""
    mechanism = items("uniform")
    turns = [mechanism.start([y]).step([k], signals=[z]) for k in range(3)]
    return 9 * sum(p * x * b for p, b, turn in zip(CHANCES, LOWS, turns, strict=True) if turn.action != "wait")


@pytest.mark.parametrize("power", ["1/2", 1])
@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 2), (2, 3), (2, 1)])
def test_monotone_hazard_and_concave_worth_make_alpha_and_beta_rise(power, a, b):
    """Lemma A.2: alpha = phi / A rises, and so does phi - A, the part of beta that multiplies C; hence C > 0."""
    signal = Signal(Initial(family="beta", a=a, b=b, support=[0, 1]), Worth(power=power))
    s = np.linspace(0.02, 0.98, 200)
    inverse = signal.initial.inverse_hazard(s)
    assert (np.diff(inverse) < 0).all()
    share = signal.phi(s) / signal.worth(s)
    assert (np.diff(share) > 0).all()
    assert (np.diff(signal.phi(s) - signal.worth(s)) > 0).all()


def test_without_the_assumptions_alpha_may_fall():
    signal = Signal(Initial(family="beta", a="1/2", b="1/2", support=[0, 1]), Worth(offset=1))
    s = np.linspace(0.02, 0.98, 200)
    assert (np.diff(signal.phi(s) / signal.worth(s)) < 0).any()


def test_prices_of_what_never_changes_do_not_depend_on_the_date():
    """Erratum to (17), discounted from t = 0: two arms that are worth s and s / 2 for ever, signals 1 and 1."""
    arms = [{"kernel": [[1]], "value": [worth]} for worth in (1, "1/2")]
    run = VirtualPivotMechanism(builders.bandit("9/10", arms).environment).start([1.0, 1.0])
    paid = [run.step([0, 0]).payments.tolist() for _ in range(4)]
    np.testing.assert_allclose(paid, [[0.5, 0.0]] * 4, atol=1e-12)  # the other's item, every time
    without = 0.5 / (1 - 0.9)
    printed = [1 - (1 - 0.9**t * without + 0.9 * 0.9 ** (t + 1) * without) for t in range(1, 5)]
    assert printed[0] == pytest.approx(0.855)
    assert printed[3] == pytest.approx(0.855 * 0.9**3)
