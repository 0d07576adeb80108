"""Masks as numbers: their bits kept in memory, counted and found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.lanes import part
from lastlayer.kernels.simd import Vector, call, lanes_of

_I64 = ir.IntType(64)
PLANE = 32  # bytes of a plane of marks


def _of_bits(name: str, *rest: Any) -> Callable[..., Any]:
    @intrinsic
    def count(typingctx: Any, word: Any) -> Any:
        kind = f"v{word.lanes}i64" if isinstance(word, Vector) else "i64"

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return call(builder, f"llvm.{name}.{kind}", args[0].type, [*args, *rest])

        return word(word), codegen

    return count  # type: ignore[no-any-return]


bits_set = _of_bits("ctpop")  # of int64, or of a vector of them, how many bits are set
first_bit = _of_bits("cttz", ir.IntType(1)(0))  # of an int64, which is the first; 64 where none is


@intrinsic
def bits_of(typingctx: Any, mask: Any) -> Any:
    """A mask's bits as a number, the first lane's the lowest."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(mask.lanes)), _I64)

    return types.int64(mask), codegen


@intrinsic
def store_marks(typingctx: Any, target: Any, start: Any, index: Any, mask: Any, like: Any) -> Any:
    """The bits of a mask for the numbers from `index` on, of one vector or of those abreast.

    Into planes of PLANE bytes that begin `start` bytes behind `target`: of every four vectors each
    has its bits in another one. Side by side LLVM would join them before they are stored, which
    takes longer than what they tell.
    """
    lanes = lanes_of(like)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = ir.IntType(lanes)
        vector = builder.lshr(args[2], _I64(lanes.bit_length() - 1))
        group, plane = builder.lshr(vector, _I64(2)), builder.and_(vector, _I64(3))
        place = builder.add(args[1], builder.mul(group, _I64(lanes // 8)))
        place = builder.add(place, builder.mul(plane, _I64(PLANE)))
        first = builder.gep(builder.bitcast(args[0], ir.IntType(8).as_pointer()), [place])
        for n in range(mask.lanes // lanes):
            one = builder.bitcast(part(builder, args[3], n * lanes, lanes), number)
            at = builder.gep(first, [_I64(n * PLANE)])
            builder.store(one, builder.bitcast(at, number.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(target, types.int64, types.int64, mask, like), codegen
