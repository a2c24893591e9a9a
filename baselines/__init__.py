"""baselines."""

if __name__ != "swm.baselines":
    raise ImportError(f"import this package as swm.baselines, not as {__name__!r}")
