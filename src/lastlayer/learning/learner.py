"""What learns: a network and its optimizer behind four verbs, in NumPy or in another framework."""

from __future__ import annotations

from typing import Protocol

from lastlayer.contract import Array, Indices
from lastlayer.learning.network import Loss, Network
from lastlayer.learning.optimizers import SGD, Adam, Arrays


class Learner(Protocol):
    """What `lastlayer.learning.training.train` needs of a network and its optimizer."""

    loss_name: Loss

    def begin(self, epoch: int) -> None:
        """Before an epoch; whatever is random in it follows from its number."""

    def step(self, images: Array, labels: Indices) -> tuple[float, Array]:
        """A step on a batch (B, K, H, W); its loss and logits (B, C) as before the step."""

    def logits(self, images: Array) -> Array:
        """The logits (B, C) of images (B, K, H, W), without learning."""

    def weights(self) -> Arrays:
        """Every parameter by name, in memory that the next step may change."""

    def memory(self) -> Arrays:
        """What the optimizer remembers between two steps."""

    def restore(self, weights: Arrays, memory: Arrays | None = None) -> None:
        """Take over the parameters, and the memory of the optimizer where there is one."""


class NumPyLearner:
    """A `Network` and an optimizer in NumPy.

    Parameters
    ----------
    network : Network
        What learns.
    optimizer : SGD or Adam
        Of the network's own parameters.
    """

    def __init__(self, network: Network, optimizer: SGD | Adam) -> None:
        self.network, self.optimizer = network, optimizer
        self.loss_name = network.loss_name

    def begin(self, epoch: int) -> None:
        """Nothing is random in these networks."""

    def step(self, images: Array, labels: Indices) -> tuple[float, Array]:
        """Forward, error, backward, update."""
        loss, logits, gradients = self.network.gradients(images, labels)
        self.optimizer.update(gradients)
        return loss, logits

    def logits(self, images: Array) -> Array:
        """Forward alone."""
        return self.network.logits(images)

    def weights(self) -> Arrays:
        """The arrays that an update changes."""
        return self.network.parameters()

    def memory(self) -> Arrays:
        """Velocities or means."""
        return self.optimizer.state()

    def restore(self, weights: Arrays, memory: Arrays | None = None) -> None:
        """Copied into the arrays that are there."""
        for name, parameter in self.network.parameters().items():
            parameter[...] = weights[name]
        if memory is not None:
            self.optimizer.restore(memory)
