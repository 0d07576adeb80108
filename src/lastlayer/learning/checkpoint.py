"""A training between two epochs as one file, to go on from after it was stopped."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lastlayer.files import FileFormatError, write_whole
from lastlayer.learning.demo import Epoch
from lastlayer.learning.settings import Settings
from lastlayer.learning.training import State

KINDS = ("best", "weights", "memory")


def save(path: Path, state: State, settings: Settings) -> None:
    """Write a safetensors file that holds a state whole; the one that was there stays until then.

    Parameters
    ----------
    path : Path
        Where.
    state : State
        After an epoch.
    settings : Settings
        Kept beside it.
    """
    from safetensors.numpy import save as as_bytes

    tensors = {f"{kind}/{k}": v for kind in KINDS for k, v in getattr(state, kind).items()}
    known = {
        "history": [asdict(epoch) for epoch in state.history],
        "best_epoch": state.best_epoch,
        "settings": asdict(settings),
    }
    write_whole(path, as_bytes(tensors, {"lastlayer": json.dumps(known)}))


def load(path: Path, settings: Settings) -> State:
    """The state that `save` wrote, for a training with the same settings.

    Parameters
    ----------
    path : Path
        Where.
    settings : Settings
        Of the training that is to go on. It may have more epochs, and its data another name.

    Returns
    -------
    State
        For `lastlayer.learning.training.train`.

    Raises
    ------
    FileFormatError
        It is no such file.
    ValueError
        It was made with other settings, or has more epochs already.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            known: dict[str, Any] = json.loads((file.metadata() or {})["lastlayer"])
            tensors: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
            for name in file.keys():  # noqa: SIM118  (a handle, not a dict)
                kind, _, key = name.partition("/")
                tensors[kind][key] = file.get_tensor(name)
        history = [Epoch(**epoch) for epoch in known["history"]]
        best_epoch, others = int(known["best_epoch"]), dict(known["settings"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path} is no checkpoint of a training: {error}") from None
    if differences := settings.differences(others):
        raise ValueError(
            f"{path} was made with {'; '.join(differences)}: resume with the same settings, or "
            "begin anew without --resume"
        )
    if len(history) - 1 > settings.epochs:
        raise ValueError(
            f"{path} has {len(history) - 1} epochs already, more than epochs = {settings.epochs}"
        )
    return State(history, best_epoch, **tensors)
