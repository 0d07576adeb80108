"""The options that say which images to train on, the same for every verb that trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lastlayer.learning.datasets import DataSet


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --data, --images, --labels and --size; `load_data` takes them."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    for option in (
        click.option(
            "--size",
            type=click.IntRange(4, 1024),
            metavar="PIXELS",
            help="For a folder: make its images so many pixels square.",
        ),
        click.option("--labels", type=file, metavar="FILE", help="Their labels, an IDX file too."),
        click.option(
            "--images",
            type=file,
            metavar="FILE",
            help="Images in an IDX file, as MNIST, Fashion-MNIST and EMNIST have them; .gz too.",
        ),
        click.option(
            "--data",
            metavar="WHAT",
            help="digits: scikit-learn's 1,797 real handwritten digits; or an .npz file with "
            "images and labels; or a folder with a sub-folder of images a class.  "
            "[default: digits]",
        ),
    ):
        command = option(command)
    return command


def is_folder(data: str | None) -> bool:
    """Whether --data names a folder; "digits" never does, "./digits" may."""
    return bool(data) and data != "digits" and Path(data or "").is_dir()


def load_data(
    data: str | None, images: Path | None, labels: Path | None, size: int | None
) -> DataSet:
    """The images and labels that the options name.

    Parameters
    ----------
    data, images, labels, size
        As the options of `data_options` gave them.

    Returns
    -------
    DataSet
        All of it.

    Raises
    ------
    click.UsageError
        Options that don't go together.
    FileFormatError, FileNotFoundError
        As `lastlayer.learning.datasets.load` and `load_idx`.
    """
    from lastlayer.learning.datasets import load, load_idx

    if (images is None) != (labels is None):
        given, missing = ("--images", "--labels") if labels is None else ("--labels", "--images")
        raise click.UsageError(f"{given} needs {missing} beside it")
    if data == "":
        raise click.UsageError("--data: an empty name is no data")
    if images is None or labels is None:
        return load("digits" if data is None else data, size=size)
    if data is not None or size is not None:
        raise click.UsageError("give --images and --labels, or --data with --size, not both")
    return load_idx(images, labels)
