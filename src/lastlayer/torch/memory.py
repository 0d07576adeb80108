"""Tensors of the CPU as NumPy arrays over the same memory, and back."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lastlayer import large_arrays
from lastlayer.contract import Array, dtype_name


@cache
def bfloat16() -> np.dtype[Any] | None:
    """NumPy's bfloat16, from ml_dtypes; None where that is not installed."""
    try:
        from ml_dtypes import bfloat16 as scalar
    except ModuleNotFoundError:
        return None
    dtype: np.dtype[Any] = np.dtype(scalar)
    return dtype


@cache
def numpy_dtypes() -> frozenset[torch.dtype]:
    """The dtypes that NumPy has too."""
    names = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 "
    names += "complex64 complex128" + (" bfloat16" if bfloat16() is not None else "")
    return frozenset(getattr(torch, name) for name in names.split())


def viewable(*tensors: Tensor | None) -> bool:
    """Whether all of them can be arrays."""
    known = numpy_dtypes()
    return all(t is None or t.dtype in known for t in tensors)


def values(tensor: Tensor) -> Array | None:
    """The values, where they are in the CPU's memory and not those of a transform."""
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    if not tensor.is_cpu or type(tensor) is not Tensor or wrapped or not viewable(tensor):
        return None
    with torch._C._DisableFuncTorch():  # under which even a tensor that nobody maps is wrapped
        return as_array(tensor)


def as_array(tensor: Tensor) -> Array:
    """The tensor's memory as an array. What is stored negated or conjugated is worked out."""
    if tensor.is_neg() or tensor.is_conj():
        tensor = tensor.resolve_neg().resolve_conj()
    if tensor.dtype is torch.bfloat16:
        halves: Array = tensor.detach().view(torch.int16).numpy()
        dtype = bfloat16()
        assert dtype is not None  # as `viewable` has told
        return halves.view(dtype)
    array: Array = tensor.detach().numpy()
    return array


def as_tensor(array: Array) -> Tensor:
    """The array's memory as a tensor. NumPy asks for huge pages where it allocates much."""
    if dtype_name(array.dtype) == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def empty_like(array: Array) -> Array:
    """A new array laid out as this one where its elements lie close together, else in C order.

    That is what torch expects of a gradient, and then takes without copying it.
    """
    result = large_arrays.empty_like(array)
    steps = zip(array.shape, array.strides, result.strides, strict=True)
    if all(n == 1 or s == t for n, s, t in steps):
        return result
    del result  # what follows may lie there
    return large_arrays.empty(array.shape, array.dtype)
