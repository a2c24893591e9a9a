"""The four Fetch tasks as data."""

from dataclasses import dataclass

SUCCESS_DISTANCE = 0.05
"""The goal is reached when the object, or in Reach the gripper, is nearer to it than this, in m."""
TABLE_HEIGHT = 0.4
OBJECT_SIZE = 0.025
"""Half of the edge of the box, and the radius of the puck, in m."""
LOWEST = 0.416
"""Height of the gripper whose fingers touch the table, in m."""
SPEED = 0.05
"""How far ahead of the gripper a full action puts its aim, in m."""
FOLLOWS = 0.662
"""The share of that by which the gripper moves in one step."""
SUBSTEPS, STEP_TIME = 20, 0.04
"""Simulation steps in an environment step, and how long that is, in s."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Where the camera is: metres and degrees, as `mujoco.MjvCamera` has them."""

    lookat: tuple[float, float, float]
    distance: float
    azimuth: float = 90.0
    elevation: float = -38.0


@dataclass(frozen=True, kw_only=True)
class Task:
    """What tells one of the four tasks from the others (arXiv 1802.09464 and Gymnasium-Robotics 1.4.2)."""

    base: float
    """Where the robot stands along x, in m."""
    raise_by: float
    """How far above the table's edge the gripper begins, relative to the published reference, in m."""
    home: tuple[float, float, float]
    """Where the gripper has settled at the start of an episode, to 0.1 mm."""
    parked: tuple[float, float, float] | None = None
    """Where the object is while the arm settles; None is a task without object."""
    rest_height: float = 0.0
    """Height of the object's centre when it rests on the table."""
    friction: float = 1.0
    """Between object and table."""
    square: bool = True
    """Whether the object is a box, rather than a puck."""
    fingers_move: bool = False
    lifts: bool = False
    """Whether goals may be above the table."""
    object_range: float = 0.15
    """Objects begin this far from `home` along x and y, at most."""
    target_range: float = 0.15
    """Goals are this far from `home`, at most, before `target_offset` along x."""
    target_offset: float = 0.0
    view: View

    @property
    def has_object(self) -> bool:
        """Whether the goal is one for an object rather than for the gripper."""
        return self.parked is not None


_BOX = (1.25, 0.53, 0.4)
_NEAR = View(lookat=(1.34, 0.75, 0.44), distance=0.85)
_AIR = View(lookat=(1.33, 0.75, 0.52), distance=1.05, elevation=-28.0)

TASKS = {
    "reach": Task(base=0.4049, raise_by=0.2, home=(1.3418, 0.7491, 0.5347), view=_AIR),
    "push": Task(
        base=0.405,
        raise_by=0.0,
        home=(1.3629, 0.7491, 0.416),
        parked=_BOX,
        rest_height=0.4249,
        view=_NEAR,
    ),
    "slide": Task(
        base=0.05,
        raise_by=-0.02,
        home=(1.013, 0.7492, 0.4155),
        parked=(1.7, 1.1, 0.41),
        rest_height=0.42,
        friction=0.1,
        square=False,
        object_range=0.1,
        target_range=0.3,
        target_offset=0.4,
        view=View(lookat=(1.3, 0.75, 0.4), distance=1.25, azimuth=180.0),
    ),
    "pick_and_place": Task(
        base=0.405,
        raise_by=0.2,
        home=(1.3419, 0.7491, 0.5347),
        parked=_BOX,
        rest_height=0.4249,
        fingers_move=True,
        lifts=True,
        view=_AIR,
    ),
}
"""Name -> task."""
