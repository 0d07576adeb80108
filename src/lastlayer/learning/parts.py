"""A data set in three parts: to train on, to stop by, and to report on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.contract import Array, Indices
from lastlayer.learning.datasets import DataSet
from lastlayer.learning.digits import stratified_parts

HELD_OUT = 0.2  # for the test
VALIDATION = 0.1  # of the rest


@dataclass(frozen=True)
class Part:
    """Some of the images of a data set, made into numbers of mean 0 and variance 1 when asked for.

    Attributes
    ----------
    data : DataSet
        The whole.
    positions : ndarray of int64, shape (N,)
        Which of its images, in its order.
    mean, scale : ndarray of float32, shape (K, 1, 1)
        Of each channel of the training part: an image is (pixels − mean) / scale.
    """

    data: DataSet
    positions: Indices
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def labels(self) -> Indices:
        """The right classes, (N,)."""
        return self.data.labels[self.positions]

    def batch(self, chosen: Any) -> tuple[NDArray[np.float32], Indices]:
        """Images (B, K, H, W) and labels (B,); `chosen` is an index array or a slice of this part.

        Examples
        --------
        >>> from lastlayer.learning.datasets import load
        >>> from lastlayer.learning.parts import split
        >>> images, labels = split(load("digits")).train.batch(slice(0, 32))
        >>> images.shape, labels.shape
        ((32, 1, 8, 8), (32,))
        """
        where = self.positions[chosen]
        images = (self.data.pixels[where].astype(np.float32) - self.mean) / self.scale
        return images, self.data.labels[where]


@dataclass(frozen=True)
class Parts:
    """Three parts that share no image."""

    train: Part  # what the gradient sees
    validation: Part  # decides when to stop and which epoch is kept
    test: Part  # held out: what is reported, seen by neither


def split(data: DataSet, *, held_out: float = HELD_OUT, seed: int = 0) -> Parts:
    """A data set in three parts, every class in each by its share.

    Parameters
    ----------
    data : DataSet
        What `load` returned.
    held_out : float in (0, 1), default 0.2
        The share of the test part. A tenth of the rest is for validation.
    seed : int, default 0
        Which images go where.

    Returns
    -------
    Parts
        ``train``, ``validation`` and ``test``, each in the order of the data.

    Raises
    ------
    ValueError
        Images of one class alone, or too few of every class for three parts.

    Examples
    --------
    >>> from lastlayer.learning.datasets import load
    >>> from lastlayer.learning.parts import split
    >>> parts = split(load("digits"))
    >>> len(parts.train), len(parts.validation), len(parts.test)
    (1295, 143, 359)
    """
    classes = len(np.unique(data.labels))
    if classes == 1:
        raise ValueError(f"{data.source} has one class alone: there is nothing to tell apart")
    rest = (1 - held_out) * VALIDATION
    positions = stratified_parts(data.labels, seed, held_out, rest)
    if not all(len(part) for part in positions):
        raise ValueError(
            f"{data.source} has {len(data)} images in {classes} classes: too "
            "few to train on some, stop by others and report on a third part; at least 7 of a class"
        )
    mean, scale = _of_channels(data.pixels, positions[0])
    train, validation, test = (Part(data, part, mean, scale) for part in positions)
    return Parts(train, validation, test)


def _of_channels(
    pixels: Array, positions: Indices
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each channel over some images, in float64. (K, 1, 1)"""
    total = squares = np.zeros(pixels.shape[1])
    for start in range(0, len(positions), 1024):  # no copy of all images in a wider type
        some = pixels[positions[start : start + 1024]].astype(np.float64)
        total = total + some.sum(axis=(0, 2, 3))
        squares = squares + np.square(some).sum(axis=(0, 2, 3))
    count = len(positions) * pixels[0, 0].size
    mean = total / count
    scale = np.sqrt(np.maximum(squares / count - mean**2, 0))
    scale[scale <= 1e-6 * np.abs(mean)] = 1  # every pixel alike
    return mean.astype(np.float32)[:, None, None], scale.astype(np.float32)[:, None, None]
