"""The 1,797 real handwritten digits that scikit-learn carries, split into three parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lastlayer.contract import Indices

CLASSES = 10
PIXELS = 64
DARKEST = 16.0

VALIDATION_SHARE = 0.10
TEST_SHARE = 0.25


@dataclass(frozen=True)
class Digits:
    """Some of the digits, in the order of the data set."""

    images: NDArray[np.float32]  # (N, 8, 8), ink from 0 to 16
    features: NDArray[np.float32]  # (N, 64), ink over 16, less the mean of the training part
    labels: Indices  # (N,), 0 to 9

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Split:
    """Three parts that share no digit."""

    train: Digits  # what the gradient sees
    validation: Digits  # decides when to stop
    test: Digits  # what is reported, seen by neither


def split_digits(seed: int = 0) -> Split:
    """The digits in three parts: 65 % train, 10 % validation, 25 % test, of every class alike.

    Parameters
    ----------
    seed : int, default 0
        Which digits go where; the same seed gives the same parts.

    Returns
    -------
    Split
        ``train``, ``validation`` and ``test``, each in the order of the data set. The features
        are centred on the mean of the training part, so nothing of the others leaks into them.

    Examples
    --------
    >>> from lastlayer.learning.digits import split_digits
    >>> parts = split_digits()
    >>> len(parts.train), len(parts.validation), len(parts.test)
    (1168, 179, 450)

    References
    ----------
    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998),
    doi 10.24432/C50P49, by way of `sklearn.datasets.load_digits`.
    """
    from sklearn.datasets import load_digits

    bundled = load_digits()
    images, labels = bundled.images.astype(np.float32), bundled.target.astype(np.int64)
    train, validation, test = stratified_parts(labels, seed)
    ink: NDArray[np.float32] = images.reshape(-1, PIXELS) / np.float32(DARKEST)
    features = ink - ink[train].mean(axis=0)

    def part(positions: Indices) -> Digits:
        return Digits(images[positions], features[positions], labels[positions])

    return Split(part(train), part(validation), part(test))


def stratified_parts(
    labels: Indices,
    seed: int,
    test_share: float = TEST_SHARE,
    validation_share: float = VALIDATION_SHARE,
) -> tuple[Indices, Indices, Indices]:
    """Positions of train, validation and test, each sorted, with the same share of each class."""
    generator = np.random.default_rng(seed)
    train, validation, test = [], [], []
    for label in np.unique(labels):
        positions = generator.permutation(np.flatnonzero(labels == label))
        n_test = round(len(positions) * test_share)
        n_validation = round(len(positions) * validation_share)
        test.append(positions[:n_test])
        validation.append(positions[n_test : n_test + n_validation])
        train.append(positions[n_test + n_validation :])
    return (
        np.sort(np.concatenate(train)),
        np.sort(np.concatenate(validation)),
        np.sort(np.concatenate(test)),
    )
