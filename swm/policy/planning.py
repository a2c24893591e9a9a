"""Planning with a world model: the one place where environment, model and solver meet."""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swm.core.config import to_json
from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Array, Context, Mask, ModelSpec, PlanningProblem, Solver, StepBatch, WorldModel
from swm.core.seeding import derive_seed
from swm.core.spaces import ActionSpace
from swm.cost import Objective, goal_cost, make_objective
from swm.policy.simple import check_action_space


@dataclass(frozen=True, kw_only=True)
class PlanningConfig:
    """How `PlanningPolicy` plans. One block is the model's ``frame_skip`` environment steps."""

    horizon: int = 5
    """Blocks that a plan looks ahead."""
    receding_horizon: int = 1
    """Blocks of a plan that are executed before the next one is made."""
    objective: str = "last"
    """What a plan is judged by: a name in `swm.cost.OBJECTIVES`."""
    hold_actions: bool = False
    """Whether a block is one action held for all its steps, instead of one per step: a smaller, smoother search."""
    warm_start: bool = True
    """Whether a plan begins at what is left of the one before."""
    seed: int = 0
    """Chooses the solver's noise, together with each episode's seed."""

    def __post_init__(self) -> None:
        """Check the ranges and the objective's name."""
        if not 1 <= self.receding_horizon <= self.horizon:
            raise InvalidValueError(
                f"receding_horizon must be from 1 to horizon ({self.horizon}), got {self.receding_horizon}."
            )
        if self.seed < 0:
            raise InvalidValueError(f"seed must not be negative, got {self.seed}.")
        make_objective(self.objective)


@dataclass(frozen=True, kw_only=True)
class PlanLatency:
    """What one round of planning took."""

    seconds: float
    """From pictures on the host to actions on the host."""
    problems: int
    """Environments that were planned for."""


class _Episode:
    """What the policy knows of one running episode: its goal, its real past and its plan."""

    def __init__(self, spec: ModelSpec, goal: Tensor, generator: torch.Generator) -> None:
        self.goal, self.generator = goal, generator
        self.frame_skip = spec.frame_skip
        self.pictures: deque[Array] = deque(maxlen=spec.history)
        """Frames at the model's stride that are not encoded yet."""
        self.latents: deque[Tensor] = deque(maxlen=spec.history)
        self.blocks: deque[Array] = deque(maxlen=spec.history - 1)
        """Executed actions between the frames, (frame_skip, A) each."""
        self.block: list[Array] = []
        """Executed actions since the last frame."""
        self.queue: deque[Array] = deque()
        """Actions of the plan that are still to be executed."""
        self.plan: Tensor | None = None
        """The latest plan (H, frame_skip * A)."""
        self.cost = float("nan")

    def see(self, pixels: Array) -> None:
        """Take note of what the environment shows, if it is at the model's stride."""
        if len(self.block) == self.frame_skip:
            self.blocks.append(np.stack(self.block))
            self.block = []
        if not self.block:
            self.pictures.append(pixels)

    def take(self) -> Array:
        """The next action of the plan."""
        action = self.queue.popleft()
        self.block.append(action)
        return action


