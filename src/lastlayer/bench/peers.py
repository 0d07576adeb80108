"""The peers, each as its own users call it and at its best setting, which it states."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from lastlayer.bench.cases import Case, Inputs, Task
from lastlayer.bench.contestants import (
    Contestant,
    NotAvailableError,
    Prepared,
    as_outcome,
    threads_text,
)
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

    calls: dict[Task, Callable[[], Any]] = {"loss": loss, "gradient": gradient, "softmax": softmax}
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
    }[case.task]
    calls: dict[Task, Callable[[], Any]] = {"loss": loss, "gradient": gradient, "softmax": softmax}
    settings = f"scipy {version('scipy')}, {how}, 1 thread{_widened(case)}"
    return Prepared(settings, calls[case.task], as_outcome(case.task))


# --------------------------------------------------------------------------- scikit-learn


def _sklearn(inputs: Inputs) -> Prepared:
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


# --------------------------------------------------------------------------- PyTorch


def _torch_inputs(inputs: Inputs) -> tuple[Any, Any, Any]:
    torch = importlib.import_module("torch")
    torch.set_num_threads(inputs.threads)
    if inputs.case.dtype == "bfloat16":
        logits = torch.from_numpy(inputs.logits.view(np.uint16)).view(torch.bfloat16)
    else:
        logits = torch.from_numpy(inputs.logits)  # the same memory
    return torch, logits, torch.from_numpy(inputs.labels)


def _torch_calls(
    torch: Any, logits: Any, labels: Any, task: Task, wrap: Callable[[Any], Any]
) -> Prepared:
    cross_entropy = wrap(torch.nn.functional.cross_entropy)
    probabilities = wrap(lambda x: torch.nn.functional.softmax(x, dim=1))

    def loss() -> Any:
        with torch.no_grad():
            return cross_entropy(logits, labels)

    def softmax() -> Any:
        with torch.no_grad():
            return probabilities(logits)

    def gradient() -> tuple[Any, Any]:
        logits.grad = None
        value = cross_entropy(logits, labels)
        value.backward()
        slope, logits.grad = logits.grad, None
        return value.detach(), slope

    if task == "gradient":
        logits.requires_grad_(True)
    read = as_outcome(task)

    def outcome(result: Any) -> Any:
        if isinstance(result, tuple):
            return read((result[0].float(), _to_numpy(torch, result[1])))
        return read(_to_numpy(torch, result))

    calls: dict[Task, Callable[[], Any]] = {"loss": loss, "gradient": gradient, "softmax": softmax}
    return Prepared("", calls[task], outcome)


def _to_numpy(torch: Any, tensor: Any) -> Array:
    wide = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    array: Array = wide.numpy()
    return array


def _torch_settings(torch: Any, inputs: Inputs, how: str) -> str:
    fresh = ", a new .grad each call" if inputs.case.task == "gradient" else ""
    return f"torch {torch.__version__}, {how}, {threads_text(inputs.threads)}{fresh}"


def _torch_eager(inputs: Inputs) -> Prepared:
    torch, logits, labels = _torch_inputs(inputs)
    prepared = _torch_calls(torch, logits, labels, inputs.case.task, lambda f: f)
    settings = _torch_settings(torch, inputs, "eager")
    return Prepared(settings, prepared.call, prepared.outcome)


def _torch_compile(inputs: Inputs) -> Prepared:
    torch, logits, labels = _torch_inputs(inputs)
    torch._dynamo.reset()  # the shapes before this one

    def compiled(function: Any) -> Any:
        return torch.compile(function, fullgraph=True, dynamic=False)

    prepared = _torch_calls(torch, logits, labels, inputs.case.task, compiled)
    settings = _torch_settings(torch, inputs, "torch.compile for this shape, compiling not counted")
    return Prepared(settings, prepared.call, prepared.outcome)


# --------------------------------------------------------------------------- JAX


def _jax(inputs: Inputs) -> Prepared:
    jax, case = importlib.import_module("jax"), inputs.case
    jnp = jax.numpy
    try:
        cpu = jax.devices("cpu")[0]
    except RuntimeError as error:
        raise NotAvailableError(f"JAX has no CPU device: {error}") from None

    jax.config.update("jax_enable_x64", case.dtype == "float64")  # else it computes in float32
    logits = jax.device_put(inputs.logits, cpu)
    labels = jax.device_put(inputs.labels.astype(np.int32), cpu)

    def mean_loss(x: Any, y: Any) -> Any:  # optax.softmax_cross_entropy_with_integer_labels
        picked = jnp.take_along_axis(x, y[:, None], axis=1)[:, 0]
        return (jax.nn.logsumexp(x, axis=1) - picked).mean()

    functions: dict[Task, Any] = {
        "loss": mean_loss,
        "gradient": jax.value_and_grad(mean_loss),
        "softmax": lambda x, _: jax.nn.softmax(x, axis=1),
    }
    function = jax.jit(functions[case.task])

    def call() -> Any:
        return jax.block_until_ready(function(logits, labels))

    settings = (
        f"jax {jax.__version__}, jit on the CPU, compiling not counted, "
        f"{threads_text(inputs.threads)}"
    )
    return Prepared(settings, call, as_outcome(case.task))


PEERS = (
    Contestant("numpy", "NumPy", _numpy),
    Contestant("scipy", "SciPy", _scipy),
    Contestant("scikit-learn", "scikit-learn", _sklearn, tasks=("loss", "softmax")),
    Contestant(
        "scikit-learn-inner", "scikit-learn, inner", _sklearn_inner, tasks=("loss", "gradient")
    ),
    Contestant("torch", "PyTorch eager", _torch_eager),
    Contestant("torch-compile", "torch.compile", _torch_compile, compiles=True),
    Contestant("jax", "JAX jit", _jax, compiles=True),
)
