"""OGBench."""
