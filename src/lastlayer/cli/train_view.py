"""What ``lastlayer train`` shows: the progress, how it ended, the table, what was written."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from lastlayer.learning.settings import Settings
    from lastlayer.learning.training import Score, State, Training

    OnBatch = Callable[[int, int, Score], None]
    OnEpoch = Callable[[State], None]

FILES = {
    "metrics.json": "loss and accuracy of each part, by epoch too; settings",
    "curves.png": "loss and accuracy by epoch",
    "logits.npy": "outputs for the held-out images, {count} x {classes} float32",
    "labels.npy": "their right classes, {count} int64",
    "weights.safetensors": "the weights of the epoch that was kept",
    "checkpoint.safetensors": "the last epoch, for --resume with more --epochs",
}
PARTS = {"train": "to train on", "validation": "to stop by", "test": "held out"}


@contextmanager
def progress(log: Console) -> Iterator[tuple[OnBatch, OnEpoch]]:
    """A bar through each epoch, or where there is no terminal a line an epoch."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=12), TimeElapsedColumn())
    with Progress(*columns, console=log, disable=not log.is_terminal or log.quiet) as bar:
        task = bar.add_task("measuring the untrained network", total=None)
        stopping = ""

        def on_batch(epoch: int, images: int, score: Score) -> None:
            text = f"epoch {epoch:3d}  loss {score.loss:.4f} {score.accuracy:6.1%}{stopping}"
            bar.update(task, description=text, total=images, completed=score.count)

        def on_epoch(state: State) -> None:
            nonlocal stopping
            last = state.history[-1]
            stopping = f"  validation {last.validation_loss:.4f} {last.validation_accuracy:6.1%}"
            if not log.is_terminal:
                log.print(
                    f"epoch {last.number:3d}  loss {last.train_loss:.4f} "
                    f"{last.train_accuracy:6.1%}{stopping}",
                    soft_wrap=True,
                )

        yield on_batch, on_epoch
        bar.update(task, visible=False)


def ending(training: Training) -> str:
    """Why the training ended and which epoch was kept."""
    last = len(training.history) - 1
    why = "the validation loss stopped falling" if training.stopped_early else "the most allowed"
    epochs = "1 epoch" if last == 1 else f"{last} epochs"
    return f"Trained {epochs} ({why}); kept epoch {training.best_epoch}."


def tell(
    console: Console, out: Path, scores: Mapping[str, Score], settings: Settings, quiet: bool
) -> None:
    """The table of the three parts; and unless it shall be quiet, the files and what is next."""
    from rich.table import Table
    from rich.text import Text

    unit = "loss (nats)" if settings.loss == "cross-entropy" else "quadratic cost"
    view = Table(title=Text(f"{settings.model} on {Path(settings.data).name}"))
    for head in ("", "images", unit, "right"):
        view.add_column(head, justify="right" if head else "left")
    for name, score in scores.items():
        row = (PARTS[name], f"{score.count}", f"{score.loss:.4f}", f"{score.accuracy:.2%}")
        view.add_row(*row, style="bold" if name == "test" else "")
    console.print(view)
    if quiet:
        return
    lines = [f"\nWritten to {out}"]
    for name, what in FILES.items():
        if (out / name).exists():
            text = what.format(count=scores["test"].count, classes=settings.classes)
            lines.append(f"  {name:<22} {text}")
    logits, labels = (shlex.quote(str(out / name)) for name in ("logits.npy", "labels.npy"))
    lines += [
        "\nNext, how this loss comes about, step by step:",
        f"  lastlayer explain {logits} --labels {labels}",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
