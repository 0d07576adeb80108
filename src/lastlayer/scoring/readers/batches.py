"""Parquet's columns in step: some rows at a time, the columns shared out among threads.

The threads are ours, each with a reader of its own. Arrow's own wait for ever where memory runs
out, and read a row group whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from lastlayer.files import FileFormatError
from lastlayer.scoring.readers.ahead import started
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.readers.source import refused

BUFFERS = 16 << 20  # bytes for all columns: what is read of the file at a time
BUFFER = 1 << 16  # bytes for one of them at most
FOOTER = 64 << 20  # bytes of the largest
ENTRIES = 100_000  # columns, row groups
READERS = 8  # threads at most: each has read the footer
SHARE = 2  # columns a thread at least


def batches(
    file: File, names: Sequence[str], rows: int, groups: Sequence[int] | None, threads: int
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """So many rows at a time, fewer at the end: their number, and Arrow's arrays by name."""
    parts = max(1, min(threads, READERS, len(names) // SHARE))
    edges = [len(names) * part // parts for part in range(parts + 1)]
    shares = [names[lo:hi] for lo, hi in itertools.pairwise(edges)]
    with ExitStack() as stack:
        first = stack.enter_context(opened(file, len(names)))
        others = [stack.enter_context(opened(file, len(names), first.metadata)) for _ in shares[1:]]
        streams = [
            table.iter_batches(rows, row_groups=groups, columns=list(share), use_threads=False)
            for table, share in zip([first, *others], shares, strict=True)
        ]
        helpers = None
        if others:  # left before the files are: none is at work then
            helpers = stack.enter_context(ThreadPoolExecutor(len(others), "lastlayer-parquet"))
        while True:
            with explained(file):
                found = _next(streams, helpers)
            lengths = {-1 if part is None else len(part) for part in found}
            if len(lengths) > 1:
                raise FileFormatError(f"{file}: its columns do not end at the same row")
            (count,) = lengths
            if count < 0:
                return
            columns: dict[str, Any] = {}
            for part in found:
                columns |= zip(part.schema.names, part.columns, strict=True)
            del found, part
            yield count, columns
            del columns  # before the next ones are there


def _next(streams: Sequence[Iterator[Any]], helpers: ThreadPoolExecutor | None) -> list[Any]:
    """The next batch of each, or None; one is read here, the others meanwhile."""
    waiting: list[Future[Any]] = []
    if helpers is not None:
        waiting = [started(helpers, next, stream, None) for stream in streams[1:]]
    return [next(streams[0], None), *(future.result() for future in waiting)]


@contextmanager
def opened(file: File, columns: int, metadata: Any = None) -> Iterator[Any]:
    """Arrow's reader of a file, of which so many columns will be read."""
    import pyarrow as pa
    from pyarrow import parquet

    with ExitStack() as stack:
        handle = stack.enter_context(file.open())
        if metadata is None:
            _check_end(file, handle)
        source: Any = pa.PythonFile(handle, mode="r")
        if file.place is not None:  # without the lock that Python's files need
            source = stack.enter_context(pa.OSFile(file.place))
        with explained(file):
            table = parquet.ParquetFile(
                source,
                metadata=metadata,
                pre_buffer=False,  # else a row group is read whole
                buffer_size=min(BUFFER, max(1 << 14, BUFFERS // columns)),
                thrift_string_size_limit=FOOTER,
                thrift_container_size_limit=ENTRIES,
            )
        yield table


def _check_end(file: File, handle: Any) -> None:
    if file.size < 12:
        raise FileFormatError(f"{file}: ends early; a .parquet file has 12 bytes and more")
    handle.seek(file.size - 8)
    tail = file.exactly(handle, 8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1":
        raise FileFormatError(f"{file}: does not end as a .parquet file does, with PAR1")
    if length > min(FOOTER, file.size - 12):
        raise FileFormatError(
            f"{file}: its footer has {length} bytes, expected {min(FOOTER, file.size - 12)} at most"
        )


@contextmanager
def explained(file: File) -> Iterator[None]:
    """Arrow's errors as those of a file that it can't read."""
    import pyarrow as pa

    with refused(
        file, ".parquet file", pa.ArrowException, OSError, ValueError, OverflowError, KeyError,
        IndexError, TypeError, NotImplementedError,
    ):  # fmt: skip
        yield
