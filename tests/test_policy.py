"""Policies in a toy world: a point on a square whose picture spells out its position."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor, nn

from swm import solvers
from swm.core.errors import InvalidValueError, ShapeError, UnknownNameError
from swm.core.factors import FactorSpace, Request, Variation
from swm.core.protocols import Array, Context, Executor, Mask, ModelSpec, Policy, StepBatch, WorldModel
from swm.core.seeding import make_rng
from swm.core.spaces import ActionSpace
from swm.policy import FunctionPolicy, NoOpPolicy, PlanningConfig, PlanningPolicy, RandomPolicy, make_policy
from swm.rollout import EpisodeRecord, EpisodeRequest, run_episodes

STRIDE = 0.05
"""How far the action 1 moves the point along its axis."""
SPACE: spaces.Box = spaces.Box(-1.0, 1.0, (2,), np.float32)


def draw(position: Array) -> Array:
    """Pictures (N, 4, 4, 3) of positions (N, 2) in [0, 1]: 16 bits per number in the first two pixels."""
    pixels = np.zeros((len(position), 4, 4, 3), np.uint8)
    number = np.rint(position * 65535).astype(np.int64)
    pixels[:, 0, :2, 0], pixels[:, 0, :2, 1] = number // 256, number % 256
    return pixels


class Square:
    """An executor of N points that move by STRIDE * action within the unit square."""

    observation_space = spaces.Dict(
        pixels=spaces.Box(0, 255, (4, 4, 3), np.uint8), state=spaces.Box(0.0, 1.0, (2,), np.float64)
    )
    action_space: ActionSpace = SPACE
    rendering: Mapping[str, str] = MappingProxyType({})
    factors = FactorSpace(())

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.position = np.zeros((num_envs, 2))
        self.goal = np.zeros((num_envs, 2))

    def _batch(self) -> StepBatch:
        distance = np.linalg.norm(self.position - self.goal, axis=1)
        never = np.zeros(self.num_envs, bool)
        return StepBatch(
            observation={"pixels": draw(self.position), "state": self.position.copy()},
            reward=-distance,
            terminated=never,
            truncated=never,
            success=distance < 0.03,
            distance=distance,
            goal=self.goal.copy(),
            variation=(Variation({}),) * self.num_envs,
        )

    def reset(self, seeds: Sequence[int], requests: Sequence[Request], mask: Mask | None = None) -> StepBatch:
        for row in range(self.num_envs) if mask is None else np.flatnonzero(mask).tolist():
            self.position[row] = make_rng(seeds[row], "start").uniform(0.2, 0.8, 2)
            self.goal[row] = make_rng(seeds[row], "goal").uniform(0.1, 0.9, 2)
        return self._batch()

    def step(self, actions: Array, mask: Mask | None = None) -> StepBatch:
        assert SPACE.low.min() <= actions.min() <= actions.max() <= SPACE.high.max()
        moved = np.clip(self.position + STRIDE * actions, 0, 1)
        self.position = moved if mask is None else np.where(mask[:, None], moved, self.position)
        return self._batch()

    def set_state(self, states: Array, mask: Mask | None = None) -> StepBatch:
        self.position = states if mask is None else np.where(mask[:, None], states, self.position)
        return self._batch()

    def set_goal(self, goals: Array, mask: Mask | None = None) -> StepBatch:
        self.goal = goals if mask is None else np.where(mask[:, None], goals, self.goal)
        return self._batch()

    def goal_pixels(self) -> Array:
        return draw(self.goal)

    def close(self) -> None:
        pass


class PointModel(nn.Module):
    """Knows the square's dynamics, and remembers everything that it is given."""

    mean: Tensor
    std: Tensor

    def __init__(self, *, frame_skip: int = 2, history: int = 3, image_size: tuple[int, int] = (4, 4)) -> None:
        super().__init__()
        self.spec = ModelSpec(env_id="toy", image_size=image_size, action_dim=2, frame_skip=frame_skip, history=history)
        self.register_buffer("mean", torch.tensor([0.1, -0.2]))
        self.register_buffer("std", torch.tensor([0.5, 0.25]))
        self.encoded: list[Array] = []
        self.contexts: list[Context] = []

    def encode(self, pixels: Tensor) -> Tensor:
        self.encoded += list(pixels.flatten(0, 1).numpy())
        high, low = pixels[..., 0, :2, 0].float(), pixels[..., 0, :2, 1].float()
        return (256 * high + low) / 65535

    def rollout(self, context: Context, actions: Tensor) -> Tensor:
        self.contexts.append(context)
        blocks = self.denormalize_actions(actions.unflatten(-1, (self.spec.frame_skip, 2))).sum(dim=-2)  # type: ignore[no-untyped-call]
        return context.latents[:, -1, None, None] + STRIDE * blocks.cumsum(dim=2)

    def distance(self, predicted: Tensor, goal: Tensor) -> Tensor:
        return (predicted - goal[:, None]).square().sum(dim=-1)

    def normalize_actions(self, actions: Tensor) -> Tensor:
        return (actions - self.mean) / self.std

    def denormalize_actions(self, actions: Tensor) -> Tensor:
        return actions * self.std + self.mean


