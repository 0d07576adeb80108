"""`lastlayer explain`: from words on the command line to `lastlayer.explain`, and back."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from lastlayer.cli.options import NewFile, lang_option
from lastlayer.files import write_whole
from lastlayer.learning import playground
from lastlayer.learning.explain import Explanation, explain

BASES = {"e": math.e, "2": 2.0, "10": 10.0}
PROBABILITIES = [[0.5, 0.2, 0.3], [0.8, 0.1, 0.1]]  # of the batch shown where none is given
STYLES = {
    "head": "bold",
    "title": "bold cyan",
    "formula": "cyan",
    "why": "",
    "label": "dim",
    "number": "",
    "number bar": "white on blue",
    "picked": "bold green",
    "picked bar": "bold bright_white on blue",
    "total": "bold",
    "note": "magenta",
}


@click.command("explain")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--logits", metavar="ROWS", help='Raw outputs: "2,1,0.1;0,3,1", a row up to each ";".'
)
@click.option(
    "--labels",
    metavar="LABELS",
    help='A class a row, "0,1" or "0;1"; or a distribution a row, "0.9,0.1;0,1"; or a .npy or .csv '
    "file of either.",
)
@click.option("--probabilities", is_flag=True, help="The rows are probabilities, not raw outputs.")
@click.option(
    "--base",
    type=click.Choice(list(BASES)),
    help="Of the logarithm: e for nats, 2 for bits, 10 for hartleys.  [default: e]",
)
@click.option(
    "--learning-rate", type=float, default=1.0, show_default=True, help="Length of the last step."
)
@lang_option("Language.")
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=NewFile(),
    help="Write a page instead, on which these numbers can be moved by hand.",
)
def command(
    file: Path | None,
    logits: str | None,
    labels: str | None,
    probabilities: bool,
    base: str | None,
    learning_rate: float,
    lang: Any,
    page: Path | None,
) -> None:
    """Show softmax and cross-entropy step by step, from raw outputs to the gradient.

    FILE holds the raw outputs: a .npy array, or a .csv with one example a row, with or without a
    header; a column called "label" holds the labels. Without FILE and --logits a small batch is
    shown, in base 10.

    \b
    Examples:
      lastlayer explain
      lastlayer explain --logits "2,1,0.1;0,3,1" --labels "0,1" --base 2
      lastlayer explain outputs.npy --labels labels.npy --lang zh
      lastlayer explain --logits "2,1,0.1" --labels 0 --html page.html
    """  # noqa: D301
    x, y = _inputs(file, logits, labels)
    default = "e"
    if x is None:
        x, y, default = np.array(PROBABILITIES), np.array([0, 0]), "10"
        x = x if probabilities else np.log(x)
    try:
        explanation = explain(
            x,
            y,
            base=BASES[base or default],
            probabilities=probabilities,
            lang=lang,
            learning_rate=learning_rate,
        )
        content = playground.page(explanation, learning_rate=learning_rate) if page else ""
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    if page is None:
        _show(explanation, Console())
    else:
        write_whole(page, content.encode())
        click.echo(f"Written: {page} (open it in a browser)")


# --------------------------------------------------------------------------- input


def _inputs(file: Path | None, logits: str | None, labels: str | None) -> tuple[Any, Any]:
    """Logits and labels, both or neither."""
    if file is not None and logits is not None:
        raise click.UsageError("give FILE or --logits, not both")
    if file is None and logits is None:
        if labels is not None:
            raise click.UsageError("--labels needs raw outputs beside it: FILE or --logits")
        return None, None
    if file is None:
        assert logits is not None
        x, y = _floats(_split(logits), "--logits"), None
    else:
        x, y = _read(file)
    if labels is not None:
        if y is not None:
            raise click.UsageError(f'{file} has a column "label": leave out --labels')
        y = _labels(labels, x.shape)
    if y is None:
        column = "" if logits is not None else ', or a column called "label"'
        raise click.UsageError(f'no labels: give --labels "0,1"{column}')
    return x, y


def _split(text: str) -> list[list[str]]:
    return [row.split(",") for row in text.strip().rstrip(";").split(";")]


def _labels(text: str, shape: tuple[int, ...]) -> Any:
    """Labels for logits of that shape, from words or a file."""
    if text.lower().endswith((".npy", ".csv")):
        path = Path(text)
        if not path.is_file():
            raise click.BadParameter(f"no such file: {text}", param_hint="--labels")
        if path.suffix.lower() == ".npy":
            return _load(path)
        return _classes_or_distributions(_table(path)[0], text, shape)
    return _classes_or_distributions(_split(text), "--labels", shape)


def _classes_or_distributions(rows: list[list[str]], name: str, shape: tuple[int, ...]) -> Any:
    """One cell a row is a class; "0,1" is two, unless it is as long as the only example."""
    examples, classes = math.prod(shape[:-1]), shape[-1:]
    one = len(rows) == 1 and (examples, len(rows[0])) != (1, *classes)
    if one and all(map(_is_whole, rows[0])):
        rows = [[cell] for cell in rows[0]]
    # Of logits with fewer axes or more than two, as a .npy has them, every example is a row here.
    if all(len(row) == 1 for row in rows):
        indices = _classes([row[0] for row in rows], name)
        return indices.reshape(shape[:-1]) if len(indices) == examples else indices
    values = _floats(rows, name)
    return values.reshape(shape) if values.shape == (examples, *classes) else values


def _classes(cells: list[str], name: str) -> Any:
    """A class a row, also where a program has written it as 1.0."""
    values = _floats([[cell] for cell in cells], name)[:, 0]
    bad = ~((values == np.rint(values)) & (np.abs(values) < 2**53))
    if bad.any():
        i = int(bad.argmax())
        raise click.UsageError(f"{name}: {cells[i].strip()!r} (row {i}) is not a class")
    return values.astype(np.int64)


def _floats(rows: list[list[str]], name: str, first: int = 0) -> Any:
    """Rows of numbers, all equally long; `first` is the number of the first row."""
    values = []
    for i, row in enumerate(rows, first):
        if len(row) != len(rows[0]):
            raise click.UsageError(
                f"{name}: row {i} has {len(row)} numbers, and row {first} has {len(rows[0])}"
            )
        try:
            values.append(list(map(float, row)))
        except ValueError:
            bad = next(cell for cell in row if not _is_number(cell))
            raise click.UsageError(f"{name}: {bad.strip()!r} in row {i} is not a number") from None
    return np.array(values, dtype=np.float64)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_whole(text: str) -> bool:
    return _is_number(text) and float(text).is_integer()


def _read(file: Path) -> tuple[Any, Any]:
    """Logits and, where the file has them, labels."""
    if file.suffix.lower() == ".npy":
        array = _load(file)
        if array.dtype.kind in "iu":  # no swap of logits and labels: here each has its own place
            array = array.astype(np.float64)
        return array, None
    if file.suffix.lower() != ".csv":
        raise click.UsageError(f"{file} is neither a .npy nor a .csv file")
    rows, header = _table(file)
    if "label" not in header:
        return _floats(rows, str(file)), None
    column = header.index("label")
    short = [i for i, row in enumerate(rows) if len(row) != len(header)]
    if short:
        raise click.UsageError(
            f"{file}: row {short[0]} has {len(rows[short[0]])} cells, and the header {len(header)}"
        )
    labels = [row.pop(column) for row in rows]
    return _floats(rows, str(file)), _classes(labels, str(file))


def _load(file: Path) -> Any:
    try:
        return np.lib.format.open_memmap(file, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise click.UsageError(f"{file} is not a .npy file of numbers: {error}") from None


def _table(file: Path) -> tuple[list[list[str]], list[str]]:
    """The cells of a .csv, and its header: a first line with "label" in it or without numbers."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = [row for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise click.UsageError(f"{file} cannot be read as .csv: {error}") from None
    header: list[str] = []
    if rows:
        names = [cell.strip().lower() for cell in rows[0]]
        if "label" in names or not any(map(_is_number, names)):
            header = names
            rows.pop(0)
    if not rows:
        raise click.UsageError(f"{file} has no rows of numbers")
    return rows, header


# --------------------------------------------------------------------------- output


def _show(explanation: Explanation, console: Console) -> None:
    """In colours on a terminal, as plain and unchanging text anywhere else."""
    from rich.text import Text

    from lastlayer.learning.explain_text import lines

    if not console.is_terminal:
        click.echo(str(explanation))
        return
    for line in lines(explanation, console.width):
        text = Text(no_wrap=True, overflow="ignore")
        for role, span in line:
            text.append(span, style=STYLES.get(role, ""))
        text.rstrip()
        console.print(text)
