"""swm/OGBScene-v0: a cube, a drawer and a window, and the buttons that lock them."""

from collections.abc import Mapping

import numpy as np

from swm.core.factors import Variation
from swm.core.protocols import Array
from swm.envs.mujoco.render import Preset
from swm.envs.ogbench.build import copy_manipulation
from swm.envs.ogbench.manipulation import ManipulationEnv
from swm.envs.ogbench.manipulation_factors import arm_factors, cube_constraints, cube_factors, world_factors
from swm.envs.ogbench.places import make_places
from swm.envs.ogbench.scene_factors import scene_factors, something_moves

_CUBE, _CUBE_TRAIN = ((0.28, -0.07), (0.48, 0.19)), ((0.3, -0.07), (0.45, 0.18))
"""Where the cube may be, and OGBench's bounds, in m."""
_ARM, _ARM_TRAIN = ((0.25, -0.2, 0.17), (0.6, 0.2, 0.35)), ((0.25, -0.2, 0.2), (0.6, 0.2, 0.35))
"""Where the effector may start, and OGBench's bounds, in m."""
_PRESSED = -0.02
"""A button changes its state when it gets below this, in m."""
_WRONG_LOCK = 0.2
"""What a button in the wrong state counts as a distance, in m: the width of the window."""
_COLORS = {"red": "lock.locked_color", "white": "lock.unlocked_color"}
"""OGBench's name -> factor."""


class SceneEnv(ManipulationEnv):
    """Put a cube, a drawer, a window and the two buttons that lock them into a given state.

    ## Description
    OGBench's scene. The button on the drawer's side locks and unlocks the drawer, the other one
    the window: each press changes the state. A locked drawer or window hardly moves. The arm, its
    control and the action space are those of `CubeEnv`.

    ## Observation Space
    As that of `CubeEnv` with one cube; ``state`` also has the positions and velocities of two
    buttons, the drawer (0 closed, -0.16 open) and the window (0 closed, 0.2 open), in m, and at its
    end the states of the buttons: 0 locked, 1 unlocked. Its length is 51.

    ## Goals and success
    A goal is a vector of all joint positions and the states of the buttons, (27,).
    ``info["success"]`` is true while the cube is within 0.04 m of its goal, drawer and window are,
    and the buttons are in their states. The distance is the largest of the three, in m; a button in
    the wrong state counts as 0.2 m.

    ## Rewards
    Minus the number of the five objects that are not as the goal has them, as in OGBench's
    single-task environments.

    ## Starting State
    Each episode draws start and goal of everything; random goals of the cube lie on the table.
    ``task`` chooses one of OGBench's five evaluation tasks instead, two of which put the cube into
    the drawer.

    ## Episode End
    Never terminates.

    ## Arguments
    ``task``, ``image_size``, ``render_mode`` and ``preset`` as in `CubeEnv`.

    ## Factors
    `factors` has them with their ranges.

    ## Version History
    - v0: first version, of OGBench 1.2.
    """

    flag_names = ("button_0", "button_1")

    def __init__(
        self,
        task: int | None = None,
        image_size: int | tuple[int, int] = 64,
        render_mode: str | None = "rgb_array",
        preset: Preset = "fast",
    ) -> None:
        """Make the environment; see the class for the arguments."""
        scene = copy_manipulation("scene", preset)
        places = make_places(scene.task_infos, task)
        model = scene._model
        super().__init__(
            scene,
            [
                *cube_factors(places, model, _CUBE, _CUBE_TRAIN),
                *scene_factors(model, places),
                *arm_factors(model, _ARM, _ARM_TRAIN),
                *world_factors(model),
            ],
            (*cube_constraints(places), something_moves()),
            places,
            image_size=image_size,
            render_mode=render_mode,
            preset=preset,
            scratch_fields=("dof_damping", "geom_rgba", "mat_rgba"),
        )
        self._buttons = np.array([model.joint(f"buttonbox_joint_{index}").qposadr[0] for index in range(2)])
        self._slides = np.array([model.joint(f"{name}_slide").qposadr[0] for name in ("drawer", "window")])

    def _begin(self, variation: Variation, seed: int) -> None:
        original: Mapping[str, Array] = self._scene._colors
        self._scene._colors = {
            **original,
            **{old: np.append(variation[new] / 255, 1.0) for old, new in _COLORS.items()},
        }
        super()._begin(variation, seed)

    def _errors(self) -> Array:
        slid = np.abs(self.data.qpos[self._slides] - self._target[self._slides])
        wrong = _WRONG_LOCK * (self._flags != self._target[self.model.nq :])
        return np.concatenate([super()._errors(), slid, wrong])

    def _place_objects(self, pose: Array, variation: Variation, which: str) -> Array:
        super()._place_objects(pose, variation, which)
        pose[self._slides] = [variation[f"{name}.{which}_position"] for name in ("drawer", "window")]
        code = variation[f"lock.{which}_states"]
        return np.array([code & 1, code >> 1], np.float64)

    def _settle(self, before: Array) -> None:
        pressed = (before[self._buttons] > _PRESSED) & (self.data.qpos[self._buttons] <= _PRESSED)
        self._flags = np.where(pressed, 1.0 - self._flags, self._flags)
        self._lock()

    def _refresh(self) -> None:
        self._lock()
        super()._refresh()

    def _lock(self) -> None:
        """Let OGBench lock the drawer and the window, and paint the buttons."""
        self._scene._cur_button_states = self._flags.astype(np.int64)
        self._scene._apply_button_states()
