"""The registered operator of binary cross-entropy: as `operators`, an output a number."""

from __future__ import annotations

from typing import Any

from torch import Tensor, library

from lastlayer.torch import binary_formulas, checks, mapping
from lastlayer.torch.kernel_calls import BinaryCrossEntropy
from lastlayer.torch.memory import viewable
from lastlayer.torch.operators import Pair, by_kernels, derivatives, fake, shaped, widened


@library.custom_op("lastlayer::binary_cross_entropy_with_logits", mutates_args=())
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
    arguments = (checks.as_reducer(reduction).reduction, input, target, weight, pos_weight)
    loss = binary_formulas.cross_entropy(*arguments)
    return shaped(loss, binary_formulas.gradient(*arguments) if gradient else None, input)


@cross_entropy.register_kernel("cpu")
def _(
    input: Tensor, target: Tensor, weight: Any, pos_weight: Any, reduction: str, gradient: bool
) -> Pair:
    tensors = (input, target, weight, pos_weight)
    if viewable(*tensors) and BinaryCrossEntropy.possible(input, pos_weight):
        return by_kernels(BinaryCrossEntropy(widened(input), *tensors[1:], reduction), gradient)
    pair: Pair = by_formulas(*tensors, reduction, gradient)
    return pair


by_formulas = cross_entropy._init_fn


@cross_entropy.register_fake
def _(
    input: Tensor, target: Tensor, weight: Any, pos_weight: Any, reduction: str, gradient: bool
) -> Pair:
    checks.binary_cross_entropy(input, target, weight, pos_weight)
    return fake(input, tuple(input.shape), checks.as_reducer(reduction).reduction, gradient)


def setup(ctx: Any, inputs: Any, output: Any) -> None:
    """Keep what `backward` needs."""
    ctx.reduction = inputs[4]
    ctx.save_for_backward(output[1], *inputs[:4])
    ctx.set_materialize_grads(False)


def backward(ctx: Any, *upstream: Tensor | None) -> Any:
    """From the loss and its gradient to the logits and targets."""
    gradient, *tensors = ctx.saved_tensors
    by_input, by_target = derivatives(
        ctx, gradient, tensors, upstream,
        lambda *t: binary_formulas.gradient(ctx.reduction, *t),
        lambda *t: binary_formulas.label_gradient(ctx.reduction, *t),
        None,
    )  # fmt: skip
    return by_input, by_target, None, None, None, None


cross_entropy.register_autograd(backward, setup_context=setup)


@cross_entropy.register_vmap
def _(info: Any, in_dims: Any, *arguments: Any) -> Any:
    return mapping.binary_cross_entropy(cross_entropy, info, in_dims, arguments)
