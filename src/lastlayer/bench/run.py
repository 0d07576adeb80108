"""One run: what is to be measured, and each case measured in turns and then for its memory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lastlayer.bench import machine, measure, memory
from lastlayer.bench.cases import (
    TASKS,
    Case,
    Dtype,
    Layout,
    Option,
    Task,
    make_case,
    numpy_dtype,
    parse_shape,
)
from lastlayer.bench.contestants import ALONE, LIMITS, Contestant, on_threads
from lastlayer.bench.measure import Progress
from lastlayer.bench.results import Entry, Report
from lastlayer.bench.suites import SUITES, quick

SECONDS, QUICK_SECONDS = 20.0, 1.0


@dataclass(frozen=True)
class Step:
    """A case of a run, who takes part and how long."""

    suite: str
    case: Case
    takers: tuple[Contestant, ...]
    seconds: float
    with_memory: bool


@dataclass(frozen=True)
class Wishes:
    """What the user asked for; None and () where the suite, or the default, decides."""

    peers: Sequence[str] = ()
    tasks: Sequence[Task] = ()
    dtype: Dtype | None = None
    seconds: float | None = None
    memory: bool | None = None
    quick: bool = False


def plan_suites(names: Sequence[str], wishes: Wishes, threads: int) -> list[Step]:
    """The cases of these suites; a ValueError where nothing of them is left."""
    steps = []
    for name in dict.fromkeys(names):
        suite = SUITES[name]
        cases = [
            case
            for case in (quick(name) if wishes.quick else suite.cases)
            if not wishes.tasks or case.task in wishes.tasks
        ]
        if wishes.dtype and len({case.dtype for case in cases}) > 1:
            cases = [case for case in cases if case.dtype == wishes.dtype]
        elif wishes.dtype:
            cases = [replace(case, dtype=wishes.dtype) for case in cases]
        if suite.threads:
            fewer = [2**k for k in range(threads.bit_length()) if 2**k < threads]
            if not fewer:  # nothing to compare
                continue
            takers = (ALONE, *map(on_threads, fewer), *LIMITS)
        else:
            takers = measure.contestants(wishes.peers, suite.without)
        seconds = wishes.seconds or (QUICK_SECONDS if wishes.quick else suite.seconds)
        asked = suite.memory and not wishes.quick if wishes.memory is None else wishes.memory
        with_memory = asked and not suite.threads
        steps += [Step(name, case, takers, seconds, with_memory) for case in cases]
    if not steps:
        raise ValueError("nothing is left to measure: no case has this task, dtype and threads")
    return _checked(steps)


def plan_shapes(
    shapes: Sequence[str], options: Sequence[Option], layout: Layout, wishes: Wishes
) -> list[Step]:
    """Every task with every option on every shape; a ValueError where one of them can't be."""
    takers = measure.contestants(wishes.peers)
    seconds = wishes.seconds or (QUICK_SECONDS if wishes.quick else SECONDS)
    with_memory = not wishes.quick if wishes.memory is None else wishes.memory
    cases = [
        make_case(parse_shape(shape), wishes.dtype or "float32", task, option, layout)
        for shape in shapes
        for option in options or ("plain",)
        for task in wishes.tasks or TASKS[:2]
    ]
    return _checked([Step("shapes", case, takers, seconds, with_memory) for case in cases])


def _checked(steps: list[Step]) -> list[Step]:
    for case in (step.case for step in steps):
        numpy_dtype(case.dtype)
        if case.logits_bytes > sys.maxsize:
            raise ValueError(f"{case.shape} logits are more than an array can hold")
    return steps


def run_step(
    step: Step,
    threads: int,
    *,
    rounds: int | None = None,
    progress: Progress = lambda *_: None,
) -> Entry:
    """The times, and then the peak of memory of all who took part, each in its own process."""
    case = step.case
    measured = measure.measure(
        case, step.takers, threads, rounds=rounds, seconds=step.seconds, progress=progress
    )
    peaks: dict[str, int | None] = {}
    if step.with_memory:
        ran = [t.contestant for t in measured.timings if t.contestant.kind != "limit"]
        for number, contestant in enumerate(ran):
            progress(f"memory of {contestant.title}", number, len(ran))
            peaks[contestant.key] = memory.peak_bytes(contestant, case, threads)
    return Entry(measured, peaks, step.suite)


def make_report(entries: Sequence[Entry], threads: int, planned: int = 0) -> Report:
    """With the machine and the versions it was found with."""
    found = machine.describe(), machine.versions()
    return Report(*found, threads, tuple(entries), planned or len(entries))
