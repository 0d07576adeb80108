"""Softmax and its logarithm: the kernels, the registered operator, and the plain call."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from lastlayer import contract, kernels
from lastlayer.torch import derivatives
from lastlayer.torch.memory import as_array, as_tensor, viewable


def by_kernels(x: Tensor, axis: int, logarithm: bool) -> Tensor:
    """Of a tensor on the CPU."""
    array = as_array(x)
    out = np.empty(array.shape, array.dtype)
    kind: Any = "log_softmax" if logarithm else "softmax"
    kernels.normalise(contract.last(array, axis), contract.last(out, axis), kind)
    return as_tensor(out)


def by_formulas(x: Tensor, axis: int, logarithm: bool) -> Tensor:
    """Of any tensor, to be differentiated by autograd."""
    function: Any = derivatives.LogSoftmax if logarithm else derivatives.Softmax
    result: Tensor = function.apply(_classes_last(x, axis), 1.0)
    return result.to(x.dtype).movedim(-1, axis)


def derivative(x: Tensor, g: Tensor, axis: int, logarithm: bool) -> Tensor:
    """g times the Jacobian at x, computed in float32 or more and rounded once."""
    p = derivatives.Softmax.apply(_classes_last(x, axis), 1.0)
    product = derivatives.log_softmax_derivative if logarithm else derivatives.softmax_derivative
    return product(p, g.movedim(axis, -1).to(p.dtype)).to(x.dtype).movedim(-1, axis)


def _classes_last(x: Tensor, axis: int) -> Tensor:
    wide = x if x.dtype == torch.float64 else x.float()
    return wide.movedim(axis, -1)


class Plain(Function):
    """The plain call on the CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: int, logarithm: bool) -> Tensor:
        ctx.axis, ctx.logarithm = axis, logarithm
        ctx.save_for_backward(x)
        return by_kernels(x, axis, logarithm)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return derivative(*ctx.saved_tensors, g, ctx.axis, ctx.logarithm), None, None


@torch.library.custom_op("lastlayer::softmax", mutates_args=())
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


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    input, ctx.axis, ctx.logarithm = inputs
    ctx.save_for_backward(input)


def _backward(ctx: Any, g: Tensor) -> Any:
    return derivative(*ctx.saved_tensors, g, ctx.axis, ctx.logarithm), None, None


softmax.register_autograd(_backward, setup_context=_setup)


@softmax.register_vmap
def _(info: Any, in_dims: Any, input: Tensor, axis: int, logarithm: bool) -> Any:
    return softmax(input.movedim(in_dims[0], 0), axis + 1, logarithm), 0
