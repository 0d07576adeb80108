"""Files that are whole or absent, and the error for those that hold something else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

LONGEST = 200  # bytes of a name to which something can be added: systems take 255


class FileFormatError(ValueError):
    """A file that does not hold what was expected, or not what its own header says."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that takes the place of `path` once it is complete, and not before.

    Parameters
    ----------
    path : Path
        Where the file is to be. What was there stays until the new one is whole.
    content : bytes
        What is to be in it.

    Raises
    ------
    OSError
        The folder cannot be written to, or is full; nothing of the new file is left behind.
    """
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files that belong together: all of them, or where one cannot be written, none.

    Parameters
    ----------
    contents : mapping of Path to bytes
        What is to be in them. The old files stay until every new one is whole. Then the old one of
        the last path is the first to go, and the new one the last to come: where it is, the others
        are of the same writing, also after a process that was killed in between.

    Raises
    ------
    OSError
        A folder cannot be written to, or is full; nothing of the new files is left behind.
    """
    partials = {path: _partial(path) for path in contents}
    try:
        for (path, partial), content in zip(partials.items(), contents.values(), strict=True):
            _write(partial, path, content)
        if len(partials) > 1:
            path.unlink(missing_ok=True)
        for path, partial in partials.items():
            partial.replace(path)
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    name = path.name
    if len(os.fsencode(name)) > LONGEST:
        import hashlib

        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return path.with_name(f".{name}.{os.getpid()}.part")


def _write(partial: Path, path: Path, content: bytes) -> None:
    try:
        partial.write_bytes(content)
    except OSError as error:
        # a full disk has no name of its own, and the part's means little
        error.filename = str(path)
        raise
