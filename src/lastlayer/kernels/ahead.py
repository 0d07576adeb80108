"""How far before its use memory is asked for, by kernels that read rows block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lastlayer.kernels.jit import inner
from lastlayer.kernels.memory import prefetch, prefetch_into_l2, width
from lastlayer.kernels.processor import ABREAST

# bytes: the next block; of blocks of 1 KB the third
AHEAD, AHEAD_OF_HALVES = 2048, 3072


def _asker(fetch: Callable[..., Any]) -> Callable[..., Any]:
    @inner
    def ask(x: Any, ahead: Any, lanes: Any) -> None:
        for k in range(0, ABREAST, 2):
            fetch(x, ahead + k * lanes)
            if lanes * width(x[0]) > 32:  # else two vectors lie in a cache line
                fetch(x, ahead + (k + 1) * lanes)

    return ask


# Ask for the memory of the vectors abreast at x[ahead], of the next block; and of what is needed
# later, and would crowd L1.
ask, ask_early = _asker(prefetch), _asker(prefetch_into_l2)


@inner
def far_ahead(x: Any) -> Any:
    """How many elements before its use memory is asked for."""
    return (AHEAD_OF_HALVES if width(x[0]) == 2 else AHEAD) // width(x[0])
