"""Takes the times: the contestants in turns, in an order that changes, in one process."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import math
import os
import random
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lastlayer.bench import answers
from lastlayer.bench.answers import Expected
from lastlayer.bench.cases import OPTION_TITLES, Case
from lastlayer.bench.contestants import LASTLAYER, LIMITS, Contestant, NotAvailableError, Prepared
from lastlayer.bench.inputs import Inputs, make_inputs
from lastlayer.bench.peers import PEERS

PAUSE = 0.03  # seconds before a turn: OpenMP's idle threads spin that long, and would take part
_AWAKE = np.zeros(1 << 16, np.float32)  # what is read meanwhile, from the cache
TURN = 0.01  # seconds: what is faster than that is called several times a turn
FEWEST, MOST = 3, 100  # turns of a contestant, where the seconds decide
Progress = Callable[[str, int, int], None]  # what is done, turns done, turns to do


@dataclass(frozen=True)
class Timing:
    """One contestant's times in one case, in seconds a call."""

    contestant: Contestant
    settings: str
    samples: tuple[float, ...]  # one a turn

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile."""
        low, middle, high = np.percentile(self.samples, (25, 50, 75))
        return float(low), float(middle), float(high)

    @property
    def seconds(self) -> float:
        """The median."""
        return self.quartiles[1]


@dataclass(frozen=True)
class Measured:
    """A case, the times of those who took part, and why others did not."""

    case: Case
    timings: tuple[Timing, ...]
    left_out: tuple[tuple[Contestant, str], ...]

    def timing(self, key: str) -> Timing | None:
        """The timing of one contestant, where it took part."""
        return next((t for t in self.timings if t.contestant.key == key), None)


def contestants(peers: Sequence[str] = (), without: Sequence[str] = ()) -> tuple[Contestant, ...]:
    """lastlayer, the peers of these names (where none is named, all but `without`), the limits."""
    known = {peer.key: peer for peer in PEERS}
    for name in peers:
        if name not in known:
            raise ValueError(f"{name!r} is no peer: choose from {', '.join(known)}")
    if importlib.util.find_spec("torch") is None:  # what lastlayer.torch is there for
        without = (*without, "lastlayer-torch")
    chosen = [
        peer for key, peer in known.items() if (key in peers if peers else key not in without)
    ]
    return (*LASTLAYER, *chosen, *LIMITS)


def available_threads() -> int:
    """As many as this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def use_threads(threads: int) -> Iterator[None]:
    """The same number for all: for those who read it where they start, before they are imported."""
    names = {
        "LASTLAYER_NUM_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        "NPROC": threads,  # XLA's own, and so JAX's
    }
    before = {name: os.environ.get(name) for name in names}
    torch = sys.modules.get("torch")
    torch_before = torch.get_num_threads() if torch else None
    os.environ.update({name: str(number) for name, number in names.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if torch and torch_before:
            torch.set_num_threads(torch_before)


def measure(
    case: Case,
    takers: Sequence[Contestant],
    threads: int,
    *,
    rounds: int | None = None,
    seconds: float = 20.0,
    progress: Progress = lambda *_: None,
) -> Measured:
    """Warm up, check every answer, and time all in turns.

    Parameters
    ----------
    case : Case
        What to compute.
    takers : sequence of Contestant
        Who computes it; those that can't do the task are passed over.
    threads : int
        For each of them.
    rounds : int, optional
        How many turns each has. By default each has as many as fill its share of `seconds`, at
        least 3.
    seconds : float, default 20
        For the whole case, warm-up not counted.
    progress : callable
        Called with what is being done, and how many turns of how many are done.

    Returns
    -------
    Measured

    Raises
    ------
    RuntimeError
        lastlayer itself, or a limit, fails or is wrong. A peer that does is left out, with why.
    """
    progress("inputs", 0, 0)
    inputs = make_inputs(case, threads)
    right = answers.expected(case)
    ready: list[tuple[Contestant, Prepared]] = []
    lengths: list[tuple[int, float]] = []  # of a turn: calls, and seconds
    left_out: list[tuple[Contestant, str]] = []
    for contestant in takers:
        if case.task not in contestant.tasks:
            continue
        progress(f"warming up {contestant.title}", 0, 0)
        try:
            prepared = prepare(contestant, inputs)
            length = _warm_up(prepared, right, case)
        except NotAvailableError as reason:
            if contestant.kind != "peer":
                raise RuntimeError(f"{contestant.title}, {case.title}: {reason}") from reason
            left_out.append((contestant, str(reason)))
        else:
            ready.append((contestant, prepared))
            lengths.append(length)

    share = seconds / max(1, len(ready))
    turns = [rounds or max(FEWEST, min(MOST, int(share / long))) for _, long in lengths]
    samples: list[list[float]] = [[] for _ in ready]
    for number, who in enumerate(_order(turns)):
        progress("timing", number, sum(turns))
        samples[who].append(_turn(ready[who][1], lengths[who][0]))
    progress("timing", sum(turns), sum(turns))
    timings = [
        Timing(contestant, prepared.settings, tuple(times))
        for (contestant, prepared), times in zip(ready, samples, strict=True)
    ]
    return Measured(case, tuple(timings), tuple(left_out))


def prepare(contestant: Contestant, inputs: Inputs) -> Prepared:
    """A contestant with these inputs; whatever fails becomes a NotAvailableError in one line."""
    case = inputs.case
    if case.option not in contestant.options:
        raise NotAvailableError(f"it has no {OPTION_TITLES[case.option]} of its own")
    if case.image and not contestant.images:
        raise NotAvailableError("it would have to copy images so that the class axis is the last")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return contestant.prepare(inputs)
    except NotAvailableError:
        raise
    except ModuleNotFoundError as error:
        raise NotAvailableError(f"{error.name or error} is not installed") from error
    except Exception as error:  # a peer's failure is its own, the others go on
        raise NotAvailableError(f"not available: {one_line(error)}") from error


def warm(prepared: Prepared, calls: int = 2) -> Any:
    """The result of a call after those that load and compile."""
    try:
        with warnings.catch_warnings():  # what a compiler has to say about itself
            warnings.simplefilter("ignore")
            for _ in range(calls - 1):
                prepared.call()
            if prepared.restore:
                prepared.restore()
            return prepared.call()
    except Exception as error:  # as above
        raise NotAvailableError(f"not available: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """An error's kind and first line, without the folders of this machine."""
    lines = str(error).strip().splitlines() or [""]
    text = re.sub(r"(?<![\w.])(?:[A-Za-z]:)?(?:[/\\][\w.+@~-]+){2,}", "…", lines[0])
    return f"{type(error).__name__}: {text[:160]}".rstrip(": ")


def _warm_up(prepared: Prepared, right: Expected, case: Case) -> tuple[int, float]:
    """Checks the answer; how many calls make a turn, and about how long the turn takes."""
    outcome = prepared.outcome(warm(prepared))
    wrong = answers.fault(outcome, right, case) if outcome is not None else None
    if wrong:
        raise NotAvailableError(f"wrong: {wrong}")
    once = max(_time(prepared.call, 1), 1e-7)
    calls = max(1, math.ceil(TURN / once)) if once < TURN else 1
    return calls, once * (calls + 1) + PAUSE


def _order(turns: Sequence[int], seed: int = 0) -> list[int]:
    """Whose turn it is: as many each as it has, all spread over the whole time, shuffled.

    Turn t of n falls on a random moment of the t-th of n equal parts of the time, so that a slow
    contestant with few turns meets the same minutes as the others.
    """
    generator = random.Random(seed)
    moments = [
        ((turn + generator.random()) / count, who)
        for who, count in enumerate(turns)
        for turn in range(count)
    ]
    return [who for _, who in sorted(moments)]


def _turn(prepared: Prepared, calls: int) -> float:
    """A pause, a call that isn't timed, and those that are: seconds a call.

    After the pause caches and threads are cold, and they aren't where users call in a loop.
    """
    if prepared.restore:
        prepared.restore()
    wait_awake(PAUSE)
    prepared.call()
    return _time(prepared.call, calls)


def wait_awake(seconds: float) -> None:
    """Let the time pass at work, as it does where a loss is called: between other computations.

    After sleeping a processor is slow for some milliseconds, and Linux may put the threads of a
    process that slept on one core for as long, which hits whoever wakes threads of its own.
    """
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        _AWAKE.max()


def _time(call: Callable[[], Any], calls: int) -> float:
    """Seconds a call. The collector waits, and the last result is let go after the clock."""
    gc.collect(0)
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(calls):
            result = call()
        elapsed = time.perf_counter() - start
        del result
    finally:
        gc.enable()
    return elapsed / calls
