"""Threads change nothing but the time: how many there are, and that results keep their bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
from lastlayer.kernels import team, threads
from lastlayer.kernels.threads import get_num_threads, spread

VARIABLE = "LASTLAYER_NUM_THREADS"
MEGABYTE = 1 << 20


# --------------------------------------------------------------------------- how many


@pytest.fixture
def alone(monkeypatch):
    """No variable set and no PyTorch imported."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    return monkeypatch


def test_the_variable_decides_before_anything_else(alone):
    alone.setitem(sys.modules, "torch", SimpleNamespace(get_num_threads=lambda: 3))
    alone.setenv(VARIABLE, "5")
    assert get_num_threads() == 5


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", " ", "1e3", "0x2", "²"])
def test_a_variable_that_is_no_number_of_threads_is_an_error_that_names_it(alone, value):
    alone.setenv(VARIABLE, value)
    with pytest.raises(ValueError, match=VARIABLE) as error:
        ll.cross_entropy([[0.0, 1.0]], [0])
    assert repr(value) in str(error.value)


def test_a_variable_set_to_nothing_is_not_set(alone):
    alone.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    alone.setenv(VARIABLE, "")
    assert get_num_threads() == 1


def test_the_setting_of_pytorch_holds_where_pytorch_is_in_use(alone):
    alone.setitem(sys.modules, "torch", SimpleNamespace(get_num_threads=lambda: 3))
    assert get_num_threads() == 3


def test_a_pytorch_that_is_still_being_imported_has_no_say(alone):
    alone.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    alone.setitem(sys.modules, "torch", SimpleNamespace())
    assert get_num_threads() == 2


def test_asking_does_not_import_pytorch(alone):
    get_num_threads()
    assert "torch" not in sys.modules


def test_the_processors_that_this_process_may_use_are_counted(alone):
    alone.setattr(os, "sched_getaffinity", lambda _: {0, 5, 9}, raising=False)
    alone.setattr(os, "cpu_count", lambda: 64)
    assert get_num_threads() == 3


@pytest.mark.parametrize(("counted", "threads"), [(7, 7), (None, 1)])
def test_all_processors_are_counted_where_there_is_no_affinity(alone, counted, threads):
    alone.delattr(os, "sched_getaffinity", raising=False)
    alone.setattr(os, "cpu_count", lambda: counted)
    assert get_num_threads() == threads


# --------------------------------------------------------------------------- which rows


@settings(deadline=None, max_examples=200)
@given(
    rows=st.integers(0, 3000),
    row_bytes=st.integers(1, MEGABYTE),
    unit=st.integers(1, 200),
    count=st.integers(1, 8),
)
def test_every_row_is_computed_exactly_once(rows, row_bytes, unit, count):
    visits, starts = np.zeros(rows, int), []

    def work(lo: int, hi: int) -> None:
        starts.append(lo)
        visits[lo:hi] += 1

    with mock.patch.dict(os.environ, {VARIABLE: str(count)}):
        spread(work, rows, row_bytes, unit)
    assert (visits == 1).all()
    assert all(lo % unit == 0 for lo in starts)


@pytest.fixture
def four(monkeypatch):
    """Four threads, whatever the machine."""
    monkeypatch.setenv(VARIABLE, "4")
    return 4


def test_large_work_is_done_by_that_many_threads_at_once(four):
    meeting, met = threading.Barrier(four), set()

    def work(lo: int, hi: int) -> None:
        met.add(threading.get_ident())
        if lo < four:  # the first ranges wait for each other, and end only if all have begun
            meeting.wait(timeout=30)

    spread(work, 16, MEGABYTE)
    assert len(met) == four


def test_small_work_stays_in_the_thread_that_asks(four):
    met = []
    spread(lambda lo, hi: met.append((lo, hi, threading.get_ident())), 100, 40)
    assert met == [(0, 100, threading.get_ident())]


# --------------------------------------------------------------------------- what goes wrong


class Wrong(Exception):
    """What the work of these tests raises."""


