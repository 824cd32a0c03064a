"""First-price, second-price and all-pay auctions as tables over types, ready for `mechopt audit`, in rationals.

`bids` turns an auction into the direct mechanism of its bidding strategies: a bidder who reports her k-th type bids
`bids[i][k]`. Without it every type bids its value. Ties are broken evenly.

Source: V. Krishna, Auction Theory (2009), chapters 2 and 3; R. Myerson, Optimal auction design (1981).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from mechopt.models.auctions.myerson_mechanism import nested
from mechopt.models.inputs import exact, fail, plain

Rows = Sequence[Sequence[object]]
Charge = Callable[
    [Sequence[Fraction], Fraction, int, int], Fraction
]  # bids, reserve, bidder, winners: expected payment


def first_price(types: Rows, bids: Rows | None = None, reserve: object = 0) -> dict[str, Any]:
    """The highest bid of at least `reserve` wins and is paid.

    `types`: per bidder her values, increasing, (K_i,), money; `bids`: the same shape. Raises InputError otherwise.

    >>> file = first_price([[1, 2], [1, 2]])
    >>> assert file["payment"][0] == [[0.5, 0], [2, 1]] and file["allocation"][0] == [[0.5, 0], [1, 0.5]]
    """
    return _auction(types, bids, reserve, lambda b, floor, i, winners: b[i] / winners if _wins(b, floor, i) else ZERO)


def second_price(types: Rows, bids: Rows | None = None, reserve: object = 0) -> dict[str, Any]:
    """The highest bid of at least `reserve` wins and pays the second highest, or the reserve if that is more.

    >>> file = second_price([[1, 2], [1, 2]], reserve="3/2")
    >>> assert file["payment"][0] == [[0, 0], [1.5, 1]] and file["allocation"][1] == [[0, 1], [0, 0.5]]
    """

    def charge(b: Sequence[Fraction], floor: Fraction, i: int, winners: int) -> Fraction:
        return max([*b[:i], *b[i + 1 :], floor]) / winners if _wins(b, floor, i) else ZERO

    return _auction(types, bids, reserve, charge)


def all_pay(types: Rows, bids: Rows | None = None, reserve: object = 0) -> dict[str, Any]:
    """The highest bid of at least `reserve` wins, and every bid is paid, by winners and losers alike.

    >>> file = all_pay([[1, 2], [1, 2]])
    >>> assert file["payment"][0] == [[1, 1], [2, 2]]
    """
    return _auction(types, bids, reserve, lambda b, floor, i, winners: b[i])


ZERO = Fraction(0)


def _wins(bids: Sequence[Fraction], floor: Fraction, bidder: int) -> bool:
    return bids[bidder] == max(bids) and bids[bidder] >= floor


def _auction(types: Rows, bids: Rows | None, reserve: object, charge: Charge) -> dict[str, Any]:
    values = _numbers(types, "types")
    for i, row in enumerate(values):
        for k in range(1, len(row)):
            if row[k] <= row[k - 1]:
                raise fail(f"types[{i}][{k}]", f"a number above {plain(row[k - 1])}", row[k])
    offers = values if bids is None else _numbers(bids, "bids")
    if [len(row) for row in offers] != [len(row) for row in values]:
        sizes = [len(row) for row in values]
        raise fail("bids", f"one bid per type, {sizes} of them", f"{[len(row) for row in offers]}")
    floor = _number(reserve, "reserve")
    shape, chance, paid = [len(row) for row in values], [], []
    for i in range(len(values)):
        q, m = [], []
        for placed in itertools.product(*offers):
            winners = sum(_wins(placed, floor, j) for j in range(len(placed)))
            q.append(plain(Fraction(1, winners) if _wins(placed, floor, i) else ZERO))
            m.append(plain(charge(placed, floor, i, winners)))
        chance.append(nested(q, shape))
        paid.append(nested(m, shape))
    return {"types": [[plain(x) for x in row] for row in values], "allocation": chance, "payment": paid}


def _numbers(rows: Rows, field: str) -> list[list[Fraction]]:
    if not len(rows) or not all(len(row) for row in rows):
        raise fail(field, "at least one number per bidder", "none", f"write {field} = [[0, 1], [0, 1]]")
    return [[_number(x, f"{field}[{i}][{k}]") for k, x in enumerate(row)] for i, row in enumerate(rows)]


def _number(value: object, field: str) -> Fraction:
    try:
        return exact(value.item() if hasattr(value, "item") else value)
    except ValueError:
        raise fail(field, "a finite number", repr(value), 'write 0.5, 3 or a rational such as "1/3"') from None
