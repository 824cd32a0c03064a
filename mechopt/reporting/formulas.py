"""Programs as formulas: LaTeX from the models' files or the composed problem itself, and MathML made of it offline."""

from __future__ import annotations

import html
from importlib import resources
from typing import Any

from mechopt.models.inputs import fail

HEADINGS = ("primal", "dual")


def latex(name: str, model: Any) -> dict[str, str]:
    """The model's programs in LaTeX, by `primal` and `dual`. Raises InputError where there is none.

    >>> programs = latex("regret-pricing", None)
    >>> assert list(programs) == ["primal", "dual"] and "gamma" in programs["primal"]
    """
    if hasattr(model, "latex"):
        parts = model.latex().split("\n\n")
    else:
        file = resources.files("mechopt.reporting.programs") / f"{name}.tex"
        if not file.is_file():
            raise fail(
                "--latex", "a model whose program is written in LaTeX", name, "its page in docs/ has the program"
            )
        parts = file.read_text(encoding="utf-8").split("% dual\n")
    return {heading: part.removeprefix("% primal\n").strip() for heading, part in zip(HEADINGS, parts, strict=False)}


def mathml(text: str) -> str:
    """A display of MathML; the LaTeX itself, escaped, where the converter does not know a command."""
    from latex2mathml.converter import convert

    try:
        return str(convert(text, display="block"))
    except Exception:  # the converter raises many kinds; the formula is then shown as it was written
        return f"<pre>{html.escape(text)}</pre>"
