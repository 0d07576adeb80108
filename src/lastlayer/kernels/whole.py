"""Whole numbers in vectors: eight int64, made of float64 and stored for one row after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.jit import inner
from lastlayer.kernels.lanes import joined
from lastlayer.kernels.memory import load
from lastlayer.kernels.simd import Vector, bits, where

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def _of_two(build: Callable[..., Any]) -> Callable[..., Any]:
    @intrinsic
    def combine(typingctx: Any, a: Any, b: Any) -> Any:
        return a(a, b), lambda context, builder, sig, args: build(builder, *args)

    return combine  # type: ignore[no-any-return]


def _smaller(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_signed("<", a, b), a, b)


def _larger(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_signed(">", a, b), a, b)


plus = _of_two(lambda builder, a, b: builder.add(a, b))
product = _of_two(lambda builder, a, b: builder.mul(a, b))
smaller, larger = _of_two(_smaller), _of_two(_larger)
up = _of_two(lambda builder, a, b: builder.shl(a, b))  # a · 2^b
down = _of_two(lambda builder, a, b: builder.lshr(a, b))  # a / 2^b of a ≥ 0, rounded down


@intrinsic
def truncated(typingctx: Any, x: Any) -> Any:
    """Floats without what follows the point, as whole numbers."""
    result = Vector(types.int64, x.lanes)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fptosi(args[0], context.get_value_type(result))

    return result(x), codegen


@intrinsic
def single_bits(typingctx: Any, x: Any) -> Any:
    """The bits of float64 that were rounded to float32, none of them negative."""
    result = Vector(types.int64, x.lanes)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        single = builder.fptrunc(args[0], ir.VectorType(ir.FloatType(), x.lanes))
        whole = builder.bitcast(single, ir.VectorType(_I32, x.lanes))
        return builder.zext(whole, context.get_value_type(result))

    return result(x), codegen


@intrinsic
def sum_of(typingctx: Any, n: Any) -> Any:
    """The sum of a vector's whole numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        total = _I64(0)
        for lane in range(n.lanes):
            total = builder.add(total, builder.extract_element(args[0], _I32(lane)))
        return total

    return types.int64(n), codegen


@inner
def whole(source: Any, at: Any, like: Any) -> Any:
    """The int64 that begin at source[at], which is a pointer to float64."""
    return bits(load(source, at, like))


@inner
def only(left_out: Any, n: Any) -> Any:
    """n, but 0 where it is left out."""
    return where(left_out, n - n, n)


@intrinsic
def store_by_turns(typingctx: Any, target: Any, at: Any, vectors: Any) -> Any:
    """The first numbers of all vectors, two or four, from target[at] on, then the second ones."""
    lanes, many = vectors[0].lanes, len(vectors)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        parts = [builder.extract_value(args[2], n) for n in range(many)]
        value = joined(builder, parts)
        order = [lane + lanes * n for lane in range(lanes) for n in range(many)]
        value = builder.shuffle_vector(
            value, value, ir.Constant(ir.VectorType(_I32, len(order)), order)
        )
        place = builder.bitcast(builder.gep(args[0], [args[1]]), value.type.as_pointer())
        builder.store(value, place, align=8)
        return context.get_dummy_value()

    return types.void(target, at, vectors), codegen


def _adder(count: int) -> Callable[..., Any]:
    @intrinsic
    def add(typingctx: Any, target: Any, at: Any, source: Any, start: Any) -> Any:
        kind = ir.VectorType(_I64, count)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            places = [
                builder.bitcast(builder.gep(pointer, [index]), kind.as_pointer())
                for pointer, index in (args[:2], args[2:])
            ]
            values = [builder.load(place, align=8) for place in places]
            builder.store(builder.add(*values), places[0], align=8)
            return context.get_dummy_value()

        return types.void(target, at, source, start), codegen

    return add  # type: ignore[no-any-return]


# target[at + i] += source[start + i] for 2 and for 4 int64
add_2, add_4 = _adder(2), _adder(4)
