"""Sums that no word of 64 bits holds: scores of as many rows as there can be."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from test_score import made
from test_score_splits import ADDED, altered, same, small

import lastlayer as ll
from lastlayer.kernels import exact_sum
from lastlayer.kernels import tally_words as told
from lastlayer.scoring import adding, calibration, carries, temperature
from lastlayer.scoring.packing import LARGEST, pack
from lastlayer.scoring.rows import blocks_of
from lastlayer.scoring.settings import Settings
from lastlayer.scoring.tallies import Tally

MEANS = (
    "loss", "brier", "entropy", "confidence", "ece", "adaptive_ece", "mce", "accuracy", "mean_rank",
    "top_k",
)  # fmt: skip


def doubled(score, times):
    for _ in range(times):
        score = score + score
    return score


def confident():
    """Rows of all kinds, of which a quarter have a confidence of 1."""
    logits, labels = made(40, 3, right=0.7)
    logits[::4] *= 30
    return logits, labels


def shapes(score):
    """What a reliability table shows, without how many rows it is of."""
    tables = score.reliability, score.adaptive_reliability
    return [(b.lo, b.hi, b.confidence, b.accuracy) for table in tables for b in table]


def test_a_score_that_is_doubled_again_and_again_keeps_its_means():
    score = whole = ll.score(*confident())
    exact = {name: getattr(score, name) for name in MEANS}
    for times in range(1, 41):
        whole = whole + whole
        assert {name: getattr(whole, name) for name in MEANS} == exact
        assert whole.total_loss == 2**times * score.total_loss
        if times % 5 == 0:
            np.testing.assert_array_equal(shapes(whole), shapes(score))
            np.testing.assert_allclose(whole.per_class.loss, score.per_class.loss, rtol=1e-15)
            again = ll.Score.from_json(whole.to_json())
            assert again.to_json() == whole.to_json()
            assert {name: getattr(again, name) for name in MEANS} == exact


def test_the_parts_of_a_sum_that_was_carried_do_not_matter():
    logits, labels = confident()
    parts = [ll.score(logits[rows], labels[rows], worst=0) for rows in (slice(9), slice(9, 40))]
    whole = doubled(parts[0] + parts[1], 38)
    a, b = (doubled(part, 38) for part in parts)
    assert same(a + b, whole, ADDED)
    for one in (a, b):
        assert one._tally.words[told.size(15) :].any()  # of confidences
    a, b = (ll.Score.from_json(one.to_json()) for one in (a, b))
    assert same(a + (b + a), (a + a) + b, ADDED)
    assert same(a + b, whole, ADDED)


def test_rows_are_added_to_a_sum_that_was_carried():
    logits, labels = confident()
    whole = doubled(ll.score(logits, labels), 38)
    expected = whole + ll.score(logits[:9], labels[:9])
    assert same(whole.update(logits[:9], labels[:9]), expected, ADDED)


def test_a_tally_carries_before_rows_could_overflow_it():
    one, last = Tally(2, 15, 5), told.BINS + 14 * told.PAIR
    full = 2**63 - 1
    one.words[last + 3] = full
    one.words[told.BRIER + 3] = full
    one.measure()
    block = blocks_of(np.array([[90.0, 0.0], [0.3, 0.0]]), np.zeros(2, np.int64), Settings())[0]
    adding._tally(block, Settings(), one, (0, 0, 0), np.empty(0, np.int64))
    assert calibration.equal_width(one.words)[14].tolist() == [0, 0, 1, full + 2**32]
    assert (one.words >= 0).all()


def test_tallies_and_blocks_carry_before_they_are_added_to_each_other():
    one, other, third = (Tally(2, 15, 5) for _ in range(3))
    last, full = told.BINS + 14 * told.PAIR, 2**63 - 1
    for tally in (one, other, third):
        tally.words[last + 3] = full
        tally.blocks[:2, 3] = full
        tally.measure()
    one.absorb(other)
    assert calibration.equal_width(one.words)[14].tolist() == [0, 0, 0, 2 * full]
    third.coarsen()
    assert of_digits(third.blocks[0].tolist()) == 2 * full
    third.carry()
    assert (third.blocks < carries.FULL).all()


def of_digits(row):
    top, high, middle, low, large = row[: told.DIGITS]
    return ((((((large << 59) + top) << 36) + high) << 32) + middle << 32) + low


def value(words, table):
    """What the words stand for, with nothing rounded."""
    cells = words[told.LOSS :][: exact_sum.INFINITE].reshape(-1, 2).tolist()
    loss = sum((low + (high << 27)) << power for power, (low, high) in enumerate(cells))
    means = words[told.BRIER :][: 2 * told.DIGITS].reshape(2, told.DIGITS).tolist()
    pairs, above = carries.confidences(words)
    pairs = pairs.astype(object)
    pairs[:, 1::2] += above.astype(object) << 59
    ranks = int(words[told.RANK_SUM]) + (int(words[told.RANK_ABOVE]) << 59)
    return loss, ranks, [of_digits(row) for row in (*means, *table.tolist())], pairs.tolist()


def test_what_is_carried_is_the_same_number_and_the_same_words_from_any_parts():
    rng = np.random.default_rng(0)
    parts = rng.integers(0, 2**61, (3, told.size_with_carries(15)))
    parts[:, told.LOSS + 2 * 1900 : told.LOSS_CELLS] = 0  # they have nowhere to carry to
    parts[:, told.LOSS : told.LOSS + 2] = 0  # no power has them
    tables = rng.integers(0, 2**61, (3, 20, told.COLUMNS))
    whole, table = parts.sum(axis=0), tables.sum(axis=0)
    exact = value(whole, table)
    carries.carry(whole, table)
    assert value(whole, table) == exact
    for part, its in zip(parts, tables, strict=True):
        carries.carry(part, its)
    for order in ([0, 1, 2], [2, 0, 1]):
        added, its = np.zeros_like(whole), np.zeros_like(table)
        for n in order:
            added += parts[n]
            its += tables[n]
            carries.carry(added, its)
        assert np.array_equal(added, whole)
        assert np.array_equal(its, table)
    sums = whole[told.LOSS : told.LOSS_CELLS], whole[told.FINE : told.size(15)][1::2]
    assert all((sum_ < carries.FULL).all() for sum_ in sums)


def test_a_loss_of_a_class_is_infinite_once_no_digits_hold_its_sum():
    score = ll.score([[0.0, 5e17]], [0])
    assert doubled(score, 20).per_class.loss[0] == pytest.approx(5e17, rel=1e-15)
    for _ in range(4):
        score = doubled(score, 10)
        again = ll.Score.from_json(score.to_json())
        assert again.loss == score.loss == 5e17
    assert score.per_class.loss[0] == math.inf


def test_a_score_has_as_many_rows_as_can_be_read_back_and_no_more():
    score = ll.score([[50.0, 0.0], [0.3, 0.0]], [0, 1])
    whole = doubled(score, 59)
    assert whole.rows == LARGEST
    again = ll.Score.from_json(whole.to_json())
    assert (again.rows, again.count) == (LARGEST, LARGEST)
    np.testing.assert_array_equal(shapes(again), shapes(score))
    assert {name: getattr(again, name) for name in MEANS} == {
        name: getattr(score, name) for name in MEANS
    }
    for a, b in ((whole, score), (score, again)):
        with pytest.raises(ValueError, match=f"rows: a score has {LARGEST} at most"):
            a + b


def test_a_json_in_which_nothing_is_carried_is_as_it_was_and_one_of_before_is_read():
    assert json.loads(small())["state"]["words"]["size"] == told.size(15)
    score = doubled(ll.score([[50.0, 0.0]], [0]), 28)
    assert json.loads(score.to_json())["state"]["words"]["size"] > told.size(15)
    before = score._tally.words[: told.size(15)].copy()
    _, above = carries.confidences(score._tally.words)
    before[told.FINE :].reshape(-1, told.PAIR)[:, 1::2] += above << carries.BITS
    assert before.max() == LARGEST
    again = ll.Score.from_json(altered(score.to_json(), state__words=pack(before)))
    assert again.to_json() == score.to_json()


# --------------------------------------------------------------------------- of a temperature


def test_sums_of_either_sign_are_carried_and_stay_what_they_are():
    rng = np.random.default_rng(0)
    sums = rng.integers(-(1 << 62), 1 << 62, exact_sum.CELLS)
    sums[:2], sums[-400:] = 0, 0  # nothing has that power; room for what is carried
    for divisor in (1, 1 << 70):
        carried = sums.copy()
        carries.carry_exact(carried)
        assert exact_sum.ratio(carried, divisor) == exact_sum.ratio(sums, divisor)
    assert carried[:-400].min() >= 0
    assert carried[:-400].max() < carries.FULL
    again = carried.copy()
    carries.carry_exact(again)
    assert (again == carried).all()


def test_a_temperature_is_fitted_to_more_rows_than_its_sums_have_room_for(monkeypatch):
    logits, labels = made(500, 4)
    blocks = [(logits[rows], labels[rows]) for rows in (slice(90), slice(90, 300), slice(300, 500))]
    slope, curvature = temperature.derivative_sums(blocks, Settings(), 0.7)[0]
    # as if each row were 2^33 of them: a word that is not carried overflows at the 8th
    many = 1 << 33
    add = exact_sum.add_all

    def add_many(sums, values):
        for value in values.tolist():
            more = np.zeros_like(sums)
            add(more, np.array([value]))
            sums += more * many

    monkeypatch.setattr(exact_sum, "add_all", add_many)
    monkeypatch.setattr(temperature, "CARRY", 2)
    pairs = [(x[n : n + 2], y[n : n + 2]) for x, y in blocks for n in range(0, len(x), 2)]
    sums, rows = temperature.derivative_sums(pairs, Settings(), 0.7)
    assert rows == 500
    for found, once in zip(sums, (slope, curvature), strict=True):
        assert exact_sum.ratio(found, many) == exact_sum.ratio(once)
    both, rows = temperature.added((sums, 1 << 50) for _ in range(40))
    assert rows == 40 << 50
    for found, once in zip(both, (slope, curvature), strict=True):
        assert exact_sum.ratio(found, 40 * many) == exact_sum.ratio(once)
