"""The middle floor: mechanism design. One result of a paper, one file: primal, dual, closed form, bracket."""

if __name__ != "mechopt.models":
    raise ImportError(f"import this package as mechopt.models, not as {__name__}: a second copy breaks isinstance")
