"""The contestants of bench_data.py, one module per library, each run in its own interpreter."""
