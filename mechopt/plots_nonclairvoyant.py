"""Pictures of `non-clairvoyant-auction`: balances and spends over the periods; or the regret as T grows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.models.inputs import fail
from mechopt.style import BLUE, GREEN, GREY, ORANGE, RED, canvas, dress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechopt.result import Result

COLOURS = (BLUE, ORANGE, GREEN, RED)
SHOWN = 5  # simulated paths
POINTS = 9  # horizons of the regret's curve


def picture(result: Result, kind: str | None = None) -> Figure:
    """Accounts (`paths`), or the regret for horizons up to T (`regret`). Raises InputError for another kind."""
    asymptotic = result.model.mechanism == "asymptotic"
    kinds = (*(["paths"] if _accounts(result) else []), *(["regret"] if asymptotic else []))
    kind = kind or kinds[-1]
    if kind not in kinds:
        hint = "" if "paths" in kinds else "paths are there with samples = 100"
        raise fail("--kind", " or ".join(kinds), kind, hint)
    return _regret(result) if kind == "regret" else _paths(result)


def _title(result: Result) -> str:
    ratio = result.quantities.get("ratio")
    more = f", {ratio:.1%} of the best that knows the future" if ratio else ""
    return f"{result.document['name'] or 'non-clairvoyant-auction'}: expected revenue {result.value:.6g}{more}"


def _accounts(result: Result) -> list[str]:
    """What is known of the accounts, expected or on simulated paths."""
    return [n for n in ("balance", "spend") if f"expected_{n}" in result.arrays or f"path_{n}" in result.arrays]


def _paths(result: Result) -> Figure:
    names = _accounts(result)
    figure, axes = canvas(1, len(names), _title(result), width=5, height=3.4)
    for axis, name in zip(axes[0], names, strict=True):
        _account(axis, result, name)
    if len(names) == 1 and result.model.mechanism == "asymptotic" and "free" in result.arrays:
        _phases(axes[0, 0], result)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 * len(names), fontsize=8, frameon=False)
    return figure  # type: ignore[no-any-return]


def _account(axis: Any, result: Result, name: str) -> None:
    periods = np.arange(1, result.model.horizon + 1)
    few = {"marker": "o", "markersize": 4} if len(periods) <= 30 else {}
    for i, colour in zip(range(result.model.buyers), COLOURS, strict=False):
        label = f"buyer {i + 1}, simulated"
        if f"path_{name}" in result.arrays:
            for row in result.arrays[f"path_{name}"].values[:SHOWN, :, i]:
                axis.plot(
                    periods,
                    row,
                    color=colour,
                    linewidth=0.7,
                    alpha=0.45,
                    label=label,
                    **({} if not few else {"marker": "."}),
                )
                label = ""
        if f"expected_{name}" in result.arrays:
            table = result.arrays[f"expected_{name}"].values[:, i]
            axis.plot(periods, table, color=colour, linewidth=2, label=f"buyer {i + 1}, expected", **few)
    if few:
        axis.set_xticks(periods[:: max(1, len(periods) // 10)])
    when = "after the period" if name == "balance" else "in the period"
    known = (("expected", f"expected_{name}"), ("simulated paths", f"path_{name}"))
    what = ", and ".join(words for words, array in known if array in result.arrays)
    dress(axis, f"{name} {when}: {what}", "period", "money")


def _phases(axis: Any, result: Result) -> None:
    free = result.arrays["free"].values
    begun: dict[int, list[int]] = {}
    for i in range(len(free)):
        if len(closed := np.flatnonzero(free[i] == 0)):
            begun.setdefault(int(closed[0]) + 1, []).append(i)
    for period, who in begun.items():
        colour = COLOURS[who[0] % len(COLOURS)] if len(who) == 1 else GREY
        names = f"buyer {who[0] + 1}" if len(who) == 1 else f"buyers {', '.join(str(i + 1) for i in who)}"
        axis.axvline(period, color=colour, linestyle="--", linewidth=1, label=f"{names} first throttled")


def _regret(result: Result) -> Figure:
    """Regret over sqrt(T) ln T at horizons up to T, by the lattice, for both readings of the threshold."""
    import mechopt as mo
    from mechopt.models.clairvoyance.asymptotic import ledgers
    from mechopt.models.clairvoyance.asymptotic_lattice import TooFine, lattice_revenue

    model = result.model
    pattern = len(model.periods)
    repeats = sorted(
        {max(2, round(x)) for x in np.geomspace(max(2, model.repeat // 1000), max(2, model.repeat), POINTS)}
    )
    figure, axes = canvas(1, 1, _title(result), width=5.6, height=3.6)
    W = None
    for threshold, colour in (("sqrt(t) ln t", BLUE), ("sqrt(t ln t)", ORANGE)):
        horizons, scaled = [], []
        for repeat in repeats:
            fields = {**model.parameters(), "repeat": repeat, "threshold": threshold, "samples": None}
            books = ledgers(mo.NonClairvoyantAuction(**fields))
            surplus = float(sum(books[0].W)) * repeat
            try:
                revenue, _ = lattice_revenue(books)
            except TooFine:
                continue
            T = repeat * pattern
            horizons.append(T)
            scaled.append((surplus - revenue) / (math.sqrt(T) * math.log(T)))
            W = model.buyers * float(max(books[0].W))
        axes[0, 0].plot(horizons, scaled, color=colour, marker="o", markersize=4, label=f"threshold {threshold}")
    if W is not None:
        axes[0, 0].axhline(W, color=GREY, linewidth=1, linestyle="--", label="k max W, where it tends")
    axes[0, 0].set_xscale("log")
    axes[0, 0].set_ylim(bottom=0)
    axes[0, 0].legend(fontsize=8, frameon=False)
    dress(axes[0, 0], "regret over sqrt(T) ln T", "horizon T, periods", "money")
    return figure  # type: ignore[no-any-return]
