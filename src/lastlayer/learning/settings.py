"""What a training is to be, and the learner that follows from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from lastlayer.learning.datasets import DataSet
from lastlayer.learning.learner import Learner, NumPyLearner
from lastlayer.learning.network import Loss, Shape, build
from lastlayer.learning.optimizers import SGD, Adam, OptimizerName
from lastlayer.learning.parts import HELD_OUT

Model = Literal["softmax", "mlp", "cnn", "alexnet"]
Engine = Literal["numpy", "torch"]

IMAGENET = 1000  # classes, which alexnet was made for


class Defaults(NamedTuple):
    """What works for a model, for either loss."""

    adam: float  # learning rates
    sgd: float
    batch_size: int
    patience: int  # epochs


DEFAULTS = {
    "softmax": Defaults(adam=0.003, sgd=0.1, batch_size=32, patience=10),
    "mlp": Defaults(adam=0.003, sgd=0.1, batch_size=32, patience=10),
    "cnn": Defaults(adam=0.001, sgd=0.02, batch_size=64, patience=5),
    "alexnet": Defaults(adam=0.0001, sgd=0.01, batch_size=128, patience=5),
}


@dataclass(frozen=True)
class Settings:
    """All that the result of a training depends on, beside the machine.

    Attributes
    ----------
    model, loss, engine, optimizer : str
        Which ones.
    learning_rate, momentum : float
        Of the optimizer; Adam has no momentum of this kind.
    batch_size, epochs, patience, held_out, seed
        See `lastlayer.learning.training.train` and `lastlayer.learning.parts.split`.
    shape : tuple of three int
        Of an image: channels, rows, columns.
    classes : int
        C, the number of logits.
    data, fingerprint : str
        Where the images are from, and a hash of them.
    """

    model: Model
    loss: Loss
    engine: Engine
    optimizer: OptimizerName
    learning_rate: float
    momentum: float
    batch_size: int
    epochs: int
    patience: int
    held_out: float
    seed: int
    shape: Shape
    classes: int
    data: str
    fingerprint: str

    def differences(self, others: dict[str, Any]) -> list[str]:
        """What a checkpoint with the settings `others` was made with and this one has not.

        The most epochs don't count, which only say where to end, nor the name of the data.
        """
        mine = {**asdict(self), "shape": list(self.shape)}
        return [
            "other images or labels"
            if name == "fingerprint"
            else f"{name} = {others.get(name)}, not {value}"
            for name, value in mine.items()
            if name not in {"epochs", "data"} and others.get(name) != value
        ]


def choose(
    data: DataSet,
    *,
    model: Model = "softmax",
    loss: Loss = "cross-entropy",
    engine: Engine | None = None,
    optimizer: OptimizerName = "adam",
    learning_rate: float | None = None,
    momentum: float = 0.9,
    batch_size: int | None = None,
    epochs: int = 200,
    patience: int | None = None,
    held_out: float = HELD_OUT,
    classes: int | None = None,
    seed: int = 0,
) -> Settings:
    """Settings for some images: what is given, and for what is None the model's own default.

    Parameters
    ----------
    data : DataSet
        What will be trained on.
    model, loss, engine, optimizer, learning_rate, momentum
        See `Settings`. The engine is torch for alexnet by default, otherwise numpy.
    batch_size, epochs, patience, held_out, seed
        See `Settings`.
    classes : int, optional
        Logits; by default as many as the data has classes, and for alexnet at least 1000.

    Returns
    -------
    Settings
        Complete.

    Raises
    ------
    ValueError
        Fewer logits than classes; alexnet with the engine numpy.

    Examples
    --------
    >>> from lastlayer.learning.datasets import load
    >>> from lastlayer.learning.settings import choose
    >>> choose(load("digits"), model="cnn").learning_rate
    0.001
    """
    has, usual = len(data.names), DEFAULTS[model]
    if model == "alexnet" and engine == "numpy":
        raise ValueError("alexnet is there with the engine torch alone, not in NumPy")
    if classes is not None and classes < has:
        raise ValueError(f"{data.source} has {has} classes, and classes = {classes}")
    return Settings(
        model=model,
        loss=loss,
        engine=engine or ("torch" if model == "alexnet" else "numpy"),
        optimizer=optimizer,
        learning_rate=learning_rate or getattr(usual, optimizer),
        momentum=momentum,
        batch_size=batch_size or usual.batch_size,
        epochs=epochs,
        patience=patience or usual.patience,
        held_out=held_out,
        seed=seed,
        shape=data.shape,
        classes=classes or max(has, IMAGENET if model == "alexnet" else 0),
        data=data.source,
        fingerprint=data.fingerprint(),
    )


def make_learner(settings: Settings) -> Learner:
    """The network of a training as it begins, with its optimizer.

    Parameters
    ----------
    settings : Settings
        The same settings give the same first weights, and either engine the same ones.

    Returns
    -------
    Learner
        For `lastlayer.learning.training.train`.

    Raises
    ------
    ValueError
        Images of a size that the network cannot take.
    ModuleNotFoundError
        The engine is torch, and PyTorch is not installed.
    """
    s = settings
    if s.engine == "numpy":
        network = build(s.model, s.shape, s.classes, s.loss, s.seed)
        parameters = network.parameters()
        if s.optimizer == "sgd":
            return NumPyLearner(network, SGD(parameters, s.learning_rate, s.momentum))
        return NumPyLearner(network, Adam(parameters, s.learning_rate))

    from lastlayer.learning.alexnet import alexnet
    from lastlayer.learning.torch_learner import TorchLearner, as_torch

    if s.model == "alexnet":
        module = alexnet(s.shape, s.classes, seed=s.seed)
    else:
        module = as_torch(build(s.model, s.shape, s.classes, s.loss, s.seed))
    return TorchLearner(module, s.loss, s.optimizer, s.learning_rate, s.momentum, s.seed)
