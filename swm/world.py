"""A world: N copies of one environment, for recording datasets and evaluating policies."""

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.core.factors import FactorSpace, Request
from swm.core.progress import progress as show_progress
from swm.core.protocols import Policy
from swm.core.seeding import episode_seeds
from swm.rollout import EpisodeRecord, EpisodeRequest, run_episodes

if TYPE_CHECKING:
    from swm.data import Codec, Dataset, VideoCodec, Writer
    from swm.evaluation import Evaluation, TaskSet

_CODECS: dict[str, "Codec | VideoCodec"] = {"frames": "jpeg", "video": "h264"}
"""Formats that can be recorded, with the codec that each has unless told otherwise."""


class World:
    """N copies of one environment.

    An episode depends on the seed of the run and its index alone: the same arguments give the same
    episodes, in the same order, with each executor and any number of environments.

    Example:
        >>> import swm
        >>> with swm.World("swm/TwoRoom-v0", num_envs=16, image_size=64) as world:
        ...     dataset = world.collect("runs/doc/two_room", episodes=32, seed=0, progress=False)
        >>> dataset.num_episodes
        32
    """

    def __init__(
        self,
        env_id: str,
        *,
        num_envs: int = 8,
        image_size: int | tuple[int, int] = 64,
        executor: str = "auto",
        **env_kwargs: Any,
    ) -> None:
        """Make the environments.

        Args:
            env_id: a registered id, for example ``"swm/TwoRoom-v0"``; `swm envs` lists them.
            num_envs: the number of copies.
            image_size: side, or height and width, of the pictures in pixels; rendered at this size.
            executor: ``"native"`` (one NumPy call for all copies), ``"process"`` (one worker process
                per share of the copies), ``"inline"`` (a loop), or ``"auto"``: native where the
                environment has it, else inline.
            **env_kwargs: passed to each environment.

        Raises:
            UnknownNameError: no environment or executor has this name.
            InvalidValueError: `num_envs` or `image_size` is out of range.
        """
        from swm import envs

        if num_envs < 1:
            raise InvalidValueError(f"num_envs must be at least 1, got {num_envs}.")
        row = envs.ENVS[env_id]
        if executor == "auto":
            executor = "native" if row.native else "inline"
        self.env_id = env_id
        self.executor_name = executor
        self.env_kwargs = env_kwargs
        self.max_episode_steps = row.max_episode_steps
        self.executor = envs.make_executor(env_id, num_envs, image_size, executor=executor, **env_kwargs)

    @property
    def num_envs(self) -> int:
        """The number of copies."""
        return self.executor.num_envs

    @property
    def factors(self) -> FactorSpace:
        """The environment's factors of variation."""
        return self.executor.factors

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the pictures in pixels."""
        shape = self.executor.observation_space["pixels"].shape
        assert shape is not None
        return shape[0], shape[1]

    def rollout(
        self,
        policy: Policy,
        *,
        episodes: int,
        seed: int = 0,
        variation: Request = None,
        max_steps: int | None = None,
        keep: Sequence[str] | None = None,
    ) -> list[EpisodeRecord]:
        """Run episodes and return them, without storing anything.

        Args:
            policy: what acts.
            episodes: how many.
            seed: the seed of the run.
            variation: as ``options["variation"]``, the same request for every episode.
            max_steps: environment steps per episode; None is the environment's own limit.
            keep: observation components to keep; None is all.
        """
        requests = self._requests(episodes, seed, variation, max_steps)
        return list(run_episodes(self.executor, policy, requests, keep=keep))

    def collect(
        self,
        uri: str,
        *,
        episodes: int,
        policy: str | Policy = "expert",
        seed: int = 0,
        variation: Request = None,
        max_steps: int | None = None,
        overwrite: bool = False,
        shard: tuple[int, int] | None = None,
        format: str = "frames",
        codec: "Codec | VideoCodec | None" = None,
        quality: int = 95,
        storage_options: Mapping[str, str] | None = None,
        progress: bool = True,
    ) -> "Dataset":
        """Record episodes into a Lance dataset, in the order of their indices.

        A recording that was stopped, however rudely, continues where it was: the same call on the
        same `uri` records what is missing and gives the same dataset as one uninterrupted run.
        Several processes may record shares of one dataset at the same time; together they record
        the same episodes as one, in the order in which they finish.

        Args:
            uri: where the dataset is or will be: a path, or a URI such as ``s3://bucket/key``.
            episodes: the number that the dataset shall have.
            policy: ``"expert"``, ``"random"``, ``"noop"``, or a policy.
            seed: the seed of the run.
            variation: as ``options["variation"]``, the same request for every episode.
            max_steps: environment steps per episode; None is the environment's own limit.
            overwrite: discard what is at `uri`.
            shard: ``(k, n)``: record only the episodes k, k + n, k + 2n and so on, beside the other
                n - 1 recorders. None records them all, alone.
            format: ``"frames"`` or ``"video"``.
            codec: of the pictures (see `swm.data.create`); None is the format's own.
            quality: JPEG quality, 1 to 100.
            storage_options: credentials and settings of an object store.
            progress: show a progress bar.

        Returns:
            The dataset, opened.

        Raises:
            DatasetError: `uri` holds another recording, or more episodes than asked for.
            UnknownNameError: an unknown policy, factor or codec.
            InvalidValueError: a number is out of range; like a bad name, before anything is written.
        """
        from swm import data
        from swm.policy import make_policy

        if episodes < 1:
            raise InvalidValueError(f"episodes must be at least 1, got {episodes}.")
        share = _share(shard, episodes, overwrite)
        if format not in _CODECS:
            raise UnknownNameError("format to record in", format, _CODECS)
        codec = codec or _CODECS[format]
        acting = make_policy(policy, self.executor.action_space, self.env_id) if isinstance(policy, str) else policy
        self.factors.resolve(variation, seed)
        requests = self._requests(episodes, seed, variation, max_steps)
        recipe = _plain(
            {
                "env_id": self.env_id,
                "env_kwargs": self.env_kwargs,
                "image_size": list(self.image_size),
                "seed": seed,
                "variation": variation,
                "max_steps": max_steps or self.max_episode_steps,
                "policy": acting.describe(),
                "format": format,
                "codec": codec,
                "quality": quality,
            }
        )
        with data.create(
            uri,
            format=format,
            mode="overwrite" if overwrite else "append",
            codec=codec,
            quality=quality,
            provenance={"recording": recipe},
            recorder=None if shard is None else f"{shard[0]}-of-{shard[1]}",
            storage_options=storage_options,
        ) as writer:
            recorded: set[int] = set()
            if writer.num_episodes:
                recorded = _recorded(data.open(uri, storage_options=storage_options), recipe, episodes)
            mine = [index for index in share if index not in recorded]
            self._record(writer, acting, requests, mine, progress)
        dataset = data.open(uri, storage_options=storage_options)
        if shard is None and mine:
            data.write_card(dataset)
        return dataset

    def evaluate(self, policy: Policy, tasks: "str | TaskSet", *, progress: bool = True) -> "Evaluation":
        """Measure a policy on a fixed set of tasks.

        Args:
            policy: what acts.
            tasks: a task set or the name of one, for example ``"two_room-v1"``.
            progress: show a progress bar.

        Raises:
            InvalidValueError: the tasks belong to another environment.
        """
        from swm import evaluation

        task_set = evaluation.load_tasks(tasks) if isinstance(tasks, str) else tasks
        if task_set.env_id != self.env_id:
            raise InvalidValueError(
                f"task set {task_set.name!r} is for {task_set.env_id}, this world is {self.env_id}."
            )
        total = len(task_set.tasks) * task_set.protocol.budget
        with show_progress("evaluate", total, "steps", show=progress) as advance:
            return evaluation.evaluate(self.executor, policy, task_set, on_step=advance)

    def close(self) -> None:
        """Close the environments."""
        self.executor.close()

    def __enter__(self) -> "World":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _record(
        self,
        writer: "Writer",
        policy: Policy,
        requests: Sequence[EpisodeRequest],
        indices: Sequence[int],
        progress: bool,
    ) -> None:
        """Run the requests that have the given indices, and write their episodes as they end."""
        missing, steps = [requests[index] for index in indices], 0
        total, done = len(requests), len(requests) - len(indices)
        with show_progress("record", total, "episodes", done=done, show=progress and bool(missing)) as advance:
            for index, record in zip(indices, run_episodes(self.executor, policy, missing), strict=True):
                writer.write(_to_episode(record, index, self.env_id, policy, self.executor.rendering))
                steps += len(record.action)
                advance(1, f"{steps:,} steps")

    def _requests(self, count: int, seed: int, variation: Request, max_steps: int | None) -> list[EpisodeRequest]:
        if max_steps is not None and max_steps < 1:
            raise InvalidValueError(f"max_steps must be at least 1, got {max_steps}.")
        limit = max_steps or self.max_episode_steps
        seeds = episode_seeds(seed, 0, count)
        return [EpisodeRequest(seed=episode_seed, max_steps=limit, variation=variation) for episode_seed in seeds]


def _to_episode(record: EpisodeRecord, index: int, env_id: str, policy: Policy, rendering: Mapping[str, str]) -> Any:
    from swm import data

    return data.Episode(
        observation=record.observation,
        action=record.action,
        reward=record.reward,
        terminated=record.terminated,
        truncated=record.truncated,
        success=record.success[1:],
        metadata={
            "index": index,
            "env_id": env_id,
            "seed": record.request.seed,
            "variation": record.variation.to_json(),
            "goal": np.asarray(record.goal).tolist(),
            "policy": policy.describe(),
            **({"rendering": dict(rendering)} if rendering else {}),
        },
    )


def _plain(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What `recipe` is after it was stored as JSON."""

    def simple(value: Any) -> Any:
        return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else repr(value)

    plain: dict[str, Any] = json.loads(json.dumps(recipe, default=simple))
    return plain


