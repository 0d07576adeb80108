"""Scores by a Dask cluster: each part of a data set is a task, the scores are added up here.

A worker that dies has its tasks done by others. The parts come back in order and are added at
once; so many are on their way at a time that all workers have something to do, and no more.
"""

from __future__ import annotations

import collections
import functools
import itertools
import logging
import operator
import signal
import sys
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from lastlayer import __version__
from lastlayer.scoring import dask_worker, parts
from lastlayer.scoring.readers import Predictions
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.score import Score
from lastlayer.scoring.settings import as_bytes
from lastlayer.scoring.tables import TemperatureFit
from lastlayer.scoring.temperature import fit
from lastlayer.scoring.text import clean

LOCAL = "local"
ANSWER = 5  # seconds in which a scheduler must
ON_THEIR_WAY = 64  # parts at a time, at least
AHEAD = 4  # parts at a time for each thread of a worker
LOOK = 2.0  # seconds after which to see whether there are workers at all

Advance = Callable[[int, str], None]  # so many more rows are done; or why none are
Job = tuple[int, list[File], Callable[[], Any]]  # rows, files, what to do


class ClusterError(ConnectionError):
    """The cluster does not answer, or does not get its work done."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.strerror = message


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
        self._address, self._least = address, least
        self._name = "a cluster on this machine" if address == LOCAL else clean(address, 200)

    def __enter__(self) -> DaskEngine:
        with ExitStack() as stack:
            stack.enter_context(_silent())
            cluster: Any = self._address
            if self._address == LOCAL:
                cluster = stack.enter_context(_local())
            else:
                _check(self._address)
            self._client = stack.enter_context(self._connected(cluster))
            self._left = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._left.__exit__(*error)

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
        alone = {**options, "bytes": None}
        scores = self._of_parts(predictions, advance, parts.score, alone)
        whole: Score = functools.reduce(operator.add, scores)
        whole._bytes = as_bytes(options.get("bytes"))
        return whole

    def fit_temperature(
        self, predictions: Predictions, before: Score, advance: Advance
    ) -> TemperatureFit:
        """The temperature of the least loss, each pass by the cluster; see `fit_temperature`."""

        def sums(settings: Any, beta: float) -> tuple[Any, int]:
            found = self._of_parts(predictions, advance, parts.slopes, settings, beta)
            cells, counts = zip(*found, strict=True)
            return sum(cells), sum(counts)

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
        with self._explained():
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

    # ----------------------------------------------------------------- the cluster

    @contextmanager
    def _connected(self, cluster: Any) -> Iterator[Any]:
        import dask
        from distributed import Client

        limit = {"distributed.comm.timeouts.connect": ANSWER}  # of what is no scheduler, too
        try:
            with dask.config.set(limit):
                client = Client(cluster, timeout=ANSWER, set_as_default=False)
        except (OSError, ImportError) as error:
            words = clean(" ".join(str(error).split()), 200)
            raise ClusterError(f"no Dask scheduler answers at {self._name}: {words}") from error
        with client:
            with self._explained():
                self._compare(client.get_versions()["workers"])
            yield client

    def _compare(self, workers: dict[str, Any]) -> None:
        """Tasks are sent as Python's own code, which another Python does not read."""
        here = sys.version_info[:2]
        for worker, what in workers.items():
            there = tuple(map(int, what["host"]["python"].split(".")[:2]))
            if there != here:
                raise dask_worker.WorkerError(
                    f"worker {worker} has Python {_dotted(there)}, and here is {_dotted(here)}: "
                    "install the same"
                )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of the cluster as one kind with one line."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        try:
            yield
        except KilledWorker as error:
            raise ClusterError(
                f"{self._name}: {error.allowed_failures + 1} workers died one after another of the "
                f"same part, lastly {error.last_worker.address}; their logs may say why, such as "
                "too little memory"
            ) from error
        except (CancelledError, OSError) as error:
            raise (
                error
                if isinstance(error, ClusterError)
                else ClusterError(
                    f"the connection to {self._name} was lost: "
                    f"{clean(' '.join(str(error).split()), 200) or type(error).__name__}"
                )
            ) from error


def _check(address: str) -> None:
    """An error for what can be no address; a client made for one takes long to be gone."""
    from distributed.comm import get_address_host_port

    try:
        get_address_host_port(address)
    except ValueError as error:
        raise ValueError(
            f"{clean(address, 200)!r} is no address of a Dask scheduler, as tcp://host:8786, nor "
            f"'local': {clean(str(error), 200)}"
        ) from None


def _dotted(numbers: Iterable[int]) -> str:
    return ".".join(map(str, numbers))


@contextmanager
def _local() -> Iterator[Any]:
    """Processes of a thread each, which nobody but this machine can talk to."""
    from distributed import LocalCluster

    from lastlayer.kernels.threads import get_num_threads

    with _uninterrupted():
        cluster = LocalCluster(
            n_workers=get_num_threads(),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # or it takes a known port
            memory_limit=0,  # none: blocks of a few megabytes are in memory at a time
            silence_logs=logging.CRITICAL,
        )
    with cluster:
        yield cluster


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Threads and processes that are started within leave Ctrl-C to this thread."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _silent() -> Iterator[None]:
    """Without Dask's log and warnings: what matters is raised."""
    import distributed

    logs = [logging.getLogger(n) for n in logging.root.manager.loggerDict if "distributed" in n]
    levels = [log.level for log in logs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
        try:
            for log in logs:
                log.setLevel(logging.CRITICAL)
            yield
        finally:
            for log, level in zip(logs, levels, strict=True):
                log.setLevel(level)
