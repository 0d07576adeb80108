"""A file's reader, by the ending of its name."""

from __future__ import annotations

from collections.abc import Sequence

from lastlayer.files import FileFormatError
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.readers.places import ENDINGS
from lastlayer.scoring.readers.source import Source


def open_source(file: File, wanted: Sequence[str | None]) -> Source:
    """What the file holds, by its header.

    Parameters
    ----------
    file : File
        Where it is.
    wanted : sequence of str or None
        Names of columns that may be asked for: several columns of a table can have one.
    """
    if file.name.endswith(".npy"):
        from lastlayer.scoring.readers.npy import open_npy

        return open_npy(file)
    if file.name.endswith(".npz"):
        from lastlayer.scoring.readers.npz import open_npz

        return open_npz(file)
    if file.name.endswith((".csv", ".csv.gz")):
        from lastlayer.scoring.readers.text import open_csv

        return open_csv(file, wanted)
    if file.name.endswith(".parquet"):
        from lastlayer.scoring.readers.columnar import open_parquet

        return open_parquet(file, wanted)
    if file.name.endswith(".safetensors"):
        from lastlayer.scoring.readers.tensors import open_safetensors

        return open_safetensors(file)
    raise FileFormatError(f"{file}: expected a name that ends in {', '.join(ENDINGS)}")
