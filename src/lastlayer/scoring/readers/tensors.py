"""Files of safetensors: a header in JSON, then tensors as they lie in memory, mapped."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from lastlayer.files import FileFormatError
from lastlayer.scoring.readers.arrays import Arrays, Stored
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.readers.source import refused
from lastlayer.scoring.text import clean

HEADER = 1 << 20  # bytes: some ten thousand tensors
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


def open_safetensors(file: File) -> Arrays:
    """The tensors, by the header; nothing else is read."""
    with file.open() as handle:
        if file.size < 8:
            raise FileFormatError(f"{file}: ends early; a .safetensors file has 8 bytes and more")
        length = int.from_bytes(file.exactly(handle, 8), "little")
        if not 2 <= length <= min(HEADER, file.size - 8):
            raise FileFormatError(
                f"{file}: its header has {length} bytes, expected 2 to {min(HEADER, file.size - 8)}"
            )
        text = file.exactly(handle, length)
    with refused(file, ".safetensors file", ValueError, RecursionError):
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_without_doubles)
    if not isinstance(header, dict):
        raise FileFormatError(f"{file}: its header is no table of tensors")
    header.pop("__metadata__", None)
    arrays: dict[str, Stored] = {}
    spans = []
    for name, entry in header.items():
        dtype, shape, start, end = _entry(file, name, entry)
        spans.append((start, end))
        if dtype is not None:  # of eight bits and less; whoever wants it is told that it isn't here
            arrays[name] = Stored(dtype, shape, 8 + length + start)
    reached = 0
    for start, end in sorted(spans):
        if start != reached:
            raise FileFormatError(f"{file}: its tensors overlap or leave gaps at byte {reached}")
        reached = end
    if 8 + length + reached != file.size:
        raise FileFormatError(
            f"{file}: has {file.size} bytes, and its header calls for {8 + length + reached}"
        )
    return Arrays(file, arrays)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name is there twice")
    return table


def _entry(
    file: File, name: str, entry: Any
) -> tuple[np.dtype[Any] | None, tuple[int, ...], int, int]:
    """Dtype, shape and place of a tensor; no dtype for one that holds nothing of use here."""
    title = f"{file}[{clean(name, 40)!r}]"
    match entry:
        case {"dtype": str(word), "shape": [*shape], "data_offsets": [start, end]} if len(
            entry
        ) == 3 and all(type(n) is int and n >= 0 for n in (*shape, start, end)):
            pass
        case _:
            raise FileFormatError(f"{title}: expected dtype, shape and data_offsets in the header")
    if start > end:
        raise FileFormatError(f"{title}: ends at byte {end}, before it begins at {start}")
    if word == "BF16":
        import ml_dtypes

        dtype = np.dtype(ml_dtypes.bfloat16)
    elif word in DTYPES:
        dtype = np.dtype(DTYPES[word])
    else:
        return None, (), start, end
    if math.prod(shape) * dtype.itemsize != end - start:
        raise FileFormatError(
            f"{title}: shape {clean(str(tuple(shape)))} of {dtype} in {end - start} bytes"
        )
    return dtype, tuple(shape), start, end
