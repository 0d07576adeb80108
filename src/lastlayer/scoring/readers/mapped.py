"""What Linux is told of a part of a file that is mapped.

Whoever reads ahead has its pages put in place and taken away, without the interpreter's lock, while
others work on what is there already. Nothing depends on it: a page that is missing is read where it
is touched.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable
from functools import cache
from typing import cast

from lastlayer.contract import Array, address

_READ = 22  # MADV_POPULATE_READ, of Linux 5.14, which the module mmap does not have
_FORGET = 4  # MADV_DONTNEED


def room() -> int:
    """Bytes of addresses that the process may have in all."""
    try:
        import resource
    except ImportError:  # not on Windows
        return sys.maxsize
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def read(view: Array) -> None:
    """Have all pages of a view of a file in place."""
    _advise(view, _READ)


def forget(view: Array) -> None:
    """Take the pages of a view of a file away; of memory that is no file's, its numbers as well."""
    _advise(view, _FORGET)


def _advise(view: Array, advice: int) -> None:
    advise = _madvise()
    if advise is not None and view.nbytes:
        begin = address(view)
        before = begin % mmap.PAGESIZE
        advise(begin - before, view.nbytes + before, advice)


@cache
def _madvise() -> Callable[[int, int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    function = ctypes.CDLL(None).madvise
    function.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    return cast(Callable[[int, int, int], int], function)
