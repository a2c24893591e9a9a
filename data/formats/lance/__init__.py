"""Frames and videos in Lance tables."""
