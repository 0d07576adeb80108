"""How many threads take up the rows of one call, and in which ranges.

Kernels run without the GIL on ranges of rows that do not depend on each other, so the result has
the same bits for any number of threads.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from lastlayer.contract import as_integer
from lastlayer.kernels.team import LINGER, Call

WORTHWHILE = 1 << 21  # bytes read and written, a thread: for less it costs more to wake one
WORTHWHILE_IN_A_LOOP = 3 << 18  # the same where it is awake
ROW = 64  # bytes that take as long as what is done once a row
_LOOP = 4  # calls, each soon after the last, that are taken for a loop
_PIECES = 4  # ranges a thread: the one that falls behind leaves its last ones to the others
_PIECE = 1 << 20  # bytes that a range should have: each costs some microseconds of Python

_chosen: int | None = None
_here: ContextVar[int | None] = ContextVar("lastlayer_threads", default=None)


def set_num_threads(count: int | None) -> None:
    """Let each call use up to `count` threads; None: as many as it would by itself.

    Parameters
    ----------
    count : int or None
        At least 1. The results have the same bits for any number.

    Returns
    -------
    None

    Raises
    ------
    TypeError, ValueError
        For what is no whole number above 0.

    Examples
    --------
    >>> import lastlayer as ll
    >>> ll.set_num_threads(2)
    >>> ll.get_num_threads()
    2
    >>> ll.set_num_threads(None)
    """
    global _chosen  # noqa: PLW0603
    _chosen = None if count is None else _as_count(count)


def get_num_threads() -> int:
    """How many threads a call made here may use.

    What `num_threads` or else `set_num_threads` says, else the environment's LASTLAYER_NUM_THREADS,
    else `torch.get_num_threads()` where PyTorch is loaded, else the processors of this process. A
    call too small for several takes one.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        LASTLAYER_NUM_THREADS is no whole number above 0.

    Examples
    --------
    >>> import lastlayer as ll
    >>> ll.get_num_threads() >= 1
    True
    """
    return _here.get() or _chosen or _found()


@contextmanager
def num_threads(count: int) -> Iterator[None]:
    """Up to `count` threads for the calls within, in this thread and context alone.

    Parameters
    ----------
    count : int
        At least 1.

    Returns
    -------
    context manager

    Raises
    ------
    TypeError, ValueError
        For what is no whole number above 0.

    Examples
    --------
    >>> import lastlayer as ll
    >>> with ll.num_threads(1):
    ...     ll.get_num_threads()
    1
    """
    token = _here.set(_as_count(count))
    try:
        yield
    finally:
        _here.reset(token)


def _as_count(count: Any) -> int:
    number = as_integer(count, "the number of threads")
    if number < 1:
        raise ValueError(f"the number of threads must be at least 1, not {number}")
    return number


def _found() -> int:
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


class _Pace:
    """Whether calls follow each other as in a loop, where threads stay awake between them."""

    def __init__(self) -> None:
        self._quick, self._over = 0, -(1 << 60)

    def begin(self) -> bool:
        """A call begins: whether it is one of a loop."""
        soon = time.perf_counter_ns() - self._over < LINGER * 1000
        self._quick = self._quick + 1 if soon else 0
        return self._quick >= _LOOP

    def end(self) -> None:
        """A call is over."""
        self._over = time.perf_counter_ns()


_pace = _Pace()  # of all threads: a guess that any of them may spoil


def spread(
    work: Callable[[int, int], None],
    rows: int,
    row_bytes: int,
    unit: int = 1,
    kept: tuple[Any, ...] = (),
) -> None:
    """Call work(lo, hi) over ranges that cover [0, rows), in several threads where that pays.

    `row_bytes` are read and written for a row. Ranges begin at multiples of `unit` rows. What is
    `kept` stays alive while any thread works.
    """
    size = rows * (row_bytes + ROW)
    most = min(get_num_threads(), size // WORTHWHILE_IN_A_LOOP, -(-rows // unit))
    if most <= 1:
        if rows:
            work(0, rows)
        return
    threads = most if _pace.begin() else min(most, size // WORTHWHILE)
    try:
        if threads <= 1:
            work(0, rows)
            return
        each = min(_PIECES, max(1, round(size / threads / _PIECE)))
        pieces = min(threads * each, -(-rows // unit))
        step = -(-rows // pieces)
        step = -(-step // unit) * unit
        Call(work, rows, step, kept).run(threads - 1)
    finally:
        _pace.end()
