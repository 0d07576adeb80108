"""A small pool of threads over which the rows of one call are spread.

Kernels run without the GIL on ranges of rows that do not depend on each other, so the result has
the same bits for any number of threads. The pool is made at the first call that is large enough,
made anew in a forked child, and done without where threads can no longer be started.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_WORTHWHILE = 1 << 18  # bytes a thread: below it, waking one costs more than it brings
_PIECES = 4  # ranges a thread: the one that falls behind leaves its last ones to the others

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0


def thread_count() -> int:
    """Threads for one call: LASTLAYER_NUM_THREADS, else PyTorch's setting, else the affinity."""
    asked = os.environ.get("LASTLAYER_NUM_THREADS", "")
    if asked:
        if not asked.isdecimal() or int(asked) < 1:
            raise ValueError(f"LASTLAYER_NUM_THREADS = {asked!r} must be a whole number above 0")
        return int(asked)
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):
        return int(torch.get_num_threads())
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spread(work: Callable[[int, int], None], rows: int, row_bytes: int, unit: int = 1) -> None:
    """Call work(lo, hi) over ranges that cover [0, rows), in several threads where that pays.

    Ranges begin at multiples of `unit` rows.
    """
    threads = min(thread_count(), max(1, rows * row_bytes // _WORTHWHILE), -(-rows // unit))
    if threads <= 1:
        if rows:
            work(0, rows)
        return
    pieces = min(threads * _PIECES, -(-rows // unit))
    size = -(-rows // pieces)
    size = -(-size // unit) * unit
    starts = iter(range(0, rows, size))  # next() on it is atomic under the GIL

    def run() -> None:
        for lo in starts:
            work(lo, min(lo + size, rows))

    others = _submit(run, threads - 1)
    try:
        run()
    finally:
        for other in others:
            other.result()


def _submit(run: Callable[[], None], count: int) -> list[Future[None]]:
    global _pool, _pool_size  # noqa: PLW0603
    started: list[Future[None]] = []
    with _lock:
        try:
            if _pool is None or _pool_size < count:
                retired, _pool = _pool, ThreadPoolExecutor(count, "lastlayer")
                _pool_size = count
                if retired is not None:
                    retired.shutdown(wait=False)
            for _ in range(count):
                started.append(_pool.submit(run))
        except RuntimeError:  # the interpreter is shutting down, or no thread can be had
            pass
    return started


def _forget() -> None:
    """In a forked child the pool's threads are gone and its lock may be held by one of them."""
    global _lock, _pool, _pool_size
    _lock, _pool, _pool_size = threading.Lock(), None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
