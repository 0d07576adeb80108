"""The front-ends under test: each takes NumPy arrays, and gives loss and gradient as such."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import lastlayer as ll
from lastlayer import reference
from lastlayer.problem import softmax_problem

DEFAULTS = {
    "axis": -1,
    "class_weight": None,
    "sample_weight": None,
    "ignore_index": -100,
    "label_smoothing": 0.0,
    "z_loss": 0.0,
    "softcap": None,
    "temperature": 1.0,
    "base": math.e,
    "reduction": "mean",
    "divisor": None,
    "empty": "nan",
}


def numpy_kernels(logits: Any, labels: Any, **options: Any) -> tuple[Any, Any]:
    """The compiled kernels, called with and without the gradient."""
    loss, gradient = ll.cross_entropy_with_grad(logits, labels, **options)
    alone = ll.cross_entropy(logits, labels, **options)
    np.testing.assert_array_equal(alone, loss)
    return loss, gradient


def numpy_reference(logits: Any, labels: Any, **options: Any) -> tuple[Any, Any]:
    """The plain NumPy mathematics, in float64 whatever the input."""
    problem = softmax_problem(
        np.asarray(logits, dtype=np.float64), labels, **{**DEFAULTS, **options}
    )
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        loss, gradient = reference.cross_entropy(problem)
    gradient = np.moveaxis(gradient.reshape(problem.logits.shape), -1, problem.axis)
    return problem.reduce(loss), gradient


FRONT_ENDS = {"numpy": numpy_kernels, "reference": numpy_reference}
