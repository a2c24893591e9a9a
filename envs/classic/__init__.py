"""Gymnasium's classic control."""
