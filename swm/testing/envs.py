"""What every environment of the suite must do: one function per law, and `check_env` for all of them.

Each law takes a factory ``make_env(**kwargs) -> FactoredEnv`` and raises AssertionError with a
message that says what was broken. The laws about factors are in `swm.testing.factors`, those about
rows of the table of environments in `swm.testing.rows`. Pictures are small, or not drawn at all,
where a law is not about them.
"""

import gc
import pickle
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env as gymnasium_check_env

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.factors import Request, Variation
from swm.core.spaces import action_bounds, action_shape
from swm.envs import make
from swm.envs.base import FactoredEnv
from swm.testing import factors
from swm.testing.common import MakeEnv, actions, average, equal, play, require, reset, resident_memory, shows
from swm.testing.rows import ROW_LAWS

_SMALL = 32
"""Side of the pictures where only their equality matters."""
_SIZES = (32, 64, 96, 224)
_SIZE_TOLERANCE = 3.0
"""Largest mean difference between two sizes after area averaging, of 255."""
_RESETS = 40
_GROWTH = 16 * 2**20
"""How much the process may grow over the resets of the law `leaks`, in bytes."""


def check_env(env: str | MakeEnv, laws: Iterable[str] | None = None) -> None:
    """Check that an environment keeps the laws of `ENV_LAWS` and, if it is given by its id, of `ROW_LAWS`.

    Args:
        env: an id of `swm.envs.ENVS`, or a factory that takes the environment's keyword arguments
            ``image_size`` and ``render_mode`` and returns a `FactoredEnv`.
        laws: names of the laws to check; None is all.

    Raises:
        AssertionError: a law is broken; the message names it.
        UnknownNameError: a name is no law of what was given.
    """
    checks: dict[str, Callable[[], None]]
    if isinstance(env, str):
        checks = {name: partial(law, partial(make, env)) for name, law in ENV_LAWS.items()}
        checks.update({name: partial(law, env) for name, law in ROW_LAWS.items()})
    else:
        checks = {name: partial(law, env) for name, law in ENV_LAWS.items()}
    for name in checks if laws is None else laws:
        if name not in checks:
            raise UnknownNameError("law of environments", name, checks)
        try:
            checks[name]()
        except AssertionError as error:
            raise AssertionError(f"law {name!r} is broken: {error}") from error


def gymnasium(make_env: MakeEnv) -> None:
    """Gymnasium's own checker passes."""
    env = make_env(image_size=_SMALL)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*A Box observation space (min|max)imum value is -?infinity")
        gymnasium_check_env(env, skip_render_check=True)
    env.reset(seed=0)
    picture = env.render()
    require(isinstance(picture, np.ndarray), "render() returns an array")
    require(equal(picture, env.observe()[0]["pixels"]), "render() is the observation's picture")
    env.close()


def observations(make_env: MakeEnv) -> None:
    """Observations lie in their space; info has variation, goal, success and distance, of the right types."""
    env = make_env(image_size=_SMALL)
    require(
        env.observation_space["state"].shape == (len(env.state_names),),
        "state_names has a name for each entry of state",
    )
    require(len(set(env.state_names)) == len(env.state_names), "the names of state's entries differ")
    for request in (None, "all"):
        for observation, _, info in play(env, *reset(env, 3, request), actions(env, 20)):
            require(env.observation_space.contains(observation), "the observation lies in observation_space")
            for name, space in env.observation_space.items():
                require(observation[name].dtype == space.dtype, f"{name!r} has the dtype of its space, {space.dtype}")
            require(observation["pixels"].dtype == np.uint8, "pixels are uint8")
            require(isinstance(info["variation"], Variation), "info['variation'] is a Variation")
            require(info["goal"].dtype == np.float64, "info['goal'] is float64")
            require(env.goal_space.contains(info["goal"]), "info['goal'] lies in goal_space")
            require(type(info["success"]) is bool, "info['success'] is a bool")
            require(
                type(info["distance"]) is float and info["distance"] >= 0, "info['distance'] is a float of at least 0"
            )


def determinism(make_env: MakeEnv) -> None:
    """Same seed, request and actions, same bytes: in another copy, and after another episode in the same one."""
    used = make_env(image_size=_SMALL)
    for request in (None, "all", "train"):
        expected = _episode(make_env(image_size=_SMALL), 5, request)
        _episode(used, 6, "all")
        require(
            equal(expected, _episode(used, 5, request)),
            f"a copy that has played other episodes shows what a new one shows, for the request {request!r}",
        )
    require(not equal(_episode(used, 5, None), _episode(used, 6, None)), "other seeds give other episodes")


def seeding(make_env: MakeEnv) -> None:
    """Without a seed, reset draws exactly one integer from np_random, which is the episode's seed."""
    env, other = make_env(image_size=_SMALL), make_env(image_size=_SMALL)
    env.reset(seed=8)
    drawn = np.random.Generator(type(env.np_random.bit_generator)())
    drawn.bit_generator.state = env.np_random.bit_generator.state
    seed = int(drawn.integers(np.iinfo(np.int64).max))
    require(equal(env.reset(), other.reset(seed=seed)), "reset() is reset(seed=the integer drawn from np_random)")
    require(env.np_random.bit_generator.state == drawn.bit_generator.state, "reset() draws one integer from np_random")