def planning(model: PointModel | None = None, solver: Any = None, **config: Any) -> PlanningPolicy:
    solver = solver or solvers.make("cem", num_samples=60, num_elites=8, num_iterations=8)
    return PlanningPolicy(model or PointModel(), solver, PlanningConfig(**{"horizon": 3} | config), SPACE)


def episodes(policy: Policy, lengths: Sequence[int], num_envs: int = 1, first: int = 0) -> list[EpisodeRecord]:
    requests = [EpisodeRequest(seed=first + i, max_steps=length) for i, length in enumerate(lengths)]
    return list(run_episodes(Square(num_envs), policy, requests))


def test_the_parts_keep_their_protocols() -> None:
    assert isinstance(Square(1), Executor)
    assert isinstance(PointModel(), WorldModel)
    for policy in (planning(), RandomPolicy(SPACE), NoOpPolicy(SPACE), FunctionPolicy(lambda o, g: g, SPACE)):
        assert isinstance(policy, Policy)


# ------------------------------------------------------------------------------------ simple policies


def test_random_actions_depend_on_the_episode_alone_and_fill_the_space() -> None:
    alone = episodes(RandomPolicy(SPACE), [30, 20, 40])
    together = episodes(RandomPolicy(SPACE), [30, 20, 40], num_envs=2)
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a.action, b.action)
    actions = np.concatenate([record.action for record in alone])
    assert actions.min() < -0.9
    assert actions.max() > 0.9
    assert not np.array_equal(alone[0].action[:20], alone[1].action)


def test_noop_is_zero_or_the_nearest_action_to_it() -> None:
    assert not episodes(NoOpPolicy(SPACE), [5])[0].action.any()
    shifted = spaces.Box(np.array([0.5, -1.0], np.float32), np.array([1.0, -0.25], np.float32))
    step = Square(1).reset([0], [None])
    np.testing.assert_array_equal(NoOpPolicy(shifted).act(step, np.array([True])), [[0.5, -0.25]])


def test_function_policy_sees_one_environment_and_its_goal() -> None:
    def steer(observation: Any, goal: Array) -> Array:
        return np.asarray((goal - observation["state"]) / STRIDE)

    def steer_by_picture(observation: Any, goal: Array) -> Array:
        number = [256.0 * picture[0, :2, 0] + picture[0, :2, 1] for picture in (goal, observation["pixels"])]
        return np.asarray((number[0] - number[1]) / 65535 / STRIDE)

    for policy in (FunctionPolicy(steer, SPACE), FunctionPolicy(steer_by_picture, SPACE, goal_pixels=True)):
        assert all(record.success[-1] for record in episodes(policy, [20, 20, 20], num_envs=2))
    with pytest.raises(ShapeError, match=r"\(2,\), got \(3,\)"):
        episodes(FunctionPolicy(lambda observation, goal: np.zeros(3), SPACE), [1])


def test_make_policy_knows_the_names_and_refuses_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_policy("random", SPACE).describe() == {"name": "random"}
    assert make_policy("noop", SPACE).describe() == {"name": "noop"}
    with pytest.raises(UnknownNameError, match="'random'"):
        make_policy("randon", SPACE)
    with pytest.raises(UnknownNameError, match="noise"):
        make_policy("random", SPACE, noise=1)
    with pytest.raises(InvalidValueError, match="env_id"):
        make_policy("expert", SPACE)
    import swm.envs

    monkeypatch.setattr(swm.envs, "make_expert", lambda env_id, **options: (env_id, options), raising=False)
    expert: Any = make_policy("expert", SPACE, env_id="swm/Toy-v0", noise=0.1)
    assert expert == ("swm/Toy-v0", {"noise": 0.1})


