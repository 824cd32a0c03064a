"""Gittins indices as fractions: the elimination of solvers/gittins.py in rational arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

from mechopt.solvers.rational import Rational, rational


def exact_indices(
    transition: Sequence[Sequence[Rational]], reward: Sequence[Rational], discount: Rational
) -> list[Rational]:
    """The index of every state, exactly; everything as python-flint's fractions.

    Fractions grow with the number of states: tens of states take a second, hundreds too long.

    >>> P = [[rational(0), rational(1)], [rational(0), rational(1)]]
    >>> assert exact_indices(P, [rational(1), rational(4)], rational("1/2")) == [rational("5/2"), 4]
    """
    L = len(reward)
    law = [[discount * p for p in row] for row in transition]
    collected, killed = list(reward), [1 - discount] * L
    left, found = list(range(L)), [rational(0)] * L
    while left:
        ratios = {x: collected[x] / killed[x] for x in left}
        best = max(left, key=lambda x: ratios[x])
        found[best] = (1 - discount) * ratios[best]
        left.remove(best)
        leave = 1 - law[best][best]
        row = {y: law[best][y] / leave for y in left if law[best][y]}
        earned, lost = collected[best] / leave, killed[best] / leave
        for x in left:  # rows of eliminated states are not needed for the indices of the others
            if into := law[x][best]:
                for y, chance in row.items():
                    law[x][y] += into * chance
                collected[x] += into * earned
                killed[x] += into * lost
    return found
