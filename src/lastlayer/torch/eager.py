"""The plain call on the CPU: the project's kernels, as directly as autograd allows.

The gradient is computed in one pass with the loss, at the loss's own scale, and kept; the backward
pass hands it over, and multiplies it first where it is asked for another multiple than 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from lastlayer import contract
from lastlayer.contract import Array
from lastlayer.torch.memory import as_array, as_tensor, empty_like

_keep_graph: Callable[[], bool] = getattr(
    torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True
)


class Call(ABC):
    """A loss of the kernels, its arguments checked."""

    logits: Array  # as they lie
    axis: int | None  # the class axis, where a loss is of a row
    numbers: dict[str, Any]  # the options, for the formulas
    problem: Any

    @abstractmethod
    def __call__(self, gradient: Array | None) -> Any:
        """The reduced loss, and the gradient into an array like the logits."""

    @abstractmethod
    def read(self) -> tuple[Array | None, ...]:
        """What else is read."""

    def gradient_times(self, g: Tensor, out: Array) -> Tensor:
        """The gradient of g · loss, computed at that scale and rounded once."""
        size = np.abs(as_array(g).astype(np.float64))
        scale = self.problem.reduce.scale * float(size) if size.ndim == 0 else size
        if not (np.all(np.isfinite(scale)) and (size.ndim or scale)):  # 0 · ∞ and its kin
            self(out)
            return as_tensor(out).mul_(beside(g, self.axis))
        if size.ndim == 0:
            reduce = replace(self.problem.reduce, reduction="mean", divisor=1 / scale)
            self.problem = replace(self.problem, reduce=reduce)
        else:
            samples = self.problem.sample_weight
            each = size.reshape(-1) if samples is None else size.reshape(-1) * samples
            self.problem = replace(self.problem, sample_weight=each)
        self(out)
        gradient = as_tensor(out)
        if (g < 0).any():
            gradient.mul_(beside(g.sign(), self.axis))
        return gradient

    @staticmethod
    @abstractmethod
    def by_input(numbers: dict[str, Any], *tensors: Tensor | None) -> Tensor:
        """The gradient in operations that can be differentiated again, of the saved tensors."""

    @staticmethod
    @abstractmethod
    def by_target(numbers: dict[str, Any], *tensors: Tensor | None) -> Tensor:
        """The gradient with respect to the targets, likewise."""


def loss(call: Call, *tensors: Tensor | None, inplace: bool) -> Tensor:
    """The loss of (input, target, weights), with what autograd needs."""
    input, target = tensors[:2]
    assert input is not None
    assert target is not None
    if not (torch.is_grad_enabled() and (input.requires_grad or target.requires_grad)):
        return result_of(call(None), call)
    if inplace and input.requires_grad:
        _check_overwriting(input, call)
        result: Tensor = _InPlace.apply(call, *tensors)
    else:
        # what Function.apply does before this is for torch.func, which is not here
        result = super(Function, _Loss).apply(call, *tensors)
    return result


def result_of(value: Any, call: Call) -> Tensor:
    """A loss, or one a row, as a tensor of its dtype."""
    return torch.from_numpy(np.asarray(value, contract.loss_dtype(call.logits)))


class _Loss(Function):
    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Tensor | None) -> Tensor:
        gradient = None
        if ctx.needs_input_grad[1]:
            gradient = empty_like(call.logits)
        value = result_of(call(gradient), call)
        # not the call itself: its arrays would live as long as the loss does
        ctx.kind, ctx.axis, ctx.numbers = type(call), call.axis, call.numbers
        ctx.save_for_backward(None if gradient is None else as_tensor(gradient), *tensors)
        return value

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        gradient, *tensors = ctx.saved_tensors
        by_input = by_target = None
        if ctx.needs_input_grad[1]:
            if torch.is_grad_enabled():  # to be differentiated again
                by_input = _by_formula(ctx, tensors, g)
            else:
                by_input = _multiplied(ctx, gradient, tensors, g)
        if ctx.needs_input_grad[2]:
            by_target = times(ctx.kind.by_target(ctx.numbers, *tensors), g, ctx.axis)
        return None, by_input, by_target, *(None for _ in tensors[2:])


class _InPlace(Function):
    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Tensor | None) -> Tensor:
        ctx.call = call
        ctx.save_for_backward(*tensors)
        return result_of(call(None), call)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "inplace_backward=True has no second derivative: the gradient takes the place of "
                "the logits, from which it would be computed"
            )
        input, *others = ctx.saved_tensors  # which fails if the logits have been written to
        call, ctx.call, by_target = ctx.call, None, None
        if ctx.needs_input_grad[2]:
            by_target = times(call.by_target(call.numbers, input, *others), g, call.axis)
        call.gradient_times(g, call.logits)
        torch.autograd.graph.increment_version(input)  # whoever else saved them is told
        return None, input.detach(), by_target, *(None for _ in others[1:])


def _check_overwriting(input: Tensor, call: Call) -> None:
    """Refuse to overwrite logits that are needed."""
    if input.is_leaf:
        raise ValueError(
            "inplace_backward=True would overwrite input, a leaf that requires grad, with its own "
            "gradient: it is for logits that a network computed"
        )
    contract.as_out(call.logits, call.logits, call.read(), "input")
    producer = input.grad_fn
    result = getattr(producer, "_saved_result", None)
    if isinstance(result, Tensor) and result.data_ptr() == input.data_ptr():
        raise ValueError(
            f"inplace_backward=True would overwrite input, which {type(producer).__name__} needs "
            "for its own gradient"
        )


def _by_formula(ctx: Any, tensors: list[Tensor | None], g: Tensor) -> Tensor:
    result = times(ctx.kind.by_input(ctx.numbers, *tensors), g, ctx.axis)
    return result if tensors[0] is None else result.to(tensors[0].dtype)


def _multiplied(ctx: Any, gradient: Tensor, tensors: list[Tensor | None], g: Tensor) -> Tensor:
    """gradient · g, in the gradient's own memory where nobody needs that any more."""
    functorch = torch._C._functorch
    if functorch.is_legacy_batchedtensor(g) or functorch.is_functorch_wrapped_tensor(g):
        return _by_formula(ctx, tensors, g)  # several g at once, whose values are not to be read
    if g.ndim and g.numel() and not any(g.stride()):  # a sum's: the same for every row
        g = g[(0,) * g.ndim]
    spare = not _keep_graph()
    if not g.ndim and g.item() == 1:
        return gradient if spare else gradient.clone()
    if gradient.itemsize == 2:  # what underflowed when it was rounded is not to be had from there
        call = ctx.kind(*tensors, **ctx.numbers)
        result: Tensor = call.gradient_times(g, empty_like(call.logits))
        return result
    return gradient.mul_(beside(g, ctx.axis)) if spare else times(gradient, g, ctx.axis)


def times(gradient: Tensor, g: Tensor, axis: int | None) -> Tensor:
    """gradient · g, in the gradient's dtype."""
    return (gradient * beside(g, axis)).to(gradient.dtype)


def beside(g: Tensor, axis: int | None) -> Tensor:
    """g, one for each row, as it multiplies all classes of it."""
    return g.unsqueeze(axis) if g.ndim and axis is not None else g
