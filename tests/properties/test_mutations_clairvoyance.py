"""Mutated certificates of `money-burning` and `non-clairvoyant-gap`: no seal breaks unseen, nothing false passes."""

import copy
import functools
import json
import random
from fractions import Fraction

import pytest
from forging import mutant

import mechopt as mo
from mechopt.files import digest
from mechopt.verification import verify_documents

DIE = {"values": [1, 2, 3], "probabilities": ["1/3", "1/3", "1/3"]}
TAIL = {"values": [1, 2, 8], "probabilities": ["1/2", "1/4", "1/4"]}
NINE = {"values": [1, 2, 9], "probabilities": ["1/2", "1/3", "1/6"]}
CASES = {
    "caps": ("MoneyBurning", {"buyers": [TAIL, DIE], "caps": ["1/2", 1]}),
    "no caps": ("MoneyBurning", {"buyers": [TAIL, TAIL]}),
    "lower": ("MoneyBurning", {"buyers": [TAIL, DIE], "caps": [1, None], "convention": "lower"}),
    "lowest type": ("MoneyBurning", {"buyers": [TAIL, DIE], "caps": ["3/4", "1/4"], "convention": "upper-zero"}),
    "no tables": ("MoneyBurning", {"buyers": [TAIL] * 9, "caps": ["1/4"] * 8 + [None]}),
    "mu": ("NonClairvoyantGap", {"mu": 2, "epsilon": "1/3", "points": 12}),
    "small mu": ("NonClairvoyantGap", {"mu": "1/4", "points": 5}),
    "two distributions": ("NonClairvoyantGap", {"first": NINE, "second": TAIL}),
    "futures": ("NonClairvoyantGap", {"scenarios": [[NINE], [NINE, DIE], [NINE, TAIL]]}),
}
TRIES = 100
PROOF = ("finite", "continuum")


@functools.cache
def solved(name):
    model, fields = CASES[name]
    return mo.solve(getattr(mo, model)(**fields))


@pytest.fixture(params=CASES, scope="module")
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("result") / "saved"
    result = solved(request.param)
    assert result.bounds.certified
    result.save(folder)
    assert mo.verify(folder).passed
    return folder, result


def test_every_mutation_of_the_file_is_detected(saved):
    folder, _ = saved
    file = folder / "certificate.json"
    original = file.read_text()
    certificate = json.loads(original)
    rng = random.Random(20)
    try:
        for _ in range(20):
            path, changed = mutant(certificate, rng, PROOF)
            if changed == certificate:
                continue
            file.write_text(json.dumps(changed))
            assert not mo.verify(folder).passed, path
    finally:
        file.write_text(original)


def test_a_forger_who_redoes_the_seals_proves_nothing_false(saved):
    """Bounds are set to what the mutant claims; it passes only where they are still true."""
    _, result = saved
    low, high = result.bounds.lower, result.bounds.upper
    rng = random.Random(7)
    refused = 0
    for _ in range(TRIES):
        _, forged = mutant(result.certificate, rng)
        for part in ("finite", "continuum"):
            if rng.random() < 0.5 and part in forged:
                forged[part].pop("lower", None)
                forged[part].pop("upper", None)
        forged["digest"] = digest(forged)
        found = verify_documents(result.document, forged)
        refused += not found.passed
        if found.passed:
            assert forged["bounds"]["lower"] <= high
            assert forged["bounds"]["upper"] >= low
    assert refused >= 0.5 * TRIES


def test_inflated_bounds_are_refused_even_when_every_copy_agrees(saved):
    _, result = saved
    for end, shift in (("lower", 1e-6), ("upper", -1e-6)):
        forged = copy.deepcopy(dict(result.certificate))
        forged["bounds"] = {**forged["bounds"], end: forged["bounds"][end] + shift}
        assert not verify_documents({**result.document, "bounds": forged["bounds"]}, forged).passed


def changed(name, step):
    """A case's certificate with one thing done to it, and the checks that then fail."""
    result = solved(name)
    forged = copy.deepcopy(dict(result.certificate))
    step(forged)
    return [check.name for check in verify_documents(result.document, forged).checks if not check.passed]


def test_each_kind_of_row_is_checked():
    """One violation per economic row: the check that names it fails."""

    def more(path, amount):
        def step(forged):
            *way, last = path
            node = forged["finite"]
            for key in way:
                node = node[key]
            node[last] = str(Fraction(node[last]) + Fraction(amount))

        return step

    def failing(name, path, amount, words):
        found = changed(name, more(path, amount))
        assert any(words in check for check in found), (name, path, found)

    failing("caps", ("mechanism", "payment", 0, 8), "-1/100", "where a lie gains")
    failing("caps", ("mechanism", "payment", 0, 0), "1/100", "a lie gains")
    failing("caps", ("mechanism", "payment", 0, 0), "-1", "no payment is negative")
    failing("caps", ("mechanism", "allocation", 0, 0), "1", "given at most once")
    failing("caps", ("weights", 0), "2", "weights lie between")
    failing("caps", ("flows", 1, 0), "-5", "rising chances are nonnegative")
    failing("lowest type", ("mechanism", "payment", 0, 0), "-1/100", "lowest type gets nothing")
    failing("lower", ("mechanism", "payment", 0, 0), "-1/100", "highest the allocation allows")
    failing("no tables", ("auction", "q", 0), "2", "no winner's chance")
    failing("no tables", ("auction", "chances", 0), "1", "chances sum to at most one")
    failing("mu", ("lambda", 0), "-3", "nature's weights")
    failing("mu", ("chances", "12"), "1/10", "sum to one")
    failing("futures", ("payment", 0, 0), "1/10", "where a lie gains")
    failing("futures", ("payment", 1, 8), "20", "on which the buyer loses")
    failing("futures", ("allocation", 0, 2), "1", "given at most once")
    failing("futures", ("weights", 0), "1/10", "leave nothing of any payment")
    failing("futures", ("clairvoyant", 0, "end", 0, 0), "-100", "multipliers are nonnegative")
