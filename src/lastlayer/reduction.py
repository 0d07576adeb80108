"""From a column of losses to the result: sum, mean, and what a mean divides by."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lastlayer.contract import Array, Floats, Indices, as_number, one_of

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


def weight_of_labels(
    indices: Indices, class_weight: Floats, sample_weight: Floats | None, ignore_index: int
) -> float:
    """Σ sample_weight · class_weight[label] over the rows that are not ignored."""
    kept = indices != ignore_index
    weights = class_weight[indices[kept]]
    return float((weights if sample_weight is None else weights * sample_weight[kept]).sum())


Weigh = Callable[[Indices, Floats, Floats | None, int], float]


def weight_that_counts(
    indices: Indices | None,
    rows: int,
    class_weight: Floats | None,
    sample_weight: Floats | None,
    ignore_index: int,
    all_count: bool = False,
    weigh: Weigh = weight_of_labels,
) -> float:
    """What a mean divides by, as PyTorch does.

    With class indices Σ sample_weight · class_weight[label] over the rows not ignored, with
    distributions Σ sample_weight; each weight is 1 where it is not given. `all_count` says
    that no label is ignored, where that is known: large batches feel each pass over their labels.
    """
    if indices is None:
        return float(rows if sample_weight is None else sample_weight.sum())
    if class_weight is None:
        if sample_weight is None:
            return float(rows if all_count else np.count_nonzero(indices != ignore_index))
        return float(sample_weight.sum(where=indices != ignore_index))
    return weigh(indices, class_weight, sample_weight, ignore_index)
