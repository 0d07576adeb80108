"""Files of NumPy with several arrays in a ZIP, .npz: unpacked as a stream, never whole."""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, BinaryIO

import numpy as np

from lastlayer.contract import Array
from lastlayer.files import FileFormatError
from lastlayer.scoring.readers.arrays import Stored
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.readers.npy import check_size, read_header
from lastlayer.scoring.readers.source import Column, refused, rows_within, without
from lastlayer.scoring.text import clean

DIRECTORY = 1 << 20  # bytes of a ZIP that list what it holds
WHOLE = 128 << 20  # bytes of an array that is read whole at the most
DEFLATED = 1032  # times: the most that deflate packs
STRANGE = (
    zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, KeyError, IndexError,
    struct.error, OverflowError, NotImplementedError,
)  # fmt: skip


class _Bounded(io.RawIOBase):
    """A file of which no single read is large: a ZIP lists what it holds in one."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle

    def read(self, size: int | None = -1, /) -> bytes:
        limited = size if size is not None and 0 <= size <= DIRECTORY else DIRECTORY + 1
        data = self._handle.read(limited)
        if len(data) > DIRECTORY:
            raise zipfile.BadZipFile(f"it lists what it holds in more than {DIRECTORY} bytes")
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        try:
            return self._handle.seek(offset, whence)
        except OSError as error:
            raise zipfile.BadZipFile("it points outside itself") from error

    def tell(self) -> int:
        return self._handle.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


@dataclass
class Npz:
    """Arrays in a ZIP; see `Source`. Unpacked as a stream, and checked by its own sums."""

    file: File
    stored: Mapping[str, Stored]
    position: int = field(default=0, init=False)
    mapped: bool = field(default=False, init=False)
    starts: Sequence[int] = field(default=(0,), init=False)

    @property
    def columns(self) -> Mapping[str, Column]:
        """Its arrays by name."""
        return {name: stored.column for name, stored in self.stored.items()}

    def read(self, widths: Mapping[str, int], limit: int, first: int = 0) -> Iterator[list[Array]]:
        """Blocks of rows of the arrays, side by side."""
        blocks = self._read(widths, limit)
        return without(first, blocks) if first else blocks

    def _read(self, widths: Mapping[str, int], limit: int) -> Iterator[list[Array]]:
        total = row = 0
        for name, width in widths.items():
            stored = self.stored[name]
            total = math.prod(stored.shape) // (width or 1)
            row = max(row, (width or 1) * stored.dtype.itemsize)
        step = rows_within(limit, row)
        with self.file.open() as handle, _archive(self.file, handle) as archive:
            streams = [(_unpacked(self.file, archive, name), name) for name in widths]
            columns = {}
            for stream, name in streams:
                _read(self.file, stream, self.stored[name].offset)
                if self.stored[name].fortran:
                    columns[name] = self._whole(stream, self.stored[name])
            for first in range(0, total, step):
                count = min(step, total - first)
                self.position = self.file.size * (first + count) // total
                yield [
                    columns[name][first : first + count] if name in columns
                    else self._rows(stream, self.stored[name], widths[name], count)
                    for stream, name in streams
                ]  # fmt: skip
            for stream, _ in streams:  # at its end, the sum over a member is checked
                if _read(self.file, stream, 1, short=True):
                    raise FileFormatError(f"{self.file}: longer than it says")

    def _rows(self, stream: IO[bytes], stored: Stored, width: int, count: int) -> Array:
        length = count * (width or 1) * stored.dtype.itemsize
        block = np.frombuffer(_read(self.file, stream, length), stored.dtype)
        return block.reshape(count, width) if width else block

    def _whole(self, stream: IO[bytes], stored: Stored) -> Array:
        """A matrix that lies column by column: the first row is complete at its very end."""
        length = math.prod(stored.shape) * stored.dtype.itemsize
        if length > WHOLE:
            raise FileFormatError(
                f"{self.file}: an array of {length} bytes in Fortran order; expected C order "
                f"(np.ascontiguousarray) from {WHOLE} bytes on, or a .npy file"
            )
        numbers = np.frombuffer(_read(self.file, stream, length), stored.dtype)
        return numbers.reshape(stored.shape, order="F")


def open_npz(file: File) -> Npz:
    """The arrays, by the headers of all."""
    arrays: dict[str, Stored] = {}
    with file.open() as handle, _archive(file, handle) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            title = f"{file}[{clean(name, 40)!r}]"
            if name in arrays:
                raise FileFormatError(f"{title}: is there twice")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise FileFormatError(f"{title}: packed as no .npz is")
            if info.file_size > (info.compress_size + 16) * DEFLATED:
                raise FileFormatError(
                    f"{title}: {info.compress_size} bytes cannot be unpacked to {info.file_size}"
                )
            with _unpacked(file, archive, name) as stream, refused(file, ".npz", *STRANGE):
                stored = read_header(stream, title)
            check_size(stored, info.file_size, title)
            arrays[name] = stored
    return Npz(file, arrays)


@contextmanager
def _archive(file: File, handle: BinaryIO) -> Iterator[zipfile.ZipFile]:
    with refused(file, ".npz", *STRANGE):
        archive = zipfile.ZipFile(_Bounded(handle))
    with archive:
        yield archive


def _unpacked(file: File, archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    with refused(file, ".npz", *STRANGE):
        inside = archive.namelist()
        return archive.open(f"{name}.npy" if f"{name}.npy" in inside else name)


def _read(file: File, stream: IO[bytes], count: int, *, short: bool = False) -> bytearray:
    """The next bytes of a member, as many as asked for; with `short` also fewer."""
    parts = bytearray()
    while len(parts) < count:
        with refused(file, ".npz", *STRANGE):
            part = stream.read(min(count - len(parts), DIRECTORY))
        if not part:
            break
        parts += part
    if len(parts) < count and not short:
        raise FileFormatError(f"{file}: ends early")
    return parts
