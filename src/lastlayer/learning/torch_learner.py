"""The same networks from PyTorch's layers, and what learns there; AlexNet is there alone."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import lastlayer.torch
from lastlayer.contract import Array, Indices
from lastlayer.learning.layers import (
    Convolution,
    Dense,
    Flatten,
    Layer,
    MaxPooling,
    ReLU,
    Sigmoid,
)
from lastlayer.learning.network import Loss, Network
from lastlayer.learning.optimizers import Arrays, OptimizerName


def as_torch(network: Network) -> nn.Sequential:
    """A network of PyTorch's layers with the names and a copy of the weights of one in NumPy.

    Parameters
    ----------
    network : Network
        Not changed.

    Returns
    -------
    torch.nn.Sequential
        From images (N, K, H, W) to logits (N, C).

    Examples
    --------
    >>> from lastlayer.learning.network import build
    >>> from lastlayer.learning.torch_learner import as_torch
    >>> as_torch(build("softmax", (1, 8, 8), 10, "cross-entropy", seed=0))
    Sequential(
      (flatten1): Flatten(start_dim=1, end_dim=-1)
      (dense1): Linear(in_features=64, out_features=10, bias=True)
    )
    """
    modules = OrderedDict((name, torch_layer(layer)) for name, layer in network.layers.items())
    copied = nn.Sequential(modules)
    copied.load_state_dict(_tensors(network.parameters()))
    return copied


def torch_layer(layer: Layer) -> nn.Module:
    """PyTorch's layer that computes the same."""
    match layer:
        case Dense():
            outputs, inputs = layer.parameters["weight"].shape
            return nn.Linear(inputs, outputs)
        case Convolution():
            filters, channels, size, _ = layer.parameters["weight"].shape
            return nn.Conv2d(channels, filters, size, padding=size // 2)
        case MaxPooling():
            return nn.MaxPool2d(layer.size)
        case Sigmoid():
            return nn.Sigmoid()
        case ReLU():
            return nn.ReLU()
        case Flatten():
            return nn.Flatten()
    raise TypeError(f"no layer of PyTorch's is known for {type(layer).__name__}")


class TorchLearner:
    """A network and an optimizer of PyTorch's, on the loss of lastlayer.torch.

    Parameters
    ----------
    network : torch.nn.Module
        From images (N, K, H, W) to logits (N, C).
    loss : {"cross-entropy", "quadratic"}
        What it is trained on.
    optimizer : {"sgd", "adam"}
        Which of torch.optim.
    rate, momentum : float
        Of the optimizer; Adam has no momentum of this kind.
    seed : int
        Of what is random in the network (dropout), together with the epoch.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        optimizer: OptimizerName,
        rate: float,
        momentum: float,
        seed: int,
    ) -> None:
        self.network, self.loss_name, self.seed = network, loss, seed
        self.loss = lastlayer.torch.CrossEntropyLoss() if loss == "cross-entropy" else _quadratic
        if optimizer == "sgd":
            self.optimizer: Any = torch.optim.SGD(network.parameters(), rate, momentum=momentum)
        else:
            self.optimizer = torch.optim.Adam(network.parameters(), rate)

    def begin(self, epoch: int) -> None:
        """Dropout in an epoch follows from its number: a training that goes on needs no more."""
        torch.manual_seed(int(np.random.SeedSequence((self.seed, epoch)).generate_state(1)[0]))

    def step(self, images: Array, labels: Indices) -> tuple[float, Array]:
        """Forward, loss, backward by autograd, update."""
        self.network.train()
        self.optimizer.zero_grad()
        # copied into memory aligned as PyTorch's own, on which the last bit of a product may depend
        logits = self.network(torch.tensor(images))
        loss = self.loss(logits, torch.tensor(labels))
        loss.backward()
        self.optimizer.step()
        return loss.item(), logits.detach().numpy()

    def logits(self, images: Array) -> Array:
        """Forward alone, without dropout."""
        self.network.eval()
        with torch.no_grad():
            logits: Array = self.network(torch.tensor(images)).numpy()
        return logits

    def weights(self) -> Arrays:
        """Views of the parameters."""
        return {name: value.detach().numpy() for name, value in self.network.named_parameters()}

    def memory(self) -> Arrays:
        """The tensors that the optimizer keeps for each parameter."""
        kept: dict[int, dict[str, Tensor | None]] = self.optimizer.state_dict()["state"]
        return {
            f"{number}.{key}": value.numpy()
            for number, tensors in kept.items()
            for key, value in tensors.items()
            if value is not None
        }

    def restore(self, weights: Arrays, memory: Arrays | None = None) -> None:
        """Copied into the parameters and the optimizer."""
        self.network.load_state_dict(_tensors(weights))
        if memory is not None:
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in _tensors(memory).items():
                number, _, key = name.partition(".")
                state.setdefault(int(number), {})[key] = tensor
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _quadratic(logits: Tensor, labels: Tensor) -> Tensor:
    """½ ‖softmax(logits) − t‖², the mean over the rows."""
    wanted = nn.functional.one_hot(labels, logits.shape[1])
    cost: Tensor = (lastlayer.torch.softmax(logits, 1) - wanted).square().sum(1).mean() / 2
    return cost


def _tensors(arrays: Arrays) -> dict[str, Tensor]:
    return {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}
