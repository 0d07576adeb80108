"""Reading while computing."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(blocks: Iterator[T]) -> Generator[T]:
    """The same blocks, each read by a thread while the one before is worked on."""
    with ThreadPoolExecutor(1, "lastlayer-read") as thread:
        waiting = thread.submit(next, blocks, None)
        while (block := waiting.result()) is not None:
            waiting = thread.submit(next, blocks, None)
            yield block
