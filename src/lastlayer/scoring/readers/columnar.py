"""Parquet: read as a stream, a row group however large a few pages at a time."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lastlayer.contract import Array, address
from lastlayer.files import FileFormatError
from lastlayer.kernels.threads import get_num_threads, num_threads, spread
from lastlayer.scoring.readers.batches import batches, explained, opened
from lastlayer.scoring.readers.columns import groups
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.readers.source import Column, rows_within, without
from lastlayer.scoring.text import clean

DECODED = 32 << 20  # bytes of many columns that Arrow decodes at a time: each call costs 10 µs
FEW = 1 << 18  # bytes of a column that it decodes at a time where there is room
LIKE = {2: np.uint16(0), 4: np.uint32(0), 8: np.uint64(0)}  # as wide as most numbers are


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
        blocks = self._read(widths, limit, group, get_num_threads())  # those of who asks
        return without(first - self.starts[group], blocks) if first else blocks

    def _read(
        self, widths: Mapping[str, int], limit: int, group: int, threads: int
    ) -> Iterator[list[Array]]:
        taken = list(dict.fromkeys(name for words in widths for name in self.parts[words]))
        row = sum(self.columns[name].dtype.itemsize * (w or 1) for name, w in widths.items())
        groups = range(group, len(self.starts)) if group else None
        done, step = self.starts[group], rows_within(limit, row)
        many = rows_within(max(limit, min(DECODED, len(taken) * FEW)), row)
        for count, arrays in batches(self.file, taken, many, groups, threads):
            rows_of = [self._rows(arrays, name, w, done, threads) for name, w in widths.items()]
            for start in range(0, count, step):
                end = min(count, start + step)
                self.position = self.file.size * (done + end) // max(1, self.rows)
                yield [rows(start, end) for rows in rows_of]
            done += count
            del arrays, rows_of  # before the next ones are there
        if done != self.rows:
            raise FileFormatError(f"{self.file}: has {done} rows, and its footer says {self.rows}")

    def _rows(
        self, arrays: Mapping[str, Any], words: str, width: int, first: int, threads: int
    ) -> Callable[[int, int], Array]:
        """What gives the rows of a batch, of one column or several, from one on up to another."""
        names = self.parts[words]
        with explained(self.file):
            columns = [arrays[name] for name in names]
        if width and list(names) != [words]:
            for name, column in zip(names, columns, strict=True):
                _refuse_null(self.file, column, name, first)
            return _side_by_side(columns, self.columns[words].dtype, threads)
        if width:
            numbers = _lists(self.file, columns[0], words, width, first)
        else:
            numbers = _numbers(self.file, columns[0], names[0], first)
        return lambda start, end: numbers[start:end]


def _side_by_side(
    columns: Sequence[Any], dtype: np.dtype[Any], threads: int
) -> Callable[[int, int], Array]:
    """Columns without nulls, a class each, as rows (n, C)."""
    size = dtype.itemsize
    if size not in LIKE or any(_dtype(column.type) != dtype for column in columns):

        def converted(start: int, end: int) -> Array:
            block = np.empty((end - start, len(columns)), dtype)
            for place, column in enumerate(columns):
                block[:, place] = column[start:end].to_numpy(zero_copy_only=False)
            return block

        return converted
    import pyarrow as pa

    from lastlayer.kernels.side_by_side import side_by_side

    like, buffers = LIKE[size], [column.buffers()[-1] for column in columns]
    # the buffers are held by what is returned
    places = np.array([b.address + size * c.offset for b, c in zip(buffers, columns, strict=True)])

    def rows(start: int, end: int) -> Array:
        # of Arrow's allocator, which keeps what is given back: a page that is new costs as much as
        # copying two
        memory = pa.allocate_buffer((end - start) * len(buffers) * size)
        block = np.frombuffer(memory, dtype).reshape(end - start, len(buffers))

        def copy(lo: int, hi: int) -> None:
            target = address(block) + lo * len(buffers) * size
            side_by_side(places + size * (start + lo), hi - lo, like, target, len(buffers))

        with num_threads(threads):
            spread(copy, end - start, len(buffers) * size)
        return block

    return rows


def open_parquet(file: File, wanted: Sequence[str | None]) -> Parquet:
    """The columns, by the footer; of lists, the first row's length."""
    with opened(file, 1) as table, explained(file):
        schema, rows = table.schema_arrow, table.metadata.num_rows
        names = list(schema.names)
        counts = [table.metadata.row_group(i).num_rows for i in range(table.num_row_groups)]
        if len(set(names)) < len(names):
            raise FileFormatError(f"{file}: two columns have the same name")
        columns = {f.name: _column(table, f.name, f.type, rows) for f in schema}
    if min(counts, default=0) < 0 or sum(counts) != rows:
        raise FileFormatError(
            f"{file}: has {rows} rows by its footer, and {sum(counts)} in its row groups"
        )
    starts = [0, *itertools.accumulate(counts)][: max(1, len(counts))]
    parts = {name: [name] for name in names}
    for words, found, problem in groups(names, wanted):
        parts[words] = found
        together = _together([columns[name] for name in found], rows, problem)
        columns[words] = together._replace(names=found)
    return Parquet(file, parts, columns, rows, starts)


def _together(columns: Sequence[Column], rows: int, problem: str) -> Column:
    """Columns that are a class each as one."""
    problems = [problem, *(column.problem for column in columns)]
    if any(len(column.shape) > 1 for column in columns):
        problems.append("has lists, expected a number a column")
    first = next(filter(None, problems), "")
    dtype = np.dtype(object) if first else np.result_type(*(c.dtype for c in columns))
    return Column(dtype, (rows, len(columns)), first)


def _column(table: Any, name: str, kind: Any, rows: int) -> Column:
    """What a column of the table holds."""
    import pyarrow as pa

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
    dtype = _dtype(kind)
    problem = f"holds {clean(str(kind), 40)}, expected numbers" if dtype.hasobject else ""
    return Column(dtype, shape, problem)


def _dtype(kind: Any) -> np.dtype[Any]:
    """NumPy's dtype of numbers in Arrow, object for what are none."""
    import pyarrow as pa

    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
        return dtype
    return np.dtype(object)


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
    _refuse_null(file, column, name, first, width)
    numbers: Array = column.to_numpy(zero_copy_only=False)
    return numbers


def _refuse_null(file: File, column: Any, name: str, first: int, width: int = 1) -> None:
    if column.null_count:
        place = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise FileFormatError(
            f"{file}[{clean(name, 40)!r}]: row {first + place // width} is null, expected a number"
        )
