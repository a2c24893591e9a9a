"""Piecewise: move a point through zones that push it aside."""
