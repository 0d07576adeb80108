"""Files that are whole or absent, and the error for those that hold something else."""

from __future__ import annotations

import os
from pathlib import Path


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
        The folder cannot be written to; nothing of the new file is left behind.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
