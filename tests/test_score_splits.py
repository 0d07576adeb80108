"""However rows are split into blocks, threads and scores, the numbers have the same bits."""

from __future__ import annotations

import base64
import functools
import itertools
import json
import math
import operator
import pickle
import sys
import tracemalloc
import zlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_score import made

import lastlayer as ll
from lastlayer import large_arrays
from lastlayer.files import FileFormatError
from lastlayer.kernels import exact_sum, tally, tally_words
from lastlayer.scoring import adding, confusions, json_format
from lastlayer.scoring.packing import pack, unpack
from lastlayer.scoring.rows import blocks_of
from lastlayer.scoring.settings import Settings
from lastlayer.scoring.tallies import Tally

# What may differ once scores are added: blocks of rows begin anew with each.
OF_THE_PARTS = {"loss_interval", "sha256"}
STATE_OF_THE_PARTS = {"blocks", "place", "level", "joins"}


def same(a, b, apart=frozenset()):
    """Whether the two have the same JSON, `apart` from some keys."""
    a, b = json.loads(a.to_json()), json.loads(b.to_json())
    for one in (a, b):
        for key in apart & (OF_THE_PARTS | STATE_OF_THE_PARTS):
            one.pop(key, None)
            one["state"].pop(key, None)
    return a == b


ADDED = OF_THE_PARTS | STATE_OF_THE_PARTS


@functools.cache
def whole(classes):
    logits, labels = made(3000, classes, seed=classes)
    labels[5::11] = -100
    logits[50], labels[50] = 0, 1
    logits[50, 1] = -np.inf  # an infinite loss
    logits[70:80], labels[70:80] = logits[3], labels[3]  # ties
    logits[90, 0], labels[90] = 3e7, 1  # too large for the digits of a class
    return logits, labels, ll.score(logits, labels)


cuts = st.lists(st.integers(0, 3000), max_size=8).map(lambda at: sorted({0, 3000, *at}))


@settings(max_examples=25, deadline=None)
@given(at=cuts, threads=st.integers(1, 3), classes=st.sampled_from([2, 12, 1100]))
@example(at=[0, 1, 2, 2048, 2049, 3000], threads=1, classes=12)
def test_blocks_and_threads_do_not_matter(at, threads, classes):
    logits, labels, exact = whole(classes)
    score = ll.Score()
    with ll.num_threads(threads):
        for lo, hi in itertools.pairwise(at):
            score.update(logits[lo:hi], labels[lo:hi])
    assert score.to_json() == exact.to_json()


def test_threads_do_not_matter_where_there_are_several(monkeypatch):
    from lastlayer.kernels import threads

    logits, labels, exact = whole(12)
    monkeypatch.setattr(threads, "WORTHWHILE", 1000)
    monkeypatch.setattr(adding, "SLICE", 100)
    with ll.num_threads(4):
        assert ll.score(logits, labels).to_json() == exact.to_json()


@settings(max_examples=15, deadline=None)
@given(at=cuts, classes=st.sampled_from([2, 12, 1100]), backwards=st.booleans())
def test_scores_of_parts_add_up(at, classes, backwards):
    logits, labels, exact = whole(classes)
    parts = [ll.score(logits[lo:hi], labels[lo:hi]) for lo, hi in itertools.pairwise(at)]
    before = [part.to_json() for part in parts]
    if backwards:  # a + (b + (c + …))
        added = functools.reduce(lambda right, left: left + right, reversed(parts))
    else:
        added = functools.reduce(operator.add, parts)
    assert same(added, exact, ADDED)
    assert [part.to_json() for part in parts] == before
    np.testing.assert_allclose(added.block_sums[:, 2].sum(), exact.count)


def test_parts_that_fill_whole_blocks_have_the_interval_too():
    logits, labels = made(4096, 3)
    exact = ll.score(logits, labels)
    halves = [ll.score(logits[i : i + 2048], labels[i : i + 2048]) for i in (0, 2048)]
    added = halves[0] + halves[1]
    assert added.to_json() == exact.to_json()
    later = ll.score(logits[:2048], labels[:2048]).update(logits[2048:], labels[2048:])
    assert later.to_json() == exact.to_json()


