"""What every contestant is given: logits, labels and weights, the same at every call."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lastlayer.bench.cases import Case, Layout, numpy_dtype
from lastlayer.contract import Array, Floats, Indices

SPREAD = 3.0  # the logits' standard deviation: rows that are neither uniform nor decided
PADDING = 16  # columns beside the classes: a vocabulary padded to a round number
BLOCK = 1 << 20  # logits that are made, or widened to float64, at a time


@dataclass(frozen=True)
class Inputs:
    """The arrays of a case; the class axis is 1."""

    case: Case
    logits: Array  # (N, C), or (N, C, H, W) of images
    labels: Indices  # (N,), or (N, H, W)
    threads: int
    targets: Array | None = None  # soft targets, as the logits
    class_weight: Floats | None = None  # (C,)


def make_inputs(case: Case, threads: int) -> Inputs:
    """Normal logits of standard deviation 3 and uniform labels; those of the last case are kept.

    Nobody writes into them: who works in place takes a copy.
    """
    logits, labels, targets, weight = _arrays(replace(case, task="loss"))
    return Inputs(case, logits, labels, threads, targets, weight)


@functools.lru_cache(maxsize=1)  # the tasks of a shape follow each other
def _arrays(case: Case) -> tuple[Array, Indices, Array | None, Floats | None]:
    generator = np.random.default_rng(0)
    logits = _empty(case, case.layout)
    for block in blocks(case):
        here = logits[block]
        here[...] = generator.standard_normal(here.shape, np.float32) * np.float32(SPREAD)
    batch, classes, *image = case.dims
    labels = generator.integers(classes, size=(batch, *image), dtype=np.int64)
    targets = weight = None
    if case.option == "soft-targets":
        targets = _empty(case, case.layout)
        for block in blocks(case):
            e = np.exp(generator.standard_normal(targets[block].shape, np.float32))
            targets[block] = e / e.sum(axis=1, keepdims=True)
    if case.option == "class-weights":
        weight = generator.integers(1, 9, classes) / 4  # exact in every dtype
    return logits, labels, targets, weight


def _empty(case: Case, layout: Layout) -> Array:
    dims, dtype = case.dims, numpy_dtype(case.dtype)
    match layout:
        case "fortran":
            return np.empty(dims, dtype, order="F")
        case "padded":
            return np.empty((dims[0], dims[1] + PADDING), dtype)[:, : dims[1]]
        case "strided":
            return np.empty((dims[0], 2 * dims[1]), dtype)[:, ::2]
        case _:
            return np.empty(dims, dtype)


def blocks(case: Case) -> Iterator[slice]:
    """Ranges of the first axis, of about a million logits each."""
    batch, *rest = case.dims
    step = max(1, BLOCK // int(np.prod(rest)))
    for start in range(0, batch, step):
        yield slice(start, min(start + step, batch))


def as_rows(array: Array) -> Array:
    """With the class axis last, a row for each thing that is classified. (rows, C)"""
    rows: Array = np.moveaxis(array, 1, -1).reshape(-1, array.shape[1])
    return rows
