"""Numbers of 16 bits compared as they lie in memory: four times as many an instruction as widened.

As whole numbers with a sign, floats that are not negative have their order, and negative ones the
reverse of it. Of some that are not all negative the largest is the largest whole number, of others
the smallest.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.dtypes import same, widened
from lastlayer.kernels.simd import Vector, lanes_of

_MINUS_INF = {types.uint16: -0x400, types.int16: -0x80}


@intrinsic
def words_of_nothing(typingctx: Any, source: Any, like: Any) -> Any:
    """−inf as a whole number, as often as `four` has lanes: what comparing begins with.

    It is above no number that is not negative, and below no other.
    """
    words = Vector(types.int16, 4 * lanes_of(like))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return same(context.get_value_type(words), _MINUS_INF[source.dtype])

    return words(source, like), codegen


@intrinsic
def words_at(typingctx: Any, source: Any, index: Any, like: Any) -> Any:
    """Those from source[index] on, as many as `like` has."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = context.get_value_type(like)
        value = builder.load(builder.bitcast(builder.gep(args[0], [args[1]]), kind.as_pointer()))
        value.align = 2
        return value

    return like(source, types.int64, like), codegen


@intrinsic
def largest_word(typingctx: Any, high: Any, low: Any) -> Any:
    """The largest float from the largest and the smallest whole number, lane by lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        negative = builder.icmp_signed("<", args[0], same(args[0].type, 0))
        return builder.select(negative, args[1], args[0])

    return high(high, low), codegen


@intrinsic
def floats_of(typingctx: Any, source: Any, words: Any, like: Any) -> Any:
    """Whole numbers as what they stand for, in the precision of `like`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return widened(context, builder, args[1], source.dtype, like)

    return Vector(like, words.lanes)(source, words, like), codegen
