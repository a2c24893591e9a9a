"""Visual factors act on pictures alone, the same at every size, by seed and step, with every executor."""

from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

import swm.envs
from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.factors import FactorSpace, Request
from swm.core.protocols import Array, StepBatch
from swm.envs import Schedule, VisualConfig, make, make_executor, with_visual_factors
from swm.envs.adapters import linear
from swm.envs.adapters.visual import FACTORS, Filter
from swm.envs.adapters.visual_background import dominant_color, load_media
from swm.envs.base import FactoredEnv
from swm.testing import ENV_LAWS, check_env

TWO_ROOM = "swm/TwoRoom-v0"
COLORS = np.array([[220, 50, 47], [38, 139, 210], [133, 153, 0], [181, 137, 0], [108, 113, 196]])


class Panel(FactoredEnv):
    """A panel of coloured stripes with a slider, and no factors of its own."""

    factors = FactorSpace(())
    state_names = goal_names = ("x",)

    def __init__(self, image_size: int | tuple[int, int] = 64, render_mode: str | None = "rgb_array") -> None:
        super().__init__(image_size, render_mode)
        pixels = spaces.Box(0, 255, (*self.image_size, 3), np.uint8)
        self.goal_space = spaces.Box(0.0, 1.0, (1,), np.float64)
        self.observation_space = spaces.Dict({"pixels": pixels, "state": self.goal_space})
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def _begin(self, variation: Any, seed: int) -> None:
        self._x, self._target = np.random.default_rng(seed).uniform([0.0, 0.6], [0.4, 1.0]).tolist()

    def _advance(self, action: Array) -> tuple[float, bool]:
        self._x = float(np.clip(self._x + 0.1 * action[0], 0, 1))
        return 0.0, False

    def _observe(self) -> dict[str, Array]:
        return {"pixels": self._draw(self._x), "state": np.array([self._x])}

    def _draw(self, x: float) -> Array:
        return panel(self.image_size, x)

    def _goal(self) -> tuple[Array, bool, float]:
        return np.array([self._target]), abs(self._x - self._target) < 0.05, abs(self._x - self._target)

    def get_state(self) -> Array:
        return np.array([self._x])

    def set_state(self, state: Array) -> None:
        self._x = self._place(state)

    def sample_goal(self, rng: np.random.Generator) -> Array:
        return rng.uniform(0, 1, 1)

    def set_goal(self, goal: Array) -> None:
        self._target = self._place(goal)

    def goal_state(self) -> Array:
        return np.array([self._target])

    def goal_pixels(self) -> Array:
        return self._draw(self._target)

    @staticmethod
    def _place(value: Array) -> float:
        if np.shape(value) != (1,) or not 0 <= value[0] <= 1:
            raise InvalidValueError(f"a place is one number from 0 to 1, got {value!r}.")
        return float(value[0])


