"""Who scores predictions: what a user of each library calls for the loss, accuracy and calibration.

They give less than `ll.score` does of the same logits, which are read once for all of it.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import Any

import numpy as np

from lastlayer.bench.contestants import Prepared, as_outcome, threads_text
from lastlayer.bench.frameworks import to_torch
from lastlayer.bench.inputs import Inputs


def sklearn_metrics(inputs: Inputs) -> Prepared:
    """Loss and accuracy."""
    softmax = importlib.import_module("sklearn.utils.extmath").softmax
    metrics = importlib.import_module("sklearn.metrics")
    classes = np.arange(inputs.case.classes)

    def score() -> Any:
        # in float64: log_loss clips the probabilities of float32 at 1.2e-7
        p = softmax(inputs.logits.astype(np.float64), copy=False)
        loss = metrics.log_loss(inputs.labels, p, labels=classes)
        return loss, metrics.accuracy_score(inputs.labels, p.argmax(axis=1))

    settings = (
        f"scikit-learn {version('scikit-learn')}, extmath.softmax in float64, metrics.log_loss "
        "(it clips float32's) and accuracy_score, 1 thread"
    )
    return Prepared(settings, score, lambda result: as_outcome("loss")(result[0]))


def torchmetrics(inputs: Inputs) -> Prepared:
    """Loss (by way of the perplexity), accuracy and calibration error."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(inputs.threads)
    logits, labels = to_torch(torch, inputs.logits), to_torch(torch, inputs.labels)
    half = logits.dtype.itemsize == 2
    functional = importlib.import_module("torchmetrics.functional")
    perplexity = importlib.import_module("torchmetrics.functional.text").perplexity
    of_classes = {"num_classes": inputs.case.classes, "validate_args": False}

    def score() -> Any:
        with torch.no_grad():
            x = logits.float() if half else logits
            loss = perplexity(x[None], labels[None]).log()
            right = functional.accuracy(x, labels, task="multiclass", average="micro", **of_classes)
            off = functional.calibration_error(
                x, labels, task="multiclass", n_bins=15, **of_classes
            )
        return loss, right, off

    settings = (
        f"torchmetrics {version('torchmetrics')}, functional.perplexity, accuracy and "
        f"calibration_error, unchecked, torch {torch.__version__}, {threads_text(inputs.threads)}"
        f"{', widened to float32' * half}"
    )
    return Prepared(settings, score, lambda result: as_outcome("loss")(result[0]))
