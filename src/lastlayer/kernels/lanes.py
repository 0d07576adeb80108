"""Between the lanes of a vector: what they come to together, and vectors taken apart and joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.processor import ABREAST
from lastlayer.kernels.simd import Vector, call, lanes_of, vector_of

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def part(builder: Any, value: Any, first: int, lanes: int) -> Any:
    """LLVM code: `lanes` lanes of a vector from the given one on."""
    order = ir.Constant(ir.VectorType(_I32, lanes), list(range(first, first + lanes)))
    return builder.shuffle_vector(value, value, order)


def joined(builder: Any, parts: list[Any]) -> Any:
    """LLVM code: vectors of one type, as many as a power of two, as one."""
    while len(parts) > 1:
        order = ir.Constant(ir.VectorType(_I32, 2 * parts[0].type.count),
                            list(range(2 * parts[0].type.count)))  # fmt: skip
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [builder.shuffle_vector(a, b, order) for a, b in pairs]
    return parts[0]


def _reduction(combine: Callable[..., Any], whole: bool) -> Callable[..., Any]:
    """Half of the lanes with the other half, until one is left, or as many as a vector has."""

    @intrinsic
    def reduce(typingctx: Any, vector: Any) -> Any:
        least = 1 if whole else lanes_of(vector.dtype)
        result = vector.dtype if whole else vector_of(vector.dtype)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            (value,), lanes = args, vector.lanes
            while lanes > least:
                lanes //= 2
                value = combine(
                    builder, part(builder, value, 0, lanes), part(builder, value, lanes, lanes)
                )
            return builder.extract_element(value, _I32(0)) if whole else value

        return result(vector), codegen

    return reduce  # type: ignore[no-any-return]


def _sum(builder: Any, a: Any, b: Any) -> Any:
    return builder.fadd(a, b)


def _largest(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _least(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


def _across(combine: Callable[..., Any]) -> Callable[..., Any]:
    @intrinsic
    def across(typingctx: Any, source: Any, index: Any) -> Any:
        vector = vector_of(source.dtype)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind, lanes = context.get_value_type(vector), vector.lanes
            width, values = lanes.bit_length() - 1, []
            # joining pairs, run after run, leaves rows where the bits of their numbers are turned
            for k in [int(f"{n:0{width}b}"[::-1], 2) for n in range(lanes)]:
                place = builder.gep(args[0], [builder.add(args[1], _I64(k * lanes))])
                values.append(builder.load(builder.bitcast(place, kind.as_pointer())))
                values[-1].align = 64
            while len(values) > 1:
                # each has runs of `size` lanes, of a row each; the lower and the upper half of
                # every run of two vectors become a vector each
                size, count = len(values), len(values) // 2
                runs = range(0, 2 * lanes, size)
                lower = [n + k for n in runs for k in range(size // 2)]
                orders = [
                    ir.Constant(ir.VectorType(_I32, lanes), [n + shift for n in lower])
                    for shift in (0, size // 2)
                ]
                values = [
                    combine(builder, *(builder.shuffle_vector(a, b, o) for o in orders))
                    for a, b in zip(values[:count], values[count:], strict=True)
                ]
            return values[0]

        return vector(source, types.int64), codegen

    return across  # type: ignore[no-any-return]


total_of, largest_of = _reduction(_sum, True), _reduction(_largest, True)
# Of as many vectors as one has lanes, one after the other from source[index] on: what each comes
# to, to the bit what `total_of` and `largest_of` say, in its lane.
totals_across, largest_across = _across(_sum), _across(_largest)
fold_sum, fold_largest = _reduction(_sum, False), _reduction(_largest, False)
fold_least = _reduction(_least, False)


@intrinsic
def first_of(typingctx: Any, vector: Any) -> Any:
    """The number in the first lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.extract_element(args[0], _I32(0))

    return vector.dtype(vector), codegen


@intrinsic
def repeated(typingctx: Any, vector: Any) -> Any:
    """A vector as often as it goes with `abreast`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return joined(builder, ABREAST * [args[0]])

    return Vector(vector.dtype, ABREAST * vector.lanes)(vector), codegen


@intrinsic
def all_of(typingctx: Any, mask: Any) -> Any:
    """Whether a mask is set in every lane."""
    whole = ir.IntType(mask.lanes)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.icmp_unsigned("==", builder.bitcast(args[0], whole), whole(-1))

    return types.boolean(mask), codegen


@intrinsic
def doubled(typingctx: Any, vector: Any) -> Any:
    """A vector of float32 as two of float64: its lower half and its upper."""
    half = vector_of(types.float64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        wide = context.get_value_type(half)
        parts = [part(builder, args[0], at, half.lanes) for at in (0, half.lanes)]
        return context.make_tuple(builder, sig.return_type, [builder.fpext(p, wide) for p in parts])

    return types.UniTuple(half, 2)(vector), codegen


@intrinsic
def halved(typingctx: Any, low: Any, high: Any) -> Any:
    """The reverse of `doubled`, rounded."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        narrow = ir.VectorType(ir.FloatType(), low.lanes)
        return joined(builder, [builder.fptrunc(a, narrow) for a in args])

    return vector_of(types.float32)(low, high), codegen


@intrinsic
def fold_products(typingctx: Any, a: Any, b: Any, total: Any) -> Any:
    """a · b of a vector, or of several one by one, added to a vector, rounded once each."""
    lanes = total.lanes

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, name = args[2], f"llvm.fma.v{lanes}f{total.dtype.bitwidth}"
        for at in range(0, a.lanes, lanes):
            factors = [part(builder, factor, at, lanes) for factor in args[:2]]
            value = call(builder, name, value.type, [*factors, value])
        return value

    return total(a, b, total), codegen
