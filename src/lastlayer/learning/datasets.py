"""Images with labels, from where people have them."""

from __future__ import annotations

import hashlib
import lzma
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lastlayer.contract import Array, Indices
from lastlayer.files import FileFormatError
from lastlayer.learning.digits import DARKEST
from lastlayer.learning.idx import read_idx
from lastlayer.learning.image_folder import read_folder

DECOMPRESSION = (zlib.error, lzma.LZMAError)  # bzip2's is an OSError
MOST_CLASSES = 100_000  # a label beyond it is taken for a mistake


@dataclass(frozen=True)
class DataSet:
    """Images and their labels, in the order they were read.

    Attributes
    ----------
    pixels : ndarray, shape (N, K, H, W)
        Images, channels, rows, columns; uint8 or floating.
    labels : ndarray of int64, shape (N,)
        Class indices.
    names : tuple of str
        Of the classes; there are so many.
    source : str
        Where they are from.
    """

    pixels: Array
    labels: Indices
    names: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image: channels, rows, columns."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    def fingerprint(self) -> str:
        """A hash of every pixel and label: the same for the same data."""
        digest = hashlib.blake2b(repr(self.pixels.shape).encode(), digest_size=16)
        for array in (self.pixels, self.labels):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def load(source: str | Path = "digits", *, size: int | None = None) -> DataSet:
    """Images and labels by name, from an .npz file, or from a folder with a sub-folder a class.

    Parameters
    ----------
    source : str or Path, default "digits"
        "digits" are the 1,797 real handwritten digits that scikit-learn carries, 8 × 8 pixels. An
        .npz file holds ``images``, (N, H, W) grey or (N, H, W, 3) in colour, uint8 or floating, and
        ``labels``, (N,), class indices from 0. For a folder see
        `lastlayer.learning.image_folder.read_folder`.
    size : int, optional
        For a folder: make its images so many pixels square.

    Returns
    -------
    DataSet
        All of it.

    Raises
    ------
    FileFormatError
        Something else is there, or it is broken.
    ValueError
        `size` for what is not a folder.
    FileNotFoundError
        Nothing is there.

    Examples
    --------
    >>> from lastlayer.learning.datasets import load
    >>> data = load("digits")
    >>> data.pixels.shape, len(data.names)
    ((1797, 1, 8, 8), 10)

    References
    ----------
    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998),
    doi 10.24432/C50P49, by way of `sklearn.datasets.load_digits`.
    """
    path = Path(source)
    if source != "digits" and path.is_dir():  # a folder of that name is "./digits"
        pixels, labels, names = read_folder(path, size)
        return DataSet(pixels, labels, names, str(path))
    if size is not None:
        raise ValueError(f"{source} is no folder of images, whose size can be chosen")
    if source == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        return _checked(digits.images.astype(np.float32) / DARKEST, digits.target, "digits")
    path.stat()  # or it is an OSError that says so
    if path.suffix.lower() != ".npz":
        raise FileFormatError(
            f"{path}: an unknown format. Data is 'digits', an .npz file, a folder with a "
            "sub-folder of images for each class, or IDX files (--images and --labels)"
        )
    images, labels = _from_npz(path)
    return _checked(images, labels, str(path))


def load_idx(images: Path, labels: Path) -> DataSet:
    """Images and labels from two IDX files, as MNIST has them.

    Parameters
    ----------
    images, labels : Path
        Plain or .gz.

    Returns
    -------
    DataSet
        One channel; classes from 0 to the largest label.

    Raises
    ------
    FileFormatError
        See `lastlayer.learning.idx.read_idx`; or there are not as many labels as images.
    """
    return _checked(read_idx(images, 3), read_idx(labels, 1), f"{images}", f"{labels}")


def _from_npz(path: Path) -> tuple[Any, Any]:
    broken = (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, *DECOMPRESSION)
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = [name for name in archive.namelist() if name.endswith(".npy")]
                names = [name.removesuffix(".npy") for name in members]
                if missing := {"images", "labels"} - set(names):
                    raise FileFormatError(
                        f"{path} has no array called {' or '.join(sorted(missing))}, but "
                        f"{', '.join(names) or 'none'}"
                    )
                return _member(archive, "images.npy"), _member(archive, "labels.npy")
        except FileFormatError:
            raise
        except broken as error:
            raise FileFormatError(f"{path} is not an .npz file that can be read: {error}") from None


def _member(archive: zipfile.ZipFile, name: str) -> Array:
    """An array of an .npz; the size its header claims is held against the file's before."""
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else (np.lib.format.read_array_header_2_0)
        )
        shape, _, dtype = read(file)
        claimed, there = math.prod(shape) * dtype.itemsize, archive.getinfo(name).file_size
    if claimed > there:
        raise ValueError(f"{name} claims {claimed:,} bytes, and has {there:,}")
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _checked(images: Array, labels: Array, source: str, label_source: str = "") -> DataSet:
    """Images (N, H, W) or (N, H, W, 3) and class indices (N,) as a DataSet, or what is wrong."""
    label_source = label_source or source
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in {1, 3} or 0 in images.shape[1:]:
        raise FileFormatError(
            f"{source}: images of shape {images.shape} are neither (N, H, W) nor (N, H, W, 3)"
        )
    if images.dtype != np.uint8:
        if images.dtype.kind not in "iuf":
            raise FileFormatError(f"{source}: images are {images.dtype}, not uint8 or floating")
        with np.errstate(over="ignore"):  # then they are infinite, which the next line finds
            images = images.astype(np.float32)
        if not np.isfinite(images).all():
            raise FileFormatError(f"{source}: some pixels are NaN or infinite")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise FileFormatError(
            f"{label_source}: labels are {labels.dtype} of shape {labels.shape}, not whole numbers "
            "of shape (N,)"
        )
    if len(labels) != len(images):
        raise FileFormatError(
            f"{source} has {len(images)} images, and {label_source} {len(labels)} labels"
        )
    if not len(labels):
        raise FileFormatError(f"{source} has no images in it")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= MOST_CLASSES:
        raise FileFormatError(
            f"{label_source}: a label is {low if low < 0 else high}, and class indices go from 0 "
            f"to {MOST_CLASSES - 1}"
        )
    pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    names = tuple(str(label) for label in range(high + 1))
    return DataSet(pixels, labels.astype(np.int64), names, source)
