"""Exact numbers: reading them, and rounding them to floats on the side one asks for."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import flint
import numpy as np

Rational = Any  # flint.fmpq; python-flint ships no types


def rational(number: object) -> Rational:
    """A number, exactly: an int, a float (its binary value), a Fraction, an fmpq, or a string "p/q" or "0.25".

    Raises ValueError for anything that is not a finite number.

    >>> assert rational("1/3") * 3 == 1 and rational(0.5) == rational("1/2")
    """
    if isinstance(number, flint.fmpq):
        return number
    if isinstance(number, bool) or not isinstance(number, int | float | str | Fraction | np.floating | np.integer):
        raise ValueError(f"expected a number, got {number!r}")
    if isinstance(number, int | np.integer):
        return flint.fmpq(int(number))
    try:
        if isinstance(number, str):
            head, _, tail = number.partition("/")
            if tail and head.lstrip("-").isdigit() and tail.isdigit() and tail.strip("0"):
                return flint.fmpq(flint.fmpz(head), flint.fmpz(tail))
        exact = Fraction(number if isinstance(number, str | Fraction) else float(number))
    except (ValueError, OverflowError, ZeroDivisionError):
        raise ValueError(f"expected a finite number, got {number!r}") from None
    return flint.fmpq(exact.numerator, exact.denominator)


def text(number: Rational) -> str:
    """A rational as files hold it, "p/q" or "p"."""
    return str(number)


def nearest(number: Rational) -> float:
    """The float nearest a rational."""
    return int(number.p) / int(number.q)


def below(number: Rational) -> float:
    """The largest float that is at most the rational.

    >>> third = rational("1/3")
    >>> assert rational(below(third)) < third < rational(above(third)) and below(rational(1)) == 1.0
    """
    close = nearest(number)
    return (close if rational(close) <= number else math.nextafter(close, -math.inf)) + 0.0


def above(number: Rational) -> float:
    """The smallest float that is at least the rational."""
    return -below(-number) + 0.0


def floor_to(number: Rational, bits: int = 256) -> Rational:
    """The largest multiple of 2^-bits that is at most the rational: shorter, and only ever lower.

    >>> assert floor_to(rational("1/3"), 2) == rational("1/4")
    """
    scaled = number * flint.fmpz(2) ** bits
    return flint.fmpq(scaled.floor(), flint.fmpz(2) ** bits)
