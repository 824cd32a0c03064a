"""Synthetic bids, and an auction designed from them: a CSV of past auctions goes in, a certified mechanism comes out.

The bids are made up: two bidders' values are correlated and drawn by a generator with a fixed seed. Replace the file
by your own, a header and one row per past auction with every bidder's bid.
"""

import csv
import sys
from pathlib import Path

import numpy as np

import mechopt as mo


def make_bids(path: Path, auctions: int = 12, seed: int = 8) -> None:
    """Write a CSV of synthetic bids in [0, 1]: a common part shared by both bidders, and a part of their own."""
    rng = np.random.default_rng(seed)
    common = rng.beta(4, 4, size=(auctions, 1))
    bids = np.clip(0.6 * common + 0.4 * rng.beta(2, 2, size=(auctions, 2)), 0, 1).round(2)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["bidder 1", "bidder 2"])
        writer.writerows(bids.tolist())


def main() -> None:
    """Design an auction against every distribution within 1/10 of the bids."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "bids.csv")
    if not path.exists():
        make_bids(path)
    ball = {"kind": "wasserstein", "csv": str(path), "radius": "1/10"}
    design = mo.Design(
        environment={"bidders": 2, "upper": [1], "points": 10},
        criterion={"kind": "worst-case", "ambiguity": ball},
    )
    result = mo.solve(design)
    assert result.bounds.certified
    trusting = mo.Design(
        environment={"bidders": 2, "upper": [1], "points": 10},
        criterion={"kind": "worst-case", "ambiguity": {**ball, "radius": "7/100"}},
    )
    assert mo.solve(trusting).value > result.value  # the closer nature must stay to the data, the more is sure
    print(f"sure of {result.value:.4f} on the grid; on the continuum between {result.bounds.lower:.4f} and "
          f"{result.bounds.upper:.4f}")  # fmt: skip


if __name__ == "__main__":
    main()
