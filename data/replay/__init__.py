"""A replay buffer for learning while acting."""

from swm.data.replay.buffer import ReplayBuffer

__all__ = ["ReplayBuffer"]
