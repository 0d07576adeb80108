"""``lastlayer compare``: the quadratic cost beside cross-entropy, on a neuron or a network."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lastlayer.cli.data import data_options, load_data
from lastlayer.cli.options import (
    FiniteRange,
    epochs_option,
    lang_option,
    out_option,
    quiet_option,
    seed_option,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lastlayer.learning.compare.story import Language, Story

FILES = {
    "compare.html": "the story, in words beside the pictures: open it in a browser",
    "compare.png": "the pictures alone",
    "compare.svg": "the same, for print and slides",
    "compare.json": "every number of the curves, settings and versions",
}
MOST_EPOCHS = 20_000  # a page and a file that can still be opened


def _shared(command: Any) -> Any:
    """The options of both."""
    for option in (
        quiet_option(),
        lang_option("Language of the page and the pictures."),
        out_option("lastlayer-compare"),
    ):
        command = option(command)
    return command


@click.group(
    name="compare", invoke_without_command=True, subcommand_metavar="neuron|network [OPTIONS]..."
)
@click.pass_context
def command(context: click.Context) -> None:
    """Show why cross-entropy: train with it and with the quadratic cost, side by side.

    The same start, the same data, the same learning rate; only the cost differs. Writes a page
    that tells what happened, compare.html, its pictures as PNG and SVG, and every number.

    \b
    Examples:
      lastlayer compare neuron
      lastlayer compare neuron --weight 0.6 --bias 0.9
      lastlayer compare network --model cnn
      lastlayer compare network --model mlp --lang zh --out bijiao
    """  # noqa: D301
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@command.command()
@click.option(
    "--weight",
    type=FiniteRange(-1000, 1000),
    default=2.0,
    show_default=True,
    help="Where the neuron's weight starts.",
)
@click.option(
    "--bias",
    type=FiniteRange(-1000, 1000),
    default=2.0,
    show_default=True,
    help="Where its bias starts.",
)
@click.option(
    "--rate",
    type=FiniteRange(min=0, min_open=True),
    default=0.15,
    show_default=True,
    help="How far a step goes down the gradient.",
)
@epochs_option(300, "Steps.", MOST_EPOCHS)
@_shared
def neuron(
    weight: float, bias: float, rate: float, epochs: int, out: Path, lang: Any, quiet: bool
) -> None:
    """Teach one sigmoid neuron to turn the input 1 into 0.

    From 2 and 2 it is sure and wrong: the quadratic cost hardly moves it for 150 epochs, though it
    has everything to learn, since its gradient carries the sigmoid's derivative, which is nearly 0
    there. Cross-entropy's gradient does not have that factor. From 0.6 and 0.9 both learn.

    \b
    Examples:
      lastlayer compare neuron
      lastlayer compare neuron --weight 0.6 --bias 0.9
      lastlayer compare neuron --weight 5 --bias 5 --epochs 3000
    """  # noqa: D301
    from lastlayer.learning.compare.neuron import compare_neuron
    from lastlayer.learning.compare.neuron_story import neuron_columns, neuron_story

    settings = {"weight": weight, "bias": bias, "rate": rate, "epochs": epochs}
    _begin(out)
    with _progress("Teaching", "steps", quiet) as advance:
        curves = compare_neuron(weight, bias, rate=rate, epochs=epochs, on_step=advance)
    tell = partial(neuron_story, curves, rate, _again("neuron", settings, lang))
    _finish(tell, lang, neuron_columns(curves), {"of": "neuron", **settings}, out, quiet)


@command.command()
@click.option(
    "--model",
    type=click.Choice(["softmax", "mlp", "cnn"]),
    default="mlp",
    show_default=True,
    help="The network: a last layer alone; one hidden layer of sigmoids; convolutions.",
)
@data_options
@click.option(
    "--rate",
    "--learning-rate",
    type=FiniteRange(min=0, min_open=True),
    default=0.1,
    show_default=True,
    help="How far a step goes down the gradient.",
)
@epochs_option(20, "Passes over the training images.", MOST_EPOCHS)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=32, show_default=True, help="Images a step."
)
@seed_option("Of what is held out, the first weights and the order of the images.")
@_shared
def network(
    model: str,
    data: str | None,
    images: Path | None,
    labels: Path | None,
    size: int | None,
    rate: float,
    epochs: int,
    batch_size: int,
    seed: int,
    out: Path,
    lang: Any,
    quiet: bool,
) -> None:
    """Train one network twice, with either cost, from the same start.

    The same first weights, the same batches in the same order, plain gradient descent at the same
    rate. Both costs are taken of the softmax of the logits. Shows loss, accuracy and the size of
    each layer's gradient by epoch; a fifth of the images is held out.

    \b
    Examples:
      lastlayer compare network --model cnn
      lastlayer compare network --model softmax --rate 1
      lastlayer compare network --images train-images-idx3-ubyte.gz \\
                                --labels train-labels-idx1-ubyte.gz --epochs 5
    """  # noqa: D301
    from lastlayer.learning.compare.network import compare_network
    from lastlayer.learning.compare.network_story import Setting, network_columns, network_story
    from lastlayer.learning.parts import split

    parts = split(load_data(data, images, labels, size), seed=seed)
    _begin(out)
    settings: dict[str, object] = {"model": model}
    for name, value in (("data", data), ("images", images), ("labels", labels), ("size", size)):
        settings |= {} if value is None else {name: str(value)}
    settings |= {"rate": rate, "epochs": epochs, "batch_size": batch_size, "seed": seed}
    with _progress("Training", "steps", quiet) as advance:
        curves = compare_network(
            model,
            parts,
            rate=rate,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            on_step=advance,
        )
    whole = parts.train.data
    source = Path(whole.source).name
    setting = Setting(model, source, len(parts.train), len(parts.test), len(whole.names), rate)
    tell = partial(network_story, curves, setting, _again("network", settings, lang))
    settings |= {"of": "network", "source": whole.source}
    _finish(tell, lang, network_columns(curves), settings, out, quiet)


# --------------------------------------------------------------------------- before and after


def _begin(out: Path) -> None:
    """What would be in the way afterwards is in the way now."""
    out.mkdir(parents=True, exist_ok=True)
    for package in ("jinja2", "matplotlib"):
        importlib.import_module(package)


def _again(what: str, settings: Mapping[str, object], lang: str) -> str:
    """The command with every setting that the result depends on."""
    words = ["lastlayer", "compare", what]
    for name, value in settings.items():
        text = str(value)  # of a float the shortest that is read as the same
        text = text.removesuffix(".0") if isinstance(value, float) else text
        words += [f"--{name.replace('_', '-')}", text]
    return shlex.join([*words, *([] if lang == "en" else ["--lang", lang])])


@contextmanager
def _progress(what: str, unit: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar that is told how much is done, and of how much; nothing where there is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    log = Console(stderr=True)
    columns = (
        TextColumn(what),
        BarColumn(bar_width=24),
        TextColumn(f"{{task.completed}}/{{task.total}} {unit}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=log, disable=quiet or not log.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _finish(
    tell: Callable[[Language], Story],
    lang: Language,
    curves: Mapping[str, object],
    settings: Mapping[str, object],
    out: Path,
    quiet: bool,
) -> None:
    """Everything is made before anything is written; then the table."""
    from rich.console import Console
    from rich.table import Table

    from lastlayer.files import write_together
    from lastlayer.learning.compare.fonts import chinese_font
    from lastlayer.learning.compare.results import contents

    font = chinese_font() if lang == "zh" else None
    made = contents(tell, lang, font, curves, settings)
    write_together({out / name: content for name, content in made.items()})
    story = tell(lang)
    view = Table(title=story.title)
    view.add_column(story.summary.heads[0])
    for head in story.summary.heads[1:]:
        view.add_column(head, justify="right")
    for row in story.summary.rows:
        view.add_row(*row)
    console = Console()
    console.print(view)
    if quiet:
        return
    lines = [f"\nWritten to {out}", *(f"  {name:<13} {what}" for name, what in FILES.items())]
    if lang == "zh" and font is None:
        lines.append("No font with Chinese letters here: compare.png and .svg are in English.")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
