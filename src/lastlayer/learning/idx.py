"""The IDX format of MNIST, Fashion-MNIST and EMNIST, plain or compressed with gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from lastlayer.files import FileFormatError

BYTES = 0x08  # the code of unsigned bytes, which every data set of handwriting is in
GZIP = b"\x1f\x8b"


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """An array of bytes from an IDX file.

    The file is two zero bytes, the code of the type, the number of dimensions, each dimension as a
    big-endian uint32, then the numbers, the last dimension fastest.

    Parameters
    ----------
    path : Path
        Whether it is compressed is seen from its first bytes, not from its name.
    dimensions : int
        How many there must be: 1 for labels, 3 for images.

    Returns
    -------
    ndarray of uint8
        Of the shape that the file states.

    Raises
    ------
    FileFormatError
        It is no IDX file, of another type or number of dimensions, shorter or longer than it says,
        or a broken gzip. What a header claims is never allocated before the bytes are there.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lastlayer.learning.idx import read_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels-idx1-ubyte"
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path, 1)
    array([7, 2, 1], dtype=uint8)

    References
    ----------
    Y. LeCun, C. Cortes & C. Burges, The MNIST database of handwritten digits (1998).
    """
    with path.open("rb") as raw:
        compressed = raw.read(2) == GZIP
        raw.seek(0)
        if not compressed:
            return _read(raw, path, dimensions)
        try:
            with gzip.open(raw) as unpacked:
                return _read(unpacked, path, dimensions)  # type: ignore[arg-type]
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileFormatError(f"{path} is a broken gzip file: {error}") from None


def _read(file: BinaryIO, path: Path, dimensions: int) -> NDArray[np.uint8]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise FileFormatError(f"{path} is no IDX file: it begins with {magic!r}")
    if magic[2] != BYTES:
        raise FileFormatError(f"{path} holds type 0x{magic[2]:02x}, not unsigned bytes (0x08)")
    if magic[3] != dimensions:
        found = {1: "labels", 3: "images"}.get(magic[3], "neither images nor labels")
        wanted = {1: "labels", 3: "images"}[dimensions]
        raise FileFormatError(
            f"{path} has {magic[3]} dimension{'' if magic[3] == 1 else 's'} ({found}), and "
            f"{wanted} have {dimensions}"
        )
    header = file.read(4 * dimensions)
    if len(header) < 4 * dimensions:
        raise FileFormatError(f"{path} ends within its header")
    shape = tuple(int(n) for n in np.frombuffer(header, ">u4"))
    count = math.prod(shape)
    content = bytearray()
    while len(content) <= count and (piece := file.read(min(count + 1 - len(content), 1 << 24))):
        content += piece
    if len(content) != count:
        some = "more" if len(content) > count else f"{len(content):,}"
        size = " x ".join(str(n) for n in shape)
        raise FileFormatError(f"{path} should hold {size} = {count:,} bytes, and holds {some}")
    return np.frombuffer(content, np.uint8).reshape(shape)
