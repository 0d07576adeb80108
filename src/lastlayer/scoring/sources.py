"""Where the rows of a score come from: files and the like, one after the other."""

from __future__ import annotations

import bisect
from collections.abc import Iterable


class Sources:
    """Which source each row of a score has, and its number there.

    Rows that come after others go on with the last source where theirs has the same name: files
    are scored in parts. Not so what was read from JSON: another day or machine may have had another
    file of that name. Rows without a source are not told apart.

    Parameters
    ----------
    begins : iterable of (int, str or None)
        The first row of each source, and its name; below 0 where a part begins within it.
    elsewhere : bool
        They were read from JSON.
    """

    def __init__(
        self, begins: Iterable[tuple[int, str | None]] = (), *, elsewhere: bool = False
    ) -> None:
        self._begins = [*begins]
        self._first_elsewhere = self._last_elsewhere = elsewhere and bool(self._begins)

    def begin(self, row: int, name: str | None) -> None:
        """Have rows from this one on come from a source."""
        if not self._goes_on(name):
            self._begins.append((row, name))
            self._last_elsewhere = False

    def followed_by(self, other: Sources, rows: int) -> Sources:
        """Those of so many rows and of others after them."""
        mine, theirs = self._begins, other._begins
        # one that begins later has others before it, of which nothing was kept
        joined = bool(theirs) and theirs[0][0] <= 0 and self._goes_on(theirs[0][1], other)
        new = Sources([*mine, *((row + rows, name) for row, name in theirs[int(joined) :])])
        new._first_elsewhere = (self if mine else other)._first_elsewhere
        new._last_elsewhere = (other if theirs else self)._last_elsewhere
        return new

    def _goes_on(self, name: str | None, other: Sources | None = None) -> bool:
        """Whether a source of this name, the first of another score or a new one, is the last."""
        if not self._begins or self._begins[-1][1] != name:
            return False
        elsewhere = self._last_elsewhere or (other is not None and other._first_elsewhere)
        return name is None or not elsewhere

    def place(self, row: int) -> tuple[str | None, int]:
        """The source of a row, and its number there."""
        found = bisect.bisect_right(self._begins, row, key=lambda pair: pair[0]) - 1
        first, name = self._begins[found]
        return name, row - first

    def has(self, row: int) -> bool:
        """Whether a row has a source."""
        return bool(self._begins) and self._begins[0][0] <= row

    def of(self, rows: Iterable[int]) -> list[tuple[int, str | None]]:
        """Where the sources of some rows begin, and the last one."""
        needed = {row - self.place(row)[1] for row in rows}
        last = self._begins[-1:]
        return [pair for pair in self._begins if pair[0] in needed or pair in last]
