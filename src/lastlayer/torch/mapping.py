"""How a mapped call (torch.vmap) becomes one call: the mapped axis joins the rows.

Each rule is given what to call in its turn: an operator, or the Function that wraps it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lastlayer.torch import checks, formulas

Result = tuple[tuple[Tensor, Tensor], tuple[int, int]]


def cross_entropy(apply: Callable[..., Any], info: Any, in_dims: Any, arguments: Any) -> Result:
    """Softmax cross-entropy, row by row, and then each mapped call's own reduction."""
    tensors, numbers, wanted = arguments[:4], arguments[4:12], arguments[12]
    if in_dims[2] is not None:  # class weights that differ from call to call
        return _one_by_one(apply, info, in_dims, arguments)
    size, options = info.batch_size, checks.listed_options(numbers)
    input, target, _, samples = _batch_first(tensors, in_dims, size)
    weight = tensors[2]
    one_row = input.ndim == 2  # then the mapped axis takes the place of the rows
    x, t, s = (v if one_row or v is None else v.flatten(0, 1) for v in (input, target, samples))
    each_row = (*numbers[:5], "none", None, "nan", wanted)
    loss, gradient = apply(x, t, weight, s, *each_row)
    gradient = gradient.reshape(input.shape) if wanted else gradient.expand(size, 0)
    if options.reduction == "none":
        return (loss if one_row else loss.unflatten(0, input.shape[:2]), gradient), (0, 0)

    divisor = torch.ones(size, dtype=formulas.double(input), device=input.device)
    if options.reduction == "mean" and options.divisor is not None:
        divisor = divisor * options.divisor
    elif options.reduction == "mean":
        count = formulas.weights_that_count(options, *formulas.classes_last(x, t), weight, s)
        divisor = count.reshape(size, -1).sum(1)
    if options.empty == "raise" and size:
        checks.not_empty(divisor.min(), tuple(x.shape[:1] + x.shape[2:]))
    loss = formulas.reduced(loss.reshape(size, -1), divisor, options)
    if wanted:
        gradient = _scaled(gradient, formulas.scale_of(divisor, options))
    return (loss.to(formulas.loss_dtype(input)), gradient), (0, 0)


def binary_cross_entropy(
    apply: Callable[..., Any], info: Any, in_dims: Any, arguments: Any
) -> Result:
    """Binary cross-entropy, output by output, and then each mapped call's own reduction."""
    *tensors, reduction, wanted = arguments
    size = info.batch_size
    input, target, *weights = _batch_first(tensors, in_dims, size)
    wide = [
        None if w is None else w.reshape(size, *(1,) * (input.ndim - w.ndim), *w.shape[1:])
        for w in weights
    ]
    loss, gradient = apply(input, target, *wide, "none", wanted)
    gradient = gradient if wanted else gradient.expand(size, 0)
    if reduction == "none":
        return (loss, gradient), (0, 0)
    total = loss.reshape(size, -1).sum(1, dtype=formulas.double(input))
    number = input[0].numel() if reduction == "mean" and size else 1
    if wanted and number > 1:
        gradient = _scaled(gradient, torch.full_like(total, 1 / number))
    return ((total / number).to(formulas.loss_dtype(input)), gradient), (0, 0)


def _one_by_one(apply: Callable[..., Any], info: Any, in_dims: Any, arguments: Any) -> Result:
    results = [
        apply(
            *(a if d is None else a.select(d, i) for a, d in zip(arguments, in_dims, strict=True))
        )
        for i in range(info.batch_size)
    ]
    losses, gradients = (torch.stack(parts) for parts in zip(*results, strict=True))
    return (losses, gradients), (0, 0)


def _batch_first(tensors: Any, in_dims: Any, size: int) -> list[Any]:
    return [
        t if t is None else t.expand(size, *t.shape) if d is None else t.movedim(d, 0)
        for t, d in zip(tensors, in_dims[: len(tensors)], strict=True)
    ]


def _scaled(gradient: Tensor, scale: Tensor) -> Tensor:
    return gradient * scale.view(-1, *(1,) * (gradient.ndim - 1)).to(gradient.dtype)