def test_the_interval_of_parts_comes_close():
    logits, labels = made(9000, 3)
    exact = ll.score(logits, labels)
    added = functools.reduce(
        operator.add,
        (ll.score(logits[i : i + 777], labels[i : i + 777]) for i in range(0, 9000, 777)),
    )
    assert added.loss_interval == pytest.approx(exact.loss_interval, rel=0.02)
    assert added.block_sums[:, 2].sum() == 9000
    assert added.blocks_begin != exact.blocks_begin


def test_blocks_of_a_short_part_get_the_length_of_the_long_one():
    logits, labels = made(4107, 3)
    parts = [ll.score(logits[:4097], labels[:4097]), ll.score(logits[4097:], labels[4097:])]
    for added in (parts[0] + parts[1], parts[1] + parts[0]):
        counts = added.block_sums[:, 2]
        assert np.count_nonzero(counts) == math.ceil(4097 / 4) + math.ceil(10 / 4)
        assert counts.max() == 4


def test_of_equal_losses_the_first_row_is_the_worst_in_whatever_order_threads_add():
    logits, labels = np.zeros((40, 2)), np.zeros(40, np.int64)
    settings = Settings(worst=5)
    block = blocks_of(logits, labels, settings)[0]
    codes = np.zeros(0, np.int64)
    one, other = Tally(2, 15, 5), Tally(2, 15, 5)
    for tally_of, first in ((one, 300), (one, 200), (one, 400), (other, 100)):
        adding._tally(block[:3], settings, tally_of, (first, first, 0), codes)
    rows = tally_words.ROW_OF
    assert one.numbers[rows].tolist() == [200, 201, 202, 300, 301]
    one.absorb(other)
    assert one.numbers[rows].tolist() == [100, 101, 102, 200, 201]


def test_confusions_are_counted_beyond_32_bits():
    logits, labels = np.array([[1.0, 0.0]] * 3), np.ones(3, np.int64)
    one, many = Tally(2, 15, 5), 2**32 - 2
    one.expect(many)
    one.recent[1, 0] = many
    block = blocks_of(logits, labels, Settings())[0]
    adding._tally(block, Settings(), one, (0, 0, 0), np.zeros(0, np.int64))
    assert one.matrix.tolist() == [[0, 0], [many + 3, 0]]


@pytest.mark.parametrize("classes", [1, 3, 70, 1000, 1001])
def test_rows_count_the_same_from_the_kernel_and_from_columns(classes):
    logits, labels = made(700, classes)
    logits = logits.astype(np.float32)
    labels[::9] = -100
    logits[::31, 0] = np.nan
    of_columns = ll.score(logits.astype(">f4"), labels, allow_nan=True)  # no kernel walks those
    assert of_columns.to_json() == ll.score(logits, labels, allow_nan=True).to_json()


def test_the_first_rows_that_gave_nan_are_named_in_whatever_order_threads_add():
    one, other = Tally(3, 15, 4), Tally(3, 15, 4)
    for into, first in ((other, 100), (one, 40), (other, 0), (one, 20), (other, 60)):
        logits = np.where(np.arange(15)[:, None] % 2, np.nan, np.eye(15, 3))
        block = blocks_of(logits, np.zeros(15, int), Settings())[0]
        adding._tally(block, Settings(), into, (first, first, 0), np.empty(0, np.int64))
    odd = [*range(1, 15, 2)]
    assert other.nan_rows.tolist() == [first + k for first in (0, 60, 100) for k in odd][:20]
    one.absorb(other)
    assert one.nan_rows.tolist() == [first + k for first in (0, 20, 40) for k in odd][:20]


@settings(max_examples=25, deadline=None)
@given(at=cuts, threads=st.integers(1, 3), classes=st.sampled_from([2, 100, 1100]))
def test_rows_that_gave_nan_are_named_the_same_however_they_are_cut(at, threads, classes):
    logits, labels, _ = whole(classes)
    logits = logits.copy()
    logits[7::143, 1] = np.nan
    expected = ll.score(logits, labels, allow_nan=True).nan_rows
    assert len(expected) == 20
    with ll.num_threads(threads):
        scores = [
            ll.score(logits[lo:hi], labels[lo:hi], allow_nan=True)
            for lo, hi in itertools.pairwise(at)
        ]
    for read in (lambda one: one, lambda one: ll.Score.from_json(one.to_json())):
        added = functools.reduce(lambda a, b, read=read: read(a + b), map(read, scores))
        assert added.nan_rows == expected


