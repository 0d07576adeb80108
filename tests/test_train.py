"""lastlayer train: it learns, stops, is the same twice, and goes on after it was killed."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import lastlayer as ll
from lastlayer.cli import main
from lastlayer.files import FileFormatError
from lastlayer.learning import checkpoint, training
from lastlayer.learning.datasets import DataSet, load
from lastlayer.learning.demo import DivergedError
from lastlayer.learning.network import build
from lastlayer.learning.parts import split
from lastlayer.learning.settings import choose, make_learner

RESULTS = {"metrics.json", "logits.npy", "labels.npy", "weights.safetensors", "curves.png"}
FILES = {*RESULTS, "checkpoint.safetensors"}


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main(["train", *map(str, arguments)])
    return end.value.code


def bars(count=120, size=8):
    """Images of noise with a bar: upright ones are class 0, lying ones 1."""
    random = np.random.default_rng(0)
    images = random.integers(0, 120, (count, size, size)).astype(np.uint8)
    labels = np.arange(count) % 2
    for image, label, at in zip(images, labels, random.integers(1, size - 1, count), strict=True):
        (image if label else image.T)[at] = 250
    return images, labels


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of PyTorch's that wait for each other take time from the other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole():
    images, labels = bars()
    return DataSet(images[:, None], labels, ("upright", "lying"), "bars")


@pytest.fixture(scope="module")
def parts(whole):
    return split(whole)


def trained(whole, parts, *, epochs=4, resume=None, on_epoch=lambda state: None, **wished):
    settings = choose(whole, **{"model": "cnn", "batch_size": 16, **wished})
    learner = make_learner(settings)
    result = training.train(
        learner,
        parts,
        epochs=epochs,
        batch_size=settings.batch_size,
        patience=settings.patience,
        seed=settings.seed,
        resume=resume,
        on_epoch=on_epoch,
    )
    return learner, result


def same(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])


# --------------------------------------------------------------------------- training


@pytest.mark.parametrize("loss", ["cross-entropy", "quadratic"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("model", ["softmax", "mlp", "cnn"])
def test_every_model_learns_with_its_default_rate(model, optimizer, loss):
    """The first three of the digits."""
    whole = load("digits")
    few = whole.labels < 3
    some = DataSet(whole.pixels[few], whole.labels[few], whole.names[:3], "digits")
    parts = split(some)
    learner, result = trained(some, parts, model=model, optimizer=optimizer, loss=loss, epochs=5)
    score = training.measure(learner, parts.test)[1]
    assert score.accuracy > 0.9
    assert score.loss < result.history[0].validation_loss / 2


def test_it_stops_once_the_validation_loss_no_longer_falls(whole, parts):
    learner, result = trained(whole, parts, epochs=200, learning_rate=0.01, patience=3)
    losses = [epoch.validation_loss for epoch in result.history]
    assert result.stopped_early
    assert result.best_epoch == int(np.argmin(losses))
    assert len(losses) - 1 == result.best_epoch + 3
    assert training.measure(learner, parts.validation)[1].loss == min(losses)  # the best weights


def test_the_history_is_of_steps_and_begins_untrained(whole, parts):
    states, scores = [], []
    settings = choose(whole, model="softmax", learning_rate=1e-30, optimizer="sgd", momentum=0)
    learner = make_learner(settings)
    with pytest.raises(DivergedError, match="after 1 epoch the validation loss never fell"):
        training.train(
            learner, parts, epochs=1, batch_size=16, patience=9,
            on_batch=lambda *said: scores.append(said),
            on_epoch=lambda state: states.append(len(state.history)),
        )  # fmt: skip
    assert states == [1, 2]
    assert [(epoch, of, score.count) for epoch, of, score in scores][-1] == (1, 86, 86)
    assert scores[-1][2].loss == pytest.approx(math.log(2), rel=1e-5)  # nothing is learnt at 1e-30


def test_every_image_is_in_one_batch_an_epoch_and_the_order_differs():
    first, again, second, other = (
        list(training.batches(10, 4, seed, epoch))
        for seed, epoch in ((0, 1), (0, 1), (0, 2), (1, 1))
    )
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(np.concatenate(first)) == list(range(10))
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(again))
    for others in (second, other):
        assert not np.array_equal(np.concatenate(first), np.concatenate(others))


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@pytest.mark.parametrize("rate", [1e4, 1e30])
def test_a_rate_that_diverges_is_an_error_and_no_warning(whole, parts, engine, rate):
    with pytest.raises(DivergedError, match="learning rate is too large"):
        trained(whole, parts, engine=engine, optimizer="sgd", learning_rate=rate)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_seed_gives_the_same_weights_twice_and_resumed(whole, parts, tmp_path, engine, optimizer):
    """To the last bit: in one process, which multiplies matrices with one number of threads."""
    settings = choose(whole, model="cnn", engine=engine, optimizer=optimizer, batch_size=16)
    path = tmp_path / "checkpoint"

    def keep_the_second(state):
        if len(state.history) == 3:
            checkpoint.save(path, state, settings)

    wished = {"engine": engine, "optimizer": optimizer}
    learner, result = trained(whole, parts, **wished, on_epoch=keep_the_second)
    weights = {name: value.copy() for name, value in learner.weights().items()}
    again, same_result = trained(whole, parts, **wished)
    same(weights, again.weights())
    state = checkpoint.load(path, settings)
    assert len(state.history) == 3
    resumed, resumed_result = trained(whole, parts, **wished, resume=state)
    same(weights, resumed.weights())
    assert result == same_result == resumed_result


def test_both_engines_train_alike(whole, parts):
    (_, ours), (_, theirs) = (trained(whole, parts, engine=name) for name in ("numpy", "torch"))
    for mine, other in zip(ours.history, theirs.history, strict=True):
        assert mine.validation_loss == pytest.approx(other.validation_loss, rel=1e-3)


# --------------------------------------------------------------------------- checkpoints


@pytest.fixture
def kept(whole, parts, tmp_path):
    """A checkpoint of a training with two epochs, and its settings."""
    path, settings = tmp_path / "checkpoint", choose(whole, epochs=2)
    trained(whole, parts, epochs=2, model="softmax",
            on_epoch=lambda state: checkpoint.save(path, state, settings))  # fmt: skip
    return path, settings


@pytest.mark.parametrize(
    ("wished", "said"),
    [
        ({"seed": 1}, "seed = 0, not 1"),
        ({"loss": "quadratic"}, "loss = cross-entropy, not quadratic"),
        ({"learning_rate": 0.5}, r"learning_rate = 0\.003, not 0\.5"),
        ({"model": "mlp", "patience": 3}, "model = softmax, not mlp; patience = 10, not 3"),
        ({"epochs": 1}, "has 2 epochs already, more than epochs = 1"),
    ],
)
def test_a_training_does_not_go_on_with_other_settings(whole, kept, wished, said):
    with pytest.raises(ValueError, match=said):
        checkpoint.load(kept[0], choose(whole, **wished))
    assert len(checkpoint.load(kept[0], choose(whole, epochs=9)).history) == 3


def test_a_training_does_not_go_on_with_other_images(whole, kept):
    others = DataSet(255 - whole.pixels, whole.labels, whole.names, whole.source)
    with pytest.raises(ValueError, match="was made with other images or labels: resume"):
        checkpoint.load(kept[0], choose(others))


def test_a_broken_checkpoint_is_named(whole, kept):
    from safetensors.numpy import save

    path, settings = kept
    content = path.read_bytes()
    bare = {"weights/x": np.ones(2)}
    strange = [
        save(bare, {"lastlayer": text})
        for text in ("{}", "3", '{"history": [], "best_epoch": 0}', '{"history": [{"x": 1}]}')
    ]
    for broken in (b"", b"text", content[:200], content[:-5], save(bare), *strange):
        path.write_bytes(broken)
        with pytest.raises(FileFormatError, match="is no checkpoint of a training"):
            checkpoint.load(path, settings)


# --------------------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "made" / "by train"
    assert run("--epochs", 6, "--out", out, "--quiet") == 0
    return out


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text(), parse_constant=pytest.fail)


def test_the_files_and_nothing_else(folder):
    assert {path.name for path in folder.iterdir()} == FILES
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_metrics_are_what_the_written_logits_give(folder):
    logits, labels = np.load(folder / "logits.npy"), np.load(folder / "labels.npy")
    test = metrics_of(folder)["test"]
    held_out = split(load("digits")).test
    assert logits.dtype == np.float32
    np.testing.assert_array_equal(labels, held_out.labels)  # in the order of the data
    assert test["loss"] == float(ll.cross_entropy(logits, labels))
    assert test["accuracy"] == np.mean(logits.argmax(axis=1) == labels)
    assert test["count"] == len(labels) == 359


def test_metrics_tell_the_whole_training(folder):
    metrics = metrics_of(folder)
    assert [metrics[name]["count"] for name in ("train", "validation", "test")] == [1295, 143, 359]
    assert metrics["history"]["epoch"] == list(range(7))
    assert metrics["history"]["validation_loss"][metrics["best_epoch"]] == pytest.approx(
        metrics["validation"]["loss"]
    )
    assert metrics["settings"]["learning_rate"] == 0.003
    assert metrics["settings"]["model"] == "softmax"
    assert metrics["versions"]["lastlayer"] == ll.__version__
    assert metrics["classes"] == [str(digit) for digit in range(10)]


def test_the_written_weights_give_the_written_logits(folder):
    """As docs/training.md shows it."""
    from safetensors import safe_open

    with safe_open(folder / "weights.safetensors", "np") as file:
        about = json.loads(file.metadata()["lastlayer"])
        network = build(about["model"], about["shape"], about["classes"], "cross-entropy", seed=0)
        for name, parameter in network.parameters().items():
            parameter[...] = file.get_tensor(name)
    whole = load("digits")
    images = whole.pixels[split(whole).test.positions]
    mean, scale = (np.array(about[k], np.float32)[:, None, None] for k in ("mean", "scale"))
    logits = network.logits((images - mean) / scale)
    np.testing.assert_allclose(logits, np.load(folder / "logits.npy"), rtol=1e-4, atol=1e-4)


def test_it_ends_with_a_table_the_files_and_what_is_next(tmp_path, capsys):
    assert run("--out", tmp_path / "my own", "--epochs", 1) == 0
    said = capsys.readouterr()
    assert "1295 images train, 143 decide when to stop, 359 are held out" in said.err
    assert "epoch   1  loss" in said.err
    assert "Trained 1 epoch (the most allowed); kept epoch 1." in said.err
    for word in ("held out", "359", "loss (nats)", *FILES):
        assert word in said.out
    assert f"--labels '{tmp_path / 'my own'}/labels.npy'" in said.out


def test_quiet_prints_the_table_alone(folder, tmp_path, capsys):
    assert run("--out", tmp_path, "--epochs", 6, "--quiet", "--loss", "quadratic") == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "quadratic cost" in said.out
    assert "Written" not in said.out
    logits, labels = np.load(tmp_path / "logits.npy"), np.load(tmp_path / "labels.npy")
    assert metrics_of(tmp_path)["test"]["loss"] == float(
        ll.quadratic_cost(logits, labels, activation="softmax")
    )


def test_images_of_ones_own_are_trained_on(tmp_path, capsys):
    from PIL import Image

    for image, label in zip(*bars(30, 12), strict=True):
        name = f"{len(list(tmp_path.rglob('*.png'))):03d}.png"
        where = tmp_path / "[red]" / ("lying" if label else "upright")
        where.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(where / name)
    out = tmp_path / "out"
    options = ("--data", tmp_path / "[red]", "--size", 8, "--model", "cnn", "--epochs", 2)
    assert run(*options, "--engine", "torch", "--classes", 4, "--out", out, "-q") == 0
    assert metrics_of(out)["classes"] == ["lying", "upright"]
    assert np.load(out / "logits.npy").shape == (6, 4)
    assert "cnn on [red]" in capsys.readouterr().out  # a name, not a colour


def test_a_full_disk_leaves_the_earlier_result_and_no_part_of_another(
    folder, tmp_path, monkeypatch, capsys
):
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name in RESULTS}
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    write = Path.write_bytes

    def full(self, content):
        write(self, content[: len(content) // 2] if "curves" in self.name else content)
        if "curves" in self.name:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert run("--epochs", 2, "--out", tmp_path, "--quiet") == 1
    said = capsys.readouterr()
    assert said.err == f"lastlayer: {tmp_path / 'curves.png'}: No space left on device\n"
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    left.pop("checkpoint.safetensors")
    assert left == before


def test_the_digits_are_the_digits_beside_a_folder_of_that_name(tmp_path, monkeypatch, capsys):
    (tmp_path / "digits" / "a class").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert len(load("digits")) == 1797
    assert run("--model", "alexnet", "--data", "digits") == 1
    assert "8 x 8 pixels: alexnet takes" in capsys.readouterr().err
    assert run("--data", "./digits") == 2
    assert "class folder digits/a class has no images" in capsys.readouterr().err


DYING = """
import os, signal
from pathlib import Path
from lastlayer.cli import main

