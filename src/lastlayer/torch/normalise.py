"""Softmax and its logarithm: the kernels, the registered operator, and the plain call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, library
from torch.autograd import Function

from lastlayer import contract, kernels, large_arrays
from lastlayer.torch import derivatives
from lastlayer.torch.memory import as_array, as_tensor, viewable


def by_kernels(x: Tensor, axis: int, logarithm: bool) -> Tensor:
    """Of a tensor on the CPU."""
    array = as_array(x)
    out = large_arrays.empty(array.shape, array.dtype)
    kind: Any = "log_softmax" if logarithm else "softmax"
    kernels.normalise(contract.last(array, axis), contract.last(out, axis), kind)
    return as_tensor(out)


def by_formulas(x: Tensor, axis: int, logarithm: bool) -> Tensor:
    """Of any tensor, to be differentiated by autograd."""
    function = derivatives.log_softmax if logarithm else derivatives.softmax
    result: Tensor = function(_classes_last(x, axis))
    return result.to(x.dtype).movedim(-1, axis)


def derivative(x: Tensor, g: Tensor, axis: int, logarithm: bool) -> Tensor:
    """g times the Jacobian at x, computed in float32 or more and rounded once."""
    p = derivatives.softmax(_classes_last(x, axis))
    product = derivatives.log_softmax_derivative if logarithm else derivatives.softmax_derivative
    return product(p, g.movedim(axis, -1).to(p.dtype)).to(x.dtype).movedim(-1, axis)


def _classes_last(x: Tensor, axis: int) -> Tensor:
    wide = x if x.dtype == torch.float64 else x.float()
    return wide.movedim(axis, -1)


@library.custom_op("lastlayer::softmax", mutates_args=())
def softmax(input: Tensor, axis: int, logarithm: bool) -> Tensor:
    """Softmax or its logarithm along an axis counted from 0. By the formulas."""
    return by_formulas(input, axis, logarithm).contiguous()


@softmax.register_kernel("cpu")
def _(input: Tensor, axis: int, logarithm: bool) -> Tensor:
    if not viewable(input):
        return by_formulas(input, axis, logarithm).contiguous()
    return by_kernels(input, axis, logarithm)


@softmax.register_fake
def _(input: Tensor, axis: int, logarithm: bool) -> Tensor:
    return torch.empty_like(input, memory_format=torch.contiguous_format)


def setup(ctx: Any, inputs: Any, output: Any) -> None:
    """Keep what `backward` needs."""
    input, ctx.axis, ctx.logarithm = inputs
    ctx.save_for_backward(input)


def backward(ctx: Any, g: Tensor) -> Any:
    """From the result to the input."""
    (x,) = ctx.saved_tensors
    return derivative(x, g, ctx.axis, ctx.logarithm), None, None


softmax.register_autograd(backward, setup_context=setup)


def _mapped(apply: Any, in_dims: Any, input: Tensor, axis: int, logarithm: bool) -> Any:
    return apply(input.movedim(in_dims[0], 0), axis + 1, logarithm), 0


@softmax.register_vmap
def _(info: Any, in_dims: Any, *arguments: Any) -> Any:
    return _mapped(softmax, in_dims, *arguments)


class Normalise(Function):
    """The operator where nothing is compiled: torch.func cannot differentiate it without."""

    @staticmethod
    def forward(*arguments: Any) -> Tensor:
        result: Tensor = softmax(*arguments)
        return result

    setup_context = staticmethod(setup)
    backward = staticmethod(backward)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *arguments: Any) -> Any:
        return _mapped(Normalise.apply, in_dims, *arguments)
