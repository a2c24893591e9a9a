"""solvers."""

if __name__ != "swm.solvers":
    raise ImportError(f"import this package as swm.solvers, not as {__name__!r}")
