"""``lastlayer bench``: lastlayer beside its peers and the limits of memory, on your machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lastlayer.cli.options import FiniteRange, Folder

BUSY = 0.3  # cores that others take, from which on a warning is due
SUITES = (
    "headline", "classes", "dtypes", "options", "layouts", "softmax", "scoring", "threads", "small",
    "batches",
)  # fmt: skip
OPTIONS = (
    "plain", "soft-targets", "label-smoothing", "class-weights", "z-loss", "soft-cap", "temperature"
)  # fmt: skip


@click.command("bench")
@click.argument("named", nargs=-1, metavar="[SUITE]...", type=click.Choice([*SUITES, "all"]))
@click.option(
    "--suite",
    "suites",
    multiple=True,
    type=click.Choice([*SUITES, "all"]),
    help="The same as SUITE. May be repeated.  [default: headline]",
)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="NxC",
    help="In place of a suite: rows x classes of the logits, or NxCxHxW of images. May be "
    "repeated.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    type=click.Choice(OPTIONS),
    help="With --shape: of the loss.  [default: plain]  May be repeated.",
)
@click.option(
    "--layout",
    type=click.Choice(["rows", "padded", "strided", "fortran"]),
    help="With --shape: how the logits lie in memory.  [default: rows]",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64", "float16", "bfloat16"]),
    help="Of the logits.  [default: float32]",
)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    type=click.Choice(["loss", "gradient", "softmax", "log-softmax", "score"]),
    help="What to compute; gradient is the loss and its gradient. May be repeated.  [default: "
    "loss and gradient, or those of the suite]",
)
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="NAME",
    help="Only these: numpy, scipy, scikit-learn, scikit-learn-inner, torchmetrics, torch, "
    "torch-compile, jax. May be repeated.  [default: all that are installed]",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="The same number for everyone.  [default: as many as this process may use]",
)
@click.option("--repeat", type=click.IntRange(min=1), help="Turns of every contestant in a case.")
@click.option(
    "--seconds",
    type=FiniteRange(min=0, min_open=True),
    help="Without --repeat: about how long the turns of a case may take.  [default: 20, in a "
    "suite 4 to 6]",
)
@click.option(
    "--memory/--no-memory",
    default=None,
    help="Measure the peak memory, a process a contestant.  [default: with --shape and in the "
    "suites headline and scoring]",
)
@click.option("--quick", is_flag=True, help="Small logits, a second a case, no peak memory.")
@click.option(
    "--out",
    type=Folder(),
    default=Path("lastlayer-bench"),
    show_default=True,
    help="Folder for bench.md, bench.json and the charts.",
)
def command(
    named: tuple[str, ...],
    suites: tuple[str, ...],
    shapes: tuple[str, ...],
    options: tuple[Any, ...],
    layout: Any,
    threads: int | None,
    repeat: int | None,
    out: Path,
    **wished: Any,
) -> None:
    """Measure lastlayer beside its peers and the limits of memory.

    Every peer that is installed takes its turn in one process: PyTorch eager, torch.compile, JAX
    jit, SciPy, scikit-learn and NumPy. Each is warmed up and its answer checked before it is
    timed. The time is a median; the peak memory comes from a process of its own.

    No program can be faster than memory. Computing a loss reads the logits at least once; a
    gradient also writes as much again. So two limits are measured beside everyone: reading the
    logits once, and copying them once. "of limit" says how near a row comes to its limit: at
    100 % only a faster memory would help.

    \b
    Suites, each a table with a line a case:
      headline  large logits of 10 to a million classes, with peak memory
      classes   the same bytes in rows of 2 to a million classes, as two charts
      dtypes    float64, float16 and bfloat16 beside float32
      options   soft targets, smoothing, weights, z-loss, soft-cap, temperature
      layouts   padded, strided and Fortran-ordered logits; images
      softmax   softmax and log-softmax, into an array of yours and in place
      scoring   ll.score beside scikit-learn's metrics and torchmetrics, with peak memory
      threads   lastlayer alone, on one thread, on two, and on more
      small     batches of 1 to 1024 rows, where calling is what costs
      batches   batches of 1 to 33 MB, as one trains with

    Ctrl-C ends a run early, and what is complete by then is written.

    \b
    Examples:
      lastlayer bench --quick
      lastlayer bench scoring
      lastlayer bench --suite classes --peer torch --peer torch-compile
      lastlayer bench --shape 4096x50257 --option soft-cap --dtype bfloat16
      lastlayer bench all --out results

    Peers to compare with: pip install '.[bench]', in a clone.
    """  # noqa: D301  (click's mark of a paragraph that keeps its lines is a backspace)
    from lastlayer.bench import measure, report, run

    suites = (*named, *suites)
    threads = threads or measure.available_threads()
    wishes = run.Wishes(**wished)
    names = SUITES if "all" in suites else suites
    try:
        if shapes and suites:
            raise ValueError("--shape is in place of a suite: give one of them")
        if (options or layout) and not shapes:
            raise ValueError("--option and --layout go with --shape; there are suites of both")
        if shapes:
            steps = run.plan_shapes(shapes, options, layout or "rows", wishes)
        else:
            steps = run.plan_suites(names or ("headline",), wishes, threads)
        report.check_writable(out)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"can't write into {out}: {error.strerror}") from None
    _measure(steps, threads, repeat, out)


def _measure(steps: Any, threads: int, repeat: int | None, out: Path) -> None:
    """Every step, shown as it is done; whatever ends it, what is complete is written."""
    from rich.console import Console

    from lastlayer.bench import machine, measure, overview, run, terminal
    from lastlayer.bench.suites import title_of

    screen, aside = Console(highlight=False), Console(stderr=True)
    many = len(steps) > overview.MANY
    entries: list[Any] = []
    ended: BaseException | None = None
    screen.print(run.make_report((), threads).place, style="dim", soft_wrap=True)
    legend = terminal.MANY_LEGEND if many else terminal.LEGEND
    screen.print(legend, style="dim", soft_wrap=True)
    taken = machine.taken_by_others()
    if taken > BUSY:
        screen.print(
            f"Other programs keep {taken:.1f} cores busy: the times will not be right, and those "
            "of PyTorch and scikit-learn, whose threads wait for each other, far too long.",
            style="yellow", soft_wrap=True,
        )  # fmt: skip
    screen.print()
    with measure.use_threads(threads), terminal.progress(aside, len(steps)) as watch:
        for number, step in enumerate(steps):
            tick = watch.case(number, step.case.title)
            try:
                entries.append(run.run_step(step, threads, rounds=repeat, progress=tick))
            except (RuntimeError, MemoryError, KeyboardInterrupt) as error:
                ended = error
            suite = [entry for entry in entries if entry.suite == step.suite]
            last = ended or number + 1 == len(steps) or steps[number + 1].suite != step.suite
            with watch.aside():
                if many and last and suite:
                    screen.print(terminal.overview(suite, title_of(step.suite), screen.width))
                elif not many and not ended:
                    screen.print(terminal.table(entries[-1]))
            if ended:
                break
    _write(screen, entries, threads, len(steps), out)
    if isinstance(ended, KeyboardInterrupt):
        raise ended
    if ended:
        raise click.ClickException(str(ended) or "not enough memory")


def _write(screen: Any, entries: Any, threads: int, planned: int, out: Path) -> None:
    from lastlayer.bench import report, run

    if len(entries) < planned:
        screen.print(f"Ended early: {len(entries)} of {planned} cases are complete.")
    if not entries:
        return
    try:
        written = report.write(run.make_report(entries, threads, planned), out)
    except OSError as error:
        raise click.ClickException(f"can't write into {out}: {error.strerror}") from None
    screen.print(f"Written: {', '.join(str(path) for path in written)}", soft_wrap=True)
