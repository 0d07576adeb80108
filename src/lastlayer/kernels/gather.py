"""Numbers of memory that do not lie side by side, a lane each."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from lastlayer.kernels.dtypes import same, widened
from lastlayer.kernels.processor import features
from lastlayer.kernels.simd import Vector, call, spread

_I32, _I64 = ir.IntType(32), ir.IntType(64)


@intrinsic
def gather_at(typingctx: Any, source: Any, places: Any, mask: Any, like: Any) -> Any:
    """source[place] of each of a vector of int64, as numbers like `like`; 0 where not `mask`.

    There is a source[0], whatever the mask.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        size, lanes = source.dtype.bitwidth, places.lanes
        element = context.get_value_type(source.dtype)
        numbers, mask = args[1:3]
        jumps = "+avx512f" not in features(context)
        if jumps:  # one a lane: the first element is there to be read in place of none
            numbers = builder.select(mask, numbers, same(numbers.type, 0))
        read = same(mask.type, 1) if jumps else mask
        value = _gathered(builder, _places(builder, args[0], numbers, element, size), element,
                          read, size, lanes)  # fmt: skip
        value = widened(context, builder, value, source.dtype, like)
        return builder.select(mask, value, same(value.type, 0.0)) if jumps else value

    return Vector(like, places.lanes)(source, places, mask, like), codegen


def _places(builder: Any, source: Any, numbers: Any, element: Any, size: int) -> Any:
    """LLVM code: pointers to the elements of these numbers."""
    base = spread(builder, builder.ptrtoint(source, _I64), numbers.type.count)
    steps = builder.mul(numbers, same(numbers.type, size // 8))
    kind = ir.VectorType(element.as_pointer(), numbers.type.count)
    return builder.inttoptr(builder.add(base, steps), kind)


def _gathered(builder: Any, places: Any, element: Any, mask: Any, size: int, lanes: int) -> Any:
    kind = ir.VectorType(element, lanes)
    letter = "i" if isinstance(element, ir.IntType) else "f"
    name = f"llvm.masked.gather.v{lanes}{letter}{size}.v{lanes}p0"
    return call(builder, name, kind, [places, _I32(size // 8), mask, same(kind, 0)])
