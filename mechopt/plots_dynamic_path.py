"""Picture of `dynamic-auction`: one buyer's account on a sample path, with what it pays for and what is put on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.dynamic.bank_account import BankAccount, Run
from mechopt.style import BLUE, GREEN, GREY, ORANGE, RED, canvas, dress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

FAINT = 8  # other paths drawn for comparison
SHOWN = 3  # buyers drawn at most
SEED = 1


def path_picture(result: Result, seed: int = SEED) -> Figure:
    """Balance, spend and deposit of every buyer on a random truthful path, and below what she bids, gets and pays.

    Thin lines are the balances of other random paths.
    """
    mechanism = result.mechanism
    rng = np.random.default_rng(seed)
    run, *others = [_sample(mechanism, rng) for _ in range(1 + FAINT)]
    shown = min(mechanism.buyers, SHOWN)
    name = result.document["name"] or "dynamic-auction"
    title = f"{name}: a path through {mechanism.horizon} periods, expected revenue {result.quantities['revenue']:.6g}"
    figure, axes = canvas(2, shown, title, width=4.6 if shown > 1 else 6.4, height=2.9)
    for i in range(shown):
        _account(axes[0, i], run, others, i)
        _trade(axes[1, i], run, i)
    axes[0, 0].legend(fontsize=7.5, frameon=False, loc="upper left")
    axes[1, 0].legend(fontsize=7.5, frameon=False, loc="upper left")
    return figure  # type: ignore[no-any-return]


def _sample(mechanism: BankAccount, rng: np.random.Generator) -> Run:
    """A run with values drawn from the buyers' distributions."""
    run = mechanism.start()
    for buyers in mechanism.periods:
        run.bid([prior.values[int(rng.choice(len(prior), p=prior.f))] for prior in buyers])
    return run


def _column(run: Run, name: str, buyer: int) -> Any:
    return np.array([float(getattr(record, name)[buyer]) for record in run.records])


def _account(axis: Any, run: Run, others: list[Run], buyer: int) -> None:
    time = np.arange(1, run.period + 1)
    for other in others:
        held = np.concatenate([[0.0], _column(other, "balance", buyer)])
        axis.plot(np.append(0, time) + 0.5, held, color=GREY, linewidth=0.6, alpha=0.45)
    held = np.concatenate([[0.0], _column(run, "balance", buyer)])
    axis.plot(np.append(0, time) + 0.5, held, color=BLUE, linewidth=1.8, marker="o", markersize=3.5, label="balance")
    spend, deposit = _column(run, "spend", buyer), _column(run, "deposit", buyer)
    axis.bar(time - 0.12, -spend, 0.22, color=RED, alpha=0.85, label="spend (below zero: taken)")
    axis.bar(time + 0.12, deposit, 0.22, color=GREEN, alpha=0.85, label="deposit (below zero: given up)")
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.set_xlim(0.4, run.period + 0.6)
    _room(axis, 0.38)
    dress(axis, f"buyer {buyer + 1}: the account", "period", "money")
    axis.xaxis.get_major_locator().set_params(integer=True)


def _room(axis: Any, above: float) -> None:
    """Room for the legend above, and below, where bars of no height would let the axis cut lines and marks at zero."""
    low, high = axis.get_ylim()
    if axis.dataLim.height < 1e-9:  # nothing but zeros
        low, high = 0.0, 1.0
    low = min(low, -0.06 * (high - low))
    axis.set_ylim(low, high + above * (high - low))


def _trade(axis: Any, run: Run, buyer: int) -> None:
    time = np.arange(1, run.period + 1)
    bids = np.array([float(record.bids[buyer]) for record in run.records])
    got = _column(run, "allocation", buyer)
    axis.vlines(time, 0, bids, color=GREY, linewidth=0.8, alpha=0.6)
    shades = [(0.0, 0.447, 0.698, max(0.0, min(1.0, x))) for x in got]  # BLUE, the fuller the likelier
    axis.scatter(time, bids, s=36, c=shades, edgecolors=BLUE, linewidths=1.0, zorder=3)
    axis.scatter([], [], s=36, color=BLUE, label="value, full if served")
    axis.plot(
        time, _column(run, "payment", buyer), color=ORANGE, linestyle="none", marker="_", markersize=12,
        markeredgewidth=2.2, zorder=4, label="payment",
    )  # fmt: skip
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.set_xlim(0.4, run.period + 0.6)
    _room(axis, 0.3)
    dress(axis, f"buyer {buyer + 1}: value, allocation, payment", "period", "money")
    axis.xaxis.get_major_locator().set_params(integer=True)
