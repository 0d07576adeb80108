"""The compiled kernels behind the public functions.

Importing this costs nothing: Numba and the kernels load at the first call that needs them.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Literal

import numpy as np

from lastlayer.contract import LARGEST, Array, Floats, Indices
from lastlayer.kernels.layout import row_blocks
from lastlayer.problem import BinaryProblem, Problem, as_options

_FLOATS, _LONG = (np.dtype(np.float32), np.dtype(np.float64)), np.dtype(np.int64)
_BOUND = 1 << 62

__all__ = [
    "binary_cross_entropy",
    "cross_entropy",
    "logsumexp",
    "losses",
    "normalise",
    "plain_cross_entropy",
    "row_blocks",
    "targets_fit",
    "weight_of_labels",
]


@cache  # an import statement would fail once the interpreter shuts down, even if it was run before
def _load(name: str) -> Any:
    import numba

    if numba.config.DISABLE_JIT:
        raise RuntimeError("NUMBA_DISABLE_JIT is set, and the kernels exist only in compiled form")
    return importlib.import_module(f"lastlayer.kernels.{name}")


def cross_entropy(problem: Problem, gradient: Array | None = None) -> Any:
    """The reduced loss, and the scaled gradient into `gradient` where given. (..., C)"""
    return _load("launch").cross_entropy(problem, gradient)


def losses(problem: Problem) -> Array:
    """Each row's loss (N,)."""
    return _load("launch").losses(problem)  # type: ignore[no-any-return]


def plain_cross_entropy(
    logits: Any,
    labels: Any,
    gradient: Any,
    ignore_index: Any,
    reduction: Any,
    options: tuple[Any, Any, Any, Any] | None = None,
    class_weight: Any = None,
) -> float | None:
    """A call of the commonest kind: the reduced loss, and the gradient into an array if given.

    `options`, where any is asked for, are label_smoothing, z_loss, softcap and temperature.

    None for every other call, and for one that is wrong: `cross_entropy` and the contract's checks
    are for those.
    """
    if type(logits) is not np.ndarray or type(labels) is not np.ndarray:
        return None
    shape, dtype = logits.shape, logits.dtype
    if (
        len(shape) != 2
        or labels.shape != shape[:1]
        or dtype not in _FLOATS  # where the other byte order is not
        or labels.dtype != _LONG
        or logits.size == 0
        or not (logits.flags.carray and labels.flags.carray)  # contiguous, aligned, writeable
        or type(ignore_index) is not int
        or not -_BOUND < ignore_index < _BOUND
        or reduction not in ("mean", "sum")
    ):
        return None
    if gradient is not None and not (
        type(gradient) is np.ndarray
        and gradient.shape == shape
        and gradient.dtype == dtype
        and gradient.flags.carray
        and not np.may_share_memory(gradient, labels)
        and (gradient is logits or not np.may_share_memory(gradient, logits))
    ):
        return None
    try:
        asked = None if options is None else as_options(*options)
    except (TypeError, ValueError):
        return None
    if class_weight is not None:
        if (
            (asked and asked[0])  # for smoothing weights are another thing
            or type(class_weight) is not np.ndarray
            or class_weight.shape != shape[1:]
            or class_weight.dtype not in _FLOATS
            or (gradient is not None and np.may_share_memory(gradient, class_weight))
            or not _within_range(class_weight)
        ):
            return None
        class_weight = np.require(class_weight, np.float64, ["C", "A"])
    return _load("plain").cross_entropy(  # type: ignore[no-any-return]
        logits, labels, gradient, ignore_index, reduction == "mean", asked, class_weight
    )


def _within_range(weights: Array) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(weights.min() >= 0 and weights.max() <= LARGEST)


def targets_fit(targets: Array) -> bool:
    """Whether soft targets are known to be such; False too where NumPy must look at them."""
    return _load("launch").targets_fit(targets)  # type: ignore[no-any-return]


def weight_of_labels(
    labels: Indices,
    classes: int,
    ignore_index: int,
    class_weight: Floats | None,
    sample_weight: Floats | None,
) -> float:
    """As `labels.weight_of_labels`: the weight of those not ignored; −1 where one is no class."""
    return _load("column").weight_of_labels(  # type: ignore[no-any-return]
        labels, classes, ignore_index, class_weight, sample_weight
    )


def fill_statistics(problem: Problem, temperature: float, columns: tuple[Array, ...]) -> None:
    """What `kernels.statistics` asks for, of class indices, into `columns` (N,)."""
    _load("launch_statistics").fill(problem, temperature, columns)


def normalise(x: Array, out: Array, kind: Literal["softmax", "log_softmax"]) -> None:
    """softmax or log_softmax over the last axis of `x`, into `out` of its shape and dtype."""
    _load("launch_softmax").normalise(x, out, kind)


def logsumexp(x: Array) -> Array:
    """logsumexp over the last axis, flat; float64 for float64, float32 otherwise."""
    return _load("launch_softmax").logsumexp(x)  # type: ignore[no-any-return]


def binary_cross_entropy(problem: BinaryProblem, gradient: Array | None = None) -> Any:
    """The reduced loss, and the scaled gradient into `gradient` where given."""
    return _load("launch_binary").binary_cross_entropy(problem, gradient)
