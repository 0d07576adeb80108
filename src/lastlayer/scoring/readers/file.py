"""A file as bytes: on this machine, where parts of it are mapped, or a remote one."""

from __future__ import annotations

import copy
import errno
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lastlayer.contract import Array
from lastlayer.files import FileFormatError
from lastlayer.scoring.text import clean

LONGEST = 1000  # letters of a path that are shown


@dataclass(frozen=True)
class File:
    """Where a file is, and how many bytes it has.

    Parameters
    ----------
    path : str
        A path, or what `remote` knows the file by.
    remote : object, optional
        The fsspec file system that has it.
    folder : str, optional
        The one that a path may be relative to, if not that of the process.
    """

    path: str
    remote: Any = None
    folder: str = ""
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", self.measure())

    def in_folder(self, folder: str) -> File:
        """The same file, as it was measured, for a process in another folder or machine."""
        new = copy.copy(self)
        object.__setattr__(new, "folder", folder)
        return new

    def measure(self) -> int:
        """How many bytes it has now."""
        if self.remote is not None:
            size = self.remote.size(self.path)
            if size is None:
                raise FileFormatError(f"{self}: its server does not tell how long it is")
            return int(size)
        status = os.stat(self._place)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe might wait for ever
            raise FileFormatError(f"{self}: expected a file, and this is none")
        return status.st_size

    def __str__(self) -> str:
        return clean(self.path, LONGEST)

    @property
    def _place(self) -> str:
        return os.path.join(self.folder, self.path)

    @property
    def place(self) -> bytes | None:
        """Where a library that opens files by itself finds it; None for a remote one."""
        return os.fsencode(self._place) if self.remote is None else None

    @property
    def name(self) -> str:
        """Its last part in lower case, from which the format is seen."""
        return Path(self.path).name.lower()

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """For reading, at its beginning."""
        if self.remote is not None:
            with self.remote.open(self.path, "rb") as handle:
                yield handle
        else:
            with open(self._place, "rb") as handle:
                yield handle

    def exactly(self, handle: BinaryIO, count: int) -> bytes:
        """The next bytes, as many as asked for."""
        parts = []
        while count:
            part = handle.read(count)
            if not part:
                raise FileFormatError(f"{self}: ends early, at byte {handle.tell()}")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def array(self, handle: BinaryIO, offset: int, dtype: np.dtype[Any], count: int) -> Array:
        """Numbers as they lie in the file, from a byte on: a view of it where it can be mapped.

        A view keeps its part of the file mapped for as long as it lives.
        """
        length = count * dtype.itemsize
        if not length:
            return np.empty(0, dtype)
        if self.remote is not None:
            handle.seek(offset)
            return np.frombuffer(self.exactly(handle, length), dtype)
        start = offset - offset % mmap.ALLOCATIONGRANULARITY
        try:
            part = mmap.mmap(
                handle.fileno(), offset - start + length, access=mmap.ACCESS_READ, offset=start
            )
        except ValueError:  # longer than the file: it was whole when it was measured
            raise FileFormatError(f"{self}: has become shorter while it was read") from None
        except OSError as error:
            if error.errno == errno.ENOMEM:
                raise MemoryError(f"{self}: no room for {length} bytes of it") from None
            raise
        return np.frombuffer(part, dtype, count, offset - start)

    def expect(self, handle: BinaryIO, offset: int, length: int) -> None:
        """Let the system begin to read what will be wanted next."""
        if self.remote is None and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle.fileno(), offset, length, os.POSIX_FADV_WILLNEED)
