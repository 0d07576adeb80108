"""What is measured: logits of a shape, dtype and layout, and what is computed of them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

import numpy as np

Task = Literal["loss", "gradient", "softmax", "log-softmax", "score"]
Dtype = Literal["float32", "float64", "float16", "bfloat16"]
Option = Literal[
    "plain", "soft-targets", "label-smoothing", "class-weights", "z-loss", "soft-cap", "temperature"
]
Layout = Literal["rows", "padded", "strided", "fortran"]
TASKS = cast(tuple[Task, ...], get_args(Task))
FUNCTIONS: tuple[Task, ...] = TASKS[:4]  # what every library has a function for
DTYPES = cast(tuple[Dtype, ...], get_args(Dtype))
OPTIONS = cast(tuple[Option, ...], get_args(Option))
LAYOUTS = cast(tuple[Layout, ...], get_args(Layout))
TASK_TITLES: dict[Task, str] = {
    "loss": "loss",
    "gradient": "loss and gradient",
    "softmax": "softmax",
    "log-softmax": "log-softmax",
    "score": "score",
}
OPTION_TITLES: dict[Option, str] = {
    "plain": "",
    "soft-targets": "soft targets",
    "label-smoothing": "label smoothing",
    "class-weights": "class weights",
    "z-loss": "z-loss",
    "soft-cap": "soft-cap",
    "temperature": "temperature",
}
LAYOUT_TITLES: dict[Layout, str] = {
    "rows": "",
    "padded": "padded rows",
    "strided": "every second column",
    "fortran": "Fortran order",
}

SMOOTHING = 0.1
Z_LOSS = 1e-4
SOFTCAP = 30.0
TEMPERATURE = 2.0


@dataclass(frozen=True)
class Case:
    """One thing to compute: `task` on random logits, a row for each thing that is classified."""

    rows: int
    classes: int
    dtype: Dtype
    task: Task
    option: Option = "plain"
    layout: Layout = "rows"
    image: tuple[int, ...] = ()  # height and width, where the rows are the pixels of images

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape of the logits: (N, C), or (N, C, H, W) of images."""
        return (self.rows // math.prod(self.image), self.classes, *self.image)

    @property
    def shape(self) -> str:
        """As it is typed: 2048x32000."""
        return "x".join(map(str, self.dims))

    @property
    def logits_title(self) -> str:
        """The logits as they are printed, without their dtype: 2048×32000, Fortran order."""
        layout = LAYOUT_TITLES[self.layout]
        return "×".join(map(str, self.dims)) + (f", {layout}" if layout else "")

    @property
    def task_title(self) -> str:
        """What is computed: loss, soft targets."""
        return ", ".join(p for p in (TASK_TITLES[self.task], OPTION_TITLES[self.option]) if p)

    @property
    def title(self) -> str:
        """All of it: 2048×32000 float32, loss."""
        shape, _, layout = self.logits_title.partition(", ")
        return ", ".join(p for p in (f"{shape} {self.dtype}", layout, self.task_title) if p)

    @property
    def logits_bytes(self) -> int:
        """How much memory the logits take."""
        return self.rows * self.classes * numpy_dtype(self.dtype).itemsize

    @property
    def few_rows(self) -> Case:
        """The same with a few rows: enough to load what a call needs."""
        image = tuple(min(side, 8) for side in self.image)
        return replace(self, rows=math.prod(image) if image else min(self.rows, 64), image=image)


def make_case(
    dims: Sequence[int],
    dtype: Dtype,
    task: Task,
    option: Option = "plain",
    layout: Layout = "rows",
) -> Case:
    """The case of logits of this shape; a ValueError where there is none."""
    if option != "plain" and task in ("softmax", "log-softmax", "score"):
        raise ValueError(f"{task} has no {OPTION_TITLES[option]}")
    batch, classes, *image = dims
    if image and layout != "rows":
        raise ValueError(f"images lie in one piece: no layout {layout!r} for them")
    if image and task == "score":
        raise ValueError("a score takes the class axis last: no images for it")
    return Case(batch * math.prod(image), classes, dtype, task, option, layout, tuple(image))


def parse_shape(text: str) -> tuple[int, ...]:
    """Rows and classes of "2048x32000", or N, C, H, W; a ValueError that says how to write them."""
    words = re.split(r"\s*[xX×*]\s*", text.strip())
    if len(words) not in (2, 4) or not all(re.fullmatch(r"\d*[1-9]\d*", word) for word in words):
        raise ValueError(
            f"{text!r} is no shape: write rows x classes, such as 65536x1000, "
            "or images as 4x21x512x512"
        )
    return tuple(map(int, words))


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
