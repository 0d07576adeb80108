"""The quadratic cost, which cross-entropy replaced, and its gradient."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from lastlayer import contract, kernels, reference
from lastlayer.contract import Array
from lastlayer.labels import as_indices, as_labels, check_targets
from lastlayer.reduction import Empty, Reduction, as_reducer, weight_of_samples

Activation = Literal["sigmoid", "softmax", "identity"]


def quadratic_cost(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    axis: int = -1,
    activation: Activation = "sigmoid",
    sample_weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    divisor: float | None = None,
    empty: Empty = "nan",
) -> Any:
    r"""The quadratic cost ½ ‖a − t‖² of outputs a = activation(logits) against targets t.

    What classifiers were trained with before cross-entropy. Its gradient carries the derivative
    of the activation, σ(z)(1 − σ(z)) for a sigmoid, which is nearly 0 where the output saturates:
    an output that is confidently wrong learns slowly.

    Parameters
    ----------
    logits : array_like, shape (..., C, ...)
        Raw outputs, float16, bfloat16, float32 or float64. Never modified.
    labels : array_like
        Class indices, or targets of the shape of the logits, as for `cross_entropy`; for the
        identity they may be negative.
    axis : int, default -1
        The class axis.
    activation : {"sigmoid", "softmax", "identity"}, default "sigmoid"
        What turns logits into outputs.
    sample_weight, ignore_index, reduction, divisor, empty
        As for `cross_entropy`.

    Returns
    -------
    scalar or ndarray
        As `cross_entropy`; a cost has no unit.

    Raises
    ------
    LabelError, TypeError, ValueError
        As `cross_entropy`.

    Examples
    --------
    >>> import lastlayer as ll
    >>> ll.quadratic_cost([[0.0, 0.0]], [0])
    np.float64(0.25)

    References
    ----------
    M. Nielsen, Neural Networks and Deep Learning (2015), chapter 3.
    """
    return _quadratic(
        logits, labels, axis, activation, sample_weight, ignore_index, reduction, divisor, empty
    )[0]


def quadratic_cost_with_grad(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    axis: int = -1,
    activation: Activation = "sigmoid",
    sample_weight: ArrayLike | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    divisor: float | None = None,
    empty: Empty = "nan",
    out: Array | None = None,
) -> tuple[Any, Array]:
    r"""The quadratic cost and its gradient with respect to the logits.

    (a − t) σ(z) σ(−z) for a sigmoid, p_j (d_j − Σ_i d_i p_i) with d = p − t for softmax, z − t
    for the identity.

    Parameters
    ----------
    logits, labels, axis, activation, sample_weight, ignore_index, reduction, divisor, empty
        As for `quadratic_cost`.
    out : ndarray, optional
        Where to write the gradient; ``out=logits`` is allowed.

    Returns
    -------
    cost : scalar or ndarray
        As `quadratic_cost`.
    gradient : ndarray
        Shape and dtype of the logits; `out` where given.

    Raises
    ------
    LabelError, TypeError, ValueError
        As `quadratic_cost`, and for an `out` that does not fit.

    Examples
    --------
    >>> import lastlayer as ll
    >>> cost, gradient = ll.quadratic_cost_with_grad([[0.0, 0.0]], [0])
    >>> gradient
    array([[-0.125,  0.125]])
    """
    return _quadratic(
        logits, labels, axis, activation, sample_weight, ignore_index, reduction, divisor, empty,
        out, want_gradient=True,
    )  # fmt: skip


def _quadratic(
    logits: ArrayLike,
    labels: ArrayLike,
    axis: int,
    activation: Activation,
    sample_weight: ArrayLike | None,
    ignore_index: int,
    reduction: Reduction,
    divisor: float | None,
    empty: Empty,
    out: Array | None = None,
    want_gradient: bool = False,
) -> tuple[Any, Array]:
    """Both of the above, in float64, some rows at a time so that no copy of the logits is held."""
    contract.one_of(activation, "activation", ("sigmoid", "softmax", "identity"))
    x, axis = contract.as_logits(logits, axis)
    ignore = contract.as_integer(ignore_index, "ignore_index")
    given, targets = as_labels(labels, x, axis)
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    weight = contract.as_sample_weight(sample_weight, shape)
    if given is None:
        indices, total = None, weight_of_samples(weight, shape)
    else:
        indices, total = as_indices(given, x.shape[axis], ignore, None, weight)
    if targets is not None:
        check_targets(targets, signed=activation == "identity")
    ignore = contract.as_stored(ignore)
    reduce = as_reducer(reduction, divisor, empty, total, shape)
    if want_gradient:
        out = contract.as_out(out, x, (targets, indices, weight))

    if weight is None:
        weight = np.ones(math.prod(shape))
    if indices is not None:
        weight = np.where(indices == ignore, 0.0, weight)
    cost = np.empty(math.prod(shape), contract.loss_dtype(x))
    moved = np.moveaxis(x, axis, -1)
    soft = None if targets is None else np.moveaxis(targets, axis, -1)
    gradient = None if out is None else np.moveaxis(out, axis, -1)
    for block, rows in kernels.row_blocks(moved.shape):
        z = moved[block].astype(np.float64).reshape(-1, x.shape[axis])
        if soft is not None:
            target = soft[block].astype(np.float64).reshape(z.shape)
        else:
            assert indices is not None
            target = reference.one_hot(indices[rows], x.shape[axis])
        with np.errstate(invalid="ignore", over="ignore", under="ignore"):
            value, slope = reference.quadratic_cost(z, target, activation)
            counts = weight[rows] > 0
            cost[rows] = np.where(counts, value * weight[rows], 0.0)
            if gradient is not None:
                slope = slope * (reduce.scale * weight[rows])[:, None]
                slope = np.where(counts[:, None], slope, 0.0)
                gradient[block] = slope.reshape(gradient[block].shape)
    return reduce(cost), x if out is None else out