def panel(image_size: tuple[int, int], x: float = 0.3) -> Array:
    """Stripes on the upper part of a grey picture, and a white bar whose width is `x`."""
    height, width = image_size
    picture = np.full((height, width, 3), 100, np.uint8)
    picture[: height // 4] = COLORS[np.arange(width) * len(COLORS) // width]
    picture[height // 2 : height * 3 // 4, : int(x * width)] = 255
    return picture


def visual_panel(**kwargs: Any) -> FactoredEnv:
    return with_visual_factors(Panel(**kwargs))


def top(name: str) -> Any:
    """The value of a factor at its upper edge."""
    space = FACTORS[name].space
    assert isinstance(space, spaces.Box)
    return space.high


def camera_of(image_size: tuple[int, int], **config: Any) -> Filter:
    chosen = VisualConfig(**config)
    return Filter(chosen, image_size, chosen.frames(image_size))


def filtered(values: dict[str, Any], picture: Array, step: int = 0, **config: Any) -> Array:
    """What the visual factors at `values` make of a picture, `step` steps after the reset of seed 3."""
    camera = camera_of(picture.shape[:2], **config)
    camera.begin({f"visual.{name}": value for name, value in values.items()}, 3, picture)
    for _ in range(step):
        camera.advance()
    return camera(picture)


# ------------------------------------------------------------------------------------------ laws


@pytest.mark.parametrize("law", ENV_LAWS)
def test_laws_over_a_panel(law: str) -> None:
    check_env(visual_panel, [law])


@pytest.mark.parametrize(
    "law", [pytest.param(law, marks=pytest.mark.slow) if law in ("effects", "shifts") else law for law in ENV_LAWS]
)
def test_laws_over_two_room(law: str) -> None:
    check_env(partial(make, TWO_ROOM, visual="all"), [law])


@pytest.mark.parametrize("name", FACTORS)
def test_each_factor_shows_the_same_at_every_size(name: str) -> None:
    pictures = []
    for size in (32, 64, 96, 224):
        camera = camera_of((size, size))
        picture = panel((size, size), x=0.5)
        camera.begin({f"visual.{name}": top(name)}, 1, picture)
        camera.advance()
        small = camera(picture).reshape(32, size // 32, 32, size // 32, 3)
        pictures.append(small.mean(axis=(1, 3)))
    for picture in pictures:
        assert np.abs(picture - pictures[-1]).mean() < 3.0


def test_only_pictures_change() -> None:
    plain, visual = make(TWO_ROOM), make(TWO_ROOM, visual=("noise", "shift"))
    values = {"visual.noise": 0.3, "visual.shift": (0.1, 0.0)}
    seen, info = plain.reset(seed=4)
    other, other_info = visual.reset(seed=4, options={"variation": values})
    for action in np.random.default_rng(0).uniform(-1, 1, (20, 2)):
        assert np.array_equal(seen["state"], other["state"])
        assert not np.array_equal(seen["pixels"], other["pixels"])
        assert (info["success"], info["distance"]) == (other_info["success"], other_info["distance"])
        seen, reward, *ends, info = plain.step(action)
        other, other_reward, *other_ends, other_info = visual.step(action)
        assert (reward, ends) == (other_reward, other_ends)


def test_defaults_leave_every_byte() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    shown = filtered({}, picture)
    assert np.array_equal(shown, picture)
    assert not np.shares_memory(shown, picture)


@pytest.mark.parametrize("name", FACTORS)
def test_strength_grows_and_acts_at_every_step(name: str) -> None:
    picture = panel((64, 64))
    for step in (0, 9):
        changes = [
            np.abs(
                filtered({name: FACTORS[name].default + share * (top(name) - FACTORS[name].default)}, picture, step)
                - picture.astype(float)
            ).mean()
            for share in (0.3, 1.0)
        ]
        assert 0 < changes[0] < changes[1]


# --------------------------------------------------------------------------------- determinism


@pytest.mark.parametrize("name", FACTORS)
def test_a_step_is_the_same_whatever_was_drawn_before(name: str) -> None:
    picture = panel((64, 64))
    camera, jumped = camera_of((64, 64)), camera_of((64, 64))
    camera.begin({f"visual.{name}": top(name)}, 7, picture)
    jumped.begin({f"visual.{name}": top(name)}, 99, picture)
    for _ in range(6):
        camera.advance()
        camera(picture)
    jumped.state = camera.state
    assert np.array_equal(camera(picture), jumped(picture))
    assert np.array_equal(camera(picture), camera(picture))


def test_episodes_differ_by_seed_and_steps_differ_where_they_should() -> None:
    picture = panel((64, 64))
    changing = {"noise", "shake", "cutout", "moving_patch"}
    for name in FACTORS:
        camera = camera_of((64, 64))
        shown = {}
        for seed in (1, 2):
            camera.begin({f"visual.{name}": top(name)}, seed, picture)
            shown[seed, 0] = camera(picture)
            camera.advance()
            shown[seed, 1] = camera(picture)
        assert np.array_equal(shown[1, 0], shown[1, 1]) == (name not in changing)
        drawn = changing | {"occlusion", "random_conv", "background"}
        assert np.array_equal(shown[1, 0], shown[2, 0]) == (name not in drawn)


def contents(batch: StepBatch) -> list[bytes]:
    return [batch.reward.tobytes(), batch.distance.tobytes(), *(v.tobytes() for v in batch.observation.values())]


def test_the_same_with_each_executor() -> None:
    made = [make_executor(TWO_ROOM, 3, 32, executor=name, visual="all") for name in swm.envs.EXECUTORS]
    requests: list[Request] = ["all", {"visual.noise": 0.4, "agent.speed": 3.0}, ["visual"]]
    moves = np.random.default_rng(2).uniform(-1, 1, (12, 3, 2))
    single = make(TWO_ROOM, image_size=32, visual="all")
    single.reset(seed=6, options={"variation": requests[1]})
    state = np.stack([single.get_state()] * 3)
    some = np.array([False, True, False])

    def same(call: Any) -> Any:
        batches = [call(executor) for executor in made]
        assert len({tuple(contents(batch)) for batch in batches}) == 1
        assert len({repr(batch.variation) for batch in batches}) == 1
        return batches[0]

    same(lambda executor: executor.reset([5, 6, 7], requests, np.array([True, True, False])))
    assert len({executor.goal_pixels().tobytes() for executor in made}) == 1
    assert not made[0].goal_pixels()[2].any()
    same(lambda executor: executor.reset([1, 1, 1], requests, np.arange(3) == 2))
    for index, move in enumerate(moves):
        mask = np.array([True, index % 2 == 0, True])
        batch = same(lambda executor, move=move, mask=mask: executor.step(move, mask))
    same(lambda executor: executor.set_goal(batch.observation["state"], some))
    restored = same(lambda executor: executor.set_state(state, some))
    assert np.array_equal(restored.observation["pixels"][1], single.observe()[0]["pixels"])
    assert np.array_equal(restored.observation["pixels"][0], batch.observation["pixels"][0])
    for executor in made:
        executor.close()


def test_goal_pictures_come_from_the_same_camera() -> None:
    env = make(TWO_ROOM, visual=("grayscale", "noise"))
    env.reset(seed=0, options={"variation": {"visual.grayscale": 1.0}})
    picture = env.goal_pixels()
    assert np.ptp(picture.astype(int), axis=2).max() <= 1
    env.reset(seed=0)
    assert np.array_equal(env.goal_pixels(), with_goal_of(make(TWO_ROOM), 0))


def with_goal_of(env: FactoredEnv, seed: int) -> Array:
    env.reset(seed=seed)
    return env.goal_pixels()


# ----------------------------------------------------------------------------------- schedules


def test_schedules_follow_their_formulas() -> None:
    times = range(0, 41, 10)
    expected: dict[Any, list[float]] = {
        "constant": [1, 1, 1, 1, 1],
        "linear": [0, 0.5, 1, 1, 1],
        "cosine": [0, 0.5, 1, 1, 1],
        "exponential": [0, np.expm1(2.5) / np.expm1(5), 1, 1, 1],
        "sinusoidal": [0, 1, 0, 1, 0],
    }
    for shape, values in expected.items():
        schedule = Schedule(shape=shape, steps=20)
        assert np.allclose([schedule.strength(step) for step in times], values)
    falling = Schedule(shape="linear", steps=4, start=1.0, end=0.2)
    assert np.allclose([falling.strength(step) for step in range(6)], [1, 0.8, 0.6, 0.4, 0.2, 0.2])


def test_a_schedule_acts_inside_the_episode() -> None:
    picture = panel((64, 64))
    values = {"blur": 0.05, "hue": 0.3, "background": 1.0}
    ramp = {"schedule": Schedule(shape="linear", steps=10)}
    assert np.array_equal(filtered(values, picture, 0, **ramp), picture)
    assert np.array_equal(filtered(values, picture, 10, **ramp), filtered(values, picture, 10))
    half = {name: value / 2 for name, value in values.items()}
    assert np.array_equal(filtered(values, picture, 5, **ramp), filtered(half, picture, 5))


# ------------------------------------------------------------------------------------- effects


def test_colors_in_closed_form() -> None:
    picture = np.random.default_rng(1).integers(60, 120, (32, 32, 3), dtype=np.uint8)
    luma = picture @ np.array([0.299, 0.587, 0.114])
    for values in ({"grayscale": 1.0}, {"saturation": 0.0}):
        assert np.abs(filtered(values, picture) - luma[..., None]).max() <= 1
    assert np.abs(filtered({"brightness": 1.5}, picture) - 1.5 * picture).max() <= 0.51
    assert np.abs(filtered({"contrast": 0.5}, picture) - (127.5 + 0.5 * (picture - 127.5))).max() <= 0.51
    grey = np.full((16, 16, 3), 90, np.uint8)
    assert np.array_equal(filtered({"hue": 0.5, "saturation": 2.0}, grey), grey)
    turned = filtered({"hue": 0.5}, filtered({"hue": 0.5}, picture))
    assert np.abs(turned.astype(int) - picture).max() <= 2


def test_optics_in_closed_form() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    moved = filtered({"shift": (2 / 32, -1 / 32)}, picture)
    assert np.array_equal(moved[:-1, 2:], picture[1:, :-2])
    assert np.array_equal(moved[:-1, 0], picture[1:, 0])
    cells = filtered({"resolution": 0.125}, picture).reshape(8, 4, 8, 4, 3)
    assert np.ptp(cells, axis=(1, 3)).max() == 0
    assert np.abs(cells[:, 0, :, 0] - picture.reshape(8, 4, 8, 4, 3).mean(axis=(1, 3))).max() <= 0.7
    point = np.zeros((64, 64, 3), np.uint8)
    point[32, 32] = 255
    spread = filtered({"blur": 0.03}, np.repeat(np.repeat(point[:, 32:33], 64, axis=1), 1, axis=0))[:, 5, 0]
    deviation = np.sqrt(np.average((np.arange(64) - 32) ** 2, weights=spread))
    assert abs(deviation - 0.03 * 64) < 0.1


def test_static_keeps_the_share_of_the_picture_and_has_its_deviation() -> None:
    picture = np.full((64, 64, 3), 240, np.uint8)
    shown = filtered({"noise": 0.25}, picture).astype(float)
    assert abs(shown.mean() - (0.75 * 240 + 0.25 * 127.5)) < 1
    assert abs(shown.std() - 0.25 * 255 / np.sqrt(12)) < 0.5


def test_squares_cover_their_area() -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    for step in range(3):
        black = 1 - filtered({"cutout": 0.3}, white, step).mean() / 255
        assert abs(black - 0.09) < 0.001
    places = [
        np.argwhere((filtered({"moving_patch": 0.2}, white, step) != 255).any(axis=2)) for step in range(0, 90, 6)
    ]
    assert all(abs(len(place) - (0.2 * 64) ** 2) < 60 for place in places)
    assert len({place.mean(axis=0).tobytes() for place in places}) == len(places)


def test_a_background_replaces_its_color_alone() -> None:
    picture = panel((64, 64))
    grey = (picture == 100).all(axis=2)
    assert dominant_color(picture).tolist() == [100, 100, 100]
    shown = filtered({"background": 1.0}, picture, media=np.array([1, 2, 3], np.uint8))
    assert (shown[grey] == [1, 2, 3]).all()
    assert np.array_equal(shown[~grey], picture[~grey])
    keyed = filtered({"background": 1.0}, picture, media=np.array([1, 2, 3], np.uint8), key_color=(255, 255, 255))
    assert np.array_equal((keyed == [1, 2, 3]).all(axis=2), (picture == 255).all(axis=2))
    half = filtered({"background": 0.5}, picture, media=np.array([0, 0, 0], np.uint8))
    assert (half[grey] == 50).all()


def test_pictures_and_videos_as_background(tmp_path: Path) -> None:
    video = np.stack([np.full((8, 8, 3), level, np.uint8) for level in (0, 60, 200)])
    flat = np.full((32, 32, 3), 100, np.uint8)
    levels = [int(filtered({"background": 1.0}, flat, step, media=video)[0, 0, 0]) for step in range(5)]
    assert levels == [0, 60, 200, 0, 60]
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    matplotlib.image.imsave(tmp_path / "image.png", image)
    assert np.array_equal(load_media(tmp_path / "image.png"), image[None])
    for wrong in (np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), tmp_path / "none.png"):
        with pytest.raises(InvalidValueError, match=r"background is a colour|no picture or video"):
            load_media(wrong)


# ---------------------------------------------------------------------------------- linear maps


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.floats(0.1, 9.0), st.floats(-20, 20))
def test_maps_keep_a_flat_picture_flat(size: int, new_size: int, width: float, distance: float) -> None:
    maps = [linear.area(size, new_size), linear.gaussian(size, width), linear.shift(size, distance)]
    maps.append(linear.mosaic(size, max(width, 1.0)))
    for weights in maps:
        assert np.allclose(weights.sum(axis=1), 1)
        assert (weights >= -1e-12).all()
        flat = np.full((3, size, size), 8 * 77, np.float32)
        assert (linear.Separable(weights, weights)(flat) == 8 * 77).all()


def test_float32_sums_of_maps_are_exact() -> None:
    rng = np.random.default_rng(0)
    weights = rng.uniform(-1, 1, (40, 64))
    weights *= 2 / np.abs(weights).sum(axis=1, keepdims=True)
    rows = linear._quantize(weights)
    picture = rng.integers(-2 * linear.WHITE, 2 * linear.WHITE, (3, 64, 50)).astype(np.float32)
    assert np.array_equal(rows @ picture, rows.astype(np.int64) @ picture.astype(np.int64))


# ----------------------------------------------------------------------------------- bad inputs


def test_what_is_wrong_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"visual factor: 'noize'.*'noise'"):
        make(TWO_ROOM, visual="noize")
    with pytest.raises(InvalidValueError, match="no visual factor was named"):
        make(TWO_ROOM, visual=())
    with pytest.raises(InvalidValueError, match="key_color"):
        VisualConfig(key_color=(0, 0, 300))
    with pytest.raises(UnknownNameError, match=r"shape of a schedule: 'sinus'"):
        Schedule(shape="sinus")  # type: ignore[arg-type]
    for wrong in ({"steps": 0}, {"start": -0.1}, {"end": 1.5}):
        with pytest.raises(InvalidValueError, match="of a schedule"):
            Schedule(**wrong)
    env = make(TWO_ROOM, visual="visual.noise")
    assert tuple(env.factors)[-1] == "visual.noise"
    with pytest.raises(InvalidValueError, match="declared twice"):
        with_visual_factors(env, "noise")
    env.reset(seed=0)
    state, before = env.get_state(), env.get_state()
    state[0], state[-2] = 80.0, 0.5
    with pytest.raises(InvalidValueError, match="not of visual effects"):
        env.set_state(state)
    assert np.array_equal(env.get_state(), before)
