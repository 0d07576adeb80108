"""What predictions and labels are, in one file or many: found out without reading rows."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lastlayer.files import FileFormatError
from lastlayer.scoring.readers import columns
from lastlayer.scoring.readers.file import File
from lastlayer.scoring.readers.labels import Labels, kind_of, total
from lastlayer.scoring.readers.opened import open_source
from lastlayer.scoring.readers.places import files_of, sorted_out
from lastlayer.scoring.readers.predictions import Part, Predictions
from lastlayer.scoring.readers.source import Source
from lastlayer.scoring.text import clean

PathLike = str | os.PathLike[str]


def open_predictions(
    paths: PathLike | Sequence[PathLike],
    labels: PathLike | Sequence[PathLike] | None = None,
    *,
    probabilities: bool = False,
    logits_name: str | None = None,
    labels_name: str | None = None,
) -> Predictions:
    """Predictions in files of any size: what they are, from the files' headers alone.

    Parameters
    ----------
    paths : path, or sequence of paths
        .npy, .npz, .csv, .csv.gz, .parquet, .safetensors; a folder or a glob stands for its files
        in sorted order, and an address such as ``"s3://…"`` for what fsspec finds there. Several
        files are one data set, one after the other.
    labels : path, or sequence of paths, optional
        The same for the labels, in one file or several, one after the other. Without them they are
        beside the predictions.
    probabilities : bool
        Rows are probabilities rather than logits: another name is looked for.
    logits_name, labels_name : str, optional
        Of the array or column, or of several columns, a class each: ``"score_*"``,
        ``"cat,dog,fish"``. Without a name they are found by the usual ones.

    Returns
    -------
    Predictions
        With `classes`, `rows`, `bytes` and `blocks`.

    Raises
    ------
    FileFormatError
        A file of an unknown kind or broken, without what was asked for, with another number of
        classes than the first, without rows; labels of another number than rows.
    FileNotFoundError, OSError
        A file that isn't there or can't be read.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from lastlayer.scoring.readers import open_predictions
    >>> folder = tempfile.mkdtemp()
    >>> np.save(os.path.join(folder, "logits.npy"), np.zeros((5, 3), np.float32))
    >>> np.save(os.path.join(folder, "labels.npy"), np.arange(5) % 3)
    >>> predictions = open_predictions(
    ...     os.path.join(folder, "logits.npy"), os.path.join(folder, "labels.npy")
    ... )
    >>> predictions.classes, predictions.rows
    (3, 5)
    >>> for block in predictions.blocks():
    ...     print(block.logits.shape, block.labels, block.first_row)
    (5, 3) [0 1 2 0 1] 0
    """
    files, beside = _files(paths)
    parts = _parts(files, logits_name, labels_name, probabilities)
    classes = _classes(parts)
    names = _class_names(parts)
    rows = total(part.rows for part in parts)
    if rows == 0:
        raise FileFormatError(f"{parts[0].source.file}: has no rows")
    apart = None
    if labels is not None:
        beside = [file for files, named in _sorted_out(labels) for file in named or files]
    elif beside and (own := next((part for part in parts if part.labels is not None), None)):
        raise FileFormatError(
            f"{own.source.file}: has labels ({clean(own.labels, 40)!r}), and so has {beside[0]}: "
            "give the files or a glob for those within, with --labels for the others"
        )
    if beside:
        found = [
            (source, columns.labels(source.file, source.columns, labels_name, alone=True) or "")
            for source in (open_source(file, [labels_name]) for file in beside)
        ]
        width = kind_of([(s, n, s.columns[n]) for s, n in found], classes, rows)
        apart = Labels(found, width, [_count(s, n, width) for s, n in found])
        _check_rows(parts, apart, rows)
    else:
        inside = []
        for part in parts:
            if part.labels is None:
                raise FileFormatError(
                    f"{part.source.file}: has no labels (by the names "
                    f"{', '.join(columns.LABELS)}); give the file that has them, as second path or "
                    "with --labels, or with --labels-name the column"
                )
            inside.append((part.source, part.labels, part.source.columns[part.labels]))
        width = kind_of(inside, classes, rows)
        for part, (source, name, _) in zip(parts, inside, strict=True):
            _check_equal(str(source.file), _count(source, name, width), part.rows, "logits beside")
    size = sum(part.source.file.size for part in parts)
    return Predictions(classes, rows, size, tuple(parts), apart, width, class_names=names)


def has_labels(
    path: PathLike, *, probabilities: bool, logits_name: str | None, labels_name: str | None
) -> bool:
    """Whether files of predictions have labels beside them."""
    files, labels = _files(path)
    parts = _parts(files, logits_name, labels_name, probabilities)
    return bool(labels) or all(part.labels is not None for part in parts)


def _files(paths: PathLike | Sequence[PathLike]) -> tuple[list[File], list[File]]:
    """The files of predictions, and those of labels that lie in the same folders."""
    found = _sorted_out(paths)
    return [f for files, _ in found for f in files], [f for _, labels in found for f in labels]


def _sorted_out(paths: PathLike | Sequence[PathLike]) -> list[tuple[list[File], list[File]]]:
    several = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    return [sorted_out(path, files_of(path)) for path in several]


def _parts(
    files: Sequence[File],
    logits_name: str | None,
    labels_name: str | None,
    probabilities: bool,
) -> list[Part]:
    parts = []
    for file in files:
        source = open_source(file, [logits_name, labels_name])
        found = source.columns
        logits = columns.predictions(file, found, logits_name, probabilities=probabilities)
        there = labels_name is None or labels_name in found
        labels = columns.labels(file, found, labels_name, alone=False) if there else None
        if labels is not None:
            columns.check_apart(file, found, logits, labels)
        parts.append(Part(source, logits, labels, found[logits].rows(-1)))
    return parts


def _class_names(parts: Sequence[Part]) -> tuple[str, ...]:
    """What the columns call the classes, the same in all files that name them."""
    first, names = parts[0], tuple[str, ...]()
    for part in parts:
        own = columns.class_names(part.source.columns[part.logits].names, part.logits)
        if not own:
            continue
        first, names = (part, own) if not names else (first, names)
        if own != names:
            mine, theirs = next((a, b) for a, b in zip(own, names, strict=True) if a != b)
            raise FileFormatError(
                f"{part.source.file}: calls a class {mine!r}, expected {theirs!r} as in "
                f"{first.source.file}: the same names in the same order"
            )
    return names


def _classes(parts: Sequence[Part]) -> int:
    """How many classes all the files have."""
    first, classes = parts[0], None
    for part in parts:
        width = part.source.columns[part.logits].width
        if width is None:  # no rows, by which it would be seen
            continue
        if classes is None:
            first, classes = part, width
        if width != classes:
            raise FileFormatError(
                f"{part.source.file}: has {width} classes, expected {classes} as in "
                f"{first.source.file}"
            )
    if classes is None:
        raise FileFormatError(f"{first.source.file}: has no rows")
    return classes


def _count(source: Source, name: str, width: int) -> int | None:
    """How many labels a column has."""
    return source.columns[name].rows(-1 if width else None)


def _check_rows(parts: Sequence[Part], labels: Labels, rows: int | None) -> None:
    """A label for each row: file by file where there are as many files, and of all."""
    if len(labels.sources) == len(parts):
        for part, (source, name) in zip(parts, labels.sources, strict=True):
            count = _count(source, name, labels.width)
            _check_equal(str(source.file), count, part.rows, str(part.source.file))
    _check_equal(str(labels.sources[0][0].file), labels.rows, rows, str(parts[0].source.file))


def _check_equal(name: str, labels: int | None, rows: int | None, other: str) -> None:
    if labels is not None and rows is not None and labels != rows:
        raise FileFormatError(f"{name}: has {labels} labels, expected {rows}, the rows of {other}")
