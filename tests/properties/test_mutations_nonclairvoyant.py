"""Mutated certificates of `non-clairvoyant-auction`: whatever still passes proves nothing but the true revenue."""

import copy
import functools
import random
from fractions import Fraction

import pytest
from forging import leaves

import mechopt as mo
from mechopt.verification import verify_documents

COIN = {"values": [1, 3], "probabilities": ["1/2", "1/2"]}
SKEW = {"values": [1, 2, 5], "probabilities": ["1/2", "1/4", "1/4"]}
CASES = {
    "two buyers": {"periods": [[COIN, SKEW]], "repeat": 2, "mechanism": "balance"},
    "one buyer": {"periods": [[SKEW]], "repeat": 2, "mechanism": "balance"},
    "two periods": {"periods": [[COIN, SKEW]] * 2, "mechanism": "two-period-balance"},
    "long": {"periods": [[COIN, COIN]], "repeat": 450, "mechanism": "asymptotic"},
}
TRIES = 25


@functools.cache
def solved(case):
    return mo.solve(mo.NonClairvoyantAuction(**CASES[case]))


@pytest.mark.parametrize("case", CASES)
def test_no_mutant_proves_a_false_bound(case):
    result, rng = solved(case), random.Random(2)
    refused = 0
    for _ in range(TRIES):
        changed = copy.deepcopy(dict(result.certificate))
        *path, last = rng.choice([p for p in leaves(changed) if p[0] == "finite"])
        parent = changed
        for step in path:
            parent = parent[step]
        step = rng.choice([Fraction(1, 10**12), Fraction(-1, 7), Fraction(2)])
        parent[last] = rng.choice([str(Fraction(parent[last]) + step), "nonsense"])
        verdict = verify_documents(result.document, changed)
        refused += not verdict.passed
        if verdict.passed:  # other multipliers or ties may prove the same
            assert changed["bounds"] == result.certificate["bounds"]
    assert refused > 0


@pytest.mark.parametrize("case", CASES)
def test_a_claim_above_the_truth_is_refused(case):
    result = solved(case)
    for end, shift in (("lower", 1), ("upper", -1), ("lower", -1), ("upper", 1)):
        changed = copy.deepcopy(dict(result.certificate))
        part = changed["finite"]
        part[end] = str(Fraction(part[end]) + Fraction(shift, 10**9))
        assert not verify_documents(result.document, changed).passed
