"""What a score is asked to be: two scores with the same settings can be added."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lastlayer import contract

MOST_BINS = 1000
MOST_RANKS = 1024  # the largest k of top-k accuracy
MOST_WORST = 10_000


@dataclass(frozen=True, slots=True)
class Settings:
    """The parameters of a `Score`, checked."""

    probabilities: bool = False
    ignore_index: int = -100
    top_k: tuple[int, ...] = (1, 5)
    bins: int = 15
    temperature: float = 1.0
    allow_nan: bool = False
    worst: int = 20

    def differing(self, other: Settings) -> list[str]:
        """What two of them do not agree on, as "bins (15, 20)"."""
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in self.__slots__)
        return [f"{name} ({mine!r}, {theirs!r})" for name, mine, theirs in pairs if mine != theirs]


def as_settings(
    *,
    probabilities: Any,
    ignore_index: Any,
    top_k: Any,
    bins: Any,
    temperature: Any,
    allow_nan: Any,
    worst: Any,
) -> Settings:
    """Settings, or an error that names the one that cannot be."""
    wanted = top_k if isinstance(top_k, Iterable) and not isinstance(top_k, str) else (top_k,)
    return Settings(
        probabilities=_flag(probabilities, "probabilities"),
        ignore_index=contract.as_integer(ignore_index, "ignore_index"),
        top_k=tuple(sorted({_between(k, "top_k", 1, MOST_RANKS) for k in wanted})),
        bins=_between(bins, "bins", 1, MOST_BINS),
        temperature=contract.as_temperature(temperature),
        allow_nan=_flag(allow_nan, "allow_nan"),
        worst=_between(worst, "worst", 0, MOST_WORST),
    )


def as_bytes(value: Any) -> int | None:
    """How many bytes of text the rows stand for; None where that is not known."""
    return None if value is None else _between(value, "bytes", 1, 1 << 62)


def _between(value: Any, name: str, low: int, high: int) -> int:
    number = contract.as_integer(value, name)
    if not low <= number <= high:
        raise ValueError(f"{name} = {number} is not in [{low}, {high}]")
    return number


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return value
