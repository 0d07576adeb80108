"""Rows of few classes as lanes and back: squares of a few rows and classes, turned in registers.

A vector is four parts of 16 bytes. A part of each of four rows makes a vector; of as many vectors
as a part has numbers, four in float32 and two in float64, classes come by shuffles within the
parts. Turning them once more gives rows again. A load of each number by itself, as the processor's
gather does it, costs three times that.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.dtypes import rounded, widened
from lastlayer.kernels.lanes import joined, part
from lastlayer.kernels.processor import features
from lastlayer.kernels.simd import lanes_of

_I32, _I64 = ir.IntType(32), ir.IntType(64)
PARTS = 4


def side_of(like: Any) -> int:
    """How many classes are turned together."""
    return lanes_of(like) // PARTS


@intrinsic
def side(typingctx: Any, like: Any) -> Any:
    """How many classes are turned together."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _I64(side_of(like))

    return types.int64(like), codegen


def shuffled(builder: Any, a: Any, b: Any, order: list[int]) -> Any:
    """LLVM code: these numbers of two vectors, one after the other."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(order)), order))


def turned_parts(builder: Any, vectors: list[Any]) -> list[Any]:
    """LLVM code, within each part: number q of vector i becomes number i of vector q."""
    side, lanes = len(vectors), vectors[0].type.count

    def interleaved(a: Any, b: Any, half: int, run: int) -> Any:
        order = []
        for first in range(half * side // 2, lanes, side):
            for k in range(first, first + side // 2, run):
                order += [*range(k, k + run), *range(lanes + k, lanes + k + run)]
        return shuffled(builder, a, b, order)

    if side == 2:
        return [interleaved(vectors[0], vectors[1], half, 1) for half in (0, 1)]
    a, b, c, d = vectors
    turned = []
    for half in (0, 1):
        ab, cd = interleaved(a, b, half, 1), interleaved(c, d, half, 1)
        turned += [interleaved(ab, cd, second, 2) for second in (0, 1)]
    return turned


def _unseen(builder: Any, value: Any, kind: str = "r") -> Any:
    """The same value in a register, of which LLVM does not know where it came from."""
    same = ir.FunctionType(value.type, [value.type])
    return builder.asm(same, "", f"={kind},0", [value], side_effect=False)


def _row_places(builder: Any, source: Any, index: Any, stride: Any, lanes: int, kind: Any) -> Any:
    """A pointer to each of the rows' numbers from source[index] on.

    LLVM would keep sixteen addresses, more than there are registers, and add the class to each.
    """
    side = lanes // PARTS
    places, first = [], builder.gep(source, [index])
    for _ in range(PARTS):
        at = builder.inttoptr(_unseen(builder, builder.ptrtoint(first, _I64)), source.type)
        places += [builder.gep(at, [builder.mul(stride, _I64(i))]) for i in range(side)]
        first = builder.gep(at, [builder.mul(stride, _I64(side))])
    return [builder.bitcast(place, kind.as_pointer()) for place in places]


def _place(builder: Any, source: Any, index: Any, stride: Any, number: int, kind: Any) -> Any:
    at = builder.add(index, builder.mul(stride, _I64(number)))
    return builder.bitcast(builder.gep(source, [at]), kind.as_pointer())


@intrinsic
def turn_in(typingctx: Any, source: Any, index: Any, stride: Any, buffer: Any, to: Any,
            like: Any) -> Any:  # fmt: skip
    """`side` numbers of each of a vector's rows, from source[index + row · stride] on, as vectors
    at buffer[to].
    """  # fmt: skip
    side, lanes, size = side_of(like), lanes_of(like), source.dtype.bitwidth // 8

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        memory, at, step, target, to = args[:5]
        kind = ir.VectorType(context.get_value_type(source.dtype), side)
        places = _row_places(builder, memory, at, step, lanes, kind)
        vectors = []
        for i in range(side):
            parts = []
            for first in range(i, lanes, side):
                value = builder.load(places[first])
                value.align = size
                parts.append(value)
            vectors.append(widened(context, builder, joined(builder, parts), source.dtype, like))
        for q, vector in enumerate(turned_parts(builder, vectors)):
            done = builder.store(vector, _place(builder, target, to, _I64(lanes), q, vector.type))
            done.align = like.bitwidth // 8
        return context.get_dummy_value()

    return types.void(source, index, types.int64, buffer, to, like), codegen


@intrinsic
def turn_out(typingctx: Any, buffer: Any, at: Any, target: Any, index: Any, stride: Any,
             like: Any) -> Any:  # fmt: skip
    """The reverse of `turn_in`."""
    side, lanes, size = side_of(like), lanes_of(like), target.dtype.bitwidth // 8

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        source, at, memory, to, step = args[:5]
        whole = ir.VectorType(context.get_value_type(like), lanes)
        vectors = []
        for q in range(side):
            value = builder.load(_place(builder, source, at, _I64(lanes), q, whole))
            value.align = like.bitwidth // 8
            vectors.append(value)
        kind = ir.VectorType(context.get_value_type(target.dtype), side)
        places = _row_places(builder, memory, to, step, lanes, kind)
        turned = turned_parts(builder, vectors)
        if "+avx512f" in features(context):  # LLVM would take them apart before the last step
            turned = [_unseen(builder, vector, "v") for vector in turned]
        for i, vector in enumerate(turned):
            data = rounded(context, builder, vector, like, target.dtype)
            for k, first in enumerate(range(i, lanes, side)):
                done = builder.store(part(builder, data, k * side, side), places[first])
                done.align = size
        return context.get_dummy_value()

    return types.void(buffer, at, target, index, types.int64, like), codegen


def _few(count: int) -> tuple[Any, Any]:
    """`turn_in` and `turn_out` of rows of `count` classes side by side, for fewer than a square."""

    @intrinsic
    def few_in(typingctx: Any, source: Any, index: Any, buffer: Any, like: Any) -> Any:
        lanes = lanes_of(like)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            memory, at, target, _ = args
            kind = ir.VectorType(context.get_value_type(source.dtype), lanes)
            found = []
            for n in range(count):
                value = builder.load(_place(builder, memory, at, _I64(lanes), n, kind))
                value.align = source.dtype.bitwidth // 8
                found.append(widened(context, builder, value, source.dtype, like))
            for j in range(count):
                vector = _picked(builder, found, [r * count + j for r in range(lanes)])
                place = _place(builder, target, _I64(0), _I64(lanes), j, vector.type)
                builder.store(vector, place).align = like.bitwidth // 8
            return context.get_dummy_value()

        return types.void(source, index, buffer, like), codegen

    @intrinsic
    def few_out(typingctx: Any, buffer: Any, target: Any, index: Any, like: Any) -> Any:
        lanes = lanes_of(like)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            source, memory, at, _ = args
            kind = ir.VectorType(context.get_value_type(like), lanes)
            columns = []
            for j in range(count):
                value = builder.load(_place(builder, source, _I64(0), _I64(lanes), j, kind))
                value.align = like.bitwidth // 8
                columns.append(value)
            for n in range(count):
                numbers = [divmod(k, count) for k in range(n * lanes, (n + 1) * lanes)]
                vector = _picked(builder, columns, [j * lanes + r for r, j in numbers])
                data = rounded(context, builder, vector, like, target.dtype)
                place = _place(builder, memory, at, _I64(lanes), n, data.type)
                builder.store(data, place).align = target.dtype.bitwidth // 8
            return context.get_dummy_value()

        return types.void(buffer, target, index, like), codegen

    return few_in, few_out


def _picked(builder: Any, vectors: list[Any], order: list[int]) -> Any:
    """A vector of the numbers of these vectors, one after the other, in an order."""
    lanes = len(order)
    first, second, *rest = vectors
    taken = shuffled(builder, first, second, [k if k < 2 * lanes else 0 for k in order])
    for n, vector in enumerate(rest, 2):
        own = [k - n * lanes + lanes if k // lanes == n else at for at, k in enumerate(order)]
        taken = shuffled(builder, taken, vector, own)
    return taken


pairs_in, pairs_out = _few(2)
triples_in, triples_out = _few(3)
