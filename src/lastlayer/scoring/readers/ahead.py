"""Reading while computing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def ahead(blocks: Iterator[T]) -> Generator[T]:
    """The same blocks, each read by a thread while the one before is worked on."""
    with ThreadPoolExecutor(1, "lastlayer-read") as thread:
        waiting = started(thread, next, blocks, None)
        while (block := waiting.result()) is not None:
            waiting = started(thread, next, blocks, None)
            yield block


def started(threads: ThreadPoolExecutor, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Work that a thread has begun; where none can be had, memory is out."""
    try:
        return threads.submit(work, *arguments)
    except RuntimeError as error:
        raise MemoryError("no room for one more thread") from error
