"""Which cases answer which question: the suites of ``lastlayer bench --suite``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lastlayer.bench.cases import DTYPES, OPTIONS, Case, Task, make_case

SHAPES = (
    (2048, 32000), (65536, 1000), (512, 262144), (16, 1000003),
    (1000000, 10), (500000, 20), (200000, 64),
)  # fmt: skip
QUICK_SHAPES = ((64, 32000), (2048, 1000), (50000, 10))
CLASSES = (
    2, 3, 5, 10, 17, 33, 64, 65, 100, 257, 1000, 1001, 4099, 16411, 32000, 262144, 1000003,
)  # fmt: skip
SWEEP = 16_000_000  # logits, about: 64 MB of float32, more than caches hold
IMAGES = (4, 21, 512, 512)  # segmentation into 21 classes, as of Pascal VOC
SMALL = ((1, 1000), (32, 10), (256, 100), (1024, 10))
BATCHES = ((256, 1000), (1024, 1000), (8192, 1000), (64, 32000), (256, 32000))
LOSSES: tuple[Task, ...] = ("loss", "gradient")
QUICKER = 32  # by what quick logits are smaller
SMALL_BYTES = 1 << 20  # of logits that are quick as they are
# scikit-learn's log_loss needs seconds a call: it takes part where a few shapes are compared.
SLOW = ("scikit-learn",)


@dataclass(frozen=True)
class Suite:
    """Cases that belong together, and how long and with whom they are measured."""

    question: str
    cases: tuple[Case, ...]
    seconds: float  # a case
    memory: bool = False  # whether the peak is measured where nobody asks
    without: tuple[str, ...] = SLOW  # peers that take part only when they are named
    threads: bool = False  # lastlayer alone, on several numbers of threads


def _plain(shapes: Iterable[Sequence[int]], tasks: Sequence[Task] = LOSSES) -> tuple[Case, ...]:
    return tuple(make_case(dims, "float32", task) for dims in shapes for task in tasks)


def _options() -> tuple[Case, ...]:
    return tuple(
        make_case(dims, "float32", task, option)
        for dims in ((512, 32000), (1000000, 10))
        for option in OPTIONS
        for task in LOSSES
    )


def _layouts() -> tuple[Case, ...]:
    batch, classes, height, width = IMAGES
    pixels = (batch * height * width, classes)
    return (
        *(
            make_case((65536, 1000), "float32", task, "plain", layout)
            for layout in ("rows", "padded", "strided", "fortran")
            for task in LOSSES
        ),
        *(
            make_case(pixels, "float32", task, "plain", layout)
            for layout in ("rows", "fortran")
            for task in LOSSES
        ),
        *_plain([IMAGES]),
    )


SUITES = {
    "headline": Suite(
        "how near the limits, how far ahead, how much memory",
        _plain(SHAPES), 6.0, memory=True, without=(),
    ),
    "classes": Suite(
        "from 2 classes to a million: is there a cliff",
        _plain((round(SWEEP / classes), classes) for classes in CLASSES), 5.0,
    ),
    "dtypes": Suite(
        "halves and doubles",
        tuple(make_case((2048, 32000), d, task) for d in DTYPES for task in LOSSES), 5.0,
    ),
    "options": Suite("what soft targets, weights and the others cost", _options(), 4.0),
    "layouts": Suite("strided and Fortran-ordered logits, images", _layouts(), 4.0),
    "softmax": Suite(
        "softmax and log-softmax, into out and in place",
        _plain([(2048, 32000), (65536, 1000), (1000000, 10)], ("softmax", "log-softmax")), 5.0,
    ),
    "scoring": Suite(
        "loss, accuracy and calibration in one pass; the limit is the loss alone",
        _plain([(2048, 32000), (65536, 1000), (1000000, 10)], ("score",)), 20.0,
        memory=True, without=(),
    ),
    "threads": Suite(
        "what a further thread brings; a gradient goes into an array that was given",
        (
            *_plain([(2048, 32000), (65536, 1000), (1000000, 10), (200000, 64)]),
            *(make_case((512, 32000), "float32", task, "soft-cap") for task in LOSSES),
            *(make_case((2048, 32000), "float64", task) for task in LOSSES),
        ),
        4.0, threads=True,
    ),
    "small": Suite("batches so small that calling is what costs", _plain(SMALL), 4.0),
    "batches": Suite(
        "batches as one trains with, some of which pay for a second thread and some do not",
        _plain(BATCHES, (*LOSSES, "softmax")), 4.0,
    ),
}  # fmt: skip


def title_of(name: str) -> str:
    """A suite and its question; a word for shapes that the user named."""
    return f"{name}: {SUITES[name].question}" if name in SUITES else "results"


def quick(name: str) -> tuple[Case, ...]:
    """The cases of a suite with a few megabytes of logits each."""
    if name == "headline":
        return _plain(QUICK_SHAPES)
    return tuple(_smaller(case) for case in SUITES[name].cases)


def _smaller(case: Case) -> Case:
    if case.logits_bytes < SMALL_BYTES:
        return case
    image = tuple(side // 8 for side in case.image)
    return replace(
        case, rows=math.prod(image) if image else max(1, case.rows // QUICKER), image=image
    )
