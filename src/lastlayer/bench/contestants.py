"""Who takes part: lastlayer, the two limits of memory, and the form that every peer has."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

import lastlayer as ll
from lastlayer.bench.answers import Outcome, option_arguments
from lastlayer.bench.cases import FUNCTIONS, OPTIONS, TASKS, Option, Task
from lastlayer.bench.inputs import Inputs
from lastlayer.contract import Array

THREADS = "LASTLAYER_NUM_THREADS"
SERIAL = 1 << 18  # bytes below which a second thread costs the limits more than it reads


class NotAvailableError(Exception):
    """Why a contestant can't do a case here."""


@dataclass(frozen=True)
class Prepared:
    """A contestant with its inputs in hand."""

    settings: str
    call: Callable[[], Any]  # what is timed: it allocates its results as it does for its users
    outcome: Callable[[Any], Outcome | None]  # NumPy's view of what `call` gave, not timed
    restore: Callable[[], None] | None = None  # what `call` overwrites, before a turn, not timed


@dataclass(frozen=True)
class Contestant:
    """A name, what it can do, and how it is set up for a case."""

    key: str  # as it is typed
    title: str  # as it is printed
    prepare: Callable[[Inputs], Prepared]
    tasks: tuple[Task, ...] = FUNCTIONS
    options: tuple[Option, ...] = OPTIONS
    images: bool = True  # whether it takes the class axis where images have it
    kind: Literal["lastlayer", "threads", "peer", "limit"] = "peer"  # threads: lastlayer on fewer
    compiles: bool = False  # for one shape, at the first call


def as_outcome(task: Task) -> Callable[[Any], Outcome]:
    """Reads what most calls return: a loss, (loss, gradient) or probabilities, array-likes all."""

    def outcome(result: Any) -> Outcome:
        if task in ("loss", "score"):
            return Outcome(loss=float(result))
        if task in ("softmax", "log-softmax"):
            return Outcome(array=np.asarray(result))
        loss, gradient = result
        return Outcome(loss=float(loss), array=np.asarray(gradient))

    return outcome


def threads_text(threads: int) -> str:
    """1 thread, 2 threads."""
    return f"{threads} thread{'s' * (threads != 1)}"


# --------------------------------------------------------------------------- lastlayer


def _lastlayer(inputs: Inputs) -> Prepared:
    fresh = "" if inputs.case.task in ("loss", "score") else ", a new array each call"
    return Prepared(
        _settings(inputs) + fresh,
        _call(inputs, inputs.logits, None),
        as_outcome(inputs.case.task),
    )


def _lastlayer_out(inputs: Inputs) -> Prepared:
    out = np.zeros_like(inputs.logits)
    out.fill(1)  # zeros alone are not yet memory
    return Prepared(
        _settings(inputs) + ", into the same array",
        _call(inputs, inputs.logits, out),
        as_outcome(inputs.case.task),
    )


def _lastlayer_in_place(inputs: Inputs) -> Prepared:
    logits = inputs.logits.copy(order="K")
    return Prepared(
        _settings(inputs) + ", into the logits themselves",
        _call(inputs, logits, logits),
        as_outcome(inputs.case.task),
        restore=lambda: np.copyto(logits, inputs.logits),
    )


def _call(inputs: Inputs, logits: Array, out: Array | None) -> Callable[[], Any]:
    labels = inputs.labels if inputs.targets is None else inputs.targets
    options = option_arguments(inputs)
    calls: dict[Task, Callable[[], Any]] = {
        "loss": lambda: ll.cross_entropy(logits, labels, axis=1, **options),
        "gradient": lambda: ll.cross_entropy_with_grad(logits, labels, axis=1, out=out, **options),
        "softmax": lambda: ll.softmax(logits, axis=1, out=out),
        "log-softmax": lambda: ll.log_softmax(logits, axis=1, out=out),
        "score": lambda: ll.score(logits, labels).loss,
    }
    return calls[inputs.case.task]


def _settings(inputs: Inputs) -> str:
    return f"lastlayer {ll.__version__}, {threads_text(inputs.threads)}"


