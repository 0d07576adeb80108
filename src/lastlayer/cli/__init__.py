"""The command ``lastlayer``: where a run starts, and where every error becomes one line."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from lastlayer.files import FileFormatError
from lastlayer.labels import LabelError

# What is known of a verb without importing its file, where heavy packages may follow.
VERBS = {
    "demo": "Train a last layer on real handwritten digits, in seconds.",
    "explain": "Show softmax and cross-entropy step by step, from raw outputs to the gradient.",
    "train": "Train a classifier from images to logits: softmax, mlp, cnn or alexnet.",
    "compare": "Show why cross-entropy: train with it and with the quadratic cost, side by side.",
    "score": "Score files of predictions: loss, perplexity, accuracy and calibration, in one pass.",
    "merge": "Add up the scores of parts, as if all had been scored at once.",
    "bench": "Measure lastlayer beside its peers and the limits of memory.",
}

# Packages of the extra "cli", and those that "score" and "dask" have beside them, as imported.
EXTRA = {"click", "jinja2", "matplotlib", "rich", "safetensors", "sklearn"}
SCORE_EXTRA = {"fsspec", "ml_dtypes", "pyarrow"}
DASK_EXTRA = {"dask", "distributed"}

INTERRUPTED = 130  # what shells expect of a process ended by Ctrl-C


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit.

    Parameters
    ----------
    arguments : sequence of str, optional
        In place of ``sys.argv[1:]``.

    Raises
    ------
    SystemExit
        Always: 0, 1 for what went wrong, 2 for what was asked wrongly, 130 for Ctrl-C.
    """
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extras = {"cli": EXTRA, "score": SCORE_EXTRA, "dask": DASK_EXTRA}
        extra = next((name for name, packages in extras.items() if package in packages), None)
        if extra is None:
            raise
        status = _fail(f"{package} is not installed: pip install 'lastlayer[{extra}]'")
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader has left, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = 1
        else:
            named = [str(part) for part in (error.filename, error.strerror) if part]
            status = _fail(": ".join(named) or str(error))
    except MemoryError as error:
        status = _fail(str(error) or "not enough memory")
    except (FileFormatError, LabelError) as error:
        status = _fail(str(error), status=2)
    except ValueError as error:  # of input; what only a mistake in the code raises goes through
        status = _fail(str(error) or "a value that cannot be")
    sys.exit(status)


def _run(arguments: Sequence[str] | None) -> int:
    import click

    from lastlayer.cli.group import group

    try:
        result = group.main(
            None if arguments is None else list(arguments),
            prog_name="lastlayer",
            standalone_mode=False,
        )
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "lastlayer"
        return _fail(f"{error.format_message()} (see {command} --help)", command, 2)
    except click.ClickException as error:
        return _fail(error.format_message())
    except click.Abort:  # click's own word for Ctrl-C
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def _fail(message: str, command: str = "lastlayer", status: int = 1) -> int:
    print(f"{command}: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    return status
