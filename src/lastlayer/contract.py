"""What every front-end promises, decided in one place.

Each ``as_*`` function takes what the caller gave, under the name the caller knows it by, and
returns it in the one form that the kernels work on, or raises an error that names the argument,
the value and the shape at fault and says what would be right. Nothing here reads the logits:
only labels and weights are looked at, in O(N).
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Reduction = Literal["mean", "sum", "none"]
Empty = Literal["nan", "zero", "raise"]

FLOATING = ("float16", "bfloat16", "float32", "float64")
FRONT_ENDS = {"torch": "lastlayer.torch", "jax": "lastlayer.jax", "jaxlib": "lastlayer.jax"}


class LabelError(ValueError):
    """A label that names no class, or a soft target that is no distribution."""


# --------------------------------------------------------------------------- arrays


def as_array(value: Any, name: str) -> Array:
    """Any array-like as an ndarray over the same memory; tensors of other libraries refused."""
    if type(value) is np.ndarray:
        return value
    root = type(value).__module__.partition(".")[0]
    if root in FRONT_ENDS:
        raise TypeError(
            f"{name} is a {root.removesuffix('lib')} {type(value).__name__}, and this is the "
            f"NumPy function: use the one of the same name in {FRONT_ENDS[root]}, or pass "
            f"np.asarray({name})"
        )
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from None


def as_scores(value: Any, name: str = "x") -> Array:
    """Floating input of softmax and its kin; integers and booleans become float64."""
    array = as_array(value, name)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    return _floating(array, name)


def as_logits(value: Any, axis: int, name: str = "logits") -> tuple[Array, int]:
    """Floating logits with at least one class, and their class axis as a number from 0."""
    array = as_array(value, name)
    if array.dtype.kind in "iub":
        raise TypeError(
            f"{name} must be floating ({', '.join(FLOATING)}), not {array.dtype}: were logits and "
            f"labels swapped? Scores that are whole numbers: {name}.astype(float)"
        )
    array = _floating(array, name)
    if array.ndim == 0:
        raise ValueError(f"{name} needs a class axis: a single number has shape ()")
    axis = as_axis(axis, array)
    if array.shape[axis] == 0:
        raise ValueError(f"{name} of shape {array.shape} has no classes along axis {axis}")
    return array, axis


def as_axis(axis: Any, array: Array) -> int:
    """One axis of `array`, counted from 0."""
    try:
        number = operator.index(axis)
    except TypeError:
        raise TypeError(f"axis must be an integer, not {axis!r}") from None
    if not -array.ndim <= number < array.ndim:
        raise np.exceptions.AxisError(number, array.ndim)
    return number % array.ndim


def _floating(array: Array, name: str) -> Array:
    if array.dtype.name not in FLOATING:
        raise TypeError(f"{name} must be floating ({', '.join(FLOATING)}), not {array.dtype}")
    return array


def as_out(
    out: Any, like: Array, others: tuple[Array | None, ...] = (), name: str = "out"
) -> Array:
    """The array to write into: the shape and dtype of `like`, and apart from what is still read.

    `like` itself is allowed, element upon element; any other overlap would have a row overwritten
    before it is read.
    """
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array to write into, not {type(out).__name__}")
    if out.shape != like.shape:
        raise ValueError(f"{name} has shape {out.shape}, and the result has {like.shape}")
    if out.dtype != like.dtype:
        raise TypeError(f"{name} has dtype {out.dtype}, and the result has {like.dtype}")
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only")
    if (
        np.may_share_memory(out, like)
        and not _same_memory(out, like)
        and np.shares_memory(out, like)
    ):
        raise ValueError(
            f"{name} overlaps the input without being it: pass the input or a new array"
        )
    for other in others:
        if other is not None and np.may_share_memory(out, other) and np.shares_memory(out, other):
            raise ValueError(
                f"{name} shares memory with the labels or weights, which are still read"
            )
    return out


def _same_memory(a: Array, b: Array) -> bool:
    return a.ctypes.data == b.ctypes.data and a.strides == b.strides


# --------------------------------------------------------------------------- labels


def as_labels(
    labels: Any, logits: Array, axis: int, ignore_index: int
) -> tuple[Indices | None, Array | None]:
    """Labels as flat int64 class indices, or as distributions: one of the two is None.

    Indices have the shape of the logits without the class axis, distributions that of the logits.
    """
    array = as_array(labels, "labels")
    rows = logits.shape[:axis] + logits.shape[axis + 1 :]
    classes = logits.shape[axis]
    if array.size == 0 and array.shape == rows and not isinstance(labels, np.ndarray):
        array = array.astype(np.int64)  # an empty list has no dtype of its own
    if array.dtype.kind in "iu":
        if array.shape != rows:
            hint = (
                "; one-hot labels are floating: labels.astype(float)"
                if array.shape == logits.shape
                else ""
            )
            raise ValueError(
                f"labels of shape {array.shape} do not fit logits of shape {logits.shape} with "
                f"classes along axis {axis}: class indices have shape {rows}{hint}"
            )
        return _class_indices(array, classes, ignore_index), None
    if array.dtype.name not in FLOATING:
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
    _check_non_negative(array, "labels", LabelError)
    return None, array


def _class_indices(labels: Array, classes: int, ignore_index: int) -> Indices:
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        bad = ((labels < 0) | (labels >= classes)) & (labels != ignore_index)
        if bad.any():
            where = np.unravel_index(int(bad.argmax()), labels.shape)
            position = ", ".join(map(str, where))
            raise LabelError(
                f"labels[{position}] = {labels[where]} is outside [0, {classes}) and is not "
                f"ignore_index ({ignore_index}): {np.count_nonzero(bad)} of {labels.size} labels "
                f"name none of the C = {classes} classes"
            )
    return np.ascontiguousarray(labels, dtype=np.int64).reshape(-1)


def _check_non_negative(array: Array, name: str, error: type[ValueError] = ValueError) -> None:
    # min() is NaN where there is a NaN, and no comparison with NaN holds
    if array.size == 0 or (array.min() >= 0 and array.max() < np.inf):
        return
    bad = ~((array >= 0) & (array < np.inf))
    where = np.unravel_index(int(bad.argmax()), array.shape)
    position = ", ".join(map(str, where))
    raise error(
        f"{name}[{position}] = {array[where]}: {name} must be finite and not negative "
        f"({np.count_nonzero(bad)} of {array.size} are not)"
    )


# --------------------------------------------------------------------------- weights, numbers


def as_class_weight(weight: Any, classes: int, name: str = "class_weight") -> Floats | None:
    """One non-negative weight a class, as float64 of shape (C,)."""
    return None if weight is None else _weight(weight, (classes,), name, "one for each class")


def as_sample_weight(
    weight: Any, rows: tuple[int, ...], name: str = "sample_weight"
) -> Floats | None:
    """One non-negative weight a sample, flat float64."""
    if weight is None:
        return None
    return _weight(weight, rows, name, "one for each sample").reshape(-1)


def _weight(value: Any, shape: tuple[int, ...], name: str, meaning: str) -> Floats:
    array = as_array(value, name)
    if array.dtype.kind not in "iubf" and array.dtype.name != "bfloat16":
        raise TypeError(f"{name} must be numbers, not {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, not {shape}, {meaning}")
    _check_non_negative(array, name)
    return np.ascontiguousarray(array, dtype=np.float64)


def as_number(value: Any, name: str, low: float, high: float, *, inside: bool = False) -> float:
    """A real number in [low, high], or with `inside` in (low, high)."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {value!r}") from None
    if inside and low < number < high:
        return number
    if not inside and low <= number <= high and math.isfinite(number):
        return number
    interval = f"({low:g}, {high:g})" if inside else f"[{low:g}, {high:g}]"
    raise ValueError(f"{name} = {value!r} is outside {interval}")


