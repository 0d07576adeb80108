"""The front-ends under test: each takes NumPy arrays, and gives loss and gradient as such."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

import lastlayer as ll
from lastlayer import reference
from lastlayer.problem import softmax_problem
from lastlayer.torch import checks, cross_entropy, formulas, operators

DEFAULTS = {
    name: value
    for name, value in softmax_problem.__kwdefaults__.items()
    if name not in ("look_at_targets", "names", "weigh")
}

TENSORS_AND_PLACES = ("axis", "class_weight", "sample_weight", "base")


def numpy_kernels(logits: Any, labels: Any, **options: Any) -> tuple[Any, Any]:
    """The compiled kernels, called with and without the gradient."""
    loss, gradient = ll.cross_entropy_with_grad(logits, labels, **options)
    alone = ll.cross_entropy(logits, labels, **options)
    np.testing.assert_array_equal(alone, loss)
    return loss, gradient


def numpy_reference(logits: Any, labels: Any, **options: Any) -> tuple[Any, Any]:
    """The plain NumPy mathematics, in float64 whatever the input."""
    problem = softmax_problem(np.asarray(logits, dtype=np.float64), labels, **options)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        loss, gradient = reference.cross_entropy(problem)
    gradient = np.moveaxis(gradient.reshape(problem.logits.shape), -1, problem.axis)
    return problem.reduce(loss), gradient


def in_torch(compute: Any, logits: Any, labels: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    """A case in PyTorch's terms, and what it gives as arrays.

    PyTorch has no base: losses in nats are converted in float64, and since z-loss is in nats
    whatever the base, its coefficient is converted the other way.
    """
    given = {**options, "z_loss": options.get("z_loss", 0.0)}
    of_base = math.log(given.pop("base", math.e))
    given["z_loss"] *= of_base
    weight, samples = (
        None if given.get(name) is None else torch.tensor(np.asarray(given.pop(name), float))
        for name in ("class_weight", "sample_weight")
    )
    x = torch.tensor(np.asarray(logits), requires_grad=True)
    loss, gradient = compute(x, torch.tensor(np.asarray(labels)), weight, samples, given)
    loss, gradient = loss.detach().numpy(), gradient.detach().numpy()
    return (loss, gradient) if of_base == 1 else (loss / np.float64(of_base), gradient / of_base)


def torch_kernels(logits: Any, labels: Any, **options: Any) -> tuple[Any, Any]:
    """lastlayer.torch on the CPU: with autograd, and without."""

    def compute(x: Any, t: Any, weight: Any, samples: Any, given: Any) -> tuple[Any, Any]:
        loss = cross_entropy(x, t, weight, sample_weight=samples, **given)
        with torch.no_grad():
            alone = cross_entropy(x, t, weight, sample_weight=samples, **given)
        np.testing.assert_array_equal(alone.numpy(), loss.detach().numpy())
        return loss, torch.autograd.grad(loss.sum(), x)[0]

    return in_torch(compute, logits, labels, options)


NUMBERS = {k: v for k, v in DEFAULTS.items() if k not in TENSORS_AND_PLACES}


def torch_formulas(logits: Any, labels: Any, **options: Any) -> tuple[Any, Any]:
    """The formulas of other devices and transforms, and their gradient as a formula."""

    def compute(x: Any, t: Any, weight: Any, samples: Any, given: Any) -> tuple[Any, Any]:
        numbers = {**NUMBERS, **given}.values()
        pair: tuple[Any, Any] = operators.by_formulas(x, t, weight, samples, *numbers, True)
        return pair

    return in_torch(compute, logits, labels, options)


def torch_autograd(logits: Any, labels: Any, **options: Any) -> tuple[Any, Any]:
    """The same formulas, and their gradient by autograd."""

    def compute(x: Any, t: Any, weight: Any, samples: Any, given: Any) -> tuple[Any, Any]:
        numbers = checks.options(**{**NUMBERS, **given})
        loss = formulas.cross_entropy(numbers, x, t, weight, samples)
        return loss, torch.autograd.grad(loss.sum(), x)[0]

    return in_torch(compute, logits, labels, options)


FRONT_ENDS = {
    "numpy": numpy_kernels,
    "reference": numpy_reference,
    "torch": torch_kernels,
    "torch formulas": torch_formulas,
    "torch autograd": torch_autograd,
}
