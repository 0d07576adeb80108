"""``lastlayer merge``: the scores of parts added up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lastlayer.cli.options import NewFile, quiet_option
from lastlayer.files import FileFormatError, write_whole

if TYPE_CHECKING:
    from lastlayer.scoring.score import Score

LARGEST = 1 << 29  # bytes of a file that is read


@click.command("merge")
@click.argument("scores", nargs=-1, required=True, metavar="SCORE.json...")
@click.option("--json", "json_file", type=NewFile(), help="Write the sum, to read or to merge.")
@quiet_option("No word of what was written.")
def command(scores: tuple[str, ...], json_file: Path | None, quiet: bool) -> None:
    """Add up the scores of parts, as if all had been scored at once.

    Each SCORE.json was written by 'lastlayer score --json' or by Score.to_json() in Python, from a
    part of the rows: a file, a machine, a day. Counts, sums and everything that comes from them are
    to the last bit what scoring all rows at once gives, in the order of the files; the interval of
    the loss comes close to it. The parts must have the same classes and settings.

    \b
    Examples:
      lastlayer score monday.npy labels-1.npy --json monday.json
      lastlayer score tuesday.npy labels-2.npy --json tuesday.json
      lastlayer merge monday.json tuesday.json
      lastlayer merge parts/*.json --json all.json
    """  # noqa: D301  (click's mark of a paragraph that keeps its lines is a backspace)
    from rich.console import Console

    from lastlayer.scoring.terminal import Screen
    from lastlayer.scoring.text import clean, count

    first, *others = scores
    whole = _read(first)
    for name in others:
        part = _read(name)
        try:
            whole += part
        except ValueError as error:
            raise FileFormatError(f"{clean(name)}: {error}") from None
    written = whole.to_json().encode() if json_file else b""
    if json_file:
        write_whole(json_file, written)
    Console().print(Screen(whole, clean(first) if not others else count(len(scores), "score")))
    if json_file and not quiet:
        log = Console(stderr=True)
        log.print(f"Written: {clean(json_file)}", markup=False, highlight=False, soft_wrap=True)


def _read(name: str) -> Score:
    from lastlayer.scoring.score import Score
    from lastlayer.scoring.text import clean

    path, shown = Path(name), clean(name)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise click.UsageError(f"{shown}: {error.strerror}") from None
    if len(content) > LARGEST:
        raise FileFormatError(f"{shown}: larger than any score, {LARGEST} bytes")
    try:
        return Score.from_json(content)
    except FileFormatError as error:
        raise FileFormatError(f"{shown}: {error}") from None