def states(make_env: MakeEnv) -> None:
    """set_state(get_state()) continues exactly, in the same copy and in another one of the same variation."""
    env, other = make_env(image_size=_SMALL), make_env(image_size=_SMALL)
    for request in (None, "all"):
        _, info = reset(env, 2, request)
        list(play(env, {}, info, actions(env, 10)))
        state, moves = env.get_state(), actions(env, 50, seed=1)
        require(state.dtype == np.float64 and state.ndim == 1, "get_state() is a float64 vector")
        expected = [shows(*row) for row in play(env, *env.observe(), moves)]
        env.set_state(state)
        require(equal(state, env.get_state()), "get_state() gives back what set_state() took")
        require(
            equal(expected, [shows(*row) for row in play(env, *env.observe(), moves)]),
            "a saved state continues exactly",
        )
        other.reset(seed=99, options={"variation": info["variation"]})
        other.set_goal(info["goal"])
        other.set_state(state)
        require(equal(expected, [shows(*row) for row in play(other, *other.observe(), moves)]), "also in another copy")


def memory(make_env: MakeEnv) -> None:
    """Returned arrays belong to the caller: they never change later, and writing to them changes nothing."""
    env = make_env(image_size=_SMALL)
    seen = [(observation, info["goal"]) for observation, _, info in play(env, *reset(env, 1, None), actions(env, 5))]
    seen += [({"pixels": env.goal_pixels(), "state": env.get_state()}, env.observe()[1]["goal"])]
    arrays = [array for observation, goal in seen for array in (*observation.values(), goal)]
    for index, array in enumerate(arrays):
        require(not any(np.shares_memory(array, later) for later in arrays[index + 1 :]), "no two arrays share memory")
    expected = shows(env.observe()[0], None, env.observe()[1])
    for array in arrays:
        array[...] = 0
    require(
        equal(expected, shows(env.observe()[0], None, env.observe()[1])), "writing to returned arrays changes nothing"
    )


def success(make_env: MakeEnv) -> None:
    """No episode begins solved, and at the goal each is."""
    env = make_env(render_mode=None)
    for seed in range(10):
        for request in (None, "train", "all"):
            _, info = reset(env, seed, request)
            require(not info["success"], f"the episode of seed {seed} and request {request!r} does not begin solved")
            env.set_state(env.goal_state())
            _, at_goal = env.observe()
            require(at_goal["success"], "the state goal_state() is a success")
            require(at_goal["distance"] < info["distance"], "the distance at the goal is the smaller one")


def goals(make_env: MakeEnv) -> None:
    """Goals can be sampled and set, also from states; goal_pixels() is the picture at the goal."""
    env = make_env(image_size=_SMALL)
    for seed, request in enumerate((None, "train", "all", "all")):
        _, info = reset(env, seed, request)
        rng = np.random.default_rng(seed)
        goal = env.sample_goal(rng)
        require(env.goal_space.contains(goal), "sample_goal() lies in goal_space")
        require(equal(env.observe()[1]["goal"], info["goal"]), "sample_goal() does not set the goal")
        env.set_goal(goal)
        require(equal(env.observe()[1]["goal"], goal), "info['goal'] is the goal that was set")
        before = env.get_state()
        picture = env.goal_pixels()
        require(equal(before, env.get_state()), "goal_pixels() leaves the state as it was")
        env.set_state(env.goal_state())
        require(equal(picture, env.observe()[0]["pixels"]), "goal_pixels() is the picture at the goal")
        for state in (before, env.observe()[0]["state"]):
            env.set_goal(state)
        require(env.observe()[1]["success"], "set_goal(the current state) is a success at once")


def sizes(make_env: MakeEnv) -> None:
    """Pictures of all sizes show the same; neither size nor render mode changes anything but the picture."""
    envs = [make_env(image_size=size) for size in _SIZES]
    blind = make_env(image_size=_SIZES[0], render_mode=None)
    for seed, request in ((0, None), (1, "all")):
        pictures, plain = [], []
        for env in (*envs, blind):
            rows = list(play(env, *reset(env, seed, request), actions(env, 5)))
            pictures.append(rows[-1][0]["pixels"])
            plain.append([shows({**row[0], "pixels": np.zeros(0)}, *row[1:]) for row in rows])
        require(equal(plain[:1] * len(plain), plain), "size and render mode do not change states, rewards or goals")
        for size, picture in zip(_SIZES, pictures, strict=False):
            require(picture.shape == (size, size, 3), f"pixels have the size {size} that was asked for")
            gap = float(np.abs(average(picture, _SIZES[0]) - average(pictures[len(_SIZES) - 1], _SIZES[0])).mean())
            require(
                gap < _SIZE_TOLERANCE, f"sizes {size} and {_SIZES[-1]} show the same (mean difference {gap:.2f} of 255)"
            )
    tall = make_env(image_size=(48, 32))
    require(reset(tall, 0, None)[0]["pixels"].shape == (48, 32, 3), "image_size may be (height, width)")