class PlanningPolicy:
    """Plans in a world model towards each episode's goal picture, and replans as it goes.

    Environments may be at different points of their episodes: those that need a plan are planned
    for in one batch. An episode's plans depend on its own seed, past and goal, not on the others.
    """

    needs_goal_pixels = True

    def __init__(
        self,
        model: WorldModel,
        solver: Solver,
        config: PlanningConfig,
        action_space: ActionSpace,
        *,
        objective: Objective | None = None,
    ) -> None:
        """Put the parts together, on the model's device.

        Args:
            model: predicts; a module is put into evaluation mode at every `begin`.
            solver: plans.
            config: how to plan.
            action_space: of one environment.
            objective: a callable of your own, in place of the one that the configuration names.

        Raises:
            InvalidValueError: the action space is not a floating-point Box of shape (A,).
            ShapeError: the model was trained on another action dimension.
        """
        space, spec = check_action_space(action_space), model.spec
        if space.shape != (spec.action_dim,):
            raise ShapeError(
                "action space of the environment",
                f"({spec.action_dim},), which the model was trained on (environment {spec.env_id!r})",
                space.shape,
            )
        self.model, self.solver, self.config, self.action_space = model, solver, config, space
        self.objective: str | Objective = objective or config.objective
        self.latencies: list[PlanLatency] = []
        """One entry per round of planning, oldest first."""
        self._device = _device(model)
        with torch.no_grad():
            ends = [self.model.normalize_actions(self._tensor(end)) for end in (space.low, space.high)]
            self._repeat, planned = (spec.frame_skip, 1) if config.hold_actions else (1, spec.frame_skip)
            self._low = torch.minimum(*ends).repeat(planned)
            self._high = torch.maximum(*ends).repeat(planned)
        self._episodes: dict[int, _Episode] = {}

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """Forget the masked environments' episodes, and encode their new goals.

        Raises:
            ShapeError: the environment's pictures are not of the size that the model was trained on.
            InvalidValueError: the goals' pictures are missing.
        """
        if goal_pixels is None:
            raise InvalidValueError("planning needs the goals' pictures, but begin() was given None.")
        self._check_size("pixels of the environment", step.observation["pixels"])
        self._check_size("goal pixels", goal_pixels)
        if isinstance(self.model, nn.Module):
            self.model.eval()
        rows = np.flatnonzero(mask).tolist()
        goals = self._encode([goal_pixels[row] for row in rows])
        for row, goal in zip(rows, goals, strict=True):
            seed = derive_seed(seeds[row], "plan", self.config.seed)
            generator = torch.Generator(self._device).manual_seed(seed)
            self._episodes[row] = _Episode(self.model.spec, goal, generator)

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """Execute the plans, after making those that are due."""
        rows = np.flatnonzero(mask).tolist()
        for row in rows:
            self._episodes[row].see(step.observation["pixels"][row])
        due = [self._episodes[row] for row in rows if not self._episodes[row].queue]
        if due:
            self._plan(due)
        actions = np.zeros((len(mask), *self.action_space.shape), self.action_space.dtype)
        for row in rows:
            actions[row] = self._episodes[row].take()
        return actions

    def describe(self) -> dict[str, Any]:
        """Model, solver and configuration, JSON-ready."""
        config = to_json(self.config)
        if not isinstance(self.objective, str):
            config["objective"] = getattr(self.objective, "__qualname__", type(self.objective).__qualname__)
        model = {"class": type(self.model).__qualname__, **to_json(self.model.spec)}
        return {"name": "planning", "model": model, "solver": self.solver.describe(), **config}

    def plan_costs(self, num_envs: int) -> Array:
        """Cost of each environment's latest plan, (num_envs,) float64; NaN where there is none yet."""
        none = float("nan")
        return np.array([self._episodes[row].cost if row in self._episodes else none for row in range(num_envs)])

    def _plan(self, due: Sequence[_Episode]) -> None:
        """Make new plans for the episodes, in one batch per length of their past."""
        start = perf_counter()
        pending = [(episode, picture) for episode in due for picture in episode.pictures]
        latents = self._encode([picture for _, picture in pending])
        for (episode, _), latent in zip(pending, latents, strict=True):
            episode.latents.append(latent)
        groups: dict[int, list[_Episode]] = defaultdict(list)
        for episode in due:
            episode.pictures.clear()
            groups[len(episode.latents)].append(episode)
        for group in groups.values():
            self._solve(group)
        self.latencies.append(PlanLatency(seconds=perf_counter() - start, problems=len(due)))

    @torch.no_grad()
    def _solve(self, group: Sequence[_Episode]) -> None:
        config, space = self.config, self.action_space
        goal = torch.stack([episode.goal for episode in group])
        cost = goal_cost(self.model, self._context(group), goal, self.objective)
        problem = PlanningProblem(
            cost=lambda candidates: cost(self._blocks(candidates)),
            batch_size=len(group),
            horizon=config.horizon,
            low=self._low,
            high=self._high,
            generator=[episode.generator for episode in group],
            init=torch.stack([self._first_guess(episode) for episode in group]),
        )
        plan = self.solver.solve(problem)
        executed = self._blocks(plan.actions)[:, : config.receding_horizon].reshape(len(group), -1, *space.shape)
        actions = self.model.denormalize_actions(executed).cpu().numpy()
        actions = np.clip(actions, space.low, space.high).astype(space.dtype)
        for episode, queue, blocks, cost in zip(group, actions, plan.actions, plan.cost.tolist(), strict=True):
            episode.queue.extend(queue)
            episode.plan, episode.cost = blocks, cost

    def _blocks(self, planned: Tensor) -> Tensor:
        """The blocks (..., frame_skip * A) that plans stand for."""
        return planned.repeat(*[1] * (planned.ndim - 1), self._repeat)

    def _context(self, group: Sequence[_Episode]) -> Context:
        """The past of episodes that have equally many frames."""
        latents = torch.stack([torch.stack(tuple(episode.latents)) for episode in group])
        shape = (len(group), latents.shape[1] - 1, self.model.spec.frame_skip, self.model.spec.action_dim)
        executed = np.array([tuple(episode.blocks) for episode in group]).reshape(shape)
        return Context(latents=latents, actions=self.model.normalize_actions(self._tensor(executed)).flatten(2))

    def _first_guess(self, episode: _Episode) -> Tensor:
        """What is left of the episode's plan, then zeros, (H, frame_skip * A)."""
        guess = self._low.new_zeros(self.config.horizon, len(self._low))
        if self.config.warm_start and episode.plan is not None:
            rest = episode.plan[self.config.receding_horizon :]
            guess[: len(rest)] = rest
        return guess

    @torch.no_grad()
    def _encode(self, pictures: Sequence[Array]) -> Tensor:
        """Latents (n, ...) of n pictures."""
        pixels = torch.from_numpy(np.stack(pictures)).to(self._device)
        return self.model.encode(pixels[:, None])[:, 0]

    def _tensor(self, actions: Array) -> Tensor:
        return torch.as_tensor(actions, dtype=torch.float32, device=self._device)

    def _check_size(self, what: str, pixels: Array) -> None:
        size = self.model.spec.image_size
        if pixels.shape[1:] != (*size, 3) or pixels.dtype != np.uint8:
            raise ShapeError(
                what,
                f"uint8 (N, {size[0]}, {size[1]}, 3), which the model was trained on",
                f"{pixels.dtype} {pixels.shape}",
                "Make the environment with the model's image_size.",
            )


def _device(model: WorldModel) -> torch.device:
    """The device of the model's parameters; the CPU if it has none."""
    if not isinstance(model, nn.Module):
        return torch.device("cpu")
    tensor = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if tensor is None else tensor.device
