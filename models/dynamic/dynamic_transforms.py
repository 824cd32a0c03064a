"""Four ways of rewriting a dynamic mechanism, and what each keeps and loses.

| function | keeps | loses |
|---|---|---|
| `front_load` | revenue, welfare, DIC, DBIC, eP-IR; gains PFIR and PPIR | PPIC, INDU |
| `symmetrise` | DIC, eP-IR, PFIR and PPIR of front-loaded ones; revenue and welfare do not fall | nothing |
| `account_of` | revenue, DIC, eP-IR; gains IC, BI, BU, PPIC, INDU, PFIR, PEIR | PPIR |
| `per_period_ir` | revenue, welfare, DIC, DBIC, eP-IR, PFIR; gains PPIR | PPIC, INDU, BI |

Erratum: the last one is said to keep every property studied. It does not: what a report adds to the account is a
payment now and a discount later, so that truth is no longer best period by period.

Source: V. Mirrokni, R. Paes Leme, P. Tang, S. Zuo, Non-clairvoyant dynamic mechanism design (2020), supplement,
Lemmas A.3 and A.4, proof of Lemma 3.3, Appendix B.1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mechopt.models.dynamic.bank_account import BankAccount, Stage, Table
from mechopt.models.dynamic.dynamic_tables import Tables, tables_of
from mechopt.models.inputs import fail

SAME = 1e-9  # promised utilities of floats this close are one


def worth(tables: Tables, t: int) -> Table:
    """What every buyer gets from the good of period t, by history, (k, N_1, .., N_t), money."""
    shape = tables.shape(t)
    types = np.unravel_index(np.arange(math.prod(shape)), shape)
    rows = [tables.values(i, t)[types[i]] * tables.allocation[t][i] for i in range(tables.buyers)]
    return np.stack(rows)


def front_load(tables: Tables) -> Tables:
    """Charge the whole value in every period but the last, and settle there: any buyers' total is as before.

    Keeps every strategy's total utility, so DIC, DBIC and eP-IR with the revenue; loses PPIC and INDU.

    >>> from mechopt.models.distributions import Distribution
    >>> from mechopt.models.dynamic.bank_account_sources import Repeated
    >>> even = Distribution(values=[1, 2], probabilities=["1/2", "1/2"])
    >>> posted = tables_of(BankAccount(Repeated([[even], [even]], prices=[1, 1])))
    >>> loaded = front_load(posted)
    >>> assert loaded.payment[0].tolist() == [[1, 2]] and loaded.payment[1][0].tolist() == [[1, 1], [0, 0]]
    >>> assert loaded.revenue() == posted.revenue() == 2
    """
    owed: Any = 0  # what earlier periods charged more than they did before
    payment = []
    for t in range(tables.horizon):
        owed = owed[..., None] if t else owed
        if t + 1 < tables.horizon:
            full = worth(tables, t)
            owed = owed + full - tables.payment[t]
            payment.append(full)
        else:
            payment.append(tables.payment[t] - owed)
    return Tables(tables.periods, tables.allocation, payment)


def symmetrise(tables: Tables) -> Tables:
    """Let histories that promise the same utility go on alike, in the way best for welfare: one buyer, front-loaded.

    Revenue and welfare do not fall; DIC and eP-IR are kept. Raises InputError for several buyers, whose promises may
    depend on each other's histories, and for mechanisms that give utility before the last period.
    """
    if tables.buyers > 1:
        raise fail("mechanism", "one buyer", f"{tables.buyers}", "the theorem is for one buyer")
    for t in range(tables.horizon - 1):
        if np.abs(tables.utility[0][t]).max() > SAME:
            hint = "front_load it first"
            raise fail("mechanism", "no utility before the last period", f"some in period {t + 1}", hint)
    allocation, payment = [np.array(x) for x in tables.allocation], [np.array(p) for p in tables.payment]
    for t in range(tables.horizon - 1):
        current = Tables(tables.periods, allocation, payment)
        promised, welfare = promises(current)[t].ravel(), later_welfare(current)[t].ravel()
        shape: Any = allocation[t].shape[1:]
        known: list[tuple[Any, int]] = []
        for n in np.lexsort((-welfare.astype(float), promised.astype(float))):
            history: Any = np.unravel_index(int(n), shape)
            if known and abs(promised[n] - known[-1][0]) <= (0 if tables.exact else SAME):
                best: Any = np.unravel_index(known[-1][1], shape)
                for s in range(t + 1, tables.horizon):
                    allocation[s][(0, *history)] = allocation[s][(0, *best)]
                    payment[s][(0, *history)] = payment[s][(0, *best)]
            else:
                known.append((promised[n], int(n)))
    return Tables(tables.periods, allocation, payment)


def promises(tables: Tables) -> list[Table]:
    """One buyer's utility so far plus what she expects later, after each period, (N_1, .., N_t)."""
    total: Any = 0
    so_far = []
    for t in range(tables.horizon):
        u = worth(tables, t)[0] - tables.payment[t][0]
        total = (total[..., None] if t else total) + u
        so_far.append(total)
    found, later = [], so_far[-1]
    for t in range(tables.horizon - 1, -1, -1):
        found.append(later)
        later = later @ tables.profiles(t)
    return found[::-1]


def later_welfare(tables: Tables) -> list[Table]:
    """What the goods of later periods are worth, expected after each period, (N_1, .., N_t); one buyer."""
    found: list[Table] = []
    later: Any = None
    for t in range(tables.horizon - 1, -1, -1):
        now = worth(tables, t)[0]
        found.append(0 * now if later is None else later)
        later = (found[-1] + now) @ tables.profiles(t)
    return found[::-1]


class Promised:
    """The bank account mechanism of a symmetric, front-loaded one: the balance is the promise above the lowest one."""

    def __init__(self, tables: Tables) -> None:
        self.periods, self.tables = [tuple(buyers) for buyers in tables.periods], tables
        promised = promises(tables)
        lowest = [row.min() for row in promised[:-1]]
        expected = promised[0] @ tables.profiles(0)
        self.balance = [row - low for row, low in zip(promised, lowest, strict=False)]
        self.balance.append(0 * promised[-1])
        self.first = ((), 0 * expected)

    def stage(self, t: int, state: Any) -> Stage:
        """The period after a history: its payment, less what goes on the account, plus what was there."""
        history, held = state
        x, p = (rows[t][(slice(None), *history)] for rows in (self.tables.allocation, self.tables.payment))
        after = self.balance[t][history][None, :]
        following = np.empty(after.shape[1], dtype=object)
        for n in range(len(following)):
            following[n] = ((*history, n), after[0, n])
        return Stage.of(self.periods[t], (held,), x, p - after + held, after, following)


def account_of(tables: Tables) -> BankAccount:
    """A bank account mechanism with the revenue of any DIC and eP-IR mechanism for one buyer, or more.

    Raises InputError for several buyers.
    """
    return BankAccount(Promised(symmetrise(front_load(tables))))


def per_period_ir(mechanism: BankAccount) -> Tables:
    """Charge what goes on the account, give back what was there: no period is a loss to any type (PPIR).

    Keeps revenue, DIC, DBIC and eP-IR; loses PPIC and INDU, and BI with them.
    """
    tables = tables_of(mechanism)
    assert tables.balance is not None
    payment, before = [], None
    for t in range(tables.horizon):
        paid = tables.payment[t]
        if t + 1 < tables.horizon:
            paid = paid + tables.balance[t]
        if before is not None:
            paid = paid - before[..., None]
        payment.append(paid)
        before = tables.balance[t]
    return Tables(tables.periods, tables.allocation, payment)
