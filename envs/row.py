"""What the table of environments says of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from swm.core.registry import Row


@dataclass(frozen=True, kw_only=True)
class EnvRow(Row):
    """One environment."""

    target: str
    """The `FactoredEnv` class of a single environment: ``"package.module:Class"``."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the class that make it this environment."""
    native: str | None = None
    """An `Executor` class that steps N copies in one call, if there is one: ``(num_envs, image_size, **kwargs)``."""
    expert: str | None = None
    """The `Policy` class of the scripted expert, if there is one; it is given `expert_kwargs`."""
    expert_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that make the expert one for this environment."""
    oracle: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that make the expert its best self, without exploration: the upper bound of every table."""
    noop: Any = 0
    """The action that does nothing, or the one nearest to it."""
    max_episode_steps: int
    """Steps after which `gymnasium.make` truncates; generous for the expert from any start."""
    success_radius: float
    """The goal is reached below this distance."""
    unit: str
    """The unit of distances."""
    goal_offset: int = 25
    """Steps of the expert from the start of an evaluation task to its goal; more where less moves too little."""
    nightly: bool = False
    """Whether its conformance suite is among the slow tests, because a relative of it is in the default ones."""