def test_a_score_from_before_rows_were_named_can_be_read_and_added_to():
    logits, labels = made(30, 3)
    logits[[4, 20], 0] = np.nan
    score = ll.score(logits, labels, allow_nan=True)
    document = json.loads(score.to_json())
    del document["sha256"], document["nan_rows"], document["state"]["nan_rows"]
    document["sha256"] = json_format._digest(document)
    old = ll.Score.from_json(json.dumps(document))
    assert (old.nan, old.nan_rows) == (2, ())
    both = old + score
    assert (both.nan, [it.row for it in both.nan_rows]) == (4, [34, 50])


@pytest.mark.parametrize("rows", [[20, 4], [4, 4], [4, 30], [-1, 4], [4, 20, 21], [4.0], "4"])
def test_rows_of_nan_that_cannot_be_are_refused(rows):
    logits, labels = made(30, 3)
    logits[[4, 20], 0] = np.nan
    text = ll.score(logits, labels, allow_nan=True).to_json()
    with pytest.raises(FileFormatError, match="rows of NaN"):
        ll.Score.from_json(altered(text, state__nan_rows=rows))


def test_rows_of_nan_from_before_all_sources_are_refused():
    logits, labels = made(30, 3)
    logits[4, 0] = np.nan
    text = ll.score(logits, labels, allow_nan=True, worst=0).to_json()
    with pytest.raises(FileFormatError, match="rows of NaN"):
        ll.Score.from_json(altered(text, state__sources=[[5, "x"]]))


def test_rows_can_be_added_after_a_merge():
    logits, labels = made(500, 3)
    added = ll.score(logits[:100], labels[:100]) + ll.score(logits[100:300], labels[100:300])
    added.update(logits[300:], labels[300:])
    assert same(added, ll.score(logits, labels), ADDED)


def test_the_kernel_is_compiled_once_for_all_that_may_be_given():
    logits, labels = made(500, 3)
    score = ll.score(logits[:100], labels[:100]) + ll.score(logits[100:], labels[100:])
    labels.flags.writeable = False
    score.update(logits.astype(float), labels).update(logits, labels.astype(np.int8))
    ll.score(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), labels, probabilities=True)
    assert len(tally.tally_rows.signatures) == 1


def test_an_empty_score_adds_nothing():
    score = ll.score(*made(20, 3))
    assert (score + ll.Score()).to_json() == (ll.Score() + score).to_json() == score.to_json()
    assert (ll.Score() + ll.Score()).count == 0


def test_a_score_can_be_sent_to_another_process():
    score = whole(12)[2]
    again = pickle.loads(pickle.dumps(score))
    assert again.to_json() == score.to_json()
    assert same(again + score, score + score, ADDED)


@pytest.mark.parametrize("classes", [12, 1100])
def test_a_score_does_not_grow_with_its_rows(classes):
    logits, labels = made(50, classes)
    score = ll.Score().update(logits, labels, source="a")
    with ll.num_threads(1):
        before = len(pickle.dumps(score))
        for _ in range(200):
            score.update(logits, labels, source="a")
        assert abs(len(pickle.dumps(score)) - before) < 100  # a number takes more digits


def test_sources_and_bytes_are_added_too():
    logits, labels = made(40, 3)
    parts = [
        ll.Score(bytes=7).update(logits[i : i + 10], labels[i : i + 10], source=name)
        for i, name in ((0, "a"), (10, "a"), (20, None), (30, "b"))
    ]
    added = functools.reduce(operator.add, parts)
    assert added.settings["bytes"] == 28
    for one in added.worst:
        source, first = (("a", 0), ("a", 0), (None, 20), ("b", 30))[one.row // 10]
        assert (one.source, one.source_row) == (source, one.row - first)
    assert (added + ll.score(logits, labels)).bits_per_byte is None


@pytest.mark.parametrize("last", ["y.npy", None])
def test_rows_of_a_json_whose_first_sources_were_left_out_keep_their_place(last):
    _, labels = made(20, 3)
    scores = []
    for wrong in ([], [14, 16, 18]):
        logits = 9 * np.eye(3)[labels]
        logits[wrong] *= -1
        score = ll.Score(worst=3).update(logits[:10], labels[:10], source="x.npy")
        score.update(logits[10:], labels[10:], source=last)
        scores.append(ll.Score.from_json(score.to_json()))
    added = scores[0] + scores[1]
    found = [(it.row, it.source, it.source_row) for it in added.worst]
    assert found == [(34, last, 4), (36, last, 6), (38, last, 8)]


def test_a_file_in_a_json_is_another_one_than_those_of_the_same_name():
    logits, labels = made(30, 3)

    def of_day():
        return ll.Score(worst=90).update(logits, labels, source="logits.npy")

    def read(score):
        return ll.Score.from_json(score.to_json())

    for added in (
        read(of_day()) + read(of_day()), of_day() + read(of_day()), read(of_day()) + of_day(),
        read(read(of_day()) + read(of_day())),
        read(of_day()).update(logits, labels, source="logits.npy"),
    ):  # fmt: skip
        found = {(it.row, it.source, it.source_row) for it in added.worst}
        assert found == {(row, "logits.npy", row % 30) for row in range(60)}
    further = read(of_day()) + of_day() + of_day()  # the last two have never been in a file
    assert {it.row - it.source_row for it in further.worst} == {0, 30}


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"bins": 10}, r"bins \(15, 10\)"), ({"top_k": 2}, "top_k"), ({"temperature": 2.0}, "temp"),
        ({"ignore_index": 0}, "ignore_index"), ({"worst": 3}, "worst"),
    ],
)  # fmt: skip
def test_scores_of_other_settings_are_not_added(other, what):
    logits, labels = made(20, 3)
    with pytest.raises(ValueError, match=what):
        ll.score(logits, labels) + ll.score(logits, labels, **other)


