"""Factors that set the number of one element or scale those of a group."""

from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError
from swm.core.factors import Kind
from swm.core.protocols import Array
from swm.core.spaces import scalar
from swm.envs.mujoco.factor import Edit, ModelFactor, read_field

Limits = tuple[float, float] | None
"""Lowest and highest value, in the factor's own unit; None derives them from the model."""

_SPAN = (0.5, 2.0)
"""Default limits as multiples of the model's value."""


def number(
    name: str,
    kind: Kind,
    edit: Edit,
    fields: tuple[str, ...],
    *,
    default: float,
    limits: tuple[float, float],
    train: Limits,
    unit: str,
    summary: str,
) -> ModelFactor:
    """A factor of one real number.

    Raises:
        InvalidValueError: the default does not lie strictly or at an edge within `limits`, or these are one point.
    """
    low, high = sorted(limits)
    if not low <= default <= high or low == high:
        raise InvalidValueError(
            f"factor {name!r}: the model's value {default:g} must lie in the limits, and these must be two different "
            f"numbers; they are {low:g} and {high:g}."
        )
    return ModelFactor(
        name=name,
        kind=kind,
        space=scalar(low, high),
        default=default,
        train=None if train is None else spaces.Box(train[0], train[1], (), np.float64),
        unit=unit,
        summary=summary,
        edit=edit,
        fields=fields,
    )


def multiple(
    name: str, kind: Kind, edit: Edit, fields: tuple[str, ...], *, limits: Limits, train: Limits, summary: str
) -> ModelFactor:
    """A factor that multiplies what the model has: default 1, from 0.5 to 2 unless `limits` says otherwise."""
    limits = _SPAN if limits is None else limits
    return number(name, kind, edit, fields, default=1.0, limits=limits, train=train, unit="times", summary=summary)


def scaled_field(
    model: mujoco.MjModel,
    name: str,
    field: str,
    rows: Array,
    *,
    limits: Limits,
    train: Limits,
    unit: str,
    summary: str,
    kind: Kind = "physical",
    columns: Any = (),
) -> ModelFactor:
    """A factor of one field: the value of a single entry in `unit`, or a multiple for several entries.

    Args:
        model: the compiled model, for the default.
        name: the factor's name.
        field: a field of the model, an array with a row per element.
        rows: indices of the elements (n,).
        limits: lowest and highest value; None is 0.5 to 2 times the model's value.
        train: the range in training; None is the default alone.
        unit: of a single entry.
        summary: one line.
        kind: the factor's kind.
        columns: further index into the rows, for fields with several numbers per element.

    Raises:
        InvalidValueError: all entries are 0 and a multiple of them would do nothing.
    """
    index = (rows, *columns)
    values = np.asarray(read_field(model, field)[index]).ravel()
    single = len(values) == 1
    if not values.any() and (limits is None or not single):
        raise InvalidValueError(
            f"factor {name!r}: {field} is 0 there, and multiples of 0 do nothing; "
            "select one element and give limits, or leave the factor out."
        )

    if not single:

        def scale(target: mujoco.MjModel, value: float) -> None:
            read_field(target, field)[index] *= value

        return multiple(name, kind, scale, (field,), limits=limits, train=train, summary=f"{summary}, as a multiple")

    def put(target: mujoco.MjModel, value: float) -> None:
        read_field(target, field)[index] = value

    default = float(values[0])
    limits = (_SPAN[0] * default, _SPAN[1] * default) if limits is None else limits
    return number(name, kind, put, (field,), default=default, limits=limits, train=train, unit=unit, summary=summary)
