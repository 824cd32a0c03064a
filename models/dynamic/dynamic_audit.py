"""An exhaustive audit of a dynamic mechanism on finite types: every history, every report, every reporting strategy.

Truth is audited per path of the others' types, past and future, as the bank account papers define it: u + U is what a
buyer gets now and expects later, the expectation over her own later types only. Notions, each with the largest
violation and where it happens:

* PPIC: no report gains in its own period.    * INDU: expected later utility does not depend on the report.
* DIC: no strategy of reports, from any history on, gains; found by dynamic programming over all of them.
* DBIC: the same in expectation over the others' present and later types.
* eP-IR: total utility is not negative.       * PFIR: nor is that of any first periods.
* PEIR: utility of a period is not negative in expectation over her own type.    * PPIR: nor for any type.

For bank account mechanisms also IC (each period's auction, at every balance reached), BI (expected utility of a period
is not negative and the same at every balance reached) and BU (0 <= balance after <= balance before + utility).

Source: Mirrokni, Paes Leme, Tang, Zuo (2018), Section 2; (2020), supplement, Appendix A.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mechopt.models.dynamic.bank_account import BankAccount, Table
from mechopt.models.dynamic.dynamic_tables import Tables, tables_of

TOLERANCE = 1e-9
HISTORY = ("PPIC", "INDU", "DIC", "DBIC", "eP-IR", "PFIR", "PEIR", "PPIR")


@dataclass(frozen=True)
class Finding:
    """A notion, its largest violation (money, zero where it holds) and where: buyer, period and axes of the table."""

    notion: str
    violation: Any
    where: str

    def holds(self, tolerance: float = TOLERANCE) -> bool:
        """Whether the violation is within the tolerance."""
        return bool(self.violation <= tolerance)


class _Worst:
    """The largest entry seen per notion."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[Any, str]] = {}

    def see(self, notion: str, table: Table, buyer: int, t: int, axes: str) -> None:
        place = np.unravel_index(int(np.argmax(table)), table.shape) if table.ndim else ()
        worst = table[place] if table.ndim else table
        if notion not in self.found or worst > self.found[notion][0]:
            at = f"buyer {buyer + 1}, period {t + 1}, at {tuple(int(x) for x in place)} of {axes}"
            self.found[notion] = (worst, at)

    def findings(self) -> dict[str, Finding]:
        return {
            name: Finding(name, max(worst, 0 * worst), where if worst > 0 else "")
            for name, (worst, where) in self.found.items()
        }


def audit(mechanism: BankAccount | Tables) -> dict[str, Finding]:
    """Every notion by name, with the largest violation. Tables without balances leave out IC, BI and BU.

    Raises InputError where the mechanism has too many histories to write out.

    >>> from mechopt.models.distributions import Distribution
    >>> from mechopt.models.dynamic.bank_account_sources import Repeated
    >>> even = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
    >>> found = audit(BankAccount(Repeated([[even], [even]], prices=[1, 2])))  # posted prices keep every promise
    >>> assert all(finding.violation == 0 for finding in found.values()) and len(found) == 11
    """
    tables = mechanism if isinstance(mechanism, Tables) else tables_of(mechanism)
    worst = _Worst()
    for buyer in range(tables.buyers):
        _rationality(tables, buyer, worst)
        _truth(tables, buyer, worst)
        _bayesian(tables, buyer, worst)
        if tables.balance is not None:
            _accounts(tables, buyer, worst)
    found = worst.findings()
    if tables.balance is not None:  # every balance reached is that of a history
        found["IC"] = Finding("IC", found["PPIC"].violation, found["PPIC"].where)
    return found


def lies(tables: Tables, buyer: int, t: int) -> Table:
    """Utility of period t by true type and report: axes (o_1, r_1, .., o_t, true type, report)."""
    x, p = (tables.own(rows[t], buyer, t)[..., None, :] for rows in (tables.allocation, tables.payment))
    return tables.values(buyer, t)[:, None] * x - p