def test_scores_of_other_classes_are_not_added():
    with pytest.raises(ValueError, match=r"classes \(3, 4\)"):
        ll.score(*made(20, 3)) + ll.score(*made(20, 4))


# --------------------------------------------------------------------------- exact sums

numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(numbers, max_size=40), divisor=st.integers(1, 10**6))
@example(values=[1e308, 1e308, -1e308, 5e-324], divisor=1)
@example(values=[1e308, 1e308], divisor=1)
@example(values=[-0.0, 2.0**-1022, -(2.0**-1074)], divisor=3)
def test_sums_are_exact_and_rounded_once(values, divisor):
    sums = np.zeros(exact_sum.CELLS, np.int64)
    exact_sum.add_all(sums, np.array(values, float))
    exact = sum(map(Fraction, values)) / divisor
    try:
        rounded = float(exact)
    except OverflowError:
        rounded = math.inf if exact > 0 else -math.inf
    assert exact_sum.ratio(sums, divisor) == rounded


def test_infinity_and_nan_are_not_lost_in_a_sum():
    for values, exact in (
        ([1.0, math.inf], math.inf), ([-math.inf, 1.0], math.nan), ([math.inf, math.nan], math.nan),
    ):  # fmt: skip
        sums = np.zeros(exact_sum.CELLS, np.int64)
        exact_sum.add_all(sums, np.array(values))
        assert exact_sum.ratio(sums) == pytest.approx(exact, nan_ok=True)


# --------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("classes", [2, 12, 1100])
def test_json_is_strict_and_read_back_whole(classes):
    score = whole(classes)[2]
    text = score.to_json()
    document = json.loads(text, parse_constant=pytest.fail)
    assert document["count"] == score.count
    assert document["loss"] is None  # infinite
    assert document["infinite"] == 1
    assert document["accuracy"] == score.accuracy
    assert document["top_k"]["5"] == score.top_k[5]
    assert document["settings"] == {**score.settings, "top_k": [1, 5]}
    assert {"perplexity", "bits", "brier", "ece", "versions", "worst", "state"} <= set(document)
    again = ll.Score.from_json(text)
    assert again.to_json() == text
    assert again.worst == score.worst
    assert (again + score).count == 2 * score.count
    assert ll.Score.from_json(text.encode()).count == score.count


def test_a_tally_is_added_with_what_it_has_counted_last():
    one, other = Tally(3, 15, 5), Tally(3, 15, 5)
    for size in (3, 4):
        other.expect(size)
        other.recent[1, 2] += size
        one.absorb(other)
        _ = other.matrix  # moves them there
    assert one.matrix[1, 2] == 10


def test_tallies_are_added_in_32_bits_as_long_as_their_rows_fit():
    one, other = Tally(3, 15, 5), Tally(3, 15, 5)
    for tally_, rows in ((one, 5), (other, 7)):
        tally_.expect(rows)
        tally_.recent[1, 2] += rows
    one.absorb(other)
    assert one._matrix is None  # 8 MB of 1000 classes, made when it is asked for
    other.expect(2**32 - 2 - 7)
    other.recent[1, 2] += 2**32 - 2 - 7
    one.absorb(other)
    assert one.matrix[1, 2] == 12 + 2**32 - 2


