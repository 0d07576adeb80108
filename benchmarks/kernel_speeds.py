"""How fast the kernels for many classes could be on this machine, and how fast they are.

    python benchmarks/kernel_speeds.py kernels.json

Ceilings: reading, writing and copying memory, and vector arithmetic. Kernels: GB of logits a
second, and the vector instructions that 16 logits cost, counted in the assembly of the compiled
kernel. Takes half a minute, needs AVX-512 and 3 GB of memory;
`kernel_figures.py` draws it.
"""

from __future__ import annotations

import inspect
import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types

import lastlayer as ll
from lastlayer.bench import machine
from lastlayer.kernels import threads, wide
from lastlayer.kernels.jit import EXACT
from lastlayer.kernels.lanes import largest_of, total_of
from lastlayer.kernels.memory import lane_count, load, pointer, prefetch, store, stream
from lastlayer.kernels.simd import fill, fma, maximum

N, C = 2048, 32000
IN_CACHE = 32000  # classes of the one row that is read again and again: 128 kB
LARGE = 100_000_000  # numbers a thread that are copied at once
SOFTCAP = 30.0
SECONDS = 0.8  # a measurement
MOVES = ("mov", "broadcast", "prefetch")  # not arithmetic: loads, stores, copies of registers

# --------------------------------------------------------------------------- ceilings


def ceiling(function: Callable[..., Any]) -> Callable[..., Any]:
    return numba.njit(nogil=True, error_model="numpy", fastmath=EXACT)(function)


@ceiling
def multiply(rounds: int, like: Any) -> Any:
    """Ten chains of fused multiply-adds that do not wait for each other."""
    x, y = fill(0.999, like), fill(0.001, like)
    a, b, c, d, e = fill(1, like), fill(2, like), fill(3, like), fill(4, like), fill(5, like)
    f, g, h, i, j = fill(6, like), fill(7, like), fill(8, like), fill(9, like), fill(10, like)
    for _ in range(rounds):
        a, b, c, d, e = fma(a, x, y), fma(b, x, y), fma(c, x, y), fma(d, x, y), fma(e, x, y)
        f, g, h, i, j = fma(f, x, y), fma(g, x, y), fma(h, x, y), fma(i, x, y), fma(j, x, y)
    return total_of(a + b + c + d + e + f + g + h + i + j)


@ceiling
def read(source: int, count: int, like: Any) -> Any:
    """The largest number of what lies at an address, asked for 4 KB ahead."""
    x, lanes = pointer(source, like), lane_count(like)
    a = fill(-np.inf, like)
    b, c, d = a, a, a
    for j in range(0, count, 4 * lanes):
        for k in range(0, 4 * lanes, lanes):
            prefetch(x, j + 1024 + k)
        a, b = maximum(load(x, j, like), a), maximum(load(x, j + lanes, like), b)
        c = maximum(load(x, j + 2 * lanes, like), c)
        d = maximum(load(x, j + 3 * lanes, like), d)
    return largest_of(maximum(maximum(a, b), maximum(c, d)))


@ceiling
def write(target: int, count: int, past_cache: bool, like: Any) -> None:
    x, lanes, one = pointer(target, like), lane_count(like), fill(1.0, like)
    for j in range(0, count, lanes):
        if past_cache:
            stream(x, j, one)
        else:
            store(x, j, one)


@ceiling
def copy(source: int, target: int, count: int, like: Any) -> None:
    """Written past the caches."""
    x, y, lanes = pointer(source, like), pointer(target, like), lane_count(like)
    for j in range(0, count, lanes):
        prefetch(x, j + 1024)
        stream(y, j, load(x, j, like))


def aligned(rows: int, classes: int) -> np.ndarray:
    """An array (rows, classes) of float32 that begins at a cache line, its pages touched."""
    space = np.zeros(rows * classes * 4 + 64, np.uint8)
    start = -space.ctypes.data % 64
    array = space[start : start + rows * classes * 4].view(np.float32)
    array[:] = 1.0
    return array.reshape(rows, classes)


def seconds(call: Callable[[], Any], restore: Callable[[], Any] | None = None) -> float:
    """The median of as many calls as fit in some time, after one that isn't counted."""
    if restore:
        restore()
    call()
    samples: list[float] = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(samples) < 5:
        if restore:
            restore()
        start = time.perf_counter()
        call()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def in_parts(part: Callable[[int, int], Any]) -> Callable[[], None]:
    """A call of part(lo, hi) over all rows, in the threads that kernels have."""
    return lambda: threads.spread(part, N, C * 4, 64)


