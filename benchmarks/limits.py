"""Which of the speeds that lastlayer is to have it has, from the results of `lastlayer bench`.

lastlayer bench --suite all
python benchmarks/limits.py lastlayer-bench/bench.json

Several files are read as one, a later one replacing the cases of those before it. A line each: met,
NOT met or not measured, with the number and what it has to be. The status is 1 unless all are met.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Case = dict[str, Any]
Check = tuple[str, float | None, float]  # what, measured, at least

RIVALS = ("torch", "torch-compile", "jax")
LARGE = ([2048, 32000], [65536, 1000], [512, 262144], [16, 1000003])
FEW = ([1000000, 10], [500000, 20], [200000, 64])
OURS = {"loss": "lastlayer", "gradient": "lastlayer-out"}  # a gradient into an array that is given
LIMIT = {"loss": "read", "gradient": "copy"}


class Results:
    """The cases of some runs, found by what they are."""

    def __init__(self, paths: list[str]) -> None:
        found = [case for path in paths for case in json.loads(Path(path).read_text())["cases"]]
        self.cases = {self._key(case): case for case in found}

    @staticmethod
    def _key(case: Case) -> tuple[Any, ...]:
        names = ("suite", "dtype", "task", "option", "layout")
        return (*(case[name] for name in names), *case["logits"])

    def find(self, suite: str, **wanted: Any) -> list[Case]:
        """Those of a suite; float32, plain and in rows where nothing else is wanted."""
        wanted = {"dtype": "float32", "option": "plain", "layout": "rows"} | wanted
        return [
            case
            for case in self.cases.values()
            if case["suite"] == suite and all(case[name] == wanted[name] for name in wanted)
        ]

    def one(self, suite: str, **wanted: Any) -> Case | None:
        """The first of them."""
        return next(iter(self.find(suite, **wanted)), None)


def seconds(case: Case | None, name: str) -> float | None:
    rows = [] if case is None else case["contestants"]
    return next((row["seconds"]["median"] for row in rows if row["name"] == name), None)


def ratio(over: float | None, under: float | None) -> float | None:
    return None if over is None or under is None else over / under


def ahead(case: Case | None, names: tuple[str, ...] = RIVALS, ours: str | None = None) -> Any:
    """How many times faster lastlayer is than the best of these."""
    if case is None:
        return None
    times = [found for name in names if (found := seconds(case, name)) is not None]
    return ratio(min(times, default=None), seconds(case, ours or OURS[case["task"]]))


def of_limit(case: Case | None) -> float | None:
    return None if case is None else ratio(*_times(case, LIMIT[case["task"]], OURS[case["task"]]))


def _times(case: Case, *names: str) -> tuple[float | None, ...]:
    return tuple(seconds(case, name) for name in names)


def shapes(results: Results) -> Iterator[Check]:
    for dims in (*LARGE, *FEW):
        for task in OURS:
            case = results.one("headline", logits=dims, task=task)
            what = f"{dims[0]}×{dims[1]} {task}"
            if dims in LARGE:
                bound = 0.85 if task == "loss" else 0.8
                yield f"{what}: of the speed of {LIMIT[task]}", of_limit(case), bound
                yield f"{what}: over the best rival", ahead(case), 2.5 if task == "loss" else 3
            else:
                yield f"{what}: over the best rival", ahead(case), 2 if task == "loss" else 3


def classes(results: Results) -> Iterator[Check]:
    for task, ours in OURS.items():
        cases = sorted(results.find("classes", task=task), key=lambda case: case["classes"])
        for case in cases:
            yield f"{case['classes']} classes {task}: over the best rival", ahead(case), 1
        for left, right in itertools.pairwise(cases):
            speeds = [
                row["gigabytes_per_second"]
                for case in (left, right)
                for row in case["contestants"]
                if row["name"] == ours
            ]
            what = f"{left['classes']} and {right['classes']} classes {task}: slower / faster"
            yield what, min(speeds) / max(speeds), 0.5
        if not cases:
            yield f"from 2 classes to a million, {task}", None, 1


def small(results: Results) -> Iterator[Check]:
    for task in OURS:
        case = results.one("small", logits=[32, 10], task=task)
        yield f"32×10 {task}: over PyTorch eager", ahead(case, ("torch",)), 1


def dtypes(results: Results) -> Iterator[Check]:
    for task, ours in OURS.items():
        plain = results.one("dtypes", task=task)
        for dtype in ("bfloat16", "float16"):
            case = results.one("dtypes", dtype=dtype, task=task)
            faster = ratio(seconds(plain, ours), seconds(case, ours))
            yield f"{dtype} {task}: logits a second, over float32's", faster, 1.6
            yield f"{dtype} {task}: over the best rival", ahead(case), 2
    case = results.one("dtypes", dtype="float64", task="loss")
    yield "float64 loss: of the speed of read", of_limit(case), 0.6


def options(results: Results) -> Iterator[Check]:
    names = ("label-smoothing", "class-weights", "z-loss", "soft-cap", "temperature")
    for dims in ([512, 32000], [1000000, 10]):
        for task, ours in OURS.items():
            plain = results.one("options", logits=dims, task=task)
            before = seconds(plain, ours)
            for name in ("soft-targets", *names):
                case = results.one("options", logits=dims, task=task, option=name)
                # Soft targets move more bytes: what the limit, which moves them too, takes longer.
                more = ratio(*(seconds(c, LIMIT[task]) for c in (case, plain))) or 1
                allowed = more if name == "soft-targets" else 1
                speed = ratio(before, seconds(case, ours))
                what = f"{dims[0]}×{dims[1]} {task}, {name}: plain call / this, for its bytes"
                yield what, None if speed is None else speed * allowed, 1 / 1.25


def layouts(results: Results) -> Iterator[Check]:
    for task, ours in OURS.items():
        images = next(
            (c for c in results.find("layouts", task=task) if len(c["logits"]) == 4), None
        )
        pixels = results.one("layouts", logits=[4 * 512 * 512, 21], task=task)
        part = ratio(seconds(pixels, ours), seconds(images, ours))
        yield f"images of 21 classes {task}: of the speed of rows", part, 0.6
        yield f"images of 21 classes {task}: over PyTorch", ahead(images, RIVALS[:2]), 1
        for name in ("padded", "strided", "fortran"):
            case = results.one("layouts", logits=[65536, 1000], task=task, layout=name)
            yield f"65536×1000 {name} {task}: over PyTorch", ahead(case, RIVALS[:2]), 1


def softmax(results: Results) -> Iterator[Check]:
    rivals = ("torch", "torch-compile", "scipy")
    for task in ("softmax", "log-softmax"):
        for dims in ([2048, 32000], [65536, 1000], [1000000, 10]):
            case = results.one("softmax", logits=dims, task=task)
            for ours in ("lastlayer-out", "lastlayer-in-place"):
                what = f"{dims[0]}×{dims[1]} {task}, {ours.removeprefix('lastlayer-')}"
                part = ratio(seconds(case, "copy"), seconds(case, ours))
                yield f"{what}: of the speed of copy", part, 0.8
                yield f"{what}: over the best of torch and SciPy", ahead(case, rivals, ours), 1


def threads(results: Results) -> Iterator[Check]:
    """Memory may bind before two threads are busy: those that don't reach 0.8 of it must scale."""
    for key, case in results.cases.items():
        if key[0] != "threads":
            continue
        task = case["task"]
        gain = ahead(case, ("lastlayer-1",), "lastlayer")
        bound = ratio(seconds(case, LIMIT[task]), seconds(case, "lastlayer"))
        what = "×".join(map(str, case["logits"]))
        if bound is not None and bound < 0.8:
            yield f"{what} {case['dtype']} {task}, {case['option']}: over 1 thread", gain, 1.7
    if not any(key[0] == "threads" for key in results.cases):
        yield "two threads over one", None, 1.7


