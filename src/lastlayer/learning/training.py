"""Training by mini-batches until the validation loss stops falling, from a checkpoint too."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lastlayer.contract import Array, Indices
from lastlayer.learning.demo import DivergedError, Epoch, accuracy
from lastlayer.learning.learner import Learner
from lastlayer.learning.network import Loss, mean_loss
from lastlayer.learning.optimizers import Arrays
from lastlayer.learning.parts import Part, Parts

AT_ONCE = 64  # images whose logits are computed together: patches of large ones take memory


@dataclass
class State:
    """What a training needs to go on after an epoch as if it had not stopped.

    Attributes
    ----------
    history : list of Epoch
        Epoch 0, the untrained network, first. What is random in the next epoch (the order of the
        images, dropout) follows from the seed and its number, which is ``len(history)``.
    best_epoch : int
        The one with the lowest validation loss.
    best, weights, memory : dict of str to ndarray
        The parameters of that epoch and of the last one, and what the optimizer remembers.
    """

    history: list[Epoch]
    best_epoch: int
    best: Arrays
    weights: Arrays
    memory: Arrays


@dataclass(frozen=True)
class Training:
    """How a training went; the learner has the weights of the best epoch."""

    history: list[Epoch]
    best_epoch: int
    stopped_early: bool


@dataclass(frozen=True)
class Score:
    """The mean loss (cross-entropy in nats) and the share of images classified right."""

    loss: float
    accuracy: float
    count: int


def train(
    learner: Learner,
    parts: Parts,
    *,
    epochs: int,
    batch_size: int,
    patience: int,
    seed: int = 0,
    resume: State | None = None,
    on_batch: Callable[[int, int, Score], None] = lambda epoch, of, score: None,
    on_epoch: Callable[[State], None] = lambda state: None,
) -> Training:
    """Train until the validation loss has not fallen for some epochs, and keep the best epoch.

    Parameters
    ----------
    learner : Learner
        A network with its optimizer; changed.
    parts : Parts
        The gradient is of ``train``; ``validation`` decides when to stop and which epoch is kept;
        ``test`` is not touched.
    epochs : int
        The most passes over the training part.
    batch_size : int
        Images a step.
    patience : int
        Stop after so many epochs without a new lowest validation loss.
    seed : int, default 0
        Of the order of the images, together with the number of the epoch.
    resume : State, optional
        Go on from here.
    on_batch : callable, optional
        Called after each step with the epoch, how many images it has, and the `Score` of those of
        it that have been learnt from; each was scored just before it was.
    on_epoch : callable, optional
        Called with the `State` after each epoch, and before the first one.

    Returns
    -------
    Training
        The history, whose training loss and accuracy are those of the steps: means over an epoch
        in which the network changed. Epoch 0 is measured as it stands.

    Raises
    ------
    DivergedError
        A loss became infinite or NaN, or the validation loss never fell below that of epoch 0.
    """
    if resume is None:
        state = _untrained(learner, parts)
        on_epoch(state)
    else:
        state = resume
        learner.restore(state.weights, state.memory)
    while len(state.history) <= epochs and not _enough(state, patience):
        number = len(state.history)
        score = _pass(learner, parts.train, number, batch_size, seed, on_batch)
        held = measure(learner, parts.validation)[1]
        if not math.isfinite(held.loss):
            raise DivergedError(_diverged(held.loss, number))
        epoch = Epoch(number, score.loss, score.accuracy, held.loss, held.accuracy)
        state.history.append(epoch)
        if held.loss < state.history[state.best_epoch].validation_loss:
            state.best_epoch, state.best = number, _copy(learner.weights())
        state.weights, state.memory = learner.weights(), learner.memory()
        on_epoch(state)
    if state.best_epoch == 0:
        last = len(state.history) - 1
        raise DivergedError(
            f"after {last} epoch{'' if last == 1 else 's'} the validation loss never fell below "
            "that of the untrained network: the learning rate is too large, or there is too little "
            "to learn from"
        )
    learner.restore(state.best)
    return Training(state.history, state.best_epoch, _enough(state, patience))


def measure(learner: Learner, part: Part) -> tuple[Array, Score]:
    """The logits (N, C) of a part, in its order, and their score."""
    batches = range(0, len(part), AT_ONCE)
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging loss is found by its value
        logits = np.concatenate(
            [learner.logits(part.batch(slice(start, start + AT_ONCE))[0]) for start in batches]
        )
        return logits, score(logits, part.labels, learner.loss_name)


def score(logits: Array, labels: Indices, loss: Loss) -> Score:
    """The `Score` of logits (N, C) and labels (N,)."""
    return Score(mean_loss(logits, labels, loss), accuracy(logits, labels), len(labels))


def batches(count: int, size: int, seed: int, epoch: int) -> Iterator[Indices]:
    """Positions 0 to count − 1 in batches, in an order that seed and epoch decide."""
    order = np.random.default_rng((seed, 1, epoch)).permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]


def _pass(
    learner: Learner, part: Part, number: int, batch_size: int, seed: int, on_batch: Any
) -> Score:
    """An epoch: every image of the part once. Its score is of each image before its own step."""
    learner.begin(number)
    loss = right = seen = 0.0
    for batch in batches(len(part), batch_size, seed, number):
        images, labels = part.batch(batch)
        with np.errstate(over="ignore", invalid="ignore"):
            batch_loss, logits = learner.step(images, labels)
        if not math.isfinite(batch_loss):
            raise DivergedError(_diverged(batch_loss, number))
        seen += len(batch)
        loss += batch_loss * len(batch)
        right += int(np.sum(logits.argmax(axis=1) == labels))
        on_batch(number, len(part), Score(loss / seen, right / seen, int(seen)))
    return Score(loss / seen, right / seen, int(seen))


def _untrained(learner: Learner, parts: Parts) -> State:
    train, held = measure(learner, parts.train)[1], measure(learner, parts.validation)[1]
    if not math.isfinite(held.loss):
        raise DivergedError(_diverged(held.loss, 0))
    epoch = Epoch(0, train.loss, train.accuracy, held.loss, held.accuracy)
    weights = learner.weights()
    return State([epoch], 0, _copy(weights), weights, learner.memory())


def _enough(state: State, patience: int) -> bool:
    return len(state.history) - 1 - state.best_epoch >= patience


def _copy(arrays: Arrays) -> Arrays:
    return {name: value.copy() for name, value in arrays.items()}


def _diverged(loss: float, epoch: int) -> str:
    return f"the loss became {loss} in epoch {epoch}: the learning rate is too large"
