"""How large a program would be, said before it is built."""

from __future__ import annotations

import os
from dataclasses import dataclass

BYTES_PER_NONZERO = 250  # CVXPY's expression, its canonical form and HiGHS's copies, measured on sparse programs


@dataclass(frozen=True)
class Size:
    """Rows, columns and nonzeros of a program not yet built.

    >>> assert Size(10**6, 10**6, 4 * 10**6).bytes == 1_000_000_000 + 10**6 * 200
    """

    rows: int
    columns: int
    nonzeros: int

    @property
    def bytes(self) -> int:
        """An estimate of the memory building and solving take."""
        return BYTES_PER_NONZERO * self.nonzeros + 100 * (self.rows + self.columns)

    @property
    def fits(self) -> bool:
        """Whether the estimate is within the memory that is free now."""
        return self.bytes <= available()

    def __str__(self) -> str:
        return f"{self.rows:,} rows, {self.columns:,} columns, {self.nonzeros:,} nonzeros, about {human(self.bytes)}"


def human(size: float) -> str:
    """Bytes in a readable unit.

    >>> human(3 * 2**30)
    '3.0 GiB'
    """
    if size > 2**50:
        return "more than 1,000 TiB"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    raise AssertionError


def available() -> int:
    """Bytes of memory free for use; a quarter of 16 GiB where the system does not say."""
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError, AttributeError):
        return 4 * 2**30