@pytest.mark.parametrize("in_pool", [True, False], ids=["in the pool", "in the caller"])
def test_an_error_reaches_the_caller_when_nothing_works_on_any_more(four, in_pool):
    caller, meeting = threading.get_ident(), threading.Barrier(four)
    lock, at_work = threading.Lock(), [0]

    def work(lo: int, hi: int) -> None:
        with lock:
            at_work[0] += 1
        try:
            if lo < four:
                meeting.wait(timeout=30)
            if (threading.get_ident() != caller) is in_pool:
                raise Wrong(lo)
            threading.Event().wait(0.05)  # the others are still at it
        finally:
            with lock:
                at_work[0] -= 1

    with pytest.raises(Wrong):
        spread(work, 16, MEGABYTE)
    assert at_work == [0]

    visits = np.zeros(16, int)

    def again(lo: int, hi: int) -> None:
        visits[lo:hi] += 1

    spread(again, 16, MEGABYTE)
    assert (visits == 1).all()


def test_what_a_thread_of_the_pool_began_is_waited_for_though_another_could_not_start(
    four, monkeypatch
):
    """Where a system refuses a thread, its share may still be taken up by one that runs already."""
    monkeypatch.setattr(team, "_team", team._Team())  # the other one is back afterwards
    begun, over = threading.Event(), threading.Event()
    start, started = threading.Thread.start, []

    def only_the_first(thread: threading.Thread) -> None:
        if thread.name.startswith("lastlayer"):
            if started:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", only_the_first)
    caller = threading.get_ident()

    def first(lo: int, hi: int) -> None:
        """Keeps the pool's one thread at work until the second call has begun."""
        if threading.get_ident() not in (caller, other.ident):
            begun.set()
            over.wait(timeout=30)
        begun.wait(timeout=30)  # or the caller has done it all before a helper comes

    finished = np.zeros(64, bool)

    def second(lo: int, hi: int) -> None:
        over.set()
        mine = threading.get_ident() == caller
        threading.Event().wait(0.01 if mine else 0.3)
        finished[lo:hi] = True

    other = threading.Thread(target=spread, args=(first, 64, MEGABYTE))
    other.start()
    assert begun.wait(timeout=30)
    spread(second, 64, MEGABYTE)
    complete = finished.all()  # now, not when the other call has ended too
    other.join(timeout=30)
    assert started
    assert complete


def test_a_helper_that_comes_too_late_helps_with_the_next_call(four):
    """It is on its way when a call is over, and that is no reason to do without it."""
    for _ in range(50):
        spread(lambda lo, hi: None, 64, MEGABYTE)  # over before any helper can begin
    meeting, met = threading.Barrier(four), set()

    def work(lo: int, hi: int) -> None:
        met.add(threading.get_ident())
        if lo < 16:
            meeting.wait(timeout=30)

    spread(work, 64, 1 << 22)
    assert len(met) == four


def test_arrays_are_let_go_when_their_call_is_over(four):
    """A helper that is at rest holds nothing of the last call."""

    class Held:
        pass

    for pause in (0.0, 0.01):
        held = Held()
        gone = weakref.ref(held)
        spread(lambda lo, hi: time.sleep(0.001), 64, MEGABYTE, kept=(held,))
        time.sleep(pause)
        del held
        until = time.monotonic() + 30
        while gone() is not None and time.monotonic() < until:
            time.sleep(0.001)
        assert gone() is None


def test_callers_of_several_threads_have_each_row_computed_once(four):
    wrong = []

    def caller() -> None:
        for _ in range(60):
            visits = np.zeros(64, int)

            def work(lo: int, hi: int, visits: Any = visits) -> None:
                visits[lo:hi] += 1

            spread(work, 64, MEGABYTE)
            if not (visits == 1).all():
                wrong.append(visits)

    callers = [threading.Thread(target=caller) for _ in range(5)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(timeout=60)
    assert not wrong


def test_calls_of_a_loop_take_threads_for_less(four, monkeypatch):
    monkeypatch.setattr(threads, "_pace", threads._Pace())
    clock = [0]
    monkeypatch.setattr(threads.time, "perf_counter_ns", lambda: clock[0])
    rows = 2 * threads.WORTHWHILE_IN_A_LOOP // (threads.ROW + 64)

    def ranges() -> int:
        begun = []
        spread(lambda lo, hi: begun.append(lo), rows, 64)
        return len(begun)

    assert [ranges() for _ in range(6)] == [1, 1, 1, 1, 2, 2]
    clock[0] += 1_000_000  # a millisecond later
    assert ranges() == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_helpers_of_its_own(four):
    def met() -> int:
        meeting, found = threading.Barrier(four), set()

        def work(lo: int, hi: int) -> None:
            found.add(threading.get_ident())
            if lo < 4:
                meeting.wait(timeout=30)

        spread(work, 16, MEGABYTE)
        return len(found)

    assert met() == four
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if met() == four else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert met() == four


needs_signals = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="the platform cannot signal a thread"
)