def leaks(make_env: MakeEnv, resets: int = _RESETS) -> None:
    """Many episodes with all factors drawn leave neither memory nor any trace in the default episode."""
    env = make_env(image_size=_SMALL)
    expected = _episode(env, 0, None)
    for seed in range(resets // 4):
        _begin(env, seed)
    gc.collect()
    before = resident_memory()
    for seed in range(resets):
        _begin(env, seed)
    gc.collect()
    growth = resident_memory() - before
    require(growth < _GROWTH, f"{resets} episodes keep less than {_GROWTH >> 20} MiB (they kept {growth >> 20} MiB)")
    require(equal(expected, _episode(env, 0, None)), "the default episode is the same before and after them")


def pickling(make_env: MakeEnv) -> None:
    """A pickled copy continues like the original."""
    env = make_env(image_size=_SMALL)
    reset(env, 4, "all")
    copy: FactoredEnv = pickle.loads(pickle.dumps(env))
    moves = actions(env, 10)
    rows = [[shows(*row) for row in play(each, *each.observe(), moves)] for each in (env, copy)]
    require(equal(*rows), "the copy continues like the original")
    require(equal(env.reset(), copy.reset()), "and draws the same next episode")


def bad_inputs(make_env: MakeEnv) -> None:
    """What is wrong is refused with an error of the suite, before anything changes."""
    env = make_env(image_size=_SMALL)
    shape, (low, high) = action_shape(env.action_space), action_bounds(env.action_space)
    _refused(InvalidValueError, "step() before the first reset", env.step, np.zeros(shape))
    reset(env, 0, None)
    before = shows(env.observe()[0], None, env.observe()[1])
    state, goal = env.get_state(), env.observe()[1]["goal"]
    for name, action in (
        ("a longer action", np.zeros((*shape, len(shape) + 1))),
        ("an action of NaN", np.full(shape, np.nan)),
        ("an infinite action", np.full(shape, np.inf)),
        ("a text as action", "left"),
    ):
        _refused(InvalidValueError, name, env.step, action)
    for name, call, value in (("state", env.set_state, state), ("goal", env.set_goal, goal)):
        _refused(InvalidValueError, f"a {name} that is too long", call, np.zeros(len(state) + 1))
        _refused(InvalidValueError, f"a {name} of NaN", call, np.full_like(value, np.nan))
    for name, options in (
        ("an unknown option", {"variations": None}),
        ("an unknown factor", {"variation": ["no.such.factor"]}),
        ("an exact value of an unknown factor", {"variation": {"no.such.factor": 1}}),
    ):
        _refused(UnknownNameError, name, partial(env.reset, seed=1), options=options)
    for size in (15, 1025, "64", (64,), 64.0, True):
        _refused(InvalidValueError, f"image_size={size!r}", make_env, image_size=size)
    _refused(UnknownNameError, "an unknown render_mode", make_env, render_mode="human")
    require(equal(before, shows(env.observe()[0], None, env.observe()[1])), "refused calls change nothing")
    if not isinstance(env.action_space, spaces.Box):
        for action in (high + 1, low - 1, low + 0.5):
            _refused(InvalidValueError, f"the action {action} outside a discrete space", env.step, action)
        return
    results = []
    for action in (high, high + 7, low, low - 7):
        env.set_state(state)
        results.append(shows(*next(iter(play(env, {}, {}, [action], skip_first=True)))))
    require(
        equal(results[0], results[1]) and equal(results[2], results[3]), "actions outside the space are clipped to it"
    )


def _episode(env: FactoredEnv, seed: int, request: Request) -> list[Any]:
    return [shows(*row) for row in play(env, *reset(env, seed, request), actions(env, 15))]


def _begin(env: FactoredEnv, seed: int) -> None:
    """Begin an episode with all factors drawn and take a step of it."""
    reset(env, seed, "all")
    env.step(actions(env, 1)[0])


def _refused(kind: type[Exception], what: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    try:
        call(*args, **kwargs)
    except kind:
        return
    except Exception as error:
        raise AssertionError(f"{what} must be refused with {kind.__name__}, not with {error!r}") from error
    raise AssertionError(f"{what} must be refused with {kind.__name__}")


ENV_LAWS: dict[str, Callable[[MakeEnv], None]] = {
    law.__name__: law
    for law in (
        gymnasium,
        observations,
        determinism,
        seeding,
        factors.requests,
        factors.independence,
        factors.effects,
        factors.shifts,
        states,
        memory,
        success,
        goals,
        sizes,
        pickling,
        leaks,
        bad_inputs,
    )
}
"""Every law: name -> function of a factory."""
