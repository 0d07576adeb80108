"""Who takes part: lastlayer, the two limits of memory, and the form that every peer has."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

import lastlayer as ll
from lastlayer.bench.cases import TASKS, Inputs, Outcome, Task
from lastlayer.contract import Array

SERIAL = 1 << 18  # bytes below which a second thread costs the limits more than it reads


class NotAvailableError(Exception):
    """Why a contestant can't do a case here."""


@dataclass(frozen=True)
class Prepared:
    """A contestant with its inputs in hand."""

    settings: str
    call: Callable[[], Any]  # what is timed: it allocates its results as it does for its users
    outcome: Callable[[Any], Outcome | None]  # NumPy's view of what `call` gave, not timed


@dataclass(frozen=True)
class Contestant:
    """A name, what it can do, and how it is set up for a case."""

    key: str  # as it is typed
    title: str  # as it is printed
    prepare: Callable[[Inputs], Prepared]
    tasks: tuple[Task, ...] = TASKS
    kind: Literal["lastlayer", "peer", "limit"] = "peer"
    compiles: bool = False  # for one shape, at the first call


def as_outcome(task: Task) -> Callable[[Any], Outcome]:
    """Reads what most calls return: a loss, (loss, gradient) or probabilities, array-likes all."""

    def outcome(result: Any) -> Outcome:
        if task == "loss":
            return Outcome(loss=float(result))
        if task == "softmax":
            return Outcome(array=np.asarray(result))
        loss, gradient = result
        return Outcome(loss=float(loss), array=np.asarray(gradient))

    return outcome


def threads_text(threads: int) -> str:
    """1 thread, 2 threads."""
    return f"{threads} thread{'s' * (threads != 1)}"


# --------------------------------------------------------------------------- lastlayer


def _lastlayer(inputs: Inputs) -> Prepared:
    logits, labels, task = inputs.logits, inputs.labels, inputs.case.task
    calls: dict[Task, Callable[[], Any]] = {
        "loss": lambda: ll.cross_entropy(logits, labels),
        "gradient": lambda: ll.cross_entropy_with_grad(logits, labels),
        "softmax": lambda: ll.softmax(logits),
    }
    fresh = "" if task == "loss" else ", a new array each call"
    settings = f"lastlayer {ll.__version__}, {threads_text(inputs.threads)}{fresh}"
    return Prepared(settings, calls[task], as_outcome(task))


def _lastlayer_out(inputs: Inputs) -> Prepared:
    logits, labels, task = inputs.logits, inputs.labels, inputs.case.task
    out = np.zeros_like(logits)
    out.fill(1)  # zeros alone are not yet memory
    calls: dict[Task, Callable[[], Any]] = {
        "gradient": lambda: ll.cross_entropy_with_grad(logits, labels, out=out),
        "softmax": lambda: ll.softmax(logits, out=out),
    }
    settings = f"lastlayer {ll.__version__}, {threads_text(inputs.threads)}, into the same array"
    return Prepared(settings, calls[task], as_outcome(task))


LASTLAYER = (
    Contestant("lastlayer", "lastlayer", _lastlayer, kind="lastlayer"),
    Contestant(
        "lastlayer-out",
        "lastlayer, out=",
        _lastlayer_out,
        tasks=("gradient", "softmax"),
        kind="lastlayer",
    ),
)


# --------------------------------------------------------------------------- limits


def _read(inputs: Inputs) -> Prepared:
    # Halves as the integers they are stored in: NumPy's maximum of floats of two bytes is slow,
    # and what counts here is that every byte is fetched.
    source = _as_words(inputs.logits)
    call = _by_rows(lambda rows: source[rows].max(), inputs)
    settings = f"logits.max(), {threads_text(inputs.threads)}"
    return Prepared(settings, call, lambda _: None)


def _copy(inputs: Inputs) -> Prepared:
    source = _as_words(inputs.logits)
    target = np.empty_like(source)
    target.fill(1)
    call = _by_rows(lambda rows: np.copyto(target[rows], source[rows]), inputs)
    settings = f"np.copyto, {threads_text(inputs.threads)}, into the same array"
    return Prepared(settings, call, lambda _: None)


def _as_words(array: Array) -> Array:
    return array.view(np.uint16) if array.dtype.itemsize == 2 else array


def _by_rows(work: Callable[[slice], Any], inputs: Inputs) -> Callable[[], None]:
    """`work` on as many equal ranges of rows as there are threads, at once: NumPy frees the GIL."""
    rows, parts = inputs.case.rows, min(inputs.threads, inputs.case.rows)
    if inputs.logits.nbytes < SERIAL:
        parts = 1
    bounds = [rows * part // parts for part in range(parts + 1)]
    first, *others = [slice(a, b) for a, b in itertools.pairwise(bounds)]
    if not others:
        return lambda: work(first)
    pool = ThreadPoolExecutor(len(others))  # this thread does its share

    def call() -> None:
        waiting = [pool.submit(work, part) for part in others]
        work(first)
        for future in waiting:
            future.result()

    return call


READ = Contestant("read", "limit: read once", _read, kind="limit")
COPY = Contestant("copy", "limit: copy once", _copy, kind="limit")
LIMITS = (READ, COPY)


def limit_of(task: Task) -> Contestant:
    """The limit that bounds a task: a loss reads the logits, a gradient also writes as much."""
    return READ if task == "loss" else COPY
