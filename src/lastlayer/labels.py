"""What labels may be: class indices, distributions, and the targets of sigmoid outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastlayer.contract import (
    FLOATING,
    LARGEST,
    Array,
    Indices,
    as_array,
    check_range,
    dtype_name,
    first_bad,
)


class LabelError(ValueError):
    """A label that names no class, or a soft target that is negative, infinite or NaN."""


def as_labels(
    labels: Any, logits: Array, axis: int, ignore_index: int
) -> tuple[Indices | None, Array | None]:
    """Labels as flat int64 class indices, or as distributions: one of the two is None.

    Indices have the shape of the logits without the class axis, distributions that of the logits.
    The values of distributions are for `check_targets`.
    """
    array = as_array(labels, "labels")
    rows = logits.shape[:axis] + logits.shape[axis + 1 :]
    classes = logits.shape[axis]
    if array.size == 0 and array.shape == rows and array.dtype.kind == "f":
        array = array.astype(np.int64)  # nothing, as NumPy makes it: of float64
    if array.dtype.kind in "iu":
        if array.shape != rows:
            hint = ""
            if array.shape == logits.shape:
                hint = "; one-hot labels are floating: labels.astype(float)"
            elif not rows:
                hint = ": a single row of logits takes a single number"
            raise ValueError(
                f"labels of shape {array.shape} do not fit logits of shape {logits.shape} with "
                f"classes along axis {axis}: class indices have shape {rows}{hint}"
            )
        return _class_indices(array, classes, ignore_index), None
    if dtype_name(array.dtype) not in FLOATING:
        raise TypeError(
            "labels must be integers (class indices) or floating (distributions), "
            f"not {array.dtype}"
        )
    if array.shape != logits.shape:
        hint = ""
        if array.shape == rows:
            hint = "; class indices must be integers: labels.astype(int)"
        raise ValueError(
            f"floating labels are distributions and have the logits' shape {logits.shape}, "
            f"not {array.shape}{hint}"
        )
    return None, array


def check_targets(targets: Array, *, signed: bool = False) -> None:
    """Refuse soft targets that are negative, infinite, NaN; those of a regression may be signed."""
    check_range(targets, "labels", LabelError, -LARGEST if signed else 0)


def _class_indices(labels: Array, classes: int, ignore_index: int) -> Indices:
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        bad = ((labels < 0) | (labels >= classes)) & (labels != ignore_index)
        if bad.any():
            place, value = first_bad(bad, labels)
            raise LabelError(
                f"labels{place} = {value} is outside [0, {classes}) and is not "
                f"ignore_index ({ignore_index}): {np.count_nonzero(bad)} of {labels.size} labels "
                f"name none of the C = {classes} classes"
            )
    return np.require(labels, np.int64, ["C", "A"]).reshape(-1)


def as_binary_labels(labels: Any, logits: Array, ignore_index: int) -> tuple[Array, Array | None]:
    """Targets of sigmoid outputs, in [0, 1] or 0 and 1, and which of them are ignored, if any."""
    target = as_array(labels, "labels")
    if target.shape != logits.shape:
        raise ValueError(
            f"labels have shape {target.shape}, and logits {logits.shape}: one label an output"
        )
    whole = target.dtype.kind in "iub"
    if not whole and dtype_name(target.dtype) not in FLOATING:
        raise TypeError(f"labels must be 0, 1 or floating in [0, 1], not {target.dtype}")
    ignoring = whole and target.dtype.kind != "b" and ignore_index in (0, 1)
    with np.errstate(invalid="ignore"):
        # the common case needs no mask, which is as large as the labels
        if not ignoring and (target.size == 0 or (target.min() >= 0 and target.max() <= 1)):
            return target, None
        bad = (target != 0) & (target != 1) if whole else ~((target >= 0) & (target <= 1))
    ignored = target == ignore_index if whole else None
    if ignored is not None:
        bad &= ~ignored
    if bad.any():
        place, value = first_bad(bad, target)
        raise LabelError(
            f"labels{place} = {value} is no target of a sigmoid "
            f"output: {np.count_nonzero(bad)} of {target.size} are neither in [0, 1] nor "
            f"ignore_index ({ignore_index})"
        )
    return target, ignored
