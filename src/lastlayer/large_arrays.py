"""New arrays of many megabytes, without waiting for the system's pages.

A page that is new costs as much as copying two, and one of 2 MB little more than one of 4 kB. So
large zeros lie in huge pages, and a large result lies where one lay that nobody has any more: a
loop drops one gradient before it asks for the next, or soon after.
"""

from __future__ import annotations

import contextlib
import math
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAGE = 1 << 21  # bytes of a huge one
LARGE_ZEROS = 1 << 20  # bytes from which zeros have pages of their own
LARGE = 1 << 25  # bytes from which the pages of a result are kept for the next
_KEPT = 2  # sets of pages: of the gradient before and the one before that
_LARGER = 4  # times its size that an array may take of what is kept


def _can_advise() -> bool:
    return hasattr(mmap, "MADV_HUGEPAGE") and hasattr(mmap, "MADV_FREE")


class _Pages:
    """Memory of the system's, in huge pages where it has them."""

    def __init__(self, size: int) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        try:
            self._memory = mmap.mmap(-1, size + 2 * PAGE, flags=flags)
        except (OSError, OverflowError) as error:
            raise MemoryError(f"no room for {size} bytes") from error
        with contextlib.suppress(OSError):  # of a system that was built without them
            self._memory.madvise(mmap.MADV_HUGEPAGE)
        first = np.frombuffer(self._memory, np.uint8).__array_interface__["data"][0]
        self.begin = -(-first // PAGE) * PAGE  # no page is half in use
        self.size = size

    def free(self) -> None:
        """Let the system have the memory, if it comes to need it; what is in it is not read."""
        with contextlib.suppress(OSError):
            self._memory.madvise(mmap.MADV_FREE)


class _Owner:
    """Who has pages: an array over them, and its views, keep it."""

    def __init__(self, pages: _Pages) -> None:
        self._pages = pages
        self.__array_interface__ = {
            "data": (pages.begin, False), "shape": (pages.size,), "typestr": "|u1", "version": 3,
        }  # fmt: skip


_kept: list[_Pages] = []  # append, pop and remove are atomic: no lock, which a fork might hold


class _Lease(_Owner):
    """An owner that gives them back when the last view is gone."""

    def __del__(self) -> None:
        try:
            self._pages.free()
            _kept.append(self._pages)
            while len(_kept) > _KEPT:
                _kept.pop(0)
        except Exception:  # at exit the names of this module may be gone
            pass


def _take(size: int) -> _Pages:
    for pages in reversed(_kept):
        if size <= pages.size <= _LARGER * size:
            with contextlib.suppress(ValueError):  # another thread was faster
                _kept.remove(pages)
                return pages
    try:
        return _Pages(size)
    except MemoryError:
        _kept.clear()
        return _Pages(size)


def release() -> None:
    """Give back to the system what is kept."""
    _kept.clear()


def empty(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """`np.empty`; a large one lies in the pages of one that is gone, if there is any."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < LARGE or not _can_advise():
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, np.asarray(_Lease(_take(size))))


def empty_like(array: NDArray[Any]) -> NDArray[Any]:
    """`np.empty_like`, the axes in the order in which they lie in memory, from `empty`."""
    if array.nbytes < LARGE or not _can_advise():
        return np.empty_like(array, order="K", subok=False)
    if array.flags.c_contiguous:
        return empty(array.shape, array.dtype)
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    memory = empty(tuple(array.shape[axis] for axis in order), array.dtype)
    return memory.transpose(np.argsort(order))


def zeros(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """`np.zeros`, in huge pages where the system has them and that is large."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < LARGE_ZEROS or not _can_advise():
        return np.zeros(shape, dtype)
    return np.ndarray(shape, dtype, np.asarray(_Owner(_Pages(size))))
