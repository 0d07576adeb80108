"""The losses: each the contract, and then the kernels, an operator or the formulas."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_variadic

from lastlayer.torch import (
    binary_formulas,
    binary_operator,
    checks,
    dispatch,
    eager,
    formulas,
    operators,
    transforms,
)
from lastlayer.torch.kernel_calls import BinaryCrossEntropy, CrossEntropy


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    sample_weight: Tensor | None = None,
    z_loss: float = 0.0,
    softcap: float | None = None,
    temperature: float = 1.0,
    divisor: float | None = None,
    empty: str = "nan",
    inplace_backward: bool = False,
) -> Tensor:
    r"""torch.nn.functional.cross_entropy, exact.

    For one sample with the effective logits z = softcap · tanh(input / softcap) / temperature,
    p = softmax(z), weights w (`weight`), s (`sample_weight`), ε (`label_smoothing`), ζ (`z_loss`)
    and target t (one-hot for a class index), in nats:

        loss = s · [ −Σ_j w_j ((1 − ε) t_j + ε / C) log p_j  +  ζ · logsumexp(z)² ]

    A label whose logit is the largest has the loss log1p(R), R = Σ_{j≠y} exp(z_j − z_y), and the
    gradient −R / S, S = 1 + R: a confident right answer costs exp(−lead), not 0.

    Parameters
    ----------
    input : Tensor, shape (N, C), (C,) or (N, C, d1, ...)
        Logits: float16, bfloat16, float32 or float64, of any strides.
    target : Tensor
        Class indices, any integer dtype, shape of the input without its class dimension; or
        distributions, floating, shape of the input.
    weight : Tensor, shape (C,), optional
        w, not negative.
    size_average, reduce : bool, optional
        What PyTorch had before `reduction`.
    ignore_index : int, default -100
        Class indices of this value are left out: loss 0, gradient 0, not in the mean.
    reduction : {"mean", "sum", "none"}, default "mean"
        "mean" divides by the weight that counted, Σ s · w_label for class indices and Σ s for
        distributions.
    label_smoothing : float in [0, 1], default 0
        ε, mixed in from the uniform distribution over the classes.
    sample_weight : Tensor, shape of the input without its class dimension, optional
        s, not negative. A sample of weight 0 is left out, whatever its logits hold.
    z_loss : float, default 0
        ζ.
    softcap : float, optional
        Bounds the logits smoothly to ±softcap.
    temperature : float, default 1
        Divides the logits.
    divisor : float, optional
        What the mean divides by instead.
    empty : {"nan", "zero", "raise"}, default "nan"
        What a mean over nothing is.
    inplace_backward : bool, default False
        Let the backward pass write the gradient into the memory of `input`, which must be the
        result of an operation that does not need it again, and on the CPU.

    Returns
    -------
    Tensor
        float64 for a float64 input and float32 otherwise: a loss is never of half precision.
        Differentiable any number of times, with respect to `input` and to distributions.

    Raises
    ------
    LabelError
        On the CPU: a class index outside [0, C) that is not `ignore_index`, or a distribution
        that is negative, infinite or NaN. On other devices nothing waits for the labels, and such
        a sample's loss is NaN.
    TypeError
        Integer logits, floating class indices, something that is no tensor.
    ValueError
        Shapes that do not fit, an option outside its range, a weight that requires grad, or
        `inplace_backward` where it would be wrong.

    Examples
    --------
    >>> import torch
    >>> from lastlayer.torch import cross_entropy
    >>> input = torch.tensor([[20.0, 0.0, 1.0, 2.0]], requires_grad=True)
    >>> loss = cross_entropy(input, torch.tensor([0]))
    >>> loss
    tensor(2.2894e-08, grad_fn=<_LossBackward>)
    >>> loss.backward()
    >>> input.grad[0, 0]
    tensor(-2.2894e-08)
    >>> torch.nn.functional.cross_entropy(input, torch.tensor([0]))
    tensor(0., grad_fn=<NllLossBackward0>)

    References
    ----------
    torch.nn.functional.cross_entropy; its inexactness: pytorch#113708. The gradient that vanishes
    otherwise, "softmax collapse": Prieto et al., arXiv 2501.04697.
    """
    numbers: dict[str, Any] = {
        "ignore_index": ignore_index,
        "label_smoothing": label_smoothing,
        "z_loss": z_loss,
        "softcap": softcap,
        "temperature": temperature,
        "reduction": reduction,
        "divisor": divisor,
        "empty": empty,
    }
    if size_average is not None or reduce is not None:
        numbers["reduction"] = _legacy(size_average, reduce)
    tensors = (input, target, weight, sample_weight)
    if torch.compiler.is_compiling():
        _no_inplace(inplace_backward)
        return _operator(tensors, numbers)
    if has_torch_function_variadic(*tensors):
        named = {"sample_weight": sample_weight, "inplace_backward": inplace_backward}
        result: Tensor = handle_torch_function(
            cross_entropy, tensors, input, target, weight, **numbers, **named
        )
        return result
    plain = dispatch.is_plain(*tensors)
    if not plain:
        checks.are_tensors(input=input, target=target, weight=weight, sample_weight=sample_weight)
    if weight is not None or sample_weight is not None:
        checks.no_gradient_for(weight=weight, sample_weight=sample_weight)
    if plain:
        return eager.loss(CrossEntropy(*tensors, **numbers), *tensors, inplace=inplace_backward)
    _no_inplace(inplace_backward)
    checks.cross_entropy(*tensors)
    options = checks.options(**numbers)
    if dispatch.forward_mode():
        checks.label_values(input, target, options.ignore_index)
        operators.refuse_nothing(options, *tensors)
        return formulas.cross_entropy(options, *tensors)
    return _operator(tensors, checks.numbers(options))


def _operator(tensors: tuple[Any, ...], numbers: dict[str, Any]) -> Tensor:
    apply = transforms.CrossEntropy.apply if dispatch.transformed() else operators.cross_entropy
    loss: Tensor = apply(*tensors, *numbers.values(), dispatch.gradient_wanted(tensors[0]))[0]
    return loss


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    r"""torch.nn.functional.binary_cross_entropy_with_logits, exact.

    For one output z with target t and weights s (`weight`) and w (`pos_weight`), in nats:

        loss = −s · [ w t log σ(z) + (1 − t) log(1 − σ(z)) ]

    Its gradient is computed as (1 − t) σ(z) − w t σ(−z), which is σ(z) − t without cancelling.

    Parameters
    ----------
    input : Tensor, any shape
        Logits: float16, bfloat16, float32 or float64, of any strides.
    target : Tensor, shape of the input
        In [0, 1]; integers and booleans too.
    weight : Tensor, broadcast to the input, optional
        s, not negative. An output of weight 0 is left out, whatever its logit; the mean divides
        by the number of outputs all the same, as PyTorch's does.
    size_average, reduce : bool, optional
        What PyTorch had before `reduction`.
    reduction : {"mean", "sum", "none"}, default "mean"
        Over all outputs.
    pos_weight : Tensor, broadcast to the input, optional
        w, not negative.

    Returns
    -------
    Tensor
        float64 for a float64 input and float32 otherwise.

    Raises
    ------
    LabelError
        On the CPU, a target outside [0, 1]; on other devices its loss is NaN.
    TypeError, ValueError
        As `cross_entropy`.

    Examples
    --------
    >>> import torch
    >>> from lastlayer.torch import binary_cross_entropy_with_logits
    >>> logits, target = torch.tensor([40.0, -1.0]), torch.tensor([1.0, 0.0])
    >>> binary_cross_entropy_with_logits(logits, target, reduction="none")
    tensor([4.2484e-18, 3.1326e-01])

    References
    ----------
    torch.nn.functional.binary_cross_entropy_with_logits.
    """
    if size_average is not None or reduce is not None:
        reduction = _legacy(size_average, reduce)
    tensors = (input, target, weight, pos_weight)
    if torch.compiler.is_compiling():
        return _binary_operator(tensors, reduction)
    if has_torch_function_variadic(*tensors):
        result: Tensor = handle_torch_function(
            binary_cross_entropy_with_logits, tensors, input, target, weight,
            reduction=reduction, pos_weight=pos_weight,
        )  # fmt: skip
        return result
    checks.are_tensors(input=input, target=target, weight=weight, pos_weight=pos_weight)
    checks.no_gradient_for(weight=weight, pos_weight=pos_weight)
    if dispatch.is_plain(*tensors) and BinaryCrossEntropy.possible(input, pos_weight):
        return eager.loss(BinaryCrossEntropy(*tensors, reduction), *tensors, inplace=False)
    checks.binary_cross_entropy(*tensors)
    checks.as_reducer(reduction)
    if dispatch.forward_mode():
        checks.binary_values(input, target)
        return binary_formulas.cross_entropy(reduction, *tensors)
    return _binary_operator(tensors, reduction)


def _binary_operator(tensors: tuple[Any, ...], reduction: str) -> Tensor:
    binary = transforms.BinaryCrossEntropy.apply
    apply = binary if dispatch.transformed() else binary_operator.cross_entropy
    loss: Tensor = apply(*tensors, reduction, dispatch.gradient_wanted(tensors[0]))[0]
    return loss


def _legacy(size_average: bool | None, reduce: bool | None) -> str:
    word: str = torch.nn._reduction.legacy_get_string(size_average, reduce)
    return word


def _no_inplace(inplace_backward: bool) -> None:
    if inplace_backward:
        raise ValueError(
            "inplace_backward=True is for the plain call on the CPU: not under torch.compile or a "
            "transform, nor on another device"
        )
