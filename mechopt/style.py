"""One look for all pictures: print-sized, colour-blind safe, light grids. Matplotlib loads only when drawing."""

from __future__ import annotations

import textwrap
from typing import Any

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6b6b6b"  # Okabe and Ito (2008)
MAP = "cividis"
LETTERS = 11  # of a title, for every inch of a figure


def canvas(rows: int, columns: int, title: str, width: float = 4.2, height: float = 3.2) -> tuple[Any, Any]:
    """A figure with a grid of axes, (rows, columns), and its title."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(columns * width, rows * height), layout="constrained", dpi=150)
    axes = figure.subplots(rows, columns, squeeze=False)
    figure.suptitle(textwrap.fill(title, int(columns * width * LETTERS)), fontsize=11)
    return figure, axes


def dress(axis: Any, title: str, x: str, y: str) -> None:
    """Title and axis labels in the house's sizes, and a light frame."""
    axis.set_title(title, fontsize=9.5, loc="left")
    axis.set_xlabel(x, fontsize=9)
    axis.set_ylabel(y, fontsize=9)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(True, linewidth=0.4, alpha=0.35)
    axis.set_axisbelow(True)


def shades(shade: Any, axes: Any, label: str, shrink: float = 0.9) -> None:
    """The bar that says what a map's colours mean, with its unit, in the house's sizes; `axes`: one or several."""
    bar = shade.figure.colorbar(shade, ax=axes, shrink=shrink)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
