"""Cross-entropy of logits and labels, and its gradient."""

from __future__ import annotations

import math
from operator import is_
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lastlayer import contract, kernels, large_arrays, reference
from lastlayer.contract import Array
from lastlayer.problem import Problem, softmax_problem
from lastlayer.reduction import Empty, Reduction


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
        distributions (one-hot or soft), floating, shape of the logits, in [0, 1e12].
    axis : int, default -1
        The class axis.
    class_weight : array_like, shape (C,), optional
        w, in [0, 1e12].
    sample_weight : array_like, shape of the logits without the class axis, optional
        s, in [0, 1e12]. A sample of weight 0 is left out, whatever its logits hold.
    ignore_index : int, default -100
        Class indices of this value are left out: loss 0, gradient 0, not in the mean.
    label_smoothing : float in [0, 1], default 0
        ε, mixed in from the uniform distribution over the classes.
    z_loss : float, default 0
        ζ, the coefficient of logsumexp(z)², in natural logarithms whatever the base.
    softcap : float, optional
        Bounds the logits smoothly to ±softcap, in (1e-9, 1e9); a −inf logit stays a class of
        probability 0.
    temperature : float, default 1
        Divides the logits; in (1e-9, 1e9).
    base : float, default e
        Of the logarithm: e for nats, 2 for bits, 10 for hartleys.
    reduction : {"mean", "sum", "none"}, default "mean"
        "mean" divides by the weight that counted, Σ s · w_label for class indices and Σ s for
        distributions, as PyTorch does, or by `divisor`.
    divisor : float, optional
        What the mean divides by instead, for example the tokens of all accumulated batches.
    empty : {"nan", "zero", "raise"}, default "nan"
        What a mean over nothing is: where the weight to divide by is 0.

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
    rest = sample_weight, base, divisor, empty
    options = label_smoothing, z_loss, softcap, temperature
    asked = None if all(map(is_, options, _NO_OPTIONS)) else options
    if _last(axis) and all(map(is_, rest, _NOTHING_ASKED)):
        value = kernels.plain_cross_entropy(
            logits, labels, None, ignore_index, reduction, asked, class_weight
        )
        if value is not None:
            return np.float64(value)
    problem = softmax_problem(
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
        look_at_targets=False,
        weigh=kernels.weight_of_labels,
    )
    return kernels.cross_entropy(problem)


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
    logits, labels, axis, class_weight, sample_weight, ignore_index
        As for `cross_entropy`.
    label_smoothing, z_loss, softcap, temperature, base, reduction, divisor, empty
        As for `cross_entropy`.
    out : ndarray, optional
        Where to write the gradient, of the shape and dtype of the logits. ``out=logits`` is
        allowed: the gradient then takes the place of the logits and no further memory is needed;
        an error leaves them as they are. Another array may have been written to after a LabelError.
    label_grad : bool, default False
        With distributions as labels, return the gradient with respect to them as well; this
        needs further memory of the size of the logits.

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
    rest = sample_weight, base, divisor, empty
    options = label_smoothing, z_loss, softcap, temperature
    asked = None if all(map(is_, options, _NO_OPTIONS)) else options
    if (
        type(logits) is np.ndarray
        and not label_grad
        and _last(axis)
        and all(map(is_, rest, _NOTHING_ASKED))
    ):
        place = large_arrays.empty_like(logits) if out is None else out
        value = kernels.plain_cross_entropy(
            logits, labels, place, ignore_index, reduction, asked, class_weight
        )
        if value is not None:
            return np.float64(value), place
        del place  # or there would be two of them
    problem = softmax_problem(
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
        look_at_targets=False,
        weigh=kernels.weight_of_labels,
    )
    x = contract.back(problem.logits, problem.axis)
    if label_grad and problem.targets is None:
        raise ValueError("label_grad needs floating labels: class indices have no gradient")
    read = (problem.targets, problem.indices, problem.sample_weight, problem.class_weight)
    out = contract.as_out(out, x, read)
    in_place = np.may_share_memory(out, x)
    if in_place and problem.targets is not None and not kernels.targets_fit(problem.targets):
        problem.check_targets()  # before the logits are written over
    by_label = _label_gradient(problem) if label_grad else None  # before `out` replaces the logits
    loss = kernels.cross_entropy(problem, contract.last(out, problem.axis))
    return (loss, out) if by_label is None else (loss, out, by_label)


def _defaults(*names: str) -> tuple[Any, ...]:
    return tuple(map((cross_entropy.__kwdefaults__ or {}).__getitem__, names))


# The defaults themselves: whoever passes an equal number goes another way, to the same result.
_NOTHING_ASKED = _defaults("sample_weight", "base", "divisor", "empty")
_NO_OPTIONS = _defaults("label_smoothing", "z_loss", "softcap", "temperature")


def _last(axis: Any) -> bool:
    """Whether it is the class axis of a matrix."""
    return type(axis) is int and axis in (-1, 1)


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
    factor = -(1 - problem.label_smoothing) * problem.reduce.scale / math.log(problem.base)
    with np.errstate(over="ignore", invalid="ignore"):
        gradient *= factor
        if factor == 0:
            gradient[...] = 0
        for weight, shape in (
            (problem.class_weight, (-1,)),
            (problem.sample_weight, (*x.shape[:-1], 1)),
        ):
            if weight is not None:
                column = weight.reshape(shape).astype(gradient.dtype)
                np.multiply(gradient, column, out=gradient)
                np.copyto(gradient, 0, where=column == 0)  # 0 · ∞ is 0: a class left out
        gradient = gradient.astype(problem.targets.dtype, copy=False)
    return contract.back(gradient, problem.axis)
