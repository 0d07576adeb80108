"""The registered operators: what torch.compile, torch.func and other devices are given.

A loss comes with its gradient where that is asked for, and the backward pass makes use of it: in
float32 for half precision, to be rounded only after it is multiplied with what comes upstream. On
the CPU they call the kernels, on other devices the formulas; the derivatives of a gradient are
formulas everywhere. The signatures are flat, as those of PyTorch's operators are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, library

from lastlayer.torch import checks, formulas, mapping
from lastlayer.torch.eager import Call, result_of, times
from lastlayer.torch.formulas import Options, class_axis
from lastlayer.torch.kernel_calls import CrossEntropy
from lastlayer.torch.memory import as_tensor, empty_like, viewable

Pair = tuple[Tensor, Tensor]


def shaped(loss: Tensor, gradient: Tensor | None, input: Tensor) -> Pair:
    """A loss and its gradient, laid out as the kernels do; without one, nothing in its place."""
    if gradient is None:
        return loss, input.new_empty(0, dtype=formulas.loss_dtype(input))
    place = gradient_like(input)
    return loss, gradient if gradient.stride() == place.stride() else place.copy_(gradient)


def gradient_like(input: Tensor) -> Tensor:
    """A new tensor laid out as `memory.empty_like` does."""
    dense = torch.empty_like(input).stride() == input.stride()
    order = torch.preserve_format if dense else torch.contiguous_format
    return torch.empty_like(input, dtype=formulas.loss_dtype(input), memory_format=order)


def by_kernels(call: Call, wanted: bool) -> Pair:
    """A call of the kernels."""
    gradient = empty_like(call.logits) if wanted else np.empty(0, call.logits.dtype)
    return result_of(call(gradient if wanted else None), call), as_tensor(gradient)


def widened(input: Tensor) -> Tensor:
    """Half precision as float32, in which the kernels then give the gradient."""
    return input.to(formulas.loss_dtype(input))


def fake(input: Tensor, rows: tuple[int, ...], reduction: str, gradient: bool) -> Pair:
    """What has the shapes and dtypes of a loss and its gradient."""
    loss = input.new_empty(rows if reduction == "none" else (), dtype=formulas.loss_dtype(input))
    nothing = input.new_empty(0, dtype=loss.dtype)
    return loss, gradient_like(input) if gradient else nothing


# --------------------------------------------------------------------------- cross-entropy


@library.custom_op("lastlayer::cross_entropy", mutates_args=())
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    sample_weight: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
    z_loss: float,
    softcap: float | None,
    temperature: float,
    reduction: str,
    divisor: float | None,
    empty: str,
    gradient: bool,
) -> tuple[Tensor, Tensor]:
    """The loss, and its gradient or nothing. By the formulas."""
    tensors = (input, target, weight, sample_weight)
    numbers = (
        ignore_index, label_smoothing, z_loss, softcap, temperature, reduction, divisor, empty,
    )  # fmt: skip
    checks.cross_entropy(*tensors)
    options = checks.listed_options(numbers)
    refuse_nothing(options, *tensors)
    loss = formulas.cross_entropy(options, *tensors)
    return shaped(loss, formulas.gradient(options, *tensors) if gradient else None, input)


@cross_entropy.register_kernel("cpu")
def _(input: Tensor, target: Tensor, weight: Any, sample_weight: Any, *numbers: Any) -> Pair:
    tensors = (input, target, weight, sample_weight)
    if not viewable(*tensors):
        pair: Pair = by_formulas(*tensors, *numbers)
        return pair
    *rest, wanted = numbers
    call = CrossEntropy(widened(input), *tensors[1:], **checks.named(rest))
    return by_kernels(call, wanted)


by_formulas = cross_entropy._init_fn


@cross_entropy.register_fake
def _(input: Tensor, target: Tensor, weight: Any, sample_weight: Any, *numbers: Any) -> Pair:
    checks.cross_entropy(input, target, weight, sample_weight)
    *rest, wanted = numbers
    shape, axis = tuple(input.shape), class_axis(input)
    return fake(
        input, shape[:axis] + shape[axis + 1 :], checks.listed_options(rest).reduction, wanted
    )


def setup(ctx: Any, inputs: Any, output: Any) -> None:
    """Keep what `backward` needs."""
    ctx.options = checks.listed_options(inputs[4:12])
    ctx.save_for_backward(output[1], *inputs[:4])
    ctx.set_materialize_grads(False)


def backward(ctx: Any, *upstream: Tensor | None) -> Any:
    """From the loss and its gradient to the logits and, where they are floating, the targets."""
    gradient, *tensors = ctx.saved_tensors
    by_input, by_target = derivatives(
        ctx, gradient, tensors, upstream,
        lambda *t: formulas.gradient(ctx.options, *t),
        lambda *t: formulas.label_gradient(ctx.options, *t),
        class_axis(tensors[0]),
    )  # fmt: skip
    return by_input, by_target, *(None for _ in range(11))


cross_entropy.register_autograd(backward, setup_context=setup)


@cross_entropy.register_vmap
def _(info: Any, in_dims: Any, *arguments: Any) -> Any:
    return mapping.cross_entropy(cross_entropy, info, in_dims, arguments)


def derivatives(
    ctx: Any,
    gradient: Tensor,
    tensors: list[Any],
    upstream: tuple[Tensor | None, ...],
    by_input: Callable[..., Tensor],
    by_target: Callable[..., Tensor],
    axis: int | None,
) -> tuple[Tensor | None, Tensor | None]:
    """What the loss and its gradient hand on to the logits and to the targets."""
    g, g_of_gradient = upstream
    parts: list[list[Tensor]] = [[], []]
    if g is not None and ctx.needs_input_grad[0]:
        known = gradient if gradient.shape == tensors[0].shape else by_input(*tensors)
        parts[0].append(times(known, g, axis).to(tensors[0].dtype))
    if g is not None and ctx.needs_input_grad[1]:
        parts[1].append(times(by_target(*tensors), g, axis))
    if g_of_gradient is not None and g_of_gradient.shape == tensors[0].shape:
        input, target, *weights = tensors
        if ctx.needs_input_grad[0]:
            parts[0] += _vjp(lambda x: by_input(x, target, *weights), input, g_of_gradient)
        if ctx.needs_input_grad[1]:
            parts[1] += _vjp(lambda t: by_input(input, t, *weights), target, g_of_gradient)
    total = [sum(p[1:], p[0]) if p else None for p in parts]
    return total[0], total[1]


def _vjp(function: Callable[[Tensor], Tensor], at: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    products: tuple[Tensor, ...] = torch.func.vjp(function, at)[1](g)
    return products


def refuse_nothing(
    options: Options, input: Tensor, target: Tensor, weight: Any, sample_weight: Any
) -> None:
    """Look, where empty="raise" asks for it, whether there is something to take the mean of."""
    if options.empty == "raise" and options.reduction == "mean":
        x, t = formulas.classes_last(input, target)
        divisor = formulas.counted(options, x, t, weight, sample_weight)
        checks.not_empty(divisor, tuple(x.shape[:-1]))
