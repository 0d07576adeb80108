"""From a checked problem to the kernels of a row's statistics: which memory, which threads."""

from __future__ import annotations

from typing import Any

from lastlayer.contract import Array, address
from lastlayer.kernels import group, layout, statistics_narrow, statistics_wide
from lastlayer.kernels.dtypes import KIND_LIKES
from lastlayer.kernels.launch import scratch, spread
from lastlayer.problem import Problem


def fill(problem: Problem, temperature: float, columns: tuple[Array, ...]) -> None:
    """The statistics of rows that have class indices, into `columns` (N,); all can be walked.

    Seven columns, in the order of `RowStatistics`; or three: loss at the temperature and its two
    derivatives.
    """
    x = problem.logits
    like, count = problem.loss_dtype.type(0), x.shape[-1]
    variance = None if len(columns) == 7 else 0
    numbers = (0.0, 1.0 / temperature, 1.0, 1.0)
    # as the loss: None gives a kernel without the code for it, and the bits are the same
    rate = None if temperature == 1.0 and variance is None else temperature
    narrow = count <= group.MOST_CLASSES
    kernel = (statistics_narrow if narrow else statistics_wide).statistics_rows
    likes = (like, KIND_LIKES[layout.kind(x)])

    for part in layout.walk((x,)):
        of_x, indices = part.layouts[0], part.take(problem.indices)
        assert of_x is not None  # what was given to `walk`
        assert indices is not None
        results = [part.space(column) for column in columns]
        staged = None if of_x[3] == 1 or narrow else 1
        arguments = (
            part.inner, count, of_x, staged, address(indices), problem.ignore_index, numbers, rate,
            variance, tuple(map(address, results)),
        )  # fmt: skip

        def work(lo: int, hi: int, arguments: tuple[Any, ...] = arguments) -> None:
            kernel(lo, hi, *arguments, *scratch.addresses, *likes)

        spread(work, part.rows, count, like.itemsize, (x, indices, results))
        for result, column in zip(results, columns, strict=True):
            part.put(result, column)
