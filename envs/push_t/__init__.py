"""Pushing a block to a pose: shapes, factors, contact physics, pictures, the environment and its expert."""
