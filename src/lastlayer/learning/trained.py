"""What a training leaves on disk."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version

from lastlayer import __version__
from lastlayer.learning.figures import draw_curves
from lastlayer.learning.learner import Learner
from lastlayer.learning.parts import Parts
from lastlayer.learning.results import columns, npy, png
from lastlayer.learning.settings import Settings
from lastlayer.learning.training import Score, Training, measure

LOSS_NAMES = {"cross-entropy": "cross-entropy (nats)", "quadratic": "quadratic cost"}
NOTE = (
    "train, validation and test are measured with the weights of the best epoch. The gradient is "
    "of train alone; validation decided when to stop and which epoch is best; test was held out "
    "from both, and logits.npy and labels.npy are of it, in the order of the data. In the history "
    "the training loss and accuracy are of the steps of an epoch, each batch before its own step; "
    "epoch 0 is the untrained network. The loss is the {loss}, a mean over the images."
)


def contents(
    learner: Learner,
    training: Training,
    parts: Parts,
    settings: Settings,
    seconds: Mapping[str, float],
) -> tuple[dict[str, bytes], dict[str, Score]]:
    """The files of a training by name, metrics.json last; and the scores of its three parts.

    Parameters
    ----------
    learner, training
        As `lastlayer.learning.training.train` left them.
    parts : Parts
        What it was trained, stopped and is now measured on.
    settings : Settings
        Of the training.
    seconds : mapping of str to float
        What took how long.

    Returns
    -------
    files : dict of str to bytes
        logits.npy, labels.npy, weights.safetensors, curves.png and metrics.json.
    scores : dict of str to Score
        Of train, validation and test.

    Raises
    ------
    ValueError
        A number is NaN or infinite, which JSON does not have.
    """
    from safetensors.numpy import save

    scores = {name: measure(learner, getattr(parts, name))[1] for name in ("train", "validation")}
    logits, scores["test"] = measure(learner, parts.test)
    loss_name = LOSS_NAMES[settings.loss]
    names = ["numpy", "numba", *(["torch"] if settings.engine == "torch" else [])]
    metrics = {
        **{name: asdict(score) for name, score in scores.items()},
        "note": NOTE.format(loss=loss_name),
        "best_epoch": training.best_epoch,
        "stopped_early": training.stopped_early,
        "classes": parts.test.data.names,
        "settings": asdict(settings),
        "versions": {
            "lastlayer": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in names},
        },
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "history": columns(training.history),
    }
    about = {
        "model": settings.model,
        "shape": settings.shape,
        "classes": settings.classes,
        "names": parts.test.data.names,
        "mean": parts.train.mean.ravel().tolist(),
        "scale": parts.train.scale.ravel().tolist(),
    }
    files = {
        "logits.npy": npy(logits),
        "labels.npy": npy(parts.test.labels),
        # one entry: safetensors writes several in any order
        "weights.safetensors": save(learner.weights(), {"lastlayer": json.dumps(about)}),
        "curves.png": png(draw_curves(training, images="images", loss_name=loss_name)),
        "metrics.json": (json.dumps(metrics, indent=2, allow_nan=False) + "\n").encode(),
    }
    return files, scores