def scoring(results: Results) -> Iterator[Check]:
    """A score beside the loss alone, of logits in memory; benchmarks/score_files.py has files."""
    for dims in ([2048, 32000], [65536, 1000], [1000000, 10]):
        case = results.one("scoring", logits=dims, task="score")
        alone = ratio(seconds(case, "loss"), seconds(case, "lastlayer"))
        what = f"{dims[0]}×{dims[1]} score"
        yield f"{what}: of the speed of the loss", alone, 0.7
        for name in ("scikit-learn", "torchmetrics"):
            yield f"{what}: over {name}", ahead(case, (name,), "lastlayer"), 5


CHECKS: tuple[Callable[[Results], Iterator[Check]], ...] = (
    shapes, classes, small, dtypes, options, layouts, softmax, threads,
    scoring,
)  # fmt: skip


def main(paths: list[str]) -> int:
    results = Results(paths)
    all_met = True
    for check in CHECKS:
        print(f"\n{check.__name__}")
        for what, measured, bound in check(results):
            met = measured is not None and measured >= bound
            all_met &= met
            word = "met" if met else "not measured" if measured is None else "NOT met"
            number = "" if measured is None else f"{measured:.2f}"
            print(f"  {word:12}  {number:>6}  ≥ {bound:<5.4g}  {what}")
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
