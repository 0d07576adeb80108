"""What a worker of a Dask cluster does: bytes that say what is wanted to bytes with the outcome.

Nothing of lastlayer is needed to pass them on, so a scheduler does without it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

from lastlayer.files import FileFormatError
from lastlayer.scoring.readers.file import File


class WorkerError(ValueError):
    """What a worker lacks for doing as asked: a file, a package, another version."""


def packed(files: Sequence[File], work: Callable[[], Any]) -> bytes:
    """A piece of work, and the files that it needs."""
    return pickle.dumps((files, work), protocol=pickle.HIGHEST_PROTOCOL)


def task() -> Callable[[bytes, str], bytes]:
    """What is sent to the cluster: by its code, which a worker without lastlayer can begin too."""

    def lastlayer_score(data: bytes, version: str) -> bytes:
        import importlib
        import pickle

        import distributed

        address = distributed.get_worker().address
        try:
            found = importlib.import_module("lastlayer").__version__
            if found == version:
                run = importlib.import_module("lastlayer.scoring.dask_worker").run
        except ImportError as error:
            return pickle.dumps(f"worker {address} has no {error.name}: install it there too")
        if found != version:
            return pickle.dumps(
                f"worker {address} has lastlayer {found}, and here is {version}: install the same"
            )
        outcome: bytes = run(data, address)
        return outcome

    return lastlayer_score


def run(data: bytes, worker: str) -> bytes:
    """The outcome of `packed` work, or the error that it ended with."""
    from lastlayer.kernels.threads import num_threads

    outcome: Any
    try:
        files, work = pickle.loads(data)
        for file in files:
            _check(file, worker)
        with num_threads(1):  # the cluster has a task for each of a worker's threads
            outcome = work()
    except ModuleNotFoundError as error:
        outcome = WorkerError(f"worker {worker} has no {error.name}: install it there too")
    except (FileFormatError, ValueError, MemoryError) as error:
        outcome = error.with_traceback(None)
    except OSError as error:
        outcome = WorkerError(
            f"worker {worker}: {error.filename or 'a file'}: {error.strerror or error}"
        )
    return pickle.dumps(outcome, protocol=pickle.HIGHEST_PROTOCOL)


def _check(file: File, worker: str) -> None:
    """That a file is the one that was seen where the work was made."""
    try:
        size = file.measure()
    except FileNotFoundError:
        raise WorkerError(
            f"worker {worker} finds no file {file}: the workers open the files themselves, so they "
            "must be where all of them reach them by the same path, such as a shared folder or "
            "s3://..."
        ) from None
    if size != file.size:
        raise WorkerError(
            f"worker {worker} finds another file {file}: it has {size} bytes there and {file.size} "
            "here"
        )


def unpacked(outcome: bytes) -> Any:
    """What a worker has sent back; raises what it is, where that is an error."""
    found = pickle.loads(outcome)
    if isinstance(found, str):
        raise WorkerError(found)
    if isinstance(found, BaseException):
        raise found
    return found
