"""A sweep over the largest value of one good: the minimax regret is proportional to it (Theorem 2.3.1)."""

import math

import mechopt as mo


def main() -> None:
    runs = mo.sweep(
        base=mo.RegretPricing(upper=[1], points=40),
        axes={"parameters.upper.0": {"from": 1, "to": 3, "count": 5}},
        jobs=2,
    )
    frame = runs.to_frame()
    assert frame["certified"].all()
    assert ((frame["lower"] <= frame["upper_0"] / math.e) & (frame["upper_0"] / math.e <= frame["upper"])).all()
    print(frame[["upper_0", "lower", "upper", "closed_form"]].to_string(index=False))


if __name__ == "__main__":
    main()
