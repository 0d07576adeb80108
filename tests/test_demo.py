"""The demonstration: a training that works, twice alike, and files that say what happened."""

from __future__ import annotations

import errno
import json
import math
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lastlayer as ll
from lastlayer.cli import main
from lastlayer.files import write_whole
from lastlayer.learning import demo, figures, results
from lastlayer.learning.digits import split_digits

FILES = {"report.html", "curves.png", "digits.png", "logits.npy", "labels.npy", "metrics.json"}


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["demo", *arguments])
    return end.value.code


@pytest.fixture(scope="module")
def parts():
    return split_digits()


@pytest.fixture(scope="module")
def training(parts):
    return demo.train(parts.train, parts.validation)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "made" / "by demo"
    assert run("--out", str(out), "--quiet") == 0
    return out


# --------------------------------------------------------------------------- data


def test_the_parts_share_no_digit_and_leave_none_out(parts):
    from sklearn.datasets import load_digits

    bundled = load_digits()
    total = sum(len(part) for part in (parts.train, parts.validation, parts.test))
    assert total == len(bundled.target) == 1797
    counts = [np.bincount(p.labels) for p in (parts.train, parts.validation, parts.test)]
    np.testing.assert_array_equal(sum(counts), np.bincount(bundled.target))
    seen = [image.tobytes() for p in (parts.train, parts.test) for image in p.images]
    assert len(set(seen)) == len(seen)  # no digit is in the data twice either
    assert 0.24 < len(parts.test) / total < 0.26


def test_every_class_has_its_share_of_every_part(parts):
    for part, share in ((parts.validation, 0.10), (parts.test, 0.25)):
        whole = np.bincount(parts.train.labels) + np.bincount(parts.validation.labels)
        whole = whole + np.bincount(parts.test.labels)
        assert np.abs(np.bincount(part.labels) - share * whole).max() <= 0.5


def test_features_are_centred_on_the_training_part_alone(parts):
    assert parts.train.features.dtype == np.float32
    assert np.abs(parts.train.features.mean(axis=0)).max() < 1e-6
    assert np.abs(parts.test.features.mean(axis=0)).max() > 1e-3


def test_another_seed_holds_out_other_digits(parts):
    assert not np.array_equal(split_digits(1).test.images, parts.test.images)


# --------------------------------------------------------------------------- training


def test_it_learns(parts, training):
    logits = training.layer.logits(parts.test.features)
    before = ll.score(demo.Layer.untrained().logits(parts.test.features), parts.test.labels)
    after = ll.score(logits, parts.test.labels)
    assert logits.dtype == np.float32
    assert before.loss == pytest.approx(math.log(10), rel=1e-6)
    assert after.loss < 0.16
    assert after.accuracy >= 0.955


def test_the_same_seed_gives_the_same_layer_to_the_last_bit(parts):
    first, second, other = (
        demo.train(parts.train, parts.validation, epochs=3, seed=seed) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first.layer.weights, second.layer.weights)
    np.testing.assert_array_equal(first.layer.bias, second.layer.bias)
    assert first.history == second.history
    assert not np.array_equal(first.layer.weights, other.layer.weights)


def test_the_first_step_is_the_gradient_of_the_reference(parts):
    """One full batch without momentum: W = -rate · featuresᵀ (p - t) / N, with p = 1/10."""
    count = len(parts.train)
    step = demo.train(
        parts.train, parts.validation, epochs=1, batch_size=count, momentum=0, learning_rate=0.5
    )
    targets = np.eye(10)[parts.train.labels]
    gradient = parts.train.features.astype(np.float64).T @ (0.1 - targets) / count
    np.testing.assert_allclose(step.layer.weights, -0.5 * gradient, atol=1e-6)
    np.testing.assert_allclose(step.layer.bias, -0.5 * (0.1 - targets).mean(axis=0), atol=1e-7)


def test_it_stops_once_the_validation_loss_no_longer_falls(parts, training):
    losses = [epoch.validation_loss for epoch in training.history]
    assert training.stopped_early
    assert training.best_epoch == int(np.argmin(losses))
    assert len(losses) - 1 == training.best_epoch + 10
    kept = ll.cross_entropy(
        training.layer.logits(parts.validation.features), parts.validation.labels
    )
    assert float(kept) == min(losses)  # the best layer, not the last one


