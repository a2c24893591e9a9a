"""What every row of the table of environments must do; `swm.testing.check_env` runs these laws for an id."""

import json
import pickle
import tempfile
from collections.abc import Callable

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

import swm.envs
from swm.core.protocols import Policy
from swm.core.spaces import action_bounds
from swm.rollout import EpisodeRecord, EpisodeRequest, run_episodes
from swm.testing.common import equal, require

_TASKS = 4
_RECORDED_STEPS = 5
_SMALL = 32


def spec(env_id: str) -> None:
    """Gymnasium's specification of the environment survives pickle and JSON."""
    registered = gymnasium.spec(env_id)
    require(pickle.loads(pickle.dumps(registered)) == registered, "the spec survives pickle")
    try:
        text = registered.to_json()
    except (TypeError, ValueError) as error:
        raise AssertionError(f"the spec must be ready for JSON: {error}") from error
    require(EnvSpec.from_json(text).to_json() == text, "the spec survives JSON")


def recording(env_id: str) -> None:
    """Two short episodes with all factors drawn are recorded and read back."""
    from swm.world import World

    with tempfile.TemporaryDirectory() as folder, World(env_id, num_envs=2, image_size=_SMALL) as world:
        dataset = world.collect(
            f"{folder}/data",
            policy="random",
            episodes=2,
            max_steps=_RECORDED_STEPS,
            variation="all",
            progress=False,
        )
        require(dataset.num_episodes == 2, "two episodes are recorded")
        for index in range(dataset.num_episodes):
            episode = dataset.episode(index)
            require(0 < episode.num_steps <= _RECORDED_STEPS, "an episode has the steps that were asked for, or ends")
            dtype = world.executor.action_space.dtype
            require(episode.action.dtype == dtype, f"actions are read back as {dtype}")
            for name, space in world.executor.observation_space.items():
                rows, shape = episode.observation[name], (episode.num_steps + 1, *(space.shape or ()))
                require(rows.shape == shape, f"{name!r} has one row more than there are actions")
                require(rows.dtype == space.dtype, f"{name!r} is read back as {space.dtype}")


def expert(env_id: str) -> None:
    """The registered expert solves tasks that do not begin solved, by the episodes' seeds alone."""
    row = swm.envs.ENVS[env_id]
    if row.expert is None:
        return
    records = _play(env_id, swm.envs.make_expert(env_id, **row.oracle), num_envs=_TASKS, steps=row.max_episode_steps)
    require(not any(record.success[0] for record in records), "no task of the expert begins solved")
    require(any(record.success[-1] for record in records), f"the oracle ends one of {_TASKS} tasks at the goal")
    explorer = swm.envs.make_expert(env_id)
    require(isinstance(explorer, Policy), "the expert is a Policy")
    require(bool(json.dumps(explorer.describe())), "describe() is ready for JSON")
    first, again = (_play(env_id, explorer, num_envs=count, steps=20) for count in (_TASKS, 1))
    low, high = action_bounds(swm.envs.make(env_id, image_size=_SMALL, render_mode=None).action_space)
    for a, b in zip(first, again, strict=True):
        require(equal(a.action, b.action), "its actions do not depend on the other environments")
        require(bool(np.all((a.action >= low) & (a.action <= high))), "its actions lie in the action space")


def _play(env_id: str, policy: Policy, num_envs: int, steps: int) -> list[EpisodeRecord]:
    executor = swm.envs.make_executor(env_id, num_envs, _SMALL, executor="inline", render_mode=None)
    requests = [EpisodeRequest(seed=seed, max_steps=steps) for seed in range(_TASKS)]
    try:
        return list(run_episodes(executor, policy, requests, keep=["state"]))
    finally:
        executor.close()


ROW_LAWS: dict[str, Callable[[str], None]] = {law.__name__: law for law in (spec, recording, expert)}
"""Every law of rows: name -> function of an id."""
