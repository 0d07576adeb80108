"""Vectors as values that kernels compute with: 64 bytes of numbers, 16 float32 or 8 float64.

LLVM's loop vectoriser can't be told to keep some sums apart, to write past the cache or to use
an instruction of its own for 2^n; and it takes seconds to try. These types and functions become
LLVM's vector instructions one to one. A processor with shorter registers gets as many of its own.
Most functions take a plain float as well, so that a formula is written once for both.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

from lastlayer.kernels.processor import ABREAST, features

BYTES = 64

_LLVM = {
    types.float32: ir.FloatType(),
    types.float64: ir.DoubleType(),
    types.int16: ir.IntType(16),
    types.int32: ir.IntType(32),
    types.int64: ir.IntType(64),
    types.boolean: ir.IntType(1),
}
_INTEGER = {types.float32: types.int32, types.float64: types.int64}
_FLOAT = {types.int32: types.float32, types.int64: types.float64}
_I32 = ir.IntType(32)


class Vector(types.Type):  # type: ignore[misc]
    """`lanes` numbers of a dtype; of booleans, a mask."""

    def __init__(self, dtype: Any, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(f"Vector({dtype}, {lanes})")

    @property
    def key(self) -> Any:
        """What tells one vector type from another."""
        return self.dtype, self.lanes


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir.VectorType(_LLVM[vector.dtype], vector.lanes))


def lanes_of(kind: Any) -> int:
    """How many numbers of a floating dtype (float32 or float64) a vector has; of one, its own."""
    return kind.lanes if isinstance(kind, Vector) else BYTES * 8 // int(kind.bitwidth)


def vector_of(kind: Any) -> Vector:
    """The vector type of a floating dtype; of a vector, its own."""
    return kind if isinstance(kind, Vector) else Vector(kind, lanes_of(kind))


def element_of(kind: Any) -> Any:
    """The type of a vector's numbers; of a number, its own."""
    return kind.dtype if isinstance(kind, Vector) else kind


def _like(kind: Any, dtype: Any) -> Any:
    """A type of the shape of `kind`, scalar or vector, with elements of `dtype`."""
    return Vector(dtype, kind.lanes) if isinstance(kind, Vector) else dtype


def spread(builder: Any, value: Any, lanes: int) -> Any:
    """LLVM code: a vector with a value in every lane."""
    empty = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = builder.insert_element(empty, value, _I32(0))
    return builder.shuffle_vector(
        first, empty, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
    )


def call(builder: Any, name: str, result: Any, arguments: Any) -> Any:
    """LLVM code: a call of one of its intrinsics."""
    function = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), arguments)


def _suffix(kind: Any) -> str:
    """How LLVM's intrinsics name a type: f32, v16f32."""
    element = element_of(kind)
    letter = "f" if element in _INTEGER else "i"
    lanes = f"v{kind.lanes}" if isinstance(kind, Vector) else ""
    return f"{lanes}{letter}{element.bitwidth}"


# --------------------------------------------------------------------------- arithmetic


@intrinsic
def fill(typingctx: Any, value: Any, like: Any) -> Any:
    """A vector of the precision of the float `like`, `value` in every lane."""
    result = vector_of(like)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = context.cast(builder, args[0], value, result.dtype)
        return spread(builder, number, result.lanes)

    return result(value, like), codegen


@intrinsic
def abreast(typingctx: Any, like: Any) -> Any:
    """ABREAST vectors of the precision of the float `like` as one, of zeros.

    What is done with it is done with each by turns, and none waits for another.
    """
    result = Vector(like, ABREAST * lanes_of(like))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(result), [0.0] * result.lanes)

    return result(like), codegen


@intrinsic
def const(typingctx: Any, value: Any, like: Any) -> Any:
    """`value` in the type of `like`, a float or a vector of floats or integers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if value == like:
            return args[0]
        number = context.cast(builder, args[0], value, element_of(like))
        return spread(builder, number, like.lanes) if isinstance(like, Vector) else number

    return like(value, like), codegen


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c, rounded once."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return call(builder, f"llvm.fma.{_suffix(a)}", args[0].type, args)

    return a(a, b, c), codegen


@intrinsic
def maximum(typingctx: Any, a: Any, b: Any) -> Any:
    """a where a > b, b elsewhere: b also where either is NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, b), codegen


