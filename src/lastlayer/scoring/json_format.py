"""A score as strict JSON, which another process, machine or day can add to its own."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from lastlayer import __version__
from lastlayer.files import FileFormatError
from lastlayer.kernels import tally_words as tally
from lastlayer.scoring import carries
from lastlayer.scoring.class_names import fitting
from lastlayer.scoring.confusions import MOST
from lastlayer.scoring.packing import LARGEST, pack, unpack
from lastlayer.scoring.sources import Sources
from lastlayer.scoring.tables import Histogram
from lastlayer.scoring.tallies import BLOCKS, DENSE, NO_ROW, Tallies
from lastlayer.scoring.text import clean

if TYPE_CHECKING:
    from lastlayer.scoring.score import Score

FORMAT = "lastlayer score 1"
PAIRS = 100  # of the confusions that are written out; the state has all
NOTE = (
    "losses and entropies in nats, rows and ranks as in docs/scoring.md; null stands for what is "
    "not a number or, where `infinite` is above 0, for infinity; `state` is what `lastlayer merge` "
    "reads, and sha256 is of everything else here"
)


def to_json(score: Score) -> str:
    """The numbers of a score, its settings, versions and state."""
    classes, fit, confusions = score.per_class, score.temperature_fit, score._confusions
    listed = score.classes <= DENSE
    document = {
        "format": FORMAT,
        "note": NOTE,
        **{name: getattr(score, name) for name in (
            "rows", "count", "ignored", "nan", "infinite", "classes", "loss", "total_loss",
            "loss_interval", "perplexity", "bits", "bits_per_byte", "accuracy",
        )},
        "top_k": {str(k): share for k, share in score.top_k.items()},
        **{name: getattr(score, name) for name in (
            "mean_rank", "brier", "ece", "adaptive_ece", "mce", "entropy", "confidence",
        )},
        "reliability": [asdict(b) for b in score.reliability],
        "adaptive_reliability": [asdict(b) for b in score.adaptive_reliability],
        "histograms": {
            "confidence": _histogram(score.confidence_histogram),
            "entropy": _histogram(score.entropy_histogram),
            "loss": _histogram(score.loss_histogram),
        },
        "per_class": {
            name: getattr(classes, name).tolist()
            for name in ("count", "predicted", "correct", "loss", "precision", "recall", "f1")
        } if listed else None,
        "class_names": list(fitting(score.class_names, score.classes)) or None,
        "confusions": [list(pair) for pair in score._confused(PAIRS)],
        "confusions_too_low_by": 0 if confusions is None else confusions.too_low_by,
        "worst": [asdict(example) for example in score.worst],
        "nan_rows": [asdict(place) for place in score.nan_rows],
        "temperature_fit": None if fit is None else {
            "temperature": fit.temperature,
            "bounded": fit.bounded,
            "passes": fit.passes,
            "gain": fit.gain,
            "before": _calibration(fit.before),
            "after": _calibration(fit.after),
        },
        "settings": score.settings,
        "versions": {
            "lastlayer": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "numba")},
        },
        "state": _state(score),
    }  # fmt: skip
    document = _strict(document)
    document["sha256"] = _digest(document)
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _calibration(score: Score) -> dict[str, Any]:
    return {
        "loss": score.loss,
        "ece": score.ece,
        "reliability": [asdict(b) for b in score.reliability],
    }


def _histogram(histogram: Histogram) -> dict[str, Any]:
    return {
        "edges": histogram.edges.tolist(),
        "counts": histogram.counts.tolist(),
        "zeros": histogram.zeros,
        "infinite": histogram.infinite,
    }


def _strict(value: Any) -> Any:
    """Without what JSON does not have."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _strict(part) for key, part in value.items()}
        case list() | tuple():
            return [_strict(part) for part in value]
    return value


