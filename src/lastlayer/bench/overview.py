"""A run in one table, a line a case: lastlayer, the limits, the peers and their memory."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lastlayer.bench.contestants import LIMITS, Contestant
from lastlayer.bench.results import (
    NOTHING,
    ORDER,
    Entry,
    Row,
    gigabytes,
    milliseconds,
    percent,
    times,
)

MANY = 8  # cases, from which on a terminal has this table in place of one a case
PEAK = "Peak memory beyond the inputs, as a multiple of the logits"
HELP = (
    "- **ms**, **GB/s**, **of limit**: of lastlayer, with a new array each call and then into an "
    "array that was given (out=), or in place.",
    "- **read**, **copy**: the two limits, in GB of logits a second.",
    "- **best peer** and the columns after it: how many times faster lastlayer is, with a new "
    "array each call as they have.",
    f"- **peak**: {PEAK[0].lower()}{PEAK[1:]}, each in a process of its own.",
)


@dataclass(frozen=True)
class Block:
    """Columns that belong together: their heads, of some lines each, and a row of words a case."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> int:
        """Characters, with a space on either side of each column."""
        lines = [head.split("\n") for head in self.heads]
        longest = [
            max(len(word) for word in [*head, *(row[n] for row in self.rows)])
            for n, head in enumerate(lines)
        ]
        return sum(longest) + 2 * len(longest)


def blocks(entries: Sequence[Entry]) -> list[Block]:
    """What is measured first, and then whatever is known of it."""
    takers = _takers(entries)
    peers = [c for c in takers if c.kind in ("threads", "peer")]
    found = [_labels(entries), _own(entries, "lastlayer", "lastlayer")]
    found += [
        _own(entries, c.key, c.title.removeprefix("lastlayer, "))
        for c in takers
        if c.kind == "lastlayer" and c.key != "lastlayer"
    ]
    limits = [c for c in LIMITS if any(entry.row(c.key) for entry in entries)]
    found.append(
        _block(
            entries,
            tuple(c.key + "\nGB/s" for c in limits),
            lambda e: [_of(e.row(c.key), lambda row: gigabytes(row.gigabytes)) for c in limits],
        )
    )
    if any(entry.best_peer for entry in entries):
        found.append(_block(entries, ("best\npeer",), _best))
    found += [_block(entries, (_folded(c),), partial(_speed_up, c.key)) for c in peers]
    if any(entry.peaks for entry in entries):
        found += [
            _block(entries, ("peak\n" + _folded(c),), partial(_peak, c.key))
            for c in takers
            if c.kind in ("lastlayer", "peer")
        ]
    return found


def _takers(entries: Sequence[Entry]) -> list[Contestant]:
    """Everyone who took part in any of the cases: lastlayer, and those who are fast in most."""
    found = {t.contestant.key: t.contestant for e in entries for t in e.measured.timings}

    def rank(contestant: Contestant) -> tuple[int, float]:
        if contestant.kind != "peer":
            return ORDER[contestant.kind], 0
        rows = [entry.row(contestant.key) for entry in entries]
        return ORDER["peer"], statistics.median(row.speed_up for row in rows if row)

    return sorted(found.values(), key=rank)


def _block(
    entries: Sequence[Entry], heads: tuple[str, ...], words: Callable[[Entry], Sequence[str]]
) -> Block:
    return Block(heads, tuple(tuple(words(entry)) for entry in entries))


def _labels(entries: Sequence[Entry]) -> Block:
    several = len({entry.measured.case.dtype for entry in entries}) > 1
    rows = []
    for case in (entry.measured.case for entry in entries):
        dtype = f" {case.dtype}" if several else ""
        task = case.task_title.replace("loss and gradient", "+ gradient")
        rows.append((case.logits_title + dtype, task))
    dtypes = "" if several or not entries else f" ({entries[0].measured.case.dtype})"
    return Block((f"logits{dtypes}", "task"), tuple(rows))


def _own(entries: Sequence[Entry], key: str, title: str) -> Block:
    def words(entry: Entry) -> list[str]:
        row = entry.row(key)
        return [
            _of(row, lambda row: milliseconds(row.timing.seconds)),
            _of(row, lambda row: gigabytes(row.gigabytes)),
            _of(row, lambda row: percent(row.of_limit)),
        ]

    return _block(entries, (f"{title}\nms", "\nGB/s", "of\nlimit"), words)


def _of(row: Row | None, words: Callable[[Row], str]) -> str:
    return NOTHING if row is None else words(row)


def _best(entry: Entry) -> tuple[str, ...]:
    return (_of(entry.best_peer, lambda row: f"{times(row.speed_up)} {row.title}"),)


def _speed_up(key: str, entry: Entry) -> tuple[str, ...]:
    return (_of(entry.row(key), lambda row: times(row.speed_up)),)


def _peak(key: str, entry: Entry) -> tuple[str, ...]:
    row = entry.row(key)
    part = None if row is None else row.peak_of_logits
    return (NOTHING if part is None else f"{part:.1f}",)


def _folded(contestant: Contestant) -> str:
    """Its name in short lines: PyTorch / eager, torch. / compile."""
    return re.sub(r"(?<=[.-])| ", "\n", contestant.title.removeprefix("lastlayer, "))


def unfolded(head: str) -> str:
    """A head in one line."""
    return re.sub(r"(?<=[.-])\n", "", head).replace("\n", " ").strip()
