"""Vectors of whole numbers: what is asked of them beside `simd`."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.processor import features
from lastlayer.kernels.simd import Vector, element_of, spread


@intrinsic
def shifted(typingctx: Any, n: Any, by: Any) -> Any:
    """n · 2^−by of integers that are taken without a sign, rounded down."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = context.cast(builder, args[1], by, element_of(n))
        steps = spread(builder, number, n.lanes) if isinstance(n, Vector) else number
        return builder.lshr(args[0], steps)

    return n(n, by), codegen


@intrinsic
def as_floats(typingctx: Any, n: Any) -> Any:
    """Whole numbers as float64."""
    result = Vector(types.float64, n.lanes)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.sitofp(args[0], context.get_value_type(result))

    return result(n), codegen


@intrinsic
def labels_as_floats(typingctx: Any, n: Any) -> Any:
    """`as_floats` of whole numbers that are below 2^51 in size; of others, any number."""
    result = Vector(types.float64, n.lanes)
    magic = 6755399441055744.0  # 1.5 · 2^52, in whose low bits a whole number may be

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = context.get_value_type(result)
        if "+avx512dq" in features(context):
            return builder.sitofp(args[0], kind)
        # else the processor has an instruction for one number alone
        moved = builder.add(args[0], ir.Constant(args[0].type, n.lanes * [0x4338000000000000]))
        return builder.fsub(builder.bitcast(moved, kind), ir.Constant(kind, n.lanes * [magic]))

    return result(n), codegen


@intrinsic
def one_a_lane(typingctx: Any, numbers: Any, step: Any, first: Any) -> Any:
    """numbers · step + first + lane, of a vector of int64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        steps, start = (spread(builder, a, numbers.lanes) for a in args[1:])
        lanes = ir.Constant(args[0].type, list(range(numbers.lanes)))
        return builder.add(builder.mul(args[0], steps), builder.add(start, lanes))

    return numbers(numbers, types.int64, types.int64), codegen
