"""The ground floor: mathematical programs, their solution and their certificates. Nothing here knows an auction."""

if __name__ != "mechopt.solvers":
    raise ImportError(f"import this package as mechopt.solvers, not as {__name__}: a second copy breaks isinstance")
