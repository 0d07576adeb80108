"""Tables as text: .csv and .csv.gz, read as a stream."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from lastlayer.contract import Array
from lastlayer.files import FileFormatError
from lastlayer.scoring.readers.columns import groups
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.readers.source import COPIED, Column, refused, rows_within, without
from lastlayer.scoring.text import clean

TITLES = 64 << 20  # bytes of the longest header: a few million classes
WIDE = 2000  # columns from which on Arrow, which keeps each apart, is slower than NumPy
CELL = 64  # bytes: the mean length of a cell in the longest row
PACKED = (EOFError, zlib.error, gzip.BadGzipFile)


@dataclass
class Csv:
    """A table; see `Source`. Every number is read as float64."""

    file: File
    names: Sequence[str]
    parts: Mapping[str, Sequence[int]]
    columns: Mapping[str, Column]
    position: int = field(default=0, init=False)
    mapped: bool = field(default=False, init=False)
    starts: Sequence[int] = field(default=(0,), init=False)

    def count(self, words: str) -> int:
        """How many rows there are, by a pass over the first of the columns."""
        name = self.names[self.parts[words][0]]
        return sum(len(block) for (block,) in self.read({name: 0}, COPIED))

    def read(self, widths: Mapping[str, int], limit: int, first: int = 0) -> Iterator[list[Array]]:
        """Blocks of rows of the columns, side by side."""
        blocks = self._read(widths, limit)
        return without(first, blocks) if first else blocks

    def _read(self, widths: Mapping[str, int], limit: int) -> Iterator[list[Array]]:
        wanted = [number for name in widths for number in self.parts[name]]
        with ExitStack() as stack:
            handle = stack.enter_context(self.file.open())
            stream: Any = handle
            if self.file.name.endswith(".gz"):
                stream = stack.enter_context(gzip.GzipFile(fileobj=handle))
            _titles(self.file, stream)
            read = _narrow if len(self.names) < WIDE else _wide
            for numbers in read(self.file, stream, len(self.names), wanted, limit):
                first, blocks = 0, []
                self.position = handle.tell()
                for name, width in widths.items():
                    last = first + len(self.parts[name])
                    blocks.append(numbers[:, first:last] if width else numbers[:, first])
                    first = last
                yield blocks


def open_csv(file: File, wanted: Sequence[str | None]) -> Csv:
    """The columns, by the header; no row is read."""
    with file.open() as handle:
        if file.name.endswith(".gz"):
            with gzip.GzipFile(fileobj=handle) as stream:
                names = _titles(file, stream)
        else:
            names = _titles(file, handle)
    places = {name: number for number, name in enumerate(names)}
    number = np.dtype(np.float64)
    parts = {name: [place] for name, place in places.items()}
    columns = {name: Column(number, (None,)) for name in names}
    for words, found, problem in groups(names, wanted):
        parts[words] = [places[name] for name in found]
        columns[words] = Column(number, (None, len(found)), problem, found)
    return Csv(file, names, parts, columns)


def _titles(file: File, stream: IO[bytes] | gzip.GzipFile) -> list[str]:
    """The names of the columns; the stream is then at the first row."""
    with refused(file, "gzip file", *PACKED):
        line = stream.readline(TITLES)
    if not line:
        raise FileFormatError(f"{file}: is empty; expected a header with the names of columns")
    if len(line) == TITLES:
        raise FileFormatError(f"{file}: its first line is longer than {TITLES} bytes")
    with refused(file, "header of a .csv", UnicodeDecodeError, csv.Error):
        text = line.decode("utf-8-sig").rstrip("\r\n")
        rows = list(csv.reader([text], strict=True))
    names = [name.strip() for name in rows[0]] if len(rows) == 1 else []
    if not any(names):
        raise FileFormatError(f"{file}: expected a header with the names of columns")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FileFormatError(f"{file}: two columns are named {clean(twice, 40)!r}")
    if all(_is_number(name) for name in names):
        raise FileFormatError(
            f"{file}: expected a header with the names of columns, and its first line is numbers"
        )
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# --------------------------------------------------------------------------- Arrow


def _narrow(
    file: File, stream: Any, names: int, wanted: Sequence[int], limit: int
) -> Iterator[Array]:
    """Rows of a few columns, as (n, wanted).

    Arrow is given text in memory of its own: its readers go on in threads after an error, when
    a Python file beneath them is closed already.
    """
    import pyarrow as pa
    import pyarrow.csv as arrow

    titles = [str(number) for number in range(names)]
    taken = list(dict.fromkeys(titles[number] for number in wanted))
    pool = pa.system_memory_pool()
    convert = arrow.ConvertOptions(
        check_utf8=False,
        column_types=dict.fromkeys(taken, pa.float64()),
        null_values=[],
        include_columns=taken,
    )
    first = 0
    for text in _lines(file, stream, max(limit // 2, CELL * names)):
        memory = pa.allocate_buffer(len(text), memory_pool=pool)
        memoryview(memory).cast("B")[:] = text
        options = arrow.ReadOptions(  # with threads, errors do not have the row
            use_threads=False, block_size=len(text) + 1, column_names=titles
        )
        try:
            table = arrow.read_csv(
                pa.BufferReader(memory), options, convert_options=convert, memory_pool=pool
            )
        except pa.ArrowException as error:
            raise _explained(file, str(error), first) from error
        block = np.empty((len(wanted), len(table)))
        for row, number in zip(block, wanted, strict=True):
            row[:] = table.column(taken.index(titles[number])).to_numpy()
        first += len(table)
        yield block.T


def _lines(file: File, stream: Any, longest: int) -> Iterator[bytes]:
    """Whole lines, about as many bytes at a time as the longest one may have."""
    rest = b""
    while True:
        with refused(file, "gzip file", *PACKED):
            part = stream.read(longest)
        whole = rest + part
        end = whole.rfind(b"\n") + 1 if part else len(whole)
        if not end and len(whole) > longest:
            raise FileFormatError(f"{file}: a row is longer than {longest} bytes")
        text, rest = whole[:end].strip(b"\r\n"), whole[end:]
        if text:
            yield text
        if not part:
            return


def _explained(file: File, words: str, first: int) -> FileFormatError:
    """Arrow's error, in rows that count from 0 after the header."""
    row = re.search(r"Row #(\d+): ", words)
    place = f"{file}: row {first + int(row[1]) - 1}" if row else str(file)
    if found := re.search(r"invalid value '(.*)'", words, re.DOTALL):
        return FileFormatError(f"{place}: expected a number, found {clean(found[1], 40)!r}")
    if found := re.search(r"Expected (\d+) columns, got (\d+)", words):
        return FileFormatError(f"{place}: has {found[2]} cells, the header {found[1]}")
    return FileFormatError(f"{place}: not a .csv that can be read: {clean(words, 200)}")


