"""Squares of numbers turned in registers: rows that lie side by side become vectors of classes.

In Fortran order, and in images, a line of memory holds one class of a vector's rows. Whole lines of
as many classes are loaded and leave as rows: first within their parts of 16 bytes (`turn.py`), then
part by part. Each line is touched once: classes that are a power of two apart have so few places
in a cache that none would still be there the second time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.dtypes import rounded, widened
from lastlayer.kernels.lanes import joined
from lastlayer.kernels.memory import ask_for, first_mask, masked_load, masked_store
from lastlayer.kernels.simd import BYTES, lanes_of
from lastlayer.kernels.turn import PARTS, shuffled, side_of, turned_parts

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def _turned(builder: Any, vectors: list[Any], side: int) -> list[Any]:
    """Number q of vector i becomes number i of vector q."""
    lanes = len(vectors)
    groups = [turned_parts(builder, vectors[k : k + side]) for k in range(0, lanes, side)]
    order = [  # of two vectors' eight parts the even ones, and the odd ones
        [part * side + k for part in range(odd, 2 * PARTS, 2) for k in range(side)]
        for odd in (0, 1)
    ]
    turned = [None] * lanes
    for q in range(side):
        a, b, c, d = (group[q] for group in groups)
        for odd in (0, 1):
            ab, cd = shuffled(builder, a, b, order[odd]), shuffled(builder, c, d, order[odd])
            for second in (0, 1):
                part = odd + 2 * second
                turned[part * side + q] = shuffled(builder, ab, cd, order[second])
    return turned


def _load(context: Any, builder: Any, place: Any, mask: Any, kind: Any, like: Any) -> Any:
    """The vector at a place, widened, without touching what a mask leaves out."""
    if mask is not None:
        value = masked_load(builder, place, mask, kind)
    else:
        value = builder.load(place)
        value.align = kind.bitwidth // 8
    return widened(context, builder, value, kind, like)


def _square(past_cache: bool) -> Callable[..., Any]:
    @intrinsic
    def turn(typingctx: Any, source: Any, index: Any, stride: Any, loaded: Any, ahead: Any,
             target: Any, to: Any, pitch: Any, stored: Any, like: Any) -> Any:  # fmt: skip
        """target[to + i · pitch + k] = source[index + k · stride + i] for all lanes i and k.

        Of each vector the first `loaded` numbers are read and the first `stored` written, all
        where that is None; what lies `ahead` of each that is read is asked for, unless it is None.
        Past the caches k goes on to as many numbers as a cache line of the target has.
        """
        lanes, side, size = lanes_of(like), side_of(like), target.dtype.bitwidth // 8
        squares = BYTES // (lanes * size) if past_cache else 1

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            memory, at, step, some, further, result, to, pitch, most, _ = args

            def place(base: Any, first: Any, by: Any, number: int, kind: Any, count: int) -> Any:
                at = builder.gep(base, [builder.add(first, builder.mul(by, _I64(number)))])
                vector = ir.VectorType(context.get_value_type(kind), count)
                return builder.bitcast(at, vector.as_pointer())

            mask = None if sig.args[3] == types.none else first_mask(builder, some, lanes)
            columns = []
            for first in range(0, squares * lanes, lanes):
                vectors = []
                for k in range(first, first + lanes):
                    line = place(memory, at, step, k, source.dtype, lanes)
                    vectors.append(_load(context, builder, line, mask, source.dtype, like))
                    if sig.args[4] != types.none:
                        # after the load: the line may take that one's place in a cache
                        there = builder.add(at, further)
                        line = place(memory, there, step, k, source.dtype, lanes)
                        ask_for(builder, line, to_write=0, nearness=2)
                turned = _turned(builder, vectors, side)
                columns.append([rounded(context, builder, v, like, target.dtype) for v in turned])
            mask = None if sig.args[8] == types.none else first_mask(builder, most, lanes)
            for i, parts in enumerate(zip(*columns, strict=True)):
                data = joined(builder, list(parts))
                line = place(result, to, pitch, i, target.dtype, squares * lanes)
                if mask is not None:
                    masked_store(builder, data, line, mask, target.dtype)
                    continue
                done = builder.store(data, line)
                done.align = BYTES if past_cache else size
                if past_cache:
                    done.set_metadata("nontemporal", builder.module.add_metadata([_I32(1)]))
            return context.get_dummy_value()

        loaded, ahead, stored = (
            kind if kind == types.none else types.int64 for kind in (loaded, ahead, stored)
        )
        return types.void(source, types.int64, types.int64, loaded, ahead, target, types.int64,
                          types.int64, stored, like), codegen  # fmt: skip

    return turn  # type: ignore[no-any-return]


turn_square = _square(past_cache=False)
# The same past the caches: the places must be those of whole cache lines.
turn_square_past = _square(past_cache=True)
