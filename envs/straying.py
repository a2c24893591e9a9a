"""The check of the parameters by which scripted experts stray from their way."""

from swm.core.errors import InvalidValueError


def check_straying(noise: float, random_prob: float, random_steps: int) -> None:
    """Refuse parameters that are out of range.

    Args:
        noise: standard deviation of the noise added to each component of the action.
        random_prob: probability per step that a uniformly random action begins.
        random_steps: steps for which a random action is held.

    Raises:
        InvalidValueError: a number is out of range.
    """
    if not (noise >= 0 and 0 <= random_prob <= 1 and random_steps >= 1):
        raise InvalidValueError(
            f"noise={noise!r}, random_prob={random_prob!r}, random_steps={random_steps!r}: "
            "noise must be at least 0, random_prob in [0, 1], random_steps at least 1."
        )
