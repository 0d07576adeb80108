"""Options that several verbs have, declared once; and kinds of them that click does not have."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """A number in a range; NaN, which no comparison leaves out, and infinity are in none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number that was typed, or an error that repeats it."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is not in the range {self._describe_range()}.", param, ctx)
        return number


class Folder(click.Path):
    """A folder to write to; an empty name, as of a variable that is not set, is none."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path that was typed."""
        if value == "":
            self.fail("an empty name is no folder.", param, ctx)
        return super().convert(value, param, ctx)


class NewFile(click.Path):
    """A file to write, in a folder that is there."""

    name = "file"

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path that was typed, once it is clear that a file can be there."""
        if value == "":
            self.fail("an empty name is no file.", param, ctx)
        path: Any = super().convert(value, param, ctx)
        if path.exists() and not path.is_file():  # it would be replaced, as /dev/null for root
            self.fail(f"{str(path)!r} is a device or a pipe, and no file.", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no folder {str(path.parent)!r}.", param, ctx)
        if not os.access(path.parent, os.W_OK):
            self.fail(f"the folder {str(path.parent)!r} cannot be written to.", param, ctx)
        return path


class Ranks(click.ParamType):  # type: ignore[type-arg]
    """Whole numbers from 1 on, between commas."""

    name = "k,k"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The numbers that were typed."""
        try:
            return tuple(int(word) for word in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not whole numbers between commas, as 1,5.", param, ctx)


# --------------------------------------------------------------------------- of several verbs

Decorator = Callable[[Any], Any]


def quiet_option(what: str = "No progress, the table alone.") -> Decorator:
    """-q, --quiet: `what` it leaves out."""
    return click.option("-q", "--quiet", is_flag=True, help=what)


def out_option(default: str) -> Decorator:
    """--out: the folder that a verb writes to."""
    return click.option(
        "--out",
        type=Folder(),
        default=default,
        show_default=True,
        help="Folder to write to; made if need be.",
    )


def epochs_option(default: int, what: str, most: int | None = None) -> Decorator:
    """--epochs: how many of `what`."""
    return click.option(
        "--epochs",
        type=click.IntRange(1, most),
        default=default,
        show_default=True,
        help=what,
    )


def seed_option(what: str) -> Decorator:
    """--seed: of `what`."""
    return click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help=what
    )


def lang_option(what: str) -> Decorator:
    """--lang: of `what`."""
    return click.option(
        "--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help=what
    )
