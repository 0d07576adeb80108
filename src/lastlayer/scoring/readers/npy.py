"""Files of NumPy: .npy, an array, mapped; and the header, which .npz has too."""

from __future__ import annotations

import io
import math
import struct
import warnings
from typing import IO

import numpy as np

from lastlayer.files import FileFormatError
from lastlayer.scoring.readers.arrays import Arrays, Stored
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.text import clean

HEADER = 10_000  # bytes; NumPy holds longer ones for unsafe too


def open_npy(file: File) -> Arrays:
    """An array, by its header; nothing else is read."""
    with file.open() as handle:
        stored = read_header(handle, str(file))
    check_size(stored, file.size, str(file))
    return Arrays(file, {"": stored})


def read_header(handle: IO[bytes], name: str) -> Stored:
    """What a header says."""
    magic = handle.read(8)
    if len(magic) < 8 or magic[:6] != b"\x93NUMPY" or magic[6:] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise FileFormatError(f"{name}: does not begin as a .npy file does")
    form = "<H" if magic[6] == 1 else "<I"
    packed = handle.read(struct.calcsize(form))
    length = struct.unpack(form, packed)[0] if len(packed) == struct.calcsize(form) else 0
    text = handle.read(min(length, HEADER))
    if not length or len(text) != length:
        raise FileFormatError(
            f"{name}: expected a header of 1 to {HEADER} bytes, all there; it says {length}"
        )
    # versions 2 and 3 differ in the letters of names of fields, of which numbers have none
    read = (
        np.lib.format.read_array_header_1_0
        if magic[6] == 1
        else (np.lib.format.read_array_header_2_0)
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, fortran, dtype = read(io.BytesIO(packed + text), max_header_size=HEADER)
    except Exception as error:  # NumPy lets through whatever the parser of Python raises
        words = clean(" ".join(str(error).split()), 200)
        raise FileFormatError(f"{name}: its header is not one of a .npy file: {words}") from error
    if dtype.str[1:] == "V2":  # what np.save makes of bfloat16
        import ml_dtypes

        dtype = np.dtype(ml_dtypes.bfloat16)
    if any(type(n) is not int or n < 0 for n in shape):
        raise FileFormatError(f"{name}: its header gives the shape {clean(str(shape))}")
    if fortran and len(shape) > 2:
        raise FileFormatError(
            f"{name}: an array in Fortran order with {len(shape)} dimensions; expected 2 at most, "
            "or C order (np.ascontiguousarray)"
        )
    return Stored(dtype, shape, handle.tell(), fortran)


def check_size(stored: Stored, size: int, name: str) -> None:
    """Refuse an array that has more or fewer numbers than its header says."""
    if stored.dtype.hasobject:  # as pickles, of any length; whoever wants it is told so
        return
    wanted = stored.offset + math.prod(stored.shape) * stored.dtype.itemsize
    if size != wanted:
        raise FileFormatError(
            f"{name}: has {size} bytes, and its header (shape {clean(str(stored.shape))}, "
            f"{stored.dtype}) calls for {wanted}"
        )
