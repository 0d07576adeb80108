"""lastlayer.torch beside torch eager and torch.compile, in one process and in turns.

    python benchmarks/torch_front_end.py

The mean cross-entropy of a leaf and its backward pass, with a new `.grad` each call, and the loss
alone; then a small batch. Prints the Markdown table of docs/torch.md: medians, in ms.
"""

from __future__ import annotations

import statistics
import time
import timeit
import warnings
from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy as eager

from lastlayer.bench.measure import PAUSE, wait_awake
from lastlayer.torch import cross_entropy

SHAPES = [
    (2048, 32000, torch.float32),
    (65536, 1000, torch.float32),
    (1000000, 10, torch.float32),
    (65536, 1000, torch.bfloat16),
]


def in_turns(calls: list[Callable[[], object]], rounds: int = 9) -> list[float]:
    """The median time of each, in ms, with a pause before it for idle threads to stop spinning."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(rounds):
        for call, taken in zip(calls, times, strict=True):
            wait_awake(PAUSE)
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return [1e3 * statistics.median(t) for t in times]


def main() -> None:
    warnings.simplefilter("ignore")
    print("| logits | | lastlayer | torch eager | torch.compile | times eager | times compile |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for rows, classes, dtype in SHAPES:
        torch._dynamo.reset()
        x = torch.randn(rows, classes).mul_(3).to(dtype).requires_grad_()
        y = torch.randint(classes, (rows,))
        losses = (cross_entropy, eager, torch.compile(eager))

        def train(loss: Callable[..., torch.Tensor], x: torch.Tensor = x, y: object = y) -> None:
            x.grad = None
            loss(x, y).backward()

        def evaluate(loss: Callable[..., torch.Tensor], x: torch.Tensor = x, y: object = y) -> None:
            with torch.no_grad():
                loss(x, y)

        for name, task in (("loss and backward", train), ("loss", evaluate)):
            ours, theirs, compiled = in_turns([lambda f=f, t=task: t(f) for f in losses])  # type: ignore[misc]
            kind = str(dtype).removeprefix("torch.")
            print(
                f"| {rows}×{classes} {kind} | {name} | {ours:.1f} | {theirs:.1f} | {compiled:.1f} "
                f"| {theirs / ours:.1f} | {compiled / ours:.1f} |",
                flush=True,
            )

    x, y = torch.randn(32, 10, requires_grad=True), torch.randint(10, (32,))
    for loss in (cross_entropy, eager):

        def step(loss: Callable[..., torch.Tensor] = loss) -> None:
            x.grad = None
            loss(x, y).backward()

        best = min(timeit.repeat(step, number=3000, repeat=7)) / 3000
        print(f"32×10, loss and backward: {loss.__module__} {1e6 * best:.0f} µs")


if __name__ == "__main__":
    main()
