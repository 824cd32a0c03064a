"""What axes mean: products, zips, unions, ranges and draws; and every wrong way to write them."""

import math

import pytest

from mechopt.models.inputs import InputError
from mechopt.sweeping.axes import read


def points(tables, limit=1000):
    return list(read(tables, limit))


def test_a_table_is_a_product_in_the_order_written():
    found = points({"parameters": {"points": [2, 4]}, "solve.gap": [0.1, 0.2, 0.3]})
    assert len(found) == 6
    assert found[0] == {"parameters.points": 2, "solve.gap": 0.1}
    assert found[1] == {"parameters.points": 2, "solve.gap": 0.2}
    assert found[3] == {"parameters.points": 4, "solve.gap": 0.1}


def test_a_zip_moves_together_and_multiplies_with_the_rest():
    found = points({"a.x": [1, 2], "zip": [{"a.y": [10, 20, 30], "a.z": {"from": 0, "to": 1, "count": 3}}]})
    assert len(found) == 6
    assert [p["a.z"] for p in found[:3]] == [0, 0.5, 1]
    assert {(p["a.y"], p["a.z"]) for p in found} == {(10, 0), (20, 0.5), (30, 1)}


def test_a_list_of_tables_is_a_union():
    found = points([{"a.x": [1, 2]}, {"a.x": [5], "a.y": [7, 8]}])
    assert found == [{"a.x": 1}, {"a.x": 2}, {"a.x": 5, "a.y": 7}, {"a.x": 5, "a.y": 8}]


def test_ranges_are_exact_and_include_both_ends():
    assert [p["a.x"] for p in points({"a.x": {"from": 0, "to": 1, "count": 4}})] == [0, "1/3", "2/3", 1]
    assert [p["a.x"] for p in points({"a.x": {"from": 0, "to": 1, "step": "1/4"}})] == [0, 0.25, 0.5, 0.75, 1]
    assert [p["a.x"] for p in points({"a.x": {"from": 10, "to": 0, "step": -5}})] == [10, 5, 0]
    logs = [p["a.x"] for p in points({"a.x": {"from": 1, "to": 1000, "count": 4, "scale": "log"}})]
    assert logs == pytest.approx([1, 10, 100, 1000])


def test_draws_depend_on_the_seed_and_the_key_alone():
    draw = {"family": "uniform", "support": [1, 2], "count": 200, "seed": 7}
    one, again = (points({"a.x": draw}) for _ in range(2))
    assert one == again
    values = [p["a.x"] for p in one]
    assert len(set(values)) == 200
    assert all(1 <= v <= 2 for v in values)
    assert abs(sum(values) / 200 - 1.5) < 4 * math.sqrt(1 / 12 / 200)
    assert points({"a.x": {**draw, "seed": 8}}) != one
    both = points({"zip": [{"a.x": draw, "a.y": draw}]})
    assert all(p["a.x"] != p["a.y"] for p in both)


def test_draws_follow_their_family():
    draw = {"family": "expon", "support": [0, 1], "count": 4000, "seed": 1}
    values = sorted(p["a.x"] for p in points({"a.x": draw}, 5000))
    for share in (0.25, 0.5, 0.75):  # the median and quartiles of the exponential conditioned on [0, 1]
        exact = -math.log(1 - share * (1 - math.exp(-1)))
        assert abs(values[int(share * 4000)] - exact) < 0.04
    dice = {p["a.x"] for p in points({"a.x": {"family": "integers", "support": [1, 6], "count": 200, "seed": 2}})}
    assert dice == {1, 2, 3, 4, 5, 6}


def test_a_product_too_large_is_counted_not_made():
    with pytest.raises(InputError, match=r"axes: expected at most 1,000 .*, got 1,000,000,000,000; write limit = 1000"):
        read({"a.x": {"from": 0, "to": 1, "count": 10**6}, "a.y": {"from": 0, "to": 1, "count": 10**6}}, 1000)


RANGE = {"from": 0, "to": 1}
BAD = {
    "nothing": ({}, "axes", "at least one axis"),
    "not a table": (3, "axes", "a table of axes"),
    "empty list": ({"a.x": []}, "axes.a.x", "at least one value"),
    "empty table": ({"a.x": {}}, "axes.a.x", "a list, a range or draws"),
    "a number": ({"a.x": 3}, "axes.a.x", "write [3]"),
    "no count": ({"a.x": RANGE}, "axes.a.x.count", "either count or step"),
    "both": ({"a.x": {**RANGE, "count": 3, "step": 1}}, "axes.a.x.count", "either count or step"),
    "wrong way": ({"a.x": {**RANGE, "step": -1}}, "axes.a.x.step", "leads"),
    "no step": ({"a.x": {**RANGE, "step": 0}}, "axes.a.x.step", "leads"),
    "log of zero": ({"a.x": {**RANGE, "count": 3, "scale": "log"}}, "axes.a.x.from", "positive"),
    "unknown field": ({"a.x": {**RANGE, "points": 3}}, "axes.a.x.points", "no such field"),
    "NaN": ({"a.x": {"from": float("nan"), "to": 1, "count": 3}}, "axes.a.x.from", "finite"),
    "zip of lengths": ({"zip": [{"a.x": [1], "a.y": [1, 2]}]}, "axes.zip", "1 for a.x, 2 for a.y"),
    "empty zip": ({"zip": []}, "axes.zip", "a list of tables"),
    "twice": ({"a.x": [1], "zip": [{"a.x": [2]}]}, "axes.a.x", "2 times"),
    "no seed": ({"a.x": {"family": "uniform", "support": [0, 1], "count": 3}}, "axes.a.x.seed", "a value"),
    "bad support": (
        {"a.x": {"family": "uniform", "support": [1, 1], "count": 3, "seed": 1}}, "axes.a.x.support", "a < b",
    ),
    "family": ({"a.x": {"family": "magic", "support": [0, 1], "count": 3, "seed": 1}}, "axes.a.x.family", "scipy"),
    "shapes": (
        {"a.x": {"family": "beta", "a": 2, "support": [0, 1], "count": 3, "seed": 1}}, "axes.a.x.family", "shapes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_axes(case):
    tables, field, words = BAD[case]
    with pytest.raises(InputError) as caught:
        read(tables, 1000)
    line = str(caught.value).splitlines()[0]
    assert line.startswith(f"{field}: expected "), line
    assert words in line
