"""Rows of a block into tallies, several threads at once, each with a tally of its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lastlayer.kernels.layout import walkable
from lastlayer.kernels.tally_words import ENTROPY_BINS
from lastlayer.kernels.threads import get_num_threads, num_threads, spread
from lastlayer.scoring import calibration
from lastlayer.scoring.confusions import Confusions
from lastlayer.scoring.rows import Block, Fault, ignored, labels_of, problem_of, statistics
from lastlayer.scoring.settings import Settings
from lastlayer.scoring.tallies import Tallies, Tally

SLICE = 1 << 15  # rows whose statistics are taken together, and stay in the cache
HANDED_ON = 1 << 17  # where no more is kept than a chunk of them: rows whose labels are
COPIED = 1 << 24  # bytes of a slice where the rows are copied or have others made of them
UNIT = 64  # rows that kernels like to take together


def add_rows(
    block: Block, settings: Settings, tallies: Tallies, confusions: Confusions | None
) -> Fault | None:
    """Add a block after the rows so far; the first row at fault, where there is one.

    Rows that give NaN are none: they are left out and counted, and refused by whoever wants that.
    Without `confusions` the tallies have a matrix, and rows are spread over threads. With them
    rows are long: the kernels spread them, and what comes after is done in order, in this thread.
    """
    first, place = tallies.make_room(len(block))
    faults: list[Fault] = []
    step = SLICE
    if confusions is None and _handed_on(block, settings):
        step = HANDED_ON
    elif settings.probabilities or block.targets is not None:
        step = min(SLICE, max(1, COPIED // max(1, block.logits[:1].nbytes)))

    def slice_of(start: int, end: int, one: Tally) -> None:
        part = block[start:end]
        codes = np.empty(0 if confusions is None else len(part), np.int64)
        _tally(part, settings, one, (first + start, place + start, tallies.level), codes)
        if confusions is not None:
            confusions.count(codes)

    def work(lo: int, hi: int) -> None:
        one, start = tallies.take(), lo
        try:
            for start in range(lo, hi, step):
                slice_of(start, min(start + step, hi), one)
        except Fault as fault:
            fault.row += start
            faults.append(fault)
        finally:
            tallies.give(one)

    def alone(lo: int, hi: int) -> None:
        with num_threads(1):
            work(lo, hi)

    if confusions is not None:
        work(0, len(block))
    else:
        with num_threads(min(get_num_threads(), tallies.most)):
            spread(alone, len(block), block.logits[:1].nbytes, UNIT)
    return min(faults, key=lambda fault: fault.row, default=None)


def _tally(
    part: Block, settings: Settings, one: Tally, where: tuple[int, int, int], codes: np.ndarray
) -> None:
    """Add part of a block; `where` is its first row, that one's place, the level."""
    from lastlayer.kernels.launch_tally import tally

    labels = labels_of(part, settings)
    rows: Any
    if one.recent.size and _handed_on(part, settings):
        rows = problem_of(part, labels, settings)
    else:
        rows = statistics(part, labels, settings)
    most = math.log(part.logits.shape[1])
    scale = ENTROPY_BINS / most if most else 0.0
    one.expect(len(part))
    tally(
        rows, labels, ignored(part, settings), where, calibration.edges(settings.bins), scale,
        one, codes,
    )  # fmt: skip


def _handed_on(block: Block, settings: Settings) -> bool:
    """Whether rows can go to a tally without columns of what is known of all of them."""
    return not settings.probabilities and block.targets is None and walkable(block.logits)
