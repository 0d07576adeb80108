"""Threads that take up the ranges of a call beside the one that makes it.

A helper that has done its share stays awake for a moment: the next call of a loop rings it in a
tenth of the time that waking takes. No call depends on a helper: who comes too late finds it
closed, and where no thread can be had the caller does all.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from lastlayer.contract import address

LINGER = 100.0  # µs that a helper stays awake after its share
_GRACE = 10.0  # µs from a ring on in which the caller needs the GIL, to begin its own share
_PATIENCE = 500.0  # µs that a caller stays awake for a helper's last range


def _nothing(lo: int, hi: int) -> None:
    """The work of a call that is over."""


class Call:
    """The ranges of one call, each taken by whichever thread is free."""

    def __init__(
        self, work: Callable[[int, int], None], rows: int, size: int, kept: tuple[Any, ...]
    ) -> None:
        self._work, self._rows, self._size, self._kept = work, rows, size, kept
        self._starts = iter(range(0, rows, size))  # next() on it is atomic under the GIL
        self._closed, self._failed = False, False
        self._at_work: list[_Helper] = []  # whoever is in it may write to the caller's arrays
        self._sleeper: Any = None  # a lock that the caller waits for
        self._error: BaseException | None = None
        self._team = _team

    def _take(self) -> None:
        for lo in self._starts:
            if self._failed:  # not `_closed`: what was taken before that must be computed
                return
            self._work(lo, min(lo + self._size, self._rows))

    def help(self, helper: _Helper) -> None:
        """What a helper does; nothing where it comes too late."""
        self._at_work.append(helper)
        try:
            if not self._closed:
                self._take()
        except BaseException as error:  # the caller's to raise
            self._error, self._failed = error, True
        finally:
            self._at_work.remove(helper)
            if self._sleeper is not None and not self._at_work:
                with suppress(RuntimeError):  # another one has released it
                    self._sleeper.release()

    def run(self, helpers: int) -> None:
        """What the caller does: its share, and then wait until nobody is at work any more.

        Whatever interrupts it, a Ctrl-C or the exception of a signal handler: the arrays that the
        others write to are the caller's, who may use them again as soon as this is left.
        """
        raised: BaseException | None = None
        rung: list[_Helper] = []
        try:
            self._team.ring(self, helpers, rung)
            self._take()
        except BaseException as error:
            raised, self._failed = error, True
        try:
            raised = self._close(rung, raised)
        except BaseException as error:  # of two signals at once, where the loop begins anew
            raised = self._close(rung, error)
        try:
            if raised is None:
                raised = self._error
            if raised is not None:
                raise raised
        finally:
            self._error = raised = None  # an error that its own frame holds is never let go
            # a helper may hold the call for a moment more, but not what is the caller's
            self._work, self._kept = _nothing, ()

    def _close(self, rung: list[_Helper], raised: BaseException | None) -> BaseException | None:
        """Take on nobody else and wait for those at work; the first exception."""
        while True:
            try:
                self._closed = True
                for helper in rung:
                    helper.missed(self)
                while self._at_work:
                    if self._team is not _team:  # those at work are in another process
                        self._at_work.clear()
                        raise RuntimeError("the process was forked while its threads computed")
                    self._wait()
                return raised
            except BaseException as error:
                self._failed = True
                if raised is None:
                    raised = error

    def _wait(self) -> None:
        """Until a helper is done, or for a while: awake at first."""
        with suppress(IndexError):  # there is none any more
            if self._at_work[0].seen_at_rest():
                return
        if self._sleeper is None:
            lock = threading.Lock()
            lock.acquire()
            self._sleeper = lock
        if self._at_work:  # whoever leaves from here on sees the lock
            self._sleeper.acquire(timeout=1.0)  # a child forked meanwhile has nobody to release it


class _Helper:
    """A thread, and the numbers by which others see and tell it what to do without the GIL."""

    def __init__(self, team: _Team) -> None:
        memory = np.zeros(3 * 16, np.int64)  # two cache lines of its own, and what precedes them
        first = -(-address(memory) // 128) * 128
        self._words = memory[(first - address(memory)) // 8 :]
        self._bell, self._busy = first, first + 64
        self._pillow = threading.Lock()  # released to wake it
        self._pillow.acquire()
        self.call: Call | None = None
        self._team, self._dismissed = team, False
        self._thread = threading.Thread(target=self._live, name="lastlayer", daemon=True)
        self._thread.start()

    def ring(self, call: Call) -> None:
        """Have it help with a call; awake or asleep, or on its way."""
        self.call = call
        self._words[0] = 1

    def wake(self) -> None:
        """After a ring, where it may be asleep."""
        with suppress(RuntimeError):  # another caller has
            self._pillow.release()

    def missed(self, call: Call) -> None:
        """A call is over that it may not have begun; it is on its way then, and free for others."""
        if self.call is call:
            self.call = None
            self._team.missed.append(self)

    def seen_at_rest(self) -> bool:
        """Whether it is seen to have done its share, by a caller who stays awake for that."""
        team = self._team
        return bool(team.spin(self._busy, 1, team.looks(_PATIENCE), 0, 0))

    def dismiss(self) -> None:
        """End its thread, once it has done its share."""
        self._dismissed = True
        self._words[0] = 1
        self.wake()
        self._thread.join(timeout=10)

    def _live(self) -> None:
        team, words, told = self._team, self._words, 0
        while not self._dismissed:
            words[0] = 0
            team.awake.append(self)
            looks = team.linger() if self.call is None else 0
            rung = team.spin(self._bell, 0, looks, team.looks(_GRACE), told)
            told = 0
            if not rung:
                self._sleep()
            for free in (team.awake, team.asleep, team.missed):
                with suppress(ValueError):
                    free.remove(self)
            call, self.call = self.call, None
            if call is not None:
                words[8] = 1
                call.help(self)
                told = self._busy
                call = None  # its arrays are not kept from here on

    def _sleep(self) -> None:
        """Until it is woken. A ring that comes just now is missed, and the next one wakes it."""
        with suppress(ValueError):
            self._team.awake.remove(self)
        self._team.asleep.append(self)
        if self.call is None:
            self._pillow.acquire()


class _Team:
    """All helpers of the process. Lists, since appending and removing is atomic under the GIL.

    A helper that is rung leaves its list by itself too, and one that is rung for nothing is missed:
    so none is lost if a signal handler raises at any moment. Two callers may ring the same helper,
    and it comes to the later one.
    """

    def __init__(self) -> None:
        self.helpers: list[_Helper] = []
        self.awake: list[_Helper] = []
        self.asleep: list[_Helper] = []
        self.missed: list[_Helper] = []  # rung for a call that is over, and on their way
        self._lock = threading.Lock()
        self._over = False
        self._rate = 0.0
        self._processors = os.cpu_count() or 1  # asked once: it reads a file
        self.spin: Any = None

    def ring(self, call: Call, count: int, rung: list[_Helper]) -> None:
        """Have `count` helpers take up a call, or as many as are free or can be had."""
        try:
            if self.spin is None:
                from lastlayer.kernels.spin import looks_per_microsecond, spin

                self._rate = looks_per_microsecond()
                self.spin = spin
            while len(self.helpers) < count and not self._over:
                if not self._lock.acquire(blocking=False):
                    break  # another caller is at it, maybe the one whom a signal has interrupted
                try:
                    if len(self.helpers) < count:
                        helper = _Helper(self)
                        self.helpers.append(helper)
                        self.missed.append(helper)
                finally:
                    self._lock.release()
        except (RuntimeError, ImportError):  # at shutdown, or where no thread can be had
            pass
        for free in (self.awake, self.missed, self.asleep):
            while len(rung) < count:
                try:
                    helper = free[-1]
                except IndexError:
                    break
                new = helper not in rung  # one just made is missed, and awake as soon as it runs
                if new:
                    rung.append(helper)
                    helper.ring(call)
                with suppress(ValueError):
                    free.remove(helper)
                # last, or it might be back in the list by then, and taken from it for good
                if new and free is not self.awake:  # one that missed a call may be asleep
                    helper.wake()

    def looks(self, microseconds: float) -> int:
        """How many looks of `spin` take so long."""
        return int(microseconds * self._rate)

    def linger(self) -> int:
        """How many looks a helper stays awake: none where that would take a core from others."""
        return self.looks(LINGER) if len(self.helpers) < self._processors else 1

    def end(self) -> None:
        """Let all helpers go, and take on no more."""
        self._over = True
        while self.helpers:
            self.helpers.pop().dismiss()


_team = _Team()


def _begin_anew() -> None:
    """In a forked child the helpers are gone, and a lock may be held by one of them."""
    global _team  # noqa: PLW0603
    _team = _Team()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


@atexit.register
def _end() -> None:
    """Before what helpers need is taken away."""
    _team.end()
