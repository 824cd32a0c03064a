"""Who would lie in an all-pay auction? It depends on how bidders judge what they do not know (thesis, Example 1.2.2).

Two bidders with value 0 or 4; the highest wins, ties go to the first, and everyone pays half her bid. The bidders know
two possible distributions. A bidder who looks at the worst of the two tells the truth. One who looks at both, at an
average, or at the best as well does not.
"""

from fractions import Fraction
from pathlib import Path

import mechopt as mo

FILE = Path(__file__).parent / "mechanisms" / "example-1-2-2.json"


def main() -> None:
    notions = ["ex-post", "distributionally-robust", "maxmin", "hurwicz:1/2", "bayesian"]
    found = mo.audit(FILE, notions)
    print(found.summary())
    for report in (4, 0):
        utilities = found.expected_utilities(bidder=1, type=4, report=report)
        print(f"bidder 1 with value 4 who reports {report} expects", *utilities, "under the two distributions")
    assert found.expected_utilities(bidder=1, type=4, report=0) == [Fraction(10, 3), 2]
    truthful = [f.notion for f in found.findings if f.about == "incentive compatibility" and found.passes(f)]
    assert truthful == ["maxmin"]


if __name__ == "__main__":
    main()
