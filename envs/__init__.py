"""envs."""

if __name__ != "swm.envs":
    raise ImportError(f"import this package as swm.envs, not as {__name__!r}")
