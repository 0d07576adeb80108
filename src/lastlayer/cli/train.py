"""``lastlayer train``: a classifier from images to logits."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lastlayer.cli.data import data_options, is_folder, load_data
from lastlayer.cli.options import (
    FiniteRange,
    epochs_option,
    out_option,
    quiet_option,
    seed_option,
)

if TYPE_CHECKING:
    from lastlayer.learning.training import State

CHECKPOINT = "checkpoint.safetensors"


@click.command("train")
@click.option(
    "--model",
    type=click.Choice(["softmax", "mlp", "cnn", "alexnet"]),
    default="softmax",
    show_default=True,
    help="The network; see above.",
)
@click.option(
    "--loss",
    type=click.Choice(["cross-entropy", "quadratic"]),
    default="cross-entropy",
    show_default=True,
    help="What it is trained on, either of them on the softmax of the logits.",
)
@data_options
@click.option(
    "--engine",
    type=click.Choice(["numpy", "torch"]),
    help="Whose layers compute it; from the same first weights.  [default: numpy; alexnet: torch]",
)
@click.option(
    "--optimizer",
    type=click.Choice(["adam", "sgd"]),
    default="adam",
    show_default=True,
    help="How a gradient becomes a step.",
)
@click.option(
    "--learning-rate",
    type=FiniteRange(min=0, min_open=True),
    help="How far a step goes.  [default: with adam 0.003, cnn 0.001, alexnet 0.0001; with sgd "
    "0.1, cnn 0.02, alexnet 0.01]",
)
@click.option(
    "--momentum",
    type=FiniteRange(min=0, max=1, max_open=True),
    default=0.9,
    show_default=True,
    help="Of sgd: how much of the last step is in the next.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Images a step.  [default: 32; cnn 64, alexnet 128]",
)
@epochs_option(200, "The most passes over the images to train on.")
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    help="Stop after so many epochs without a new lowest validation loss.  [default: 10; cnn and "
    "alexnet 5]",
)
@click.option(
    "--held-out",
    type=FiniteRange(min=0.01, max=0.9),
    default=0.2,
    show_default=True,
    help="Share of the images that is kept for the test.",
)
@click.option(
    "--classes",
    type=click.IntRange(min=2),
    help="Output nodes.  [default: the classes of the data; alexnet: 1000]",
)
@seed_option("Of what is held out, the first weights, the order of the images and dropout.")
@out_option("lastlayer-train")
@click.option("--resume", is_flag=True, help="Go on with the training in --out that was stopped.")
@quiet_option()
def command(
    data: str | None,
    images: Path | None,
    labels: Path | None,
    size: int | None,
    out: Path,
    resume: bool,
    quiet: bool,
    **wished: Any,
) -> None:
    """Train a classifier from images to logits: softmax, mlp, cnn or alexnet.

    A fifth of the images is held out for the test: they are in no gradient and in no choice. A
    tenth of the others decides when to stop: once its loss has not fallen for some epochs, the
    epoch where it was lowest is kept. Every class is in each part by its share.

    \b
    Models:
      softmax  the last layer alone
      mlp      one hidden layer of 200 sigmoid neurons
      cnn      after LeNet: two convolutions with pooling, two dense layers
      alexnet  the network of 2012, 61 million weights, on 227 x 227 pixels

    The first three are in NumPy, to be read, and with --engine torch in PyTorch.

    \b
    Images:
      --data digits          1,797 handwritten digits, from scikit-learn
      --images F --labels F  IDX files, plain or .gz, such as MNIST's
      --data FILE.npz        arrays images, (N, H, W) or (N, H, W, 3), and labels
      --data FOLDER          a sub-folder of images a class; see --size

    Each epoch replaces checkpoint.safetensors in --out. Stopped at any moment, the same command
    with --resume goes on from there, to the same result as if it had not been stopped.

    \b
    Examples:
      lastlayer train
      lastlayer train --model mlp --loss quadratic --out quadratic
      lastlayer train --model cnn --engine torch --out mnist \\
                      --images train-images-idx3-ubyte.gz \\
                      --labels train-labels-idx1-ubyte.gz
      lastlayer train --model cnn --data photos --size 64 --out photos
      lastlayer train --model cnn --data photos --size 64 --out photos --resume
    """  # noqa: D301  (click's mark of a paragraph that keeps its lines is a backspace)
    from rich.console import Console

    from lastlayer.cli import train_view as view
    from lastlayer.files import write_together
    from lastlayer.learning import checkpoint, parts, trained, training
    from lastlayer.learning.demo import DivergedError
    from lastlayer.learning.settings import DEFAULTS, choose, make_learner
    from lastlayer.learning.warm_up import warm_up

    log = Console(stderr=True, quiet=quiet, highlight=False)
    for package in ("matplotlib", "safetensors"):  # missing? then say so before the work
        importlib.import_module(package)
    if size is None and wished["model"] == "alexnet" and is_folder(data):
        size = 227
    with log.status("Reading the images", spinner="line"):
        whole = load_data(data, images, labels, size)
        split = parts.split(whole, held_out=wished["held_out"], seed=wished["seed"])
        settings = choose(whole, **wished)
    try:
        learner = make_learner(settings)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        message = "torch is not installed: pip install 'lastlayer[torch]'"
        raise click.ClickException(message) from None
    log.print(
        f"{len(split.train)} images train, {len(split.validation)} decide when to stop, "
        f"{len(split.test)} are held out for the test."
    )

    out.mkdir(parents=True, exist_ok=True)
    for name in view.FILES:  # what a process that was killed did not come to rename
        for partial in out.glob(f".{name}.*.part"):
            partial.unlink(missing_ok=True)
    kept, state = out / CHECKPOINT, None
    if resume and kept.exists():
        state = checkpoint.load(kept, settings)
        log.print(f"Going on after epoch {len(state.history) - 1}.")
    elif resume:
        log.print(f"{kept} is not there: beginning anew.", markup=False)
    else:
        kept.unlink(missing_ok=True)
    with log.status("Loading the kernels, or compiling them (once)", spinner="line"):
        warm_up()

    start = time.perf_counter()
    with view.progress(log) as (on_batch, show):

        def on_epoch(state: State) -> None:
            if state.best_epoch:  # before that, beginning anew is going on
                checkpoint.save(kept, state, settings)
            show(state)

        try:
            done = training.train(
                learner,
                split,
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                patience=settings.patience,
                seed=settings.seed,
                resume=state,
                on_batch=on_batch,
                on_epoch=on_epoch,
            )
        except DivergedError as error:
            default = getattr(DEFAULTS[settings.model], settings.optimizer)
            raise click.ClickException(
                f"{error} (--learning-rate {settings.learning_rate:g}; {settings.optimizer} with "
                f"{settings.model} has {default:g} by default)"
            ) from None
    log.print(view.ending(done))
    seconds = {"training": time.perf_counter() - start}
    with log.status("Measuring and drawing", spinner="line"):
        files, scores = trained.contents(learner, done, split, settings, seconds)
    write_together({out / name: content for name, content in files.items()})
    view.tell(Console(), out, scores, settings, quiet)
