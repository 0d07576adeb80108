"""A Dask cluster: one that is there, or one of processes on this machine; its errors in a line."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from lastlayer.scoring.dask_worker import WorkerError
from lastlayer.scoring.text import clean

LOCAL = "local"
ANSWER = 5  # seconds in which a scheduler must


class ClusterError(ConnectionError):
    """The cluster does not answer, or does not get its work done."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.strerror = message


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of the scheduler at an address, or of a cluster that is there until it is left."""
    from distributed import Client

    with ExitStack() as stack:
        stack.enter_context(_silent())
        cluster: Any = address
        if address == LOCAL:
            cluster = stack.enter_context(_local())
        else:
            _call(address)
        try:
            client = stack.enter_context(Client(cluster, timeout=ANSWER, set_as_default=False))
        except (OSError, ImportError) as error:
            raise _silence(clean(address, 200), error) from error
        with explained(clean(address, 200)):
            _compare(client.get_versions()["workers"])
        yield client


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Errors of the cluster as one kind with one line."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker

    try:
        yield
    except KilledWorker as error:
        raise ClusterError(
            f"{name}: {error.allowed_failures + 1} workers died one after another of the "
            f"same part, lastly {error.last_worker.address}; their logs may say why, such as "
            "too little memory"
        ) from error
    except (CancelledError, OSError) as error:
        words = clean(" ".join(str(error).split()), 200) or type(error).__name__
        raise ClusterError(f"the connection to {name} was lost: {words}") from error


def _compare(workers: dict[str, Any]) -> None:
    """Tasks are sent as Python's own code, which another Python does not read."""
    here = sys.version_info[:2]
    for worker, what in workers.items():
        there = tuple(map(int, what["host"]["python"].split(".")[:2]))
        if there != here:
            raise WorkerError(
                f"worker {worker} has Python {_dotted(there)}, and here is {_dotted(here)}: "
                "install the same"
            )


def _call(address: str) -> None:
    """An error for what is no address of a scheduler: a `Client` may wait for ever for its word."""
    from distributed.comm import get_address_host_port, parse_address

    try:
        host, port = get_address_host_port(address)
    except ValueError as error:
        raise ValueError(
            f"{clean(address, 200)!r} is no address of a Dask scheduler, as tcp://host:8786, nor "
            f"'local': {clean(str(error), 200)}"
        ) from None
    if parse_address(address)[0] != "tcp":  # of other protocols it is not the first to speak
        return
    try:
        with socket.create_connection((host, port), timeout=ANSWER) as line:
            if not line.recv(1):
                raise ConnectionError("it hangs up")
    except OSError as error:
        raise _silence(clean(address, 200), error) from None


def _silence(name: str, error: Exception) -> ClusterError:
    words = getattr(error, "strerror", None) or " ".join(str(error).split())
    return ClusterError(f"no Dask scheduler answers at {name}: {clean(words, 200)}")


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
    """Processes that are started within never hear of a Ctrl-C, which a terminal sends to all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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
