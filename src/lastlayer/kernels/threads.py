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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # importing it registers an exit handler, which at exit it is too late for
    from concurrent.futures import ThreadPoolExecutor

WORTHWHILE = 1 << 21  # bytes a thread: below it, waking one costs more than it brings
ROW = 64  # bytes that take as long as what is done once a row
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


def spread(
    work: Callable[[int, int], None],
    rows: int,
    row_bytes: int,
    unit: int = 1,
    kept: tuple[Any, ...] = (),
) -> None:
    """Call work(lo, hi) over ranges that cover [0, rows), in several threads where that pays.

    Ranges begin at multiples of `unit` rows. What is `kept` stays alive while any thread works.
    """
    threads = min(thread_count(), max(1, rows * (row_bytes + ROW) // WORTHWHILE), -(-rows // unit))
    if threads <= 1:
        if rows:
            work(0, rows)
        return
    pieces = min(threads * _PIECES, -(-rows // unit))
    size = -(-rows // pieces)
    size = -(-size // unit) * unit
    _Call(work, rows, size, kept).run(threads - 1)


class _Call:
    """The ranges of one call, each taken by whichever thread is free."""

    def __init__(
        self, work: Callable[[int, int], None], rows: int, size: int, kept: tuple[Any, ...]
    ) -> None:
        self._work, self._rows, self._size, self._kept = work, rows, size, kept
        self._starts = iter(range(0, rows, size))  # next() on it is atomic under the GIL
        self._change = threading.Condition()
        self._closed, self._failed, self._helping = False, False, 0
        self._error: BaseException | None = None

    def _take(self) -> None:
        for lo in self._starts:
            if self._failed:  # not `_closed`: what was taken before that must be computed
                return
            self._work(lo, min(lo + self._size, self._rows))

    def help(self) -> None:
        """What a thread of the pool does; nothing where it comes too late."""
        with self._change:
            if self._closed:
                return
            self._helping += 1
        try:
            self._take()
        except BaseException as error:  # the caller's to raise
            self._error, self._failed = error, True
        finally:
            with self._change:
                self._helping -= 1
                self._change.notify_all()

    def run(self, helpers: int) -> None:
        """What the caller does: its share, and then wait until nobody is at work any more.

        Whatever interrupts it, a Ctrl-C or the exception of a signal handler: the arrays that the
        others write to are the caller's, who may use them again as soon as this is left.
        """
        raised: BaseException | None = None
        try:
            _submit(self.help, helpers)
            self._take()
        except BaseException as error:
            raised, self._failed = error, True
        while True:
            try:
                with self._change:
                    self._closed = True
                    self._change.wait_for(lambda: not self._helping)
                break
            except BaseException as error:
                raised, self._failed = raised or error, True
        try:
            if raised or self._error:
                raise raised or self._error  # type: ignore[misc]
        finally:
            self._error = raised = None  # an error that its own frame holds is never let go


def _submit(run: Callable[[], None], count: int) -> None:
    global _pool, _pool_size  # noqa: PLW0603
    with _lock:
        try:
            if _pool is None or _pool_size < count:
                from concurrent.futures import ThreadPoolExecutor

                retired, _pool = _pool, ThreadPoolExecutor(count, "lastlayer")
                _pool_size = count
                if retired is not None:
                    retired.shutdown(wait=False)
            for _ in range(count):
                _pool.submit(run)
        except (RuntimeError, ImportError):  # at shutdown, or where no thread can be had
            pass


def _forget() -> None:
    """In a forked child the pool's threads are gone and its lock may be held by one of them."""
    global _lock, _pool, _pool_size
    _lock, _pool, _pool_size = threading.Lock(), None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
