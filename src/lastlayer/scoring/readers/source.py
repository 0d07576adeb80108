"""What every reader of a format gives: named columns of numbers, read in blocks of rows."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np

from lastlayer.contract import FLOATING, Array, dtype_name
from lastlayer.files import FileFormatError
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.text import clean

MAPPED = 256 << 20  # bytes a block where it is a view of the file: address space, not memory
COPIED = 8 << 20  # bytes a block where it is read into memory


class Column(NamedTuple):
    """An array of a file, or one or several columns of its table, without the numbers.

    A dimension is None where it is unknown before everything is read. `problem` is why it can't
    be read, for whoever asks for it. Several columns, a class each, have `names`.
    """

    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    problem: str = ""
    names: Sequence[str] = ()

    @property
    def floating(self) -> bool:
        """Whether it may hold logits, probabilities or soft labels."""
        return dtype_name(self.dtype) in FLOATING

    @property
    def width(self) -> int | None:
        """Length of its last dimension."""
        return self.shape[-1]

    def rows(self, dimensions: int | None = None) -> int | None:
        """Length of its first dimensions (all without a number) as one; None where unknown."""
        known = [n for n in self.shape[:dimensions] if n is not None]
        return math.prod(known) if len(known) == len(self.shape[:dimensions]) else None


class Source(Protocol):
    """One file."""

    file: File
    position: int  # bytes read so far, of file.size

    @property
    def columns(self) -> Mapping[str, Column]:
        """What it holds, by name."""
        ...

    @property
    def mapped(self) -> bool:
        """Whether its blocks are views of the file."""
        ...

    @property
    def starts(self) -> Sequence[int] | None:
        """Rows at which reading may begin without all that is before; None: at every row."""
        ...

    def read(self, widths: Mapping[str, int], limit: int, first: int = 0) -> Iterator[list[Array]]:
        """The columns named, as blocks of rows of at most about `limit` bytes, one row at least.

        `widths` has, for each column, C for blocks (n, C) and 0 for blocks (n,). Rows before
        `first` are left out.
        """
        ...


def without(first: int, blocks: Iterator[list[Array]]) -> Iterator[list[Array]]:
    """The same blocks without the first rows."""
    for block in blocks:
        left = [column[first:] for column in block]
        first = max(0, first - len(block[0]))
        if len(left[0]):
            yield left


def rows_within(limit: int, row: int) -> int:
    """How many rows of `row` bytes a block has."""
    return max(1, limit // max(1, row))


def room() -> int:
    """Bytes of addresses that the process may have in all."""
    try:
        import resource
    except ImportError:  # not on Windows
        return sys.maxsize
    if not hasattr(resource, "RLIMIT_AS"):  # not on OpenBSD
        return sys.maxsize
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


@contextmanager
def refused(file: File, kind: str, *errors: type[BaseException]) -> Iterator[None]:
    """Whatever a library raises of a file that it can't read, as the one error for files."""
    try:
        yield
    except FileFormatError:
        raise
    except errors as error:
        words = clean(" ".join(str(error).split()), 200) or type(error).__name__
        raise FileFormatError(f"{file}: not a {kind} that can be read: {words}") from error
