"""One run: the cases, each measured in turns and then for its memory."""

from __future__ import annotations

from collections.abc import Sequence

from lastlayer.bench import machine, measure, memory
from lastlayer.bench.cases import (
    DTYPES,
    TASKS,
    Case,
    Dtype,
    Task,
    numpy_dtype,
    parse_shape,
)
from lastlayer.bench.contestants import Contestant
from lastlayer.bench.measure import Progress
from lastlayer.bench.results import Entry, Report


def make_cases(shapes: Sequence[str], dtype: Dtype, tasks: Sequence[Task]) -> list[Case]:
    """Every task on every shape; a ValueError where one of them can't be."""
    if dtype not in DTYPES:
        raise ValueError(f"{dtype!r} is no dtype: choose from {', '.join(DTYPES)}")
    for task in tasks:
        if task not in TASKS:
            raise ValueError(f"{task!r} is no task: choose from {', '.join(TASKS)}")
    numpy_dtype(dtype)
    return [Case(*parse_shape(shape), dtype, task) for shape in shapes for task in tasks]


def run_case(
    case: Case,
    takers: Sequence[Contestant],
    threads: int,
    *,
    rounds: int | None = None,
    seconds: float = 20.0,
    with_memory: bool = True,
    progress: Progress = lambda *_: None,
) -> Entry:
    """The times, and then the peak of memory of all who took part, each in its own process."""
    measured = measure.measure(
        case, takers, threads, rounds=rounds, seconds=seconds, progress=progress
    )
    peaks: dict[str, int | None] = {}
    if with_memory:
        ran = [t.contestant for t in measured.timings if t.contestant.kind != "limit"]
        for number, contestant in enumerate(ran):
            progress(f"memory of {contestant.title}", number, len(ran))
            peaks[contestant.key] = memory.peak_bytes(contestant, case, threads)
    return Entry(measured, peaks)


def make_report(entries: Sequence[Entry], threads: int) -> Report:
    """With the machine and the versions it was found with."""
    return Report(machine.describe(), machine.versions(), threads, tuple(entries))
