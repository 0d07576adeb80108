"""What every front-end promises, decided in one place.

Each ``as_*`` function takes what the caller gave, under the name the caller knows it by, and
returns it in the one form that the kernels work on, or raises an error that names the argument,
the value and the shape at fault and says what would be right. Nothing here reads the logits; of
labels and weights every value is looked at.
"""

from __future__ import annotations

import importlib.util
import math
import operator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer import large_arrays

Array = NDArray[Any]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

FLOATING = ("float16", "bfloat16", "float32", "float64")
LARGEST = 1e12  # weight or target: products of them with each other stay within float32
FRONT_ENDS = {"torch": "lastlayer.torch", "jax": "lastlayer.jax", "jaxlib": "lastlayer.jax"}


class Names(NamedTuple):
    """What a front-end's callers know their arguments by, for the messages."""

    logits: str = "logits"
    labels: str = "labels"
    class_weight: str = "class_weight"
    sample_weight: str = "sample_weight"
    about_labels: str = ""  # said before "labels of shape …" where the argument is not called so
    as_float: str = "labels.astype(float)"
    as_integer: str = "labels.astype(int)"
    as_scores: str = "np.asarray(logits, dtype=float)"


NUMPY = Names()


# --------------------------------------------------------------------------- arrays


@lru_cache(maxsize=64)
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
        front_end = FRONT_ENDS[root]
        there = importlib.util.find_spec(front_end) is not None
        instead = f"use {front_end}, or " if there else ""
        raise TypeError(
            f"{name} is a {root.removesuffix('lib')} {type(value).__name__}, and this is the "
            f"NumPy function: {instead}pass np.asarray({name})"
        )
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array, whose mask would be lost: pass {name}.filled(...), for "
            "logits with -inf, the logit of a class of probability 0"
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


def as_outputs(value: Any, names: Names = NUMPY) -> Array:
    """Floating raw outputs of any shape."""
    array = as_array(value, names.logits)
    check_outputs(dtype_name(array.dtype), array.dtype, names)
    return array


def check_outputs(dtype: str, shown: Any, names: Names = NUMPY) -> None:
    """Refuse raw outputs of a dtype that is not floating."""
    if dtype.startswith(("int", "uint", "bool")):
        raise TypeError(
            f"{names.logits} must be floating ({', '.join(FLOATING)}), not {shown}: were "
            f"{names.logits} and {names.labels} swapped? For scores that are whole numbers: "
            f"{names.as_scores}"
        )
    check_floating(dtype, shown, names.logits)


def as_logits(value: Any, axis: int, names: Names = NUMPY) -> tuple[Array, int]:
    """Floating logits with at least one class, and their class axis as a number from 0."""
    array = as_outputs(value, names)
    if array.ndim == 0:
        raise ValueError(f"{names.logits} needs a class axis: a single number has shape ()")
    axis = as_axis(axis, array.ndim)
    check_classes(array.shape, axis, names.logits)
    return array, axis


def check_classes(shape: tuple[int, ...], axis: int, name: str) -> None:
    """Refuse logits without classes."""
    if shape[axis] == 0:
        raise ValueError(f"{name} of shape {shape} has no classes along axis {axis}")


def as_axis(axis: Any, ndim: int) -> int:
    """One of `ndim` axes, counted from 0."""
    try:
        number = operator.index(axis)
    except TypeError:
        raise TypeError(f"axis must be an integer, not {axis!r}") from None
    if not -ndim <= number < ndim:
        raise np.exceptions.AxisError(number, ndim)
    return number % ndim


def loss_dtype(logits: Array) -> np.dtype[Any]:
    """Dtype of a loss a row, and of the arithmetic within it: never half precision."""
    return np.dtype(np.float64 if logits.dtype.itemsize == 8 else np.float32)  # either byte order


def last(array: Array, axis: int) -> Array:
    """A view with the axis, counted from 0, moved to the end."""
    return array if axis == array.ndim - 1 else np.moveaxis(array, axis, -1)


def back(array: Array, axis: int) -> Array:
    """The reverse of `last`."""
    return array if axis == array.ndim - 1 else np.moveaxis(array, -1, axis)


def _floating(array: Array, name: str) -> Array:
    check_floating(dtype_name(array.dtype), array.dtype, name)
    return array


def check_floating(dtype: str, shown: Any, name: str) -> None:
    """Refuse a dtype that is none of the four."""
    if dtype not in FLOATING:
        raise TypeError(f"{name} must be floating ({', '.join(FLOATING)}), not {shown}")


