"""Any Gymnasium environment with visual factors."""
