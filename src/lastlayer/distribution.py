"""Entropy, cross-entropy and divergence of distributions that are already probabilities.

For raw outputs use `lastlayer.cross_entropy`: a logarithm taken of a probability cannot know what
its rounding lost.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from lastlayer import contract
from lastlayer.contract import Floats

__all__ = ["cross_entropy", "entropy", "kl_divergence"]

Form = Literal["categorical", "binary"]


def cross_entropy(
    p: ArrayLike,
    q: ArrayLike,
    *,
    axis: int = -1,
    base: float = math.e,
    form: Form = "categorical",
) -> Any:
    r"""Cross-entropy H(p, q): the cost of describing samples of p with a code made for q.

    "categorical", one distribution over C classes: −Σ_j p_j log q_j.
    "binary", C independent yes-or-no outputs: −Σ_j [p_j log q_j + (1 − p_j) log(1 − q_j)].
    A term whose weight p_j (or 1 − p_j) is 0 is 0, also where its logarithm is not finite.

    Parameters
    ----------
    p : array_like, shape (..., C, ...)
        The label: probabilities in [0, 1].
    q : array_like, shape (..., C, ...)
        The prediction, of a shape that broadcasts with `p`.
    axis : int, default -1
        Along which the classes lie.
    base : float, default e
        Of the logarithm: e for nats, 2 for bits, 10 for hartleys.
    form : {"categorical", "binary"}, default "categorical"
        Which of the two sums.

    Returns
    -------
    float64 scalar or ndarray
        A value a distribution; +inf where q is 0 (binary: or 1) and p is not.

    Raises
    ------
    ValueError
        A value outside [0, 1] or NaN, shapes that do not broadcast, or, in the categorical form,
        a distribution whose sum is off 1 by more than 1e-3 (3e-2 in half precision).
    TypeError
        Input that is not numeric, or belongs to PyTorch or JAX.

    Examples
    --------
    >>> import lastlayer as ll
    >>> q = [[0.5, 0.2, 0.3], [0.8, 0.1, 0.1]]
    >>> ll.distribution.cross_entropy([1, 0, 0], q, base=10).round(4)
    array([0.301 , 0.0969])
    >>> ll.distribution.cross_entropy([1, 0, 0], q, base=10, form="binary").round(4)
    array([0.5528, 0.1884])

    References
    ----------
    C. E. Shannon, A Mathematical Theory of Communication (1948).
    """
    contract.one_of(form, "form", ("categorical", "binary"))
    number = contract.as_base(base)
    categorical = form == "categorical"
    a, b = _pair(
        p, q, axis, sums_to_one=categorical, hint='; for independent outputs use form="binary"'
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = _weighted(a, -np.log(b))
        if not categorical:
            terms = terms + _weighted(1 - a, -np.log1p(-b))
    return (terms.sum(axis=-1) / math.log(number))[()]


def entropy(p: ArrayLike, *, axis: int = -1, base: float = math.e) -> Any:
    r"""Entropy H(p) = −Σ_j p_j log p_j: the least that any prediction of p can cost on average.

    Parameters
    ----------
    p : array_like, shape (..., C, ...)
        Probabilities in [0, 1] that sum to 1 along `axis`.
    axis : int, default -1
        Along which the classes lie.
    base : float, default e
        Of the logarithm: e for nats, 2 for bits, 10 for hartleys.

    Returns
    -------
    float64 scalar or ndarray
        A value a distribution, between 0 and log C.

    Raises
    ------
    TypeError, ValueError
        As `cross_entropy`.

    Examples
    --------
    >>> import lastlayer as ll
    >>> ll.distribution.entropy([0.5, 0.25, 0.25], base=2)
    np.float64(1.5)

    References
    ----------
    C. E. Shannon, A Mathematical Theory of Communication (1948).
    """
    number = contract.as_base(base)
    a = contract.as_probabilities(p, "p", axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (_weighted(a, -np.log(a)).sum(axis=-1) / math.log(number))[()]


def kl_divergence(p: ArrayLike, q: ArrayLike, *, axis: int = -1, base: float = math.e) -> Any:
    r"""Kullback–Leibler divergence Σ_j p_j log(p_j / q_j): cross-entropy above the entropy of p.

    Parameters
    ----------
    p, q : array_like, shape (..., C, ...)
        Probabilities in [0, 1] that sum to 1 along `axis`, of shapes that broadcast.
    axis : int, default -1
        Along which the classes lie.
    base : float, default e
        Of the logarithm: e for nats, 2 for bits, 10 for hartleys.

    Returns
    -------
    float64 scalar or ndarray
        A value a distribution; 0 where p is q, +inf where q is 0 and p is not.

    Raises
    ------
    TypeError, ValueError
        As `cross_entropy`.

    Examples
    --------
    >>> import lastlayer as ll
    >>> ll.distribution.kl_divergence([1, 0, 0], [0.5, 0.25, 0.25], base=2)
    np.float64(1.0)

    References
    ----------
    S. Kullback, R. A. Leibler, On Information and Sufficiency (1951).
    """
    number = contract.as_base(base)
    a, b = _pair(p, q, axis, sums_to_one=True)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # log1p of the relative difference: the log of a ratio near 1 would lose it
        close = np.abs(a - b) < b / 2
        log_ratio = np.where(close, np.log1p((a - b) / b), np.log(a) - np.log(b))
    return (_weighted(a, log_ratio).sum(axis=-1) / math.log(number))[()]


def _weighted(weight: Floats, value: Floats) -> Floats:
    """Weight times value, with 0 · ∞ = 0."""
    return np.multiply(weight, value, out=np.zeros(value.shape), where=weight > 0)


def _pair(p: Any, q: Any, axis: int, *, sums_to_one: bool, hint: str = "") -> tuple[Floats, Floats]:
    """Both distributions, checked and broadcast against each other. (..., C)"""
    a = contract.as_probabilities(p, "p", axis, sums_to_one=sums_to_one, hint=hint)
    b = contract.as_probabilities(q, "q", axis, sums_to_one=sums_to_one, hint=hint)
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(f"p has {a.shape[-1]} classes along axis {axis}, and q {b.shape[-1]}")
    try:
        a, b = np.broadcast_arrays(a, b)
    except ValueError:
        shapes = f"{a.shape} and {b.shape}"
        raise ValueError(f"p and q do not broadcast, with shapes {shapes}, classes last") from None
    return a, b
