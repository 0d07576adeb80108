"""Kernels on memory that ends, and begins, at a page that nobody may touch.

Run as a script, since what goes wrong ends the process: `python guarded.py` prints "done".
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
from typing import Any

import ml_dtypes
import numpy as np

import lastlayer as ll
from lastlayer.kernels import gathered, launch
from lastlayer.kernels.statistics import row_statistics
from lastlayer.problem import softmax_problem

LEAST, MOST = 1 << 10, 1 << 24
TOLERANCE = {"float32": 3e-6, "float64": 1e-13, "float16": 2e-3, "bfloat16": 2e-2}


class Arena:
    """Some pages between two that are closed."""

    def __init__(self, size: int) -> None:
        pages, page = -(-size // mmap.PAGESIZE), mmap.PAGESIZE
        self.memory, self.size = mmap.mmap(-1, (pages + 2) * page), pages * page
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        protect = ctypes.CDLL(None).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for closed in (base, base + (pages + 1) * page):
            assert protect(closed, page, 0) == 0

    def hold(self, array: Any, at_end: bool) -> Any:
        """A copy, in the same order, at one of the two borders."""
        start = mmap.PAGESIZE + (self.size - array.nbytes if at_end else 0)
        raw = np.frombuffer(self.memory, np.uint8, array.nbytes, start)
        order = "F" if array.flags.f_contiguous else "C"
        held = raw.view(array.dtype).reshape(array.shape, order=order)
        held[...] = array
        return held


def check(x: Any, labels: Any, at_end: bool, arenas: list[Arena], in_place: bool) -> None:
    classes = x.shape[1]
    wide = x.astype(np.float64)
    e = np.exp(wide - wide.max(1, keepdims=True))
    t = np.eye(classes)[labels] if labels.ndim == 1 else labels.astype(np.float64)
    right = e / e.sum(1, keepdims=True) * t.sum(1, keepdims=True) - t
    x = arenas[0].hold(x, at_end)
    out = x if in_place else arenas[1].hold(x, at_end)
    ll.cross_entropy_with_grad(x, arenas[2].hold(labels, at_end), out=out, reduction="sum")
    off = np.abs(out.astype(np.float64) - right).max()
    assert off < TOLERANCE[x.dtype.name], (x.dtype, x.shape, labels.dtype, off)


def check_statistics(x: Any, labels: Any, at_end: bool, arenas: list[Arena]) -> None:
    problem = softmax_problem(arenas[0].hold(x, at_end), arenas[2].hold(labels, at_end))
    off = np.abs(row_statistics(problem).confidence - ll.softmax(x.astype(float)).max(1)).max()
    assert off < TOLERANCE["float32"], (x.dtype, x.shape, off)


def main() -> None:
    faulthandler.enable()
    arenas = [Arena(17 * 514 * 8) for _ in range(3)]
    sizes = launch._SCRATCH, launch._STATES, gathered.SCRATCH
    working = [Arena(size) for size in sizes]
    plain, states, staged = (
        arena.hold(np.zeros(size, np.uint8), True).ctypes.data
        for arena, size in zip(working, sizes, strict=True)
    )
    launch.scratch.addresses = plain, states
    launch.scratch._for_staged = staged, states
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64, np.float16, ml_dtypes.bfloat16):
        for classes in (
            *range(1, 36),
            *range(62, 67),
            *range(110, 115),
            *range(158, 163),
            *range(511, 515),
        ):
            for rows in (1, 17):
                x = (rng.normal(size=(rows, classes)) * 3).astype(dtype)
                y = rng.integers(0, classes, rows)
                for at_end in (True, False):
                    for launch.PAST_CACHE in (LEAST, MOST):
                        check(x, y, at_end, arenas, in_place=False)
                    check(x, y, at_end, arenas, in_place=True)
                    if dtype in (np.float32, ml_dtypes.bfloat16):
                        check_statistics(x, y, at_end, arenas)
                    if dtype == np.float32:
                        soft = rng.dirichlet(np.ones(classes), rows).astype(dtype)
                        check(x, soft, at_end, arenas, in_place=False)
                        check(np.asfortranarray(x), y, at_end, arenas, in_place=False)
    print("done")  # noqa: T201


if __name__ == "__main__":
    main()
