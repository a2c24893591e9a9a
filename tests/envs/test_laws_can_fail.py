"""Each law of environments finds the fault that it is for."""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

from swm.core.errors import UnknownNameError
from swm.core.factors import Factor, FactorSpace, Variation
from swm.core.protocols import Array, Mask, StepBatch
from swm.core.spaces import scalar
from swm.envs import ENVS
from swm.envs.two_room.env import TwoRoomEnv
from swm.envs.two_room.expert import TwoRoomExpert
from swm.testing import ENV_LAWS, ROW_LAWS, check_env


class OtherStateType(TwoRoomEnv):
    """Shows float32 states in a float64 space."""

    def _observe(self) -> dict[str, Array]:
        seen = super()._observe()
        return {**seen, "state": seen["state"].astype(np.float32)}


class Nameless(TwoRoomEnv):
    """Names only half of its state."""

    state_names = ("x", "y")


class OutsideSpace(TwoRoomEnv):
    """Shows states in other units than its space says."""

    def _observe(self) -> dict[str, Array]:
        seen = super()._observe()
        return {**seen, "state": seen["state"] * 1000}


class Leaking(TwoRoomEnv):
    """Keeps the first speed for ever."""

    first: float | None = None

    def _begin(self, variation: Variation, seed: int) -> None:
        super()._begin(variation, seed)
        self.first = self.first or variation["agent.speed"]
        self._simulator.values["agent.speed"][:] = self.first


class DrawsTwice(TwoRoomEnv):
    """Takes one number too many from np_random."""

    def _begin(self, variation: Variation, seed: int) -> None:
        self.np_random.integers(10)
        super()._begin(variation, seed)


class Idle(TwoRoomEnv):
    """Has a factor without effect."""

    factors = FactorSpace(
        (
            *TwoRoomEnv.factors.factors,
            Factor(name="agent.mood", kind="physical", space=scalar(0, 1), default=0.5, summary="does nothing"),
        ),
        TwoRoomEnv.factors.constraints,
    )


class WrongKind(TwoRoomEnv):
    """Lets the colour of the wall slow the agent down."""

    def _begin(self, variation: Variation, seed: int) -> None:
        super()._begin(variation, seed)
        self._simulator.values["agent.speed"][:] -= variation["wall.color"][0] / 255


class ForgetsVelocity(TwoRoomEnv):
    """Restores the position alone."""

    def set_state(self, state: Array) -> None:
        super().set_state(np.concatenate([state[:2], [0.0, 0.0], state[4:]]))


class SharesGoal(TwoRoomEnv):
    """Hands out its own goal array."""

    def _goal(self) -> tuple[Array, bool, float]:
        return self._simulator.goal[0], *super()._goal()[1:]


class AlwaysSolved(TwoRoomEnv):
    """Says success everywhere."""

    def _goal(self) -> tuple[Array, bool, float]:
        goal, _, distance = super()._goal()
        return goal, True, distance


class WrongGoalPicture(TwoRoomEnv):
    """Shows the present as the goal."""

    def goal_pixels(self) -> Array:
        return self._observe()["pixels"]


