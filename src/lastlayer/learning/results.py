"""What the demonstration leaves on disk; each file is whole or absent."""

from __future__ import annotations

import io
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lastlayer import __version__
from lastlayer.learning.demo import Epoch, Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lastlayer import Score

NOTE = (
    "before and after are measured on the test part, which neither the gradient nor the choice of "
    "the epoch has seen; training stopped by the validation part; losses in the history are in nats"
)


def npy(array: NDArray[Any]) -> bytes:
    """What `numpy.save` writes."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def metrics_json(
    training: Training,
    *,
    seed: int,
    before: Score,
    after: Score,
    seconds: Mapping[str, float],
) -> bytes:
    """What is known about a training, as strict JSON.

    Parameters
    ----------
    training : Training
        Gives the history (losses in nats) and the settings.
    seed : int
        Of the split.
    before, after : Score
        Of the untrained and the trained layer on the test part.
    seconds : mapping of str to float
        What took how long.

    Returns
    -------
    bytes
        UTF-8 text.

    Raises
    ------
    ValueError
        A number is NaN or infinite, which JSON does not have.
    """
    metrics = {
        "before": _numbers(before),
        "after": _numbers(after),
        "note": NOTE,
        "best_epoch": training.best_epoch,
        "stopped_early": training.stopped_early,
        "settings": {**training.settings, "split_seed": seed},
        "versions": {
            "lastlayer": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "numba", "scikit-learn")},
        },
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "history": _columns(training.history),
    }
    return (json.dumps(metrics, indent=2, allow_nan=False) + "\n").encode()


def _numbers(score: Score) -> dict[str, float]:
    return {
        "loss_nats": score.loss,
        "loss_bits": score.bits,
        "loss_hartleys": score.loss / math.log(10),
        "perplexity": score.perplexity,
        "accuracy": score.accuracy,
        "brier": score.brier,
        "ece": score.ece,
        "count": score.count,
    }


def _columns(history: list[Epoch]) -> dict[str, list[Any]]:
    rows = [asdict(epoch) for epoch in history]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {"epoch": columns.pop("number"), **columns}
