"""``lastlayer bench``: lastlayer beside its peers and the limits of memory, on your machine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lastlayer.cli.options import FiniteRange, Folder

SHAPES = "2048x32000, 65536x1000 and 1000000x10"


@click.command("bench")
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="NxC",
    help=f"Rows x classes of the logits; may be repeated.  [default: {SHAPES}]",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64", "float16", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of the logits.",
)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    type=click.Choice(["loss", "gradient", "softmax"]),
    default=("loss", "gradient"),
    show_default=True,
    help="What to compute; gradient is the loss and its gradient. May be repeated.",
)
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="NAME",
    help="Only these: numpy, scipy, scikit-learn, scikit-learn-inner, torch, torch-compile, jax. "
    "May be repeated.  [default: all that are installed]",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="The same number for everyone.  [default: as many as this process may use]",
)
@click.option("--repeat", type=click.IntRange(min=1), help="Rounds of every case.")
@click.option(
    "--seconds",
    type=FiniteRange(min=0, min_open=True),
    help="Without --repeat: about how long the rounds of a case may take.  [default: 20]",
)
@click.option("--no-memory", is_flag=True, help="Leave out the peak memory.")
@click.option("--quick", is_flag=True, help="Small shapes, a second a case, no peak memory.")
@click.option(
    "--out",
    type=Folder(),
    default=Path("lastlayer-bench"),
    show_default=True,
    help="Folder for bench.md, bench.json, bench.svg and bench.png.",
)
def command(
    shapes: tuple[str, ...],
    dtype: str,
    tasks: tuple[str, ...],
    peers: tuple[str, ...],
    threads: int | None,
    repeat: int | None,
    seconds: float | None,
    no_memory: bool,
    quick: bool,
    out: Path,
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
    Examples:
      lastlayer bench --quick
      lastlayer bench --shape 4096x50257 --peer torch --peer torch-compile
      lastlayer bench --dtype bfloat16 --task gradient --threads 1

    Peers to compare with: pip install '.[bench]', in a clone.
    """  # noqa: D301  (click's mark of a paragraph that keeps its lines is a backspace)
    from rich.console import Console

    from lastlayer.bench import cases, measure, report, run, terminal

    if quick:
        shapes = shapes or tuple(f"{n}x{c}" for n, c in cases.QUICK_SHAPES)
    shapes = shapes or tuple(f"{n}x{c}" for n, c in cases.SHAPES)
    try:
        plan = run.make_cases(shapes, dtype, tasks)  # type: ignore[arg-type]  # click has checked
        for case in plan:
            if case.logits_bytes > sys.maxsize:
                raise ValueError(f"{case.shape} logits are more than an array can hold")
        takers = measure.contestants(peers)
        report.check_writable(out)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"can't write into {out}: {error.strerror}") from None

    threads = threads or measure.available_threads()
    screen, aside = Console(highlight=False), Console(stderr=True)
    entries = []
    with measure.use_threads(threads):
        screen.print(run.make_report((), threads).place, style="dim", soft_wrap=True)
        screen.print(terminal.LEGEND, style="dim", soft_wrap=True)
        screen.print()
        for case in plan:
            with terminal.progress(aside, case.title) as tick:
                try:
                    entry = run.run_case(
                        case,
                        takers,
                        threads,
                        rounds=repeat,
                        seconds=seconds or (1.0 if quick else 20.0),
                        with_memory=not (no_memory or quick),
                        progress=tick,
                    )
                except (RuntimeError, MemoryError) as error:
                    raise click.ClickException(str(error) or "not enough memory") from None
            entries.append(entry)
            screen.print(terminal.table(entry))
    try:
        written = report.write(run.make_report(entries, threads), out)
    except OSError as error:
        raise click.ClickException(f"can't write into {out}: {error.strerror}") from None
    screen.print(f"Written: {', '.join(str(path) for path in written)}", soft_wrap=True)