# --------------------------------------------------------------------------- NumPy


def _wide(
    file: File, stream: Any, names: int, wanted: Sequence[int], limit: int
) -> Iterator[Array]:
    """Rows of many columns, as (n, wanted)."""
    longest = CELL * names
    step, row = rows_within(limit, 8 * len(wanted)), 0
    while True:
        lines: list[str] = []
        while len(lines) < step:
            with refused(file, "gzip file", *PACKED):
                line = stream.readline(longest)
            if not line:
                break
            if len(line) == longest and not line.endswith(b"\n"):
                raise FileFormatError(
                    f"{file}: row {row + len(lines)} is longer than {longest} bytes"
                )
            if not line.strip():
                continue
            cells = line.count(b",") + 1
            if b'"' in line:
                with refused(file, ".csv", UnicodeDecodeError, csv.Error):
                    cells = len(next(csv.reader([line.decode()], strict=True)))
            if cells != names:
                raise FileFormatError(
                    f"{file}: row {row + len(lines)} has {cells} cells, the header {names}"
                )
            lines.append(line.decode("utf-8", "backslashreplace"))
        if not lines:
            return
        yield _numbers(file, lines, wanted, row)
        row += len(lines)


def _numbers(file: File, lines: list[str], wanted: Sequence[int], row: int) -> Array:
    form: dict[str, Any] = {
        "delimiter": ",", "comments": None, "quotechar": '"', "ndmin": 2, "usecols": wanted,
    }  # fmt: skip
    try:
        return np.loadtxt(lines, **form)
    except ValueError as error:
        found = re.search(r"could not convert string (.*) to float64 at row (\d+)", str(error))
        if not found:
            raise FileFormatError(f"{file}: {clean(str(error), 200)}") from error
        raise FileFormatError(
            f"{file}: row {row + int(found[2])}: expected a number, found {clean(found[1], 40)}"
        ) from None
