"""What labels may be: class indices, distributions, and the targets of sigmoid outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lastlayer.contract import (
    FLOATING,
    LARGEST,
    NUMPY,
    Array,
    Floats,
    Indices,
    Names,
    as_array,
    as_stored,
    check_range,
    dtype_name,
    first_bad,
)


class LabelError(ValueError):
    """A label that names no class, or a soft target that is negative, infinite or NaN."""


def weight_of_labels(
    labels: Indices,
    classes: int,
    ignore_index: int,
    class_weight: Floats | None,
    sample_weight: Floats | None,
) -> float:
    """Σ sample_weight (N,) · class_weight (C,)[label] over the labels (N,) not ignored.

    Each weight is 1 where it is not given (None). −1 where a label not ignored names no class.
    """
    # as unsigned numbers negative ones are large: a single pass finds either end
    within = not labels.size or int(labels.view(np.uint64).max()) < classes
    counts = None
    if not within or 0 <= ignore_index < classes:
        counts = labels != ignore_index
        if not within and (counts & ((labels < 0) | (labels >= classes))).any():
            return -1.0
    if class_weight is None and sample_weight is None:
        return float(labels.size if counts is None else np.count_nonzero(counts))
    weight = sample_weight
    if class_weight is not None:
        weight = class_weight.take(labels, mode="clip")  # of one that is ignored, any
        weight = weight if sample_weight is None else weight * sample_weight
    assert weight is not None
    return float((weight if counts is None else np.where(counts, weight, 0.0)).sum())


Weigh = Callable[[Indices, int, int, Floats | None, Floats | None], float]


def as_labels(
    labels: Any, logits: Array, axis: int, names: Names = NUMPY
) -> tuple[Array | None, Array | None]:
    """Labels as class indices, or as distributions: one of the two is None.

    Indices have the shape of the logits without the class axis, distributions that of the logits.
    Values are for `as_indices` and `check_targets` to look at.
    """
    array = as_array(labels, names.labels)
    dtype = dtype_name(array.dtype)
    if are_indices(dtype, array.dtype, array.shape, logits.shape, axis, names):
        if dtype in FLOATING:
            array = array.astype(np.int64)  # nothing, as NumPy makes it: of float64
        return array, None
    return None, array


def as_indices(
    labels: Array,
    classes: int,
    ignore_index: int,
    class_weight: Floats | None = None,
    sample_weight: Floats | None = None,
    *,
    weigh: Weigh = weight_of_labels,
    names: Names = NUMPY,
) -> tuple[Indices, float]:
    """Class indices, checked, as flat int64, and the weight of those that count.

    `weigh` is what adds it up: as `weight_of_labels`, or faster.
    """
    flat: Indices = np.require(labels, np.int64, ["C", "A"]).reshape(-1)
    ignored = as_stored(ignore_index)
    # uint64, and whatever no integer dtype holds, may read as another number in int64
    alike = labels.dtype.kind == "i" or labels.itemsize < flat.itemsize
    if alike and ignored == ignore_index:
        weight = weigh(flat, classes, ignored, class_weight, sample_weight)
        if not weight < 0:
            return flat, weight
    bad = ((labels < 0) | (labels >= classes)) & (labels != ignore_index)
    if bad.any():
        place, value = first_bad(bad, labels)
        raise LabelError(
            f"{names.labels}{place} = {value} is outside [0, {classes}) and is not "
            f"ignore_index ({ignore_index}): {np.count_nonzero(bad)} of {labels.size} labels "
            f"name none of the C = {classes} classes"
        )
    return flat, weigh(flat, classes, ignored, class_weight, sample_weight)


def check_targets(targets: Array, *, signed: bool = False, names: Names = NUMPY) -> None:
    """Refuse soft targets that are negative, infinite, NaN; those of a regression may be signed."""
    check_range(targets, names.labels, LabelError, -LARGEST if signed else 0)


def are_indices(
    dtype: str,
    shown: Any,
    shape: tuple[int, ...],
    logits: tuple[int, ...],
    axis: int,
    names: Names = NUMPY,
) -> bool:
    """Whether labels are class indices, or else distributions, by dtype and shape alone."""
    rows = logits[:axis] + logits[axis + 1 :]
    about = names.about_labels
    if dtype.startswith(("int", "uint")):
        if shape != rows:
            hint = ""
            if shape == logits:
                hint = f"; one-hot labels are floating: {names.as_float}"
            elif not rows:
                hint = f": a single row of {names.logits} takes a single number"
            raise ValueError(
                f"{about}labels of shape {shape} do not fit {names.logits} of shape {logits} with "
                f"classes along axis {axis}: class indices have shape {rows}{hint}"
            )
        return True
    if dtype not in FLOATING:
        raise TypeError(
            f"{names.labels} must be integers (class indices) or floating (distributions), "
            f"not {shown}"
        )
    if shape == rows and 0 in shape:
        return True
    if shape != logits:
        hint = ""
        if shape == rows:
            hint = f"; class indices must be integers: {names.as_integer}"
        raise ValueError(
            f"{about}floating labels are distributions and have the logits' shape {logits}, "
            f"not {shape}{hint}"
        )
    return False


def as_binary_labels(
    labels: Any, logits: Array, ignore_index: int | None, names: Names = NUMPY
) -> tuple[Array, Array | None]:
    """Targets of sigmoid outputs, in [0, 1] or 0 and 1, and which of them are ignored, if any.

    Without an `ignore_index` (None) none can be.
    """
    target = as_array(labels, names.labels)
    dtype = dtype_name(target.dtype)
    check_binary_labels(dtype, target.dtype, target.shape, logits.shape, names)
    whole = dtype not in FLOATING
    ignoring = whole and target.dtype.kind != "b" and ignore_index in (0, 1)
    with np.errstate(invalid="ignore"):
        # the common case needs no mask, which is as large as the labels
        if not ignoring and (target.size == 0 or (target.min() >= 0 and target.max() <= 1)):
            return target, None
        bad = (target != 0) & (target != 1) if whole else ~((target >= 0) & (target <= 1))
    ignored = target == ignore_index if whole and ignore_index is not None else None
    if ignored is not None:
        bad &= ~ignored
    if bad.any():
        place, value = first_bad(bad, target)
        raise LabelError(
            f"{names.labels}{place} = {value} is no target of a sigmoid "
            f"output: {np.count_nonzero(bad)} of {target.size} are "
            + (
                "not in [0, 1]"
                if ignore_index is None
                else f"neither in [0, 1] nor ignore_index ({ignore_index})"
            )
        )
    return target, ignored


def check_binary_labels(
    dtype: str,
    shown: Any,
    shape: tuple[int, ...],
    logits: tuple[int, ...],
    names: Names = NUMPY,
) -> None:
    """Refuse targets of sigmoid outputs by their dtype or shape."""
    if shape != logits:
        raise ValueError(
            f"{names.about_labels}labels have shape {shape}, and {names.logits} {logits}: one "
            "label an output"
        )
    if not dtype.startswith(("int", "uint", "bool")) and dtype not in FLOATING:
        raise TypeError(f"{names.labels} must be 0, 1 or floating in [0, 1], not {shown}")
