"""Every number of a score against scikit-learn, or against its definition written out."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from sklearn import metrics

import lastlayer as ll

RNG = np.random.default_rng(6)
ROWS, CLASSES = 700, 7


def made(rows=ROWS, classes=CLASSES, seed=0, dtype=np.float32, right=0.6):
    """Logits that are right more often than not, and labels."""
    rng = np.random.default_rng(seed)
    logits = (3 * rng.normal(size=(rows, classes))).astype(dtype)
    labels = np.where(
        rng.random(rows) < right, logits.argmax(axis=1), rng.integers(0, classes, rows)
    )
    return logits, labels


def softmax(logits):
    e = np.exp(logits.astype(float) - logits.astype(float).max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def case():
    logits, labels = made(dtype=np.float64)
    return ll.score(logits, labels, top_k=(1, 2, 3)), softmax(logits), labels


# --------------------------------------------------------------------------- against peers


def test_loss_accuracy_ranks_and_brier_are_those_of_scikit_learn(case):
    score, p, labels = case
    names = np.arange(CLASSES)
    assert score.count == score.rows == ROWS
    assert score.loss == pytest.approx(metrics.log_loss(labels, p), rel=1e-13)
    assert score.accuracy == metrics.accuracy_score(labels, p.argmax(axis=1))
    for k in (1, 2, 3):
        exact = metrics.top_k_accuracy_score(labels, p, k=k, labels=names)
        assert score.top_k[k] == pytest.approx(exact, rel=1e-15)
    brier = metrics.brier_score_loss(labels, p, labels=names, scale_by_half=False)
    assert score.brier == pytest.approx(brier, rel=1e-13)
    rank = 1 + (p > p[np.arange(ROWS), labels][:, None]).sum(axis=1).mean()
    assert score.mean_rank == pytest.approx(rank, rel=1e-15)
    assert score.entropy == pytest.approx(-(p * np.log(p)).sum(axis=1).mean(), rel=1e-13)
    assert score.perplexity == pytest.approx(math.exp(metrics.log_loss(labels, p)), rel=1e-13)
    assert score.bits == pytest.approx(score.loss / math.log(2), rel=1e-15)
    assert score.confidence == pytest.approx(p.max(axis=1).mean(), rel=1e-9)


def test_classes_and_confusions_are_those_of_scikit_learn(case):
    score, p, labels = case
    prediction, names = p.argmax(axis=1), np.arange(CLASSES)
    assert np.array_equal(
        score.confusion.matrix, metrics.confusion_matrix(labels, prediction, labels=names)
    )
    precision, recall, f1, count = metrics.precision_recall_fscore_support(
        labels, prediction, labels=names, zero_division=np.nan
    )
    table = score.per_class
    np.testing.assert_allclose(table.precision, precision)
    np.testing.assert_allclose(table.recall, recall)
    np.testing.assert_allclose(table.f1, f1)
    assert np.array_equal(table.count, count)
    loss = -np.log(p[np.arange(ROWS), labels])
    np.testing.assert_allclose(
        table.loss, [loss[labels == c].mean() for c in range(CLASSES)], rtol=1e-13
    )
    assert sum(n for _, _, n in score.confusion.pairs) == (prediction != labels).sum()


def equal_width(confidence, right, bins=15):
    """The reliability table from its definition, a bin at a time, in rational numbers."""
    table = []
    for b in range(bins):
        lo, hi = b / bins, (b + 1) / bins
        there = [i for i, p in enumerate(confidence) if (lo < p <= hi) or (b == 0 and p == 0)]
        table.append((lo, hi, there))
    ece = sum(
        abs(sum(Fraction(confidence[i]) - int(right[i]) for i in there)) for _, _, there in table
    )
    return table, float(ece / len(confidence))


@pytest.mark.parametrize("bins", [1, 10, 15, 16])
def test_reliability_and_ece_are_as_defined(bins):
    logits, labels = made(seed=3, dtype=np.float64)
    p = softmax(logits)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    score = ll.score(logits, labels, bins=bins)
    table, ece = equal_width(confidence, right, bins)
    assert score.ece == pytest.approx(ece, abs=1e-9)
    gaps = []
    for found, (lo, hi, there) in zip(score.reliability, table, strict=True):
        assert (found.lo, found.hi, found.count) == (lo, hi, len(there))
        if there:
            assert found.confidence == pytest.approx(confidence[there].mean(), abs=1e-9)
            assert found.accuracy == pytest.approx(right[there].mean(), rel=1e-15)
            gaps.append(abs(confidence[there].mean() - right[there].mean()))
        else:
            assert math.isnan(found.confidence)
            assert math.isnan(found.accuracy)
    assert score.mce == pytest.approx(max(gaps), abs=1e-9)


@pytest.mark.parametrize(
    ("confidence", "bins", "bin_of"),
    [
        (1.0, 15, 14), (0.5, 2, 0), (0.5, 4, 1), (np.nextafter(0.5, 1), 4, 2), (0.75, 4, 2),
        (0.6, 5, 2), (np.nextafter(0.6, 1), 5, 3), (0.7, 10, 6), (2 / 3, 15, 9), (14 / 15, 15, 13),
    ],
)  # fmt: skip
def test_a_confidence_on_an_edge_is_in_the_bin_below(confidence, bins, bin_of):
    rows = [[confidence, 1 - confidence]] * 3
    score = ll.score(rows, [0, 0, 1], probabilities=True, bins=bins)
    counts = [b.count for b in score.reliability]
    assert counts == [3 * (b == bin_of) for b in range(bins)]


def test_confident_rows_are_in_the_last_bin_and_no_bin_is_beyond():
    score = ll.score(np.array([[200.0, 0.0]] * 4, np.float32), [0, 0, 0, 1])
    assert [b.count for b in score.reliability] == [0] * 14 + [4]
    assert score.ece == pytest.approx(0.25)


def test_adaptive_bins_have_nearly_equal_mass_and_their_error_is_as_defined():
    rng = np.random.default_rng(4)
    confidence = 1 - 10 ** rng.uniform(-6, -0.31, 6000)
    right = rng.random(6000) < confidence**3
    p = np.stack([confidence, 1 - confidence], axis=1)
    score = ll.score(p, np.where(right, 0, 1), probabilities=True)
    found = score.adaptive_reliability
    assert len(found) == 15
    assert all(abs(b.count - 400) <= 60 for b in found)  # a cell of the fine scale has 30 or so
    assert found[-1].lo > 1 - 1e-5  # resolved near 1
    ece = 0.0
    for b in found:
        inside = (confidence > b.lo) & (confidence <= b.hi)
        assert inside.sum() == b.count
        assert b.confidence == pytest.approx(confidence[inside].mean(), abs=1e-9)
        ece += abs((confidence[inside] - right[inside]).sum()) / 6000
    assert score.adaptive_ece == pytest.approx(ece, abs=1e-9)
    order = np.argsort(confidence)
    exact = sum(
        abs((confidence[part] - right[part]).sum()) for part in np.array_split(order, 15)
    ) / 6000  # fmt: skip
    assert score.adaptive_ece == pytest.approx(exact, abs=2e-3)


def test_equal_confidences_share_a_bin():
    score = ll.score([[0.8, 0.2]] * 9 + [[0.6, 0.4]], [0] * 10, probabilities=True)
    assert [b.count for b in score.adaptive_reliability] == [1, 9]


# --------------------------------------------------------------------------- sums


def test_the_loss_is_the_exact_sum_rounded_once():
    logits, labels = made(500, 3, dtype=np.float32)
    logits[:100] *= 1e4  # losses from 0 to 1e5
    logits[100:200, 0], labels[100:200] = 90, 0  # and of 1e-37
    loss = ll.cross_entropy(logits, labels, reduction="none")
    exact = sum(map(Fraction, loss.tolist()))
    score = ll.score(logits, labels)
    assert score.total_loss == float(exact)
    assert score.loss == float(exact / 500)


def test_means_are_exact_to_the_last_place():
    logits, labels = made(400, 5, seed=2, dtype=np.float64)
    from lastlayer.kernels.statistics import row_statistics
    from lastlayer.problem import softmax_problem

    rows = row_statistics(softmax_problem(logits, labels, reduction="none"))
    score = ll.score(logits, labels)
    for name in ("brier", "entropy"):
        exact = sum(map(Fraction, getattr(rows, name).tolist())) / 400
        assert getattr(score, name) == pytest.approx(float(exact), rel=1e-15)


def test_tiny_losses_are_not_lost():
    score = ll.score(np.array([[80.0, 0.0]] * 3, np.float32), [0, 0, 0])
    assert score.loss == pytest.approx(math.exp(-80), rel=1e-6)
    assert score.perplexity == 1.0


def test_large_losses_of_a_class_are_summed_and_huge_ones_infinite_there():
    logits = np.array([[0, 3e7], [0, 2.5e6 + 0.25], [0, 1.5], [5e18, 0], [0, 1e-12]])
    score = ll.score(logits, [0, 0, 0, 1, 1])
    exact = 3e7 + 2.5e6 + 0.25 + 1.5 + math.log1p(math.exp(-1.5))
    assert score.per_class.loss[0] == pytest.approx(exact / 3, rel=1e-15)
    assert score.per_class.loss[1] == math.inf
    assert score.infinite == 0
    assert score.total_loss == pytest.approx(5e18 + exact, rel=1e-15)


def test_bits_a_byte():
    logits, labels = made(50, 4)
    score = ll.score(logits, labels, bytes=123)
    assert score.bits_per_byte == pytest.approx(score.total_loss / math.log(2) / 123, rel=1e-15)
    assert ll.score(logits, labels).bits_per_byte is None


# --------------------------------------------------------------------------- histograms


def test_histograms_hold_every_row():
    logits, labels = made(3000, 4, dtype=np.float64)
    logits[0], labels[0] = (0, -np.inf, 0, 0), 1
    logits[1], labels[1] = (2000, 0, 0, 0), 0
    p, score = softmax(logits), ll.score(logits, labels)
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = ll.cross_entropy(logits, labels, reduction="none")
        entropy = -np.where(p > 0, p * np.log(p), 0).sum(axis=1)
    of_loss = score.loss_histogram
    assert (of_loss.zeros, of_loss.infinite, score.infinite) == (1, 1, 1)
    assert np.array_equal(np.histogram(loss[2:], of_loss.edges)[0], of_loss.counts)
    assert len(of_loss.counts) <= 64
    ratios = of_loss.edges[1:] / of_loss.edges[:-1]
    np.testing.assert_allclose(ratios, ratios[0])
    of_entropy = score.entropy_histogram
    assert of_entropy.counts.sum() == 3000
    assert np.abs(np.histogram(entropy, of_entropy.edges)[0] - of_entropy.counts).max() <= 2
    of_confidence = score.confidence_histogram
    exact = np.histogram(p.max(axis=1), of_confidence.edges)[0]
    assert of_confidence.counts.sum() == 3000
    assert np.abs(exact - of_confidence.counts).max() <= 2  # where an edge is met


# --------------------------------------------------------------------------- what may be given


def test_dtypes_agree():
    logits, labels = made(300, 5, seed=8)
    logits = logits.astype(ml_dtypes.bfloat16).astype(np.float32)
    exact = ll.score(logits.astype(np.float64), labels)
    for dtype in (ml_dtypes.bfloat16, np.float32):
        score = ll.score(logits.astype(dtype), labels)
        assert score.loss == pytest.approx(exact.loss, rel=1e-6)
        assert score.accuracy == exact.accuracy


def test_shapes_layouts_and_memory_maps_agree(tmp_path):
    logits, labels = made(240, 5, seed=9)
    exact = ll.score(logits, labels).to_json()
    np.save(tmp_path / "logits.npy", logits)
    mapped = np.load(tmp_path / "logits.npy", mmap_mode="r")
    frozen = labels.astype(np.uint8)
    frozen.flags.writeable = False
    shaped = logits.reshape(4, 60, 5), labels.reshape(4, 60)
    wide = np.zeros((4, 120, 5), np.float32)
    wide[:, ::2] = shaped[0]
    for x, y in (
        (mapped, frozen), shaped, (wide[:, ::2], labels.reshape(4, 60)),
        (np.asfortranarray(logits), labels.tolist()), (logits.astype(">f4"), labels.astype(">i4")),
    ):  # fmt: skip
        assert ll.score(x, y).to_json() == exact
    blocks = ((logits[i : i + 50], labels[i : i + 50]) for i in range(0, 240, 50))
    assert ll.score(blocks).to_json() == exact
    assert ll.score(logits[0], labels[0]).count == 1


@pytest.mark.parametrize("probabilities", [False, True])
def test_one_hot_labels_are_class_indices(probabilities):
    logits, labels = made(200, 4, seed=5, dtype=np.float64)
    x = softmax(logits) if probabilities else logits
    exact = ll.score(x, labels, probabilities=probabilities)
    hot = ll.score(x, np.eye(4)[labels], probabilities=probabilities)
    for name in ("loss", "brier", "accuracy", "mean_rank", "ece", "entropy"):
        assert getattr(hot, name) == pytest.approx(getattr(exact, name), rel=1e-12)
    assert np.array_equal(hot.confusion.matrix, exact.confusion.matrix)


@pytest.mark.parametrize("probabilities", [False, True])
def test_soft_labels_are_as_defined(probabilities):
    logits, _ = made(100, 3, seed=6, dtype=np.float64)
    targets = np.random.default_rng(1).dirichlet([1, 1, 1], 100)
    p = softmax(logits)
    score = ll.score(p if probabilities else logits, targets, probabilities=probabilities)
    assert score.loss == pytest.approx(-(targets * np.log(p)).sum(axis=1).mean(), rel=1e-12)
    assert score.brier == pytest.approx(((p - targets) ** 2).sum(axis=1).mean(), rel=1e-12)
    assert score.accuracy == (p.argmax(axis=1) == targets.argmax(axis=1)).mean()


def test_a_soft_label_is_not_taken_for_the_ignored_one():
    logits, labels = made(50, 4, dtype=np.float64)
    assert ll.score(logits, np.eye(4)[labels], ignore_index=int(labels[0])).ignored == 0


def test_probabilities_are_scored_as_they_are():
    p = np.array([[0.5, 0.5, 0.0], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0]])
    score = ll.score(p, [0, 2, 0], probabilities=True)
    assert score.infinite == 1
    assert score.loss == score.total_loss == score.perplexity == math.inf
    assert score.accuracy == pytest.approx(2 / 3)
    assert np.isnan(score.loss_interval).all()
    assert score.per_class.loss.tolist() == [math.inf, pytest.approx(math.nan, nan_ok=True),
                                             pytest.approx(-math.log(0.6))]  # fmt: skip
    kept = ll.score(p[:2], [0, 2], probabilities=True)
    assert kept.loss == pytest.approx(-(math.log(0.5) + math.log(0.6)) / 2, rel=1e-15)


def test_probabilities_and_logits_agree():
    logits, labels = made(300, 6, dtype=np.float64)
    a = ll.score(logits, labels)
    b = ll.score(softmax(logits), labels, probabilities=True)
    for name in ("loss", "brier", "entropy", "ece", "adaptive_ece", "mce", "mean_rank"):
        assert getattr(b, name) == pytest.approx(getattr(a, name), rel=1e-9), name
    assert [e.row for e in a.worst] == [e.row for e in b.worst]


def test_temperature_divides_the_logits_and_sharpens_probabilities():
    logits, labels = made(300, 6, dtype=np.float64)
    exact = ll.score(logits / 2.5, labels)
    for x, probabilities in ((logits, False), (softmax(logits), True)):
        score = ll.score(x, labels, temperature=2.5, probabilities=probabilities)
        assert score.loss == pytest.approx(exact.loss, rel=1e-12)
        assert score.ece == pytest.approx(exact.ece, abs=1e-9)


# --------------------------------------------------------------------------- left out, and wrong


def test_ignored_rows_count_nowhere():
    logits, labels = made(300, 4)
    some = labels.copy()
    some[::3] = -100
    keep = some >= 0
    a, b = ll.score(logits, some), ll.score(logits[keep], labels[keep])
    assert (a.rows, a.count, a.ignored) == (300, 200, 100)
    for name in ("total_loss", "accuracy", "brier", "entropy", "ece", "adaptive_ece", "mean_rank"):
        assert getattr(a, name) == getattr(b, name)
    assert np.array_equal(a.confusion.matrix, b.confusion.matrix)
    assert [e.loss for e in a.worst] == [e.loss for e in b.worst]


@pytest.mark.parametrize("labels", [[-100, -100], []])
def test_without_rows_every_mean_is_nan(labels):
    score = ll.score(np.zeros((len(labels), 3)), labels)
    assert score.count == 0
    for name in ("loss", "accuracy", "brier", "ece", "adaptive_ece", "mce", "mean_rank", "entropy"):
        assert math.isnan(getattr(score, name)), name
    assert score.total_loss == 0
    assert score.worst == ()
    assert json.loads(score.to_json())["loss"] is None


def test_one_class():
    score = ll.score(np.ones((5, 1)), [0] * 5)
    assert (score.loss, score.accuracy, score.ece, score.entropy, score.brier) == (0, 1, 0, 0, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_give_nan_are_named_or_counted(bad):
    logits, labels = made(100, 4)
    logits[[17, 60], 2] = bad
    with pytest.raises(ValueError, match=r"^row 17: its loss is NaN.*; 2 of the 100 .*allow_nan"):
        ll.score(logits, labels)
    with pytest.raises(ValueError, match=r"^row 57: .*; the only one of the 60 rows read"):
        ll.score([(logits[20:60], labels[20:60]), (logits[:20], labels[:20])])
    score = ll.score(logits, labels, allow_nan=True)
    assert (score.rows, score.count, score.nan) == (100, 98, 2)
    assert [(it.row, it.source, it.source_row) for it in score.nan_rows] == [
        (17, None, 17), (60, None, 60),
    ]  # fmt: skip
    keep = np.isfinite(logits).all(axis=1)
    assert score.total_loss == ll.score(logits[keep], labels[keep]).total_loss


def test_of_many_rows_that_give_nan_the_first_are_named():
    logits, labels = made(1000, 4)
    bad = np.arange(3, 1000, 7)
    logits[bad, 1] = np.nan
    labels[10] = -100  # ignored, and not NaN
    score = ll.Score(allow_nan=True)
    for start in range(0, 1000, 300):
        rows = slice(start, start + 300)
        score.update(logits[rows], labels[rows], source=f"{start}.npy")
    assert score.nan == len(bad) - 1
    expected = [row for row in bad.tolist() if row != 10][:20]
    assert [it.row for it in score.nan_rows] == expected
    assert {(it.source, it.source_row) for it in score.nan_rows} == {
        (f"{row // 300 * 300}.npy", row % 300) for row in expected
    }
    listed = json.loads(score.to_json())["nan_rows"]
    assert [(it["row"], it["source"], it["source_row"]) for it in listed] == [
        (it.row, it.source, it.source_row) for it in score.nan_rows
    ]


def test_a_score_that_failed_is_of_no_further_use():
    score = ll.Score()
    score.update(np.zeros((3, 2)), [0, 1, 0], source="a.npy")
    with pytest.raises(ValueError, match=r"^b\.npy: row 1: its loss is NaN"):
        score.update([[0.0, 1.0], [np.nan, 0.0]], [0, 0], source="b.npy")
    with pytest.raises(ValueError, match="an update has failed"):
        score.update(np.zeros((3, 2)), [0, 1, 0])
    with pytest.raises(ValueError, match="cannot be added"):
        score + ll.Score()


@pytest.mark.parametrize(
    ("labels", "row", "what"),
    [
        ([0, 1, 2, 5], 3, r"label 5 is outside \[0, 3\)"),
        ([0, -1, 2, 7], 1, "label -1 is outside"),
        (np.array([0, 1, 2**64 - 100, 2], np.uint64), None, ""),  # −100 once it is an int64
        ([[1.0, 0, 0], [0, -1, 0], [0, 0, 1], [1, 0, 0]], 1, "negative"),
    ],
)
def test_labels_that_name_no_class_have_their_row(labels, row, what):
    if row is None:
        assert ll.score(np.zeros((4, 3)), labels).ignored == 1
        return
    with pytest.raises(ll.LabelError, match=f"^row {row}: .*{what}"):
        ll.score(np.zeros((4, 3)), labels)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([[0.5, 0.5], [0.5, 0.4]], "row 1: its probabilities sum to 0.9, not to 1 within 0.001"),
        ([[0.5, 0.5], [1.2, -0.2]], "row 1: 1.2 is no probability"),
        ([[1.0, 0.0], [np.nan, 1.0]], "row 1: its loss is NaN, from a NaN probability"),
        ([[2.0, 1.0], [0.0, 0.0]], "row 0: 2 is no probability"),
    ],
)
def test_rows_that_are_no_distribution_are_named(rows, what):
    with pytest.raises(ValueError, match=f"^{what}"):
        ll.score(rows, [0, 0], probabilities=True)


def test_half_precision_probabilities_may_be_off_by_more():
    p = softmax(made(50, 30)[0])
    assert ll.score(p.astype(ml_dtypes.bfloat16), [0] * 50, probabilities=True).count == 50
    with pytest.raises(ValueError, match=r"sum to 1\.02"):
        ll.score(np.array([[0.52, 0.5]], np.float32), [0], probabilities=True)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"bins": 0}, "bins = 0"), ({"top_k": 0}, "top_k = 0"), ({"top_k": [1, 2000]}, "top_k"),
        ({"worst": -1}, "worst"), ({"temperature": 0}, "temperature"), ({"bytes": 0}, "bytes"),
        ({"allow_nan": 1}, "allow_nan"), ({"bins": 1.5}, "bins"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(options, error):
    with pytest.raises((ValueError, TypeError), match=error):
        ll.score([[0.0, 1.0]], [0], **options)


def test_logits_alone_are_no_blocks():
    with pytest.raises(TypeError, match="labels are missing"):
        ll.score(np.zeros((2, 3)))


def test_a_class_count_that_changes_is_refused():
    score = ll.score(np.zeros((2, 3)), [0, 1])
    with pytest.raises(ValueError, match="rows of 4 classes after rows of 3"):
        score.update(np.zeros((2, 4)), [0, 1])


# --------------------------------------------------------------------------- many classes


def test_more_classes_than_a_matrix_has_room_for():
    logits, labels = made(400, 1500, seed=7)
    score, prediction = ll.score(logits, labels), logits.argmax(axis=1)
    wrong = prediction != labels
    pairs = list(zip(labels[wrong].tolist(), prediction[wrong].tolist(), strict=True))
    assert score.confusion.matrix is None
    assert score.confusion.too_low_by == 0
    assert {(a, b): n for a, b, n in score.confusion.pairs} == {
        pair: pairs.count(pair) for pair in pairs
    }
    table = score.per_class
    assert np.array_equal(table.count, np.bincount(labels, minlength=1500))
    assert np.array_equal(table.predicted, np.bincount(prediction, minlength=1500))
    assert np.array_equal(table.correct, np.bincount(labels[~wrong], minlength=1500))


def test_a_row_of_a_million_classes():
    logits = np.zeros((2, 1_000_000), np.float32)
    logits[0, 7] = 30
    score = ll.score(logits, [7, 999_999])
    assert score.loss == pytest.approx((math.log1p(999_999 * math.exp(-30)) + math.log(1e6)) / 2)
    assert score.mean_rank == (1 + 1_000_000) / 2


def test_the_json_lists_the_most_frequent_confusions_of_equal_ones_the_first():
    rng = np.random.default_rng(0)
    score = ll.score(rng.normal(size=(900, 30)), rng.integers(0, 30, 900))
    listed = json.loads(score.to_json())["confusions"]
    assert len(score.confusion.pairs) > len(listed) == 100
    assert listed == [list(pair) for pair in score.confusion.pairs[:100]]


def test_confusions_beyond_the_room_are_too_low_by_what_is_said(monkeypatch):
    from lastlayer.scoring import confusions

    monkeypatch.setattr(confusions, "MOST", 64)
    rng = np.random.default_rng(0)
    codes = (rng.zipf(1.3, 5000) % 3000).astype(np.int64)
    exact = np.bincount(codes, minlength=3000)
    whole, parts = confusions.Confusions(), confusions.Confusions()
    whole.count(codes)
    for i in range(0, 5000, 61):
        parts.count(codes[i : i + 61])
    for one in (whole, parts):
        found, counts = one.pairs()
        assert len(found) <= 64
        assert 0 < one.too_low_by <= 2 * 5000 / 64
        low = exact.copy()
        low[found] -= counts
        assert low.min() >= 0
        assert low.max() <= one.too_low_by
    for a, b in zip(whole.pairs(), parts.pairs(), strict=True):
        assert np.array_equal(a, b)  # whatever the blocks


# --------------------------------------------------------------------------- worst, interval


def test_the_worst_rows_are_the_largest_losses_with_their_sources():
    logits, labels = made(90, 4)
    logits[40:50], labels[40:50] = logits[4], labels[4]  # ties
    score = ll.Score(worst=30)
    for i, name in ((0, "a"), (25, "b"), (60, "c")):
        score.update(logits[i : i + 10], labels[i : i + 10], source=name)
        score.update(logits[i + 10 : i + 25], labels[i + 10 : i + 25], source=name)
    rows = np.r_[0:50, 60:85]
    loss = ll.cross_entropy(logits[rows], labels[rows], reduction="none")
    order = np.lexsort((np.arange(75), -loss))[:30]
    assert [e.row for e in score.worst] == order.tolist()
    p = softmax(logits[rows])
    for e in score.worst:
        assert e.loss == loss[e.row]
        assert e.label == labels[rows][e.row]
        assert e.prediction == p[e.row].argmax()
        assert e.confidence == pytest.approx(p[e.row].max(), rel=1e-6)
        assert (e.source, e.source_row) == ("abc"[e.row // 25], e.row % 25)


def test_the_interval_is_that_of_a_bootstrap_and_covers():
    x, weight = np.polynomial.hermite_e.hermegauss(60)
    # the loss is log(1 + exp(d)), d ~ N(0, 2) what the other logit is ahead
    exact = (weight * np.logaddexp(0, math.sqrt(2) * x)).sum() / weight.sum()
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        logits = rng.normal(size=(500, 2))
        labels = rng.integers(0, 2, 500)
        low, high = ll.score(logits, labels).loss_interval
        loss = ll.cross_entropy(logits, labels, reduction="none")
        spread = loss.std() / math.sqrt(500)
        assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.15)
        covered += low < exact < high
    assert covered >= 34  # 38 are expected


def test_rows_that_repeat_their_neighbours_widen_the_interval():
    logits, labels = made(4096, 3)
    alone = ll.score(logits, labels).loss_interval
    again = ll.score(np.repeat(logits, 64, axis=0), np.repeat(labels, 64)).loss_interval
    assert np.diff(again) == pytest.approx(np.diff(alone), rel=0.2)


def test_the_interval_of_little_is_not_known():
    assert np.isnan(ll.score([[0.0, 1.0]], [0]).loss_interval).all()


# --------------------------------------------------------------------------- temperature


def test_the_fitted_temperature_is_where_the_slope_is_zero():
    from scipy.optimize import minimize_scalar

    logits, labels = made(800, 5, seed=11, dtype=np.float64, right=0.5)
    fit = ll.fit_temperature([(logits[:300], labels[:300]), (logits[300:], labels[300:])])

    def loss(log_t):
        return metrics.log_loss(labels, softmax(logits / math.exp(log_t)), labels=range(5))

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
    assert fit.temperature == pytest.approx(math.exp(best.x), rel=1e-5)
    assert fit.after.loss == pytest.approx(best.fun, rel=1e-12)
    assert fit.before.loss == ll.score(logits, labels).loss
    assert fit.gain == fit.before.loss - fit.after.loss > 0
    assert fit.after.ece < fit.before.ece
    assert fit.passes <= 8
    assert not fit.bounded
    again = ll.fit_temperature(lambda: iter([(logits, labels)]), before=ll.score(logits, labels))
    assert again.temperature == fit.temperature


def test_probabilities_have_a_temperature_too():
    logits, labels = made(300, 4, seed=12, dtype=np.float64, right=0.5)
    a = ll.fit_temperature([(logits, labels)])
    b = ll.fit_temperature([(softmax(logits), labels)], probabilities=True)
    assert b.temperature == pytest.approx(a.temperature, rel=1e-9)


def test_a_temperature_that_wants_to_leave_the_range_is_a_bound():
    logits, labels = made(50, 3, right=1.0)
    fit = ll.fit_temperature([(logits, labels)])
    assert (fit.temperature, fit.bounded) == (pytest.approx(0.001), True)
    fit = ll.fit_temperature([(-logits, labels)])
    assert (fit.temperature, fit.bounded) == (pytest.approx(1000), True)


def test_rows_that_no_temperature_changes_play_no_part():
    logits, labels = made(100, 3, seed=13, right=0.5)
    alone = ll.fit_temperature([(logits, labels)]).temperature
    logits = np.concatenate([logits, [[0, -np.inf, 0]], [[np.nan, 0, 0]]]).astype(np.float32)
    labels = np.append(labels, [1, 0])
    assert ll.fit_temperature([(logits, labels)], allow_nan=True).temperature == alone


def test_what_temperatures_cannot_be_fitted_to():
    with pytest.raises(TypeError, match="an iterator only once"):
        ll.fit_temperature(iter([([[0.0, 1.0]], [0])]))
    with pytest.raises(ValueError, match="no row to fit"):
        ll.fit_temperature([([[0.0, 1.0]], [-100])])
    with pytest.raises(TypeError, match="looked for"):
        ll.fit_temperature([], temperature=2.0)
