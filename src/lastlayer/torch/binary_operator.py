"""The registered operator of binary cross-entropy: as `operators`, an output a number."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lastlayer.torch import binary_formulas, checks
from lastlayer.torch.kernel_calls import BinaryCrossEntropy
from lastlayer.torch.memory import viewable
from lastlayer.torch.operators import Pair, by_kernels, derivatives, fake, shaped


@torch.library.custom_op("lastlayer::binary_cross_entropy_with_logits", mutates_args=())
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    pos_weight: Tensor | None,
    reduction: str,
    gradient: bool,
) -> tuple[Tensor, Tensor]:
    """The loss, and its gradient or nothing. By the formulas."""
    checks.binary_cross_entropy(input, target, weight, pos_weight)
    arguments = (input, target, weight, pos_weight, checks.as_reducer(reduction).reduction)
    loss = binary_formulas.cross_entropy(*arguments)
    return shaped(loss, binary_formulas.gradient(*arguments) if gradient else None, input)


@cross_entropy.register_kernel("cpu")
def _(
    input: Tensor, target: Tensor, weight: Any, pos_weight: Any, reduction: str, gradient: bool
) -> Pair:
    tensors = (input, target, weight, pos_weight)
    if viewable(*tensors) and BinaryCrossEntropy.possible(input, pos_weight):
        return by_kernels(BinaryCrossEntropy(*tensors, reduction), gradient)
    return by_formulas(*tensors, reduction, gradient)


by_formulas = cross_entropy._init_fn


@cross_entropy.register_fake
def _(
    input: Tensor, target: Tensor, weight: Any, pos_weight: Any, reduction: str, gradient: bool
) -> Pair:
    checks.binary_cross_entropy(input, target, weight, pos_weight)
    return fake(input, tuple(input.shape), checks.as_reducer(reduction).reduction, gradient)


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.reduction = inputs[4]
    ctx.save_for_backward(output[1], *inputs[:4])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, *upstream: Any) -> Any:
    gradient, *tensors = ctx.saved_tensors
    by_input, by_target = derivatives(
        ctx, gradient, tensors, upstream,
        lambda *t: binary_formulas.gradient(*t, ctx.reduction),
        lambda *t: binary_formulas.label_gradient(*t, ctx.reduction),
        None,
    )  # fmt: skip
    return by_input, by_target, None, None, None, None


cross_entropy.register_autograd(_backward, setup_context=_setup)


@cross_entropy.register_vmap
def _(info: Any, in_dims: Any, *arguments: Any) -> Any:
    *tensors, reduction, wanted = arguments

    def each(*t: Any) -> Pair:
        loss = binary_formulas.cross_entropy(*t, reduction)
        return loss, binary_formulas.gradient(*t, reduction) if wanted else t[0].new_empty(0)

    return torch.vmap(each, in_dims[:4])(*tensors), (0, 0)
