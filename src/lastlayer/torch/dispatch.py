"""Which way a call goes: who is watching, and where its tensors are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad


def is_plain(*tensors: Tensor | None) -> bool:
    """Whether these are tensors in the CPU's memory, and nothing but autograd watches."""
    return bool(
        forward_ad._current_level < 0
        and not torch._C._are_functorch_transforms_active()
        and not torch._C._len_torch_dispatch_stack()
        and all(t is None or (type(t) in _PLAIN and t.is_cpu and not t.is_sparse) for t in tensors)
    )


_PLAIN = (Tensor, torch.nn.Parameter)


def forward_mode() -> bool:
    """Whether forward-mode derivatives may be asked for, which torch.library has no place for."""
    return bool(forward_ad._current_level >= 0)


def transformed() -> bool:
    """Whether this is called under torch.func, and not while it is compiled."""
    active: bool = not torch.compiler.is_compiling()
    return active and torch._C._are_functorch_transforms_active()


def gradient_wanted(input: Tensor) -> bool:
    """Whether somebody may ask for the gradient: what is mapped does not tell."""
    return bool(torch.is_grad_enabled() and (input.requires_grad or transformed()))