def as_temperature(value: Any) -> float:
    """A temperature above 0."""
    return as_number(value, "temperature", 0, math.inf, inside=True)


def as_softcap(value: Any) -> float:
    """A soft-cap above 0; 0.0 stands for none."""
    return 0.0 if value is None else as_number(value, "softcap", 0, math.inf, inside=True)


def as_base(value: Any) -> float:
    """The base of the logarithm: e gives nats, 2 bits, 10 hartleys."""
    return as_number(value, "base", 1, math.inf, inside=True)


def as_integer(value: Any, name: str) -> int:
    """A whole number."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None


def one_of(value: Any, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a word that is none of the choices."""
    if value not in choices:
        words = ", ".join(map(repr, choices))
        raise ValueError(f"{name} = {value!r} is none of {words}")


# --------------------------------------------------------------------------- reduction


@dataclass(frozen=True, slots=True)
class Reducer:
    """How a column of losses becomes the result, and by what the gradient is scaled."""

    reduction: Reduction
    divisor: float  # what a mean divides by: the weight that counted, or the caller's own
    empty: Empty
    shape: tuple[int, ...]  # of reduction="none"

    @property
    def scale(self) -> float:
        """The factor of the gradient; 0 for a mean over nothing, whose every row is left out."""
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
            f"the mean over nothing: of samples of shape {shape} none counts (all ignored, of "
            "weight 0, or there are none); empty='nan' or 'zero' returns that instead"
        )
    return Reducer(reduction, weight, empty, shape)


