"""Memory as kernels see it: addresses, element strides, and the four dtypes that may lie there.

Vectors and numbers are widened to the working precision on load and rounded once on store; what
lies at a pointer is told by its type (dtypes.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.dtypes import FLOATS, rounded, rounded_normal, same, widened
from lastlayer.kernels.jit import by_dtype
from lastlayer.kernels.lanes import part
from lastlayer.kernels.simd import Vector, call, lanes_of, spread, vector_of

_I8, _I32, _I64 = (ir.IntType(n) for n in (8, 32, 64))


# What is known when a kernel is compiled is an intrinsic too, not a function of Numba's: those
# take it some 20 ms each.


@intrinsic
def as_like(typingctx: Any, x: Any, like: Any) -> Any:
    """A number in the working precision, that of `like`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.cast(builder, args[0], x, like)

    return like(x, like), codegen


def _constant(number: Callable[[Any], int]) -> Callable[..., Any]:
    @intrinsic
    def constant(typingctx: Any, like: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return _I64(number(like))

        return types.int64(like), codegen

    return constant  # type: ignore[no-any-return]


lane_count = _constant(lanes_of)  # numbers a vector of the precision of `like`
width = _constant(lambda like: like.bitwidth // 8)  # bytes of an element of the type of `like`


@intrinsic
def pointer(typingctx: Any, address: Any, like: Any) -> Any:
    """A pointer to elements of the type of `like` at an address; None for None."""
    if isinstance(like, types.NoneType):
        return types.none(address, like), lambda context, *_: context.get_dummy_value()
    result = types.CPointer(like)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(result))

    return result(types.int64, like), codegen


@intrinsic
def address_at(typingctx: Any, source: Any, index: Any) -> Any:
    """The address of source[index]."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(builder.gep(args[0], [args[1]]), _I64)

    return types.int64(source, index), codegen


def ask_for(builder: Any, place: Any, to_write: int, nearness: int) -> None:
    """LLVM code: ask for the cache line of a place, which may be any address."""
    byte = _I8.as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
    function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
    where = builder.bitcast(place, byte)
    builder.call(function, [where, _I32(to_write), _I32(nearness), _I32(1)])  # 1: data


def _prefetch(to_write: int, nearness: int) -> Callable[..., Any]:
    @intrinsic
    def ask(typingctx: Any, source: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            ask_for(builder, builder.gep(args[0], [args[1]]), to_write, nearness)
            return context.get_dummy_value()

        return types.void(source, index), codegen

    return ask  # type: ignore[no-any-return]


# Ask for the cache line of source[index], to read it from L1 or L2 or to write it; any address may
# be asked for.
prefetch, prefetch_into_l2, prefetch_to_write = _prefetch(0, 3), _prefetch(0, 2), _prefetch(1, 3)


# --------------------------------------------------------------------------- loads and stores


def _place(builder: Any, source: Any, index: Any, element: Any, lanes: int) -> Any:
    return builder.bitcast(builder.gep(source, [index]), ir.VectorType(element, lanes).as_pointer())


def _stored(context: Any, kind: Any) -> Any:
    """The LLVM type of an element of the type that stands for a dtype."""
    return context.get_value_type(kind)


def first_mask(builder: Any, count: Any, lanes: int) -> Any:
    """LLVM code: a mask of the first `count` lanes."""
    numbers = ir.Constant(ir.VectorType(_I32, lanes), list(range(lanes)))
    most = builder.select(builder.icmp_signed("<", count, _I64(lanes)), count, _I64(lanes))
    return builder.icmp_signed("<", numbers, spread(builder, builder.trunc(most, _I32), lanes))


def _masked(kind: Any, lanes: int) -> str:
    """How LLVM's masked loads and stores name a vector of a type that stands for a dtype."""
    return f"v{lanes}{'f' if kind in FLOATS else 'i'}{kind.bitwidth}.p0"


def masked_load(builder: Any, place: Any, mask: Any, kind: Any) -> Any:
    """LLVM code: the vector at a place where the mask is set, without touching what is not; 0."""
    vector = place.type.pointee
    arguments = [place, _I32(kind.bitwidth // 8), mask, same(vector, 0)]
    return call(builder, f"llvm.masked.load.{_masked(kind, vector.count)}", vector, arguments)


def masked_store(builder: Any, value: Any, place: Any, mask: Any, kind: Any) -> None:
    """LLVM code: the reverse of `masked_load`."""
    arguments = [value, place, _I32(kind.bitwidth // 8), mask]
    name = f"llvm.masked.store.{_masked(kind, value.type.count)}"
    call(builder, name, ir.VoidType(), arguments)


@intrinsic
def load(typingctx: Any, source: Any, index: Any, like: Any) -> Any:
    """The vector that begins at source[index], in the precision of `like`."""
    vector = vector_of(like)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        element = _stored(context, source.dtype)
        value = builder.load(_place(builder, args[0], args[1], element, vector.lanes))
        value.align = source.dtype.bitwidth // 8
        return widened(context, builder, value, source.dtype, vector.dtype)

    return vector(source, index, like), codegen


@intrinsic
def load_first(typingctx: Any, source: Any, index: Any, count: Any, rest: Any, like: Any) -> Any:
    """`load` of the first `count` lanes, without touching what follows; `rest` in the others."""
    vector = vector_of(like)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        element, lanes = _stored(context, source.dtype), vector.lanes
        mask = first_mask(builder, args[2], lanes)
        place = _place(builder, args[0], args[1], element, lanes)
        value = masked_load(builder, place, mask, source.dtype)
        value = widened(context, builder, value, source.dtype, like)
        other = context.cast(builder, args[3], rest, like)
        return builder.select(mask, value, spread(builder, other, lanes))

    return vector(source, index, types.int64, rest, like), codegen


@intrinsic
def first_lanes(typingctx: Any, count: Any, like: Any) -> Any:
    """A mask of the first `count` lanes of a vector of the precision of `like`."""
    vector = vector_of(like)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return first_mask(builder, args[0], vector.lanes)

    return Vector(types.boolean, vector.lanes)(types.int64, like), codegen


def _store(past_cache: bool) -> Callable[..., Any]:
    @intrinsic
    def write(typingctx: Any, target: Any, index: Any, value: Any) -> Any:
        vector, known = (value[0], True) if isinstance(value, types.BaseTuple) else (value, False)
        like, kind, lanes = vector.dtype, target.dtype, lanes_of(vector.dtype)
        places, size = range(0, vector.lanes, lanes), kind.bitwidth // 8

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            whole = builder.extract_value(args[2], 0) if known else args[2]
            parts = [part(builder, whole, at, lanes) for at in places]
            if known:
                normal = builder.extract_value(args[2], 1)
                parts = rounded_normal(context, builder, parts, like, kind, normal)
            else:
                parts = [rounded(context, builder, one, like, kind) for one in parts]
            for at, data in zip(places, parts, strict=True):
                to = builder.add(args[1], _I64(at))
                done = builder.store(
                    data, _place(builder, args[0], to, _stored(context, kind), lanes)
                )
                done.align = size * lanes if past_cache else size
                if past_cache:
                    done.set_metadata("nontemporal", builder.module.add_metadata([_I32(1)]))
            return context.get_dummy_value()

        return types.void(target, index, value), codegen

    return write  # type: ignore[no-any-return]


# A vector, rounded once, to target[index] and on; or (it, whether it is known to have no subnormal
# number).
store = _store(past_cache=False)
# The same past the caches, which would read each line before it is overwritten and then keep it.
# The place must be aligned to the vector as it is stored.
stream = _store(past_cache=True)


@intrinsic
def store_first(typingctx: Any, target: Any, index: Any, count: Any, value: Any) -> Any:
    """As `store` for the first `count` lanes, without touching what follows."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        element, lanes = _stored(context, target.dtype), value.lanes
        data = rounded(context, builder, args[3], value.dtype, target.dtype)
        place = _place(builder, args[0], args[1], element, lanes)
        masked_store(builder, data, place, first_mask(builder, args[2], lanes), target.dtype)
        return context.get_dummy_value()

    return types.void(target, index, types.int64, value), codegen


@intrinsic
def read(typingctx: Any, source: Any, index: Any, like: Any) -> Any:
    """source[index] in the precision of `like`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = builder.load(builder.gep(args[0], [args[1]]))
        return widened(context, builder, value, source.dtype, like)

    return like(source, index, like), codegen


@intrinsic
def write(typingctx: Any, target: Any, index: Any, value: Any) -> Any:
    """target[index] = value, a float of either precision."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = rounded(context, builder, args[2], value, target.dtype)
        builder.store(data, builder.gep(args[0], [args[1]]))
        return context.get_dummy_value()

    return types.void(target, index, value), codegen


@by_dtype
def load_up_to(source: Any, index: Any, count: Any, rest: Any, like: Any) -> Any:
    """`load` where at least a vector's numbers are left, or `count` is None; else `load_first`."""

    def whole(source: Any, index: Any, count: Any, rest: Any, like: Any) -> Any:
        return load(source, index, like)

    def any_count(source: Any, index: Any, count: Any, rest: Any, like: Any) -> Any:
        if count >= lane_count(like):
            return load(source, index, like)
        return load_first(source, index, count, rest, like)

    return whole if isinstance(count, types.NoneType) else any_count
