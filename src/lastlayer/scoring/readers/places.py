"""From what was asked for to files: a path, a folder, a glob, a remote address."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lastlayer.files import FileFormatError
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.text import clean

ENDINGS = (".npy", ".npz", ".csv", ".csv.gz", ".parquet", ".safetensors")


def files_of(path: str | os.PathLike[str]) -> list[File]:
    """The files that a path, a folder or a glob stands for, in sorted order."""
    name = os.fspath(path)
    if "://" in name or "::" in name:
        return _remote(name)
    if os.path.isdir(name):
        inside = [os.path.join(name, part) for part in os.listdir(name)]
        return [File(part) for part in _of_known_kinds(inside, name)]
    if not os.path.lexists(name) and glob.has_magic(name):
        found = sorted(part for part in glob.glob(name) if not os.path.isdir(part))
        if not found:
            raise FileFormatError(f"{clean(name)}: no file has such a name")
        return [File(part) for part in found]
    return [File(name)]


LABELS = ("labels", "targets")
PREDICTIONS = ("logits", "predictions", "prob")
# what files of both kinds have in common, between what they hold and their format
_COMMON = re.compile(
    r"(?:labels|targets|logits|predictions|prob(?:abilities|s)?)[-_. ]?(.*?)(?:\.gz)?", re.DOTALL
)


def sorted_out(path: str | os.PathLike[str], files: list[File]) -> tuple[list[File], list[File]]:
    """The files of predictions, and those of labels that lie beside them in a folder.

    Names tell them apart, as `LABELS` and `PREDICTIONS` begin. Without both, nothing is labels.
    """
    if len(files) < 2 or not os.path.isdir(path):
        return files, []
    labels = [file for file in files if file.name.startswith(LABELS)]
    predictions = [file for file in files if file.name.startswith(PREDICTIONS)]
    rest = len(files) - len(labels) - len(predictions)
    if labels and rest:
        odd = next(f for f in files if not f.name.startswith((*LABELS, *PREDICTIONS)))
        raise FileFormatError(
            f"{odd}: beside {clean(labels[0].name)} it is unclear whether it holds predictions: "
            f"name those {'*, '.join(PREDICTIONS)}*, or give the files or a glob with --labels"
        )
    if not (predictions and labels):
        return files, []
    _check_pairs(predictions, labels)
    return predictions, labels


def _check_pairs(predictions: list[File], labels: list[File]) -> None:
    """Refuse as many files of labels as of predictions, several, whose names do not go together."""
    if 1 < len(labels) == len(predictions):
        for one, other in zip(predictions, labels, strict=True):
            if _ending(one) != _ending(other):
                raise FileFormatError(
                    f"{other}: by their order its labels are those of {clean(one.name)}, and the "
                    "names do not end alike: give the files or globs, with --labels"
                )


def _ending(file: File) -> str:
    """What tells files of a folder apart: test of logits_test.npy."""
    found = _COMMON.fullmatch(file.name)
    assert found is not None  # by its name it has been sorted out
    return found[1].rpartition(".")[0]


def _of_known_kinds(parts: Iterable[str], folder: str) -> list[str]:
    """The files of a folder that may hold predictions."""
    found = sorted(
        part
        for part in parts
        if Path(part).name.lower().endswith(ENDINGS) and not Path(part).name.startswith(".")
    )
    if not found:
        raise FileFormatError(
            f"{clean(folder)}: a folder without files of predictions ({', '.join(ENDINGS)})"
        )
    return found


def _remote(address: str) -> list[File]:
    import fsspec

    system: Any
    try:
        system, path = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:
        raise FileFormatError(f"{clean(address)}: {clean(str(error), 200)}") from error
    if "file" in (system.protocol if isinstance(system.protocol, tuple) else [system.protocol]):
        return files_of(path)
    if glob.has_magic(path) and not system.exists(path):
        found = sorted(part for part in system.glob(path) if not system.isdir(part))
        if not found:
            raise FileFormatError(f"{clean(address)}: no file has such a name")
    elif system.isdir(path):
        found = _of_known_kinds(system.ls(path, detail=False), address)
    else:
        found = [path]
    return [File(part, system) for part in found]
