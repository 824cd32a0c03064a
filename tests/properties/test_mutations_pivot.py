"""Certificates of the virtual pivot: no change goes unnoticed, and no forger proves anything false.

Some forgeries pass, and may: listed values are multiples of 2^-48, only the state where they are worst counts, and a
forger's step of one to three such units elsewhere, most often in a last period or at states where the process does not
start, changes nothing that is proved. With two periods and what agents get listed too, that is a quarter of them. So
forgers here keep to the proof and the claims, not to names of states or actions, and whatever passes must prove the
very bracket of the original, to the last digit.
"""

import copy
import random
from fractions import Fraction

import pytest
import test_mutations as common

import mechopt as mo
from mechopt.models.pivot.check import check
from mechopt.verification import verify_documents

ITEM = {"states": 2, "start": ["1/2", "1/2"], "kernels": [["1/2", "1/2"]] * 2, "value": {"serve": ["1/3", 1]}}
LAW = {"values": ["1/3", 1], "probabilities": ["1/3", "2/3"]}
SALE = {"discount": "9/10", "actions": ["wait", "serve"], "cost": {"serve": "1/5"}}
TWO = [
    {"initial": LAW, "states": 2, "kernels": {name: [["1/2", "1/2"], ["1/4", "3/4"]]}, "value": {name: [1, "1/2"]}}
    for name in ("one", "two")
]
CASES = {
    "a continuum": {**SALE, "agents": [ITEM]},
    "an additive continuum": {**SALE, "agents": [{**ITEM, "separation": "additive", "value": [[0, 0], ["-1/2", 1]]}]},
    "two agents": {"discount": "3/4", "actions": ["nobody", "one", "two"], "agents": TWO},
    "two agents, two periods": {
        "discount": "3/4",
        "horizon": 2,
        "actions": ["nobody", "one", "two"],
        "agents": TWO,
    },
    "two continua": {
        "discount": "9/10",
        "actions": ["nobody", "one", "two"],
        "cost": [0, "1/5", 0],
        "agents": [{key: x for key, x in one.items() if key != "initial"} for one in TWO],
    },
    "one period": {**SALE, "horizon": 1, "agents": [{**ITEM, "initial": LAW}]},
}


@pytest.fixture(params=CASES, scope="module")
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("result") / "saved"
    result = mo.solve(mo.VirtualPivot(**CASES[request.param]))
    result.save(folder)
    assert mo.verify(folder).passed
    assert result.bounds.certified
    return folder, result


test_every_mutation_of_the_file_is_detected = common.test_every_mutation_of_the_file_is_detected


def test_a_forger_who_redoes_the_seals_proves_nothing_else(saved):
    _, result = saved
    rng = random.Random(7)
    tried, refused, passed = 0, 0, []
    while tried < 150:
        path, forged = common.mutant(result.certificate, rng)
        if path[0] not in ("finite", "bounds", "value"):
            continue
        tried += 1
        forged["digest"] = common.digest(forged)
        document = copy.deepcopy(dict(result.document))
        document |= {key: forged[key] for key in ("bounds", "value") if key in forged}
        if not verify_documents(document, forged).passed:
            refused += 1
            continue
        _, proved = check(forged["instance"], forged)
        lower, upper = (Fraction(int(x.p), int(x.q)) for x in proved["finite"])
        passed.append((path, lower, upper))
    assert refused >= 0.5 * tried
    part = result.certificate["finite"]
    for path, lower, upper in passed:
        assert (lower, upper) == (Fraction(part["lower"]), Fraction(part["upper"])), path


def test_values_changed_by_more_than_rounding_are_refused(saved):
    """Every second value or worth of a list changed by a thousandth.

    A whole list may move, which leaves its bracket as it is, and so may states that a policy never leads to.
    """
    _, result = saved
    part = result.certificate["finite"]
    places = [("optima", k, "values") for k, entry in enumerate(part["optima"]) if len(entry["values"][0]) > 1]
    places += [("profiles", k, "worth") for k, row in enumerate(part.get("profiles", [])) if len(row["worth"][0]) > 1]
    refused = 0
    for name, k, key in places:
        for step in (-(2**38), 2**38):
            forged = copy.deepcopy(dict(result.certificate))
            rows = forged["finite"][name][k][key]
            forged["finite"][name][k][key] = [[x + step * (j % 2) for j, x in enumerate(row)] for row in rows]
            forged["digest"] = common.digest(forged)
            refused += not verify_documents(result.document, forged).passed
    assert refused >= 0.95 * 2 * len(places)


test_inflated_bounds_are_refused = common.test_inflated_bounds_are_refused_even_when_every_copy_agrees
test_changed_arrays_and_results_are_detected = common.test_changed_arrays_and_results_are_detected
