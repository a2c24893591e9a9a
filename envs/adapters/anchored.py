"""Restoring by the simulator's own state as it was before the last step, and that step once more.

What a simulator derives from its state, the picture of an Atari game or the poses of MuJoCo's bodies,
belongs to the last step and is not part of what it saves; taking the step again brings it back exactly.
"""

from abc import abstractmethod
from dataclasses import replace

import numpy as np

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Array
from swm.envs.adapters.backend import AnyEnv, Backend, Transition

_RESET, _STEPPED, _PLACED = 0, 1, 2


class AnchoredBackend(Backend):
    """The base of backends over simulators that save and restore their state."""

    def __init__(self, env: AnyEnv, image_size: tuple[int, int]) -> None:
        """Take over `env`."""
        super().__init__(env, image_size)
        self._anchor: Array | None = None
        self.restart(self.last)

    @abstractmethod
    def save_simulator(self) -> Array:
        """The simulator's state as finite float64 numbers; its length is the same at each call."""

    @abstractmethod
    def load_simulator(self, state: Array) -> None:
        """Put the simulator into a state of `save_simulator`."""

    def restart(self, first: Transition) -> None:
        """Note that the simulator is where the episode began, with `first`."""
        super().restart(first)
        self._kind, self._anchor, self._action = _RESET, None, np.zeros(self.action_space.shape or ())

    def step(self, action: Array) -> None:
        """Save the simulator's state, and take one step."""
        self._anchor, self._action, self._kind = self.save_simulator(), np.array(action, np.float64), _STEPPED
        self.play(action)

    def save(self) -> Array:
        """How the present was reached, the last action, and the simulator's state before it: float64."""
        anchor = np.zeros_like(self.save_simulator()) if self._anchor is None else self._anchor
        return np.concatenate([[self._kind], np.ravel(self._action), anchor])

    def load(self, saved: Array, seed: int, steps: int) -> None:
        """See `Backend.load`; the actions are not needed."""
        width = self._action.size
        size = 1 + width + len(self.save_simulator())
        if len(saved) != size or saved[0] not in (_RESET, _STEPPED, _PLACED):
            raise ShapeError("state", f"({size},), as get_state() gives it", saved.shape)
        kind, action, anchor = int(saved[0]), saved[1 : 1 + width].reshape(self._action.shape), saved[1 + width :]
        if kind == _RESET or seed != self.seed:
            self.reset(seed)
        if kind == _RESET:
            return
        try:
            self.load_simulator(anchor)
        except Exception as error:
            raise InvalidValueError(f"state: the simulator refuses it: {error}") from error
        if kind == _STEPPED:
            self.step(action)
        else:
            self.placed()
        self.steps = steps

    def placed(self) -> None:
        """Note that the simulator was put into another state from outside, and that the episode goes on."""
        self._kind, self._anchor = _PLACED, self.save_simulator()
        self.last = replace(self.last, reward=0.0, terminated=False, truncated=False)
