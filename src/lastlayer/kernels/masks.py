"""Masks as numbers: their bits kept in memory, counted and found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.simd import call

_I64 = ir.IntType(64)


def _of_bits(name: str, *rest: Any) -> Callable[..., Any]:
    @intrinsic
    def count(typingctx: Any, word: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return call(builder, f"llvm.{name}.i64", _I64, [*args, *rest])

        return types.int64(types.int64), codegen

    return count  # type: ignore[no-any-return]


bits_set = _of_bits("ctpop")  # of an int64, how many bits are set
first_bit = _of_bits("cttz", ir.IntType(1)(0))  # and which is the first; 64 where none is


@intrinsic
def store_mask(typingctx: Any, target: Any, index: Any, mask: Any) -> Any:
    """A mask's bits to place `index`, counted in lanes, of the bits that begin at `target`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = ir.IntType(mask.lanes)
        bytes_ = builder.bitcast(args[0], ir.IntType(8).as_pointer())
        place = builder.gep(bytes_, [builder.lshr(args[1], _I64(3))])
        done = builder.store(builder.bitcast(args[2], number),
                             builder.bitcast(place, number.as_pointer()))  # fmt: skip
        done.align = 1
        return context.get_dummy_value()

    return types.void(target, types.int64, mask), codegen
