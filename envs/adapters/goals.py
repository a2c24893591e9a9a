"""Goals of adapted environments: which numbers of a state are compared, and how a goal is found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.protocols import Array
from swm.core.spaces import ActionSpace, sample_action

_ACHIEVED, _DESIRED = "achieved_goal", "desired_goal"
_HOLD = 4
"""Most steps for which a walk repeats a random action, so that it gets somewhere."""
_WALKS = 50


@dataclass
class Goal:
    """A goal: the numbers to reach, and if it is known a full state that has them, with its picture."""

    vector: Array
    state: Array | None = None
    pixels: Array | None = None


@dataclass(frozen=True)
class Measure:
    """The numbers of a state in which it is compared with a goal, by their Euclidean distance."""

    names: tuple[str, ...]
    indices: tuple[int, ...]
    radius: float | None
    """The goal is reached below this distance; None leaves that to the success rule."""
    desired: bool = False
    """Whether the environment has goals of its own, ``observation["desired_goal"]``."""

    def __call__(self, state: Array) -> Array:
        """The compared numbers of an observed state."""
        return state[list(self.indices)]

    def distance(self, state: Array, goal: Array) -> float:
        """The distance of an observed state to a goal."""
        return float(np.linalg.norm(self(state) - goal))

    def own_goal(self, observation: Any) -> Array | None:
        """The environment's own goal."""
        return np.ravel(observation[_DESIRED]).astype(np.float64) if self.desired else None


def find_measure(
    goal: str | Sequence[str] | None, state_names: Sequence[str], radius: float | None, *, judged: bool
) -> Measure:
    """Turn what `goal=` takes into the measure of distances.

    Args:
        goal: None, ``"state"``, ``"desired_goal"``, or names of numbers of the state.
        state_names: of the environment.
        radius: the goal is reached below this distance.
        judged: whether a success rule decides instead.

    Raises:
        UnknownNameError: a name is no number of the state.
        InvalidValueError: a radius is missing, or there is one without a use.
    """
    if goal is None:
        if radius is not None:
            raise InvalidValueError("radius belongs to a goal: give goal='state', or names of numbers of the state.")
        return Measure((), (), None)
    if judged == (radius is not None) or (radius is not None and not radius > 0):
        raise InvalidValueError(
            f"with a goal give either a success rule or a radius above 0 within which it is reached, got {radius!r}."
        )
    if goal == "state":
        names = tuple(state_names)
    elif goal == _DESIRED:
        names = tuple(name for name in state_names if name.partition(".")[0] == _ACHIEVED)
        if not names:
            raise InvalidValueError("goal='desired_goal' needs observations with achieved_goal and desired_goal.")
    else:
        names = (goal,) if isinstance(goal, str) else tuple(goal)
    places = {name: index for index, name in enumerate(state_names)}
    for name in names:
        if name not in places:
            raise UnknownNameError("number of the state", name, [*places, "state", _DESIRED])
    return Measure(names, tuple(places[name] for name in names), radius, desired=goal == _DESIRED)


@dataclass(frozen=True)
class Walk:
    """Random actions from the start, which end at a goal that can be reached."""

    steps: int
    """Of each walk."""

    def __post_init__(self) -> None:
        """Check the number of steps."""
        if self.steps < 1:
            raise InvalidValueError(f"goal_steps must be at least 1, got {self.steps}.")

    def draw(
        self,
        rng: np.random.Generator,
        space: ActionSpace,
        measure: Measure,
        begin: Callable[[], Array],
        step: Callable[[Array], bool],
        save: Callable[[], Goal],
    ) -> Goal:
        """Walk until the state at the end of a walk is no success at the start.

        Args:
            rng: draws the actions.
            space: of the actions.
            measure: compares states.
            begin: goes to the start, and returns its observed state.
            step: takes a step, and returns whether the episode ended.
            save: makes a goal of the present state.

        Raises:
            InvalidValueError: no walk led far enough.
        """
        for _ in range(_WALKS):
            start = begin()
            if self._take(rng, space, step):
                found = save()
                if measure.distance(start, found.vector) >= (measure.radius or 0.0):
                    return found
        raise InvalidValueError(
            f"{_WALKS} walks of {self.steps} random steps found no goal at a distance of at least {measure.radius}: "
            "lower radius, raise goal_steps, or compare other numbers of the state."
        )

    def _take(self, rng: np.random.Generator, space: ActionSpace, step: Callable[[Array], bool]) -> bool:
        """Walk once; return whether the episode lasted so long."""
        taken = 0
        while taken < self.steps:
            action, hold = sample_action(space, rng), int(rng.integers(1, _HOLD + 1))
            for _ in range(min(hold, self.steps - taken)):
                if step(action):
                    return False
            taken += hold
        return True