@pytest.mark.parametrize("shape", [(3, 5), (1000, 1000), (2, 1 << 17), (0, 0)])
def test_zeros_in_large_arrays_are_zeros(shape):
    found = large_arrays.zeros(shape, np.int64)
    assert (found.shape, found.dtype) == (shape, np.int64)
    assert not found.any()
    found += 1
    assert found.sum() == found.size
    if sys.platform.startswith("linux") and found.nbytes >= large_arrays.LARGE_ZEROS:
        assert found.ctypes.data % large_arrays.PAGE == 0


def test_a_json_of_several_infinite_losses_can_be_read_and_merged():
    logits, labels = made(20, 3)
    logits[[3, 4, 9], labels[[3, 4, 9]]] = -np.inf
    score = ll.score(logits, labels)
    assert score.infinite == 3
    again = ll.Score.from_json(score.to_json())
    assert again.to_json() == score.to_json()
    assert [it.row for it in (again + again).worst[:6]] == [3, 4, 9, 23, 24, 29]


def test_a_fit_is_written():
    logits, labels = made(60, 3, right=0.5)
    score = ll.score(logits, labels)
    score.temperature_fit = ll.fit_temperature([(logits, labels)])
    found = json.loads(score.to_json())["temperature_fit"]
    assert found["temperature"] == score.temperature_fit.temperature
    assert found["after"]["loss"] < found["before"]["loss"]


@functools.cache
def small():
    """The JSON of some rows; not made where this file is imported, before any test runs."""
    return ll.score(*made(12, 2)).to_json()


def test_json_truncated_anywhere_is_refused():
    for end in range(0, len(small().rstrip()), 7):
        with pytest.raises(FileFormatError):
            ll.Score.from_json(small()[:end])


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 10**6), to=st.integers(0, 255))
def test_json_with_a_byte_changed_is_refused_or_says_the_same(at, to):
    content = bytearray(small().encode())
    content[at % len(content)] = to
    try:
        again = ll.Score.from_json(bytes(content))
    except FileFormatError:
        return
    assert again.to_json() == small()  # a space, or the same letter


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "3", '"x"', "{}", '{"format": "lastlayer score 1"}', "[" * 100_000,
     '{"a": NaN}', b"\xff\xfe", b"\x00" * 10, '{"format": "lastlayer score 1", "sha256": 3}',
     '{"a": ' + "9" * 5000 + "}"],
)  # fmt: skip
def test_what_is_no_score_is_refused(text):
    with pytest.raises(FileFormatError):
        ll.Score.from_json(text)


def altered(text=None, **changes):
    """A score in which a place ("a.b") has another value, with the right digest."""
    document = json.loads(text or small())
    del document["sha256"]
    for place, value in changes.items():
        *outer, last = place.split("__")
        part = functools.reduce(operator.getitem, outer, document)
        part[last] = value
    document["sha256"] = json_format._digest(document)
    return json.dumps(document)


def test_the_digest_alone_does_not_make_a_score():
    assert ll.Score.from_json(altered()).to_json() == small()


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": 10**18}, {"classes": 3}, {"classes": -1}, {"classes": True}, {"classes": None},
        {"classes": 1e3}, {"settings": {"bins": 10**9}}, {"settings": {"bin": 3}}, {"settings": 3},
        {"settings__bins": 14}, {"settings__worst": 10**9}, {"settings__bytes": "x"},
        {"state": None}, {"state": []}, {"state__rows": 10**30}, {"state__rows": 11},
        {"state__place": -1}, {"state__level": 10**6}, {"state__level": "1"},
        {"state__joins": []}, {"state__joins": [[0, 1]]}, {"state__joins": 7},
        {"state__sources": [["a", 0]]}, {"state__sources": []},
        {"state__sources": [[5, None], [0, None]]},
        {"state__sources": [[3, "x"]]}, {"state__sources": [[0, None], [13, None]]},
        {"state__words": {"size": 10**12, "nonzero": 0, "data": ""}},
        {"state__words": {"size": tally_words.size(15), "nonzero": 0, "data": "!!"}},
        {"state__words": 3}, {"state__words": {}},
        {"state__words": pack(np.full(tally_words.size(15), 1 << 61))},
        {"state__words": pack(np.full(tally_words.size(15), -1))},
        {"state__words": pack(np.ones(tally_words.size(15), np.int64))},
        {"state__matrix": pack(np.ones((2, 2), np.int64))},
        {"state__worst": pack(np.full((3, 12), 10**9))},
        {"state__worst_bits": pack(np.zeros((2, 3), np.int64))},
    ],
)  # fmt: skip
def test_a_score_that_cannot_be_is_refused(changes):
    with pytest.raises(FileFormatError):
        ll.Score.from_json(altered(**changes))