@pytest.mark.parametrize(
    "space", [spaces.Text(3), spaces.Box(0, 9, (2,), np.int64), spaces.Box(-1, 1, (2, 2)), spaces.Box(-1, 1, ())]
)
def test_spaces_that_policies_cannot_act_in_are_refused(space: Any) -> None:
    for kind in (RandomPolicy, NoOpPolicy):
        with pytest.raises(InvalidValueError, match="floating-point Box"):
            kind(space)
    with pytest.raises(InvalidValueError, match="bounded"):
        RandomPolicy(spaces.Box(-np.inf, 1.0, (2,)))


def test_light_policies_do_not_load_torch() -> None:
    code = "import sys, swm.policy; print('torch' in sys.modules)"
    root = Path(__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


# ------------------------------------------------------------------------------------------- planning


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"receding_horizon": 3},
        {"objective": "sum"},
        {"objective": "geometric"},
        {"warm_start": False},
        {"hold_actions": True},
    ],
)
def test_planning_reaches_the_goals(config: dict[str, Any]) -> None:
    policy = planning(**config)
    records = episodes(policy, [24] * 4, num_envs=2)
    assert all(record.success.any() for record in records)
    assert all(not record.success[0] for record in records)
    assert sum(latency.problems for latency in policy.latencies) == 4 * 24 // (2 * config.get("receding_horizon", 1))
    assert all(latency.seconds > 0 for latency in policy.latencies)
    assert (policy.plan_costs(2) < 1e-3).all()
    assert np.isnan(policy.plan_costs(3)[2])


def test_a_held_action_fills_its_block() -> None:
    (record,) = episodes(planning(hold_actions=True, receding_horizon=2), [8])
    assert np.array_equal(record.action[0::2], record.action[1::2])
    assert len(np.unique(record.action[0::2], axis=0)) > 1
    (free,) = episodes(planning(receding_horizon=2), [8])
    assert not np.array_equal(free.action[0::2], free.action[1::2])


