"""Memory as kernels see it: addresses, element strides, and the four dtypes that may lie there.

A `Layout` of rows is (address, outer stride, inner stride, class stride, kind), the strides in
elements; row number n lies at outer · (n // inner count) + inner · (n % inner count). One compiled
kernel thus serves every layout and, widened on load and rounded once on store, half precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.jit import by_dtype, inner
from lastlayer.kernels.layout import DOUBLE, HALF, SINGLE
from lastlayer.kernels.vecmath import bits, from_bits


@intrinsic
def pointer(typingctx: Any, address: Any, like: Any) -> Any:
    """A pointer to elements of the type of `like` at an address."""
    result = types.CPointer(like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return result(types.int64, like), codegen


@intrinsic
def prefetch(typingctx: Any, source: Any, index: Any) -> Any:
    """Ask for the cache line of source[index]; any address may be asked for."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        flag = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        )
        place = builder.bitcast(builder.gep(args[0], [args[1]]), byte)
        builder.call(function, [place, flag(0), flag(2), flag(1)])  # to read, into L2, data
        return context.get_dummy_value()

    return types.void(source, index), codegen


# --------------------------------------------------------------------------- half precision


@inner
def from_bfloat(h: Any) -> Any:
    """A bfloat16 is the upper half of a float32."""
    return from_bits(np.int32(np.int32(h) << np.int32(16)))


@inner
def from_half(h: Any) -> Any:
    """float16 to float32: the exponent's bias changes by 112, subnormal numbers included."""
    n = np.int32(h)
    size = n & np.int32(0x7FFF)
    value = from_bits(np.int32(size << np.int32(13))) * np.float32(2.0**112)
    special = np.int32(bits(value) | np.int32(0x7F800000))  # infinity and NaN keep their payload
    magnitude = special if size >= np.int32(0x7C00) else bits(value)
    return from_bits(np.int32(magnitude | np.int32((n & np.int32(0x8000)) << np.int32(16))))


@inner
def to_bfloat(x: Any) -> Any:
    """float32 to bfloat16, to nearest, ties to even; a NaN stays one."""
    n = bits(np.float32(x))
    rounded = np.int32(n + np.int32(0x7FFF) + np.int32((n >> np.int32(16)) & np.int32(1)))
    nan = np.int32(n | np.int32(0x00400000))
    size = n & np.int32(0x7FFFFFFF)
    kept = nan if size > np.int32(0x7F800000) else rounded
    return np.uint16((kept >> np.int32(16)) & np.int32(0xFFFF))


_DENORMAL = np.int32((127 - 15 + 23 - 10 + 1) << 23)


@inner
def to_half(x: Any) -> Any:
    """float32 to float16, to nearest, ties to even, subnormal numbers and overflow included."""
    n = bits(np.float32(x))
    sign = np.int32((n >> np.int32(16)) & np.int32(0x8000))
    size = np.int32(n & np.int32(0x7FFFFFFF))
    odd = np.int32((size >> np.int32(13)) & np.int32(1))
    normal = np.int32((size - np.int32(112 << 23) + np.int32(0xFFF) + odd) >> np.int32(13))
    # adding 2^-1 (as float16 counts) makes the processor round at the last subnormal bit
    tiny = np.int32(bits(from_bits(size) + from_bits(_DENORMAL)) - _DENORMAL)
    value = tiny if size < np.int32(113 << 23) else normal
    value = np.int32(0x7C00) if size >= np.int32(0x47800000) else value
    value = np.int32(0x7E00) if size > np.int32(0x7F800000) else value
    return np.uint16(value | sign)


# --------------------------------------------------------------------------- copies

# What lies at a pointer is told by its type: uint16 is a float16 and int16 a bfloat16.
_F32, _F64, _F16, _B16 = np.float32(0), np.float64(0), np.uint16(0), np.int16(0)


@by_dtype
def converted(x: Any, target: Any) -> Any:
    """An element as the type that `target` points to: widened, or rounded once."""

    def widen_half(x: Any, target: Any) -> Any:
        return from_half(x)

    def widen_bfloat(x: Any, target: Any) -> Any:
        return from_bfloat(x)

    def round_to_half(x: Any, target: Any) -> Any:
        return to_half(x)

    def round_to_bfloat(x: Any, target: Any) -> Any:
        return to_bfloat(x)

    def plain(x: Any, target: Any) -> Any:
        return x

    widen = {types.uint16: widen_half, types.int16: widen_bfloat}
    narrow = {types.uint16: round_to_half, types.int16: round_to_bfloat}
    return widen.get(x) or narrow.get(target.dtype) or plain


@inner
def _copy(source: Any, at: Any, s0: Any, s1: Any, target: Any, to: Any, t0: Any, t1: Any,
          n0: Any, n1: Any) -> None:  # fmt: skip
    """target[to + a·t0 + b·t1] = source[at + a·s0 + b·s1] for a < n0, b < n1, converted."""
    for a in range(n0):
        i, o = at + a * s0, to + a * t0
        if s1 == 1 and t1 == 1:
            for b in range(n1):
                target[o + b] = converted(source[i + b], target)
        elif t1 == 1:
            for b in range(n1):
                target[o + b] = converted(source[i + b * s1], target)
        else:
            for b in range(n1):
                target[o + b * t1] = converted(source[i + b * s1], target)


@inner
def gather(layout: Any, at: Any, s0: Any, s1: Any, target: Any, to: Any, t0: Any, t1: Any,
           n0: Any, n1: Any) -> None:  # fmt: skip
    """Copy elements of any kind, from `at` of a layout's memory, into a working buffer."""
    address, kind = layout[0], layout[4]
    if kind == SINGLE:
        _copy(pointer(address, _F32), at, s0, s1, target, to, t0, t1, n0, n1)
    elif kind == DOUBLE:
        _copy(pointer(address, _F64), at, s0, s1, target, to, t0, t1, n0, n1)
    elif kind == HALF:
        _copy(pointer(address, _F16), at, s0, s1, target, to, t0, t1, n0, n1)
    else:
        _copy(pointer(address, _B16), at, s0, s1, target, to, t0, t1, n0, n1)


@inner
def scatter(source: Any, frm: Any, s0: Any, s1: Any, layout: Any, at: Any, t0: Any, t1: Any,
            n0: Any, n1: Any) -> None:  # fmt: skip
    """Copy a working buffer into a layout's memory, rounded once to its kind."""
    address, kind = layout[0], layout[4]
    if kind == SINGLE:
        _copy(source, frm, s0, s1, pointer(address, _F32), at, t0, t1, n0, n1)
    elif kind == DOUBLE:
        _copy(source, frm, s0, s1, pointer(address, _F64), at, t0, t1, n0, n1)
    elif kind == HALF:
        _copy(source, frm, s0, s1, pointer(address, _F16), at, t0, t1, n0, n1)
    else:
        _copy(source, frm, s0, s1, pointer(address, _B16), at, t0, t1, n0, n1)


@by_dtype
def as_like(x: Any, like: Any) -> Any:
    """A number in the working precision, that of `like`."""

    def single(x: Any, like: Any) -> Any:
        return np.float32(x)

    def double(x: Any, like: Any) -> Any:
        return np.float64(x)

    return single if like == types.float32 else double


@by_dtype
def width(like: Any) -> Any:
    """Bytes of a number of the working precision."""

    def single(like: Any) -> Any:
        return 4

    def double(like: Any) -> Any:
        return 8

    return single if like == types.float32 else double
