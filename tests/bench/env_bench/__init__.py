"""The two sides of bench_envs.py, each run in its own interpreter, and what is made of their numbers."""
