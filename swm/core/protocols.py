"""What the rooms promise each other.

Shape letters, the same everywhere: B environments or problems, N environments of an executor,
S candidates of a planner, H planned steps (blocks of environment steps), T frames of context,
A action dimensions, D latent dimensions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from swm.core.factors import FactorSpace, Request, Variation
from swm.core.spaces import ActionSpace

if TYPE_CHECKING:
    import torch

Array = NDArray[Any]
Mask = NDArray[np.bool_]


# ---------------------------------------------------------------------------------- environments


@dataclass(frozen=True, kw_only=True)
class StepBatch:
    """What N environments show after a reset or a step. Arrays are the caller's to keep.

    Rows outside the mask of the call repeat what the environment showed last.
    """

    observation: dict[str, Array]
    """Component name -> array of shape (N, ...); always ``pixels`` (N, height, width, 3) uint8 and ``state``."""
    reward: Array
    """Shape (N,), float64; 0 at reset."""
    terminated: Mask
    truncated: Mask
    success: Mask
    """The environment's own predicate, true or false at reset too."""
    distance: Array
    """Shape (N,), float64: distance to the goal in the environment's unit."""
    goal: Array
    """Shape (N, G), float64: the goal state of the running episode."""
    variation: tuple[Variation, ...]
    """Every factor's value in the running episode, one per environment."""


@runtime_checkable
class Executor(Protocol):
    """N copies of one environment, stepped and reset under a mask; nothing resets by itself.

    The same seeds and requests give the same episodes with each executor.
    """

    num_envs: int
    observation_space: spaces.Dict
    """Of one environment."""
    action_space: ActionSpace
    """Of one environment."""
    factors: FactorSpace
    rendering: Mapping[str, str]
    """How the pictures are made, where it matters: OpenGL backend, its renderer, the preset of quality."""

    def reset(self, seeds: Sequence[int], requests: Sequence[Request], mask: Mask | None = None) -> StepBatch:
        """Begin a new episode in the masked environments (None: all).

        Args:
            seeds: one seed per environment; entries outside the mask are ignored.
            requests: one ``options["variation"]`` per environment.
            mask: shape (N,).
        """
        ...

    def step(self, actions: Array, mask: Mask | None = None) -> StepBatch:
        """Step the masked environments with `actions` of shape (N, A), or (N,) of a Discrete space."""
        ...

    def set_state(self, states: Array, mask: Mask | None = None) -> StepBatch:
        """Put the masked environments into `states` of shape (N, S)."""
        ...

    def set_goal(self, goals: Array, mask: Mask | None = None) -> StepBatch:
        """Give the masked environments the goal states `goals` of shape (N, G)."""
        ...

    def goal_pixels(self) -> Array:
        """Render what each environment would show at its goal: (N, height, width, 3) uint8."""
        ...

    def close(self) -> None:
        """Release processes, windows and memory."""
        ...


@runtime_checkable
class Policy(Protocol):
    """Chooses actions for N environments."""

    needs_goal_pixels: bool
    """Whether `begin` must be given the goals' pictures."""

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """Forget everything of the masked environments: their next episode begins at `step`.

        Args:
            step: what the environments show.
            seeds: the episodes' seeds, one per environment; all randomness derives from them.
            mask: shape (N,): the environments that begin.
            goal_pixels: (N, height, width, 3) uint8 when `needs_goal_pixels`, else None.
        """
        ...

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """Choose actions, shape (N, A) or (N,), in the action space; rows outside `mask` are ignored."""
        ...

    def describe(self) -> dict[str, Any]:
        """Name and parameters, JSON-ready, for provenance."""
        ...


# ------------------------------------------------------------------------------------- planning

CostFn = Callable[["torch.Tensor"], "torch.Tensor"]
"""Candidates (B, S, H, A) -> costs (B, S)."""


@dataclass(frozen=True, kw_only=True)
class PlanningProblem:
    """B problems of one shape, solved together. A solver sees nothing else."""

    cost: CostFn
    batch_size: int
    horizon: int
    low: "torch.Tensor"
    """Lower bounds (A,), in the space of the candidates; also gives device and dtype."""
    high: "torch.Tensor"
    """Upper bounds (A,)."""
    generator: "torch.Generator | Sequence[torch.Generator]"
    """The source of noise: one generator, whose noise all problems share, or B of them, one per problem.

    Either way the answer to one problem does not depend on the others.
    """
    init: "torch.Tensor | None" = None
    """A warm start (B, H, A), or None."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The answer to a `PlanningProblem`."""

    actions: "torch.Tensor"
    """Shape (B, H, A), within the bounds."""
    cost: "torch.Tensor"
    """Shape (B,): the cost of `actions`."""
    trace: Mapping[str, "torch.Tensor"] = field(default_factory=dict)
    """Per-iteration figures, name -> (iterations, B): at least ``best`` and ``mean``."""


@runtime_checkable
class Solver(Protocol):
    """Minimises a cost over action sequences."""

    def solve(self, problem: PlanningProblem) -> Plan:
        """Solve all B problems at once."""
        ...

    def describe(self) -> dict[str, Any]:
        """Name and parameters, JSON-ready, for provenance."""
        ...


# ---------------------------------------------------------------------------------- world models


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What a world model needs of the environment that it plans in; saved with the model."""

    env_id: str
    """The environment it was trained on, empty if unknown."""
    image_size: tuple[int, int]
    """Height and width of ``pixels``."""
    action_dim: int
    """Dimensions A of one environment action."""
    frame_skip: int
    """Environment steps per model step; an action block has ``frame_skip * action_dim`` numbers."""
    history: int
    """Most frames of context that the model uses."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The past of B episodes as a model sees it."""

    latents: "torch.Tensor"
    """Shape (B, T, ...), the last one is now; T from 1 to the model's history."""
    actions: "torch.Tensor"
    """Shape (B, T - 1, frame_skip * A): the normalised action blocks executed between the frames."""


@runtime_checkable
class WorldModel(Protocol):
    """A latent dynamics model that can be planned with. All methods are batched and differentiable."""

    spec: ModelSpec

    def encode(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """Encode pictures (B, T, height, width, 3) uint8 to latents (B, T, ...)."""
        ...

    def rollout(self, context: Context, actions: "torch.Tensor") -> "torch.Tensor":
        """Predict the latents (B, S, H, ...) after each block of normalised `actions` (B, S, H, frame_skip * A)."""
        ...

    def distance(self, predicted: "torch.Tensor", goal: "torch.Tensor") -> "torch.Tensor":
        """Distance (B, S) of latents (B, S, ...) to goal latents (B, ...)."""
        ...

    def normalize_actions(self, actions: "torch.Tensor") -> "torch.Tensor":
        """Environment actions (..., A) to the model's action space, by statistics saved with the model."""
        ...

    def denormalize_actions(self, actions: "torch.Tensor") -> "torch.Tensor":
        """The exact inverse of `normalize_actions`."""
        ...