def _lastlayer_alone(inputs: Inputs) -> Prepared:
    # what takes the time for a new array is the system, on one thread at a time
    return (_lastlayer_out if inputs.case.task in WRITING else _lastlayer)(inputs)


def on_threads(threads: int) -> Contestant:
    """`ALONE` on fewer threads."""

    def prepare(inputs: Inputs) -> Prepared:
        inner = _lastlayer_alone(replace(inputs, threads=threads))

        def call() -> Any:
            before, os.environ[THREADS] = os.environ.get(THREADS, ""), str(threads)
            try:
                return inner.call()
            finally:
                os.environ[THREADS] = before

        return replace(inner, call=call)

    title = f"lastlayer, {threads_text(threads)}"
    return Contestant(f"lastlayer-{threads}", title, prepare, kind="threads")


WRITING: tuple[Task, ...] = ("gradient", "softmax", "log-softmax")
LASTLAYER = (
    Contestant("lastlayer", "lastlayer", _lastlayer, tasks=TASKS, kind="lastlayer"),
    Contestant("lastlayer-out", "lastlayer, out=", _lastlayer_out, tasks=WRITING, kind="lastlayer"),
    Contestant(
        "lastlayer-in-place",
        "lastlayer, in place",
        _lastlayer_in_place,
        tasks=("softmax", "log-softmax"),
        kind="lastlayer",
    ),
)
ALONE = Contestant("lastlayer", "lastlayer", _lastlayer_alone, tasks=TASKS, kind="lastlayer")


# --------------------------------------------------------------------------- limits


def _read(inputs: Inputs) -> Prepared:
    sources = _in_one_piece(inputs)
    call = _by_parts(lambda part: [source[part].max() for source in sources], inputs)
    settings = f"logits.max(), {threads_text(inputs.threads)}"
    return Prepared(settings, call, lambda _: None)


def _copy(inputs: Inputs) -> Prepared:
    source, *others = _in_one_piece(inputs)
    target = np.empty_like(source)
    target.fill(1)

    def work(part: slice) -> None:
        np.copyto(target[part], source[part])
        for other in others:
            other[part].max()

    settings = f"np.copyto, {threads_text(inputs.threads)}, into the same array"
    return Prepared(settings, _by_parts(work, inputs), lambda _: None)


def _in_one_piece(inputs: Inputs) -> list[Array]:
    """The logits, and soft targets too, flat: as many bytes as a case has, lying together.

    Halves as the integers they are stored in: NumPy's maximum of floats of two bytes is slow, and
    what counts here is that every byte is fetched.
    """
    found = []
    for array in (inputs.logits, inputs.targets):
        if array is not None:
            flat = array.reshape(-1, order="F" if inputs.case.layout == "fortran" else "C")
            found.append(flat.view(np.uint16) if flat.dtype.itemsize == 2 else flat)
    return found


def _by_parts(work: Callable[[slice], Any], inputs: Inputs) -> Callable[[], None]:
    """`work` on as many equal ranges as there are threads, at once: NumPy frees the GIL."""
    size = math.prod(inputs.case.dims)
    parts = inputs.threads if inputs.logits.nbytes >= SERIAL else 1
    bounds = [size * part // parts for part in range(parts + 1)]
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


def _loss(inputs: Inputs) -> Prepared:
    return Prepared(
        f"ll.cross_entropy of the same logits, {threads_text(inputs.threads)}",
        lambda: ll.cross_entropy(inputs.logits, inputs.labels, axis=1),
        as_outcome("loss"),
    )


READ = Contestant("read", "limit: read once", _read, tasks=TASKS, kind="limit")
COPY = Contestant("copy", "limit: copy once", _copy, kind="limit")
LOSS = Contestant("loss", "limit: the loss alone", _loss, tasks=("score",), kind="limit")
LIMITS = (READ, COPY, LOSS)


def limit_of(task: Task) -> Contestant:
    """What bounds a task: a loss reads the logits, a gradient also writes as much.

    A score is the loss and more; it can't be faster.
    """
    return {"loss": READ, "score": LOSS}.get(task, COPY)
