"""The four dtypes that logits may have, in LLVM: widened when loaded, rounded once when stored.

What lies in memory is told by a Numba type: uint16 stands for float16 and int16 for bfloat16.
Everything here takes a number or a vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import llvm_version_info
from numba import types

from lastlayer.kernels.lanes import part
from lastlayer.kernels.processor import features
from lastlayer.kernels.simd import call

# a number of the type that stands for each dtype, by layout.KINDS: single, double, half, bfloat
KIND_LIKES = (np.float32(0), np.float64(0), np.uint16(0), np.int16(0))
FLOATS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}

_HALF, _BFLOAT = types.uint16, types.int16
_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)


class _Bfloat(ir.Type):  # type: ignore[misc]
    """LLVM's bfloat16, which llvmlite has no name for."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bfloat)

    def __hash__(self) -> int:
        return hash(_Bfloat)


def _shaped(element: Any, like: Any) -> Any:
    """The LLVM type of `element` in the shape, number or vector, of the LLVM type `like`."""
    return ir.VectorType(element, like.count) if isinstance(like, ir.VectorType) else element


def same(kind: Any, number: Any) -> Any:
    """A constant of an LLVM type, in every lane."""
    return ir.Constant(kind, [number] * kind.count if isinstance(kind, ir.VectorType) else number)


def _has_halves(context: Any) -> bool:
    """Whether the processor itself turns float16 into float32 and back."""
    return "+f16c" in features(context) or "aarch64" in context.codegen().magic_tuple()[0]


def widened(context: Any, builder: Any, value: Any, kind: Any, like: Any) -> Any:
    """What was loaded, of the type `kind` that stands for its dtype, in the precision of `like`."""
    if kind == like:
        return value
    single = _shaped(FLOATS[types.float32], value.type)
    if kind in (_HALF, _BFLOAT):
        if kind == _HALF and _has_halves(context):
            value = builder.fpext(
                builder.bitcast(value, _shaped(ir.HalfType(), value.type)), single
            )
        else:
            whole = builder.zext(value, _shaped(_I32, value.type))
            if kind == _BFLOAT:  # the upper half of a float32
                whole = builder.shl(whole, same(whole.type, 16))
            else:
                whole = _half_bits(builder, whole)
            value = builder.bitcast(whole, single)
        kind = types.float32
    wide = _shaped(FLOATS[like], value.type)
    if kind == like:
        return value
    return (builder.fpext if like == types.float64 else builder.fptrunc)(value, wide)


def _half_bits(builder: Any, whole: Any) -> Any:
    """float16 bits to float32 bits: the exponent's bias changes by 112, subnormals included."""
    kind = whole.type
    single = _shaped(FLOATS[types.float32], kind)
    size = builder.and_(whole, same(kind, 0x7FFF))
    value = builder.bitcast(builder.shl(size, same(kind, 13)), single)
    n = builder.bitcast(builder.fmul(value, same(single, 2.0**112)), kind)
    special = builder.or_(n, same(kind, 0x7F800000))  # infinity and NaN keep their payload
    magnitude = builder.select(builder.icmp_signed(">=", size, same(kind, 0x7C00)), special, n)
    sign = builder.shl(builder.and_(whole, same(kind, 0x8000)), same(kind, 16))
    return builder.or_(magnitude, sign)


def rounded(context: Any, builder: Any, value: Any, like: Any, kind: Any) -> Any:
    """A value of the precision of `like` as what is stored for `kind`."""
    if kind == like:
        return value
    if kind in FLOATS:
        return (builder.fpext if kind == types.float64 else builder.fptrunc)(
            value, _shaped(FLOATS[kind], value.type)
        )
    if like == types.float64:
        value = builder.fptrunc(value, _shaped(FLOATS[types.float32], value.type))
    words = _shaped(_I16, value.type)
    sixteen = value.type == ir.VectorType(FLOATS[types.float32], 16)
    if kind == _HALF and sixteen and "+avx512f" in features(context):
        return _halves_of_sixteen(builder, value)
    if kind == _HALF and _has_halves(context):
        return builder.bitcast(builder.fptrunc(value, _shaped(ir.HalfType(), value.type)), words)
    whole = builder.bitcast(value, _shaped(_I32, value.type))
    return builder.trunc((_to_half if kind == _HALF else _to_bfloat)(builder, whole), words)


