"""Small files of predictions in every format, and what their own libraries read in them."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

from lastlayer.scoring.readers import open_predictions

ROWS, CLASSES = 6, 3
LOGITS = np.random.default_rng(0).normal(size=(ROWS, CLASSES)).astype(np.float32)
LABELS = np.arange(ROWS) % CLASSES

# .npy has one array: the labels are in another file
FORMATS = (
    "c.npy", "fortran.npy", "stored.npz", "deflated.npz", "text.csv", "text.csv.gz",
    "lists.parquet", "fixed.parquet", "columns.parquet", "tensors.safetensors",
)  # fmt: skip


def csv_text(logits: Any = LOGITS, labels: Any = LABELS) -> str:
    names = [f"logit_{k}" for k in range(logits.shape[1])]
    lines = [",".join(["id", *names, "label"])]
    for i, (row, label) in enumerate(zip(logits.tolist(), labels.tolist(), strict=True)):
        lines.append(",".join([f"row {i}", *map(repr, row), str(label)]))
    return "\n".join(lines) + "\n"


def table(kind: str, logits: Any = LOGITS, labels: Any = LABELS) -> Any:
    flat, width = pa.array(logits.reshape(-1)), logits.shape[1]
    if kind == "fixed":
        return pa.table({"logits": pa.FixedSizeListArray.from_arrays(flat, width), "label": labels})
    if kind == "lists":
        offsets = pa.array(np.arange(len(logits) + 1, dtype=np.int32) * width)
        return pa.table({"logits": pa.ListArray.from_arrays(offsets, flat), "label": labels})
    columns = {f"logit_{k}": logits[:, k] for k in range(width)}
    return pa.table({**columns, "label": labels})


def write(path: Path, logits: Any = LOGITS, labels: Any = LABELS) -> None:
    """A file in the format of its name."""
    match path.name.split(".", 1):
        case "fortran", "npy":
            np.save(path, np.asfortranarray(logits))
        case _, "npy":
            np.save(path, logits)
        case "stored", "npz":
            np.savez(path, logits=logits, labels=labels)
        case _, "npz":
            np.savez_compressed(path, logits=logits, labels=labels)
        case _, "csv":
            path.write_text(csv_text(logits, labels))
        case _, "csv.gz":
            path.write_bytes(gzip.compress(csv_text(logits, labels).encode(), mtime=0))
        case kind, "parquet":
            pq.write_table(table(kind, logits, labels), path)
        case _, "safetensors":
            arrays = {"logits": np.ascontiguousarray(logits), "labels": labels}
            save_file(arrays, path)


def labels_beside(path: Path) -> Path | None:
    """A file with the labels for formats that hold none, in the same folder."""
    if path.suffix != ".npy":
        return None
    beside = path.parent / "labels" / "labels.npy"
    beside.parent.mkdir(exist_ok=True)
    np.save(beside, LABELS)
    return beside


def read(path: Any, labels: Any = None, **options: Any) -> tuple[Any, Any]:
    """All rows, in float64, and all labels."""
    blocks = list(open_predictions(path, labels, **options).blocks())
    with np.errstate(invalid="ignore"):  # of a NaN that signals
        logits = np.concatenate([block.logits.astype(np.float64) for block in blocks])
    return logits, np.concatenate([block.labels for block in blocks])


def by_its_library(path: Path) -> tuple[Any, Any]:
    """The same as the format's own library reads it; the labels of .npy are `LABELS`."""
    with np.errstate(invalid="ignore"):
        return _by_its_library(path)


def _logits_of(arrays: Any) -> Any:
    """By name, or where a byte of the name has changed, the only matrix."""
    if "logits" in arrays:
        return arrays["logits"]
    (name,) = (name for name in arrays if name != "labels" and arrays[name].ndim == 2)
    return arrays[name]


def _by_its_library(path: Path) -> tuple[Any, Any]:
    match path.name.split(".", 1)[1]:
        case "npy":
            return np.load(path, allow_pickle=False).astype(np.float64), LABELS
        case "npz":
            with np.load(path, allow_pickle=False) as found:
                return _logits_of(found).astype(np.float64), found["labels"]
        case "safetensors":
            found = load_file(path)
            return _logits_of(found).astype(np.float64), found["labels"]
        case "parquet":
            # no more columns than are asked for: what lies in another may be damaged
            first, *others, _ = pq.read_schema(path).names
            taken = [name for name in (first, *others) if name.startswith("logit_")]
            asked = [*taken, "label"] if others else None
            columns = pq.read_table(path, columns=asked, pre_buffer=False)
            if others:
                logits = np.stack([columns[name] for name in taken], axis=1)
            else:  # by whatever name
                logits = np.array(columns[first].to_pylist(), float)
            return logits.astype(np.float64), np.asarray(columns["label"])
        case _:
            content = path.read_bytes()
            text = gzip.decompress(content) if path.suffix == ".gz" else content
            lines = list(
                csv.DictReader(io.StringIO(text.decode("utf-8-sig", "replace"), newline=""))
            )
            taken = [name for name in lines[0] if name.strip().startswith("logit_")]
            label = "labels" if "labels" in lines[0] else "label"
            rows = [[float(line[name]) for name in taken] for line in lines]
            return np.array(rows), np.array([float(line[label]) for line in lines])
