"""data."""

if __name__ != "swm.data":
    raise ImportError(f"import this package as swm.data, not as {__name__!r}")