def as_out(
    out: Any, like: Array, others: tuple[Array | None, ...] = (), name: str = "out"
) -> Array:
    """The array to write into: the shape and dtype of `like`, and apart from what is still read.

    Without one (None) it is a new array, laid out as `like`. `like` itself is allowed, element upon
    element; any other overlap would have a row overwritten before it is read.
    """
    if out is None:
        return large_arrays.empty_like(like)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array to write into, not {type(out).__name__}")
    if out.shape != like.shape:
        raise ValueError(f"{name} has shape {out.shape}, and the result has {like.shape}")
    if out.dtype != like.dtype:
        raise TypeError(f"{name} has dtype {out.dtype}, and the result has {like.dtype}")
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only")
    if any(n > 1 and stride == 0 for n, stride in zip(out.shape, out.strides, strict=True)):
        raise ValueError(f"{name} is a broadcast view, whose elements share memory")
    if _overlap(out, like) and not _same_memory(out, like):
        raise ValueError(
            f"{name} overlaps the input without being it: pass the input or a new array"
        )
    for other in others:
        if other is not None and _overlap(out, other):
            raise ValueError(
                f"{name} shares memory with the labels or weights, which are still read"
            )
    return out


def first_bad(bad: Array, array: Array) -> tuple[str, Any]:
    """The place, as "[3, 0]", and the value of the first element that a mask marks."""
    where = np.unravel_index(int(bad.argmax()), array.shape)
    return f"[{', '.join(map(str, where))}]" if where else "", array[where]


def _overlap(a: Array, b: Array) -> bool:
    """Whether two arrays share an element; where that is hard to tell, yes."""
    if not np.may_share_memory(a, b):
        return False
    try:
        return bool(np.shares_memory(a, b, max_work=100_000))  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def _same_memory(a: Array, b: Array) -> bool:
    """Whether two arrays of one shape have each element at the same place."""
    steps = zip(a.shape, a.strides, b.strides, strict=True)
    return address(a) == address(b) and all(n == 1 or s == t for n, s, t in steps)


# --------------------------------------------------------------------------- ranges


def check_range(
    array: Array, name: str, error: type[ValueError] = ValueError, low: float = 0
) -> None:
    """Refuse what is below `low`, NaN or above LARGEST."""
    # min() is NaN where there is a NaN, and no comparison with NaN holds
    with np.errstate(invalid="ignore"):
        if array.size == 0 or (float(array.min()) >= low and float(array.max()) <= LARGEST):
            return
        wide = array.astype(np.float64)
        bad = ~((wide >= low) & (wide <= LARGEST))
    place, value = first_bad(bad, array)
    raise error(
        f"{name}{place} = {value}: {name} must be in [{low:g}, {LARGEST:g}] "
        f"({np.count_nonzero(bad)} of {array.size} are not)"
    )


def as_probabilities(
    value: Any, name: str, axis: int = -1, *, sums_to_one: bool = True, hint: str = ""
) -> Floats:
    """Probabilities in [0, 1] as float64, class axis last. (..., C)

    A row may be off 1 by what rounding to three decimals or to half precision leaves.
    """
    array = as_scores(value, name)
    if array.ndim == 0:
        raise ValueError(f"{name} needs a class axis: a single number has shape ()")
    moved = np.moveaxis(array, as_axis(axis, array.ndim), -1)
    if moved.shape[-1] == 0:
        raise ValueError(f"{name} of shape {array.shape} has no classes along axis {axis}")
    p = moved.astype(np.float64)
    tolerance = 1e-3 if array.dtype.itemsize > 2 else 3e-2
    bad = ~((p >= 0) & (p <= 1 + tolerance))  # a softmax may round to a little more than 1
    if bad.any():
        place, first = first_bad(bad, p)
        raise ValueError(
            f"{name}{place} = {first}: {name} must be probabilities in [0, 1] "
            f"({np.count_nonzero(bad)} of {p.size} are not); for raw outputs use "
            "lastlayer.cross_entropy"
        )
    if sums_to_one:
        total = p.sum(axis=-1)
        off = np.abs(total - 1) > tolerance
        if off.any():
            place, first = first_bad(off, total)
            raise ValueError(
                f"{name}{place} sums to {first:.9g}, not to 1 "
                f"({np.count_nonzero(off)} of {off.size} rows){hint}"
            )
    return np.minimum(p, 1, out=p)


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
    check_weight_shape(array.shape, shape, name, meaning)
    check_range(array, name)
    return np.require(array, np.float64, ["C", "A"])


def check_weight_shape(
    shape: tuple[int, ...], wanted: tuple[int, ...], name: str, meaning: str
) -> None:
    """Refuse weights of another shape."""
    if shape != wanted:
        raise ValueError(f"{name} has shape {shape}, not {wanted}, {meaning}")


def as_number(
    value: Any, name: str, low: float, high: float, *, inside: bool = False, hint: str = ""
) -> float:
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
    closing = ")" if inside or high == math.inf else "]"
    interval = f"{'(' if inside else '['}{low:g}, {high:g}{closing}"
    raise ValueError(f"{name} = {value!r} is outside {interval}{hint}")


_DIVISORS = (1e-9, 1e9)


def as_temperature(value: Any) -> float:
    """A temperature above 0, of a size at which float32 can divide by it."""
    return as_number(value, "temperature", *_DIVISORS, inside=True)


def as_softcap(value: Any) -> float:
    """A soft-cap above 0; 0.0 stands for none."""
    return (
        0.0
        if value is None
        else as_number(value, "softcap", *_DIVISORS, inside=True, hint="; None stands for no cap")
    )


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