def test_every_epoch_is_told_the_untrained_layer_first(parts):
    told = []
    training = demo.train(parts.train, parts.validation, epochs=2, on_epoch=told.append)
    assert told == training.history
    assert [epoch.number for epoch in told] == [0, 1, 2]
    assert not training.stopped_early


@pytest.mark.parametrize("rate", [1e38, 1e9])
def test_a_diverging_learning_rate_is_an_error_that_names_it(parts, rate):
    with pytest.raises(demo.DivergedError, match=rf"learning rate {rate:g}".replace("+", r"\+")):
        demo.train(parts.train, parts.validation, learning_rate=rate)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("learning_rate", math.nan),
        ("learning_rate", 0.0),
        ("learning_rate", math.inf),
        ("momentum", 1.0),
        ("epochs", 0),
        ("batch_size", 0),
        ("patience", 0),
    ],
)
def test_an_option_outside_its_range_is_named(parts, option, value):
    with pytest.raises(ValueError, match=f"{option} = {value}"):
        demo.train(parts.train, parts.validation, **{option: value})


# --------------------------------------------------------------------------- files


def test_the_six_files_and_nothing_else(folder):
    assert {path.name for path in folder.iterdir()} == FILES
    for name in ("curves.png", "digits.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_metrics_are_what_the_written_logits_give(folder, parts):
    logits, labels = np.load(folder / "logits.npy"), np.load(folder / "labels.npy")
    metrics = json.loads((folder / "metrics.json").read_text(), parse_constant=pytest.fail)
    after = metrics["after"]
    assert logits.shape == (450, 10)
    assert logits.dtype == np.float32
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, parts.test.labels)
    assert after["loss_nats"] == pytest.approx(float(ll.cross_entropy(logits, labels)), rel=1e-12)
    for unit, base in (("bits", 2), ("hartleys", 10)):
        loss = float(ll.cross_entropy(logits, labels, base=base))
        assert after[f"loss_{unit}"] == pytest.approx(loss, rel=1e-6)
    assert after["perplexity"] == math.exp(after["loss_nats"])
    assert after["accuracy"] == np.mean(logits.argmax(axis=1) == labels)
    assert after["count"] == len(labels) == metrics["before"]["count"]


def test_the_report_is_of_the_written_logits(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    metrics = json.loads((folder / "metrics.json").read_text())["after"]
    assert "450 rows of 10 classes" in page
    assert f"<dd>{metrics['loss_nats']:.4f} <small>nats" in page
    assert f"<dd>{metrics['ece']:.5f}</dd>" in page


def test_metrics_tell_the_whole_training(folder, training):
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["history"]["validation_loss"] == [e.validation_loss for e in training.history]
    assert metrics["history"]["epoch"] == list(range(len(training.history)))
    assert metrics["best_epoch"] == training.best_epoch
    assert metrics["settings"] == {**training.settings, "split_seed": 0}
    assert metrics["versions"]["lastlayer"] == ll.__version__
    assert all(seconds >= 0 for seconds in metrics["seconds"].values())


def test_two_runs_write_the_same_numbers(folder, tmp_path):
    assert run("--out", str(tmp_path), "--quiet") == 0
    for name in ("logits.npy", "labels.npy"):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()


def test_metrics_are_strict_json(training):
    nan = ll.Score()  # of no rows
    with pytest.raises(ValueError, match="JSON"):
        results.metrics_json(training, seed=0, before=nan, after=nan, seconds={})


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "logits.npy"
    write_whole(path, b"old and whole")
    real = Path.write_bytes

    def disk_full(self, content):
        real(self, content[:3])
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old and whole"
    assert list(tmp_path.iterdir()) == [path]


# --------------------------------------------------------------------------- the command


def test_it_ends_with_a_table_and_the_files(tmp_path, capsys):
    assert run("--out", str(tmp_path), "--epochs", "1") == 0
    said = capsys.readouterr()
    assert "Trained 1 epoch (" in said.err
    for word in ("nats", "bits", "hartleys", "perplexity", "accuracy", "before", "after", *FILES):
        assert word in said.out
    assert "2.3026" in said.out
    assert "lastlayer explain" in said.out
    assert "Kernels" in said.err


def test_the_next_step_it_names_works(tmp_path, capsys):
    assert run("--out", str(tmp_path / "my demo"), "--epochs", "1") == 0
    verb = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert verb[:2] == ["lastlayer", "explain"]
    with pytest.raises(SystemExit) as end:
        main(verb[1:])
    assert end.value.code == 0
    assert "450" in capsys.readouterr().out


def test_quiet_prints_the_table_alone(tmp_path, capsys):
    assert run("--out", str(tmp_path), "--epochs", "1", "--quiet") == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "perplexity" in said.out
    assert "Written" not in said.out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--learning-rate", "100"), 1, "after 10 epochs the loss never fell"),
        (("--learning-rate", "100", "--epochs", "1"), 1, "after 1 epoch the loss never fell"),
        *((("--learning-rate", x), 2, "0<x<=100") for x in ("nan", "inf", "1e30", "0", "-1")),
        (("--epochs", "0"), 2, "--epochs"),
        (("--seed", "-1"), 2, "--seed"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, capsys, arguments, status, message):
    assert run("--out", str(tmp_path), "--quiet", *arguments) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_cannot_be_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "zero")
    assert run("--out", str(tmp_path), "--quiet") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"lastlayer: LASTLAYER_NUM_THREADS = 'zero' .*\n", said.err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inside", [False, True])
