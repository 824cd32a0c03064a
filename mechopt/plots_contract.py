"""Pictures of `optimal-contract`: the menu, the welfare curve it comes from, and what signals pay and keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, ORANGE, canvas, dress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

NAMED = 5  # contracts with the signal they are for
FINE = 201  # signals at which a continuum is drawn


def picture(result: Result, kind: str | None = None) -> Figure:
    """Fees against prices, W0 with its cuts, and utilities by signal. Raises InputError for another kind."""
    if kind not in (None, "mechanism"):
        raise fail("--kind", "mechanism", kind)
    if "profit" not in result.quantities:
        raise fail("time_limit", "a solved contract", "one that was stopped before it was known", "solve it for longer")
    menu = result.mechanism
    name = result.document["name"] or "optimal-contract"
    title = f"{name}: profit {result.quantities['profit']:.6g}, bound {result.quantities['upper_bound_profit']:.6g}"
    figure, axes = canvas(1, 3, title, width=3.9, height=3.6)
    rows = [(s, offer) for s in menu.signals(FINE) if (offer := menu.contract(s)) is not None]
    _menu(axes[0, 0], menu, [(s, offer) for s, offer in rows if menu.serves(offer)])
    _curve(axes[0, 1], result)
    _signals(axes[0, 2], menu, rows)
    return figure  # type: ignore[no-any-return]


def _menu(axis: Any, menu: Any, rows: Any) -> None:
    """The fee against the price of the action whose price differs most between contracts."""
    if not rows:
        axis.text(0.5, 0.5, "nobody is offered a contract", ha="center", transform=axis.transAxes, fontsize=8.5)
        dress(axis, "menu", "price, money", "fee at t = 0, money")
        return
    prices = np.array([offer.prices[:, menu.env.public_start] for _, offer in rows])
    spread = prices.max(axis=0) - prices.min(axis=0)
    if spread.max() < 1e-12:  # prices do not differ: a fee alone
        x, label = np.array([s for s, _ in rows]), "signal"
    else:
        a = int(spread.argmax())
        x, label = prices[:, a], f"price of {menu.env.action_names[a]!r} from t = 1 on, money"
    fees = np.array([offer.fee for _, offer in rows])
    few = {"marker": ".", "markersize": 5} if len(rows) < 60 else {}
    axis.plot(x, fees, color=BLUE, linewidth=1.5, **few)
    for k in np.unique(np.linspace(0, len(rows) - 1, NAMED).round().astype(int)):
        axis.annotate(f"{rows[k][0]:.3g}", (x[k], fees[k]), fontsize=7.5, xytext=(4, 4), textcoords="offset points")
        axis.plot([x[k]], [fees[k]], "o", color=BLUE, markersize=4)
    dress(axis, "menu (numbers: for which signal)", label, "fee at t = 0, money")


def _curve(axis: Any, result: Result) -> None:
    """W0 as a function of the weight: one line per policy."""
    cuts, lines = result.arrays["cuts"].values, result.arrays["lines"].values
    for n, (Q, rest) in enumerate(lines):
        w = cuts[n : n + 2]
        axis.plot(w, Q * w + rest, color=(BLUE, ORANGE)[n % 2], linewidth=1.8)
    heights = [Q * w + rest for (Q, rest), w in zip(lines, cuts[1:], strict=True)]
    axis.plot(cuts[1:], heights, ".", color=GREY, markersize=4)
    count = f"{len(lines)} polic{'y' if len(lines) == 1 else 'ies'}"
    dress(axis, f"welfare by the agent's weight: {count}", "weight", r"$W_0$, money")


def _signals(axis: Any, menu: Any, rows: Any) -> None:
    """Fee, utility and expected payments by signal."""
    if not rows:
        return
    s = np.array([signal for signal, _ in rows])
    columns = (("utility", GREEN, "utility"), ("fee", BLUE, "fee at t = 0"))
    for name, colour, label in columns:
        values = [getattr(offer, name) for _, offer in rows]
        axis.plot(s, values, color=colour, linewidth=1.5, label=label)
    low, high = menu.signal.initial.low, menu.signal.initial.high
    if s[0] > low:
        axis.axvspan(low, s[0], color=GREY, alpha=0.12, linewidth=0)
        axis.text((low + s[0]) / 2, 0.5, "no contract", rotation=90, va="center", ha="center", fontsize=8,
                  transform=axis.get_xaxis_transform())  # fmt: skip
    axis.set_xlim(low, high)
    axis.legend(fontsize=7.5, frameon=False)
    dress(axis, "what each signal pays first and keeps", "initial signal", "money")
