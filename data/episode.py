"""One recorded episode: T actions between T + 1 observations."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError, ShapeError
from swm.data.encoded import EncodedPictures, EncodedVideo, as_array

TRANSITIONS = ("action", "reward", "terminated", "truncated", "success")
"""What belongs to the transition from one observation to the next."""

_FLAGS = ("terminated", "truncated", "success")


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """T transitions between T + 1 observations.

    ``action[t]`` leaves ``observation[t]`` and leads to ``observation[t + 1]``; reward,
    terminated, truncated and success at t belong to that same transition. There is no padding.
    """

    observation: Mapping[str, NDArray[Any]]
    """Component -> (T + 1, ...), for example ``pixels`` (T + 1, height, width, 3) uint8, or texts.

    Pictures may also come as `EncodedPictures` or `EncodedVideo`.
    """
    action: NDArray[Any]
    """Shape (T, ...), usually (T, A)."""
    reward: NDArray[Any]
    """Shape (T,)."""
    terminated: NDArray[np.bool_]
    """Shape (T,)."""
    truncated: NDArray[np.bool_]
    """Shape (T,)."""
    success: NDArray[np.bool_]
    """Shape (T,): the environment's own predicate after the action."""
    payload: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Arrays that hold for the whole episode, any dtype and shape: a goal picture, a camera's calibration."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What holds for the whole episode, JSON-ready: seed, index, variation, policy, goal, env_id and so on."""

    def __post_init__(self) -> None:
        """Check names, kinds and lengths.

        Raises:
            InvalidValueError: no step, no observation, or a component with a reserved name.
            ShapeError: an array of the wrong kind or length.
        """
        if not self.observation:
            raise InvalidValueError("an episode needs at least one observation component, got none.")
        for name in self.observation:
            if not isinstance(name, str) or name in TRANSITIONS:
                raise InvalidValueError(
                    f"observation component {name!r}: a component is named by a string other than "
                    f"{', '.join(TRANSITIONS)}. Rename it."
                )
        arrays = self.arrays()
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray | EncodedPictures | EncodedVideo):
                raise ShapeError(f"{name!r} of the episode", "a NumPy array", type(array).__name__)
            if array.ndim == 0:
                raise ShapeError(f"{name!r} of the episode", "one value per step along the first axis", "shape ()")
        if self.num_steps < 1:
            raise InvalidValueError("an episode needs at least one action, got none.")
        for name, array in arrays.items():
            self._check(name, array)
        for name, array in self.payload.items():
            if not isinstance(name, str) or not isinstance(array, np.ndarray) or array.dtype.hasobject:
                raise ShapeError(
                    f"{name!r} of the episode's payload", "a NumPy array of numbers or text", type(array).__name__
                )

    def _check(self, name: str, array: NDArray[Any]) -> None:
        extra = name not in TRANSITIONS
        if len(array) != self.num_steps + extra:
            raise ShapeError(
                f"{name!r} of the episode",
                f"{self.num_steps + extra} rows for {self.num_steps} actions",
                f"{len(array)} rows",
                "An episode of T actions has T + 1 observations and T values of everything else.",
            )
        if name in (*_FLAGS, "reward") and array.ndim != 1:
            raise ShapeError(f"{name!r} of the episode", f"shape ({self.num_steps},)", f"shape {array.shape}")
        if name in _FLAGS and array.dtype != np.bool_:
            raise ShapeError(f"{name!r} of the episode", "dtype bool", f"dtype {array.dtype}")

    @property
    def num_steps(self) -> int:
        """The number T of transitions."""
        return len(self.action)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every per-step array by column name: observations, then transitions."""
        return {**self.observation, **{name: getattr(self, name) for name in TRANSITIONS}}

    def decoded(self) -> "Episode":
        """The same episode with all its pictures as arrays.

        Raises:
            PictureError: bytes that are no such pictures.
        """
        return replace(self, observation={name: as_array(array) for name, array in self.observation.items()})
