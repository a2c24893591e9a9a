"""Returns over n steps, for learning values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError


@dataclass(frozen=True, kw_only=True)
class NStep:
    """What value learning needs of the steps after a clip's first observation o_t.

    The k rewards from t on are summed, where k is `num_steps`, or less if the episode ends before or
    one of these transitions is terminated or truncated:

    - ``n_step_return``: r_t + discount * r_{t+1} + ... + discount**(k-1) * r_{t+k-1};
    - ``n_step_discount``: discount**k, or 0 if the last of these transitions was terminated;
    - ``next.<name>``: the observation o_{t+k}, also where the episode was truncated there.

    The target of o_t's value is ``n_step_return + n_step_discount * value(next)``.
    """

    num_steps: int = 1
    """Environment steps, at least 1, whatever the clip's `frame_skip`."""
    discount: float = 0.99
    """In [0, 1]."""
    columns: Sequence[str] | None = None
    """Observation columns that come as ``next.<name>``; None is those of the clips."""

    def __post_init__(self) -> None:
        """Check every value."""
        if self.num_steps < 1:
            raise InvalidValueError(f"num_steps of the n-step return must be at least 1, got {self.num_steps!r}.")
        if not 0 <= self.discount <= 1:
            raise InvalidValueError(f"discount of the n-step return must be in [0, 1], got {self.discount!r}.")


class Returns(NamedTuple):
    """N-step returns of B clips, each of shape (B,)."""

    value: NDArray[np.floating[Any]]
    discount: NDArray[np.floating[Any]]
    steps: NDArray[np.int64]
    """How many rewards were summed."""


def n_step_returns(
    reward: NDArray[Any],
    terminated: NDArray[np.bool_],
    truncated: NDArray[np.bool_],
    available: NDArray[np.int64],
    discount: float,
) -> Returns:
    """Sum rewards as `NStep` says.

    Args:
        reward: shape (B, n); as `terminated` and `truncated`, anything beyond `available`.
        terminated: shape (B, n).
        truncated: shape (B, n).
        available: transitions that the episode still has, shape (B,), in 1 to n.
        discount: in [0, 1].
    """
    number = np.arange(reward.shape[1])
    ends = (terminated | truncated) & (number < available[:, None])
    steps = np.where(ends.any(axis=1), ends.argmax(axis=1) + 1, available)
    kind = np.result_type(reward.dtype, np.float32)
    value = np.where(number < steps[:, None], reward * discount**number, 0).sum(axis=1)
    is_terminal = np.take_along_axis(terminated, steps[:, None] - 1, axis=1)[:, 0]
    return Returns(value.astype(kind), np.where(is_terminal, 0.0, float(discount) ** steps).astype(kind), steps)
