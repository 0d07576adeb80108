"""Softmax and cross-entropy for NumPy: the public functions, each one the contract and a kernel."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from lastlayer import contract, kernels, reference
from lastlayer.contract import Array, Empty, Problem, Reduction

Axes = int | tuple[int, ...] | None
Activation = Literal["sigmoid", "softmax", "identity"]


# --------------------------------------------------------------------------- softmax


def softmax(x: ArrayLike, axis: Axes = -1, *, out: Array | None = None) -> Array:
    r"""Probabilities from raw outputs: softmax(x)_j = exp(x_j) / Σ_i exp(x_i).

    Computed as exp(x_j − m) / Σ_i exp(x_i − m) with the maximum m, so that nothing overflows.

    Parameters
    ----------
    x : array_like, shape (..., C, ...)
        Raw outputs: float16, bfloat16, float32 or float64; integers become float64.
    axis : int, tuple of int or None, default -1
        Along which the probabilities sum to 1; None takes the whole array as one distribution.
    out : ndarray, optional
        Where to write, of the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    ndarray
        Probabilities, shape and dtype of `x`. A row of nothing but −inf, with a +inf or with a
        NaN is NaN.

    Raises
    ------
    TypeError
        `x` is not numeric, or belongs to PyTorch or JAX.
    ValueError
        An axis that `x` does not have, or an `out` that does not fit.

    Examples
    --------
    >>> import lastlayer as ll
    >>> ll.softmax([1000.0, 1000.0, -1000.0])
    array([0.5, 0.5, 0. ])

    References
    ----------
    Blanchard, Higham & Higham, doi 10.1093/imanum/draa038.
    """
    return _normalise(x, axis, out, "softmax")


def log_softmax(x: ArrayLike, axis: Axes = -1, *, out: Array | None = None) -> Array:
    r"""Logarithms of the probabilities: x_j − log Σ_i exp(x_i), in nats.

    Computed as (x_j − m) − log1p(R), R the sum of exp(x_i − m) without the maximum itself: the
    log of a probability that rounds to 1 is still right.

    Parameters
    ----------
    x : array_like, shape (..., C, ...)
        Raw outputs: float16, bfloat16, float32 or float64; integers become float64.
    axis : int, tuple of int or None, default -1
        Along which the probabilities sum to 1.
    out : ndarray, optional
        Where to write, of the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    ndarray
        Shape and dtype of `x`; NaN in rows of nothing but −inf, with a +inf or with a NaN.

    Raises
    ------
    TypeError, ValueError
        As `softmax`.

    Examples
    --------
    >>> import lastlayer as ll
    >>> ll.log_softmax([20.0, 0.0, 1.0, 2.0])[0]
    np.float64(-2.2893929542622445e-08)

    References
    ----------
    Blanchard, Higham & Higham, doi 10.1093/imanum/draa038.
    """
    return _normalise(x, axis, out, "log_softmax")


def logsumexp(x: ArrayLike, axis: Axes = -1, *, keepdims: bool = False) -> Any:
    r"""The logarithm of the sum of exponentials, m + log1p(R), in nats.

    Parameters
    ----------
    x : array_like, shape (..., C, ...)
        float16, bfloat16, float32 or float64; integers become float64.
    axis : int, tuple of int or None, default -1
        Over which to sum.
    keepdims : bool, default False
        Keep the summed axes with length 1.

    Returns
    -------
    ndarray or scalar
        float64 for float64 and integer input, float32 otherwise. −inf where all are −inf, +inf
        where one is, NaN where one is NaN.

    Raises
    ------
    TypeError, ValueError
        As `softmax`; also ValueError where nothing is summed.

    Examples
    --------
    >>> import lastlayer as ll
    >>> ll.logsumexp([1000.0, 1000.0])
    np.float64(1000.6931471805599)

    References
    ----------
    Blanchard, Higham & Higham, doi 10.1093/imanum/draa038.
    """
    array, rows, axes = _class_rows(x, axis)
    result = kernels.logsumexp(rows).reshape(rows.shape[:-1])
    if keepdims:
        result = result.reshape([1 if a in axes else n for a, n in enumerate(array.shape)])
    return result[()]


def _normalise(
    x: ArrayLike, axis: Axes, out: Array | None, kind: Literal["softmax", "log_softmax"]
) -> Array:
    array, rows, axes = _class_rows(x, axis)
    if out is None:
        out = np.empty_like(array, order="K", subok=False)
    else:
        contract.as_out(out, array)
    result = _classes_last(out, axes)
    direct = np.shares_memory(result, out) if out.size else True
    kernels.normalise(rows, result, kind)
    if not direct:  # several class axes that no single stride can walk
        last = tuple(range(out.ndim - len(axes), out.ndim))
        shape = np.moveaxis(out, axes, last).shape
        out[...] = np.moveaxis(result.reshape(shape), last, axes)
    return out


def _class_rows(x: ArrayLike, axis: Axes) -> tuple[Array, Array, tuple[int, ...]]:
    """`x` as an array, with its class axes as one last axis (..., C), and which they were."""
    array = contract.as_scores(x)
    if array.ndim == 0:
        array = array.reshape(1)
    if axis is None:
        axes = tuple(range(array.ndim))
    elif isinstance(axis, tuple):
        axes = tuple(contract.as_axis(a, array) for a in axis)
        if len(set(axes)) < len(axes) or not axes:
            raise ValueError(f"axis = {axis} must name one or more axes, each once")
    else:
        axes = (contract.as_axis(axis, array),)
    rows = _classes_last(array, axes)
    if rows.shape[-1] == 0:
        raise ValueError(f"x of shape {array.shape} has nothing along axis {axis}")
    return array, rows, axes


def _classes_last(array: Array, axes: tuple[int, ...]) -> Array:
    if len(axes) == 1:
        return np.moveaxis(array, axes[0], -1)
    count = len(axes)
    moved = np.moveaxis(array, axes, range(array.ndim - count, array.ndim))
    return moved.reshape(*moved.shape[:-count], math.prod(moved.shape[array.ndim - count :]))


# --------------------------------------------------------------------------- cross-entropy


def cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    axis: int = -1,
    class_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softcap: float | None = None,
    temperature: float = 1.0,
    base: float = math.e,
    reduction: Reduction = "mean",
    divisor: float | None = None,
    empty: Empty = "nan",
) -> Any:
    r"""Cross-entropy between labels and the softmax of logits.

    For one sample with the effective logits z = softcap · tanh(logits / softcap) / temperature,
    p = softmax(z), weights w (`class_weight`), s (`sample_weight`), ε (`label_smoothing`), ζ
    (`z_loss`) and target t (one-hot for a class index):

        loss = s · [ −Σ_j w_j ((1 − ε) t_j + ε / C) log_base p_j  +  ζ · logsumexp(z)² ]

    A label whose logit is the largest has the loss log1p(R), R = Σ_{j≠y} exp(z_j − z_y): a
    confident right answer costs exp(−lead), not 0.

    Parameters
    ----------
    logits : array_like, shape (..., C, ...)
        Raw outputs, float16, bfloat16, float32 or float64. Never modified.
    labels : array_like
        Class indices, any integer dtype, shape of the logits without the class axis; or
        distributions (one-hot or soft), floating, shape of the logits.
    axis : int, default -1
        The class axis.
    class_weight : array_like, shape (C,), optional
        w, not negative.
    sample_weight : array_like, shape of the logits without the class axis, optional
        s, not negative. A sample of weight 0 is left out, whatever its logits hold.
    ignore_index : int, default -100
        Class indices of this value are left out: loss 0, gradient 0, not in the mean.
    label_smoothing : float in [0, 1], default 0
        ε, mixed in from the uniform distribution over the classes.
    z_loss : float, default 0
        ζ, the coefficient of logsumexp(z)², in natural logarithms whatever the base.
    softcap : float, optional
        Bounds the logits smoothly to ±softcap.
    temperature : float, default 1
        Divides the logits.
    base : float, default e
        Of the logarithm: e for nats, 2 for bits, 10 for hartleys.
    reduction : {"mean", "sum", "none"}, default "mean"
        "mean" divides by the weight that counted, Σ s · w_label for class indices and Σ s for
        distributions, as PyTorch does, or by `divisor`.
    divisor : float, optional
        What the mean divides by instead, for example the tokens of all accumulated batches.
    empty : {"nan", "zero", "raise"}, default "nan"
        What a mean over nothing is.

    Returns
    -------
    scalar or ndarray
        "none": a loss a sample, float64 for float64 logits and float32 otherwise. "mean" and
        "sum": a float64 scalar. In nats unless `base` says otherwise. +inf where the label's
        logit is −inf, NaN for a sample whose logits hold a NaN, a +inf or nothing but −inf.

    Raises
    ------
    LabelError
        A class index outside [0, C) that is not `ignore_index`, or a soft target that is
        negative, infinite or NaN.
    TypeError
        Integer logits, floating class indices, arrays of another library.
    ValueError
        Shapes that do not fit, or an option outside its range.

    Examples
    --------
    >>> import numpy as np, lastlayer as ll
    >>> logits = np.log([[0.5, 0.2, 0.3], [0.8, 0.1, 0.1]])
    >>> ll.cross_entropy(logits, [0, 0], base=10, reduction="none").round(4)
    array([0.301 , 0.0969])
    >>> round(float(ll.cross_entropy(logits, [0, 0], base=10)), 4)
    0.199

    A lead of 20 is not certainty:

    >>> ll.cross_entropy([[20.0, 0.0, 1.0, 2.0]], [0])
    np.float64(2.2893929542622445e-08)

    References
    ----------
    Blanchard, Higham & Higham, doi 10.1093/imanum/draa038. Label smoothing: Szegedy et al.,
    arXiv 1512.00567. z-loss: Chowdhery et al. (PaLM), arXiv 2204.02311. Soft-cap: Gemma 2, arXiv
    2408.00118.
    """
    problem = contract.softmax_problem(
        logits,
        labels,
        axis=axis,
        class_weight=class_weight,
        sample_weight=sample_weight,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        z_loss=z_loss,
        softcap=softcap,
        temperature=temperature,
        base=base,
        reduction=reduction,
        divisor=divisor,
        empty=empty,
    )
    return problem.reduce(kernels.cross_entropy(problem))


def cross_entropy_with_grad(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    axis: int = -1,
    class_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softcap: float | None = None,
    temperature: float = 1.0,
    base: float = math.e,
    reduction: Reduction = "mean",
    divisor: float | None = None,
    empty: Empty = "nan",
    out: Array | None = None,
    label_grad: bool = False,
) -> tuple[Any, ...]:
    r"""Cross-entropy and its gradient with respect to the logits, in one call.

    The gradient is of exactly the loss that is returned; for ``reduction="none"``, of its sum.
    For a plain class index y it is p_j for j ≠ y, and −R / S for the label itself (see
    `cross_entropy`), which stays right where p_y − 1 would round to 0.

    Parameters
    ----------
    logits, labels, axis, class_weight, sample_weight, ignore_index, label_smoothing, z_loss, \