# --------------------------------------------------------------------------- whole problems


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
        """Dtype of a row's loss: never half precision."""
        return np.dtype(np.float64 if self.logits.dtype == np.float64 else np.float32)


def softmax_problem(
    logits: Any,
    labels: Any,
    *,
    axis: Any,
    class_weight: Any,
    sample_weight: Any,
    ignore_index: Any,
    label_smoothing: Any,
    z_loss: Any,
    softcap: Any,
    temperature: Any,
    base: Any,
    reduction: Any,
    divisor: Any,
    empty: Any,
) -> Problem:
    """Everything that `cross_entropy` was given, checked."""
    x, axis = as_logits(logits, axis)
    ignore = as_integer(ignore_index, "ignore_index")
    indices, targets = as_labels(labels, x, axis, ignore)
    rows = x.shape[:axis] + x.shape[axis + 1 :]
    weights = as_class_weight(class_weight, x.shape[axis])
    samples = as_sample_weight(sample_weight, rows)
    counted = weight_that_counts(indices, math.prod(rows), weights, samples, ignore)
    return Problem(
        logits=np.moveaxis(x, axis, -1),
        axis=axis,
        indices=indices,
        targets=None if targets is None else np.moveaxis(targets, axis, -1),
        class_weight=weights,
        sample_weight=samples,
        ignore_index=ignore,
        label_smoothing=as_number(label_smoothing, "label_smoothing", 0, 1),
        z_loss=as_number(z_loss, "z_loss", 0, math.inf),
        softcap=as_softcap(softcap),
        temperature=as_temperature(temperature),
        base=as_base(base),
        reduce=as_reducer(reduction, divisor, empty, counted, rows),
    )


def weight_that_counts(
    indices: Indices | None,
    rows: int,
    class_weight: Floats | None,
    sample_weight: Floats | None,
    ignore_index: int,
) -> float:
    """What a mean divides by, as PyTorch does.

    With class indices Σ sample_weight · class_weight[label] over the rows not ignored, with
    distributions Σ sample_weight; each weight is 1 where it is not given.
    """
    if indices is None:
        return float(rows if sample_weight is None else sample_weight.sum())
    kept = indices != ignore_index
    if class_weight is None and sample_weight is None:
        return float(np.count_nonzero(kept))
    weight = np.ones(rows) if class_weight is None else class_weight[np.where(kept, indices, 0)]
    if sample_weight is not None:
        weight = weight * sample_weight
    return float(weight.sum(where=kept))


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
        """Dtype of an output's loss: never half precision."""
        return np.dtype(np.float64 if self.logits.dtype == np.float64 else np.float32)


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
) -> BinaryProblem:
    """Everything that `binary_cross_entropy` was given, checked."""
    x = as_array(logits, "logits")
    x = as_logits(x.reshape(1) if x.ndim == 0 else x, -1)[0].reshape(x.shape) if x.size else x
    ignore = as_integer(ignore_index, "ignore_index")
    target = as_array(labels, "labels")
    if target.shape != x.shape:
        raise ValueError(f"labels have shape {target.shape}, and logits {x.shape}: one an output")
    weight = as_sample_weight(sample_weight, x.shape)
    if target.dtype.kind in "iub":
        bad = (target != 0) & (target != 1)
        ignored = bad & (target == ignore)
        bad &= ~ignored
        if ignored.any():
            weight = np.where(ignored.reshape(-1), 0.0, 1.0 if weight is None else weight)
    elif target.dtype.name in FLOATING:
        bad = ~((target >= 0) & (target <= 1))
    else:
        raise TypeError(f"labels must be 0, 1 or floating in [0, 1], not {target.dtype}")
    if bad.any():
        where = np.unravel_index(int(bad.argmax()), target.shape)
        raise LabelError(
            f"labels[{', '.join(map(str, where))}] = {target[where]} is no target of a sigmoid "
            f"output: {np.count_nonzero(bad)} of {target.size} are neither in [0, 1] nor "
            f"ignore_index ({ignore})"
        )
    positive = None
    if pos_weight is not None:
        classes = x.shape[-1] if x.ndim else 1
        array = as_array(pos_weight, "pos_weight")
        array = np.broadcast_to(array, (classes,)) if array.ndim == 0 else array
        positive = _weight(array, (classes,), "pos_weight", "one for each output of the last axis")
    counted = float(x.size if weight is None else weight.sum())
    return BinaryProblem(
        logits=x,
        targets=target,
        pos_weight=positive,
        sample_weight=weight,
        label_smoothing=as_number(label_smoothing, "label_smoothing", 0, 1),
        temperature=as_temperature(temperature),
        base=as_base(base),
        reduce=as_reducer(reduction, divisor, empty, counted, x.shape),
    )
