"""Mutated certificates of `design`: no seal breaks unseen, nothing false passes."""

import copy
import functools
import json
import random

import pytest
from forging import mutant

import mechopt as mo
from mechopt.files import digest
from mechopt.verification import verify_documents

SUPPORT = {"kind": "support"}
GRID = {"bidders": 2, "upper": [1], "points": 2}
UNIFORM = {"uniform": True}


def over(judged, **fields):
    return {"kind": judged, "ambiguity": fields}


CASES = {
    "regret, moments, continuum": {
        "environment": GRID,
        "criterion": over("regret", kind="support", moments=[{"at_least": "1/2"}]),
    },
    "wasserstein, continuum": {
        "environment": GRID,
        "criterion": over("worst-case", kind="wasserstein", samples=[[0.5, 0.9], [0, 1]], radius="1/4"),
    },
    "ratio, two goods": {
        "environment": {"upper": [1, 2], "lower": ["1/2", 0], "points": 2},
        "criterion": over("ratio", kind="total-variation", centre=UNIFORM, radius="1/10"),
    },
    "bayesian, floors, caps": {
        "environment": GRID,
        "criterion": {"prior": UNIFORM},
        "incentives": {"truth": "bayesian", "participation": "interim", "priors": [UNIFORM]},
        "restrictions": {"budgets": ["1/2"], "floors": [{"measure": "welfare", "at_least": "1/2", "prior": UNIFORM}]},
    },
    "restrictions": {
        "environment": {"bidders": 2, "upper": [1, 1], "points": 1, "goods_per_bidder": 1},
        "criterion": over("regret", kind="box", centre=UNIFORM, radius="1/20"),
        "restrictions": {"anonymous": True, "separable": True, "monotone": True},
    },
    "whole": {
        "environment": {"upper": [1, 1], "points": 1},
        "criterion": {"prior": UNIFORM},
        "restrictions": {"deterministic": True},
    },
}
TRIES = 100
PROOF = ("finite", "continuum")


@functools.cache
def solved(name):
    return mo.solve(mo.Design(**CASES[name]))


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
        for _ in range(TRIES):
            path, changed = mutant(certificate, rng, PROOF)
            if changed != certificate:
                file.write_text(json.dumps(changed))
                assert not mo.verify(folder).passed, path
    finally:
        file.write_text(original)


def test_a_forger_who_redoes_the_seals_proves_nothing_false(saved):
    _, result = saved
    rng = random.Random(7)
    refused = 0
    for _ in range(TRIES):
        path, forged = mutant(result.certificate, rng)
        forged["digest"] = digest(forged)
        found = verify_documents(result.document, forged)
        refused += not found.passed
        if found.passed:  # what has slack may change: a multiplier may be moved where nothing binds
            assert forged["bounds"] == result.certificate["bounds"], path
    assert refused >= 0.75 * TRIES


def test_a_better_bound_than_the_truth_is_refused(saved):
    _, result = saved
    for end, shift in (("lower", 1e-6), ("upper", -1e-6)):
        bounds = {**result.document["bounds"], end: result.document["bounds"][end] + shift}
        forged = {**copy.deepcopy(dict(result.certificate)), "bounds": bounds}
        assert not verify_documents({**result.document, "bounds": bounds}, forged).passed
