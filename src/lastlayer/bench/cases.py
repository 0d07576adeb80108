"""What is measured: a shape, a dtype and a task, its inputs, and the answer that is right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np

from lastlayer import reference
from lastlayer.contract import Array, Floats, Indices

Task = Literal["loss", "gradient", "softmax"]
Dtype = Literal["float32", "float64", "float16", "bfloat16"]
TASKS = cast(tuple[Task, ...], get_args(Task))
DTYPES = cast(tuple[Dtype, ...], get_args(Dtype))
TASK_TITLES: dict[Task, str] = {
    "loss": "loss",
    "gradient": "loss and gradient",
    "softmax": "softmax",
}

SHAPES = ((2048, 32000), (65536, 1000), (1000000, 10))
QUICK_SHAPES = ((64, 32000), (2048, 1000), (50000, 10))
SPREAD = 3.0  # the logits' standard deviation: rows that are neither uniform nor decided
BLOCK = 1 << 20  # logits that the reference widens to float64 at a time

# Relative to the entry and to the largest that a gradient may have, 1 / N. What the peers promise,
# not what lastlayer does: its own bounds are tested elsewhere.
TOLERANCE: dict[Dtype, float] = {
    "float32": 1e-4,
    "float64": 1e-8,
    "float16": 3e-2,
    "bfloat16": 3e-2,
}


@dataclass(frozen=True)
class Case:
    """One thing to compute: `task` on random logits of shape (N, C)."""

    rows: int
    classes: int
    dtype: Dtype
    task: Task

    @property
    def shape(self) -> str:
        """As it is typed: 2048x32000."""
        return f"{self.rows}x{self.classes}"

    @property
    def title(self) -> str:
        """As it is printed: 2048×32000 float32, loss."""
        return f"{self.rows}×{self.classes} {self.dtype}, {TASK_TITLES[self.task]}"

    @property
    def logits_bytes(self) -> int:
        """How much memory the logits take."""
        return self.rows * self.classes * numpy_dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Inputs:
    """What every contestant is given."""

    case: Case
    logits: Array  # (N, C)
    labels: Indices  # (N,)
    threads: int


@dataclass(frozen=True)
class Outcome:
    """What a contestant answered, as NumPy has it."""

    loss: float | None = None
    array: Array | None = None  # the gradient, or the probabilities (N, C)


@dataclass(frozen=True)
class Expected:
    """The right answer in float64: the mean loss, some rows of the array, and Σ |entry| of all."""

    loss: float
    rows: Indices
    array: Floats  # (len(rows), C)
    total: float


def parse_shape(text: str) -> tuple[int, int]:
    """Rows and classes of "2048x32000"; a ValueError that says how to write them."""
    match = re.fullmatch(r"\s*(\d+)\s*[xX×*]\s*(\d+)\s*", text)
    if match is None or min(int(match[1]), int(match[2])) < 1:
        raise ValueError(f"{text!r} is no shape: write rows x classes, such as 65536x1000")
    return int(match[1]), int(match[2])


def numpy_dtype(name: Dtype) -> np.dtype[Any]:
    """The NumPy dtype of that name; bfloat16 comes from ml_dtypes."""
    if name != "bfloat16":
        return np.dtype(name)
    try:
        import ml_dtypes
    except ImportError:
        raise ValueError("bfloat16 needs ml_dtypes: pip install ml-dtypes") from None
    found: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return found


def make_inputs(case: Case, threads: int, seed: int = 0) -> Inputs:
    """Normal logits of standard deviation 3 and uniform labels, the same at every call."""
    generator = np.random.default_rng(seed)
    logits = np.empty((case.rows, case.classes), numpy_dtype(case.dtype))
    for block in _blocks(case):
        shape = (block.stop - block.start, case.classes)
        logits[block] = generator.standard_normal(shape, np.float32) * np.float32(SPREAD)
    labels = generator.integers(case.classes, size=case.rows, dtype=np.int64)
    return Inputs(case, logits, labels, threads)


def expected(inputs: Inputs) -> Expected:
    """The reference's answer, a block of rows at a time."""
    case, n = inputs.case, inputs.case.rows
    picked = np.unique(np.linspace(0, n - 1, 64).astype(np.int64))
    kept, losses, total = [], 0.0, 0.0
    for block in _blocks(case):
        z = inputs.logits[block].astype(np.float64)
        array = reference.softmax(z)
        if case.task != "softmax":
            labels = inputs.labels[block, None]
            losses -= float(np.take_along_axis(reference.log_softmax(z), labels, -1).sum())
            array -= reference.one_hot(labels[:, 0], case.classes)
            array /= n
        total += float(np.abs(array).sum())
        here = picked[(picked >= block.start) & (picked < block.stop)]
        kept.append(array[here - block.start])
    return Expected(losses / n, picked, np.concatenate(kept), total)


def fault(outcome: Outcome, right: Expected, case: Case) -> str | None:
    """What is wrong with an answer, in a few words; None where it is right within the tolerance."""
    tolerance = TOLERANCE[case.dtype]
    if case.task != "softmax":
        if outcome.loss is None:
            return "it returned no loss"
        if not abs(outcome.loss - right.loss) <= tolerance * right.loss:
            return f"its loss is {outcome.loss:.6g}, and {right.loss:.6g} is right"
    if case.task == "loss":
        return None
    array, name = outcome.array, "gradient" if case.task == "gradient" else "probabilities"
    if array is None or array.shape != (case.rows, case.classes):
        return f"its {name} have shape {None if array is None else array.shape}"
    largest = 1 / case.rows if case.task == "gradient" else 1.0
    tiny = _tiny(case.dtype)
    error = np.abs(array[right.rows].astype(np.float64) - right.array)
    allowed = tolerance * (np.abs(right.array) + largest) + tiny
    if not (error <= allowed).all():
        row, column = np.argwhere(~(error <= allowed))[0]
        found = float(array[right.rows[row], column])
        return (
            f"its {name} at row {right.rows[row]}, class {column} is {found:.6g}, "
            f"and {right.array[row, column]:.6g} is right"
        )
    total = sum(float(np.abs(array[b].astype(np.float64)).sum()) for b in _blocks(case))
    if not abs(total - right.total) <= tolerance * right.total + tiny * array.size:
        return f"the sum of its |{name}| is {total:.6g}, and {right.total:.6g} is right"
    return None


def _blocks(case: Case) -> Iterator[slice]:
    step = max(1, BLOCK // case.classes)
    for start in range(0, case.rows, step):
        yield slice(start, min(start + step, case.rows))


def _tiny(dtype: Dtype) -> float:
    """The smallest number above 0: what an entry that underflows may be off by."""
    return {"float16": 2.0**-24, "bfloat16": 2.0**-133}.get(dtype, 0.0)
