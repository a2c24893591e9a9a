"""Many control sequences at once, on all cores, for planners that know the simulator.

`mujoco.rollout` steps in C++ and holds no Python lock; what comes out is to the last bit what
stepping one by one gives, whatever the number of threads.
"""

import os

import mujoco
import numpy as np
from mujoco import rollout

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Array

_SIG = mujoco.mjtState
_INTEGRATION, _PHYSICS = _SIG.mjSTATE_INTEGRATION.value, _SIG.mjSTATE_FULLPHYSICS.value
_CONTROL, _WARMSTART = _SIG.mjSTATE_CTRL.value, _SIG.mjSTATE_WARMSTART.value
_INPUTS = tuple(
    part.value
    for part in (
        *(_SIG.mjSTATE_QFRC_APPLIED, _SIG.mjSTATE_XFRC_APPLIED, _SIG.mjSTATE_EQ_ACTIVE),
        *(_SIG.mjSTATE_MOCAP_POS, _SIG.mjSTATE_MOCAP_QUAT, _SIG.mjSTATE_USERDATA),
    )
)
"""What stays as it is in the first state, beside the controls."""


def simulate(
    model: mujoco.MjModel, states: Array, controls: Array, *, frame_skip: int = 1, num_threads: int | None = None
) -> Array:
    """Step S copies of a model through H controls each.

    Args:
        model: the compiled model, as the episode's factors left it.
        states: MuJoCo's integration states (S, n), or one (n,) from which all start: the first n
            numbers of what `MujocoEnv.get_state` gives. Applied forces, motion-capture bodies and
            the like keep the values that they have there.
        controls: of the actuators (S, H, nu), each held for `frame_skip` time steps; not clipped.
        frame_skip: time steps of the model per control.
        num_threads: how many to use; None is all cores of this process.

    Returns:
        The positions and velocities (S, H, nq + nv) after each control.

    Raises:
        ShapeError: a shape does not fit the model or the other array.
        InvalidValueError: `frame_skip` or `num_threads` is below 1, or a number is not finite.
    """
    states, controls = _checked(model, states, controls, frame_skip)
    count = len(os.sched_getaffinity(0)) if num_threads is None else num_threads
    if count < 1:
        raise InvalidValueError(f"num_threads must be at least 1, got {num_threads}.")
    threads = min(count, len(states))
    signature, inputs = _CONTROL, [controls.repeat(frame_skip, axis=1)]
    for part, values in _kept_inputs(model, states):
        signature |= part
        inputs.append(np.broadcast_to(values[:, None], (*inputs[0].shape[:2], values.shape[1])))
    data = [mujoco.MjData(model) for _ in range(threads)]
    with rollout.Rollout(nthread=0 if threads == 1 else threads) as pool:
        after, _ = pool.rollout(
            model,
            data[0] if threads == 1 else data,
            _extract(model, states, _PHYSICS),
            np.concatenate(inputs, axis=2),
            control_spec=signature,
            initial_warmstart=_extract(model, states, _WARMSTART),
        )
    seen: Array = after[:, frame_skip - 1 :: frame_skip, 1 : 1 + model.nq + model.nv]
    return np.ascontiguousarray(seen)


def _checked(model: mujoco.MjModel, states: Array, controls: Array, frame_skip: int) -> tuple[Array, Array]:
    states, controls = np.asarray(states, np.float64), np.asarray(controls, np.float64)
    if controls.ndim != 3 or controls.shape[2] != model.nu or 0 in controls.shape[:2]:
        raise ShapeError("controls", f"(S, H, {model.nu}), none of them 0", controls.shape)
    size = mujoco.mj_stateSize(model, _INTEGRATION)
    if states.shape not in ((size,), (len(controls), size)):
        raise ShapeError("states", f"({size},) or ({len(controls)}, {size})", states.shape)
    if not np.isfinite(states).all() or not np.isfinite(controls).all():
        raise InvalidValueError("states and controls must be finite numbers.")
    if frame_skip < 1:
        raise InvalidValueError(f"frame_skip must be at least 1, got {frame_skip}.")
    return np.ascontiguousarray(np.broadcast_to(states, (len(controls), size))), controls


def _kept_inputs(model: mujoco.MjModel, states: Array) -> list[tuple[int, Array]]:
    """The inputs (S, k) that differ from what a fresh start has, in MuJoCo's order."""
    fresh = np.empty(states.shape[1])
    mujoco.mj_getState(model, mujoco.MjData(model), fresh, _INTEGRATION)
    kept = []
    for part in _INPUTS:
        values = _extract(model, states, part)
        if not np.array_equal(values, np.broadcast_to(_extract(model, fresh[None], part), values.shape)):
            kept.append((part, values))
    return kept


def _extract(model: mujoco.MjModel, states: Array, signature: int) -> Array:
    """The part of integration states (S, n) that a signature means: (S, k)."""
    parts = np.empty((len(states), mujoco.mj_stateSize(model, signature)))
    for state, part in zip(states, parts, strict=True):
        mujoco.mj_extractState(model, state, _INTEGRATION, part, signature)
    return parts
