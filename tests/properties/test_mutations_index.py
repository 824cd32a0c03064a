"""Certificates of bandits and contracts: no change goes unnoticed, and no forger proves anything false."""

import pytest
import test_mutations as common

import mechopt as mo

ROWS = [["1/2", "1/2", 0], ["1/4", "1/2", "1/4"], [0, "1/3", "2/3"]]
ITEM = {"states": 2, "start": ["1/2", "1/2"], "kernels": [["1/2", "1/2"]] * 2, "value": {"serve": ["1/3", 1]}}
SALE = {"discount": "9/10", "actions": ["wait", "serve"], "cost": {"serve": "1/5"}}
CASES = {
    "two arms": (
        "VirtualIndex",
        {"discount": "4/5", "arms": [{"transition": ROWS, "reward": ["1/7", 1, 2]}, {"beta": [1, 2], "pulls": 2}]},
    ),
    "agents": (
        "VirtualIndex",
        {
            "discount": "9/10",
            "arms": [
                {"transition": ROWS, "reward": [0, 1, 2], "report": "4/5", "start": ["1/3"] * 3},
                {"transition": ROWS, "reward": [0, 1, 2], "report": "2/3", "separation": "additive", "cost": "3/2"},
            ],
        },
    ),
    "a continuum": ("OptimalContract", {**SALE, "agents": [ITEM]}),
    "four types": (
        "OptimalContract",
        {**SALE, "agents": [{**ITEM, "initial": {"values": ["1/4", "1/2", "3/4", 1], "probabilities": ["1/4"] * 4}}]},
    ),
}


@pytest.fixture(params=CASES, scope="module")
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("result") / "saved"
    model, fields = CASES[request.param]
    result = mo.solve(getattr(mo, model)(**fields))
    result.save(folder)
    assert mo.verify(folder).passed
    return folder, result


test_every_mutation_of_the_file_is_detected = common.test_every_mutation_of_the_file_is_detected
test_a_forger_who_redoes_the_seals_proves_nothing_false = common.test_a_forger_who_redoes_the_seals_proves_nothing_false
test_inflated_bounds_are_refused = common.test_inflated_bounds_are_refused_even_when_every_copy_agrees
test_changed_arrays_and_results_are_detected = common.test_changed_arrays_and_results_are_detected
