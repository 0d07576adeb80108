"""The last layer in PyTorch: the losses of torch.nn.functional and torch.nn, exact and fast.

Names, argument order, defaults and meaning are those of PyTorch; further options are keyword-only.
"""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as _error:
    if _error.name != "torch":
        raise
    raise ModuleNotFoundError(
        "lastlayer.torch needs PyTorch: python -m pip install 'lastlayer[torch]'", name="torch"
    ) from None

from lastlayer.labels import LabelError
from lastlayer.torch.losses import binary_cross_entropy_with_logits, cross_entropy
from lastlayer.torch.modules import BCEWithLogitsLoss, CrossEntropyLoss
from lastlayer.torch.probabilities import log_softmax, softmax

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "LabelError",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "log_softmax",
    "softmax",
]
