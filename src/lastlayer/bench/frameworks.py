"""PyTorch and JAX, which take a gradient of whatever function they are given."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from lastlayer.bench.cases import SMOOTHING, SOFTCAP, TEMPERATURE, Z_LOSS, Task
from lastlayer.bench.contestants import NotAvailableError, Prepared, as_outcome, threads_text
from lastlayer.bench.inputs import Inputs
from lastlayer.contract import Array

BY_FORMULA = {
    "soft-cap": "cap · tanh(x / cap) before the loss",
    "temperature": "x / T before the loss",
    "z-loss": "logsumexp² added to the loss",
}


def _by_formula(inputs: Inputs) -> str:
    """Part of the settings: what is written around the framework's own loss."""
    how = BY_FORMULA.get(inputs.case.option)
    return f", {how}" if how else ""


# --------------------------------------------------------------------------- PyTorch


def torch_with(
    how: str,
    wrap: Callable[[Any, Callable[..., Any]], Callable[..., Any]],
    functional: str = "torch.nn.functional",
) -> Callable[[Inputs], Prepared]:
    """PyTorch with its functions as `wrap` (given torch and a function) makes them.

    `functional` is the module that has the loss: PyTorch's own, or the one in its place.
    """

    def prepare(inputs: Inputs) -> Prepared:
        torch = importlib.import_module("torch")
        torch.set_num_threads(inputs.threads)
        module = importlib.import_module(functional)
        prepared = _torch_calls(torch, module, inputs, lambda function: wrap(torch, function))
        fresh = ", a new .grad each call" if inputs.case.task == "gradient" else ""
        settings = f"torch {torch.__version__}, {how}, {threads_text(inputs.threads)}{fresh}"
        return Prepared(settings + _by_formula(inputs), prepared, _torch_outcome(torch, inputs))

    return prepare


def _compiled(torch: Any, function: Callable[..., Any]) -> Any:
    torch._dynamo.reset()  # the shapes before this one
    return torch.compile(function, fullgraph=True, dynamic=False)


torch_eager = torch_with("eager", lambda _, function: function)
torch_lastlayer = torch_with("lastlayer.torch", lambda _, function: function, "lastlayer.torch")
# The other modes and Inductor's settings for C++ are no faster: benchmarks/peer_settings.py.
torch_compile = torch_with(
    "torch.compile, default mode, for this shape, compiling not counted", _compiled
)


def _torch_calls(
    torch: Any,
    functional: Any,
    inputs: Inputs,
    wrap: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> Callable[[], Any]:
    logits = to_torch(torch, inputs.logits)  # the same memory
    labels = to_torch(torch, inputs.labels if inputs.targets is None else inputs.targets)
    option = inputs.case.option
    smoothing = SMOOTHING if option == "label-smoothing" else 0.0
    weight = inputs.class_weight
    weights = None if weight is None else torch.from_numpy(weight).to(logits.dtype)

    def mean_loss(x: Any, y: Any) -> Any:
        if option == "soft-cap":
            x = SOFTCAP * torch.tanh(x / SOFTCAP)
        if option == "temperature":
            x = x / TEMPERATURE
        value = functional.cross_entropy(x, y, weight=weights, label_smoothing=smoothing)
        if option == "z-loss":
            value = value + Z_LOSS * torch.logsumexp(x, 1).square().mean()
        return value

    functions: dict[Task, Callable[..., Any]] = {
        "softmax": lambda x, _: functional.softmax(x, dim=1),
        "log-softmax": lambda x, _: functional.log_softmax(x, dim=1),
    }
    task = inputs.case.task
    function = wrap(functions.get(task, mean_loss))

    def forward() -> Any:
        with torch.no_grad():
            return function(logits, labels)

    def gradient() -> tuple[Any, Any]:
        logits.grad = None
        value = function(logits, labels)
        value.backward()
        slope, logits.grad = logits.grad, None
        return value.detach(), slope

    if task == "gradient":
        logits.requires_grad_(True)
        return gradient
    return forward


def to_torch(torch: Any, array: Array) -> Any:
    """A tensor over the array's memory."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.uint16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _torch_outcome(torch: Any, inputs: Inputs) -> Callable[[Any], Any]:
    read = as_outcome(inputs.case.task)

    def as_numpy(tensor: Any) -> Any:
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()

    def outcome(result: Any) -> Any:
        if isinstance(result, tuple):
            return read((float(result[0]), as_numpy(result[1])))
        return read(as_numpy(result))

    return outcome


# --------------------------------------------------------------------------- JAX


def jax_jit(inputs: Inputs) -> Prepared:
    """JAX on the CPU, compiled for this shape."""
    jax, case = importlib.import_module("jax"), inputs.case
    try:
        cpu = jax.devices("cpu")[0]
    except RuntimeError as error:
        raise NotAvailableError(f"JAX has no CPU device: {error}") from None
    if case.layout != "rows":
        raise NotAvailableError("its arrays lie in rows: any other layout is copied beforehand")

    jax.config.update("jax_enable_x64", case.dtype == "float64")  # else it computes in float32
    logits = jax.device_put(inputs.logits, cpu)
    given = inputs.labels.astype(np.int32) if inputs.targets is None else inputs.targets
    labels = jax.device_put(given, cpu)
    functions: dict[Task, Any] = {
        "loss": _jax_loss(jax, inputs),
        "gradient": jax.value_and_grad(_jax_loss(jax, inputs)),
        "softmax": lambda x, _: jax.nn.softmax(x, axis=1),
        "log-softmax": lambda x, _: jax.nn.log_softmax(x, axis=1),
    }
    function = jax.jit(functions[case.task])

    def call() -> Any:
        return jax.block_until_ready(function(logits, labels))

    # XLA's flags (fast math, wider vectors) make no difference: benchmarks/peer_settings.py
    settings = (
        f"jax {jax.__version__}, jit on the CPU, XLA's default flags, compiling not counted, "
        f"{threads_text(inputs.threads)}{_by_formula(inputs)}"
    )
    return Prepared(settings, call, as_outcome(case.task))


def _jax_loss(jax: Any, inputs: Inputs) -> Callable[[Any, Any], Any]:
    """As in Optax: logsumexp − the label's logit, or −Σ t log p."""
    jnp, nn, option = jax.numpy, jax.nn, inputs.case.option
    weights = inputs.class_weight

    def mean_loss(x: Any, y: Any) -> Any:
        if option == "soft-cap":
            x = SOFTCAP * jnp.tanh(x / SOFTCAP)
        if option == "temperature":
            x = x / TEMPERATURE
        if option == "soft-targets":
            return -(y * nn.log_softmax(x, axis=1)).sum(axis=1).mean()
        picked = jnp.take_along_axis(x, jnp.expand_dims(y, 1), axis=1).squeeze(1)
        lse = nn.logsumexp(x, axis=1)
        if option == "label-smoothing":
            picked = (1 - SMOOTHING) * picked + SMOOTHING * x.mean(axis=1)
        losses = lse - picked
        if option == "z-loss":
            losses = losses + Z_LOSS * lse**2
        if weights is None:
            return losses.mean()
        each = jnp.asarray(weights, x.dtype)[y]
        return (losses * each).sum() / each.sum()

    return mean_loss
