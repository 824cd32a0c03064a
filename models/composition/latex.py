"""The composed program and its dual in LaTeX, put together from what each part contributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mechopt.models.composition.criteria import distributions
from mechopt.models.composition.latex_rows import AVERAGE, AVERAGE_TERMS, BALL, NATURE, ROWS, TERMS, U
from mechopt.models.inputs import plain

if TYPE_CHECKING:
    from mechopt.models.design import Design


SUBJECT = r"\text{s.t.}\quad & "


def latex(design: Design) -> str:
    """Both programs as two `align*` blocks, with the dual's letters in brackets at the end of the rows."""
    return f"{primal(design)}\n\n{dual(design)}"


def primal(design: Design) -> str:
    """The seller's program."""
    goal = design.criterion
    head = r"\max\quad & \rho" if goal.kind == "ratio" else _worth(design, goal, "")
    if goal.kind != "ratio":
        head = (r"\min\quad & " if goal.kind == "regret" else r"\max\quad & ") + head
    lines = [head]
    for n, (suffix, one) in enumerate(design.goals):
        rows = _goal_rows(design, one, suffix[1:])
        lines += [
            rf"{r'' if n or k else chr(92) + 'text{s.t.}' + chr(92) + 'quad '}& {row}" for k, row in enumerate(rows)
        ]
    lines += [
        rf"& {row} && {which} \; [{letter}]" for row, which, letter in (_named(design, n) for n in _names(design))
    ]
    lines += [rf"& \text{{{f.words}}} && [\omega]" for f in design.core.families if f.name.startswith("own_")]
    return _align([*lines, r"& q \ge 0" + (r", \; q \in \mathbb{Z}" if design.restrictions.deterministic else "")],
                  "The mechanism")  # fmt: skip


def dual(design: Design) -> str:
    """Nature's program; of the relaxation to lotteries, where the mechanism is deterministic."""
    names, least = _names(design), design.criterion.kind == "regret"
    prices = [TERMS[n][2] for n in names if TERMS[n][2]]
    gains = []
    for suffix, goal in design.goals:
        mark, n = _mark(suffix[1:]), suffix[1:]
        if goal.kind == "regret":
            gains.append(rf"\mathbb{{E}}_{{p{mark}}}[s^*]" + (rf" - {plain(goal.bound)}\, \theta_{n}" if n else ""))
        elif n:
            gains.append(
                rf"{plain(goal.bound)}\, "
                + (rf"\mathbb{{E}}_{{p{mark}}}[s^*]" if goal.kind == "ratio" else rf"\theta_{n}")
            )
    gains += [r"\textstyle\sum_v \epsilon(v) s^*(v)"] if "efficient" in names else []
    up, down = _sum(gains), _sum(prices)
    lines = [rf"\max\quad & {_less(up, down)}" if least else rf"\min\quad & {_less(down, up)}"]
    lines.append(r"\text{s.t.}\quad & \text{over } \alpha \ge 0 \text{ and multipliers} \ge 0 \text{ of inequalities}")
    for suffix, goal in design.goals:
        lines += [f"& {row}" for row in _nature_rows(design, goal, suffix[1:])]
    table = {n: (AVERAGE_TERMS if _average(design, n) else TERMS)[n] for n in names}
    money = [_weighted(_paid(goal), s[1:]) for s, goal in design.goals if goal.measure.pays]
    worth = [_weighted(_sold(goal), s[1:]) for s, goal in design.goals if _sold(goal) != "0"]
    left = _sum([t[0] for t in table.values() if t[0]])
    lines.append(rf"& {_sum(money)} = {left} && \forall i, v \; [m_i(v)]")
    terms = _sum([*worth, *(t[1] for t in table.values() if t[1])])
    lines.append(rf"& {terms} \le 0 && \forall i, v, j \; [q_{{ij}}(v)]")
    if "apart_m" in names:
        lines.append(
            r"& \textstyle\sum_{v' : v'_{\cdot j} = v_{\cdot j}} \xi_i(v') = 0 && \forall i, j, v_{\cdot j} \; [p_{ij}]"
        )
    return _align(lines, "Nature" + (", of the relaxation to lotteries" if design.restrictions.deterministic else ""))


def _names(design: Design) -> list[str]:
    """The families both programs speak of, in their order."""
    found = [f.name for f in design.core.families if f.name in ROWS]
    if design.incentives.truth != "none":
        found.insert(1 if "beta" in found else 0, "gamma")
    return found


def _average(design: Design, name: str) -> bool:
    incentives = design.incentives
    return {"beta": incentives.participation == "interim", "gamma": incentives.truth == "bayesian"}.get(name, False)


def _named(design: Design, name: str) -> tuple[str, str, str]:
    return (AVERAGE if _average(design, name) else ROWS)[name]


def _mark(n: str) -> str:
    return f"^{{{n}}}" if n else ""


def _worth(design: Design, goal: Any, n: str) -> str:
    """What the seller's multipliers of a goal promise, or for regret the bound on it."""
    chosen, mark, regret = distributions(goal, design.environment), _mark(n), goal.kind == "regret"
    level = f"r{mark}" if regret else f"t{mark}"
    sign, other = ("+", "-") if regret else ("-", "+")
    found = rf"\textstyle\sum_n \hat p(n)\, {level}(n)" if chosen.kind in BALL else level
    found += rf" {sign} \varepsilon\, \varsigma{mark}" if chosen.kind in BALL else ""
    if chosen.kind == "box":
        found += rf" {other} \textstyle\sum_v (\hat p(v) - \varepsilon)^+ \underline\sigma{mark}(v)"
        found += rf" {sign} \sum_v (\hat p(v) + \varepsilon)\, \bar\sigma{mark}(v)"
    return found + (rf" {sign} \textstyle\sum_k b_k \sigma{mark}_k" if chosen.moments else "")


