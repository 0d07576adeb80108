"""Scores by a Dask cluster: each part of a data set is a task, the scores are added up here.

A worker that dies has its tasks done by others. The parts come back in order and are added at
once; so many are on their way at a time that all workers have something to do, and no more.
"""

from __future__ import annotations

import collections
import functools
import itertools
import operator
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lastlayer import __version__
from lastlayer.scoring import dask_worker, parts
from lastlayer.scoring.dask_cluster import connected, explained
from lastlayer.scoring.nan_rows import counting, refuse_after
from lastlayer.scoring.readers import Predictions
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.score import Score
from lastlayer.scoring.settings import as_bytes
from lastlayer.scoring.tables import TemperatureFit
from lastlayer.scoring.temperature import added, fit
from lastlayer.scoring.text import clean

ON_THEIR_WAY = 64  # parts at a time, at least
AHEAD = 4  # parts at a time for each thread of a worker
LOOK = 2.0  # seconds after which to see whether there are workers at all

Advance = Callable[[int, str], None]  # so many more rows are done; or why none are
Job = tuple[int, list[File], Callable[[], Any]]  # rows, files, what to do


class DaskEngine:
    """A cluster that scores predictions; used in a ``with`` statement.

    Parameters
    ----------
    address : str
        Of the scheduler, as ``"tcp://10.0.0.1:8786"``; or ``"local"`` for a cluster of processes
        on this machine, one for each thread that lastlayer would use.
    least : int
        Bytes of files that a part has at least.

    Raises
    ------
    ClusterError
        No scheduler answers. Later: the connection is lost, workers die of a part.
    ValueError
        An address that cannot be one.
    """

    def __init__(self, address: str, *, least: int = parts.LEAST) -> None:
        self._name, self._least = clean(address, 200), least
        self._connection = connected(address)

    def __enter__(self) -> DaskEngine:
        self._client = self._connection.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._connection.__exit__(*error)

    # ----------------------------------------------------------------- what it can do

    def counted(self, predictions: Predictions, advance: Advance) -> Predictions:
        """The same predictions, their rows counted where only reading the files tells them."""
        files = parts.uncounted(predictions)
        if not files:
            return predictions
        jobs = ((0, [file.file], functools.partial(file.count, name)) for file, name in files)
        return parts.counted(predictions, list(self._done(jobs, advance)))

    def score(self, predictions: Predictions, options: dict[str, Any], advance: Advance) -> Score:
        """A score of all rows, with the bits that one process would give it.

        Parameters
        ----------
        predictions : Predictions
            As `counted` gives them.
        options : dict
            As for `Score`.
        advance : function
            Called with the rows of every part that is done.
        """
        alone = {**counting(options), "bytes": None}
        scores = self._of_parts(predictions, advance, parts.score, alone)
        whole: Score = functools.reduce(operator.add, scores)
        whole._bytes = as_bytes(options.get("bytes"))
        refuse_after(whole, options)
        return whole

    def fit_temperature(
        self, predictions: Predictions, before: Score, advance: Advance
    ) -> TemperatureFit:
        """The temperature of the least loss, each pass by the cluster; see `fit_temperature`."""

        def sums(settings: Any, beta: float) -> tuple[Any, int]:
            return added(self._of_parts(predictions, advance, parts.slopes, settings, beta))

        return fit(before, sums, lambda options: self.score(predictions, options, advance))

    # ----------------------------------------------------------------- tasks

    def _of_parts(
        self, predictions: Predictions, advance: Advance, work: Callable[..., Any], *arguments: Any
    ) -> Iterator[Any]:
        jobs = (
            (
                part.rows or 0,
                [source.file for source in parts.sources(part)],
                functools.partial(work, part, *arguments),
            )
            for part in parts.cut(predictions, self._least)
        )
        return self._done(jobs, advance)

    def _done(self, jobs: Iterable[Job], advance: Advance) -> Iterator[Any]:
        """The outcomes, in order."""
        waiting: collections.deque[tuple[int, Any]] = collections.deque()
        numbered, name = zip(itertools.count(), jobs), uuid.uuid4().hex[:8]
        task = dask_worker.task()
        with explained(self._name):
            while True:
                room = max(ON_THEIR_WAY, AHEAD * self._threads()) - len(waiting)
                for number, (rows, files, work) in itertools.islice(numbered, max(0, room)):
                    future = self._client.submit(
                        task,
                        dask_worker.packed(files, work),
                        __version__,
                        key=f"lastlayer-score-{name}-{number}",
                        pure=False,
                    )
                    waiting.append((rows, future))
                if not waiting:
                    return
                rows, future = waiting.popleft()
                outcome = dask_worker.unpacked(self._result(future, advance))
                advance(rows, "")
                yield outcome

    def _threads(self) -> int:
        return sum(self._client.nthreads().values())

    def _result(self, future: Any, advance: Advance) -> bytes:
        while True:
            try:
                outcome: bytes = future.result(timeout=LOOK)
            except TimeoutError:
                if not self._threads():
                    advance(0, "waiting for a worker")
            else:
                return outcome
