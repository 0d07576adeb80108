"""What was found: the rows of a case, a run's report, and its figures in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lastlayer.bench.contestants import limit_of, threads_text
from lastlayer.bench.measure import Measured, Timing

ORDER = {"lastlayer": 0, "threads": 1, "peer": 2, "limit": 3}
NOTHING = "–"
COLUMNS = ("", "ms", "GB/s", "of limit", "speed-up", "peak memory")


@dataclass(frozen=True)
class Row:
    """One contestant in one case."""

    timing: Timing
    gigabytes: float  # of logits, a second
    of_limit: float  # its speed as a part of what memory allows
    speed_up: float  # its time over lastlayer's
    peak: int | None  # bytes beyond its inputs
    peak_of_logits: float | None

    @property
    def title(self) -> str:
        """The contestant's name as it is printed."""
        return self.timing.contestant.title

    @property
    def kind(self) -> str:
        """Whether it is lastlayer, lastlayer on fewer threads, a peer or a limit."""
        return self.timing.contestant.kind


@dataclass(frozen=True)
class Entry:
    """A measured case with the peaks of memory by contestant's key; none where not measured."""

    measured: Measured
    peaks: dict[str, int | None]
    suite: str = "shapes"  # of which it is a part

    def row(self, key: str) -> Row | None:
        """What one contestant reached, where it took part."""
        return next((row for row in self.rows if row.timing.contestant.key == key), None)

    @property
    def best_peer(self) -> Row | None:
        """The fastest of the peers, where any took part."""
        return next((row for row in self.rows if row.kind == "peer"), None)

    @property
    def rows(self) -> list[Row]:
        """Those of lastlayer first, then the peers from the fastest on, then the limits."""
        case = self.measured.case
        ours, limit = self.measured.timing("lastlayer"), self.limit
        if ours is None:
            raise RuntimeError(f"lastlayer itself was not measured on {case.title}")
        rows = []
        for timing in self.measured.timings:
            peak = self.peaks.get(timing.contestant.key)
            rows.append(
                Row(
                    timing,
                    gigabytes=case.logits_bytes / timing.seconds / 1e9,
                    of_limit=limit.seconds / timing.seconds,
                    speed_up=timing.seconds / ours.seconds,
                    peak=peak,
                    peak_of_logits=None if peak is None else peak / case.logits_bytes,
                )
            )
        return sorted(rows, key=lambda row: (ORDER[row.kind], _rank(row)))

    @property
    def limit(self) -> Timing:
        """The limit that bounds this task."""
        found = self.measured.timing(limit_of(self.measured.case.task).key)
        if found is None:
            raise RuntimeError(f"no limit was measured on {self.measured.case.title}")
        return found

    @property
    def limit_gigabytes(self) -> float:
        """Its speed, in GB of logits a second."""
        return self.measured.case.logits_bytes / self.limit.seconds / 1e9


@dataclass(frozen=True)
class Report:
    """Everything that one run found out, and where."""

    machine: dict[str, Any]
    versions: dict[str, str]
    threads: int
    entries: tuple[Entry, ...]
    planned: int = 0  # cases; more than there are entries where the run was interrupted

    @property
    def place(self) -> str:
        """The machine and what was used of it, in a line."""
        m = self.machine
        parts = [m["processor"], m["instructions"], f"{threads_text(self.threads)} each"]
        parts += [f"{m['memory_gb']:.0f} GB of memory", m["system"], f"Python {m['python']}"]
        return ", ".join(str(part) for part in parts if part)


def _rank(row: Row) -> float:
    return row.timing.seconds if row.kind == "peer" else 0.0


# --------------------------------------------------------------------------- words


def columns(entry: Entry) -> tuple[str, ...]:
    """The heads of a case's table; the peak memory only where it was measured."""
    return COLUMNS if entry.peaks else COLUMNS[:-1]


def cells(row: Row, entry: Entry) -> tuple[str, ...]:
    """A row as it is printed, a word a column."""
    is_limit = row.kind == "limit"
    words = (
        row.title,
        milliseconds(row.timing.seconds),
        gigabytes(row.gigabytes),
        percent(row.of_limit),
        NOTHING if is_limit else speed_up(row),
        NOTHING if is_limit else memory_text(row),
    )
    return words[: len(columns(entry))]


def milliseconds(seconds: float) -> str:
    """Three digits, without an exponent."""
    return _digits(seconds * 1e3)


def gigabytes(number: float) -> str:
    """Three digits, without an exponent."""
    return _digits(number)


def _digits(number: float) -> str:
    for places, from_on in enumerate((99.95, 9.995, 0.9995)):
        if number >= from_on:
            return f"{number:.{places}f}"
    return f"{number:.3f}"


def percent(part: float) -> str:
    """Whole, but for the smallest."""
    return f"{part:.0%}" if part >= 0.0995 else f"{part:.1%}"


def speed_up(row: Row) -> str:
    """How much faster lastlayer is than this contestant."""
    return NOTHING if row.timing.contestant.key == "lastlayer" else times(row.speed_up)


def times(ratio: float) -> str:
    """Two digits after the point near 1, where it matters who is ahead."""
    return f"{ratio:.{2 if ratio < 1.995 else 1 if ratio < 99.5 else 0}f}×"


def memory_text(row: Row) -> str:
    """Megabytes, and how often the logits would fit."""
    if row.peak is None or row.peak_of_logits is None:
        return NOTHING
    return f"{row.peak / 1e6:.{0 if row.peak >= 1e7 else 1}f} MB ({row.peak_of_logits:.1f}×)"


def limit_text(entry: Entry) -> str:
    """Which limit the figures of a case are held against."""
    soft = entry.measured.case.option == "soft-targets"
    if entry.limit.contestant.key == "loss":
        what = "the loss alone"
    elif entry.limit.contestant.key == "read":
        what = f"reading the logits{' and the targets' * soft} once"
    else:
        what = f"copying the logits once{' and reading the targets' * soft}"
    return f"{what}, {gigabytes(entry.limit_gigabytes)} GB/s of logits"


def left_out(entry: Entry) -> Iterator[str]:
    """A line for every reason for which peers did not take part."""
    reasons: dict[str, list[str]] = {}
    for contestant, reason in entry.measured.left_out:
        reasons.setdefault(reason, []).append(contestant.title)
    for reason, titles in reasons.items():
        yield f"{', '.join(titles)}: {reason}"
