"""Atari games: the console's memory as state, the screen as picture."""

from typing import Any

import ale_py
import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.protocols import Array
from swm.envs.adapters.anchored import AnchoredBackend
from swm.envs.adapters.backend import AnyEnv, Backend, Transition, inner_of

_BYTES = 6
"""Of a saved state in each float64, which holds 48 bits exactly."""
_LENGTH = 256
"""The numbers of a saved state are a multiple of this, since its bytes vary by some dozens."""


class AleBackend(Backend):
    """A game of the Arcade Learning Environment with sticky actions: restored by playing its actions again.

    The emulator can save its state, but not which action it executed last, and a sticky action repeats that one.
    """

    def __init__(self, env: AnyEnv, image_size: tuple[int, int]) -> None:
        """Take over `env`.

        Raises:
            InvalidValueError: the number of frames per step is random, drawn outside of the emulator.
        """
        super().__init__(env, image_size)
        game = inner_of(env)
        if not isinstance(game._frameskip, int):
            raise InvalidValueError(f"{env}: frameskip must be one number, got {game._frameskip}; use a v5 id.")
        self._ale = game.ale
        self._start: tuple[Array, Transition, Array] | None = None

    @property
    def state_names(self) -> tuple[str, ...]:
        """The 128 bytes of the console's memory."""
        return tuple(f"ram.{index}" for index in range(self._ale.getRAMSize()))

    def observe(self) -> Array:
        """The console's memory: (128,), 0 to 255."""
        ram: Array = self._ale.getRAM().astype(np.float64)
        return ram

    def picture(self) -> Array:
        """The screen; that of the reset is kept, because restoring the emulator does not bring it back."""
        if self.steps == 0 and self._start is not None:
            return self._start[2]
        screen: Array = self._ale.getScreenRGB()
        return screen

    def reset(self, seed: int) -> None:
        """Begin the episode of `seed`; the one that began last is begun again without loading the game."""
        if self._start is None or seed != self.seed:
            super().reset(seed)
            self._start = self.save_simulator(), self.last, self._ale.getScreenRGB()
        else:
            self._ale.reset_game()
            self.load_simulator(self._start[0])
            self.restart(self._start[1])

    def save_simulator(self) -> Array:
        """The emulator's state, random numbers included."""
        return pack(self._ale.cloneState(include_rng=True).__getstate__())

    def load_simulator(self, state: Array) -> None:
        """Restore the emulator."""
        saved: Any = ale_py.ALEState.__new__(ale_py.ALEState)
        saved.__setstate__(unpack(state))
        self._ale.restoreState(saved)


class PlainAleBackend(AleBackend, AnchoredBackend):
    """A game without sticky actions, whose emulator's state decides what follows."""


def make_ale_backend(env: AnyEnv, image_size: tuple[int, int]) -> AleBackend:
    """Choose by whether the game's actions are sticky."""
    sticky = inner_of(env).ale.getFloat("repeat_action_probability") > 0
    return (AleBackend if sticky else PlainAleBackend)(env, image_size)


def pack(data: bytes) -> Array:
    """Turn bytes into float64 integers: their number, then six bytes each."""
    count = -(-len(data) // _BYTES)
    words = np.zeros((count, 8), np.uint8)
    words[:, :_BYTES] = np.frombuffer(data.ljust(count * _BYTES, b"\0"), np.uint8).reshape(count, _BYTES)
    packed = np.zeros(-(-(count + 1) // _LENGTH) * _LENGTH)
    packed[0], packed[1 : 1 + count] = len(data), words.view("<u8")[:, 0]
    return packed


def unpack(packed: Array) -> bytes:
    """Undo `pack`.

    Raises:
        InvalidValueError: the numbers are not of `pack`.
    """
    length, words = packed[0], packed[1:]
    whole = (words == np.floor(words)) & (words >= 0) & (words < 256**_BYTES)
    if not 0 < length <= len(words) * _BYTES or not whole.all():
        raise InvalidValueError("these numbers are not the saved state of a game.")
    pieces = words.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :_BYTES]
    return pieces.tobytes()[: int(length)]
