"""A whole call, checked: what the public functions hand to the kernels and to the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lastlayer.contract import (
    NUMPY,
    Array,
    Floats,
    Indices,
    Names,
    as_base,
    as_class_weight,
    as_integer,
    as_logits,
    as_number,
    as_outputs,
    as_pos_weight,
    as_sample_weight,
    as_softcap,
    as_stored,
    as_temperature,
    back,
    last,
    loss_dtype,
)
from lastlayer.labels import (
    Weigh,
    as_binary_labels,
    as_indices,
    as_labels,
    check_targets,
    weight_of_labels,
)
from lastlayer.reduction import Reducer, as_reducer, weight_of_samples

Options = tuple[float, float, float, float]  # label_smoothing, z_loss, softcap, temperature


def as_options(label_smoothing: Any, z_loss: Any, softcap: Any, temperature: Any) -> Options:
    """The options that are a number, checked; a soft-cap of 0.0 stands for none."""
    return (
        as_number(label_smoothing, "label_smoothing", 0, 1),
        as_number(z_loss, "z_loss", 0, math.inf),
        as_softcap(softcap),
        as_temperature(temperature),
    )


@dataclass(frozen=True, slots=True)
class Problem:
    """Softmax cross-entropy, checked: what the kernels and the reference are given."""

    logits: Array  # (..., C): the caller's own memory, class axis moved to the end
    axis: int  # where the class axis was
    indices: Indices | None  # (N,)
    targets: Array | None  # (..., C), class axis moved to the end
    class_weight: Floats | None  # (C,)
    sample_weight: Floats | None  # (N,)
    ignore_index: int
    label_smoothing: float
    z_loss: float
    softcap: float  # 0: none
    temperature: float
    base: float
    reduce: Reducer

    @property
    def loss_dtype(self) -> np.dtype[Any]:
        """Dtype of a row's loss."""
        return loss_dtype(self.logits)

    def check_targets(self) -> None:
        """A LabelError where a soft target is negative, infinite or NaN."""
        if self.targets is not None:
            check_targets(back(self.targets, self.axis))


def softmax_problem(
    logits: Any,
    labels: Any,
    *,
    axis: Any = -1,
    class_weight: Any = None,
    sample_weight: Any = None,
    ignore_index: Any = -100,
    label_smoothing: Any = 0.0,
    z_loss: Any = 0.0,
    softcap: Any = None,
    temperature: Any = 1.0,
    base: Any = math.e,
    reduction: Any = "mean",
    divisor: Any = None,
    empty: Any = "nan",
    look_at_targets: bool = True,
    weigh: Weigh = weight_of_labels,
    names: Names = NUMPY,
) -> Problem:
    """Everything that `cross_entropy` was given, checked.

    Without `look_at_targets` the values of soft targets are not: the kernels do as they read them,
    which saves two passes over an array of the size of the logits. `weigh` is what adds up the
    weights of labels: as `labels.weight_of_labels`, or faster.
    """
    x, axis = as_logits(logits, axis, names)
    ignore = as_integer(ignore_index, "ignore_index")
    given, targets = as_labels(labels, x, axis, names)
    rows = x.shape[:axis] + x.shape[axis + 1 :]
    weights = as_class_weight(class_weight, x.shape[axis], names.class_weight)
    samples = as_sample_weight(sample_weight, rows, names.sample_weight)
    if given is None:
        indices, weight = None, weight_of_samples(samples, rows)
    else:
        indices, weight = as_indices(
            given, x.shape[axis], ignore, weights, samples, weigh=weigh, names=names
        )
    if targets is not None and look_at_targets:
        check_targets(targets, names=names)
    smoothing, z_loss, softcap, temperature = as_options(
        label_smoothing, z_loss, softcap, temperature
    )
    return Problem(
        logits=last(x, axis),
        axis=axis,
        indices=indices,
        targets=None if targets is None else last(targets, axis),
        class_weight=weights,
        sample_weight=samples,
        ignore_index=as_stored(ignore),
        label_smoothing=smoothing,
        z_loss=z_loss,
        softcap=softcap,
        temperature=temperature,
        base=as_base(base),
        reduce=as_reducer(reduction, divisor, empty, weight, rows),
    )


@dataclass(frozen=True, slots=True)
class BinaryProblem:
    """Independent sigmoid outputs, checked. All arrays have the logits' shape but the weights'."""

    logits: Array
    targets: Array  # in [0, 1]; where `ignored`, anything
    pos_weight: Floats | None  # (C,) of the last axis
    sample_weight: Floats | None  # flat; 0 where the output is left out
    label_smoothing: float
    temperature: float
    base: float
    reduce: Reducer

    @property
    def loss_dtype(self) -> np.dtype[Any]:
        """Dtype of an output's loss."""
        return loss_dtype(self.logits)


def binary_problem(
    logits: Any,
    labels: Any,
    *,
    pos_weight: Any,
    sample_weight: Any,
    ignore_index: Any,
    label_smoothing: Any,
    temperature: Any,
    base: Any,
    reduction: Any,
    divisor: Any,
    empty: Any,
    names: Names = NUMPY,
) -> BinaryProblem:
    """Everything that `binary_cross_entropy` was given, checked."""
    x = as_outputs(logits, names)
    ignore = None if ignore_index is None else as_integer(ignore_index, "ignore_index")
    target, ignored = as_binary_labels(labels, x, ignore, names)
    weight = as_sample_weight(sample_weight, x.shape, names.sample_weight)
    if ignored is not None:
        weight = np.where(ignored.reshape(-1), 0.0, 1.0 if weight is None else weight)
    counted = float(x.size if weight is None else weight.sum())
    return BinaryProblem(
        logits=x,
        targets=target,
        pos_weight=as_pos_weight(pos_weight, x),
        sample_weight=weight,
        label_smoothing=as_number(label_smoothing, "label_smoothing", 0, 1),
        temperature=as_temperature(temperature),
        base=as_base(base),
        reduce=as_reducer(reduction, divisor, empty, counted, x.shape),
    )
