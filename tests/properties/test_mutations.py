"""No change to a certificate goes unnoticed; and with the seals redone, mathematics still refuses every false bound."""

import copy
import json
import random

import pytest
from forging import mutant

import mechopt as mo
from mechopt.files import digest
from mechopt.verification import verify_documents

CASES = {
    "one good": ("RegretPricing", {"upper": [1], "cost": ["1/7"], "points": 6}),
    "two goods": ("RegretPricing", {"upper": [1, 2], "points": 3}),
    "profiles": ("RegretPricing", {"profiles": [[1, 2], [2, 1], ["1/3", 3]], "cost": [0.1, 0.1]}),
    "prices given": ("PostedPrices", {"upper": [1, 1], "cost": [0.3, 0], "prices": {"1": 0.7, "2": 0.4, "1+2": 0.9}}),
    "prices sought": ("PostedPrices", {"upper": [1, 2], "cost": ["1/4", 0]}),
    "prices on a grid": ("PostedPrices", {"upper": [1, 1], "points": 2}),
    "range known": ("RobustAuction", {"bidders": 2, "lower": "1/3", "upper": 2, "points": 2}),
    "range from zero": ("RobustAuction", {"bidders": 2, "lower": 0, "upper": 1, "points": 2}),
    "optimal auction": (
        "MyersonAuction",
        {"bidders": [{"values": [1, 2, 3, 6], "probabilities": ["1/2", "1/8", "1/8", "1/4"]}] * 2},
    ),
    "optimal auction, no tables": (
        "MyersonAuction",
        {"bidders": [{"family": "uniform", "support": [0, 1], "points": 101}] * 2},
    ),
    "two bidders": ("RegretAuction", {"bidders": 2, "upper": [1], "points": 3}),
    "bidders that differ": ("RegretAuction", {"bidders": 2, "upper": [[1, 2], [2, "1/2"]], "points": 3}),
    "bidders worth selling to": ("RegretAuction", {"bidders": 2, "upper": [1], "lower": ["1/4"], "points": 3}),
    "goods sold together": ("RegretAuction", {"bidders": 2, "upper": [1, 1], "lower": [0, "1/3"], "points": 1}),
    "many bidders": ("RegretAuction", {"bidders": 9, "upper": [1, 2], "points": 6}),
    "second price": ("MomentAuction", {"bidders": 2, "mean": "3/10", "points": 3}),
    "reserve and moments": (
        "MomentAuction",
        {"bidders": 2, "moments": [{"at_least": "1/2"}, {"bidder": 1, "at_most": "3/5"}], "reserve": 0.3, "points": 4},
    ),
    "lottery": ("MomentAuction", {"bidders": 3, "mean": "1/2", "points": 3, "mechanism": "highest-bidder-lottery"}),
    "all mechanisms": ("MomentAuction", {"bidders": 2, "mean": "1/2", "points": 3, "mechanism": "any"}),
    "any reserve, moments": ("MomentAuction", {"bidders": 1, "moments": [{"at_least": "1/2"}], "points": 2}),
    "two priors": (
        "IndependentAuction",
        {
            "bidders": 2,
            "distributions": [
                {"values": [1, 2, 3], "probabilities": p}
                for p in (["2/25", "14/25", "9/25"], ["10/22", "1/22", "11/22"])
            ],
        },
    ),
}
TRIES = 200  # per case


@pytest.fixture(params=CASES, scope="module")
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("result") / "saved"
    model, fields = CASES[request.param]
    result = mo.solve(getattr(mo, model)(**fields))
    result.save(folder)
    assert mo.verify(folder).passed
    return folder, result


def test_every_mutation_of_the_file_is_detected(saved):
    folder, _ = saved
    file = folder / "certificate.json"
    original = file.read_text()
    certificate = json.loads(original)
    rng = random.Random(20)
    tried = 0
    try:
        while tried < TRIES:
            path, changed = mutant(certificate, rng)
            if changed == certificate:
                continue
            file.write_text(json.dumps(changed))
            assert not mo.verify(folder).passed, path
            tried += 1
    finally:
        file.write_text(original)
    assert mo.verify(folder).passed


def test_a_forger_who_redoes_the_seals_proves_nothing_false(saved):
    """Mutants whose digest is made good again may pass only if the bounds they claim are still true."""
    _, result = saved
    low, high = result.bounds.lower, result.bounds.upper
    rng = random.Random(7)
    refused = 0
    for _ in range(TRIES):
        _, forged = mutant(result.certificate, rng)
        forged["digest"] = digest(forged)
        document = copy.deepcopy(dict(result.document))
        for key in ("bounds", "value", "status"):
            if key in forged:
                document[key] = forged[key]
        document["instance"] = {"model": document["model"], "parameters": forged.get("instance")}
        found = verify_documents(document, forged)
        if not found.passed:
            refused += 1
            continue
        if forged["instance"] == result.certificate["instance"]:
            assert forged["bounds"]["lower"] <= high
            assert forged["bounds"]["upper"] >= low
    # The others changed what has slack, such as the multipliers of a bundle that is not the worst.
    assert refused >= 0.75 * TRIES


def test_inflated_bounds_are_refused_even_when_every_copy_agrees(saved):
    _, result = saved
    for end, shift in (("lower", 1e-6), ("upper", -1e-6), ("lower", 1e-16), ("upper", -1e-16)):
        forged = copy.deepcopy(dict(result.certificate))
        bounds = {**forged["bounds"], end: forged["bounds"][end] * (1 + shift * 10) + shift}
        if bounds == forged["bounds"]:
            continue
        forged["bounds"] = bounds
        document = {**result.document, "bounds": bounds}
        assert not verify_documents(document, forged).passed


def test_changed_arrays_and_results_are_detected(saved):
    folder, _ = saved
    for name in ("arrays.npz", "result.json"):
        file = folder / name
        original = file.read_bytes()
        try:
            if name == "arrays.npz":
                file.write_bytes(original[:-7] + b"0000000")
            else:
                document = json.loads(original)
                document["bounds"]["upper"] -= 1e-3
                file.write_text(json.dumps(document))
            assert not mo.verify(folder).passed
        finally:
            file.write_bytes(original)
    assert mo.verify(folder).passed
