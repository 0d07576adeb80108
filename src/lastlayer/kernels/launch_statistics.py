"""From a checked problem to the kernels of a row's statistics: which memory, which threads."""

from __future__ import annotations

from typing import Any

from lastlayer.contract import Array, address
from lastlayer.kernels import layout, statistics_narrow, statistics_wide
from lastlayer.kernels.dtypes import KIND_LIKES
from lastlayer.kernels.launch import scratch, spread
from lastlayer.problem import Problem


def _kernel(problem: Problem, temperature: float, count: int) -> Any:
    """A call of the kernel for so many columns: of rows [lo, hi) of a part, with its labels."""
    x = problem.logits
    like = problem.loss_dtype.type(0)
    variance = None if count == 7 else 0
    numbers = (0.0, 1.0 / temperature, 1.0, 1.0)
    # as the loss: None gives a kernel without the code for it, and the bits are the same
    rate = None if temperature == 1.0 and variance is None else temperature
    narrow = layout.few(x)
    kernel = (statistics_narrow if narrow else statistics_wide).statistics_rows
    likes = (like, KIND_LIKES[layout.kind(x)])

    def call(lo: int, hi: int, part: layout.Rows, labels: Array, columns: tuple[int, ...],
             taker: tuple[int, int] | None) -> None:  # fmt: skip
        of_x = part.layouts[0]
        assert of_x is not None  # what was given to `walk`
        staged = None if of_x[3] == 1 or narrow else 1
        kernel(
            lo, hi, part.inner, x.shape[-1], of_x, staged, address(labels), problem.ignore_index,
            numbers, rate, variance, columns, taker, *scratch.addresses, *likes,
        )  # fmt: skip

    return call


def fill(problem: Problem, temperature: float, columns: tuple[Array, ...]) -> None:
    """The statistics of rows that have class indices, into `columns` (N,); all can be walked.

    Seven columns, in the order of `RowStatistics`; or three: loss at the temperature and its two
    derivatives.
    """
    x, call = problem.logits, _kernel(problem, temperature, len(columns))
    row_bytes = x.shape[-1] * problem.loss_dtype.itemsize
    for part in layout.walk((x,)):
        indices = part.take(problem.indices)
        assert indices is not None
        results = [part.space(column) for column in columns]
        addresses = tuple(map(address, results))

        def work(lo: int, hi: int, part: Any = part, indices: Any = indices,
                 addresses: Any = addresses) -> None:  # fmt: skip
            call(lo, hi, part, indices, addresses, None)

        spread(work, part.rows, row_bytes, (x, indices, results))
        for result, column in zip(results, columns, strict=True):
            part.put(result, column)


def hand_on(problem: Problem, columns: tuple[int, ...], taker: tuple[int, int]) -> None:
    """The statistics of the rows (N, C) of logits that can be walked, a chunk at a time.

    In this thread and in order; `columns` are the addresses of memory for a chunk.
    """
    x, call = problem.logits, _kernel(problem, problem.temperature, len(columns))
    for part in layout.walk((x,)):  # there is one at most
        assert problem.indices is not None
        call(0, part.rows, part, problem.indices, columns, taker)
