"""The peers, each as its own users call it and at its best setting, which it states.

A new one is a function from Inputs to Prepared and an entry in PEERS.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from lastlayer.bench.cases import Case, Option, Task
from lastlayer.bench.contestants import Contestant, Prepared, as_outcome, threads_text
from lastlayer.bench.frameworks import jax_jit, torch_compile, torch_eager, torch_lastlayer
from lastlayer.bench.inputs import Inputs
from lastlayer.bench.scorers import sklearn_metrics, torchmetrics
from lastlayer.contract import Array


def _widened(case: Case) -> str:
    """Part of the settings: what has to be done to halves before these libraries can be used."""
    if case.dtype not in ("float16", "bfloat16"):
        return ""
    return ", widened to float32" + (" and narrowed again" if case.task != "loss" else "")


def _wide(logits: Array) -> Array:
    wide: Array = logits.astype(np.float32) if logits.dtype.itemsize == 2 else logits
    return wide


# --------------------------------------------------------------------------- NumPy


def _numpy(inputs: Inputs) -> Prepared:
    logits, labels, case = inputs.logits, inputs.labels, inputs.case
    rows = np.arange(case.rows)

    def loss() -> Any:
        z = _wide(logits)
        z = z - z.max(axis=1, keepdims=True)
        return (np.log(np.exp(z).sum(axis=1)) - z[rows, labels]).mean()

    def softmax() -> Array:
        z = _wide(logits)
        p: Array = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p.astype(logits.dtype, copy=False)

    def log_softmax() -> Array:
        z = _wide(logits)
        z = z - z.max(axis=1, keepdims=True)
        z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
        log_p: Array = z.astype(logits.dtype, copy=False)
        return log_p

    def gradient() -> tuple[Any, Array]:
        z = _wide(logits)
        z = z - z.max(axis=1, keepdims=True)
        p = np.exp(z)
        s = p.sum(axis=1, keepdims=True)
        value = (np.log(s[:, 0]) - z[rows, labels]).mean()
        p /= s
        p[rows, labels] -= 1
        p /= case.rows
        return value, p.astype(logits.dtype, copy=False)

    calls: dict[Task, Callable[[], Any]] = {
        "loss": loss,
        "gradient": gradient,
        "softmax": softmax,
        "log-softmax": log_softmax,
    }
    settings = f"numpy {np.__version__}, the textbook's lines, 1 thread{_widened(case)}"
    return Prepared(settings, calls[case.task], as_outcome(case.task))


# --------------------------------------------------------------------------- SciPy


def _scipy(inputs: Inputs) -> Prepared:
    special = importlib.import_module("scipy.special")
    logits, labels, case = inputs.logits, inputs.labels, inputs.case
    rows = np.arange(case.rows)

    def loss() -> Any:
        return -special.log_softmax(_wide(logits), axis=1)[rows, labels].mean()

    def softmax() -> Array:
        p: Array = special.softmax(_wide(logits), axis=1)
        return p.astype(logits.dtype, copy=False)

    def log_softmax() -> Array:
        log_p: Array = special.log_softmax(_wide(logits), axis=1)
        return log_p.astype(logits.dtype, copy=False)

    def gradient() -> tuple[Any, Array]:
        log_p = special.log_softmax(_wide(logits), axis=1)
        value = -log_p[rows, labels].mean()
        p = np.exp(log_p, out=log_p)
        p[rows, labels] -= 1
        p /= case.rows
        return value, p.astype(logits.dtype, copy=False)

    how = {
        "loss": "special.log_softmax",
        "gradient": "special.log_softmax, then exp and − one-hot in place",
        "softmax": "special.softmax",
        "log-softmax": "special.log_softmax",
    }[case.task]
    calls: dict[Task, Callable[[], Any]] = {
        "loss": loss,
        "gradient": gradient,
        "softmax": softmax,
        "log-softmax": log_softmax,
    }
    settings = f"scipy {version('scipy')}, {how}, 1 thread{_widened(case)}"
    return Prepared(settings, calls[case.task], as_outcome(case.task))


# --------------------------------------------------------------------------- scikit-learn


def _sklearn(inputs: Inputs) -> Prepared:
    if inputs.case.task == "score":
        return sklearn_metrics(inputs)
    extmath = importlib.import_module("sklearn.utils.extmath")
    log_loss = importlib.import_module("sklearn.metrics").log_loss
    logits, labels, case = inputs.logits, inputs.labels, inputs.case
    classes = np.arange(case.classes)

    def softmax() -> Array:
        p: Array = extmath.softmax(_wide(logits), copy=True)
        return p.astype(logits.dtype, copy=False)

    def loss() -> Any:
        # In float64, since log_loss clips probabilities at the epsilon of their dtype: those of
        # float32 at 1.2e-7, and the loss is then too small in the second digit.
        p = extmath.softmax(logits.astype(np.float64), copy=False)
        return log_loss(labels, p, labels=classes)

    if case.task == "loss":
        how = "metrics.log_loss of extmath.softmax in float64 (it clips float32's), 1 thread"
    else:
        how = f"utils.extmath.softmax, 1 thread{_widened(case)}"
    settings = f"scikit-learn {version('scikit-learn')}, {how}"
    return Prepared(settings, loss if case.task == "loss" else softmax, as_outcome(case.task))


def _sklearn_inner(inputs: Inputs) -> Prepared:
    half = importlib.import_module("sklearn._loss").HalfMultinomialLoss(
        n_classes=inputs.case.classes
    )
    logits, case, threads = inputs.logits, inputs.case, inputs.threads
    floating = np.float64 if case.dtype == "float64" else np.float32
    labels = inputs.labels.astype(floating)  # as this class wants them
    weight = np.full(case.rows, 1 / case.rows, floating)  # of a mean

    def loss() -> Any:
        return half.loss(labels, _wide(logits), n_threads=threads).mean(dtype=np.float64)

    def gradient() -> tuple[Any, Array]:
        each, slope = half.loss_gradient(labels, _wide(logits), weight, n_threads=threads)
        return each.sum(dtype=np.float64), slope.astype(logits.dtype, copy=False)

    settings = (
        f"scikit-learn {version('scikit-learn')}, sklearn._loss.HalfMultinomialLoss (private: what "
        f"LogisticRegression trains with), {threads_text(threads)}{_widened(case)}"
    )
    return Prepared(settings, loss if case.task == "loss" else gradient, as_outcome(case.task))


PLAIN: tuple[Option, ...] = ("plain",)
PEERS = (
    Contestant("numpy", "NumPy", _numpy, options=PLAIN, images=False),
    Contestant("scipy", "SciPy", _scipy, options=PLAIN, images=False),
    Contestant(
        "scikit-learn", "scikit-learn", _sklearn,
        tasks=("loss", "softmax", "score"), options=PLAIN, images=False,
    ),
    Contestant(
        "scikit-learn-inner", "scikit-learn, inner", _sklearn_inner,
        tasks=("loss", "gradient"), options=PLAIN, images=False,
    ),
    Contestant(
        "torchmetrics", "torchmetrics", torchmetrics, tasks=("score",), options=PLAIN, images=False
    ),
    Contestant("torch", "PyTorch eager", torch_eager),
    Contestant("torch-compile", "torch.compile", torch_compile, compiles=True),
    Contestant("jax", "JAX jit", jax_jit, compiles=True),
    Contestant("lastlayer-torch", "lastlayer.torch", torch_lastlayer, kind="lastlayer"),
)  # fmt: skip
