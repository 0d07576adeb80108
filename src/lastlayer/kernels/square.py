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
from lastlayer.kernels.memory import ask_for, first_mask, masked_load, masked_store
from lastlayer.kernels.simd import lanes_of
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


def _square(past_cache: bool) -> Callable[..., Any]:
    @intrinsic
    def turn(typingctx: Any, source: Any, index: Any, stride: Any, loaded: Any, ahead: Any,
             target: Any, to: Any, pitch: Any, stored: Any, like: Any) -> Any:  # fmt: skip
        """target[to + i · pitch + k] = source[index + k · stride + i] for all lanes i and k.

        Of each vector the first `loaded` numbers are read and the first `stored` written, all
        where that is None; what lies `ahead` of each that is read is asked for, unless it is None.
        """
        lanes, side = lanes_of(like), side_of(like)
        names = ("loaded", "ahead", "stored")
        given = dict(zip(names, (loaded, ahead, stored), strict=True))
        given = {name: not isinstance(kind, types.NoneType) for name, kind in given.items()}

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            memory, at, step, some, further, result, place, pitch_, most, _ = args

            def vector_at(base: Any, first: Any, by: Any, number: int, kind: Any) -> Any:
                place = builder.gep(base, [builder.add(first, builder.mul(by, _I64(number)))])
                shape = ir.VectorType(context.get_value_type(kind), lanes)
                return builder.bitcast(place, shape.as_pointer())

            vectors = []
            mask = first_mask(builder, some, lanes) if given["loaded"] else None
            for k in range(lanes):
                line = vector_at(memory, at, step, k, source.dtype)
                if mask is not None:
                    value = masked_load(builder, line, mask, source.dtype)
                else:
                    value = builder.load(line)
                    value.align = source.dtype.bitwidth // 8
                if given["ahead"]:  # after the load: the line may take that one's place in a cache
                    there = vector_at(memory, builder.add(at, further), step, k, source.dtype)
                    ask_for(builder, there, 0, 2)
                vectors.append(widened(context, builder, value, source.dtype, like))
            mask = first_mask(builder, most, lanes) if given["stored"] else None
            for i, vector in enumerate(_turned(builder, vectors, side)):
                data = rounded(context, builder, vector, like, target.dtype)
                line = vector_at(result, place, pitch_, i, target.dtype)
                if mask is not None:
                    masked_store(builder, data, line, mask, target.dtype)
                    continue
                done, size = builder.store(data, line), target.dtype.bitwidth // 8
                done.align = size * lanes if past_cache else size
                if past_cache:
                    done.set_metadata("nontemporal", builder.module.add_metadata([_I32(1)]))
            return context.get_dummy_value()

        whole = types.int64
        kinds = [kind if isinstance(kind, types.NoneType) else whole
                 for kind in (loaded, ahead, stored)]  # fmt: skip
        return types.void(source, whole, whole, kinds[0], kinds[1], target, whole, whole,
                          kinds[2], like), codegen  # fmt: skip

    return turn  # type: ignore[no-any-return]


turn_square = _square(past_cache=False)
# The same past the caches: the places must be aligned to the vector as it is stored.
turn_square_past = _square(past_cache=True)
