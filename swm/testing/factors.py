"""The laws of factors of variation; `swm.testing.check_env` runs them with the others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.factors import Factor, FactorSpace, Request, Variation
from swm.core.protocols import Array
from swm.envs.base import FactoredEnv
from swm.testing.common import MakeEnv, actions, equal, play, require, reset, shows

_SEEDS = 20
_SEVERITIES = (0.25, 0.5, 0.75, 1.0)
_CONTEXTS, _CONTEXTS_AT_LEAST = 12, 3
_STEPS = 40
_SMALL = 32


def requests(make_env: MakeEnv) -> None:
    """Every kind of request gives the values of `FactorSpace.resolve`, and exact values give the same episode."""
    env = make_env(image_size=_SMALL)
    space = env.factors
    kinds: list[Request] = [None, "all", "train", {}, *space, *space.groups, list(space)[:2]]
    for seed, request in enumerate(kinds):
        observation, info = reset(env, seed, request)
        variation = info["variation"]
        require(tuple(variation) == tuple(space), f"info['variation'] has every factor, in order ({request!r})")
        for name, value in variation.items():
            require(_contains(space[name], value), f"the value {value!r} of {name!r} lies in its space")
        require(variation == space.resolve(request, seed), f"the request {request!r} gives what resolve() gives")
        again = reset(env, seed, variation)
        require(
            equal(shows(observation, None, info), shows(again[0], None, again[1])), "exact values give the same episode"
        )
        plain = reset(env, seed, variation.to_json())
        require(equal(info["variation"], plain[1]["variation"]), "also after a passage through JSON")


def independence(make_env: MakeEnv) -> None:
    """Sampling one factor leaves all others as they were, unless a constraint or a requirement relates them."""
    env = make_env(image_size=_SMALL, render_mode=None)
    space = env.factors
    for seed, name in enumerate(space):
        plain, varied = reset(env, seed, None)[1]["variation"], reset(env, seed, name)[1]["variation"]
        related = {other for c in space.constraints if name in c.names for other in c.names} | {
            name,
            *space[name].requires,
        }
        for other in space:
            require(
                other in related or equal(plain[other], varied[other]), f"sampling {name!r} leaves {other!r} as it was"
            )
    require(
        equal(reset(env, 0, None), reset(env, 0, {})), "a reset is the same whether or not the option is given empty"
    )


def shifts(make_env: MakeEnv) -> None:
    """Every factor can be shifted at every severity, to values outside its train range."""
    space = make_env().factors
    for name, factor in space.items():
        for severity in _SEVERITIES:
            for seed in range(_SEEDS):
                value = space.shift({name: severity}, seed)[name]
                require(_contains(factor, value), f"{name!r} at severity {severity} lies in its space")
                require(not factor.in_train(value), f"{name!r} at severity {severity} is held out")
    for seed in range(_SEEDS):
        train = space.resolve("train", seed)
        require(all(space[name].in_train(value) for name, value in train.items()), "'train' stays in the train ranges")


@dataclass(frozen=True)
class _Seen:
    """What an episode of fixed actions shows."""

    picture: Array
    states: list[Array]
    goal: Array


def effects(make_env: MakeEnv) -> None:
    """Every factor acts, and only as its kind allows.

    A visual factor changes pictures alone; a physical one changes the motion but not the first
    observation; a geometric one may change both; a task factor changes the first state or the goal.
    """
    shown, blind = make_env(), make_env(render_mode=None)
    bases: dict[Variation, _Seen] = {}
    for name, factor in shown.factors.items():
        acts = False
        for context, (base, changed) in enumerate(_pairs(shown.factors, name), start=1):
            if base not in bases:
                bases[base] = _watch(shown, blind, base)
            a, b = bases[base], _watch(shown, blind, changed)
            same_picture, same_start = equal(a.picture, b.picture), equal(a.states[0], b.states[0])
            same_motion, same_goal = equal(a.states, b.states), equal(a.goal, b.goal)
            if factor.kind == "visual":
                require(same_motion and same_goal, f"the visual factor {name!r} changes pictures alone")
                acts |= not same_picture
            elif factor.kind == "physical":
                require(same_picture and same_start, f"the physical factor {name!r} leaves the first observation")
                require(same_goal, f"the physical factor {name!r} leaves the goal")
                acts |= not same_motion
            elif factor.kind == "geometric":
                acts |= not (same_picture and same_motion)
            else:
                acts |= not (same_start and same_goal)
            if acts and context >= _CONTEXTS_AT_LEAST:
                break
        require(acts, f"the {factor.kind} factor {name!r} has an effect")


def _pairs(space: FactorSpace, name: str) -> Iterator[tuple[Variation, Variation]]:
    """Variations that differ in one factor alone: first from a default reset, with what the factor requires."""
    for context in range(_CONTEXTS):
        base = space.resolve("all" if context else dict(space[name].requires), context)
        rng = np.random.default_rng(context)
        for _ in range(_CONTEXTS):
            value = space[name].sample_shift(1.0, rng)
            if equal(np.asarray(value), np.asarray(base[name])):
                continue
            try:
                yield base, space.complete({**base, name: value})
            except InvalidValueError:  # the constraints exclude it here
                continue
            break


def _watch(shown: FactoredEnv, blind: FactoredEnv, variation: Mapping[str, Any]) -> _Seen:
    """The first picture of an episode, and the motion, which needs no pictures."""
    picture = reset(shown, 0, variation)[0]["pixels"]
    observation, info = reset(blind, 0, variation)
    states = [row[0]["state"] for row in play(blind, observation, info, actions(blind, _STEPS))]
    return _Seen(picture, states, info["goal"])


def _contains(factor: Factor, value: Any) -> bool:
    return bool(factor.space.contains(np.asarray(value, factor.space.dtype)))
