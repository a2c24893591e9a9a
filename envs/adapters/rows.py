"""The table of environments, and the rows that it makes for any environment of Gymnasium."""

from swm.core.registry import Registry
from swm.envs.row import EnvRow

GYM = "gym:"
"""Begins the ids of adapted environments."""


class Environments(Registry[EnvRow]):
    """Registered environments, and under ``"gym:<id>"`` any that `gymnasium.make` makes; those are not listed."""

    def __getitem__(self, name: str) -> EnvRow:
        if isinstance(name, str) and name.startswith(GYM):
            return _adapted_row(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        return (isinstance(name, str) and name.startswith(GYM)) or super().__contains__(name)


def _adapted_row(name: str) -> EnvRow:
    from swm.envs.adapters.source import find_spec, step_limit

    spec = find_spec(name.removeprefix(GYM))
    return EnvRow(
        target="swm.envs.adapters.env:AdaptedEnv",
        kwargs={"source": name.removeprefix(GYM)},
        max_episode_steps=step_limit(spec),
        success_radius=0.0,
        unit="",
        summary=f"{spec.id} of Gymnasium, adapted.",
    )