class Resizes(TwoRoomEnv):
    """Shows another part of the arena at another size."""

    def _observe(self) -> dict[str, Array]:
        seen = super()._observe()
        return {**seen, "pixels": np.roll(seen["pixels"], self.image_size[0] // 100, axis=1)}


class NotPickled(TwoRoomEnv):
    """Loses its episode when it is pickled."""

    def __reduce__(self) -> Any:
        return _begun, (self.image_size,)


def _begun(size: tuple[int, int]) -> NotPickled:
    env = NotPickled(size)
    env.reset(seed=0)
    return env


class Hoarding(TwoRoomEnv):
    """Keeps a megabyte of each episode."""

    kept: list[Array]

    def _begin(self, variation: Variation, seed: int) -> None:
        super()._begin(variation, seed)
        self.kept = [*getattr(self, "kept", []), np.ones(2**17)]


class Fading(TwoRoomEnv):
    """Draws another colour after many episodes."""

    begun = 0

    def _begin(self, variation: Variation, seed: int) -> None:
        self.begun += 1
        super()._begin(variation, seed)

    def _observe(self) -> dict[str, Array]:
        seen = super()._observe()
        return {**seen, "pixels": seen["pixels"] // 2 if self.begun > 40 else seen["pixels"]}


class BlindMoves(TwoRoomEnv):
    """Moves otherwise when it draws no pictures."""

    def _begin(self, variation: Variation, seed: int) -> None:
        super()._begin(variation, seed)
        self._simulator.values["agent.speed"][:] -= self.render_mode is None


class TakesAnything(TwoRoomEnv):
    """Repairs bad actions instead of refusing them."""

    def step(self, action: Array) -> Any:
        return super().step(np.nan_to_num(np.resize(np.asarray(action, np.float64), 2)))


@pytest.mark.parametrize(
    ("law", "env"),
    [
        ("gymnasium", OutsideSpace),
        ("observations", OtherStateType),
        ("observations", Nameless),
        ("determinism", Leaking),
        ("seeding", DrawsTwice),
        ("effects", Idle),
        ("effects", WrongKind),
        ("states", ForgetsVelocity),
        ("memory", SharesGoal),
        ("success", AlwaysSolved),
        ("goals", WrongGoalPicture),
        ("sizes", Resizes),
        ("sizes", BlindMoves),
        ("pickling", NotPickled),
        ("leaks", Hoarding),
        ("leaks", Fading),
        ("bad_inputs", TakesAnything),
    ],
)
def test_a_fault_is_found(law: str, env: Callable[..., TwoRoomEnv]) -> None:
    with pytest.raises(AssertionError, match=f"law '{law}' is broken: "):
        check_env(env, [law])


class Lazy(TwoRoomExpert):
    """Stays where it is."""

    def act(self, step: StepBatch, mask: Mask) -> Array:
        return np.zeros((len(mask), 2), np.float32)


class Crowded(TwoRoomExpert):
    """Acts according to the number of environments."""

    def act(self, step: StepBatch, mask: Mask) -> Array:
        actions = super().act(step, mask)
        return actions / len(mask) if self.noise else actions


@pytest.mark.parametrize(
    ("change", "law", "message"),
    [
        ({"expert": "Lazy"}, "expert", "ends one of 4 tasks at the goal"),
        ({"expert": "Crowded"}, "expert", "do not depend on the other environments"),
        ({"kwargs": {"sizes": {1, 2}}}, "spec", "ready for JSON"),
    ],
)
def test_laws_of_rows_find_faults(
    change: dict[str, Any], law: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faulty", sys.modules[__name__])
    named: dict[str, Any] = {key: value if key == "kwargs" else f"faulty:{value}" for key, value in change.items()}
    row = dataclasses.replace(ENVS["swm/TwoRoom-v0"], **named)
    monkeypatch.setitem(ENVS._rows, "swm/Faulty-v0", row)
    spec = EnvSpec("swm/Faulty-v0", entry_point=row.target, kwargs=dict(row.kwargs))
    monkeypatch.setitem(gymnasium.registry, "swm/Faulty-v0", spec)
    with pytest.raises(AssertionError, match=f"law '{law}' is broken: .*{message}"):
        check_env("swm/Faulty-v0", [law])


def test_factor_laws_find_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    original = FactorSpace.resolve

    def careless(self: FactorSpace, request: Any, seed: int) -> Variation:
        moved = seed + (isinstance(request, str) and request not in ("all", "train"))
        return original(self, request, moved)

    monkeypatch.setattr(FactorSpace, "resolve", careless)
    with pytest.raises(AssertionError, match=r"law 'independence' is broken: .*leaves '.*position' as it was"):
        check_env(TwoRoomEnv, ["independence"])


def test_law_names_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="'effects'"):
        check_env(TwoRoomEnv, ["effect"])
    assert all(law.__doc__ for law in (*ENV_LAWS.values(), *ROW_LAWS.values()))
