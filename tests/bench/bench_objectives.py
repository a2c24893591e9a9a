"""How well planners do on TwoRoom when the model is perfect: ``python tests/bench/bench_objectives.py``.

The world model is replaced by the true dynamics, with the agent's position as its latent, so that what
fails is the planner. Prints success on the task set two_room-v1 for each planner.
"""

import time

import numpy as np
import torch
from torch import Tensor

from swm.core.protocols import Context, ModelSpec
from swm.envs.arena import dynamics
from swm.envs.arena.geometry import SIZE, push_out, stack
from swm.envs.two_room import geometry
from swm.envs.two_room.factors import FACTORS
from swm.policy import Planner, PlanningConfig
from swm.world import World

SCALE = 50.0
ACTION_STD = 0.6
PLANNERS = {
    "200 x 8, last, an action per step": ((200, 8, 20), {"objective": "last"}),
    "300 x 15, last, an action per step": ((300, 15, 30), {"objective": "last"}),
    "200 x 8, geometric, an action per step": ((200, 8, 20), {"objective": "geometric"}),
    "100 x 6, last, held actions": ((100, 6, 12), {"objective": "last", "hold_actions": True}),
    "100 x 6, geometric, held actions": ((100, 6, 12), {"objective": "geometric", "hold_actions": True}),
}
"""Samples x iterations, objective and actions -> samples, iterations and elites; planning options."""


class TrueDynamics:
    """A world model that knows the default TwoRoom: latents are positions, read off the red of the agent."""

    spec = ModelSpec(env_id="swm/TwoRoom-v0", image_size=(64, 64), action_dim=2, frame_skip=5, history=1)

    def encode(self, pixels: Tensor) -> Tensor:
        """The centre of what is coloured like the agent."""
        agent = torch.tensor(FACTORS["agent.color"].default.astype(np.float32))
        weight = torch.relu(1 - (pixels.float() - agent).abs().sum(-1) / 150)
        place = (torch.arange(64) + 0.5) * SIZE / 64
        total = weight.sum((-1, -2)).clamp_min(1e-6)
        x, y = (weight.sum(-2) * place).sum(-1), (weight.sum(-1) * place).sum(-1)
        return torch.stack([x / total, y / total], -1) / SCALE

    def rollout(self, context: Context, actions: Tensor) -> Tensor:
        """Move as the environment does."""
        batch, candidates, horizon, _ = actions.shape
        count = batch * candidates
        start = (context.latents[:, -1:] * SCALE).expand(batch, candidates, 2).reshape(count, 2)
        walls = geometry.obstacles(stack([FACTORS.default()] * count, tuple(FACTORS)))
        position = push_out(start.double().numpy().copy(), walls)
        commands = self.denormalize_actions(actions).reshape(count, horizon, 5, 2).double().numpy().clip(-1, 1)
        ends = []
        for block in range(horizon):
            for step in range(5):
                displacement = FACTORS["agent.speed"].default * commands[:, block, step]
                position, _ = dynamics.move(position, displacement, walls)
            ends.append(position)
        return torch.from_numpy(np.stack(ends, 1)).float().view(batch, candidates, horizon, 2) / SCALE

    def distance(self, predicted: Tensor, goal: Tensor) -> Tensor:
        """Squared distance."""
        return (predicted - goal.unsqueeze(1)).square().sum(-1)

    def normalize_actions(self, actions: Tensor) -> Tensor:
        """By a typical standard deviation of the expert's actions."""
        return actions / ACTION_STD

    def denormalize_actions(self, actions: Tensor) -> Tensor:
        """The inverse."""
        return actions * ACTION_STD


def main() -> None:
    """Measure and print."""
    for name, ((samples, iterations, elites), options) in PLANNERS.items():
        sizes = {"num_samples": samples, "num_iterations": iterations, "num_elites": elites}
        planner = Planner(options=sizes, planning=PlanningConfig(**options))  # type: ignore[arg-type]
        start = time.perf_counter()
        with World("swm/TwoRoom-v0", num_envs=100, image_size=64) as world:
            policy = planner.make_policy(TrueDynamics(), world.executor.action_space)
            evaluation = world.evaluate(policy, "two_room-v1", progress=False)
        rate = evaluation.success
        print(
            f"{name:<40} {100 * rate.value:3.0f} % ({100 * rate.low:.0f}-{100 * rate.high:.0f}), "
            f"at the last step {100 * evaluation.success_final.value:3.0f} %, {time.perf_counter() - start:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
