"""Normalisers: exactly invertible maps between the values of a column and a common range."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError, ShapeError, UnknownNameError
from swm.data.statistics import Floats, Statistics

if TYPE_CHECKING:
    import torch

Method = Literal["zscore", "minmax", "quantile", "identity"]
"""What is mapped to what: mean and standard deviation to 0 and 1; minimum and maximum, or the quantiles
at 0.01 and 0.99, to -1 and 1; everything to itself."""

_SCHEMA = 1
_FACTS = ("method", "column", "split", "fingerprint")
_RESOLUTION = 1e-6
"""Of the magnitude of a value: a spread below this is rounding noise in float32, not a signal."""
_TINY = 1e-30
_SMALL_INTEGERS = ("bool", "int8", "uint8", "int16", "uint16")


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalizer:
    """The map ``y = (x - offset) / scale`` per entry, of shape S: of a step's number, or a picture's channel.

    Every method is such a map; values outside the measured range are not clipped, so `denormalize`
    is the exact inverse. An entry that does not vary, or by less than a millionth of its magnitude,
    is centred and not scaled.
    """

    method: Method
    offset: Floats
    """Shape S."""
    scale: Floats
    """Shape S, positive."""
    statistics: Statistics
    """What it was made from."""
    column: str = ""
    split: str = ""
    fingerprint: str = ""
    """Of the dataset that was measured (`Dataset.fingerprint`)."""

    def __post_init__(self) -> None:
        """Check the figures.

        Raises:
            UnknownNameError: no such method.
            ShapeError: offset and scale of different shapes.
            InvalidValueError: figures that are not finite, or a scale that is not positive.
        """
        if self.method not in get_args(Method):
            raise UnknownNameError("method of normalisation", self.method, get_args(Method))
        if self.offset.shape != self.scale.shape:
            raise ShapeError("scale of a normaliser", f"shape {self.offset.shape}", f"shape {self.scale.shape}")
        bad = ~(np.isfinite(self.offset) & np.isfinite(self.scale) & (self.scale > 0))
        if bad.any():
            raise InvalidValueError(
                f"{self.column or 'the column'!r} cannot be normalised by {self.method!r}: the entries "
                f"{np.flatnonzero(bad).tolist()} have no finite value to measure. Leave them out, or repair the data."
            )

    @classmethod
    def from_statistics(
        cls,
        statistics: Statistics,
        method: Method = "zscore",
        *,
        column: str = "",
        split: str = "",
        fingerprint: str = "",
    ) -> "Normalizer":
        """Build from what was measured; `Dataset.normalizer` does both.

        Args:
            statistics: of the column.
            method: ``"zscore"``, ``"minmax"``, ``"quantile"`` or ``"identity"``. Where 98 % of the
                values of an entry are one number, ``"quantile"`` takes the range instead.
            column: name of what was measured, for messages and records.
            split: of what was measured.
            fingerprint: of the dataset that was measured.

        Raises:
            UnknownNameError: no such method.
            InvalidValueError: an entry has no finite value.
        """
        offset, scale = _affine(statistics, method)
        return cls(
            method=method,
            offset=offset,
            scale=scale,
            statistics=statistics,
            column=column,
            split=split,
            fingerprint=fingerprint,
        )

    @overload
    def normalize(self, x: NDArray[Any]) -> NDArray[Any]: ...
    @overload
    def normalize(self, x: "torch.Tensor") -> "torch.Tensor": ...
    def normalize(self, x: Any) -> Any:
        """Map values to the common range.

        Args:
            x: array or tensor (..., *S). Floats keep their dtype; integers and booleans of up to
                16 bits become float32, others float64. Half precisions are computed in float32.
                A tensor keeps its device, and gradients flow through.

        Raises:
            ShapeError: the shape does not end with S, or the dtype has no numbers.
        """
        return self._apply(x, lambda values, offset, scale: (values - offset) / scale)

    @overload
    def denormalize(self, y: NDArray[Any]) -> NDArray[Any]: ...
    @overload
    def denormalize(self, y: "torch.Tensor") -> "torch.Tensor": ...
    def denormalize(self, y: Any) -> Any:
        """The inverse of `normalize`, with the same rules."""
        return self._apply(y, lambda values, offset, scale: values * scale + offset)

    def for_blocks(self, frame_skip: int) -> "Normalizer":
        """A normaliser for blocks (..., frame_skip * A) of consecutive steps (..., A), as clips give actions.

        Raises:
            InvalidValueError: `frame_skip` is below 1.
            ShapeError: the column is not one of vectors.
        """
        if frame_skip < 1:
            raise InvalidValueError(f"frame_skip must be at least 1, got {frame_skip!r}.")
        if self.offset.ndim != 1:
            raise ShapeError("a normaliser for blocks", "figures of shape (A,)", f"shape {self.offset.shape}")
        return replace(self, offset=np.tile(self.offset, frame_skip), scale=np.tile(self.scale, frame_skip))

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the statistics and where they come from; `from_json` is the inverse."""
        return {
            "schema": _SCHEMA,
            **{name: getattr(self, name) for name in _FACTS},
            "offset": self.offset.tolist(),
            "scale": self.scale.tolist(),
            "statistics": self.statistics.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Normalizer":
        """Build from what `to_json` made.

        Raises:
            InvalidValueError: it is something else, or of another version.
        """
        if not isinstance(data, Mapping) or data.get("schema") != _SCHEMA:
            raise InvalidValueError(f"a normaliser of schema {_SCHEMA} was expected, got {str(data)[:80]}.")
        try:
            fields: dict[str, Any] = {name: data[name] for name in _FACTS}
            fields |= {name: np.array(data[name], np.float64) for name in ("offset", "scale")}
            statistics = Statistics.from_json(data["statistics"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidValueError(f"the normaliser is damaged: {error!r}. Make it again from the data.") from error
        return cls(**fields, statistics=statistics)

    def _apply(self, x: Any, formula: Callable[[Any, Any, Any], Any]) -> Any:
        torch = sys.modules.get("torch")
        is_tensor = torch is not None and isinstance(x, torch.Tensor)
        x = x if is_tensor else np.asarray(x)
        shape = self.offset.shape
        if tuple(x.shape[max(x.ndim - len(shape), 0) :]) != shape:
            wanted = f"shape (..., {', '.join(map(str, shape))})"
            raise ShapeError(f"values of {self.column or 'the column'!r}", wanted, f"shape {tuple(x.shape)}")
        if is_tensor:
            return _apply_torch(x, self.offset, self.scale, formula)
        if x.dtype.kind not in "fiub":
            raise ShapeError(f"values of {self.column or 'the column'!r}", "real numbers", f"dtype {x.dtype}")
        kept = x.dtype if x.dtype.kind == "f" else _float_for(x.dtype.name)
        inside = np.result_type(kept, np.float32)
        offset, scale = self.offset.astype(inside), self.scale.astype(inside)
        return np.asarray(formula(x.astype(inside, copy=False), offset, scale)).astype(kept, copy=False)


def _affine(statistics: Statistics, method: Method) -> tuple[Floats, Floats]:
    """Offset and scale of a method, with scale 1 where there is no spread."""
    if method == "identity":
        return np.zeros_like(statistics.mean), np.ones_like(statistics.mean)
    if method == "zscore":
        offset, scale = statistics.mean, statistics.std
    else:
        offset, scale = _halves(statistics.minimum, statistics.maximum)
        if method == "quantile":
            middle, half = _halves(statistics.quantile(0.01), statistics.quantile(0.99))
            still = _is_still(middle, half)
            offset, scale = np.where(still, offset, middle), np.where(still, scale, half)
    return offset, np.where(_is_still(offset, scale), 1.0, scale)


def _halves(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The middle of an interval, and half its length."""
    return low + (high - low) / 2, (high - low) / 2


def _is_still(offset: Floats, scale: Floats) -> NDArray[np.bool_]:
    """Where a spread around a value is no more than rounding."""
    return np.asarray(scale <= np.maximum(_RESOLUTION * np.abs(offset), _TINY))


def _float_for(integer: str) -> Any:
    return np.dtype(np.float32 if integer in _SMALL_INTEGERS else np.float64)


def _apply_torch(x: Any, offset: Floats, scale: Floats, formula: Callable[[Any, Any, Any], Any]) -> Any:
    import torch

    if x.is_complex():
        raise ShapeError("values to normalise", "real numbers", f"dtype {x.dtype}")
    name = str(x.dtype).removeprefix("torch.")
    kept = x.dtype if x.is_floating_point() else getattr(torch, _float_for(name).name)
    inside = torch.promote_types(kept, torch.float32)
    figures = (torch.as_tensor(np.asarray(part), dtype=inside, device=x.device) for part in (offset, scale))
    return formula(x.to(inside), *figures).to(kept)
