"""From what was asked for to files: a path, a folder, a glob, a remote address."""

from __future__ import annotations

import glob
import os
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
