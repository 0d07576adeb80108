"""The first call of the kernels, with what it cost: compiling, or loading what was compiled."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

import lastlayer as ll


@dataclass(frozen=True)
class WarmUp:
    """What the first call cost."""

    seconds: float
    compiled: bool  # False: everything came from the cache


def warm_up() -> WarmUp:
    """Call the loss, its gradient, softmax and score once on float32 logits and int64 labels.

    Numba compiles a kernel for this processor at its first call and keeps the machine code, so
    that the next process only loads it.

    Returns
    -------
    WarmUp
        Seconds, the import of Numba included, and whether anything was compiled.

    Examples
    --------
    >>> from lastlayer.learning.warm_up import warm_up
    >>> warm_up().seconds >= 0
    True
    """
    start = time.perf_counter()
    from numba.core import event

    logits, labels = np.zeros((2, 10), np.float32), np.zeros(2, np.int64)
    with event.install_recorder("numba:compile") as compilations:
        ll.cross_entropy_with_grad(logits, labels)
        ll.cross_entropy(logits, labels)
        ll.softmax(logits)
        ll.score(logits, labels)
    return WarmUp(time.perf_counter() - start, bool(compilations.buffer))
