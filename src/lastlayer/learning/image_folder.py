"""A folder of images with one sub-folder a class."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.contract import Indices
from lastlayer.files import FileFormatError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
GREY = {"1", "L", "LA"}  # Pillow's modes


def read_folder(
    folder: Path, size: int | None = None
) -> tuple[NDArray[np.uint8], Indices, tuple[str, ...]]:
    """Images, the class of each, and the names of the classes.

    Parameters
    ----------
    folder : Path
        Each of its sub-folders is a class, in the order of their names; in it, the images in the
        order of theirs. Other files, and what begins with a dot, are left alone.
    size : int, optional
        Make every image so many pixels square: the shorter side is scaled to it, the middle of the
        longer one kept. Without it all images must have one size.

    Returns
    -------
    pixels : ndarray of uint8, shape (N, K, H, W)
        K is 1 where every image is grey, otherwise 3 (red, green, blue).
    labels : ndarray of int64, shape (N,)
        Class indices.
    names : tuple of str
        Of the classes.

    Raises
    ------
    FileFormatError
        No sub-folder, one without images, an image that cannot be read, images of several sizes.
    """
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not names:
        raise FileFormatError(f"{folder} has no sub-folders, one for each class")
    paths, labels = [], []
    for label, name in enumerate(names):
        files = sorted((folder / name).iterdir())
        found = [p for p in files if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        if not found:
            raise FileFormatError(f"the class folder {folder / name} has no images in it")
        paths += found
        labels += [label] * len(found)

    images = [_read(path, size) for path in paths]
    for path, image in zip(paths, images, strict=True):
        if image.shape[:2] != images[0].shape[:2]:
            (h, w), (height, width) = images[0].shape[:2], image.shape[:2]
            raise FileFormatError(
                f"{paths[0]} is {w} x {h} pixels and {path} {width} x {height}: give a size to "
                "make them alike (--size)"
            )
    if any(image.ndim == 3 for image in images):
        images = [i if i.ndim == 3 else np.repeat(i[:, :, None], 3, axis=2) for i in images]
        pixels = np.stack([image.transpose(2, 0, 1) for image in images])
    else:
        pixels = np.stack(images)[:, None]
    return pixels, np.array(labels, np.int64), tuple(names)


def _read(path: Path, size: int | None) -> NDArray[np.uint8]:
    """An image as rows x columns if it is grey, otherwise x 3, the right way up."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                if opened.mode.startswith(("I", "F")):
                    raise FileFormatError(f"{path} has more than 8 bits a pixel ({opened.mode})")
                upright: Any = ImageOps.exif_transpose(opened)
                image = upright.convert("L" if opened.mode in GREY else "RGB")
    except FileFormatError:
        raise
    except Image.DecompressionBombWarning as error:
        raise FileFormatError(f"{path}: {error}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FileFormatError(f"{path} is not an image that can be read: {error}") from None
    if size is not None:
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)
