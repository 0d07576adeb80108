"""Rows handed on by the kernel that knows them to another one, a chunk at a time.

What is known of a chunk's rows stays in the L1 cache, and the two kernels are compiled apart: the
one that takes the rows only once, for all kernels that may hand them on.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.kernels.jit import by_dtype
from lastlayer.kernels.row import ROWS

CHUNK = 128  # rows; whole tiles of them
_TAKES = (types.int64, types.int64, types.int64)  # its state's address, the first row, how many


@cache
def entry(taker: Any) -> int:
    """The address of a kernel of three whole numbers, which it takes from `hand_on`."""
    taker.compile(_TAKES)
    compiled = taker.overloads[_TAKES]
    address: int = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return address


@intrinsic
def _call(typingctx: Any, address: Any, state: Any, row: Any, count: Any) -> Any:
    """Call the kernel at an address."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = context.call_conv.get_function_type(types.int64, _TAKES)
        function = builder.inttoptr(args[0], ir.PointerType(kind))
        _, result = context.call_conv.call_function(
            builder, function, types.int64, _TAKES, args[1:]
        )
        return result

    return types.int64(types.int64, types.int64, types.int64, types.int64), codegen


@by_dtype
def first_of_chunk(taker: Any, row: Any) -> Any:
    """The row that is the first of what is given: 0 where all rows are given at their own place."""

    def own(taker: Any, row: Any) -> Any:
        return 0

    def chunk(taker: Any, row: Any) -> Any:
        return row

    return own if isinstance(taker, types.NoneType) else chunk


@by_dtype
def hand_on(taker: Any, first: Any, row: Any, end: Any) -> Any:
    """Hand on the rows [first, row) if no further tile fits, or all are done; the next first.

    `taker` is None, or the addresses of a kernel and of its state.
    """

    def nobody(taker: Any, first: Any, row: Any, end: Any) -> Any:
        return first

    def chunk(taker: Any, first: Any, row: Any, end: Any) -> Any:
        if row - first <= CHUNK - ROWS and row < end:
            return first
        _call(taker[0], taker[1], first, row - first)
        return row

    return nobody if isinstance(taker, types.NoneType) else chunk