@intrinsic
def minus(typingctx: Any, a: Any, b: Any) -> Any:
    """a − b of integers, of their own width: Numba gives the difference of two int32 64 bits."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.sub(*args)

    return a(a, b), codegen


@intrinsic
def negative(typingctx: Any, a: Any) -> Any:
    """−a of floats. Of zero as well, unlike 0 − a, and so for nothing where a product follows."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fneg(args[0])

    return a(a), codegen


@intrinsic
def where(typingctx: Any, mask: Any, a: Any, b: Any) -> Any:
    """Lane by lane, a where the mask is set and b elsewhere."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return a(mask, a, b), codegen


@intrinsic
def plus_where(typingctx: Any, total: Any, mask: Any, term: Any) -> Any:
    """total + term where the mask is set, total elsewhere; of a total that is not −0.

    AVX-512 adds in some lanes alone. Elsewhere a term is cleared, which any unit of the processor
    can do, where choosing between two sums takes those that multiply.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        before, chosen, more = args
        if "+avx512f" in features(context):
            return builder.select(chosen, builder.fadd(before, more), before)
        return builder.fadd(before, builder.select(chosen, more, more.type([0.0] * total.lanes)))

    return total(total, mask, term), codegen


def _comparison(symbol: str) -> Callable[..., Any]:
    @intrinsic
    def compare(typingctx: Any, a: Any, b: Any) -> Any:
        floating = element_of(a) in _INTEGER

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return (builder.fcmp_ordered if floating else builder.icmp_unsigned)(symbol, *args)

        return _like(a, types.boolean)(a, b), codegen

    return compare  # type: ignore[no-any-return]


# of floats; integers are taken without a sign
equal, less, greater = _comparison("=="), _comparison("<"), _comparison(">")
at_least = _comparison(">=")


@intrinsic
def differ(typingctx: Any, a: Any, b: Any) -> Any:
    """Where a and b are not equal; also where either is NaN.

    A sum that leaves lanes out where they do not is one instruction; where they are equal, two.
    """
    floating = element_of(a) in _INTEGER

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return (builder.fcmp_unordered if floating else builder.icmp_unsigned)("!=", *args)

    return _like(a, types.boolean)(a, b), codegen


@intrinsic
def bits(typingctx: Any, x: Any) -> Any:
    """The bits of a float as an integer of its width."""
    result = _like(x, _INTEGER[element_of(x)])

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(result))

    return result(x), codegen


@intrinsic
def from_bits(typingctx: Any, n: Any) -> Any:
    """The float with the bits of an integer of its width."""
    result = _like(n, _FLOAT[element_of(n)])

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(result))

    return result(n), codegen


@intrinsic
def next_up(typingctx: Any, x: Any) -> Any:
    """The next larger number, of a float that is neither +inf nor NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.IntType(x.bitwidth)
        value = builder.fadd(args[0], args[0].type(0.0))  # −0 becomes 0
        n = builder.bitcast(value, kind)
        step = builder.select(builder.icmp_signed("<", n, kind(0)), kind(-1), kind(1))
        return builder.bitcast(builder.add(n, step), args[0].type)

    return x(x), codegen


# operators: + − · / of floats, − & | of integers, each of two vectors of one type
_FLOATING = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul",
             operator.truediv: "fdiv"}  # fmt: skip
_WHOLE = {operator.sub: "sub", operator.and_: "and_", operator.or_: "or_"}


def _register(symbol: Any) -> None:
    class Template(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, keywords: Any) -> Any:
            if len(args) == 2 and isinstance(args[0], Vector) and args[0] == args[1]:
                return signature(args[0], *args)
            return None

    infer_global(symbol)(Template)

    @lower_builtin(symbol, Vector, Vector)
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        names = _FLOATING if sig.return_type.dtype in _INTEGER else _WHOLE
        return getattr(builder, names[symbol])(*args)


for _symbol in {**_FLOATING, **_WHOLE}:
    _register(_symbol)
