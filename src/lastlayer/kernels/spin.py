"""Waiting for another thread without sleeping, and without the GIL, for some microseconds.

A thread that sleeps takes 40 to 60 µs to wake, in which two read a megabyte of logits.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lastlayer.contract import address
from lastlayer.kernels.jit import kernel
from lastlayer.kernels.simd import call

_I64 = ir.IntType(64)


def _pointer(builder: Any, place: Any) -> Any:
    return builder.inttoptr(place, _I64.as_pointer())


@intrinsic
def _seen(typingctx: Any, place: Any) -> Any:
    """The number at an address as it is now, whoever wrote it."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(builder, args[0]), "acquire", 8)

    return types.int64(place), codegen


@intrinsic
def _tell(typingctx: Any, place: Any) -> Any:
    """0 at an address, for all to see, after all that was written before."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store_atomic(_I64(0), _pointer(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(place), codegen


@intrinsic
def _pause(typingctx: Any) -> Any:
    """Some 15 to 45 ns in which a processor that has such an instruction spares its power."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if builder.module.triple.startswith(("x86", "i386", "i686", "amd64")):
            call(builder, "llvm.x86.sse2.pause", ir.VoidType(), [])
        return context.get_dummy_value()

    return types.void(), codegen


@kernel
def spin(place: Any, value: Any, looks: Any, grace: Any, told: Any) -> Any:
    """Whether the number at the address `place` is another than `value` within so many looks.

    What waits for 0 at the address `told`, where that isn't 0, is told first; and last, where the
    other number has come, as many looks as `grace` go by.
    """
    if told != 0:
        _tell(told)
    for _ in range(looks):
        if _seen(place) != value:
            for _ in range(grace):
                _seen(place)
                _pause()
            return True
        _pause()
    return False


@cache
def looks_per_microsecond() -> float:
    """How often a thread looks in a microsecond; compiles `spin` where it is not yet."""
    word, often, shortest = np.zeros(1, np.int64), 2000, 1.0
    spin(address(word), 0, 1, 0, 0)
    for _ in range(5):  # the shortest: others may have interrupted
        start = time.perf_counter()
        spin(address(word), 0, often, 0, 0)
        shortest = min(shortest, time.perf_counter() - start)
    return often / max(shortest * 1e6, 1.0)
