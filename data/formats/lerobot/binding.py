"""Which feature of a LeRobot dataset each column is read from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swm.core.config import from_json, to_json
from swm.data.columns import DTYPES, Column
from swm.data.encoded import Codec, VideoCodec
from swm.data.episode import TRANSITIONS
from swm.data.formats.lerobot.layout import CLOCK, TASK_INDEX, Feature, Info
from swm.data.formats.lerobot.naming import TASK, TRANSITION_OF, VALID, component_of


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A column and where its values are."""

    column: Column
    feature: str | None
    """None if the source has nothing of the kind: every value is zero, false or empty."""


def bind(info: Info, recorded: Sequence[Mapping[str, Any]] | None) -> tuple[dict[str, Binding], list[str]]:
    """Choose the column of each feature.

    Args:
        info: of the dataset.
        recorded: what `describe` returned when it was written; None for the datasets of others.

    Returns:
        Column -> binding, and one sentence per thing that is missing or left out.

    Raises:
        KeyError, TypeError, ValueError: what was recorded is damaged.
    """
    if recorded is not None:
        return _recorded(info, recorded), []
    bindings: dict[str, Binding] = {}
    notes: list[str] = []
    for name, feature in info.features.items():
        if name in CLOCK or name in (TASK_INDEX, VALID):
            continue
        if _is_transition(name, feature):
            column = _column(TRANSITION_OF[name], feature, "transition")
        elif (reason := _unreadable(feature)) is not None:
            notes.append(f"The feature {name!r} is left out: {reason}.")
            continue
        else:
            column = _column(component_of(name, {*TRANSITIONS, TASK, *bindings}), feature, "observation")
        bindings[column.name] = Binding(column=column, feature=name)
    if TASK_INDEX in info.features:
        column = Column(name=TASK, dtype="str", shape=(), role="observation")
        bindings[TASK] = Binding(column=column, feature=TASK_INDEX)
    return _completed(bindings, notes), notes


def _recorded(info: Info, recorded: Sequence[Mapping[str, Any]]) -> dict[str, Binding]:
    """The bindings that `describe` left."""
    found = {}
    for given in recorded:
        facts = dict(given)
        feature = facts.pop("feature")
        column = from_json(Column, facts)
        if feature is not None and feature not in info.features:
            raise ValueError(f"the column {column.name!r} is stored in {feature!r}, which is no feature")
        found[column.name] = Binding(column=column, feature=feature)
    return found


def describe(bindings: Iterable[Binding]) -> list[dict[str, Any]]:
    """What `bind` needs to restore the columns exactly, JSON-ready."""
    return [{**to_json(binding.column), "feature": binding.feature} for binding in bindings]


def _is_transition(name: str, feature: Feature) -> bool:
    """Whether it is one of LeRobot's names for what belongs to a transition, and has the form of one."""
    if name not in TRANSITION_OF or feature.is_camera:
        return False
    if name == "action":
        return _unreadable(feature) is None
    numeric = feature.dtype in DTYPES and feature.dtype != "str"
    return numeric and feature.shape in ((), (1,))


def _unreadable(feature: Feature) -> str | None:
    """Why a feature cannot become a column, or None."""
    if feature.is_camera:
        if len(feature.shape) != 3 or _picture(feature)[2] not in (1, 3) or not min(feature.shape):
            return f"pictures of shape {feature.shape} have neither one nor three channels"
        return None
    if feature.dtype == "string":
        return None if feature.shape in ((), (1,)) else f"it holds texts of shape {feature.shape} per frame"
    if feature.dtype not in DTYPES or feature.dtype == "str":
        return f"its dtype is {feature.dtype!r}"
    return None


def _picture(feature: Feature) -> tuple[int, ...]:
    shape = feature.shape
    return (*shape[1:], shape[0]) if feature.channels_first else shape


def _column(name: str, feature: Feature, role: Any) -> Column:
    if feature.is_camera:
        return Column(name=name, dtype="uint8", shape=_picture(feature), role=role, codec=_codec(feature))
    if feature.dtype == "string":
        return Column(name=name, dtype="str", shape=(), role=role)
    if name in ("terminated", "truncated", "success"):
        return Column(name=name, dtype="bool", shape=(), role=role)
    return Column(name=name, dtype=feature.dtype, shape=() if name == "reward" else feature.shape, role=role)


def _codec(feature: Feature) -> Codec | VideoCodec:
    """How the pictures are stored; of codecs that this package does not write, the nearest."""
    if feature.dtype == "image":
        return "png"
    return "av1" if "av1" in str(feature.info.get("video.codec")) else "h264"


def _completed(bindings: Mapping[str, Binding], notes: list[str]) -> dict[str, Binding]:
    """Observations first, then every transition, with stand-ins for what the source lacks."""
    stand_ins = {
        "action": ("float32", (0,), "The source has no action: its actions have no element."),
        "reward": ("float32", (), "The source has no reward: it is 0 everywhere."),
        "terminated": ("bool", (), "The source does not say which transitions terminate: none does."),
        "truncated": ("bool", (), "The source does not say which transitions are truncated: none is."),
        "success": ("bool", (), "The source does not say which transitions succeed: none does."),
    }
    ordered = {name: binding for name, binding in bindings.items() if name not in TRANSITIONS}
    for name in TRANSITIONS:
        dtype, shape, note = stand_ins[name]
        missing = Binding(column=Column(name=name, dtype=dtype, shape=shape, role="transition"), feature=None)
        ordered[name] = bindings.get(name, missing)
        if name not in bindings:
            notes.append(note)
    return ordered
