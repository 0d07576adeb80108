"""Arrays of whole numbers as text for JSON, most of which are 0; read as what anyone may have sent.

What is there is the places of the numbers that are not 0 and the numbers, compressed: an array of
any size that holds nothing takes no room, and reading takes none for more than is there.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

import numpy as np

from lastlayer.contract import Indices
from lastlayer.files import FileFormatError

LEVEL = 3  # of zlib: a fifteenth more than its own choice, in a seventh of the time
LARGEST = 1 << 60  # beyond it a sum of two could overflow


def pack(array: Indices) -> dict[str, Any]:
    """An array as its size, how many of its numbers are not 0, and these."""
    flat = array.reshape(-1)
    there = np.flatnonzero(flat).astype("<i8")
    content = there.tobytes() + flat[there].astype("<i8").tobytes()
    data = base64.b64encode(zlib.compress(content, LEVEL)).decode()
    return {"size": flat.size, "nonzero": there.size, "data": data}


def unpack(value: Any, into: Indices, name: str, largest: int = LARGEST) -> None:
    """Fill an array of zeros with what `pack` has made of one of its size."""
    match value:
        case {"size": int(size), "nonzero": int(count), "data": str(data)}:
            pass
        case _:
            raise FileFormatError(f"{name} is not a packed array")
    flat = into.reshape(-1)
    if size != flat.size or not 0 <= count <= size:
        raise FileFormatError(f"{name} has {count} of {size} numbers, expected {flat.size}")
    try:
        stream = zlib.decompressobj()
        content = stream.decompress(base64.b64decode(data, validate=True), 16 * count + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise FileFormatError(f"{name} cannot be unpacked: {error}") from None
    if len(content) != 16 * count or not stream.eof:
        raise FileFormatError(f"{name} has not the {count} numbers that it says")
    places, numbers = np.frombuffer(content, "<i8").reshape(2, count)
    if count and not (
        places[0] >= 0 and places[-1] < size and (np.diff(places) > 0).all()
        and numbers.min() >= 0 and numbers.max() <= largest
    ):  # fmt: skip
        raise FileFormatError(f"{name} has numbers that cannot be")
    flat[places] = numbers