def rounded_normal(
    context: Any, builder: Any, vectors: list[Any], like: Any, kind: Any, normal: Any
) -> list[Any]:
    """`rounded` of some vectors, and a bit says whether none of them has a subnormal number.

    Those the processor takes for 0 where it makes bfloat16 itself, of two vectors at once.
    """

    def one_by_one() -> list[Any]:
        return [rounded(context, builder, one, like, kind) for one in vectors]

    if not (like == types.float32 and kind == _BFLOAT and _has_bfloats(context)):
        return one_by_one()
    with builder.if_else(normal) as (then, otherwise):
        with then:
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            quick = [half for pair in pairs for half in _bfloats_of_two(builder, *pair)]
            quickly = builder.block
        with otherwise:
            slow, slowly = one_by_one(), builder.block
    results = []
    for a, b in zip(quick, slow, strict=True):
        results.append(builder.phi(b.type))
        results[-1].add_incoming(a, quickly)
        results[-1].add_incoming(b, slowly)
    return results


def _has_bfloats(context: Any) -> bool:
    """Whether the processor turns float32 into bfloat16, and LLVM calls that as it does here."""
    return "+avx512bf16" in features(context) and llvm_version_info >= (20,)


# Both as bits, since LLVM 22 writes sixteen of either type through the caches where it is told to
# write past them, if the processor computes with such numbers.


def _bfloats_of_two(builder: Any, low: Any, high: Any) -> list[Any]:
    """Two times sixteen float32 as the bits of bfloat16."""
    name, both = "llvm.x86.avx512bf16.cvtne2ps2bf16.512", ir.VectorType(_Bfloat(), 32)
    whole = builder.bitcast(call(builder, name, both, [high, low]), ir.VectorType(_I64, 8))
    halves = [part(builder, whole, at, 4) for at in (0, 4)]
    return [builder.bitcast(half, ir.VectorType(_I16, 16)) for half in halves]


def _halves_of_sixteen(builder: Any, value: Any) -> Any:
    """Sixteen float32 as the bits of float16."""
    words, to_nearest = ir.VectorType(_I16, 16), _I32(0)
    arguments = [value, to_nearest, same(words, 0), _I16(-1)]
    return call(builder, "llvm.x86.avx512.mask.vcvtps2ph.512", words, arguments)


def _to_bfloat(builder: Any, n: Any) -> Any:
    """float32 bits to bfloat16 bits, to nearest, ties to even; a NaN stays one."""
    kind = n.type
    odd = builder.and_(builder.lshr(n, same(kind, 16)), same(kind, 1))
    up = builder.add(builder.add(n, same(kind, 0x7FFF)), odd)
    nan = builder.or_(n, same(kind, 0x00400000))
    size = builder.and_(n, same(kind, 0x7FFFFFFF))
    is_nan = builder.icmp_signed(">", size, same(kind, 0x7F800000))
    return builder.lshr(builder.select(is_nan, nan, up), same(kind, 16))


def _to_half(builder: Any, n: Any) -> Any:
    """float32 bits to float16 bits, to nearest, ties to even, subnormals and overflow included."""
    kind = n.type
    single = _shaped(FLOATS[types.float32], kind)
    size = builder.and_(n, same(kind, 0x7FFFFFFF))
    odd = builder.and_(builder.lshr(size, same(kind, 13)), same(kind, 1))
    normal = builder.sub(size, same(kind, (112 << 23) - 0xFFF))
    normal = builder.lshr(builder.add(normal, odd), same(kind, 13))
    # adding 2^-1 (as float16 counts) makes the processor round at the last subnormal bit
    place = same(kind, (127 - 15 + 23 - 10 + 1) << 23)
    shifted = builder.fadd(builder.bitcast(size, single), builder.bitcast(place, single))
    tiny = builder.sub(builder.bitcast(shifted, kind), place)

    def choose(symbol: str, bound: int, a: Any, b: Any) -> Any:
        return builder.select(builder.icmp_signed(symbol, size, same(kind, bound)), a, b)

    value = choose("<", 113 << 23, tiny, normal)
    value = choose(">=", 0x47800000, same(kind, 0x7C00), value)
    value = choose(">", 0x7F800000, same(kind, 0x7E00), value)
    sign = builder.and_(builder.lshr(n, same(kind, 16)), same(kind, 0x8000))
    return builder.or_(value, sign)
