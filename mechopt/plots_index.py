"""Pictures of `virtual-index`: the indices of every arm's states, and what each agent brings, pays and keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, ORANGE, RED, canvas, dress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

COLOURS = (BLUE, ORANGE, GREEN, RED)
FEW = 4  # arms that get a colour and a name of their own
BARS = 12  # agents up to which bars carry their numbers


def picture(result: Result, kind: str | None = None) -> Figure:
    """Indices over rewards, and the agents' contributions and payments. Raises InputError for another kind."""
    if kind not in (None, "mechanism"):
        raise fail("--kind", "mechanism", kind)
    model = result.model
    name = result.document["name"] or "virtual-index"
    figure, axes = canvas(1, 3, f"{name}: virtual welfare {result.quantities['welfare']:.6g}", width=3.9, height=3.6)
    _indices(axes[0, 0], model)
    _chances(axes[0, 1], model)
    _agents(axes[0, 2], result)
    return figure  # type: ignore[no-any-return]


def _indices(axis: Any, model: Any) -> None:
    """Virtual index against the flow of one pull: the distance to the diagonal is what learning is worth."""
    low, high = np.inf, -np.inf
    for i, (arm, index) in enumerate(zip(model.arms, model.indices, strict=True)):
        if arm.scale == 0:
            continue
        flow = float(arm.scale) * arm.r + float(arm.shift)
        first = i < FEW
        axis.plot(
            flow, index, ".", color=COLOURS[i] if first else GREY, markersize=6 if len(flow) < 30 else 3.5,
            label=f"arm {i + 1}" if first else None, alpha=0.9 if first else 0.3, zorder=3 if first else 2,
        )  # fmt: skip
        low, high = min(low, flow.min(), index.min()), max(high, flow.max(), index.max())
    if np.isfinite(low):
        axis.plot([low, high], [low, high], color=GREY, linewidth=0.8, linestyle="--", label="nothing to come")
        axis.legend(fontsize=7.5, frameon=False)
    dress(axis, "virtual index of every state", "virtual flow of one pull, money", "virtual index, money")


def _chances(axis: Any, model: Any) -> None:
    """E[delta^tau] from the start: the factor of each arm in Whittle's product."""
    stay = model.at_start.stay
    levels = model.bandit
    top = float(levels.level.max(initial=1.0)) * 1.1
    for i in range(min(len(model.arms), FEW)):
        own = np.sort(levels.level[levels.arm == i])[::-1]
        heights = stay[i, : len(own) + 1]
        m = np.concatenate([[top], np.repeat(own, 2), [0.0]])
        label = f"arm {i + 1}" + ("" if model.arms[i].scale else ", left out")
        axis.plot(m, np.repeat(heights, 2), color=COLOURS[i], linewidth=1.4, label=label)
    axis.legend(fontsize=7.5, frameon=False)
    dress(axis, "discount until the index is at most m", "charge m, money", r"$E[\delta^{\tau}]$")
    axis.set_ylim(-0.03, 1.03)


def _agents(axis: Any, result: Result) -> None:
    """Bars: what the agent adds to the welfare at the first pull, her fee and her utility at time 0."""
    n = len(result.model.arms)
    shown = min(n, 40)
    at = np.arange(shown)
    rows = (("marginal_contribution", BLUE, "adds to the welfare"), ("entry_fee", ORANGE, "pays at time 0"),
            ("utility", GREEN, "utility at time 0"))  # fmt: skip
    for k, (name, colour, label) in enumerate(rows):
        axis.bar(at + (k - 1) * 0.27, result.arrays[name].values[:shown], 0.26, color=colour, label=label)
    axis.set_xticks(at if shown <= BARS else at[::5], [str(i + 1) for i in (at if shown <= BARS else at[::5])])
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.legend(fontsize=7.5, frameon=False)
    dress(axis, "agents" if shown == n else f"the first {shown} of {n} agents", "agent", "money")
