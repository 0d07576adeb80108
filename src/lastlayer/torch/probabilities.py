"""Softmax and its logarithm."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_variadic

from lastlayer.torch import checks, dispatch, normalise


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    r"""torch.nn.functional.softmax, with an exact gradient: exp(x_j) / Σ_i exp(x_i).

    The gradient is p_j (d_j − Σ_i p_i d_i) with d the upstream gradient less that of the largest
    probability: it does not cancel where that rounds to 1.

    Parameters
    ----------
    input : Tensor
        float16, bfloat16, float32 or float64, of any shape and strides.
    dim : int
        Along which the probabilities sum to 1. Without it PyTorch's choice, and its warning.
    _stacklevel : int, default 3
        Of that warning.
    dtype : torch.dtype, optional
        What the input is converted to first.

    Returns
    -------
    Tensor
        Shape and dtype of the input; under autocast on other devices than the CPU float32, as
        PyTorch's.

    Raises
    ------
    TypeError, ValueError
        An input that is no floating tensor, a dim that it does not have or that is empty.

    Examples
    --------
    >>> import torch
    >>> from lastlayer.torch import softmax
    >>> softmax(torch.tensor([1000.0, 1000.0, -1000.0]), dim=0)
    tensor([0.5000, 0.5000, 0.0000])

    References
    ----------
    torch.nn.functional.softmax. Blanchard, Higham & Higham, doi 10.1093/imanum/draa038.
    """
    return _normalised(softmax, input, dim, _stacklevel, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    r"""torch.nn.functional.log_softmax, exact also where a probability rounds to 1.

    Computed as (x_j − m) − log1p(R), R the sum of exp(x_i − m) without the maximum itself; the
    gradient likewise without a cancellation.

    Parameters
    ----------
    input, dim, _stacklevel, dtype
        As `softmax`.

    Returns
    -------
    Tensor
        As `softmax`.

    Raises
    ------
    TypeError, ValueError
        As `softmax`.

    Examples
    --------
    >>> import torch
    >>> from lastlayer.torch import log_softmax
    >>> log_softmax(torch.tensor([20.0, 0.0, 1.0, 2.0]), dim=0)[0]
    tensor(-2.2894e-08)

    References
    ----------
    torch.nn.functional.log_softmax. Blanchard, Higham & Higham, doi 10.1093/imanum/draa038.
    """
    return _normalised(log_softmax, input, dim, _stacklevel, dtype)


def _normalised(
    function: Any, input: Tensor, dim: int | None, stacklevel: int, dtype: torch.dtype | None
) -> Tensor:
    logarithm = function is log_softmax
    compiling = torch.compiler.is_compiling()
    if not compiling and has_torch_function_variadic(input):
        result: Tensor = handle_torch_function(
            function, (input,), input, dim, _stacklevel=stacklevel, dtype=dtype
        )
        return result
    if not compiling:
        checks.are_tensors(input=input)
    if dim is None:
        dim = _implicit_dim(function.__name__, input.ndim, stacklevel)
    x = _converted(input, dtype)
    checks.floating(x)
    x = x.reshape(1) if input.ndim == 0 else x  # a number: one class
    axis = checks.axis(x, dim)
    if compiling:
        y = normalise.softmax(x, axis, logarithm)
    elif dispatch.forward_mode():
        y = normalise.by_formulas(x, axis, logarithm)
    else:
        y = normalise.Normalise.apply(x, axis, logarithm)
    return y.reshape(()) if input.ndim == 0 else y


def _converted(input: Tensor, dtype: torch.dtype | None) -> Tensor:
    if dtype is not None:
        return input.to(dtype)
    device = input.device.type
    if device != "cpu" and torch.is_autocast_enabled(device) and input.dtype != torch.float64:
        return input.float()
    return input


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if ndim in (0, 1, 3) else 1
