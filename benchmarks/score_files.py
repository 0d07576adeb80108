"""Scoring files beside just reading them, in one process and in turns, from the page cache.

    python benchmarks/score_files.py [FOLDER]

A `.npy` that is mapped anew each time: `ll.cross_entropy` alone, which is the limit, beside
`ll.score` of the map, and what the command does, before and with its end. Parquet and safetensors:
loading them whole with their own library, and scoring them as the command does, block by block.
Float32 logits and int64 labels; files of some 260 MB, a .npy of 1 GB, are written to FOLDER, by
default a temporary one that is removed again. Prints the Markdown table of docs/scoring.md:
medians.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

import lastlayer as ll
from lastlayer.scoring.readers import open_predictions
from lastlayer.scoring.score import Score

SHAPES = ((2048, 32000), (65536, 1000), (6500000, 10))
LONGER = 4  # times as many rows in a .npy: more than what is mapped at a time


def in_turns(calls: dict[str, Callable[[], Any]], rounds: int = 7) -> dict[str, float]:
    """The median seconds of each call."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number:  # the first time is a warm-up
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


def score_file(path: Path, labels: Path | None = None) -> Score:
    """All that `lastlayer score` finds out."""
    score = Score()
    for block in open_predictions(str(path), None if labels is None else str(labels)).blocks():
        score.update(block.logits, block.labels, source=block.source)
    return score


def cases(folder: Path, rows: int, classes: int) -> Iterator[tuple[str, dict[str, Any], int]]:
    """(format, calls, bytes of a file), one file after the other."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((rows, classes), np.float32) * 3
    labels = rng.integers(0, classes, rows)
    npy, of_labels = folder / "logits.npy", folder / "labels.npy"
    np.save(npy, np.tile(logits, (LONGER, 1)))
    np.save(of_labels, np.tile(labels, LONGER))
    many = np.load(of_labels)

    def mapped() -> Any:
        return np.load(npy, mmap_mode="r")

    alone = {"read": lambda: ll.cross_entropy(mapped(), many)}
    ways = {
        "ll.score": lambda: ll.score(mapped(), many),
        "command": lambda: score_file(npy, of_labels),
        "command with interval and JSON": lambda: score_file(npy, of_labels).to_json(),
    }
    for name, way in ways.items():
        yield f".npy, {name}; read: the loss alone", alone | {"score": way}, LONGER * logits.nbytes
    tensors = folder / "predictions.safetensors"
    save_file({"logits": logits, "labels": labels}, tensors)
    yield (
        "safetensors",
        {"read": lambda: load_file(tensors), "score": lambda: score_file(tensors)},
        logits.nbytes,
    )
    table = folder / "predictions.parquet"
    lists = pa.FixedSizeListArray.from_arrays(pa.array(logits.ravel()), classes)
    pq.write_table(pa.table({"logits": lists, "label": labels}), table)
    parquet = {"read": lambda: pq.read_table(table), "score": lambda: score_file(table)}
    yield "Parquet, a list a row", parquet, logits.nbytes
    if classes <= 1000:
        columns = {f"logit_{j}": logits[:, j] for j in range(classes)}
        pq.write_table(pa.table({**columns, "label": labels}), table)
        yield "Parquet, a column a class", parquet, logits.nbytes


def main(folder: Path) -> None:
    print("| logits | file | read | score | score / read |")
    print("|---|---|---:|---:|---:|")
    for rows, classes in SHAPES:
        for name, calls, size in cases(folder, rows, classes):
            found = in_turns(calls)
            read, score = found["read"], found["score"]
            print(
                f"| {rows}×{classes} | {name} | {1e3 * read:.0f} ms, {size / read / 1e9:.1f} GB/s "
                f"| {1e3 * score:.0f} ms, {size / score / 1e9:.1f} GB/s | {score / read:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
