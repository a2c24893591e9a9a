"""Rules that say when an episode of a Gymnasium environment succeeds: there is no default that guesses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from swm.core.errors import UnknownNameError

Rule = Callable[[Mapping[str, Any], float, bool, Any], bool]
"""``(info, reward, terminated, observation) -> success``, of the transition that was just made.

At a reset the reward is 0 and `terminated` false. To be sent to other processes it must be picklable.
"""


def _is_success(info: Mapping[str, Any], reward: float, terminated: bool, observation: Any) -> bool:
    return bool(info.get("is_success", False))


def _success(info: Mapping[str, Any], reward: float, terminated: bool, observation: Any) -> bool:
    return bool(info.get("success", False))


def _reward(info: Mapping[str, Any], reward: float, terminated: bool, observation: Any) -> bool:
    return reward > 0


def _terminated(info: Mapping[str, Any], reward: float, terminated: bool, observation: Any) -> bool:
    return terminated


RULES: dict[str, Rule] = {
    "is_success": _is_success,
    "success": _success,
    "reward>0": _reward,
    "terminated": _terminated,
}
"""The named rules. ``"is_success"`` and ``"success"`` read that key of the info. ``"terminated"`` is right only where
the goal is the sole end of an episode: elsewhere it would count a death as a success."""


@dataclass(frozen=True)
class Achieved:
    """The rule that an achievement of Craftax was made, in this step or before."""

    name: str
    """For example ``"collect_wood"``."""

    def __call__(self, info: Mapping[str, Any], reward: float, terminated: bool, observation: Any) -> bool:
        """Whether the achievement is among those of the info."""
        return self.name in info.get("achievements", ())


def find_rule(rule: str | Rule | None) -> Rule | None:
    """Return the rule of a name; a function or None as it is.

    Raises:
        UnknownNameError: no rule has this name.
    """
    if isinstance(rule, str):
        if rule not in RULES:
            raise UnknownNameError("success rule", rule, RULES)
        return RULES[rule]
    return rule