def _share(shard: tuple[int, int] | None, episodes: int, overwrite: bool) -> range:
    """The indices of the episodes that this recorder has to see to."""
    if shard is None:
        return range(episodes)
    if not 0 <= shard[0] < shard[1]:
        raise InvalidValueError(f"shard must be (k, n) with 0 <= k < n, got {shard!r}.")
    if overwrite:
        raise InvalidValueError("a shard cannot overwrite: it would discard what the others record.")
    return range(shard[0], episodes, shard[1])


def _recorded(dataset: "Dataset", recipe: Mapping[str, Any], episodes: int) -> set[int]:
    """The indices of the episodes that a dataset holds; refuse one that cannot be continued."""
    _check_recipe(dataset.uri, dataset.provenance[-1].get("recording", {}), recipe)
    if dataset.num_episodes > episodes:
        raise DatasetError(
            f"{dataset.uri} holds {dataset.num_episodes} episodes already, {episodes} were asked for. "
            f"Ask for {dataset.num_episodes} or more, or overwrite=True (--overwrite) to discard them."
        )
    return {episode["metadata"]["index"] for episode in dataset.episodes}


def _check_recipe(uri: str, found: Mapping[str, Any], recipe: Mapping[str, Any]) -> None:
    """Refuse to continue a recording with other settings."""
    different = [
        f"{key}: {found.get(key)!r} there, {value!r} now" for key, value in recipe.items() if found.get(key) != value
    ]
    if different:
        raise DatasetError(
            f"{uri} holds another recording ({'; '.join(different)}). "
            "Use another path, or overwrite=True (--overwrite) to discard it."
        )
