"""The law of a balance over many periods, on a lattice, in floats: a recursion in blocks that no throttling can touch.

Utilities are multiples of a step g. Over a block of periods with throttle fees s in sum, balances of at least s are
never throttled: their law moves by one convolution, and stays on the lattice offset + g Z, offset falling by s.
Balances below s go through the block period by period, on the finer lattice that g and the fees share, and return as
further offsets. Entries that floats cannot tell from zero are cut; `lost` is the mass that went missing, and bounds
the error of every probability."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mechopt.models.clairvoyance.asymptotic import Ledger, Share
from mechopt.models.inputs import fail

Array = NDArray[np.float64]
TINY = 1e-16  # entries of a kernel below it are the Fourier transform's noise
CUT = 1e-15  # mass below a block's fees that is left out, together
FAINT = 1e-20  # entries beyond it in a tail are cut
SHORT = 64  # periods of a block in which somebody may be throttled
MOST_CELLS = 20_000_000


class TooFine(ValueError):
    """A lattice with too many points; `refusal` is the error for users."""

    def __init__(self, cells: int) -> None:
        super().__init__(f"{cells} points")
        got = f"{cells:,}" if cells < 10**15 else f"about 10^{len(str(cells)) - 1}"
        hint = "set samples = 10000 to simulate, or write values and probabilities with fewer digits"
        self.refusal = fail("periods", f"balances on a lattice of at most {MOST_CELLS:,} points", got, hint)


@dataclass
class Lattice:
    """A buyer's balance: mass[r, j] at (offsets[r] + G j) units; `miss` (T,) collects P(b_{t-1} < mu_t)."""

    book: Ledger
    mass: Array = field(default_factory=lambda: np.ones((1, 1)))
    offsets: list[int] = field(default_factory=lambda: [0])

    def __post_init__(self) -> None:
        steps = [u for share in self.book.shares for u, _ in share.law]
        fees = [share.mu for share in self.book.shares]
        unit = Fraction(1, math.lcm(*(x.denominator for x in [*steps, *fees])))
        self.G = math.gcd(*(int(u / unit) for u in steps)) or 1
        common = math.gcd(self.G, *(int(m / unit) for m in fees))  # the finer lattice
        self.unit, self.G = unit * common, self.G // common
        self.fees = [int(m / self.unit) for m in fees]
        if max(self.fees).bit_length() > 900:  # floats could not hold the sums
            self._refuse(max(self.fees))
        self.kernels = [self._kernel(share) for share in self.book.shares]
        self.miss = np.zeros(len(self.book.free))

    def _kernel(self, share: Share) -> Array:
        places = [int(u / self.unit) // self.G for u, _ in share.law]
        if places[-1] > MOST_CELLS // 4:
            self._refuse(places[-1])
        found = np.zeros(places[-1] + 1)
        found[places] = [float(p) for _, p in share.law]
        return found

    @property
    def lost(self) -> float:
        """How much probability was cut or rounded away."""
        return abs(1.0 - float(self.mass.sum()))

    def run(self) -> Array:
        """Go through all periods; the chances of being throttled, (T,)."""
        horizon, n = len(self.book.free), len(self.fees)
        fees = np.where(self.book.free, 0, np.resize(np.array(self.fees, dtype=float), horizon))
        owed = np.concatenate([[0.0], np.cumsum(fees)])
        t = 0
        while t < horizon:
            reach = int(np.searchsorted(owed, owed[t] + self._floor(), side="right")) - 1
            end = min(horizon, max(reach, t + SHORT))
            self._block(t, end, n)
            t = end
        return self.miss

    def _floor(self) -> int:
        """The lowest balance, in units, that is not negligible."""
        columns = np.cumsum(self.mass.sum(axis=0))
        return int(np.searchsorted(columns, CUT, side="right")) * self.G

    def _block(self, start: int, end: int, n: int) -> None:
        kinds = np.bincount(np.arange(start, end) % n, minlength=n)
        paid = sum(self.fees[t % n] for t in range(start, end) if not self.book.free[t])
        low = self._low(paid)
        if low is not None:
            low = self._step(low, start, end, n)
        self._convolve(kinds)
        self._shift(paid)
        if low is not None:
            self._return(low)

    def _low(self, paid: int) -> Array | None:
        """The mass below the block's fees, taken out, on the finer lattice; None where it is negligible."""
        width = min(self.mass.shape[1], paid // self.G + 1)
        if width == 0 or paid == 0:
            return None
        places = np.array(self.offsets, dtype=float)[:, None] + self.G * np.arange(width)
        below = places < paid
        part = np.where(below, self.mass[:, :width], 0.0)
        self.mass[:, :width] -= part
        if part.sum() <= CUT:
            return None
        if paid > MOST_CELLS:
            self._refuse(paid)
        low = np.zeros(paid)
        rows, columns = np.nonzero(part)
        np.add.at(low, np.array(self.offsets)[rows] + self.G * columns, part[rows, columns])
        return low

    def _step(self, low: Array, start: int, end: int, n: int) -> Array:
        """Period by period through a block, on the finer lattice."""
        for t in range(start, end):
            share, fee = self.book.shares[t % n], self.fees[t % n]
            stuck, moving = (low[:0], low) if self.book.free[t] else (low[:fee], low[fee:])
            self.miss[t] += stuck.sum()
            top = int(share.law[-1][0] / self.unit)
            if len(moving) + top > MOST_CELLS:
                self._refuse(len(moving) + top)
            after = np.zeros(max(len(moving) + top, len(stuck)))
            for u, p in share.law:
                place = int(u / self.unit)
                after[place : place + len(moving)] += float(p) * moving
            after[: len(stuck)] += stuck
            low = after[: np.flatnonzero(after > FAINT)[-1] + 1] if after.max() > FAINT else after[:1]
        return low

    def _convolve(self, kinds: NDArray[np.int64]) -> None:
        length = sum((len(k) - 1) * int(c) for k, c in zip(self.kernels, kinds, strict=True)) + 1
        if length + self.mass.shape[1] > MOST_CELLS:
            self._refuse(length)
        from scipy.fft import irfft, next_fast_len, rfft

        size = next_fast_len(length, real=True)
        spectrum = np.ones(size // 2 + 1, dtype=complex)
        for kernel, count in zip(self.kernels, kinds.tolist(), strict=True):
            if count:
                spectrum *= rfft(kernel, size) ** count
        kernel = irfft(spectrum, size)[:length]
        kernel[kernel < TINY] = 0.0
        support = np.flatnonzero(kernel)
        first, last = int(support[0]), int(support[-1]) + 1
        kernel = kernel[first:last]
        if self.mass.size * len(kernel) <= 50_000 and len(self.mass) == 1:
            moved = np.convolve(self.mass[0], kernel)[None, :]
        else:
            wide = self.mass.shape[1] + len(kernel) - 1
            size = next_fast_len(wide, real=True)
            moved = irfft(rfft(self.mass, size, axis=1) * rfft(kernel, size), size, axis=1)[:, :wide]
        moved[moved < TINY * moved.max(axis=1, keepdims=True)] = 0.0  # the transform's noise, row by row
        support = np.flatnonzero(moved.any(axis=0))
        last = int(support[-1]) + 1 if len(support) else 1
        self.mass = np.pad(moved[:, :last], ((0, 0), (first, 0)))

    def _shift(self, paid: int) -> None:
        """Take the block's fees off every balance: they are all at least that large."""
        places = [offset - paid for offset in self.offsets]
        shifts = [p // self.G for p in places]
        width = self.mass.shape[1] + max(*shifts, *[0]) if len(shifts) == 1 else self.mass.shape[1]
        moved = np.zeros((len(places), max(1, width)))
        for shift in set(shifts):
            rows = [r for r, s in enumerate(shifts) if s == shift]
            part = self.mass[rows][:, -shift:] if shift < 0 else self.mass[rows]
            moved[np.array(rows)[:, None], np.arange(part.shape[1])] = part
        tail = np.cumsum(moved.sum(axis=0)[::-1])[::-1]  # what lies at least this high
        self.mass = moved[:, : max(1, int((tail > TINY / 10).sum()))]
        self.offsets = [p % self.G for p in places]

    def _return(self, low: Array) -> None:
        """Put the balances that went through a block one by one back among the others."""
        rows = -(-len(low) // self.G)
        folded = np.zeros(rows * self.G)
        folded[: len(low)] = low
        grid = folded.reshape(rows, self.G).T  # (G, rows): offset by place
        known = {offset: r for r, offset in enumerate(self.offsets)}
        fresh = [g for g in np.flatnonzero(grid.sum(axis=1) > FAINT).tolist() if g not in known]
        width = max(self.mass.shape[1], rows)
        if (len(known) + len(fresh)) * width > MOST_CELLS:
            self._refuse((len(known) + len(fresh)) * width)
        mass = np.zeros((len(known) + len(fresh), width))
        mass[: len(known), : self.mass.shape[1]] = self.mass
        for r, g in enumerate(fresh, start=len(known)):
            known[g] = r
        where = [known[g] for g in known if grid[g].any()]
        mass[where, :rows] += grid[[g for g in known if grid[g].any()]]
        self.mass, self.offsets = mass, list(known)

    def _refuse(self, cells: int) -> None:
        raise TooFine(cells)


def chances_of_throttling(book: Ledger) -> tuple[Array, float]:
    """P(b_{t-1} < mu_t) of every period with q_t = 0, (T,), in floats, and the mass lost on the way.

    >>> half, one = Fraction(1, 2), Fraction(1)
    >>> share = Share(((0 * one, half), (2 * one, half)), one, one)
    >>> book = Ledger((share,), (one,), np.array([True, False, False]))
    >>> assert chances_of_throttling(book)[0].tolist() == [0, 0.5, 0.5]
    """
    lattice = Lattice(book)
    miss = lattice.run()
    return miss, lattice.lost


def lattice_revenue(books: list[Ledger]) -> tuple[float, float]:
    """Expected revenue of the asymptotic mechanism, money, and the mass lost, worst buyer."""
    known: dict[tuple[object, ...], tuple[Array, float]] = {}  # buyers alike but for ties have balances of one law
    total, worst = 0.0, 0.0
    for book in books:
        key = (*((share.law, share.mu) for share in book.shares), book.W)
        if key not in known:
            known[key] = chances_of_throttling(book)
        miss, lost = known[key]
        y = np.resize(np.array([float(share.y) for share in book.shares]), len(miss))
        total += float(book.sure) - float(y @ miss)
        worst = max(worst, lost)
    return total, worst
