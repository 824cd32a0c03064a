"""Several buyers over time: no change to a certificate proves a false bound, none to a saved result passes."""

import copy
import json
import random
from fractions import Fraction

import pytest
from forging import at, leaves

import mechopt as mo
from mechopt.models.dynamic.several_check import check
from mechopt.models.dynamic.several_solve import solve
from mechopt.models.outcome import Options
from mechopt.solvers.highs import solve as highs
from mechopt.solvers.rational import rational


def prior(values, weights):
    return {"values": values, "probabilities": [str(Fraction(w, sum(weights))) for w in weights]}


MODELS = [
    mo.DynamicAuction(
        periods=[[prior([2, 3], [2, 3]), prior([1, 2], [1, 1])], [prior([3, 5], [1, 1]), prior([1, 2], [2, 3])]]
    ),
    mo.DynamicAuction(
        periods=[
            [prior([1, 4], [3, 1]), prior([2, 3], [1, 1])],
            [prior([0, 6], [2, 1]), prior([1, 5], [1, 1])],
            [prior([1, 2], [1, 4]), prior([2, 9], [3, 1])],
        ]
    ),
]


def changed(value, rng):
    if isinstance(value, str):
        return str(Fraction(value) + rng.choice([Fraction(1, 10**6), -1, 1])) if rng.random() < 0.8 else "x"
    if isinstance(value, int):
        return value + rng.choice([-2, -1, 1, 3])
    return rng.choice([value + 1e-7, value - 1e-7, -value, value * 2, value + 1, 0.5, 1e9])


@pytest.mark.parametrize("model", MODELS, ids=["two periods", "three periods"])
def test_no_change_to_a_certificate_proves_a_false_bound(model):
    """A changed certificate is refused, or what it proves is still true."""
    outcome = solve(model, Options(gap=1e-6))
    optimum = highs(model.primal()).value
    written = json.loads(json.dumps(outcome.certificate))
    for end in ("lower", "upper"):
        written["finite"].pop(end)
    paths = [p for p in leaves(written["finite"]) if at(written["finite"], p) is not None]
    rng = random.Random(1)
    refused = 0
    for _ in range(250):
        part = copy.deepcopy(written)
        *steps, last = rng.choice(paths)
        node = part["finite"]
        for step in steps:
            node = node[step]
        node[last] = changed(node[last], rng)
        try:
            checks, proved = check(model.parameters(), part)
        except (KeyError, ValueError, TypeError, IndexError):
            refused += 1
            continue
        if all(c.passed for c in checks):
            lower, upper = proved["finite"]
            assert lower <= rational(optimum + 1e-8)
            assert upper >= rational(optimum - 1e-8)
        else:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("model", MODELS, ids=["two periods", "three periods"])
def test_a_saved_result_is_verified_and_a_changed_one_is_not(model, tmp_path):
    folder = tmp_path / "result"
    mo.solve(model, gap=1e-6).save(folder)
    assert mo.verify(folder).passed
    certificate = json.loads((folder / "certificate.json").read_text())
    certificate["finite"]["xi"][0][0] += 1e-9
    (folder / "certificate.json").write_text(json.dumps(certificate))
    assert not mo.verify(folder).passed
