"""PushT: push a T-shaped block to a goal pose (pymunk)."""
