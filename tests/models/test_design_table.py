"""The table "What goes with what" of docs/design.md: engine and bounds of a small design for every line."""

import re
from pathlib import Path

import pytest

import mechopt as mo

PAGE = Path(__file__).resolve().parents[2] / "docs" / "design.md"
SUPPORT = {"kind": "support"}
UNIFORM = {"uniform": True}
MEAN = {"moments": [{"at_least": "1/2"}]}
COIN = {"values": [1, 2], "probabilities": ["1/2", "1/2"]}
ONE = {"upper": [1], "points": 2}
PAIR = {"bidders": 2, "upper": [1], "points": 2}
TWO = {"upper": [1, 1], "points": 2}


def made(environment, kind="regret", ambiguity=SUPPORT, **parts):
    return {"environment": environment, "criterion": {"kind": kind, "ambiguity": ambiguity}, **parts}


def expected(environment, **parts):
    return {"environment": environment, "criterion": {"prior": UNIFORM}, **parts}


def ball(kind, **fields):
    return {"kind": kind, "radius": "1/10", **fields}


AVERAGE = {"truth": "bayesian", "priors": [UNIFORM]}
FLOOR = {"measure": "welfare", "at_least": "1/4", "prior": UNIFORM}
ROW = {"name": "cheap", "terms": [{"bidder": 1, "types": [3], "coefficient": 1}], "sense": "<=", "right": "1/4"}
LINES = {  # beginning of the line: designs it speaks of
    "one bidder, one good, regret": [made(ONE, k, MEAN) for k in ("regret", "worst-case", "ratio")],
    "one bidder, one good, over a Wass": [made(ONE, "worst-case", ball("wasserstein", samples=[["1/3"], ["1/2"]]))],
    "several bidders, one good": [made(PAIR), made(PAIR, "worst-case", MEAN), made(PAIR, "ratio", MEAN)],
    "with `budgets`": [made(ONE, restrictions={"budgets": ["1/2"]})],
    "several goods, regret": [made(TWO), made(TWO, "worst-case", MEAN)],
    "several goods, ratio": [made(TWO, "ratio", MEAN)],
    "any goal over priors": [
        made(ONE, ambiguity={"kind": "priors", "priors": [UNIFORM]}),
        made(ONE, ambiguity=ball("box", centre=UNIFORM)),
        made(ONE, ambiguity=ball("total-variation", centre=UNIFORM)),
    ],
    "expected under": [expected(ONE), expected(TWO)],
    "`bayesian`": [expected(PAIR, incentives={**AVERAGE, "participation": stay}) for stay in ("ex-post", "interim")],
    "truth `none`": [expected(ONE, incentives={"truth": "none"})],
    "`highest_bidder_only`": [
        *(made(PAIR, restrictions=r) for r in ({"highest_bidder_only": True}, {"efficient": True})),
        made(PAIR, restrictions={"reserve": ["1/2"]}),
        made(TWO, restrictions={"separable": True}),
        expected(ONE, restrictions={"floors": [FLOOR]}), made(ONE, restrictions={"rows": [ROW]}),
    ],
    "`deterministic`": [made(ONE, restrictions={"deterministic": True})],
    "listed `types`": [
        made({"types": [[[1], [2]]]}), {"environment": {"distributions": [COIN, COIN]}},
        made({**TWO, "sum_at_most": "3/2"}),
    ],
}  # fmt: skip


def table():
    text = PAGE.read_text(encoding="utf-8").split("## What goes with what")[1].split("## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


@pytest.mark.skipif(not PAGE.exists(), reason="the wheel has no documentation")
def test_every_line_has_its_designs():
    assert len(table()) == len(LINES)
    assert all(sum(row[0].startswith(start) for row in table()) == 1 for start in LINES)


@pytest.mark.skipif(not PAGE.exists(), reason="the wheel has no documentation")
@pytest.mark.parametrize("start", LINES)
def test_the_table_is_true(start):
    _, engine, problem, order = next(row for row in table() if row[0].startswith(start))
    for parts in LINES[start]:
        result = mo.solve(mo.Design(**parts))
        assert result.bounds.certified
        assert result.document["method"] == engine if "method" in result.document else engine in result.summary()
        assert result.bounds.problem == problem
        if problem == "finite":
            exact = result.certificate["finite"]
            assert exact["lower"] == exact["upper"]
        else:
            assert ("nature" in result.certificate["continuum"]) == (not re.search("nature's end is the grid's", order))


def width(environment, gap=None):
    return mo.solve(mo.Design(**made(environment)), gap=gap).bounds.width


def test_second_order_lines_are():
    assert width({"upper": [1], "points": 10}) / width({"upper": [1], "points": 40}) > 12
    two = {"bidders": 2, "upper": [1], "points": 4}
    assert width(two) / width(two, gap=1e-9) > 3.5  # twice the cells
