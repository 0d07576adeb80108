"""``lastlayer score``: files of predictions to a table, a page and JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lastlayer.cli.frugal import claim_few_addresses
from lastlayer.cli.options import NewFile, Ranks, quiet_option
from lastlayer.cli.progress import Watch, progress, progress_of_rows
from lastlayer.files import FileFormatError, write_together
from lastlayer.labels import LabelError

if TYPE_CHECKING:
    from rich.console import Console

    from lastlayer.scoring.dask_engine import DaskEngine
    from lastlayer.scoring.readers import Block, Predictions
    from lastlayer.scoring.score import Score


@click.command("score")
@click.argument("paths", nargs=-1, required=True, metavar="PREDICTIONS... [LABELS]")
@click.option(
    "--labels", metavar="PATH", help="Where the labels are, if not beside the predictions."
)
@click.option("--probabilities", is_flag=True, help="The rows are probabilities, not logits.")
@click.option("--json", "json_file", type=NewFile(), help="Write the score, to read or to merge.")
@click.option("--report", "report_file", type=NewFile(), help="Write a page of HTML about it.")
@click.option("--fit-temperature", is_flag=True, help="Find the temperature of the least loss.")
@click.option(
    "--bytes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Of the text that the rows stand for: gives bits a byte.",
)
@click.option(
    "--top-k", type=Ranks(), default="1,5", show_default=True, help="For which k to give accuracy."
)
@click.option(
    "--bins",
    type=click.IntRange(min=1),
    default=15,
    show_default=True,
    help="Of the calibration.",
)
@click.option(
    "--ignore-index",
    type=int,
    default=-100,
    show_default=True,
    help="Rows with this label are left out.",
)
@click.option("--allow-nan", is_flag=True, help="Leave rows with NaN out, count and name them.")
@click.option(
    "--logits-name",
    metavar="NAMES",
    help="Column or array of the predictions; several columns, a class each, as 'score_*' or "
    "'cat,dog'.",
)
@click.option("--labels-name", metavar="NAMES", help="The same of the labels.")
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Score on a Dask cluster: the scheduler's address, or 'local' to start one here.",
)
@quiet_option("No progress bar.")
def command(
    paths: tuple[str, ...],
    labels: str | None,
    json_file: Path | None,
    report_file: Path | None,
    fit_temperature: bool,
    dask: str | None,
    quiet: bool,
    **wished: Any,
) -> None:
    """Score files of predictions: loss, perplexity, accuracy and calibration, in one pass.

    PREDICTIONS are logits, a row an example, of any number of rows: .npy, .npz, .csv, .csv.gz,
    .parquet or .safetensors; a folder or a quoted glob of them, taken as one in sorted order; or
    an address such as s3://... (with fsspec and what it needs). LABELS are class numbers, or
    distributions, in a file of any of these kinds, or beside the predictions; in a folder, those
    named labels* or targets* beside those named logits*, predictions* or prob*.

    \b
    Which path is what:
      one           predictions with labels beside them, or with --labels
      two           predictions and labels; two predictions to compare, if the
                    first has labels beside it
      any number    with --labels: predictions of the same rows, to compare

    Usual names are found by themselves: logits or logit_0, logit_1, ... (for --probabilities
    probabilities, probs or prob_0, ...), and label or labels. docs/scoring.md defines every number.

    With --dask, parts of the rows are scored by the workers of a cluster, with the same numbers.
    The workers open the files themselves: give paths that are the same on all machines, as of a
    shared folder, or s3://... Each worker needs the same version of lastlayer.

    \b
    Examples:
      lastlayer score logits.npy labels.npy
      lastlayer score validation.parquet --report report.html --fit-temperature
      lastlayer score 'shards/*.npy' --labels labels.npy --json score.json
      lastlayer score before.npy after.npy --labels labels.npy
      lastlayer score test.csv --probabilities --logits-name 'cat,dog' --labels-name y
      lastlayer score /shared/shards --labels /shared/labels.npy --dask tcp://10.0.0.1:8786
    """  # noqa: D301  (click's mark of a paragraph that keeps its lines is a backspace)
    from rich.console import Console

    claim_few_addresses()
    from lastlayer.scoring.readers import open_predictions
    from lastlayer.scoring.text import clean

    names = {key: wished.pop(key) for key in ("probabilities", "logits_name", "labels_name")}
    console, log = Console(), Console(stderr=True, quiet=quiet)
    try:
        predictions, labels = _split(paths, labels, names)
        if len(predictions) > 1 and json_file:
            raise click.UsageError("--json is of one PREDICTIONS; score each by itself")
        opened = [open_predictions(path, labels, **names) for path in predictions]
        _apart([json_file, report_file], opened)
        settings = {**wished, "probabilities": names["probabilities"]}
        if dask is None:
            with progress(log) as watch:
                scores = [_score(one, watch, fit_temperature, settings) for one in opened]
        else:
            from lastlayer.scoring.dask_engine import DaskEngine

            with DaskEngine(dask) as engine:
                scores = [_score_by(engine, log, one, fit_temperature, settings) for one in opened]
    except (FileFormatError, LabelError):
        raise
    except FileNotFoundError as error:
        name = error if error.filename is None else error.filename or "an empty name"
        raise click.UsageError(f"no such file: {clean(name)}") from None
    except OSError as error:
        place = clean(error.filename) + ": " if error.filename else ""
        raise click.ClickException(f"{place}{clean(error.strerror or error, 200)}") from None
    except ValueError as error:  # of a row, which it names; or of an option
        raise FileFormatError(str(error).replace("(allow_nan ", "(--allow-nan ")) from error

    for one, score in zip(opened, scores, strict=True):
        score.class_names = one.class_names
    shown = [clean(path) for path in predictions]
    written: dict[Path, bytes] = {}
    if len(scores) > 1:
        screen, page = _compared(shown, scores, report_file is not None)
    else:
        screen, page = _alone(shown[0], scores[0], report_file is not None)
    if json_file:
        written[json_file] = scores[0].to_json().encode()
    if report_file:
        written[report_file] = page.encode()
    write_together(written)
    console.print(screen)
    for path in written:
        log.print(f"Written: {clean(path)}", markup=False, highlight=False, soft_wrap=True)


def _split(
    paths: tuple[str, ...], labels: str | None, names: dict[str, Any]
) -> tuple[tuple[str, ...], str | None]:
    """Which paths are predictions, and where the labels are: None for beside them."""
    from lastlayer.scoring.readers import has_labels

    if len(paths) == 2 and labels is None and not has_labels(paths[0], **names):
        return paths[:1], paths[1]
    return paths, labels


def _apart(targets: list[Path | None], opened: list[Predictions]) -> None:
    """Refuse to write a file over another, or over what is scored."""
    from lastlayer.scoring.text import clean

    taken = {os.path.realpath(file) for one in opened for file in one.files}
    for target in filter(None, targets):
        place = os.path.realpath(target)
        if place in taken:
            raise click.UsageError(f"{clean(target)}: is read or written already")
        taken.add(place)


@contextmanager
def _naming_labels(predictions: Predictions) -> Iterator[None]:
    """An error in labels names the file that they are from, where it is one of their own."""
    try:
        yield
    except LabelError as error:
        if predictions.labels is None:
            raise
        raise LabelError(f"{error}; labels from {predictions.labels}") from None


def _score(predictions: Predictions, watch: Watch, fit: bool, settings: dict[str, Any]) -> Score:
    from lastlayer.scoring.nan_rows import counting, refuse_after
    from lastlayer.scoring.score import Score
    from lastlayer.scoring.temperature import fit_temperature

    score = Score(**counting(settings))
    for block in watch(predictions, "Scoring"):
        with _naming_labels(predictions):
            score.update(block.logits, block.labels, source=block.source)
        del block
    refuse_after(score, settings)
    if fit:
        score.temperature_fit = fit_temperature(
            lambda: _pairs(watch(predictions, "Fitting the temperature")),
            before=score,
        )
    return score


def _pairs(blocks: Iterator[Block]) -> Iterator[tuple[Any, Any]]:
    for block in blocks:
        yield block.logits, block.labels
        del block  # and with it its part of the file, before the next


def _score_by(
    engine: DaskEngine, log: Console, predictions: Predictions, fit: bool, settings: dict[str, Any]
) -> Score:
    with progress_of_rows(log, "Counting rows", None) as advance:
        predictions = engine.counted(predictions, advance)
    with (
        _naming_labels(predictions),
        progress_of_rows(log, "Scoring", predictions.rows) as advance,
    ):
        score = engine.score(predictions, settings, advance)
    if fit:
        with progress_of_rows(log, "Fitting the temperature", predictions.rows) as advance:
            score.temperature_fit = engine.fit_temperature(predictions, score, advance)
    return score


def _alone(name: str, score: Score, page: bool) -> tuple[Any, str]:
    from lastlayer.scoring import report
    from lastlayer.scoring.terminal import Screen

    return Screen(score, name), report.html(score, title=name) if page else ""


def _compared(names: list[str], scores: list[Score], page: bool) -> tuple[Any, str]:
    from lastlayer.scoring.comparison import compare
    from lastlayer.scoring.report import comparing
    from lastlayer.scoring.terminal_comparison import ComparisonScreen

    comparison = compare(names, scores)
    title = "Comparison of predictions"
    return ComparisonScreen(comparison), comparing.html(comparison, title=title) if page else ""
