"""Parquet: read as a stream, a row group however large a few pages at a time."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lastlayer.contract import Array
from lastlayer.files import FileFormatError
from lastlayer.scoring.readers.columns import groups
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.readers.source import Column, refused, rows_within, without
from lastlayer.scoring.text import clean

BUFFERS = 16 << 20  # bytes for all columns: what is read of the file at a time
FOOTER = 64 << 20  # bytes of the largest
ENTRIES = 100_000  # columns, row groups


@dataclass
class Parquet:
    """A table; see `Source`."""

    file: File
    parts: Mapping[str, Sequence[str]]
    columns: Mapping[str, Column]
    rows: int
    starts: Sequence[int]  # of the row groups
    position: int = field(default=0, init=False)
    mapped: bool = field(default=False, init=False)

    def read(self, widths: Mapping[str, int], limit: int, first: int = 0) -> Iterator[list[Array]]:
        """Blocks of rows of the columns, side by side."""
        group = max(0, bisect.bisect_right(self.starts, first) - 1)
        blocks = self._read(widths, limit, group)
        return without(first - self.starts[group], blocks) if first else blocks

    def _read(self, widths: Mapping[str, int], limit: int, group: int) -> Iterator[list[Array]]:
        taken = list(dict.fromkeys(name for words in widths for name in self.parts[words]))
        row = sum(self.columns[name].dtype.itemsize * (w or 1) for name, w in widths.items())
        done = self.starts[group]
        with _opened(self.file, len(taken)) as table:
            batches = table.iter_batches(  # with threads, Arrow may wait for ever without memory
                rows_within(limit, row),
                row_groups=range(group, len(self.starts)) if group else None,
                columns=taken,
                use_threads=False,
            )
            while True:
                with _explained(self.file):
                    batch = next(batches, None)
                if batch is None:
                    break
                blocks = [self._block(batch, name, width, done) for name, width in widths.items()]
                done += len(batch)
                self.position = self.file.size * done // max(1, self.rows)
                yield blocks
        if done != self.rows:
            raise FileFormatError(f"{self.file}: has {done} rows, and its footer says {self.rows}")

    def _block(self, batch: Any, words: str, width: int, first: int) -> Array:
        names = self.parts[words]
        if not width:
            return _numbers(self.file, batch.column(names[0]), names[0], first)
        if list(names) == [words]:
            return _lists(self.file, batch.column(words), words, width, first)
        block = np.empty((len(names), len(batch)), self.columns[words].dtype)
        for row, name in zip(block, names, strict=True):
            row[:] = _numbers(self.file, batch.column(name), name, first)
        return block.T


def open_parquet(file: File, wanted: Sequence[str | None]) -> Parquet:
    """The columns, by the footer; of lists, the first row's length."""
    with _opened(file, 1) as table, _explained(file):
        schema, rows = table.schema_arrow, table.metadata.num_rows
        names = list(schema.names)
        counts = [table.metadata.row_group(i).num_rows for i in range(table.num_row_groups)]
        if len(set(names)) < len(names):
            raise FileFormatError(f"{file}: two columns have the same name")
        columns = {name: _column(table, name, rows) for name in names}
    if min(counts, default=0) < 0 or sum(counts) != rows:
        raise FileFormatError(
            f"{file}: has {rows} rows by its footer, and {sum(counts)} in its row groups"
        )
    starts = [0, *itertools.accumulate(counts)][: max(1, len(counts))]
    parts = {name: [name] for name in names}
    for words, found, problem in groups(names, wanted):
        parts[words] = found
        columns[words] = _together([columns[name] for name in found], rows, problem)
    return Parquet(file, parts, columns, rows, starts)


def _together(columns: Sequence[Column], rows: int, problem: str) -> Column:
    """Columns that are a class each as one."""
    problems = [problem, *(column.problem for column in columns)]
    if any(len(column.shape) > 1 for column in columns):
        problems.append("has lists, expected a number a column")
    first = next(filter(None, problems), "")
    dtype = np.dtype(object) if first else np.result_type(*(c.dtype for c in columns))
    return Column(dtype, (rows, len(columns)), first)


def _column(table: Any, name: str, rows: int) -> Column:
    """What a column of the table holds."""
    import pyarrow as pa

    kind = table.schema_arrow.field(name).type
    shape: tuple[int | None, ...] = (rows,)
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_fixed_size_list(kind):
        shape, kind = (rows, kind.list_size), kind.value_type
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
        first = (
            next(table.iter_batches(1, columns=[name], use_threads=False), None) if rows else None
        )
        shape = (rows, None if first is None else len(first.column(0).flatten()))
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        return Column(np.dtype(object), shape, f"holds {clean(str(kind), 40)}, expected numbers")
    return Column(np.dtype(kind.to_pandas_dtype()), shape)


@contextmanager
def _opened(file: File, columns: int) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import parquet

    with file.open() as handle:
        if file.size < 12:
            raise FileFormatError(f"{file}: ends early; a .parquet file has 12 bytes and more")
        handle.seek(file.size - 8)
        tail = file.exactly(handle, 8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != b"PAR1":
            raise FileFormatError(f"{file}: does not end as a .parquet file does, with PAR1")
        if length > min(FOOTER, file.size - 12):
            raise FileFormatError(
                f"{file}: its footer has {length} bytes, expected {min(FOOTER, file.size - 12)} at "
                "most"
            )
        with _explained(file):
            table = parquet.ParquetFile(
                pa.PythonFile(handle, mode="r"),
                pre_buffer=False,  # else a row group is read whole
                buffer_size=min(1 << 20, max(1 << 14, BUFFERS // columns)),
                thrift_string_size_limit=FOOTER,
                thrift_container_size_limit=ENTRIES,
            )
        yield table


@contextmanager
def _explained(file: File) -> Iterator[None]:
    import pyarrow as pa

    with refused(
        file, ".parquet file", pa.ArrowException, OSError, ValueError, OverflowError, KeyError,
        IndexError, TypeError, NotImplementedError,
    ):  # fmt: skip
        yield


def _lists(file: File, column: Any, name: str, width: int, first: int) -> Array:
    """A column of lists as (n, width)."""
    import pyarrow as pa

    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if column.null_count:
        row = first + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise FileFormatError(f"{file}[{clean(name, 40)!r}]: row {row} is null")
    if not pa.types.is_fixed_size_list(column.type):
        lengths = np.diff(column.offsets.to_numpy())
        if (lengths != width).any():
            row = int(np.argmax(lengths != width))
            raise FileFormatError(
                f"{file}[{clean(name, 40)!r}]: row {first + row} has {lengths[row]} numbers, "
                f"expected {width}"
            )
    return _numbers(file, column.flatten(), name, first, width).reshape(-1, width)


def _numbers(file: File, column: Any, name: str, first: int, width: int = 1) -> Array:
    if column.null_count:
        place = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise FileFormatError(
            f"{file}[{clean(name, 40)!r}]: row {first + place // width} is null, expected a number"
        )
    numbers: Array = column.to_numpy(zero_copy_only=False)
    return numbers
