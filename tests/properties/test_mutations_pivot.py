"""Certificates of the virtual pivot: no change goes unnoticed, and no forger proves anything false."""

import importlib.util
from pathlib import Path

import pytest

import mechopt as mo

_where = Path(__file__).with_name("test_mutations.py")
_spec = importlib.util.spec_from_file_location("mechopt_test_mutations", _where)
common = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(common)

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
test_a_forger_who_redoes_the_seals_proves_nothing_false = common.test_a_forger_who_redoes_the_seals_proves_nothing_false
test_inflated_bounds_are_refused = common.test_inflated_bounds_are_refused_even_when_every_copy_agrees
test_changed_arrays_and_results_are_detected = common.test_changed_arrays_and_results_are_detected