def _goal_rows(design: Design, goal: Any, n: str) -> list[str]:
    """The seller's rows of a goal, with their letters."""
    chosen, mark, regret = distributions(goal, design.environment), _mark(n), goal.kind == "regret"
    level, score, full = ("r" if regret else "t") + mark, _score(goal), r"s^*(v)"
    known = rf" + \textstyle\sum_k \sigma{mark}_k f_k(v)" if chosen.moments else ""
    rho = plain(goal.bound) if n else r"\rho"
    share = {"regret": full, "ratio": rf"{rho}\, {full}"}.get(goal.kind, "")
    if chosen.kind == "priors":
        score, known = (rf"\mathbb{{E}}_{{P_n}}[{x}]" if x else "" for x in (score + known, ""))
        share = share.replace(full, r"\mathbb{E}_{P_n}[s^*]")

    def row(subtracted: str, of: str, where: str = "", counts: bool = True) -> str:
        left = f"{score}{known}" if counts else "0"
        right = [share] if counts and share else []
        text = rf"{left} + {subtracted} \ge {_sum(right)}" if regret else rf"{left} \ge {_sum([*right, subtracted])}"
        return rf"{text} && \forall {where or of} \; [\alpha{mark}({of})]"

    if chosen.kind == "box":
        low, high = rf"\underline\sigma{mark}(v)", rf"\bar\sigma{mark}(v)"
        rows = [row(f"{level} - {low} + {high}" if regret else f"{level} + {low} - {high}", "v")]
    elif chosen.kind == "wasserstein":
        rows = [row(rf"{level}(n) {'+' if regret else '-'} \varsigma{mark} d(n, v)", "n, v")]
    elif chosen.kind == "total-variation":
        arrive = rf"-\mu{mark} + \varsigma{mark}" if regret else rf"(-\mu{mark} - \varsigma{mark})"
        rows = [
            row(f"{level}(v)", r"\text{stay}, v"),
            row(rf"{level}(v) + \mu{mark}", r"\text{leave}, v", counts=False),
            row(arrive, r"\text{arrive}, v"),
        ]
    else:
        rows = [row(level, "n" if chosen.kind == "priors" else "v")]
    if goal.kind == "ratio":
        rows.append(rf"{_worth(design, goal, n)} \ge 0 && [\theta{'_' + n if n else ''}]")
    elif n:
        side = r"\le" if regret else r"\ge"
        rows.append(rf"{_worth(design, goal, n)} {side} {plain(goal.bound)} && [\theta_{n}]")
    return rows


def _nature_rows(design: Design, goal: Any, n: str) -> list[str]:
    """Nature's rows of a goal: a distribution, or one scaled by the price of a floor."""
    chosen, mark = distributions(goal, design.environment), _mark(n)
    scale = rf"\theta{'_' + n if n else ''}" if n or goal.kind == "ratio" else ""
    found = [row.replace("ALPHA", rf"\alpha{mark}").replace("MARK", mark).replace("SCALE", scale or "1")
             .replace("TIMES", rf"{scale}\," if scale else "") for row in NATURE[chosen.kind]]  # fmt: skip
    level = "r" if goal.kind == "regret" else "t"
    found = [row.replace("LEVEL", f"{level}{mark}").replace("p0", f"p{mark}") for row in found]
    if chosen.moments:
        most = f"{scale} b_k" if scale else "b_k"
        found.append(rf"\textstyle\sum_v p{mark}(v) f_k(v) \le {most} && \forall k \; [\sigma{mark}_k]")
    if goal.kind == "ratio" and not n:
        found.append(r"\textstyle\sum_v p(v) s^*(v) = 1 && [\rho]")
    return found


def _sum(terms: list[str]) -> str:
    return (" + ".join(terms) if terms else "0").replace("+ -", "-")


def _less(first: str, second: str) -> str:
    return first if second == "0" else rf"{first} - \bigl({second}\bigr)"


def _times(weight: Any) -> str:
    return "" if weight == 1 else str(plain(weight)) + r"\,"


def _weighted(coefficient: str, n: str) -> str:
    return rf"{coefficient} p{_mark(n)}(v)"


def _paid(goal: Any) -> str:
    return _times(goal.measure.revenue - goal.measure.utility)


def _sold(goal: Any) -> str:
    """What a unit of q_ij(v) adds to the score."""
    m, parts = goal.measure, []
    parts += [rf"{_times(m.welfare)}(v_{{ij}} - c_j)"] if m.welfare else []
    parts += [rf"-{_times(m.revenue)} c_j"] if m.revenue else []
    parts += [rf"{_times(m.utility)} v_{{ij}}"] if m.utility else []
    parts += [f"{plain(m.sale)}"] if m.sale else []
    return rf"({_sum(parts)})"


def _score(goal: Any) -> str:
    m, parts = goal.measure, []
    parts += [rf"{_times(m.revenue)}\textstyle\sum_i (m_i(v) - c'q_i(v))"] if m.revenue else []
    parts += [rf"{_times(m.welfare)}\textstyle\sum_i (v_i - c)'q_i(v)"] if m.welfare else []
    parts += [rf"{_times(m.utility)}\textstyle\sum_i {U}"] if m.utility else []
    parts += [rf"{_times(m.sale)}\textstyle\sum_{{ij}} q_{{ij}}(v)"] if m.sale else []
    return _sum(parts)


def _align(lines: list[str], title: str) -> str:
    body = " \\\\\n".join(f"  {line}" for line in lines)
    return f"% {title}\n\\begin{{align*}}\n{body}\n\\end{{align*}}"