@pytest.fixture
def crowd(monkeypatch):
    """Helpers of these tests alone; the others' are back afterwards."""
    mine = team._Team()
    monkeypatch.setattr(team, "_team", mine)
    yield mine
    mine.end()


def run_call(work, pieces: int = 8, helpers: int = 1) -> None:
    team.Call(work, pieces, 1, ()).run(helpers)


def waits_for_a_helper(interrupt):
    """Work of two ranges: the caller's is over once a helper's has begun, which interrupts it."""
    caller, begun = threading.get_ident(), threading.Event()

    def work(lo: int, hi: int) -> None:
        if threading.get_ident() == caller:
            begun.wait(30)
        else:
            begun.set()
            time.sleep(0.05)  # until the caller is asleep
            interrupt(caller)

    return work


@needs_signals
def test_two_signals_at_once_do_not_let_a_caller_leave_before_its_helper(crowd):
    class Raised(Exception):
        pass

    def handler(number, frame):
        raise Raised(number)

    signals = [signal.SIGUSR1, signal.SIGUSR2]
    before = [signal.signal(number, handler) for number in signals]
    left, late = threading.Event(), []

    def interrupt(caller: int) -> None:
        for number in signals:
            signal.pthread_kill(caller, number)
        time.sleep(0.2)
        late.append(left.is_set())

    try:
        with pytest.raises(Raised):
            run_call(waits_for_a_helper(interrupt), 2)
        left.set()
    finally:
        for number, old in zip(signals, before, strict=True):
            signal.signal(number, old)
    assert late == [False]


@needs_signals
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_forked_in_the_middle_of_a_call_raises(crowd):
    children: list[int] = []

    def handler(number, frame):
        children.append(os.fork())

    before = signal.signal(signal.SIGUSR1, handler)

    def interrupt(caller: int) -> None:
        signal.pthread_kill(caller, signal.SIGUSR1)
        time.sleep(0.1)

    parent = os.getpid()
    try:
        run_call(waits_for_a_helper(interrupt), 2)
    except RuntimeError as error:
        if os.getpid() == parent:
            raise
        os._exit(7 if "forked" in str(error) else 1)
    finally:
        if os.getpid() != parent:
            os._exit(2)
        signal.signal(signal.SIGUSR1, before)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 7


def test_a_helper_that_is_back_before_its_caller_goes_on_is_not_lost(crowd, monkeypatch):
    run_call(lambda lo, hi: time.sleep(0.001))
    wake = team._Helper.wake

    def and_a_pause(helper) -> None:
        wake(helper)
        time.sleep(0.02)

    time.sleep(0.02)  # the helper is asleep now
    monkeypatch.setattr(team._Helper, "wake", and_a_pause)
    run_call(lambda lo, hi: None)
    monkeypatch.undo()
    monkeypatch.setattr(team, "_team", crowd)
    time.sleep(0.02)
    assert crowd.helpers[0] in [*crowd.awake, *crowd.asleep, *crowd.missed]


@needs_signals
def test_a_call_within_a_signal_handler_does_not_wait_for_the_one_it_interrupts(crowd, monkeypatch):
    rows: list[int] = []

    def handler(number, frame):
        run_call(lambda lo, hi: rows.append(lo))

    before = signal.signal(signal.SIGUSR1, handler)
    start = threading.Thread.start

    def interrupted(thread) -> None:
        start(thread)
        if thread.name == "lastlayer" and len(rows) < 8:
            signal.raise_signal(signal.SIGUSR1)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    try:
        run_call(lambda lo, hi: None, helpers=2)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert set(rows) == set(range(8))