@pytest.mark.parametrize("nonzero", [1 << 22, 3])
def test_a_score_that_unpacks_to_much_is_refused_in_little_memory(nonzero):
    bomb = base64.b64encode(zlib.compress(bytes(16 << 22), 1)).decode()
    words = {"size": tally_words.size(15), "nonzero": nonzero, "data": bomb}
    text = altered(state__words=words)
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match="numbers"):
            ll.Score.from_json(text)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [confusions.MOST + 1, 1 << 50, -1, True, 2.5, None])
def test_confusions_of_a_size_that_none_has_take_no_memory(size):
    many = ll.score(np.eye(3, 1001), [0, 0, 2]).to_json()
    with pytest.raises(FileFormatError, match="confusions"):
        ll.Score.from_json(altered(many, state__confusions__codes__size=size))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 1 << 60), max_size=30))
def test_packed_arrays_come_back(values):
    array = np.array(values, np.int64)
    found = np.zeros_like(array)
    unpack(json.loads(json.dumps(pack(array))), found, "it")
    assert np.array_equal(found, array)


# --------------------------------------------------------------------------- lastlayer merge


def merge(*arguments):
    from lastlayer.cli import main

    with pytest.raises(SystemExit) as end:
        main(["merge", *map(str, arguments)])
    return end.value.code


@pytest.fixture
def parts(tmp_path):
    logits, labels = made(300, 4)
    names = []
    for i in range(3):
        rows = slice(100 * i, 100 * i + 100)
        names.append(tmp_path / f"{i}.json")
        names[-1].write_text(ll.score(logits[rows], labels[rows]).to_json())
    return names, ll.score(logits, labels)


def test_merge_gives_what_scoring_all_at_once_gives(parts, tmp_path, capsys):
    names, exact = parts
    assert merge(*names, "--json", tmp_path / "all.json") == 0
    said = capsys.readouterr()
    assert "300 rows of 4 classes" in said.out
    assert f"{exact.loss:.3f} nats" in said.out
    found = ll.Score.from_json((tmp_path / "all.json").read_text())
    assert same(found, exact, ADDED)
    assert merge(names[0]) == 0


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (lambda: "{", "not a score"), (lambda: small()[:-300], "not a score"),
        (None, "No such file"),
        (lambda: small().replace('"count": 12', '"count": 13'), "damaged"),
        (lambda: ll.score(*made(9, 4), bins=3).to_json(), r"bins (15, 3)"),
        (small, "classes (4, 2)"),
    ],
)  # fmt: skip
def test_merge_refuses_in_one_line_and_writes_nothing(parts, tmp_path, capsys, content, what):
    bad = tmp_path / "bad\x1b.json"
    if content is not None:
        bad.write_text(content())
    assert merge(parts[0][0], bad, "--json", tmp_path / "all.json") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert what in said.err
    assert r"bad\x1b.json" in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "all.json").exists()


def test_merge_reads_no_more_than_a_score_can_have(parts, monkeypatch, capsys):
    from lastlayer.cli import merge as verb

    monkeypatch.setattr(verb, "LARGEST", 100)
    assert merge(parts[0][0]) == 2
    assert "larger than any score" in capsys.readouterr().err


def test_merge_refuses_more_rows_than_a_score_can_have(tmp_path, capsys):
    score, many = ll.score(np.zeros((3, 2)), [-100] * 3), 1 << 60
    words = score._tally.words[: tally_words.size(15)].copy()
    words[tally_words.IGNORED] = many
    text = altered(
        score.to_json(), state__rows=many, state__place=many, state__level=49,
        state__words=pack(words),
    )  # fmt: skip
    (tmp_path / "many.json").write_text(text)
    assert merge(*[tmp_path / "many.json"] * 9) == 2
    said = capsys.readouterr().err
    assert f"a score has {many} at most" in said
    assert said.count("\n") == 1
