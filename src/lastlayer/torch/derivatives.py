"""Softmax, its logarithm, sigmoid and soft-cap in torch operations, with exact derivatives.

For every device and every transform. With the class k of the maximum set apart, and
R = Σ_{j≠k} exp((z_j − z_k) / T):

==================================  ============================================
log p_j, j ≠ k; log p_k             (z_j − z_k) / T − log1p(R); −log1p(R)
vector times Jacobian of log p      g_j − p_j Σ g, at k: g_k Σ_{j≠k} p_j − p_k Σ_{j≠k} g_j
vector times Jacobian of p          p_j (d_j − Σ p_i d_i), d = g − g_k
derivative of σ(z)                  σ(z) σ(−z)
derivative of c · tanh(x / c)       4u / (1 + u)², u = exp(−2 |x / c|)
==================================  ============================================

Nothing there cancels, so derivatives of any order keep what p_k − 1 would lose. Each derivative
is again made of these functions: it can be differentiated in either mode, mapped and traced. The
class axis is the last one. (..., C)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._functorch import eager_transforms
from torch.autograd import Function


def softmax(z: Tensor, temperature: float = 1.0) -> Tensor:
    """exp(z_j / T) / Σ exp(z_i / T)."""
    return _exact(_Softmax, z, temperature)


def log_softmax(z: Tensor, temperature: float = 1.0) -> Tensor:
    """z_j / T − log Σ exp(z_i / T)."""
    return _exact(_LogSoftmax, z, temperature)


def sigmoid(z: Tensor) -> Tensor:
    """1 / (1 + exp(−z))."""
    return _exact(_Sigmoid, z)


def log_sigmoid(z: Tensor) -> Tensor:
    """min(z, 0) − log1p(exp(−|z|))."""
    return _exact(_LogSigmoid, z)


def softcap(x: Tensor, cap: float) -> Tensor:
    """cap · tanh(x / cap); ±inf stay what they are."""
    return _exact(_Softcap, x, cap)


def _exact(function: type[Function], *arguments: Any) -> Tensor:
    """A function with derivatives of its own.

    Of several nested forward-mode transforms an autograd Function sees the innermost alone, and
    the others' part would silently be missing: there its operations are differentiated instead.
    """
    nested = eager_transforms.JVP_NESTING > 1
    result: Tensor = (function.forward if nested else function.apply)(*arguments)
    return result


class _Softmax(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, temperature: float) -> Tensor:
        _, e, rest = _parts(z, temperature)
        return e / (1 + rest)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.temperature = inputs[1]
        ctx.save_for_backward(output)
        ctx.save_for_forward(output)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (p,) = ctx.saved_tensors
        return softmax_derivative(p, g) / ctx.temperature, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: Any) -> Any:
        (p,) = ctx.saved_tensors
        return softmax_derivative(p, tangent) / ctx.temperature


class _LogSoftmax(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, temperature: float) -> Tensor:
        m, _, rest = _parts(z, temperature)
        return (z - m) / temperature - torch.log1p(rest)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        z, ctx.temperature = inputs
        ctx.save_for_backward(z)
        ctx.save_for_forward(z)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (z,) = ctx.saved_tensors
        p = softmax(z, ctx.temperature)
        return log_softmax_derivative(p, g) / ctx.temperature, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: Any) -> Any:
        (z,) = ctx.saved_tensors
        p = softmax(z, ctx.temperature)
        d = tangent - tangent.gather(-1, p.argmax(-1, keepdim=True))
        return (d - (p * d).sum(-1, keepdim=True)) / ctx.temperature


def softmax_derivative(p: Tensor, g: Tensor) -> Tensor:
    """The Jacobian of the softmax p, which is symmetric, times g."""
    d = g - g.gather(-1, p.argmax(-1, keepdim=True))
    return p * (d - (p * d).sum(-1, keepdim=True))


def log_softmax_derivative(p: Tensor, g: Tensor) -> Tensor:
    """g times the Jacobian of the logarithm of the softmax p."""
    top = p.argmax(-1, keepdim=True)
    rest = p.scatter(-1, top, 0.0).sum(-1, keepdim=True)
    others = g.scatter(-1, top, 0.0).sum(-1, keepdim=True)
    of_top = g.gather(-1, top)
    at_top = of_top * rest - p.gather(-1, top) * others
    return (g - p * (others + of_top)).scatter(-1, top, at_top)


def _parts(z: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """The maximum z_k, exp((z − z_k) / T), and the sum of that without k."""
    top = z.argmax(-1, keepdim=True)
    m = z.gather(-1, top)
    e = torch.exp((z - m) / temperature)
    rest = e.scatter(-1, top, 0.0).sum(-1, keepdim=True)
    return m, e, torch.where(torch.isfinite(m), rest, torch.nan)


class _Sigmoid(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return torch.sigmoid(z)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (z,) = ctx.saved_tensors
        return g * sigmoid(z) * sigmoid(-z)

    jvp = backward


class _LogSigmoid(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return torch.nn.functional.logsigmoid(z)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (z,) = ctx.saved_tensors
        return g * sigmoid(-z)

    jvp = backward


class _Softcap(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, cap: float) -> Tensor:
        return torch.where(torch.isinf(x), x, cap * torch.tanh(x / cap))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, ctx.cap = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g * softcap_slope(ctx.cap, *ctx.saved_tensors), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: Any) -> Any:
        return tangent * softcap_slope(ctx.cap, *ctx.saved_tensors)


def softcap_slope(cap: float, x: Tensor) -> Tensor:
    """1 − tanh², as 4u / (1 + u)² with u = exp(−2 |x / cap|)."""
    inside = torch.where(torch.isinf(x), 0.0, x)
    u = torch.exp(-2 * (inside / cap).abs())
    return 4 * u / (1 + u) ** 2
