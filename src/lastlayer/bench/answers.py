"""The right answer of a case, by the reference in float64, and whether a contestant gave it."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lastlayer import reference
from lastlayer.bench.cases import SMOOTHING, SOFTCAP, TEMPERATURE, Z_LOSS, Case, Dtype, Option
from lastlayer.bench.inputs import Inputs, as_rows, blocks, make_inputs
from lastlayer.contract import Array, Floats, Indices
from lastlayer.problem import softmax_problem

# Relative to the entry and to the largest that a gradient may have, 1 / N. What the peers promise,
# not what lastlayer does: its own bounds are tested elsewhere.
TOLERANCE: dict[Dtype, float] = {
    "float32": 1e-4,
    "float64": 1e-8,
    "float16": 3e-2,
    "bfloat16": 3e-2,
}
NAMES = {"gradient": "gradient", "softmax": "probabilities", "log-softmax": "log-probabilities"}


@dataclass(frozen=True)
class Outcome:
    """What a contestant answered, as NumPy has it."""

    loss: float | None = None
    array: Array | None = None  # the gradient, or the (log-)probabilities, shape of the logits


@dataclass(frozen=True)
class Expected:
    """The right answer in float64: the mean loss, some rows of the array, and Σ |entry| of all."""

    loss: float
    rows: Indices
    array: Floats  # (len(rows), C)
    total: float
    largest: float  # that an entry of the array may be


def option_arguments(inputs: Inputs) -> dict[str, Any]:
    """What `ll.cross_entropy` is given for the option of a case, beside logits and labels."""
    arguments: dict[Option, dict[str, Any]] = {
        "class-weights": {"class_weight": inputs.class_weight},
        "label-smoothing": {"label_smoothing": SMOOTHING},
        "z-loss": {"z_loss": Z_LOSS},
        "soft-cap": {"softcap": SOFTCAP},
        "temperature": {"temperature": TEMPERATURE},
    }
    return arguments.get(inputs.case.option, {})


def expected(case: Case) -> Expected:
    """The reference's answer, a block of rows at a time; that of the last case is kept."""
    return _expected(replace(case, task="gradient") if case.task in ("loss", "score") else case)


@functools.lru_cache(maxsize=1)
def _expected(case: Case) -> Expected:
    inputs, n = make_inputs(case, 1), case.rows
    pixels = math.prod(case.image)
    weight = n if inputs.class_weight is None else inputs.class_weight[inputs.labels].sum()
    picked = np.unique(np.linspace(0, n - 1, 64).astype(np.int64))
    kept, losses, total, largest = [], 0.0, 0.0, 1.0
    for block in blocks(case):
        z = as_rows(inputs.logits[block]).astype(np.float64)
        if case.task == "softmax":
            array = reference.softmax(z)
        elif case.task == "log-softmax":
            array = reference.log_softmax(z)
            largest = max(largest, float(np.abs(array).max()))
        else:
            labels: Any = inputs.labels[block].reshape(-1)
            if inputs.targets is not None:
                labels = as_rows(inputs.targets[block]).astype(np.float64)
            problem = softmax_problem(z, labels, reduction="sum", **option_arguments(inputs))
            loss, array = reference.cross_entropy(problem)
            losses += float(loss.sum()) / weight
            array /= weight
            largest = 1 / n
        total += float(np.abs(array).sum())
        first, last = block.start * pixels, block.stop * pixels
        here = picked[(picked >= first) & (picked < last)]
        kept.append(array[here - first])
    return Expected(losses, picked, np.concatenate(kept), total, largest)


def fault(outcome: Outcome, right: Expected, case: Case) -> str | None:
    """What is wrong with an answer, in a few words; None where it is right within the tolerance."""
    tolerance = TOLERANCE[case.dtype]
    if case.task in ("loss", "gradient", "score"):
        if outcome.loss is None:
            return "it returned no loss"
        if not abs(outcome.loss - right.loss) <= tolerance * right.loss:
            return f"its loss is {outcome.loss:.6g}, and {right.loss:.6g} is right"
    if case.task in ("loss", "score"):
        return None
    array, name = outcome.array, NAMES[case.task]
    if array is None or array.shape != case.dims:
        return f"its {name} have shape {None if array is None else array.shape}"
    tiny = _tiny(case.dtype)
    image, pixel = np.divmod(right.rows, math.prod(case.image))
    found = array.reshape(*case.dims[:2], -1)[image, :, pixel].astype(np.float64)
    error = np.abs(found - right.array)
    allowed = tolerance * (np.abs(right.array) + right.largest) + tiny
    if not (error <= allowed).all():
        row, column = np.argwhere(~(error <= allowed))[0]
        return (
            f"its {name} at row {right.rows[row]}, class {column} is {found[row, column]:.6g}, "
            f"and {right.array[row, column]:.6g} is right"
        )
    total = sum(float(np.abs(array[b].astype(np.float64)).sum()) for b in blocks(case))
    if not abs(total - right.total) <= tolerance * right.total + tiny * array.size:
        return f"the sum of its |{name}| is {total:.6g}, and {right.total:.6g} is right"
    return None


def _tiny(dtype: Dtype) -> float:
    """The smallest number above 0: what an entry that underflows may be off by."""
    return {"float16": 2.0**-24, "bfloat16": 2.0**-133}.get(dtype, 0.0)
