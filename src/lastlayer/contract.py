"""What every front-end promises, decided in one place.

Each ``as_*`` function takes what the caller gave, under the name the caller knows it by, and
returns it in the one form that the kernels work on, or raises an error that names the argument,
the value and the shape at fault and says what would be right. Nothing here reads the logits:
only labels and weights are looked at, in O(N).
"""

from __future__ import annotations

import math
import operator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

FLOATING = ("float16", "bfloat16", "float32", "float64")
FRONT_ENDS = {"torch": "lastlayer.torch", "jax": "lastlayer.jax", "jaxlib": "lastlayer.jax"}


class LabelError(ValueError):
    """A label that names no class, or a soft target that is no distribution."""


# --------------------------------------------------------------------------- arrays


@cache
def dtype_name(dtype: np.dtype[Any]) -> str:
    """`dtype.name`, which takes NumPy longer than a small batch takes the kernel."""
    return dtype.name


def address(array: Array) -> int:
    """`array.ctypes.data`, which imports at every call: too slow, and too late at shutdown."""
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]


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


def as_outputs(value: Any, name: str = "logits") -> Array:
    """Floating raw outputs of any shape."""
    array = as_array(value, name)
    if array.dtype.kind in "iub":
        raise TypeError(
            f"{name} must be floating ({', '.join(FLOATING)}), not {array.dtype}: were logits and "
            f"labels swapped? Scores that are whole numbers: {name}.astype(float)"
        )
    return _floating(array, name)


def as_logits(value: Any, axis: int, name: str = "logits") -> tuple[Array, int]:
    """Floating logits with at least one class, and their class axis as a number from 0."""
    array = as_outputs(value, name)
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


def loss_dtype(logits: Array) -> np.dtype[Any]:
    """Dtype of a loss a row, and of the arithmetic within it: never half precision."""
    return np.dtype(np.float64 if logits.dtype.itemsize == 8 else np.float32)  # either byte order


def last(array: Array, axis: int) -> Array:
    """A view with the axis, counted from 0, moved to the end."""
    return array if axis == array.ndim - 1 else np.moveaxis(array, axis, -1)


def _floating(array: Array, name: str) -> Array:
    if dtype_name(array.dtype) not in FLOATING:
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


def first_bad(bad: Array, array: Array) -> tuple[str, Any]:
    """The place, as "[3, 0]", and the value of the first element that a mask marks."""
    where = np.unravel_index(int(bad.argmax()), array.shape)
    return f"[{', '.join(map(str, where))}]" if where else "", array[where]


def _same_memory(a: Array, b: Array) -> bool:
    return address(a) == address(b) and a.strides == b.strides


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
    _check_non_negative(array, "labels", LabelError)
    return None, array


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
    return np.ascontiguousarray(labels, dtype=np.int64).reshape(-1)


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


def _check_non_negative(array: Array, name: str, error: type[ValueError] = ValueError) -> None:
    # min() is NaN where there is a NaN, and no comparison with NaN holds
    with np.errstate(invalid="ignore"):
        if array.size == 0 or (array.min() >= 0 and array.max() < np.inf):
            return
        bad = ~((array >= 0) & (array < np.inf))
    place, value = first_bad(bad, array)
    raise error(
        f"{name}{place} = {value}: {name} must be finite and not negative "
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


def as_pos_weight(weight: Any, logits: Array, name: str = "pos_weight") -> Floats | None:
    """The positive term's weight, one for each output of the last axis; a number is for all."""
    if weight is None:
        return None
    shape = logits.shape[-1:] or (1,)
    array = as_array(weight, name)
    array = np.broadcast_to(array, shape) if array.ndim == 0 else array
    return _weight(array, shape, name, "one for each output of the last axis")


def _weight(value: Any, shape: tuple[int, ...], name: str, meaning: str) -> Floats:
    array = as_array(value, name)
    if array.dtype.kind not in "iubf" and dtype_name(array.dtype) != "bfloat16":
        raise TypeError(f"{name} must be numbers, not {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, not {shape}, {meaning}")
    _check_non_negative(array, name)
    return np.ascontiguousarray(array, dtype=np.float64)


def as_number(value: Any, name: str, low: float, high: float, *, inside: bool = False) -> float:
    """A real number in [low, high], or with `inside` in (low, high)."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        number = float(value)
    except OverflowError:  # a whole number beyond all floats
        number = math.inf
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {value!r}") from None
    if inside and low < number < high:
        return number
    if not inside and low <= number <= high and math.isfinite(number):
        return number
    interval = f"({low:g}, {high:g})" if inside else f"[{low:g}, {high:g}]"
    raise ValueError(f"{name} = {value!r} is outside {interval}")


_DIVISORS = (1e-30, 1e30)


def as_temperature(value: Any) -> float:
    """A temperature above 0, of a size at which float32 can divide by it."""
    return as_number(value, "temperature", *_DIVISORS, inside=True)


def as_softcap(value: Any) -> float:
    """A soft-cap above 0; 0.0 stands for none."""
    return 0.0 if value is None else as_number(value, "softcap", *_DIVISORS, inside=True)


def as_base(value: Any) -> float:
    """The base of the logarithm: e gives nats, 2 bits, 10 hartleys."""
    return as_number(value, "base", 1, math.inf, inside=True)


def as_integer(value: Any, name: str) -> int:
    """A whole number."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None


def as_stored(ignore_index: int) -> int:
    """`ignore_index` as a label of that value reads once it is an int64, as uint64 labels become.

    One that no integer dtype holds becomes −1, which after the check of the labels none of them is.
    """
    if not -(2**63) <= ignore_index < 2**64:
        return -1
    return (ignore_index + 2**63) % 2**64 - 2**63


def one_of(value: Any, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a word that is none of the choices."""
    if not isinstance(value, str) or value not in choices:
        words = ", ".join(map(repr, choices))
        raise ValueError(f"{name} = {value!r} is none of {words}")