def ceilings(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """GB a second of one array; `arithmetic` in vector instructions a nanosecond."""
    one, size, rounds = np.float32(1), x.nbytes / 1e9, 1_000_000
    at_x, at_y, row = x.ctypes.data, y.ctypes.data, C * 4
    workers = threads.get_num_threads()
    many = 8 * workers

    def arithmetic() -> None:
        threads.spread(lambda lo, hi: [multiply(rounds, one) for _ in range(lo, hi)],
                       many, threads.WORTHWHILE)  # fmt: skip

    calls = {
        "read": lambda lo, hi: read(at_x + lo * row, (hi - lo) * C, one),
        "numpy's max": lambda lo, hi: x[lo:hi].max(),
        "write": lambda lo, hi: write(at_y + lo * row, (hi - lo) * C, False, one),
        "write past the caches": lambda lo, hi: write(at_y + lo * row, (hi - lo) * C, True, one),
        "np.copyto": lambda lo, hi: np.copyto(y[lo:hi], x[lo:hi]),
        "copy past the caches": lambda lo, hi: copy(
            at_x + lo * row, at_y + lo * row, (hi - lo) * C, one
        ),
    }
    found = {"arithmetic": many * rounds * 10 / seconds(arithmetic) / 1e9}
    found |= {name: size / seconds(in_parts(part)) for name, part in calls.items()}
    # from some 270 MB a call on, the C library's memcpy writes past the caches, page by page
    source, target = aligned(workers, LARGE), aligned(workers, LARGE)
    time_of = seconds(
        lambda: threads.spread(
            lambda lo, hi: np.copyto(target[lo:hi], source[lo:hi]), workers, threads.WORTHWHILE
        )
    )
    return found | {"np.copyto, 400 MB a thread": source.nbytes / 1e9 / time_of}


# --------------------------------------------------------------------------- kernels


def kernels(x: np.ndarray, y: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """GB of logits a second."""
    kept, size = x.copy(), x.nbytes / 1e9
    # a row with itself as its neighbour: all strides are as usual, but memory is read once
    same = np.broadcast_to(x[0, :IN_CACHE], (N, IN_CACHE))
    grad = ll.cross_entropy_with_grad
    return {
        "loss": size / seconds(lambda: ll.cross_entropy(x, labels)),
        "gradient": size / seconds(lambda: grad(x, labels, out=y)),
        "gradient in place": size
        / seconds(lambda: grad(x, labels, out=x), lambda: np.copyto(x, kept)),
        "loss, soft-cap": size / seconds(lambda: ll.cross_entropy(x, labels, softcap=SOFTCAP)),
        "gradient, soft-cap": size / seconds(lambda: grad(x, labels, out=y, softcap=SOFTCAP)),
        "loss, soft-cap, cache": same.size
        * 4e-9
        / seconds(lambda: ll.cross_entropy(same, labels, softcap=SOFTCAP)),
        "loss, cache": same.size * 4e-9 / seconds(lambda: ll.cross_entropy(same, labels)),
    }


# --------------------------------------------------------------------------- instructions


def instructions() -> dict[str, float]:
    """Arithmetic vector instructions a vector of 16 logits in each pass, of what is compiled."""
    found = {}
    cap = list(inspect.signature(wide.loss_rows.py_func).parameters).index("cap")
    for signature in wide.loss_rows.signatures:
        fresh = ceiling(wide.loss_rows.py_func)  # one from the disk has no assembly
        fresh.compile(signature)
        for block in blocks(fresh.inspect_asm(fresh.signatures[0])):
            if "vreduceps" in block and "vsubps" in block:
                continue  # for maxima of a million and more
            powers, largest = block.count("vscalefps"), block.count("vmaxps")
            products = 0
            if block.count("vminps") == 3:  # four products follow, if the smallest is large enough
                name, products = "gradient", 4
            elif powers == 4 and "vmulps" in block:
                name = "gradient" if signature[cap] != types.none else "gradient, computed anew"
            elif powers == 4:
                name = "sum without the maximum" if any("vcmp" in word for word in block) else "sum"
            elif largest == 4 and len(block) < 10 * 4 and "vextractf64x4" not in block:
                name = "maximum"
            elif largest == 3 and block.count("vmulps") == 4:
                name = "within reach"
            else:
                continue
            if signature[cap] != types.none:
                name = f"{name}, soft-cap"
            arithmetic = [word for word in block if not any(move in word for move in MOVES)]
            found[name] = (len(arithmetic) + products) / 4
    return found


def blocks(assembly: str) -> list[list[str]]:
    """The vector instructions between a label or jump and the next, with four vectors side by side.

    Only those that use the widest registers are listed.
    """
    found: list[list[str]] = [[]]
    for line in assembly.splitlines():
        text = line.partition("#")[0].strip()
        if text.endswith(":") or re.match(r"j\w+\s", text):
            found.append([])
        elif "%zmm" in text:
            found[-1].append(text.split()[0])
    return found


def main(path: str) -> None:
    rng = np.random.default_rng(0)
    x, y = aligned(N, C), aligned(N, C)
    x[:] = rng.standard_normal((N, C), np.float32) * 3
    labels = rng.integers(0, C, N)
    results = {
        "machine": machine.describe(),
        "threads": threads.get_num_threads(),
        "logits": [N, C],
        "kernels": kernels(x, y, labels),
        "ceilings": ceilings(x, y),
        "instructions": instructions(),
    }
    text = json.dumps(results, indent=1)
    Path(path).write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