@pytest.mark.parametrize("history", [1, 2, 3])
@pytest.mark.parametrize("receding", [1, 2, 3])
def test_the_model_is_given_the_real_past_at_its_stride(history: int, receding: int) -> None:
    model = PointModel(history=history)
    record = episodes(planning(model, receding_horizon=receding), [17])[0]
    calls_per_plan = 9
    contexts = model.contexts[::calls_per_plan]
    assert len(contexts) == -(-17 // (2 * receding))
    for index, context in enumerate(contexts):
        now = index * receding * 2
        frames = [now - 2 * back for back in range(history) if now - 2 * back >= 0][::-1]
        seen = torch.tensor(record.observation["state"][frames], dtype=torch.float32)
        torch.testing.assert_close(context.latents[0], seen, atol=1e-5, rtol=0.0)
        executed = torch.from_numpy(record.action[frames[0] : now]).reshape(-1, 2, 2)
        torch.testing.assert_close(context.actions[0], model.normalize_actions(executed).flatten(1))
    assert all(call is contexts[i // calls_per_plan] for i, call in enumerate(model.contexts))


def test_each_needed_frame_and_each_goal_is_encoded_once() -> None:
    model = PointModel(history=2)
    record = episodes(planning(model, receding_horizon=3), [15])[0]
    needed = [0, 4, 6, 10, 12]
    pictures = draw(np.stack([record.goal, *record.observation["state"][needed]]))
    np.testing.assert_array_equal(np.stack(model.encoded), pictures)


def test_a_second_episode_is_that_of_a_fresh_policy() -> None:
    policy = planning(receding_horizon=2)
    episodes(policy, [7])
    again = episodes(policy, [12], first=5)[0]
    fresh = episodes(planning(receding_horizon=2), [12], first=5)[0]
    np.testing.assert_array_equal(again.action, fresh.action)


def test_an_episode_does_not_depend_on_the_others() -> None:
    lengths = [7, 12, 9, 12, 5]
    alone = episodes(planning(receding_horizon=2), lengths)
    for num_envs in (2, 3):
        together = episodes(planning(receding_horizon=2), lengths, num_envs=num_envs)
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(a.action, b.action, atol=1e-5)


def test_episodes_and_policy_seeds_have_noise_of_their_own() -> None:
    def first_action(policy_seed: int, episode_seed: int) -> list[float]:
        solver = solvers.make("cem", num_samples=5, num_elites=2, num_iterations=1)
        request = EpisodeRequest(
            seed=episode_seed, max_steps=1, start=np.array([0.5, 0.5]), goal=np.array([0.55, 0.52])
        )
        policy = planning(solver=solver, seed=policy_seed, horizon=1)
        action: list[float] = next(run_episodes(Square(1), policy, [request])).action[0].tolist()
        return action

    assert first_action(0, 0) == first_action(0, 0)
    assert first_action(0, 0) != first_action(1, 0)
    assert first_action(0, 0) != first_action(0, 1)


class SpySolver:
    """Remembers the problems."""

    def __init__(self) -> None:
        self.problems: list[Any] = []
        self.inner = solvers.make("cem", num_iterations=2)

    def solve(self, problem: Any) -> Any:
        self.problems.append(problem)
        return self.inner.solve(problem)

    def describe(self) -> dict[str, Any]:
        return {"name": "spy"}


def test_bounds_are_those_of_the_action_space_in_the_model_space() -> None:
    spy = SpySolver()
    episodes(planning(solver=spy), [3])
    low, high = spy.problems[0].low, spy.problems[0].high
    torch.testing.assert_close(low, torch.tensor([-2.2, -3.2, -2.2, -3.2]))
    torch.testing.assert_close(high, torch.tensor([1.8, 4.8, 1.8, 4.8]))


def test_warm_start_is_the_rest_of_the_plan() -> None:
    for warm in (True, False):
        spy = SpySolver()
        policy = planning(solver=spy, warm_start=warm)
        executor = Square(1)
        step, mask = executor.reset([0], [None]), np.array([True])
        policy.begin(step, [0], mask, executor.goal_pixels())
        for _ in range(2):
            step = executor.step(policy.act(step, mask))
        plan = policy._episodes[0].plan
        policy.act(step, mask)
        assert plan is not None
        rest = torch.cat([plan[1:], torch.zeros(1, 4)]) if warm else torch.zeros(3, 4)
        assert torch.equal(spy.problems[0].init, torch.zeros(1, 3, 4))
        assert torch.equal(spy.problems[1].init[0], rest)


def test_environments_at_different_plans_are_planned_for_in_one_batch() -> None:
    spy = SpySolver()
    episodes(planning(PointModel(history=1), solver=spy), [2, 6, 4, 1], num_envs=2)
    assert [problem.batch_size for problem in spy.problems] == [2, 2, 2, 1]


def test_wrong_sizes_are_refused_before_the_first_step() -> None:
    solver, config = solvers.make("cem"), PlanningConfig()
    with pytest.raises(ShapeError, match=r"\(2,\), which the model was trained on .*, got \(3,\)"):
        PlanningPolicy(PointModel(), solver, config, spaces.Box(-1, 1, (3,)))
    with pytest.raises(ShapeError, match=r"\(N, 8, 6, 3\).*uint8 \(1, 4, 4, 3\)"):
        episodes(planning(PointModel(image_size=(8, 6))), [1])
    step = Square(1).reset([0], [None])
    with pytest.raises(InvalidValueError, match="goals' pictures"):
        planning().begin(step, [0], np.array([True]), None)
    with pytest.raises(ShapeError, match="goal pixels"):
        planning().begin(step, [0], np.array([True]), np.zeros((1, 2, 2, 3), np.uint8))


@pytest.mark.parametrize("config", [{"receding_horizon": 4}, {"receding_horizon": 0}, {"seed": -1}, {"horizon": 0}])
def test_impossible_configurations_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        PlanningConfig(**{"horizon": 3} | config)


def test_unknown_objective_is_refused_when_configured() -> None:
    with pytest.raises(UnknownNameError, match="'last'"):
        PlanningConfig(objective="lest")


def test_description_says_what_planned() -> None:
    described = json.loads(json.dumps(planning().describe()))
    assert described["model"]["class"] == "PointModel"
    assert described["model"]["frame_skip"] == 2
    assert described["solver"]["name"] == "cem"
    assert described["objective"] == "last"


def test_planning_puts_the_model_into_evaluation_mode_and_builds_no_graph() -> None:
    model = PointModel()
    model.gain = nn.Parameter(torch.ones(()))
    model.train()
    policy = planning(model)
    episodes(policy, [3])
    assert not model.training
    plan = policy._episodes[0].plan
    assert plan is not None
    assert not plan.requires_grad


def test_own_objective_takes_the_place_of_the_named_one() -> None:
    def stay(model: WorldModel, predicted: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        return model.denormalize_actions(actions.reshape(*actions.shape[:2], -1, 2)).square().sum(dim=(-1, -2))

    solver = solvers.make("cem")
    policy = PlanningPolicy(PointModel(), solver, PlanningConfig(), SPACE, objective=stay)
    assert np.abs(episodes(policy, [4])[0].action).max() < 0.05
    assert policy.describe()["objective"].endswith("stay")
