"""Certificates of one buyer over time, and over histories: every change is noticed, every forgery proves less."""

import copy
import json
import random

import pytest
from forging import mutant

import mechopt as mo
from mechopt.files import digest
from mechopt.verification import verify_documents

COIN = {"values": [1, 2], "probabilities": ["1/2", "1/2"]}
THREE = {"values": [1, 3, 4], "probabilities": ["1/2", "1/3", "1/6"]}
CASES = {
    "value functions": ([[THREE], [COIN], [THREE]], None),
    "a family": ([[{"family": "beta", "a": 2, "b": 3, "support": [0, 1], "points": 4}]] * 2, None),
    "one buyer's histories": ([[THREE], [COIN]], "history"),
    "two buyers' histories": ([[COIN, THREE], [COIN, COIN]], "history"),
}


TRIES = 200


@pytest.fixture(params=CASES, scope="module")
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("result") / "saved"
    periods, method = CASES[request.param]
    result = mo.solve(mo.DynamicAuction(periods=periods), method=method)
    result.save(folder)
    assert mo.verify(folder).passed
    return folder, result


def test_every_mutation_of_the_file_is_detected(saved):
    folder, _ = saved
    file = folder / "certificate.json"
    original = file.read_text()
    certificate = json.loads(original)
    rng = random.Random(20)
    for _ in range(TRIES // 2):
        path, changed = mutant(certificate, rng)
        if changed != certificate:
            file.write_text(json.dumps(changed))
            assert not mo.verify(folder).passed, path
    file.write_text(original)
    assert mo.verify(folder).passed


def test_a_forger_who_redoes_the_seals_proves_nothing_false(saved):
    _, result = saved
    low, high = result.bounds.lower, result.bounds.upper
    rng = random.Random(7)
    refused = 0
    for _ in range(TRIES // 2):
        _, forged = mutant(result.certificate, rng)
        forged["digest"] = digest(forged)
        document = copy.deepcopy(dict(result.document))
        for key in ("bounds", "value", "status"):
            if key in forged:
                document[key] = forged[key]
        document["instance"] = {"model": document["model"], "parameters": forged.get("instance")}
        if not verify_documents(document, forged).passed:
            refused += 1
        elif forged["instance"] == result.certificate["instance"]:
            assert forged["bounds"]["lower"] <= high
            assert forged["bounds"]["upper"] >= low
    assert refused >= 0.6 * (TRIES // 2)  # the others changed what has slack


def test_inflated_bounds_are_refused_even_when_every_copy_agrees(saved):
    _, result = saved
    for end, shift in (("lower", 1e-6), ("upper", -1e-6)):
        forged = copy.deepcopy(dict(result.certificate))
        forged["bounds"] = {**forged["bounds"], end: forged["bounds"][end] + shift}
        assert not verify_documents({**result.document, "bounds": forged["bounds"]}, forged).passed
