"""Pictures of `virtual-pivot`: what initial signals are worth, and what agents pay and keep because of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, ORANGE, RED, canvas, dress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

COLOURS = (BLUE, ORANGE, GREEN, RED)
WIDER = 2.5  # points by which a line looks out from under one that lies on it


def picture(result: Result, kind: str | None = None) -> Figure:
    """Virtual worths, then payments and utilities by one's own signal. Raises InputError for another kind."""
    if kind not in (None, "mechanism"):
        raise fail("--kind", "mechanism", kind)
    name = result.document["name"] or "virtual-pivot"
    profit = result.quantities.get("profit")  # None where the time limit came first
    title = name if profit is None else f"{name}: expected profit {profit:.6g}"
    figure, axes = canvas(1, 3, title, width=3.9, height=3.6)
    env = result.model.environment
    for i, colour in zip(range(env.n), COLOURS, strict=False):
        signal = env.data[i].signal
        types = signal.initial.types
        s = signal.grid if types is None else types.v
        label = f"agent {i + 1}"
        marker = {"marker": "."} if types is not None else {}
        axes[0, 0].plot(
            s, np.where(np.isfinite(signal.phi(s)), signal.phi(s), np.nan), color=colour, label=label, **marker
        )
        axes[0, 0].plot(s, signal.worth(s), color=colour, linewidth=0.8, linestyle=":")
        _money(axes[0, 1], axes[0, 2], result, i, colour, label)
    for axis in axes[0]:
        _uncover(axis)
    axes[0, 0].axhline(0, color=GREY, linewidth=0.8)
    dress(axes[0, 0], "weight (dotted: worth) of the initial signal", "initial signal", "per unit of service")
    dress(axes[0, 1], "payments: all (line), at t = 0 (dashed)", "own initial signal", "expected discounted money")
    dress(axes[0, 2], "utility: mean over others, and range", "own initial signal", "expected discounted money")
    axes[0, 0].legend(fontsize=7.5, frameon=False)
    return figure  # type: ignore[no-any-return]


def _uncover(axis: Any) -> None:
    """Widen the lines that later ones, of agents who are alike, would hide."""
    lines = axis.get_lines()
    for k, line in enumerate(lines):
        like = [other for other in lines[k + 1 :] if other.get_linestyle() == line.get_linestyle()
                and np.allclose(line.get_ydata(), other.get_ydata(), equal_nan=True)
                and np.array_equal(line.get_xdata(), other.get_xdata())]  # fmt: skip
        line.set_linewidth(line.get_linewidth() + WIDER * len(like))
        line.set_markersize(line.get_markersize() + WIDER * len(like))


def _money(left: Any, right: Any, result: Result, agent: int, colour: str, label: str) -> None:
    """Payments and utilities against the agent's own signal, averaged over the others' reports shown."""
    own = result.arrays["signals"].values[:, agent]
    s = np.unique(own)

    def over(name: str) -> Any:
        column = result.arrays[name].values[:, agent]
        return [column[own == x] for x in s]

    left.plot(s, [x.mean() for x in over("expected_payments")], color=colour, label=label)
    left.plot(s, [x.mean() for x in over("entry_payments")], color=colour, linestyle="--", linewidth=1)
    utilities = over("utilities")
    right.plot(s, [x.mean() for x in utilities], color=colour)
    right.fill_between(s, [x.min() for x in utilities], [x.max() for x in utilities], color=colour, alpha=0.15)
