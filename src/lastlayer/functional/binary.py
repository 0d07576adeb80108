"""Cross-entropy of independent sigmoid outputs, and its gradient."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import ArrayLike

from lastlayer import contract, kernels
from lastlayer.contract import Array
from lastlayer.problem import binary_problem
from lastlayer.reduction import Empty, Reduction


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
    problem = binary_problem(
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
    logits, labels, pos_weight, sample_weight, ignore_index, label_smoothing
        As for `binary_cross_entropy`.
    temperature, base, reduction, divisor, empty
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
    problem = binary_problem(
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
    read = (problem.targets, problem.sample_weight, problem.pos_weight)
    out = contract.as_out(out, problem.logits, read)
    return kernels.binary_cross_entropy(problem, out), out