def test_out_that_is_a_file_is_one_line(tmp_path, capsys, inside):
    path = tmp_path / "taken"
    path.write_text("mine")
    assert run("--out", str(path / "deeper" if inside else path), "--quiet") in (1, 2)
    error = capsys.readouterr().err
    assert "taken" in error
    assert error.count("\n") == 1
    assert path.read_text() == "mine"


def test_ctrl_c_ends_quietly(tmp_path, capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "train", interrupted)
    assert run("--out", str(tmp_path), "--quiet") == 130
    assert "Traceback" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------- pictures


def test_the_digits_shown_are_under_the_right_heading(parts, training):
    logits, labels = training.layer.logits(parts.test.features), parts.test.labels
    rows = figures.choose_digits(logits, labels)
    right = logits.argmax(axis=1) == labels
    sure, unsure, wrong = rows.values()
    assert right[sure].all()
    assert right[unsure].all()
    assert not right[wrong].any()
    assert len({*sure, *unsure, *wrong}) == 12
    assert len(set(labels[sure])) == 4
    losses = ll.cross_entropy(logits, labels, reduction="none")
    assert losses[wrong[0]] == losses.max()


def test_a_layer_without_mistakes_can_be_drawn(parts):
    perfect = 20 * np.eye(10, dtype=np.float32)[parts.test.labels]
    assert figures.choose_digits(perfect, parts.test.labels)["wrong"] == []
    assert results.png(figures.draw_digits(parts.test, perfect)).startswith(b"\x89PNG")


def test_wrong_digits_say_what_they_were_taken_for(parts, training):
    logits = training.layer.logits(parts.test.features)
    words = {text.get_text() for text in figures.draw_digits(parts.test, logits).texts}
    wrong = figures.choose_digits(logits, parts.test.labels)["wrong"]
    for position in wrong:
        assert f"{parts.test.labels[position]}, predicted {logits[position].argmax()}" in words


def test_curves_hold_every_epoch(training):
    loss, accuracy = figures.draw_curves(training).axes
    for axes in (loss, accuracy):
        assert len(axes.lines[0].get_xdata()) == len(training.history)
    assert "nats" in loss.get_ylabel()
    assert "%" in accuracy.get_ylabel()


@pytest.mark.parametrize("epochs", [1, 8])
def test_the_curves_of_accuracy_are_on_the_chart(training, epochs):
    """Also in a training of one epoch, and where dropout makes the training part the harder one."""
    history = [replace(epoch, train_accuracy=0.5) for epoch in training.history[: epochs + 1]]
    drawn = replace(training, history=history, best_epoch=1)
    low, high = figures.draw_curves(drawn).axes[1].get_ylim()
    assert low < 50 < high
    assert epochs > 1 or low < 100 * history[0].validation_accuracy