softcap, temperature, base, reduction, divisor, empty
        As for `cross_entropy`.
    out : ndarray, optional
        Where to write the gradient, of the shape and dtype of the logits. ``out=logits`` is
        allowed: the gradient then takes the place of the logits and no further memory is needed.
    label_grad : bool, default False
        With distributions as labels, return the gradient with respect to them as well.

    Returns
    -------
    loss : scalar or ndarray
        As `cross_entropy`.
    gradient : ndarray
        Shape and dtype of the logits, rounded once; `out` where given.
    label_gradient : ndarray
        Only with `label_grad`: shape and dtype of the labels, ∂loss/∂t_j = −s w_j (1 − ε) log p_j.

    Raises
    ------
    LabelError, TypeError, ValueError
        As `cross_entropy`; also for an `out` of another shape or dtype, read-only, or overlapping
        the logits without being them.

    Examples
    --------
    >>> import lastlayer as ll
    >>> loss, gradient = ll.cross_entropy_with_grad([[20.0, 0.0, 1.0, 2.0]], [0])
    >>> gradient[0, 0]
    np.float64(-2.2893929280556443e-08)

    References
    ----------
    The gradient that vanishes otherwise, "softmax collapse": Prieto et al., arXiv 2501.04697.
    """
    problem = contract.softmax_problem(
        logits,
        labels,
        axis=axis,
        class_weight=class_weight,
        sample_weight=sample_weight,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        z_loss=z_loss,
        softcap=softcap,
        temperature=temperature,
        base=base,
        reduction=reduction,
        divisor=divisor,
        empty=empty,
    )
    x = np.moveaxis(problem.logits, -1, problem.axis)
    if label_grad and problem.targets is None:
        raise ValueError("label_grad needs floating labels: class indices have no gradient")
    if out is None:
        out = np.empty_like(x, order="K", subok=False)
    else:
        contract.as_out(out, x, (problem.targets, problem.sample_weight, problem.class_weight))
    by_label = _label_gradient(problem) if label_grad else None  # before `out` replaces the logits
    loss = problem.reduce(kernels.cross_entropy(problem, np.moveaxis(out, problem.axis, -1)))
    return (loss, out) if by_label is None else (loss, out, by_label)


def _label_gradient(problem: Problem) -> Array:
    """∂loss/∂t_j = −s w_j (1 − ε) log p_j, shape and dtype of the targets."""
    assert problem.targets is not None
    x = problem.logits
    z: Array = x
    if problem.softcap or problem.temperature != 1:
        z = reference.capped(x, problem.softcap)[0]
        with np.errstate(invalid="ignore"):
            z = (z - z.max(axis=-1, keepdims=True)) / problem.temperature
    gradient: Array = np.empty(x.shape, dtype=np.result_type(problem.loss_dtype, z.dtype))
    kernels.normalise(z.astype(gradient.dtype, copy=False), gradient, "log_softmax")
    gradient *= -(1 - problem.label_smoothing) * problem.reduce.scale / math.log(problem.base)
    weights = (problem.class_weight, problem.sample_weight)
    for weight, shape in zip(weights, ((-1,), (*x.shape[:-1], 1)), strict=True):
        if weight is not None:
            column = weight.reshape(shape).astype(gradient.dtype)
            with np.errstate(invalid="ignore"):
                np.multiply(gradient, column, out=gradient)
            np.copyto(gradient, 0, where=column == 0)  # 0 · ∞ is 0: a class left out
    return np.moveaxis(gradient.astype(problem.targets.dtype, copy=False), -1, problem.axis)


# --------------------------------------------------------------------------- sigmoid outputs


def binary_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    pos_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    temperature: float = 1.0,
    base: float = math.e,
    reduction: Reduction = "mean",
    divisor: float | None = None,
    empty: Empty = "nan",
) -> Any:
    r"""Cross-entropy of independent yes-or-no outputs, each the sigmoid of its logit.

    For one output with z = logit / temperature, target t' = (1 − ε) t + ε / 2 and weights s and w:

        loss = −s · [ w t' log_base σ(z) + (1 − t') log_base(1 − σ(z)) ]

    computed as w t' (max(−z, 0) + log1p(e)) + (1 − t') (max(z, 0) + log1p(e)), e = exp(−|z|).

    Parameters
    ----------
    logits : array_like, any shape
        Raw outputs, float16, bfloat16, float32 or float64. Never modified.
    labels : array_like, shape of the logits
        0 or 1 as integers or booleans, or floating targets in [0, 1].
    pos_weight : array_like, shape (C,) of the last axis, or a number, optional
        w, the weight of the positive term of each output.
    sample_weight : array_like, shape of the logits, optional
        s, a weight an output. Outputs of weight 0 are left out.
    ignore_index : int, default -100
        Integer labels of this value are left out.
    label_smoothing : float in [0, 1], default 0
        ε.
    temperature, base, reduction, divisor, empty
        As for `cross_entropy`; the weight that counts is Σ s.

    Returns
    -------
    scalar or ndarray
        As `cross_entropy`, with a loss an output for "none". A logit of +inf with target 1 costs
        0, with target 0 +inf, and so on; NaN stays NaN.

    Raises
    ------
    LabelError
        A label other than 0, 1 and `ignore_index`, or a target outside [0, 1].
    TypeError, ValueError
        As `cross_entropy`.

    Examples
    --------
    >>> import lastlayer as ll
    >>> ll.binary_cross_entropy([40.0, -1.0], [1, 0], reduction="none")
    array([4.24835426e-18, 3.13261688e-01])

    References
    ----------
    torch.nn.functional.binary_cross_entropy_with_logits, whose `weight` and `pos_weight` these are.
    """
    problem = contract.binary_problem(
        logits,
        labels,
        pos_weight=pos_weight,
        sample_weight=sample_weight,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        temperature=temperature,
        base=base,
        reduction=reduction,
        divisor=divisor,
        empty=empty,
    )
    return kernels.binary_cross_entropy(problem)


def binary_cross_entropy_with_grad(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    pos_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    temperature: float = 1.0,
    base: float = math.e,
    reduction: Reduction = "mean",
    divisor: float | None = None,
    empty: Empty = "nan",
    out: Array | None = None,
) -> tuple[Any, Array]:
    r"""Binary cross-entropy and its gradient with respect to the logits.

    For one output (1 − t') σ(z) − w t' σ(−z), which is σ(z) − t' without its cancellation.

    Parameters
    ----------
    logits, labels, pos_weight, sample_weight, ignore_index, label_smoothing, temperature, base, \
reduction, divisor, empty
        As for `binary_cross_entropy`.
    out : ndarray, optional
        Where to write the gradient; ``out=logits`` is allowed.

    Returns
    -------
    loss : scalar or ndarray
        As `binary_cross_entropy`.
    gradient : ndarray
        Shape and dtype of the logits; `out` where given.

    Raises
    ------
    LabelError, TypeError, ValueError
        As `binary_cross_entropy`, and for an `out` that does not fit.

    Examples
    --------
    >>> import lastlayer as ll
    >>> loss, gradient = ll.binary_cross_entropy_with_grad([40.0, 0.0], [1, 0], reduction="sum")
    >>> gradient
    array([-4.24835426e-18,  5.00000000e-01])
    """
    problem = contract.binary_problem(
        logits,
        labels,
        pos_weight=pos_weight,
        sample_weight=sample_weight,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        temperature=temperature,
        base=base,
        reduction=reduction,
        divisor=divisor,
        empty=empty,
    )
    if out is None:
        out = np.empty_like(problem.logits, order="K", subok=False)
    else:
        contract.as_out(out, problem.logits, (problem.targets, problem.sample_weight))
    return kernels.binary_cross_entropy(problem, out), out


# --------------------------------------------------------------------------- quadratic cost


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
        Class indices, or targets of the shape of the logits, as for `cross_entropy`.
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
    indices, targets = contract.as_labels(labels, x, axis, ignore)
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    weight = contract.as_sample_weight(sample_weight, shape)
    counted = contract.weight_that_counts(indices, math.prod(shape), None, weight, ignore)
    reduce = contract.as_reducer(reduction, divisor, empty, counted, shape)
    if want_gradient:
        if out is None:
            out = np.empty_like(x, order="K", subok=False)
        else:
            contract.as_out(out, x, (targets, weight))

    if weight is None:
        weight = np.ones(math.prod(shape))
    if indices is not None:
        weight = np.where(indices == ignore, 0.0, weight)
    cost = np.empty(math.prod(shape), np.float64 if x.dtype == np.float64 else np.float32)
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
        with np.errstate(invalid="ignore"):
            value, slope = reference.quadratic_cost(z, target, activation)
            counts = weight[rows] > 0
            cost[rows] = np.where(counts, value * weight[rows], 0.0)
            if gradient is not None:
                slope = slope * (reduce.scale * weight[rows])[:, None]
                slope = np.where(counts[:, None], slope, 0.0)
                gradient[block] = slope.reshape(gradient[block].shape)
    return reduce(cost), x if out is None else out