def _digest(document: dict[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


# --------------------------------------------------------------------------- state


def _state(score: Score) -> dict[str, Any]:
    tallies, whole = score._tallies, score._tally
    worst = whole.floats[tally.LOSS_OF] >= 0
    nan_rows = whole.nan_rows[whole.nan_rows < NO_ROW].tolist()
    shown = [*whole.numbers[tally.ROW_OF, worst].tolist(), *nan_rows]
    least = tally.size(score._settings.bins)  # where nothing was carried, as hardly ever
    words = whole.words if whole.words[least:].any() else whole.words[:least]
    state = {
        "rows": tallies.rows,
        "place": tallies.place,
        "level": tallies.level,
        "joins": tallies.joins,
        "sources": score._sources.of(shown),
        "worst_bits": pack(whole.floats[:, worst].view(np.int64)),
        "worst": pack(whole.numbers[:, worst] + 1),
        "nan_rows": nan_rows,
        "words": pack(words),
        **{name: pack(getattr(whole, name)) for name in _ARRAYS},
    }
    if score._confusions is not None:
        codes, counts = score._confusions.pairs()
        state["confusions"] = {
            "codes": pack(codes + 1),
            "counts": pack(counts),
            "too_low_by": score._confusions.too_low_by,
        }
    return state


_ARRAYS = ("blocks", "classes", "matrix")


def from_json(text: str | bytes) -> Score:
    """The score that `to_json` has written; a FileFormatError for anything else."""
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"not a score, nor JSON at all: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise FileFormatError(f'not a score: expected a JSON object with "format": {FORMAT!r}')
    found = document.pop("sha256", None)
    try:
        right = found == _digest(document)
    except (ValueError, RecursionError):
        right = False
    if not right:
        raise FileFormatError("damaged or altered: its sha256 is not that of its content")
    try:
        return _read(document)
    except FileFormatError:
        raise
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise FileFormatError(f"a score that cannot be: {error!r}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name}, which JSON does not have")


def _read(document: dict[str, Any]) -> Score:
    from lastlayer.scoring.score import Score

    score = Score(**document["settings"])
    classes, state = document["classes"], document["state"]
    _expect(_whole(classes), "classes is no count")
    score._start(classes)
    tallies: Tallies = score._tallies
    one, least = score._tally, tally.size(score._settings.bins)
    carried = state["words"]["size"] != least
    unpack(state["words"], one.words if carried else one.words[:least], "words")
    for name in _ARRAYS:
        unpack(state[name], getattr(one, name), name)
    one.measure()
    tallies.rows, tallies.place, tallies.level = (state[n] for n in ("rows", "place", "level"))
    _expect(all(map(_whole, (tallies.rows, tallies.place, tallies.level))), "no counts of rows")
    _expect(
        tallies.level < 50 and tallies.rows <= tallies.place <= BLOCKS << tallies.level,
        "blocks that do not fit the rows",
    )
    tallies.joins = [(row, place) for row, place in state["joins"]]
    _expect(
        tallies.joins[0] == (0, 0)
        and all(_whole(a) and _whole(b) and a <= tallies.rows for a, b in tallies.joins),
        "joins that cannot be",
    )
    sources = [(start, name) for start, name in state["sources"]]
    _expect(
        all(_whole(start) and start <= tallies.rows and (name is None or isinstance(name, str))
            for start, name in sources)
        and sources == sorted(sources, key=lambda pair: pair[0]),
        "sources that cannot be",
    )  # fmt: skip
    score._sources = Sources(sources, elsewhere=True)
    _read_worst(score, state)
    if score._confusions is not None:
        pairs = state["confusions"]
        sizes = [pairs[n]["size"] for n in ("codes", "counts")]
        _expect(
            all(_whole(size) and size <= MOST for size in sizes), "more confusions than any has"
        )
        codes, counts = (np.zeros(size, np.int64) for size in sizes)
        unpack(pairs["codes"], codes, "codes", classes**2)
        unpack(pairs["counts"], counts, "counts")
        _expect(codes.size == counts.size and (codes > 0).all(), "confusions that cannot be")
        _expect(_whole(pairs["too_low_by"]), "confusions that cannot be")
        score._confusions.count(codes - 1, counts)
        score._confusions.too_low_by += pairs["too_low_by"]
    _check_counts(score)
    names = document.get("class_names") or []
    _expect(
        isinstance(names, list)
        and len(names) in (0, score.classes)
        and all(isinstance(name, str) and name == clean(name) for name in names),
        "names of classes that cannot be",
    )
    score.class_names = tuple(names)
    return score


def _read_worst(score: Score, state: dict[str, Any]) -> None:
    one, count = score._tally, min(score._settings.worst, score.count)
    floats, numbers = np.zeros((2, count)), np.zeros((3, count), np.int64)
    unpack(state["worst_bits"], floats.view(np.int64), "worst_bits", (1 << 63) - 1)
    unpack(state["worst"], numbers, "worst")
    numbers -= 1
    limits = np.array([[score.rows], [score.classes], [score.classes]])
    _expect(
        (numbers >= 0).all()
        and (numbers < limits).all()
        and (floats >= 0).all()
        # and no difference of two: that of infinite ones is NaN
        and (floats[tally.LOSS_OF, 1:] <= floats[tally.LOSS_OF, :-1]).all()
        and all(map(score._sources.has, numbers[tally.ROW_OF].tolist())),
        "worst examples that cannot be",
    )
    one.floats[:, :count], one.numbers[:, :count] = floats, numbers
    rows = state.get("nan_rows", [])  # which the first version did not write
    _expect(
        isinstance(rows, list)
        and len(rows) <= min(tally.NAMED, score.nan)
        and all(map(_whole, rows))
        and rows == sorted({*rows})
        and all(row < score.rows and score._sources.has(row) for row in rows),
        "rows of NaN that cannot be",
    )
    one.nan_rows[: len(rows)] = rows


def _check_counts(score: Score) -> None:
    """What is counted in several ways must agree."""
    words, count = score._tally.words, score.count
    cells = carries.confidences(words)[0][:, ::2].sum(axis=1)
    counts = {
        "rows": score.rows - score.ignored - score.nan,
        "losses": int(words[tally.LOSS_CELLS : tally.ENTROPY_CELLS].sum()),
        "entropies": int(words[tally.ENTROPY_CELLS : tally.RANK_CELLS].sum()),
        "ranks": int(words[tally.RANK_CELLS : tally.FINE].sum()),
        "confidences": int(cells[: 2 * tally.SIDE].sum()),
        "bins": int(cells[2 * tally.SIDE :].sum()),
        "classes": int(score.per_class.count.sum()),
        "blocks": int(score._tally.blocks[:, tally.TALLIED].sum()),
    }
    for name, found in counts.items():
        _expect(found == count, f"{found} {name} of {count} rows")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def _expect(right: Any, what: str) -> None:
    if not right:
        raise FileFormatError(f"a score that cannot be: {what}")
