"""Files that are whole or absent, and the error for one that is not what it should be."""

from __future__ import annotations

import os
from pathlib import Path


class FileFormatError(ValueError):
    """A file that is not what it should be; the message names it and says what was expected."""


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
