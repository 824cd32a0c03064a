"""Every model's every picture: axes with labels, no text on other text or over the edge, and no unknown kinds."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import pytest

import mechopt as mo
from mechopt.registry import ENTRIES

COIN = {"values": [1, 2], "probabilities": ["1/2", "1/2"]}
DICE = {"family": "uniform", "support": [0, 1], "points": 5}
THREE = {"values": [1, 2, 9], "probabilities": ["1/2", "1/3", "1/6"]}
MOVES = {"states": ["low", "high"], "kernels": [[0.7, 0.3], [0.4, 0.6]]}
ARM = {"transition": [["1/2", "1/2"], ["1/4", "3/4"]], "reward": [0.2, 0.8]}
AGENT = {
    "initial": {"family": "uniform", "support": [0, 1], "points": 5},
    **MOVES,
    "value": {"serve": [0.2, 1]},
}
MARKOV = {"bidders": 2, "mean": "1/2", "points": 4}
PAIR = {"periods": [[COIN, COIN]], "repeat": 3, "samples": 20, "seed": 1}

# By model: small instances, one for each shape its pictures have.
SMALL: dict[str, dict[str, dict[str, Any]]] = {
    "regret-pricing": {
        "one good": {"upper": [1], "points": 8},
        "two goods": {"upper": [1, 2], "points": 4},
        "a budget": {"upper": [1, 1], "points": 4, "budget": "3/2"},
        "profiles": {"profiles": [[1, 0], [0, 1], [2, 2]]},
        "three goods": {"upper": [1, 1, 1], "points": 2},
    },
    "posted-prices": {
        "one good": {"upper": [1], "prices": {"1": "1/2"}},
        "two goods": {"upper": [1, 1], "prices": {"1": "1/2", "2": "1/2", "1+2": "4/5"}},
        "three goods": {"upper": [1, 1, 1]},
    },
    "regret-auction": {
        "one good": {"bidders": 2, "upper": [1], "points": 4},
        "two goods": {"bidders": 2, "upper": [1, 1], "points": 2},
    },
    "myerson-auction": {"alike": {"bidders": [DICE, DICE]}, "three bidders": {"bidders": [COIN, THREE, DICE]}},
    "robust-auction": {
        "above zero": {"bidders": 2, "lower": 1, "upper": 2, "points": 4},
        "from zero": {"bidders": 2, "lower": 0, "upper": 1, "points": 4},
    },
    "moment-auction": {
        "second price": {**MARKOV, "mechanism": "second-price"},
        "lottery": {**MARKOV, "mechanism": "highest-bidder-lottery"},
        "any": {**MARKOV, "mechanism": "any"},
        "one bidder": {**MARKOV, "bidders": 1, "mechanism": "highest-bidder-lottery"},
    },
    "independent-auction": {
        "two priors": {"bidders": 2, "distributions": [COIN, {"values": [1, 2], "probabilities": ["1/4", "3/4"]}]},
        "one bidder": {"bidders": 1, "distributions": [COIN]},
    },
    "money-burning": {"alike": {"buyers": [DICE, DICE]}, "caps": {"buyers": [COIN, THREE], "caps": [1, 1]}},
    "non-clairvoyant-gap": {"mu": {"mu": 3, "points": 100}, "futures": {"first": THREE, "second": COIN}},
    "non-clairvoyant-auction": {
        "balance": {"mechanism": "balance", **PAIR},
        "two periods": {"mechanism": "two-period-balance", "periods": [[COIN, COIN], [COIN, THREE]]},
        "asymptotic": {"mechanism": "asymptotic", **PAIR, "repeat": 40},
        "no paths": {"mechanism": "asymptotic", "periods": [[COIN, COIN]], "repeat": 40},
    },
    "dynamic-auction": {"one buyer": {"periods": [[COIN]] * 3}, "two buyers": {"periods": [[COIN, COIN]] * 2}},
    "virtual-pivot": {
        "two agents": {
            "discount": 0.9,
            "actions": ["nobody", "one", "two"],
            "cost": [0, 0.1, 0.1],
            "agents": [{**MOVES, "value": {"one": [0.4, 1]}}, {**MOVES, "value": {"two": [0.3, 0.9]}}],
        }
    },
    "optimal-contract": {
        "a price": {
            "discount": 0.9,
            "actions": ["wait", "serve"],
            "cost": {"serve": 0.3},
            "agents": [{"states": ["low", "high"], "kernels": [[0.7, 0.3], [0.4, 0.6]], "value": {"serve": [0.2, 1]}}],
        }
    },
    "virtual-index": {
        "three arms": {"discount": 0.9, "arms": [ARM, {**ARM, "report": 0.8}, {"beta": [1, 1], "pulls": 4}]}
    },
    "design": {
        "auction": {"environment": {"distributions": [DICE, DICE]}},
        "three bidders": {"environment": {"distributions": [COIN, COIN, COIN]}},
        "two goods": {
            "environment": {"upper": [1, 1], "points": 3},
            "criterion": {"kind": "regret", "ambiguity": {"kind": "support"}},
        },
    },
}
CASES = [(name, shape) for name, shapes in SMALL.items() for shape in shapes]


@functools.cache
def solved(name: str, shape: str) -> mo.Result:
    (entry,) = (entry for entry in ENTRIES if entry.name == name)
    return mo.solve(entry.load("model")(**SMALL[name][shape]), certificate=False)


def refusal(result: mo.Result) -> str:
    """What the picture says it can draw, when asked for what it cannot."""
    with pytest.raises(mo.InputError) as error:
        result.plot("no such picture")
    (problem,) = error.value.problems
    assert (problem.field, problem.got) == ("--kind", "no such picture")
    return problem.expected


def kinds(result: mo.Result) -> list[str | None]:
    """The kinds its refusal names, and the one drawn when none is asked for."""
    told = refusal(result).partition(" for ")[0].partition(",")[0]
    return [None, *told.split(" or ")]


def fitting(result: mo.Result, kind: str | None) -> Any:
    """The picture, or None where this kind of it is for other instances of the model."""
    try:
        return result.plot(kind)
    except mo.InputError as error:
        if kind is None or {problem.field for problem in error.problems} != {"--kind"}:
            raise
        return None


def overlapping(figure: Any) -> list[tuple[str, str]]:
    """Pairs of headings and labels that lie on each other, and texts that lie beyond the figure's edge."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(72)  # quicker, and all sizes are in points
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawer = canvas.get_renderer()
    headings = [t for a in figure.axes for t in (a.title, a._left_title, a.xaxis.label, a.yaxis.label)]
    headings += [t for t in (figure._suptitle, figure._supxlabel) if t is not None]
    boxes = [(t.get_text(), t.get_window_extent(drawer)) for t in headings if t.get_text().strip()]
    found = [(a, b) for (a, one), (b, two) in itertools.combinations(boxes, 2) if one.shrunk(0.96, 0.9).overlaps(two)]
    (left, low), (right, high) = figure.bbox.padded(1).get_points()
    inside = [left <= b.x0 and b.x1 <= right and low <= b.y0 and b.y1 <= high for _, b in boxes]
    return found + [(text, "the edge") for (text, _), fits in zip(boxes, inside, strict=True) if not fits]


