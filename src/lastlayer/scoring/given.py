"""What a score is given without labels: pairs of logits and labels, or a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MISSING = (
    "labels are missing: give them as second argument, as in score(logits, labels); without them "
    "logits must be an iterable of blocks (logits, labels)"
)


def pairs_of(blocks: Any) -> Iterator[tuple[Any, Any]]:
    """The blocks (logits, labels) of an iterable; TypeError for logits alone."""
    if hasattr(blocks, "__array__") or not hasattr(blocks, "__iter__"):
        raise TypeError(MISSING)
    for block in blocks:
        # rows of two numbers, as a list, look like a pair at first sight
        if not isinstance(block, list | tuple) or len(block) != 2 or _is_number(block[0]):
            raise TypeError(MISSING)
        yield block[0], block[1]
        del block  # it may be a part of a file that is mapped: let go before the next


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or getattr(value, "ndim", 1) == 0