def _rationality(tables: Tables, buyer: int, worst: _Worst) -> None:
    total: Any = 0
    for t, u in enumerate(tables.utility[buyer]):
        total = u if t == 0 else total[..., None, None] + u
        worst.see("PFIR", -total, buyer, t, "(others, own) per period")
        worst.see("PPIR", -u, buyer, t, "(others, own) per period")
        worst.see("PEIR", -(u @ tables.chances(buyer, t)), buyer, t, "(others, own) per period before, others now")
    worst.see("eP-IR", -total, buyer, tables.horizon - 1, "(others, own) per period")


def _wide(table: Table, extra: int) -> Table:
    """With `extra` axes more at the end, for the others' types of later periods."""
    return table.reshape(*table.shape, *[1] * extra)


def _truth(tables: Tables, buyer: int, worst: _Worst) -> None:
    """PPIC, INDU and DIC, along every path of the others, backwards in time.

    `honest` and `best`: what she expects after period t by truth and by the best strategy, with the axes
    (o_1, r_1, .., o_t, r_t, o_{t+1}, .., o_T).
    """
    T = tables.horizon
    honest: Any = None
    best: Any = None
    for t in range(T - 1, -1, -1):
        later = T - 1 - t
        now = lies(tables, buyer, t)
        true = tables.utility[buyer][t]
        worst.see("PPIC", now.max(axis=-1) - true, buyer, t, "(others, own) per period before, others, type now")
        axis = 2 * t + 1  # r_t in honest and best, the true type in `now`
        if later:
            spread = honest.max(axis=axis) - honest.min(axis=axis)
            worst.see("INDU", spread, buyer, t, "(others, own) per period before, others now and later")
            gains = _wide(now, later) + np.expand_dims(best, axis)
            truth = _wide(true, later) + honest
        else:
            gains, truth = now, true
            if T == 1:
                worst.see("INDU", 0 * true, buyer, t, "nothing later")
        chosen = gains.max(axis=axis + 1)
        axes = "(others, own) per period before, others, type now, others later"
        worst.see("DIC", chosen - truth, buyer, t, axes)
        f = tables.chances(buyer, t).reshape(-1, *[1] * later)
        honest, best = (f * truth).sum(axis=axis), (f * chosen).sum(axis=axis)


def _bayesian(tables: Tables, buyer: int, worst: _Worst) -> None:
    """DBIC: `honest` and `best` after period t, axes (o_1, r_1, .., o_t, r_t), the others' later types averaged."""
    honest: Any = 0
    best: Any = 0
    for t in range(tables.horizon - 1, -1, -1):
        f, g = tables.chances(buyer, t), tables.others(buyer, t)
        now = lies(tables, buyer, t)
        gains = now + (np.expand_dims(best, -2) if np.ndim(best) else 0)  # (.., o, type, report)
        truth = tables.utility[buyer][t] + honest
        interim = np.moveaxis(gains, -3, -1) @ g  # (.., type, report)
        expected = np.moveaxis(truth, -2, -1) @ g  # (.., type)
        chosen = interim.max(axis=-1)
        worst.see("DBIC", chosen - expected, buyer, t, "(others, own) per period before, type now")
        honest, best = expected @ f, chosen @ f


def _accounts(tables: Tables, buyer: int, worst: _Worst) -> None:
    """BI and BU of every balance reached."""
    assert tables.balance is not None
    before: Any = np.zeros((), dtype=tables.allocation[0].dtype)
    for t, u in enumerate(tables.utility[buyer]):
        mean = (u @ tables.chances(buyer, t)).reshape(-1, u.shape[-2])  # (histories, o_t)
        worst.see("BI", np.maximum(mean.max(axis=0) - mean.min(axis=0), -mean.min(axis=0)), buyer, t, "others now")
        after = tables.own(tables.balance[t], buyer, t)
        room = before[..., None, None] + u
        worst.see("BU", np.maximum(after - room, -after), buyer, t, "(others, own) per period")
        before = after
