"""From a column of losses to the result: sum, mean, and what a mean divides by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lastlayer.contract import Array, Floats, as_number, one_of

Reduction = Literal["mean", "sum", "none"]
Empty = Literal["nan", "zero", "raise"]


@dataclass(frozen=True, slots=True)
class Reducer:
    """How a column of losses becomes the result, and by what the gradient is scaled."""

    reduction: Reduction
    divisor: float  # what a mean divides by: the weight that counted, or the caller's own
    empty: Empty
    shape: tuple[int, ...]  # of reduction="none"

    @property
    def scale(self) -> float:
        """The factor of the gradient; 0 for a mean over nothing."""
        if self.reduction != "mean":
            return 1.0
        return 1.0 / self.divisor if self.divisor > 0 else 0.0

    def __call__(self, loss: Array) -> Any:
        """The losses in their shape, or their sum or mean, accumulated in float64."""
        if self.reduction == "none":
            return loss.reshape(self.shape)[()]
        return self.finish(np.add.reduce(loss, dtype=np.float64))

    def finish(self, total: float) -> np.float64:
        """The sum or mean from the total of the losses."""
        if self.reduction == "sum":
            return np.float64(total)
        if self.divisor > 0:
            return np.float64(total / self.divisor)
        return np.float64(0.0 if self.empty == "zero" else np.nan)


def as_reducer(
    reduction: Any, divisor: Any, empty: Any, weight: float, shape: tuple[int, ...]
) -> Reducer:
    """A Reducer; `weight` is the total weight that counts where no divisor is given."""
    one_of(reduction, "reduction", ("mean", "sum", "none"))
    one_of(empty, "empty", ("nan", "zero", "raise"))
    if divisor is not None:
        if reduction != "mean":
            raise ValueError(f"divisor is for reduction='mean', not for reduction={reduction!r}")
        weight = as_number(divisor, "divisor", 0, math.inf, inside=True)
    if reduction == "mean" and empty == "raise" and not weight > 0:
        raise ValueError(
            f"the mean over nothing: samples of shape {shape}, and the weight that counts is 0 "
            "(all are ignored or of weight 0, or there are none); empty='nan' or 'zero' returns "
            "that instead"
        )
    return Reducer(reduction, weight, empty, shape)


def weight_of_samples(samples: Floats | None, shape: tuple[int, ...]) -> float:
    """Σ of the samples' weights, each 1 where none are given."""
    return float(math.prod(shape) if samples is None else samples.sum())
