"""Softmax, its logarithm, and logsumexp."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from lastlayer import contract, kernels
from lastlayer.contract import Array

Axes = int | tuple[int, ...] | None


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
    out = contract.as_out(out, array)
    whole = out.reshape(1) if out.ndim == 0 else out
    result = _classes_last(whole, axes)
    kernels.normalise(rows, result, kind)
    moved = result is not whole and not np.may_share_memory(result, whole)
    if moved:  # class axes that no single stride can walk
        last = tuple(range(whole.ndim - len(axes), whole.ndim))
        shape = np.moveaxis(whole, axes, last).shape
        whole[...] = np.moveaxis(result.reshape(shape), last, axes)
    return out


def _class_rows(x: ArrayLike, axis: Axes) -> tuple[Array, Array, tuple[int, ...]]:
    """`x` as an array, with its class axes as one last axis (..., C), and which they were."""
    array = contract.as_scores(x)
    whole = array.reshape(1) if array.ndim == 0 else array  # a number: one class
    if axis is None:
        axes = tuple(range(whole.ndim))
    elif isinstance(axis, tuple):
        axes = tuple(contract.as_axis(a, whole.ndim) for a in axis)
        if len(set(axes)) < len(axes) or not axes:
            raise ValueError(f"axis = {axis} must name one or more axes, each once")
    else:
        axes = (contract.as_axis(axis, whole.ndim),)
    rows = _classes_last(whole, axes)
    if rows.shape[-1] == 0:
        raise ValueError(f"x of shape {array.shape} has nothing along axis {axis}")
    return array, rows, axes


def _classes_last(array: Array, axes: tuple[int, ...]) -> Array:
    if len(axes) == 1:
        return contract.last(array, axes[0])
    count = len(axes)
    moved = np.moveaxis(array, axes, range(array.ndim - count, array.ndim))
    return moved.reshape(*moved.shape[:-count], math.prod(moved.shape[array.ndim - count :]))