write, written = Path.write_bytes, 0

def dying(self, content):
    global written
    written += "checkpoint" in self.name
    if written == 3:
        write(self, content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, content)

Path.write_bytes = dying
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_killed_while_it_writes_it_goes_on_to_the_same_result_to_the_last_bit(tmp_path):
    """Three processes with one thread for matrices each: their number decides the last bit."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

    def train(code, out, *more):
        command = [sys.executable, "-c", code, "train", "--model", "mlp", "--epochs", "5", "-q"]
        command += ["--out", str(tmp_path / out), *more]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    whole = "from lastlayer.cli import main; main()"
    assert train(whole, "whole").returncode == 0
    assert train(DYING, "killed").returncode == -signal.SIGKILL
    left = {path.name for path in (tmp_path / "killed").iterdir()}
    assert "checkpoint.safetensors" in left
    assert any(name.endswith(".part") for name in left)
    assert len(left) == 2
    resumed = train(whole, "killed", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert {path.name for path in (tmp_path / "killed").iterdir()} == FILES
    for name in RESULTS - {"metrics.json"}:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    metrics = [metrics_of(tmp_path / name) for name in ("whole", "killed")]
    assert all(m.pop("seconds") for m in metrics)
    assert metrics[0] == metrics[1]


def test_resuming_says_where_from_and_more_epochs_may_follow(tmp_path, capsys):
    assert run("--out", tmp_path, "--epochs", 2, "--resume") == 0
    assert "is not there: beginning anew" in capsys.readouterr().err
    assert run("--out", tmp_path, "--epochs", 4, "--resume") == 0
    assert "Going on after epoch 2." in capsys.readouterr().err
    assert metrics_of(tmp_path)["history"]["epoch"] == [0, 1, 2, 3, 4]
    assert run("--out", tmp_path, "--epochs", 4, "--resume", "--seed", 3) == 1
    error = capsys.readouterr().err
    assert "seed = 0, not 3" in error
    assert error.count("\n") <= 2


def files_of(tmp_path):
    np.savez(tmp_path / "few.npz", images=np.zeros((3, 8, 8)), labels=[0, 1, 2])
    np.savez(tmp_path / "alone.npz", images=np.ones((30, 8, 8)), labels=np.zeros(30, int))
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8b\x08\x00 no more")
    (tmp_path / "labels").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 5]))
    (tmp_path / "data.csv").write_text("1,2")
    (tmp_path / "images" / "empty").mkdir(parents=True)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--data", "data.csv"), 2, "an unknown format"),
        (("--data", "nothing.npz"), 1, "nothing.npz: No such file"),
        (("--data", "images"), 2, "class folder images/empty has no images"),
        (("--data", "few.npz"), 1, "too few"),
        (("--images", "broken.gz", "--labels", "labels"), 2, "broken.gz is a broken gzip"),
        (("--images", "labels", "--labels", "labels"), 2, "1 dimension (labels), and images"),
        (("--images", "labels"), 2, "--images needs --labels"),
        (("--model", "alexnet"), 1, "8 x 8 pixels: alexnet takes"),
        (("--model", "alexnet", "--engine", "numpy"), 1, "engine torch alone"),
        (("--data", "alone.npz"), 1, "alone.npz has one class alone"),
        (("--classes", "5"), 1, "digits has 10 classes"),
        (("--data", ""), 2, "--data: an empty name is no data"),
        (
            ("--learning-rate", "1e30", "--optimizer", "sgd", "--model", "mlp"),
            1,
            "rate is too large",
        ),
        (("--learning-rate", "nan"), 2, "nan is not in the range"),
        (("--momentum", "1"), 2, "0<=x<1"),
        (("--held-out", "0.95"), 2, "0.01<=x<=0.9"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(
    tmp_path, monkeypatch, capsys, arguments, status, message
):
    files_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run("--quiet", "--out", "out", *arguments) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_pytorch_that_is_missing_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "lastlayer.learning.alexnet", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run("--engine", "torch", "--quiet", "--out", tmp_path) == 1
    assert "torch is not installed: pip install 'lastlayer[torch]'" in capsys.readouterr().err


@pytest.mark.parametrize(("model", "least"), [("softmax", 0.95), ("mlp", 0.97)])
def test_the_digits_are_told_apart(tmp_path, model, least):
    assert run("--model", model, "--quiet", "--out", tmp_path) == 0
    assert metrics_of(tmp_path)["test"]["accuracy"] >= least
