"""Numbers of 16 bits, more of them an instruction than when each is widened by itself.

Compared as they lie in memory: as whole numbers with a sign, floats that are not negative have
their order, and negative ones the reverse of it. Of some that are not all negative the largest is
the largest whole number, of others the smallest.

Of two bfloat16 in 32 bits the second is a float32 once the first is cleared, and the first once it
is moved up: one instruction for sixteen, where bringing them into lanes in their order takes two.
Sums may have them in any order as long as what they add up to is brought back into it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.dtypes import same, widened
from lastlayer.kernels.jit import by_dtype
from lastlayer.kernels.lanes import fold_sum, joined, part
from lastlayer.kernels.memory import load
from lastlayer.kernels.processor import ABREAST
from lastlayer.kernels.simd import Vector, lanes_of

_MINUS_INF = {types.uint16: -0x400, types.int16: -0x80}
_I32 = ir.IntType(32)

# --------------------------------------------------------------------------- compared


@intrinsic
def words_of_nothing(typingctx: Any, source: Any, like: Any) -> Any:
    """−inf as a whole number, as often as `abreast` has lanes: what comparing begins with.

    It is above no number that is not negative, and below no other.
    """
    words = Vector(types.int16, ABREAST * lanes_of(like))

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


def _folded(symbol: str) -> Callable[..., Any]:
    @intrinsic
    def fold(typingctx: Any, words: Any, like: Any) -> Any:
        result = Vector(words.dtype, lanes_of(like))

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            value, lanes = args[0], words.lanes
            while lanes > result.lanes:
                lanes //= 2
                a, b = (part(builder, value, at, lanes) for at in (0, lanes))
                value = builder.select(builder.icmp_signed(symbol, a, b), a, b)
            return value

        return result(words, like), codegen

    return fold  # type: ignore[no-any-return]


# The largest and the smallest of as many words a lane as leave a vector of the precision of `like`.
fold_high, fold_low = _folded(">"), _folded("<")


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


# --------------------------------------------------------------------------- summed


@intrinsic
def _evens_and_odds(typingctx: Any, source: Any, index: Any, like: Any) -> Any:
    """The bfloat16 from source[index] on, of every 32 those of even numbers before the others."""
    words = Vector(types.int32, like.lanes // 2)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind, lanes = context.get_value_type(words), lanes_of(like.dtype)
        value = builder.load(builder.bitcast(builder.gep(args[0], [args[1]]), kind.as_pointer()))
        value.align = 2
        even = builder.shl(value, same(kind, 16))
        odd = builder.and_(value, same(kind, -0x10000))
        parts = [
            part(builder, half, at, lanes) for at in range(0, words.lanes, lanes)
            for half in (even, odd)
        ]  # fmt: skip
        return builder.bitcast(joined(builder, parts), context.get_value_type(like))

    return like(source, types.int64, like), codegen


@intrinsic
def _fold_apart(typingctx: Any, sums: Any) -> Any:
    """`fold_sum` of what `_evens_and_odds` has in that order."""
    lanes = lanes_of(sums.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = args[0]
        if sums.lanes > 2 * lanes:
            value = builder.fadd(*(part(builder, value, at, 2 * lanes) for at in (0, 2 * lanes)))
        turns = [n // 2 + n % 2 * lanes for n in range(2 * lanes)]
        order = ir.Constant(ir.VectorType(_I32, 2 * lanes), turns)
        value = builder.shuffle_vector(value, value, order)
        return builder.fadd(*(part(builder, value, at, lanes) for at in (0, lanes)))

    return Vector(sums.dtype, lanes)(sums), codegen


@by_dtype
def load_abreast(source: Any, index: Any, kept: Any, like: Any) -> Any:
    """The vectors abreast from source[index] on, in the order that `fold_abreast` knows.

    That of the memory for what is `kept`: results are read from there one vector at a time.
    """

    def in_order(source: Any, index: Any, kept: Any, like: Any) -> Any:
        return load(source, index, like)

    def apart(source: Any, index: Any, kept: Any, like: Any) -> Any:
        return _evens_and_odds(source, index, like)

    return apart if _is_apart(source, kept) else in_order


@by_dtype
def fold_abreast(source: Any, kept: Any, sums: Any) -> Any:
    """`fold_sum` of what was added up of `load_abreast`."""

    def in_order(source: Any, kept: Any, sums: Any) -> Any:
        return fold_sum(sums)

    def apart(source: Any, kept: Any, sums: Any) -> Any:
        return _fold_apart(sums)

    return apart if _is_apart(source, kept) else in_order


def _is_apart(source: Any, kept: Any) -> bool:
    little = sys.byteorder == "little"  # or the lower half of a word would be its first number
    return little and source.dtype == types.int16 and isinstance(kept, types.NoneType)
