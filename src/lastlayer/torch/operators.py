"""The registered operators: what torch.compile, torch.func and other devices are given.

A loss comes with its gradient where that is asked for, and the backward pass makes use of it. On
the CPU they call the kernels, on other devices the formulas; the derivatives of a gradient are
formulas everywhere. The signatures are flat, as torch.library has them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lastlayer import reduction as reductions
from lastlayer.torch import checks, formulas
from lastlayer.torch.eager import Call, result_of, times
from lastlayer.torch.formulas import Options, class_axis
from lastlayer.torch.kernel_calls import CrossEntropy
from lastlayer.torch.memory import as_tensor, empty_like, viewable

Pair = tuple[Tensor, Tensor]
_NUMBERS = (
    "ignore_index", "label_smoothing", "z_loss", "softcap", "temperature", "reduction", "divisor",
    "empty",
)  # fmt: skip


def _options(numbers: tuple[Any, ...]) -> Options:
    return checks.options(**dict(zip(_NUMBERS, numbers, strict=True)))


def shaped(loss: Tensor, gradient: Tensor | None, input: Tensor) -> Pair:
    """A loss and its gradient, laid out as the kernels do; without one, nothing in its place."""
    if gradient is None:
        return loss, input.new_empty(0)
    place = gradient_like(input)
    return loss, gradient if gradient.stride() == place.stride() else place.copy_(gradient)


def gradient_like(input: Tensor) -> Tensor:
    place = torch.empty_like(input)
    dense = place.stride() == input.stride()
    return place if dense else torch.empty_like(input, memory_format=torch.contiguous_format)


def by_kernels(call: Call, wanted: bool) -> Pair:
    gradient = empty_like(call.logits) if wanted else call.logits[:0].reshape(-1).copy()
    return result_of(call(gradient if wanted else None), call), as_tensor(gradient)


def fake(input: Tensor, rows: tuple[int, ...], reduction: str, gradient: bool) -> Pair:
    loss = input.new_empty(
        rows if reduction == "none" else (), dtype=formulas.loss_dtype(input)
    )
    return loss, gradient_like(input) if gradient else input.new_empty(0)


# --------------------------------------------------------------------------- cross-entropy


@torch.library.custom_op("lastlayer::cross_entropy", mutates_args=())
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
    options = _options(numbers)
    refuse_nothing(*tensors, options)
    loss = formulas.cross_entropy(*tensors, options)
    return shaped(loss, formulas.gradient(*tensors, options) if gradient else None, input)


@cross_entropy.register_kernel("cpu")
def _(
    input: Tensor, target: Tensor, weight: Any, sample_weight: Any, *numbers: Any
) -> Pair:
    tensors = (input, target, weight, sample_weight)
    if not viewable(*tensors):
        return by_formulas(*tensors, *numbers)
    *rest, wanted = numbers
    return by_kernels(CrossEntropy(*tensors, **dict(zip(_NUMBERS, rest, strict=True))), wanted)


by_formulas = cross_entropy._init_fn


@cross_entropy.register_fake
def _(
    input: Tensor, target: Tensor, weight: Any, sample_weight: Any, *numbers: Any
) -> Pair:
    checks.cross_entropy(input, target, weight, sample_weight)
    *rest, wanted = numbers
    shape, axis = tuple(input.shape), class_axis(input)
    return fake(input, shape[:axis] + shape[axis + 1 :], _options(tuple(rest)).reduction, wanted)


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    *tensors, ctx.options = *inputs[:4], _options(inputs[4:12])
    ctx.save_for_backward(output[1], *tensors)
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, g: Tensor | None, g_of_gradient: Tensor | None) -> Any:
    gradient, *tensors = ctx.saved_tensors
    by_input, by_target = derivatives(
        ctx, gradient, tensors, (g, g_of_gradient),
        lambda *t: formulas.gradient(*t, ctx.options),
        lambda *t: formulas.label_gradient(*t, ctx.options),
        class_axis(tensors[0]),
    )  # fmt: skip
    return by_input, by_target, *(None for _ in range(11))


cross_entropy.register_autograd(_backward, setup_context=_setup)


def derivatives(
    ctx: Any,
    gradient: Tensor,
    tensors: list[Any],
    upstream: tuple[Tensor | None, Tensor | None],
    by_input: Callable[..., Tensor],
    by_target: Callable[..., Tensor],
    axis: int | None,
) -> tuple[Tensor | None, Tensor | None]:
    """What the loss and its gradient hand on to the logits and to the targets."""
    g, g_of_gradient = upstream
    parts: list[list[Tensor]] = [[], []]
    if g is not None and ctx.needs_input_grad[0]:
        known = gradient if gradient.shape == tensors[0].shape else by_input(*tensors)
        parts[0].append(times(known, g, axis))
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


@cross_entropy.register_vmap
def _(info: Any, in_dims: Any, *arguments: Any) -> Any:
    tensors, numbers, wanted = arguments[:4], arguments[4:12], arguments[12]
    options = _options(numbers)

    def counted(*t: Any) -> Tensor:
        return formulas.counted(*formulas.classes_last(*t[:2]), *t[2:], options)

    divisor = torch.vmap(counted, in_dims[:4])(*tensors) if options.reduction == "mean" else None
    if options.empty == "raise" and divisor is not None:
        _refuse(divisor.min(), tuple(tensors[0].shape))
    if in_dims[2] is not None or tensors[0].device.type != "cpu":

        def each(*t: Any) -> Pair:
            loss = formulas.cross_entropy(*t, options)
            return loss, formulas.gradient(*t, options) if wanted else t[0].new_empty(0)

        return torch.vmap(each, in_dims[:4])(*tensors), (0, 0)

    size = info.batch_size
    input, target, _, samples = (_batch_first(*pair, size) for pair in zip(tensors, in_dims))
    assert input is not None
    fold = input.ndim > 2  # otherwise the batch takes the place of the rows
    folded = [t.flatten(0, 1) if fold and t is not None else t for t in (input, target, samples)]
    each_row = (*numbers[:5], "none", None, "nan", wanted)
    loss, gradient = cross_entropy(*folded[:2], tensors[2], folded[2], *each_row)
    if fold:
        loss = loss.unflatten(0, input.shape[:2])
    if options.reduction != "none":
        ones = torch.ones(size, dtype=torch.float64)
        divisor = ones if divisor is None else divisor
        loss = torch.vmap(lambda a, b: formulas.reduced(a, b, options))(loss, divisor)
        loss = loss.to(formulas.loss_dtype(input))
    if not wanted:
        return (loss, gradient.expand(size, 0)), (0, 0)
    gradient = gradient.reshape(input.shape)
    if divisor is not None:
        scale = formulas.scale_of(divisor, options).to(formulas.loss_dtype(input))
        gradient = times(gradient, scale.view(-1, *(1,) * (input.ndim - 1)), None)
    return (loss, gradient), (0, 0)


def _batch_first(tensor: Tensor | None, dim: int | None, size: int) -> Tensor | None:
    if tensor is None:
        return None
    return tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)


def refuse_nothing(
    input: Tensor, target: Tensor, weight: Any, sample_weight: Any, options: Options
) -> None:
    """Look, where empty="raise" asks for it, whether there is something to take the mean of."""
    if options.empty == "raise" and options.reduction == "mean":
        x, t = formulas.classes_last(input, target)
        _refuse(formulas.counted(x, t, weight, sample_weight, options), tuple(x.shape[:-1]))


def _refuse(divisor: Tensor, rows: tuple[int, ...]) -> None:
    reductions.as_reducer("mean", None, "raise", float(divisor), rows)
