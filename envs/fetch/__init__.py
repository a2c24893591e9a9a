"""Gymnasium-Robotics Fetch."""
