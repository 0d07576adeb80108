"""Train a last layer: features → logits → softmax → cross-entropy → gradient → update."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import lastlayer as ll
from lastlayer.contract import Indices
from lastlayer.learning.digits import CLASSES, PIXELS, Digits


class DivergedError(ValueError):
    """The learning rate made the loss grow, not fall."""


@dataclass
class Layer:
    """A last layer: logits = features · weights + bias."""

    weights: NDArray[np.float32]  # (64, C)
    bias: NDArray[np.float32]  # (C,)

    @classmethod
    def untrained(cls) -> Layer:
        """All zeros: every class has the probability 1 / C, and the loss is log C."""
        return cls(np.zeros((PIXELS, CLASSES), np.float32), np.zeros(CLASSES, np.float32))

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The raw outputs (N, C) for features (N, 64)."""
        return features @ self.weights + self.bias

    def copy(self) -> Layer:
        """The same numbers in memory of their own."""
        return Layer(self.weights.copy(), self.bias.copy())


@dataclass(frozen=True)
class Epoch:
    """The state after one pass over the training part; epoch 0 is the untrained layer."""

    number: int
    train_loss: float  # nats
    train_accuracy: float
    validation_loss: float  # nats
    validation_accuracy: float


@dataclass
class Training:
    """A trained layer and how it came about."""

    layer: Layer  # of the best epoch, not of the last
    best_epoch: int
    stopped_early: bool
    history: list[Epoch]
    settings: dict[str, float]


def train(
    train_part: Digits,
    validation_part: Digits,
    *,
    epochs: int = 300,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    batch_size: int = 32,
    patience: int = 10,
    seed: int = 0,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Training:
    """Softmax regression by stochastic gradient descent, until the validation loss stops falling.

    For each batch: logits = features · W + b; loss and ∂loss/∂logits by
    `lastlayer.cross_entropy_with_grad`; then ∂loss/∂W = featuresᵀ · ∂loss/∂logits and ∂loss/∂b its
    sum over the batch; velocity ← momentum · velocity − learning_rate · gradient; W ← W + velocity.

    Parameters
    ----------
    train_part : Digits
        What the gradient is computed on.
    validation_part : Digits
        What decides when to stop. Report the loss on neither of the two.
    epochs : int, default 300
        The most passes over the training part.
    learning_rate : float, default 0.1
        Positive.
    momentum : float in [0, 1), default 0.9
        How much of the last step is kept in the next one.
    batch_size : int, default 32
        Digits a step.
    patience : int, default 10
        Stop after so many epochs without a new lowest validation loss.
    seed : int, default 0
        Of the order of the digits; the same seed gives the same layer, on one machine to the last
        bit.
    on_epoch : callable, optional
        Called with each `Epoch` as it ends, the untrained one first.

    Returns
    -------
    Training
        The layer of the epoch with the lowest validation loss, and the history.

    Raises
    ------
    DivergedError
        The loss became infinite or NaN, or never fell below that of the untrained layer.
    ValueError
        An option outside its range.

    Examples
    --------
    >>> from lastlayer.learning import demo, digits
    >>> parts = digits.split_digits()
    >>> training = demo.train(parts.train, parts.validation, epochs=3)
    >>> [round(epoch.validation_loss, 2) for epoch in training.history]
    [2.3, 0.52, 0.34, 0.28]
    """
    _check_options(epochs, learning_rate, momentum, batch_size, patience)
    generator = np.random.default_rng((seed, 1))
    layer = Layer.untrained()
    velocity = Layer.untrained()
    history: list[Epoch] = []
    best, best_layer = 0, layer.copy()

    for number in range(epochs + 1):
        if number > 0:
            order = generator.permutation(len(train_part))
            for start in range(0, len(order), batch_size):
                batch = order[start : start + batch_size]
                features, labels = train_part.features[batch], train_part.labels[batch]
                _update(layer, velocity, features, labels, learning_rate, momentum)
        epoch = _measure(number, layer, train_part, validation_part)
        if not math.isfinite(epoch.validation_loss):
            raise DivergedError(
                f"the loss became {epoch.validation_loss} in epoch {number}: "
                f"learning rate {learning_rate:g} is too large, try 0.1"
            )
        history.append(epoch)
        if on_epoch is not None:
            on_epoch(epoch)
        if epoch.validation_loss < history[best].validation_loss:
            best, best_layer = number, layer.copy()
        if number - best >= patience:
            break

    if best == 0:
        last = len(history) - 1
        raise DivergedError(
            f"after {last} epoch{'' if last == 1 else 's'} the loss never fell below that of the "
            f"untrained layer: learning rate {learning_rate:g} does not train it, try 0.1"
        )
    settings = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "momentum": momentum,
        "batch_size": batch_size,
        "patience": patience,
        "seed": seed,
    }
    return Training(best_layer, best, number - best >= patience, history, settings)


def _update(
    layer: Layer,
    velocity: Layer,
    features: NDArray[np.float32],  # (B, 64)
    labels: Indices,  # (B,)
    learning_rate: float,
    momentum: float,
) -> None:
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging loss is found by its epoch
        logits = layer.logits(features)  # (B, C)
        _, gradient = ll.cross_entropy_with_grad(logits, labels, out=logits)  # (B, C)
        velocity.weights *= momentum
        velocity.weights -= learning_rate * (features.T @ gradient)  # (64, C)
        velocity.bias *= momentum
        velocity.bias -= learning_rate * gradient.sum(axis=0)  # (C,)
        layer.weights += velocity.weights
        layer.bias += velocity.bias


def _measure(number: int, layer: Layer, train_part: Digits, validation_part: Digits) -> Epoch:
    with np.errstate(over="ignore", invalid="ignore"):
        train_logits = layer.logits(train_part.features)
        validation_logits = layer.logits(validation_part.features)
    return Epoch(
        number,
        float(ll.cross_entropy(train_logits, train_part.labels)),
        accuracy(train_logits, train_part.labels),
        float(ll.cross_entropy(validation_logits, validation_part.labels)),
        accuracy(validation_logits, validation_part.labels),
    )


def accuracy(logits: NDArray[np.float32], labels: Indices) -> float:
    """The share of rows whose largest logit (the first of equals) is the label's."""
    return float(np.mean(logits.argmax(axis=-1) == labels))


def _check_options(
    epochs: int, learning_rate: float, momentum: float, batch_size: int, patience: int
) -> None:
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate = {learning_rate} must be positive and finite")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum = {momentum} must be at least 0 and below 1")
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("patience", patience)):
        if value < 1:
            raise ValueError(f"{name} = {value} must be at least 1")
