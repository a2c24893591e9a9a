"""swm/OGBCube*-v0: an arm moves cubes to their places."""

from swm.envs.mujoco.render import Preset
from swm.envs.ogbench.build import copy_manipulation
from swm.envs.ogbench.manipulation import ManipulationEnv
from swm.envs.ogbench.manipulation_factors import (
    arm_factors,
    cube_constraints,
    cube_factors,
    cubes_move,
    world_factors,
)
from swm.envs.ogbench.places import make_places

_CUBES, _CUBES_TRAIN = ((0.27, -0.32), (0.57, 0.32)), ((0.3, -0.3), (0.55, 0.3))
"""Where cubes may be, and OGBench's bounds, in m."""
_FIELD_OF_VIEW = 50.0
"""Of the camera, in degrees: OGBench's 45 cut off cubes at the corners of its own bounds."""
_ARM, _ARM_TRAIN = ((0.25, -0.35, 0.16), (0.6, 0.35, 0.35)), ((0.25, -0.35, 0.2), (0.6, 0.35, 0.35))
"""Where the effector may start, and OGBench's bounds, in m."""


class CubeEnv(ManipulationEnv):
    """Move one to eight cubes with a robot arm and its gripper to given places.

    ## Description
    OGBench's cube environments: a UR5e arm with a Robotiq 2F-85 gripper at a table with cubes of
    4 cm. Physics, control and inverse kinematics are OGBench's: physics in steps of 0.002 s, an
    action every 0.05 s. The gripper is purple, as in OGBench's environments of pictures, and the
    arm is opaque; ``agent.transparency`` makes it transparent as there.

    ## Action Space
    ``Box(-1, 1, (5,), float32)``, relative to where the effector is: along x, y, z by up to 0.05 m,
    about the vertical by up to 0.3 rad, and how far the gripper closes (above 0) or opens, 1 being
    all the way. The target stays in x from 0.25 to 0.6, y from -0.35 to 0.35, z from 0.02 to 0.35 m.

    ## Observation Space
    | component | shape | content | unit |
    |---|---|---|---|
    | ``pixels`` | (height, width, 3) | the table from the front, uint8 RGB | - |
    | ``state`` | (28 + 13 N,) | positions, then velocities, of all joints | rad, m, s |
    | ``proprio`` | (19,) | the arm and the gripper | rad, m, s |

    The joints are 6 of the arm, 8 of the gripper and N cubes: x, y, z and a quaternion, linear and
    angular velocity. ``proprio`` has positions and velocities of the arm's joints, position of the
    effector, cosine and sine of its yaw, and from 0 to 1 how closed the gripper is and how hard a
    finger is touched. `state_names` and `proprio_names` name them all.

    `get_state` is MuJoCo's state of integration and the effector's pose as the controller sees it.

    ## Goals and success
    A goal is a vector of all joint positions, (14 + 7 N,), of which the cubes' positions count:
    ``info["success"]`` is true while each cube is within 0.04 m of its goal. A goal that is drawn
    has the arm at home; one that is set from a state has the arm of that state in its picture.
    ``target.visible`` draws the goals as transparent cubes. The distance is that of the farthest cube, in m.

    ## Rewards
    Minus the number of cubes that are not at their goals, as in OGBench's single-task environments.

    ## Starting State
    Each episode draws where the effector and the cubes start and where the cubes belong, within
    OGBench's bounds, the cubes at least 0.085 m apart. ``task`` chooses one of OGBench's five
    evaluation tasks instead, some of which have stacks, with OGBench's noise of 1 cm at the start.

    ## Episode End
    Never terminates.

    ## Arguments
    ``kind``: ``"single"``, ``"double"``, ``"triple"``, ``"quadruple"`` or ``"octuple"``; part of the
    id. ``task``: None (default) or 1 to 5. ``image_size``: default 64. ``render_mode``:
    ``"rgb_array"`` (default) or None. ``preset``: ``"fast"`` (default) or ``"full"``.

    ## Factors
    `factors` has them with their ranges. With several cubes, a factor of the cubes has a row for each.

    ## Version History
    - v0: first version, of OGBench 1.2.
    """

    def __init__(
        self,
        kind: str,
        task: int | None = None,
        image_size: int | tuple[int, int] = 64,
        render_mode: str | None = "rgb_array",
        preset: Preset = "fast",
    ) -> None:
        """Make the environment; see the class for the arguments."""
        scene = copy_manipulation(kind, preset)
        places = make_places(scene.task_infos, task)
        model = scene._model
        model.cam_fovy[model.camera("front_pixels").id] = _FIELD_OF_VIEW
        factors = [
            *cube_factors(places, model, _CUBES, _CUBES_TRAIN),
            *arm_factors(model, _ARM, _ARM_TRAIN),
            *world_factors(model),
        ]
        super().__init__(
            scene,
            factors,
            (*cube_constraints(places), cubes_move()),
            places,
            image_size=image_size,
            render_mode=render_mode,
            preset=preset,
        )
