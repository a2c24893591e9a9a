"""Factors of variation for any Gymnasium MuJoCo environment and any MJCF model.

`factorize` derives the factors from the compiled model; nothing is declared by hand.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.envs.mujoco.factorized import FactorizedEnv, ModelEnv
from swm.envs.mujoco.original import GymnasiumEnv
from swm.envs.mujoco.render import Preset


def factorize(
    env_or_xml: Any,
    *,
    image_size: int | tuple[int, int] = 64,
    render_mode: str | None = "rgb_array",
    preset: Preset = "fast",
    goal_joints: Sequence[str] | None = None,
    success_radius: float = 0.05,
    frame_skip: int | None = None,
    **kwargs: Any,
) -> FactorizedEnv:
    """Give an environment or a model factors of variation, goals, and exact states.

    The physics, rewards, terminations and resets of a Gymnasium environment stay its own, to the
    last bit as long as every factor has its default. A goal is a pose that random actions reach
    from the start.

    Args:
        env_or_xml: the id of a Gymnasium MuJoCo environment, such an environment, the path of an
            MJCF file, or MJCF text. An environment that is given is taken over.
        image_size: pixels of a square picture, or (height, width).
        render_mode: ``"rgb_array"`` or None.
        preset: quality of the pictures, ``"fast"`` or ``"full"``.
        goal_joints: the joints whose positions make the goal; None is all.
        success_radius: the goal is reached when no joint that counts is farther off, in rad or m.
        frame_skip: time steps of an MJCF model per step of the environment; None is about 0.04 s.
        kwargs: arguments for `gymnasium.make` with an id.

    Raises:
        InvalidValueError: this is no MuJoCo environment, has wrappers that change what it does, or
            the model has no joints or actuators.
        UnknownNameError: Gymnasium has no such id, or the model no such joint.
    """
    shared: dict[str, Any] = {
        "image_size": image_size,
        "render_mode": render_mode,
        "preset": preset,
        "goal_joints": goal_joints,
        "success_radius": success_radius,
    }
    if isinstance(env_or_xml, gymnasium.Env) or (isinstance(env_or_xml, str) and env_or_xml in gymnasium.registry):
        if frame_skip is not None:
            raise InvalidValueError("frame_skip belongs to MJCF models; a Gymnasium environment has its own.")
        return GymnasiumEnv(env_or_xml, **shared, **kwargs)
    if kwargs:
        raise UnknownNameError("argument of factorize() for an MJCF model", next(iter(kwargs)), [*shared, "frame_skip"])
    return ModelEnv(str(env_or_xml), frame_skip=frame_skip, **shared)
