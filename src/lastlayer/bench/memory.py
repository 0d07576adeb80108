"""The most memory a contestant takes beyond its inputs, measured in a process of its own.

``python -m lastlayer.bench.memory torch 2 CASE``, the case as JSON, builds the inputs, calls the
contestant once on a few rows so that its libraries are loaded, resets the peak, calls it once on
all rows and prints ``{"bytes": ...}``: how far the peak went above what was held before. A
contestant that compiles for one shape is called on all rows beforehand, so that its compiler
isn't what is measured. Memory that a contestant was given (its inputs, an `out` array) is not
counted, memory that it returns is.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

from lastlayer import large_arrays
from lastlayer.bench import measure
from lastlayer.bench.cases import Case
from lastlayer.bench.contestants import LASTLAYER, LIMITS, Contestant, NotAvailableError
from lastlayer.bench.inputs import Inputs, make_inputs
from lastlayer.bench.peers import PEERS

TIMEOUT = 900  # seconds
# The C library otherwise keeps freed blocks of up to 32 MB, and a later one is taken from them
# without the process growing.
EXACT = {"MALLOC_MMAP_THRESHOLD_": str(1 << 17), "MALLOC_ARENA_MAX": "1"}


def peak_bytes(contestant: Contestant, case: Case, threads: int) -> int | None:
    """Runs this module for one contestant; None where the platform, or the contestant, can't."""
    words = [contestant.key, str(threads), json.dumps(asdict(case))]
    try:
        run = subprocess.run(
            [sys.executable, "-m", "lastlayer.bench.memory", *words],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
            env={**os.environ, **EXACT},
        )
        answer = json.loads(run.stdout.strip().splitlines()[-1])
    except (subprocess.SubprocessError, OSError, ValueError, IndexError):
        return None
    return cast(int | None, answer["bytes"])


def growth(contestant: Contestant, inputs: Inputs) -> int | None:
    """How far one call raises the peak of this process above what it holds before, in bytes."""
    few = make_inputs(inputs.case.few_rows, inputs.threads)
    measure.warm(measure.prepare(contestant, few))
    prepared = measure.prepare(contestant, inputs)
    if contestant.compiles:
        measure.warm(prepared)
    _give_back()
    _reset_peak()
    held = _status("VmRSS")
    before = _peak()
    result = prepared.call()
    after = _peak()
    del result
    if before is None or after is None:
        return None
    return max(0, after - (before if held is None else held))


def _give_back() -> None:
    """What was freed and is still kept goes back to the system, where the C library can do it."""
    gc.collect()
    large_arrays.release()  # or a result lies where that of the warm-up lay
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int | None:
    """The most this process ever held in memory, or since the reset."""
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _status(name: str) -> int | None:
    """A line of /proc/self/status, in bytes."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = next((line.split() for line in lines if line.startswith(name + ":")), None)
    return int(found[1]) * 1024 if found else None


def main(words: Sequence[str]) -> None:
    """One contestant, the threads and a case: prints one line of JSON."""
    key, threads, text = words
    contestant = next(c for c in (*LASTLAYER, *PEERS, *LIMITS) if c.key == key)
    fields = json.loads(text)
    case = Case(**fields | {"image": tuple(fields["image"])})
    with measure.use_threads(int(threads)):
        inputs = make_inputs(case, int(threads))
        try:
            taken = growth(contestant, inputs) if case.task in contestant.tasks else None
        except NotAvailableError:
            taken = None
    sys.stdout.write(json.dumps({"bytes": taken}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
