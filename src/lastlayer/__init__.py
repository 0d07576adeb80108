"""The last layer of every classifier: softmax and cross-entropy.

Exact where other implementations return 0 or NaN. The functions here take
NumPy arrays; importing them costs NumPy and no more, the compiled kernels load at the first call.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lastlayer import distribution
from lastlayer.files import FileFormatError
from lastlayer.functional import (
    binary_cross_entropy,
    binary_cross_entropy_with_grad,
    cross_entropy,
    cross_entropy_with_grad,
    log_softmax,
    logsumexp,
    quadratic_cost,
    quadratic_cost_with_grad,
    softmax,
)
from lastlayer.kernels.threads import get_num_threads, num_threads, set_num_threads
from lastlayer.labels import LabelError

if TYPE_CHECKING:
    from lastlayer.learning.explain import explain
    from lastlayer.scoring.function import score
    from lastlayer.scoring.score import Score
    from lastlayer.scoring.temperature import fit_temperature

__version__ = "0.1.0"

__all__ = [
    "FileFormatError",
    "LabelError",
    "Score",
    "binary_cross_entropy",
    "binary_cross_entropy_with_grad",
    "cross_entropy",
    "cross_entropy_with_grad",
    "distribution",
    "explain",
    "fit_temperature",
    "get_num_threads",
    "log_softmax",
    "logsumexp",
    "num_threads",
    "quadratic_cost",
    "quadratic_cost_with_grad",
    "score",
    "set_num_threads",
    "softmax",
]

_LAZY = {
    "Score": "lastlayer.scoring.score",
    "explain": "lastlayer.learning.explain",
    "fit_temperature": "lastlayer.scoring.temperature",
    "score": "lastlayer.scoring.function",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
