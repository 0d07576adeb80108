"""``lastlayer demo``: real digits, a last layer, and what training does to its loss."""

from __future__ import annotations

import importlib
import math
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lastlayer.cli.options import (
    FiniteRange,
    epochs_option,
    out_option,
    quiet_option,
    seed_option,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.table import Table

    from lastlayer import Score
    from lastlayer.learning.demo import Epoch, Training

COMPILING = "Compiling the kernels for this processor (once; kept for the next run)"

FILES = {
    "digits.png": "some of the test digits, each with its class probabilities",
    "curves.png": "loss and accuracy by epoch",
    "report.html": "how good the predictions are: calibration, classes, mistakes",
    "logits.npy": "the raw outputs for the test digits, {count} x 10 float32",
    "labels.npy": "their right classes, {count} int64",
    "metrics.json": "the numbers of this page, every epoch, settings and versions",
}


@click.command()
@out_option("lastlayer-demo")
@epochs_option(300, "The most passes over the training digits.")
@click.option(
    "--learning-rate",
    type=FiniteRange(min=0, max=100, min_open=True),
    default=0.1,
    show_default=True,
    help="How far a step goes down the gradient.",
)
@seed_option("Which digits are held out, and the order of the others.")
@quiet_option()
def command(out: Path, epochs: int, learning_rate: float, seed: int, quiet: bool) -> None:
    """Train a last layer on real handwritten digits, in seconds.

    The 1,797 digits that scikit-learn carries, 8 x 8 pixels each, are classified by one layer:
    features, logits, softmax, cross-entropy, gradient, update, until the loss on digits that it
    does not train on stops falling. The table then compares the layer before and after on a
    quarter of the digits that played no part in either.

    Writes report.html, curves.png, digits.png, logits.npy, labels.npy and metrics.json.
    """
    from rich.console import Console

    import lastlayer as ll
    from lastlayer.files import write_together
    from lastlayer.learning import demo, figures, results
    from lastlayer.learning.digits import split_digits
    from lastlayer.learning.warm_up import warm_up
    from lastlayer.scoring.report import html

    console, log = Console(), Console(stderr=True, quiet=quiet)
    out.mkdir(parents=True, exist_ok=True)  # before the work, should it be impossible
    clock = Clock()

    with log.status("Reading the digits", spinner="line"):
        for package in ("matplotlib", "jinja2"):  # missing? then say so before the work
            importlib.import_module(package)
        parts = split_digits(seed)
    clock.lap("digits")
    log.print(
        f"{len(parts.train)} digits train, {len(parts.validation)} decide when to stop, "
        f"{len(parts.test)} are held out for the table.",
        highlight=False,
    )

    with log.status(COMPILING, spinner="line"):
        warm = warm_up()
    clock.lap("kernels")
    word = "compiled" if warm.compiled else "loaded"
    log.print(f"Kernels {word} in {warm.seconds:.1f} s.", highlight=False)

    with progress(log, epochs) as on_epoch:
        training = demo.train(
            parts.train,
            parts.validation,
            epochs=epochs,
            learning_rate=learning_rate,
            seed=seed,
            on_epoch=on_epoch,
        )
    clock.lap("training")
    log.print(ending(training), highlight=False)

    labels = parts.test.labels
    logits = training.layer.logits(parts.test.features)
    before = ll.score(demo.Layer.untrained().logits(parts.test.features), labels)
    after = ll.score(logits, labels)
    clock.lap("scoring")
    with log.status("Drawing", spinner="line"):
        contents = {
            "digits.png": results.png(figures.draw_digits(parts.test, logits)),
            "curves.png": results.png(figures.draw_curves(training)),
            "report.html": html(after, title=f"{after.count} handwritten digits").encode(),
            "logits.npy": results.npy(logits),
            "labels.npy": results.npy(labels),
        }
    clock.lap("drawing")
    contents["metrics.json"] = results.metrics_json(
        training, seed=seed, before=before, after=after, seconds=clock.seconds
    )
    write_together({out / name: content for name, content in contents.items()})

    console.print(table(before, after))
    if not quiet:
        print_files(console, out, after.count)


class Clock:
    """Seconds from lap to lap."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Give the time since the last lap a name."""
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


@contextmanager
def progress(log: Console, epochs: int) -> Iterator[Callable[[Epoch], None]]:
    """A bar that advances with each epoch it is told of; nothing where there is no terminal."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("Training"),
        BarColumn(bar_width=24),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=log, disable=not log.is_terminal or log.quiet) as bar:
        task = bar.add_task("", total=epochs)

        def on_epoch(epoch: Epoch) -> None:
            text = (
                f"epoch {epoch.number:3d}  validation loss {epoch.validation_loss:.4f} nats  "
                f"accuracy {epoch.validation_accuracy:6.1%}"
            )
            bar.update(task, completed=epoch.number, description=text)

        yield on_epoch
        bar.update(task, total=bar.tasks[0].completed)  # stopping early is an end too


def ending(training: Training) -> str:
    """Why the training ended and which epoch was kept."""
    last = training.history[-1].number
    why = "the validation loss stopped falling" if training.stopped_early else "the most allowed"
    epochs = "1 epoch" if last == 1 else f"{last} epochs"
    return f"Trained {epochs} ({why}); kept epoch {training.best_epoch}."


def table(before: Score, after: Score) -> Table:
    """Loss in three units, perplexity and accuracy, before and after."""
    from rich.table import Table

    rows: list[tuple[str, Callable[[Score], str]]] = [
        ("loss (nats)", lambda s: f"{s.loss:.4f}"),
        ("loss (bits)", lambda s: f"{s.bits:.4f}"),
        ("loss (hartleys)", lambda s: f"{s.loss / math.log(10):.4f}"),
        ("perplexity", lambda s: f"{s.perplexity:.3f}"),
        ("accuracy", lambda s: f"{s.accuracy:.1%}"),
    ]
    view = Table(
        title=f"{after.count} held-out digits",
        caption="unseen in training and stopping",
    )
    view.add_column("")
    view.add_column("before", justify="right")
    view.add_column("after", justify="right", style="bold")
    for name, show in rows:
        view.add_row(name, show(before), show(after))
    return view


def print_files(console: Console, out: Path, count: int) -> None:
    """What was written, and what to do next."""
    console.print("\nWritten to", str(out), markup=False, highlight=False, soft_wrap=True)
    for name, what in FILES.items():
        line = f"  {name:<13} {what.format(count=count)}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    logits, labels = (shlex.quote(str(out / name)) for name in ("logits.npy", "labels.npy"))
    console.print(
        "\nNext, how this loss comes about, step by step:\n"
        f"  lastlayer explain {logits} --labels {labels}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
