"""Files of predictions: every format gives the same rows, in blocks that are cut anywhere."""

from __future__ import annotations

import io
import json
import os

import ml_dtypes
import numpy as np
import prediction_files as files
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prediction_files import CLASSES, FORMATS, LABELS, LOGITS, ROWS, labels_beside, read, write
from safetensors.numpy import save_file

import lastlayer as ll
from lastlayer.cli import main
from lastlayer.cli.progress import progress
from lastlayer.scoring.readers import open_predictions

READERS = "lastlayer.scoring.readers."


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in arguments])
    return end.value.code


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Blocks of two rows of logits, labels in blocks of five."""
    monkeypatch.setattr(READERS + "predictions.MAPPED", 2 * 4 * CLASSES)
    monkeypatch.setattr(READERS + "predictions.COPIED", 2 * (4 * CLASSES + 8))
    monkeypatch.setattr(READERS + "labels.COPIED", 5 * 8)


# --------------------------------------------------------------------------- formats


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(tmp_path, name):
    write(tmp_path / name)
    logits, labels = read(tmp_path / name, labels_beside(tmp_path / name))
    assert np.array_equal(logits, LOGITS)
    assert np.array_equal(labels, LABELS)


@pytest.mark.parametrize("name", FORMATS)
def test_rows_are_read_in_blocks_as_often_as_asked(tmp_path, tiny_blocks, name):
    path = tmp_path / name
    write(path)
    predictions = open_predictions(path, labels_beside(path))
    assert predictions.classes == CLASSES
    assert predictions.rows == (None if ".csv" in name else ROWS)
    assert predictions.bytes == path.stat().st_size
    for _ in range(2):
        blocks = list(predictions.blocks())
        lengths = [len(block.logits) for block in blocks]
        assert [block.first_row for block in blocks] == [0, *np.cumsum(lengths)[:-1]]
        assert len(blocks) > 1 or ".csv" in name  # whose blocks are of text
        assert all(block.source == str(path) for block in blocks)
        assert np.array_equal(np.concatenate([block.logits for block in blocks]), LOGITS)
        assert np.array_equal(np.concatenate([block.labels for block in blocks]), LABELS)
        assert predictions.position == predictions.bytes


HALVES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.dtype(">f4"), np.dtype(">f8")]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_every_dtype_keeps_its_numbers(tmp_path, dtype):
    x = LOGITS.astype(dtype)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", logits=x, labels=LABELS)
    native = x.astype(np.dtype(dtype).newbyteorder("="))
    save_file({"logits": native, "labels": LABELS}, tmp_path / "x.safetensors")
    wanted = x.astype(np.float64)
    for path, labels in (("x.npy", tmp_path / "x.npz"), ("x.npz", None), ("x.safetensors", None)):
        assert np.array_equal(read(tmp_path / path, labels)[0], wanted)
    if dtype is not ml_dtypes.bfloat16:  # which Parquet does not have
        pq.write_table(files.table("fixed", native), tmp_path / "x.parquet")
        assert np.array_equal(read(tmp_path / "x.parquet")[0], wanted)


def test_the_third_version_of_npy_is_read(tmp_path):
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, LOGITS, version=(3, 0))
    assert np.array_equal(read(tmp_path / "x.npy", labels_beside(tmp_path / "x.npy"))[0], LOGITS)


@pytest.mark.parametrize("name", ["c.npy", "tensors.safetensors"])
def test_mapped_logits_are_views_that_cannot_be_written(tmp_path, name):
    write(tmp_path / name)
    (block,) = open_predictions(tmp_path / name, labels_beside(tmp_path / name)).blocks()
    assert not block.logits.flags.writeable
    assert not block.logits.flags.owndata


@pytest.mark.parametrize("name", ["c.npy", "text.csv", "lists.parquet", "deflated.npz"])
def test_a_row_of_many_classes_is_read(tmp_path, name):
    x = np.arange(2 * 100_000, dtype=np.float32).reshape(2, -1)
    write(tmp_path / name, x, np.array([5, 99_999]))
    np.save(tmp_path / "y.npy", [5, 99_999])
    logits, labels = read(tmp_path / name, tmp_path / "y.npy")
    assert np.array_equal(logits, x)
    assert list(labels) == [5, 99_999]


def test_columns_of_text_may_be_quoted_ordered_anyhow_and_end_as_windows_has_it(tmp_path):
    text = '\ufefflabel,"logit_2",logit_0,logit_1\r\n1,"3",1,2\r\n\r\n0, -inf ,nan,+1e3\r\n'
    (tmp_path / "x.csv").write_text(text, newline="")
    logits, labels = read(tmp_path / "x.csv")
    assert np.array_equal(logits, [[1, 2, 3], [np.nan, 1000, -np.inf]], equal_nan=True)
    assert list(labels) == [1, 0]


# --------------------------------------------------------------------------- labels and names


def test_labels_may_be_of_any_format_and_cut_otherwise(tmp_path, tiny_blocks):
    write(tmp_path / "fixed.parquet")
    for name in ("stored.npz", "text.csv", "columns.parquet", "tensors.safetensors"):
        write(tmp_path / name)
        assert np.array_equal(read(tmp_path / "fixed.parquet", tmp_path / name)[1], LABELS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ml_dtypes.bfloat16, np.int8, bool])
def test_labels_of_the_shape_of_the_logits_are_distributions(tmp_path, tiny_blocks, dtype):
    np.save(tmp_path / "x.npy", LOGITS)
    np.save(tmp_path / "y.npy", np.eye(CLASSES)[LABELS].astype(dtype))
    labels = read(tmp_path / "x.npy", tmp_path / "y.npy")[1]
    assert labels.dtype.kind not in "biu"
    assert np.array_equal(labels.astype(float), np.eye(CLASSES)[LABELS])


def test_labels_that_are_whole_floating_numbers_are_classes(tmp_path):
    np.save(tmp_path / "x.npy", LOGITS)
    np.save(tmp_path / "y.npy", LABELS[:, None].astype(np.float32))
    assert np.array_equal(read(tmp_path / "x.npy", tmp_path / "y.npy")[1], LABELS)
    np.save(tmp_path / "y.npy", LABELS + 0.5)
    with pytest.raises(ll.LabelError, match=r"y\.npy: row 0: expected .* found 0\.5"):
        read(tmp_path / "x.npy", tmp_path / "y.npy")


def test_logits_of_a_language_model_have_more_dimensions(tmp_path, tiny_blocks):
    x = np.arange(2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3)
    y = np.array([[0, 1, 2], [2, 1, 0]])
    np.savez(tmp_path / "x.npz", logits=x, labels=y)
    logits, labels = read(tmp_path / "x.npz")
    assert np.array_equal(logits, x.reshape(-1, 3))
    assert np.array_equal(labels, y.reshape(-1))


def test_columns_are_found_by_the_names_that_are_given(tmp_path):
    (tmp_path / "x.csv").write_text("y,dog,cat,score_1,score_0\n1,1,2,3,4\n")
    for name, row in (("cat,dog", [2, 1]), ("score_*", [4, 3]), ("*o*", [1, 3, 4])):
        logits, labels = read(tmp_path / "x.csv", logits_name=name, labels_name="y")
        assert logits.tolist() == [row]
        assert labels.tolist() == [1]


def test_probabilities_have_names_of_their_own(tmp_path):
    (tmp_path / "x.csv").write_text("prob_0,prob_1,label\n0.25,0.75,1\n")
    assert read(tmp_path / "x.csv", probabilities=True)[0].tolist() == [[0.25, 0.75]]
    with pytest.raises(ll.FileFormatError, match="give --probabilities"):
        read(tmp_path / "x.csv")


# --------------------------------------------------------------------------- places


def test_a_folder_and_a_glob_are_their_files_in_sorted_order(tmp_path, tiny_blocks):
    (tmp_path / "parts").mkdir()
    for number in (2, 0, 1):
        np.save(tmp_path / "parts" / f"{number}.npy", LOGITS[2 * number : 2 * number + 2])
    (tmp_path / "parts" / "notes.txt").write_text("not predictions")
    np.save(tmp_path / "y.npy", LABELS)
    for path in (tmp_path / "parts", tmp_path / "parts" / "?.npy"):
        logits, labels = read(path, tmp_path / "y.npy")
        assert np.array_equal(logits, LOGITS)
        assert np.array_equal(labels, LABELS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_remote_file_is_read_through_fsspec(tmp_path, tiny_blocks, name):
    import fsspec

    write(tmp_path / name)
    beside = labels_beside(tmp_path / name)
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/{name}/{name}", (tmp_path / name).read_bytes())
    for path in (f"memory://{name}/{name}", f"memory://{name}/*", f"memory://{name}"):
        logits, labels = read(path, beside)
        assert np.array_equal(logits, LOGITS)
        assert np.array_equal(labels, LABELS)
    assert np.array_equal(read((tmp_path / name).as_uri(), beside)[0], LOGITS)


# --------------------------------------------------------------------------- the command


def test_the_command_says_what_the_function_says(tmp_path, capsys):
    write(tmp_path / "lists.parquet")
    out = tmp_path / "score.json"
    assert run("score", tmp_path / "lists.parquet", "--json", out, "--top-k", 2, "-q") == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "lists.parquet" in said.out
    assert ll.Score.from_json(out.read_bytes()).loss == ll.score(LOGITS, LABELS, top_k=2).loss
    assert json.loads(out.read_bytes())["count"] == ROWS


def test_two_paths_are_predictions_and_labels_or_two_to_compare(tmp_path, capsys):
    write(tmp_path / "c.npy")
    np.save(tmp_path / "y.npy", LABELS)
    assert run("score", tmp_path / "c.npy", tmp_path / "y.npy") == 0
    assert "Worst rows" in capsys.readouterr().out
    for name in ("stored.npz", "columns.parquet"):
        write(tmp_path / name)
    page = tmp_path / "page.html"
    several = [tmp_path / name for name in ("stored.npz", "columns.parquet")]
    assert run("score", *several, "--report", page) == 0
    assert "2 predictions of 6 rows" in capsys.readouterr().out
    assert page.read_text().startswith("<!doctype html>")
    assert run("score", *several, tmp_path / "c.npy", "--labels", tmp_path / "y.npy") == 0
    assert "3 predictions of 6 rows" in capsys.readouterr().out


def test_the_temperature_is_fitted_in_further_passes(tmp_path, capsys):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(500, 4))
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    np.savez(tmp_path / "x.npz", logits=3 * logits, labels=labels)
    assert run("score", tmp_path / "x.npz", "--fit-temperature") == 0
    fit = ll.fit_temperature([(3 * logits, labels)])
    assert f"Temperature {fit.temperature:.3f}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.npy"], "no such file: missing.npy"),
        (["", "y.npy"], "no such file: an empty name"),
        (["c.npy"], "c.npy: has no labels"),
        (["t.csv", "--logits-name", "*", "--labels-name", "y"], "'*' has the labels too, 'y'"),
        (["t.csv", "--logits-name", "b,y,a", "--labels-name", "y"], "'b,y,a' has the labels too"),
        (["c.npy", "bad.npy"], f"c.npy: row 1: label {CLASSES} is outside"),
        (["c.npy", "bad.npy"], "; labels from bad.npy"),
        (["y.npy", "c.npy"], "are logits and labels swapped?"),
        (["c.npy", "y.npy", "--json", "none/x.json"], "there is no folder 'none'"),
        (["c.npy", "y.npy", "--top-k", "1;2"], "'1;2' is not whole numbers between commas"),
        (["c.npy", "y.npy", "--top-k", "0"], "top_k = 0"),
        (["c.npy", "c.npy", "--labels", "y.npy", "--json", "x.json"], "--json is of one"),
        (["c.npy", "y.npy", "--json", "x", "--report", "./x"], "x: is read or written already"),
        (["c.npy", "y.npy", "--json", "c.npy"], "c.npy: is read or written already"),
        (["c.npy", "y.npy", "--report", "../{here}/y.npy"], "y.npy: is read or written already"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "c.npy")
    np.save("y.npy", LABELS)
    np.save("bad.npy", np.where(np.arange(ROWS) == 1, CLASSES, LABELS))
    (tmp_path / "t.csv").write_text("a,b,y\n1,2,0\n3,4,1\n")
    words = [word.format(here=tmp_path.name) for word in words]
    before = sorted(os.listdir())
    assert run("score", *words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(os.listdir()) == before
    assert np.array_equal(np.load("y.npy"), LABELS)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes have names here")
def test_no_pipe_or_device_is_replaced(tmp_path, capsys):
    write(tmp_path / "stored.npz")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert run("score", tmp_path / "stored.npz", "--json", pipe) == 2
    assert "is a device or a pipe, and no file" in capsys.readouterr().err
    assert pipe.is_fifo()


def test_the_bar_has_rows_a_second_and_time_left(tmp_path, tiny_blocks):
    from rich.console import Console

    write(tmp_path / "stored.npz")
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress(screen) as watch:
        rows = 0
        for block in watch(open_predictions(tmp_path / "stored.npz"), "Scoring"):
            rows += len(block.logits)
    assert rows == ROWS
    shown = screen.file.getvalue()
    assert "Scoring" in shown
    assert "rows/s" in shown
    assert "0:00:0" in shown


def test_reading_stops_with_whoever_reads(tmp_path, tiny_blocks):
    import threading

    write(tmp_path / "stored.npz")
    blocks = open_predictions(tmp_path / "stored.npz").blocks()
    next(blocks)
    blocks.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("lastlayer-read")]


def test_lists_within_lists_and_text_are_refused_by_name(tmp_path):
    nested = pa.table({"logits": [[[1.0]]], "label": [0]})
    pq.write_table(nested, tmp_path / "x.parquet")
    with pytest.raises(ll.FileFormatError, match=r"'logits'\]: holds list<.*expected numbers"):
        read(tmp_path / "x.parquet")