def test_every_model_has_an_instance_here() -> None:
    assert set(SMALL) == {entry.name for entry in ENTRIES}


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_pictures(name: str, shape: str) -> None:
    from matplotlib.figure import Figure

    result = solved(name, shape)
    drawn = {kind: figure for kind in kinds(result) if (figure := fitting(result, kind)) is not None}
    assert None in drawn
    assert len(drawn) >= 2
    for kind, figure in drawn.items():
        assert isinstance(figure, Figure)
        assert figure.axes, kind
        assert figure.get_suptitle()
        if kind is None or len(drawn) > 2:  # a single kind is the one drawn when none is asked for
            assert overlapping(figure) == [], kind
        for axis in figure.axes:
            if axis.get_label() == "<colorbar>":
                continue
            assert axis.has_data(), (kind, axis.get_title("left"))
            assert axis.get_xlabel(), (kind, axis.get_title("left"))
            assert axis.get_ylabel() or not len(axis.get_yticks()), (kind, axis.get_title("left"))


def labels(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.get_legend().get_texts()]


def test_a_prior_is_not_called_natures() -> None:
    """Nature chooses where the criterion is robust; elsewhere the probabilities are the prior of the instance."""
    titles = [a.get_title("left") for a in solved("design", "three bidders").plot().axes]
    assert titles == ["the prior, most probable profiles first", "payments there"]
    robust = [a.get_title("left") for a in solved("design", "two goods").plot().axes]
    assert "total payment; circles: nature" in robust


def test_arches_are_as_high_as_the_multipliers() -> None:
    """Of one good's binding misreports, the highest arch is the largest multiplier, and its feet are two values."""
    from mechopt.plots_design import bindings

    result = solved("design", "auction")
    gamma = bindings(result)
    axis = result.plot("incentives").axes[0]
    assert axis.get_xlabel() == "value of bidder 1, money"
    assert len(axis.patches) == (gamma > 1e-9).sum() > 2
    curves = [patch._path_original.vertices for patch in axis.patches]
    assert max(abs(c[1, 1]) for c in curves) * 3 / 4 == pytest.approx(gamma.max())
    for (start, _), *_, (end, _) in curves:
        assert gamma[round(4 * start), round(4 * end)] > 0


def test_every_arm_drawn_is_named() -> None:
    arms = [{**ARM, "report": 0.8}, {**ARM, "report": 0.7}, {**ARM, "report": 0.2}]
    axis = mo.solve(mo.VirtualIndex(discount=0.9, arms=arms), certificate=False).plot().axes[1]
    assert labels(axis) == ["arm 1", "arm 2", "arm 3, left out"]


def test_agents_who_are_alike_do_not_hide_each_other() -> None:
    agents = [{**AGENT, "value": {name: [0.2, 1]}} for name in ("one", "two")]
    model = mo.VirtualPivot(discount=0.9, actions=["nobody", "one", "two"], agents=agents)
    first, _, second, _, _ = mo.solve(model, certificate=False).plot().axes[0].lines
    assert first.get_ydata() == pytest.approx(second.get_ydata())
    assert first.get_linewidth() > 2 * second.get_linewidth()


def test_paths_are_offered_only_where_there_are_some() -> None:
    assert refusal(solved("non-clairvoyant-auction", "no paths")) == "regret"
    assert refusal(solved("non-clairvoyant-auction", "asymptotic")) == "paths or regret"
    known = [a.get_title("left") for a in solved("non-clairvoyant-auction", "two periods").plot().axes]
    assert known == ["balance after the period: expected", "spend in the period: expected"]


def test_the_path_of_an_empty_account_is_inside_the_axes() -> None:
    for axis in solved("dynamic-auction", "two buyers").plot().axes:
        assert axis.get_ylim()[0] < 0