def test_a_helper_in_two_lists_is_rung_once(crowd):
    """One that is new is taken for missed, and puts itself among those that are awake."""
    call = team.Call(lambda lo, hi: None, 4, 1, ())
    crowd.ring(call, 2, [])
    until = time.monotonic() + 30
    while len(crowd.asleep) < 2 and time.monotonic() < until:
        time.sleep(0.001)
    crowd.missed[:] = crowd.asleep[-1:]
    rung: list[Any] = []
    crowd.ring(call, 2, rung)
    assert len(set(rung)) == 2


def test_an_exception_that_is_false_is_raised_too(crowd):
    class Empty(Exception):
        def __len__(self) -> int:
            return 0

    def work(lo: int, hi: int) -> None:
        raise Empty

    with pytest.raises(Empty):
        run_call(work)


EXITS = """
import sys, threading, numpy as np
from lastlayer.kernels.threads import set_num_threads, spread
set_num_threads(3)
spread(lambda lo, hi: None, 64, 1 << 20)
{last}
"""


@pytest.mark.parametrize(
    "last",
    [
        "",
        "sys.exit(0)",
        "import time; time.sleep(0.01)",
        "threading.Thread(target=spread, args=(lambda lo, hi: None, 64, 1 << 20)).start()",
        "import atexit; atexit.register(spread, lambda lo, hi: None, 64, 1 << 20)",
        "class Last:\n    def __del__(self):\n        spread(lambda lo, hi: None, 64, 1 << 20)\n"
        "last = Last()",
    ],
    ids=["at once", "by exit", "asleep", "another thread", "a call at exit", "a call in __del__"],
)
def test_a_process_ends_whatever_its_helpers_do(last):
    run = subprocess.run(
        [sys.executable, "-c", EXITS.format(last=last)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


# --------------------------------------------------------------------------- the same bits

# rows enough for eight threads
SHAPES = [(60_000, 10), (9_000, 112), (9_000, 113), (600, 1000), (9, 70_000)]


def results(x, labels):
    """Everything computed row by row, as bytes."""
    losses, gradient = ll.cross_entropy_with_grad(x, labels, reduction="none")
    found = {
        "loss": ll.cross_entropy(x, labels, reduction="none"),
        "loss with gradient": losses,
        "gradient": gradient,
        "softmax": ll.softmax(x),
        "log_softmax": ll.log_softmax(x),
        "logsumexp": ll.logsumexp(x),
    }
    return {name: array.tobytes() for name, array in found.items()}


def problem(rows, classes, dtype):
    rng = np.random.default_rng(classes)
    x = rng.normal(scale=5, size=(rows, classes)).astype(dtype)
    x[::7, 0] = -np.inf
    x[3::50, classes // 2] = 40  # far in the lead
    return x, rng.integers(classes, size=rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "classes"), SHAPES)
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, rows, classes, dtype):
    x, labels = problem(rows, classes, dtype)
    monkeypatch.setenv(VARIABLE, "1")
    alone = results(x, labels)
    assert len(set(alone.values())) == 5  # "loss" and "loss with gradient" alone are the same
    for count in (2, 3, 8):
        monkeypatch.setenv(VARIABLE, str(count))
        assert results(x, labels) == alone


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "classes"), SHAPES)
@pytest.mark.parametrize("batch", [1, 5, 70])
def test_any_split_of_the_rows_into_batches_gives_the_same_bits(rows, classes, dtype, batch):
    rows = min(rows, 150)
    x, labels = problem(rows, classes, dtype)
    whole = results(x, labels)
    parts = [results(x[lo : lo + batch], labels[lo : lo + batch]) for lo in range(0, rows, batch)]
    assert {name: b"".join(part[name] for part in parts) for name in whole} == whole


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the platform has no interval timers")
def test_whatever_a_signal_handler_raises_nothing_is_written_after_it(monkeypatch):
    monkeypatch.setenv(VARIABLE, "2")
    written: list[float] = []
    begun = threading.Event()

    class Interrupted(Exception):
        """Not a KeyboardInterrupt: what a timeout of a test runner raises."""

    def handler(number, frame):
        raise Interrupted

    def work(lo, hi):
        if threading.current_thread() is threading.main_thread():
            begun.wait(5)  # so that a thread of the pool is at work when this one waits for it
        else:
            begun.set()
            time.sleep(0.3)
            written.append(time.perf_counter())

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Interrupted):
            spread(work, 8, MEGABYTE)
        left = time.perf_counter()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    time.sleep(0.5)
    assert written
    assert max(written) < left
