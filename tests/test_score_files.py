"""What a file calls its classes, labels in the same folder, columns that several threads decode."""

from __future__ import annotations

import io
import json
import mmap
import sys
import weakref
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prediction_files import LABELS, LOGITS, read, table, write
from rich.console import Console

import lastlayer as ll
from lastlayer import files, large_arrays
from lastlayer.cli import main
from lastlayer.cli import progress as cli_progress
from lastlayer.scoring.readers import (
    batches,
    columnar,
    labels,
    open_predictions,
    predictions,
)
from lastlayer.scoring.readers import source as readers_source

NAMES = ["cat", "dog", "fish"]


def run(*words):
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code


def named(path, names, **more):
    columns = {name: LOGITS[:, k] for k, name in enumerate(names)}
    columns = {**more, **columns, "label": LABELS}
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        rows = zip(*(np.asarray(c).tolist() for c in columns.values()), strict=True)
        quoted = ['"' + name.replace('"', '""') + '"' for name in columns]
        lines = [",".join(quoted), *(",".join(map(str, row)) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    return path


# --------------------------------------------------------------------------- names of classes


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("columns", "asked", "wanted"),
    [
        (["logit_cat", "logit_dog", "logit_fish"], None, NAMES),
        (["cat", "dog", "fish"], "cat,dog,fish", NAMES),
        (["s_cat", "s_dog", "other"], "s_*,other", ["cat", "dog", "other"]),
        (["logit_0", "logit_1", "logit_2"], None, []),
        (["a", "logit_", "b"], "a,logit_*,b", ["a", "logit_", "b"]),
    ],
)
def test_classes_have_the_names_of_their_columns(tmp_path, ending, columns, asked, wanted):
    path = named(tmp_path / f"x.{ending}", columns)
    assert list(open_predictions(path, logits_name=asked).class_names) == wanted


def test_names_that_look_the_same_are_not_used(tmp_path):
    long = ["a" * 200 + end + "b" * 200 for end in ("1", "2", "3")]
    path = named(tmp_path / "x.csv", [f"logit_{name}" for name in long])
    assert open_predictions(path).class_names == ()


def test_names_of_classes_are_in_the_table_the_page_and_the_json(tmp_path, capsys):
    path = named(tmp_path / "x.csv", ["logit_cat", "logit_<b>dog</b>", "logit_\x1b[31m$\\x$"])
    out, page = tmp_path / "score.json", tmp_path / "page.html"
    assert run("score", path, "--json", out, "--report", page, "-q") == 0
    said = capsys.readouterr().out
    assert all(line.isprintable() for line in said.splitlines())
    assert "cat" in said
    assert r"\x1b[31m$\x$" in said
    content = page.read_text("utf-8")
    assert "<b>dog" not in content
    assert "&lt;b&gt;dog" in content
    assert "\x1b" not in content
    assert json.loads(out.read_bytes())["class_names"] == ["cat", "<b>dog</b>", r"\x1b[31m$\x$"]
    assert ll.Score.from_json(out.read_bytes()).class_names[0] == "cat"


def test_numbered_classes_are_shown_by_their_numbers(tmp_path, capsys):
    write(tmp_path / "columns.parquet")
    assert run("score", tmp_path / "columns.parquet", "--json", tmp_path / "a.json") == 0
    assert "logit" not in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_bytes())["class_names"] is None


def test_files_that_name_the_classes_differently_are_refused(tmp_path):
    named(tmp_path / "a.csv", ["logit_cat", "logit_dog", "logit_fish"])
    named(tmp_path / "b.csv", ["logit_dog", "logit_cat", "logit_fish"])
    with pytest.raises(ll.FileFormatError, match=r"b\.csv: calls a class 'dog', expected 'cat' as"):
        open_predictions(tmp_path / "?.csv")


def test_scores_that_name_the_classes_differently_are_not_added(tmp_path, capsys):
    for name, last in (("a", "fish"), ("b", "bird"), ("c", None)):
        score = ll.score(LOGITS, LABELS)
        score.class_names = ("cat", "dog", last) if last else ()
        (tmp_path / f"{name}.json").write_text(score.to_json())
    a, b, c = (tmp_path / f"{name}.json" for name in "abc")
    assert run("merge", a, b) == 2
    assert "called differently, class 2 'fish' and 'bird'" in capsys.readouterr().err
    for pair in ((a, c), (c, a)):
        assert run("merge", *pair, "--json", tmp_path / "sum.json") == 0
        assert json.loads((tmp_path / "sum.json").read_bytes())["class_names"][2] == "fish"


@pytest.mark.parametrize("names", [["a"], ["a", "b", 1], ["a", "b", "\x1b"], "abc"])
def test_a_json_with_names_that_cannot_be_is_refused(names):
    from lastlayer.scoring import json_format

    document = json.loads(ll.score(LOGITS, LABELS).to_json())
    del document["sha256"]
    document["class_names"] = names
    document["sha256"] = json_format._digest(document)
    with pytest.raises(ll.FileFormatError, match="names of classes that cannot be"):
        ll.Score.from_json(json.dumps(document))


def test_names_that_are_set_are_a_tuple_and_can_be_written():
    score = ll.Score()
    score.class_names = ["one", "two"]
    score.update(LOGITS, LABELS)
    with pytest.raises(ValueError, match="2 names, expected 3, one a class"):
        score.to_json()
    with pytest.raises(ValueError, match="4 names, expected 3"):
        score.class_names = tuple("abcd")
    for wrong in ("abc", None, (1, 2, 3), 3):
        with pytest.raises(TypeError, match="class_names: expected a string a class"):
            score.class_names = wrong
    score.class_names = np.array(["a\n", "b" * 200, "c"])
    again = ll.Score.from_json(score.to_json())
    assert again.class_names == score.class_names
    assert again.class_names[::2] == (r"a\n", "c")
    assert (again + score).count == 2 * score.count


# --------------------------------------------------------------------------- labels


def test_labels_are_found_in_the_folder_of_the_predictions(tmp_path):
    np.save(tmp_path / "logits-a.npy", LOGITS[:4])
    np.save(tmp_path / "logits-b.npy", LOGITS[4:])
    np.save(tmp_path / "labels.npy", LABELS)
    logits, labels = read(tmp_path)
    assert np.array_equal(logits, LOGITS.astype(float))
    assert np.array_equal(labels, LABELS)
    assert np.array_equal(read(tmp_path / "logits-?.npy", tmp_path)[1], LABELS)


def test_a_folder_and_a_second_path_are_two_predictions_where_it_has_labels(tmp_path, capsys):
    folder = tmp_path / "both"
    folder.mkdir()
    np.save(folder / "predictions.npy", LOGITS)
    np.save(folder / "targets.npy", LABELS)
    other = named(tmp_path / "other.csv", NAMES)
    assert run("score", folder, other, "--logits-name", "cat,dog,fish") == 2
    write(tmp_path / "columns.parquet")
    assert run("score", folder, tmp_path / "columns.parquet") == 0
    assert "columns.parquet" in capsys.readouterr().out


def test_a_folder_in_which_names_do_not_tell_labels_apart_is_refused(tmp_path):
    np.save(tmp_path / "labels.npy", LABELS)
    np.save(tmp_path / "x.npy", LOGITS)
    with pytest.raises(ll.FileFormatError, match=r"x\.npy: beside labels\.npy it is unclear"):
        open_predictions(tmp_path)


def test_labels_in_a_folder_belong_to_predictions_of_the_same_ending(tmp_path):
    half = len(LABELS) // 2
    for name in ("logits_test", "predictions_train"):
        np.save(tmp_path / f"{name}.npy", LOGITS[:half])
    for name in ("labels.test", "targets-train"):
        np.save(tmp_path / f"{name}.npy", LABELS[:half])
    assert len(read(tmp_path)[0]) == 2 * half
    (tmp_path / "logits_test.npy").rename(tmp_path / "prob_test.npy")
    with pytest.raises(ll.FileFormatError, match=r"test\.npy: by their order .* predictions_train"):
        open_predictions(tmp_path)


def test_labels_within_predictions_and_beside_them_are_not_chosen_from(tmp_path):
    np.savez(tmp_path / "logits.npz", logits=LOGITS, labels=LABELS)
    np.save(tmp_path / "labels.npy", LABELS[::-1])
    with pytest.raises(ll.FileFormatError, match=r"npz: has labels \('labels'\), and so has .*npy"):
        open_predictions(tmp_path)
    assert np.array_equal(read(tmp_path / "logits.npz")[1], LABELS)
    assert np.array_equal(read(tmp_path, tmp_path / "labels.npy")[1], LABELS[::-1])


def test_a_folder_and_a_file_of_labels_are_both_read(tmp_path):
    (tmp_path / "both").mkdir()
    np.save(tmp_path / "both" / "logits.npy", LOGITS)
    np.save(tmp_path / "both" / "labels.npy", LABELS)
    np.save(tmp_path / "more.npy", LOGITS)
    np.save(tmp_path / "more-labels.npy", LABELS)
    paths = [tmp_path / "both", tmp_path / "more.npy"]
    labels = read(paths, [tmp_path / "both", tmp_path / "more-labels.npy"])[1]
    assert np.array_equal(labels, [*LABELS, *LABELS])


@pytest.mark.parametrize(
    "logits", [LOGITS, LOGITS.tolist(), [[1, 2], [3, 4]], [LOGITS], 3.0, iter([LOGITS])]
)
def test_missing_labels_are_asked_for(logits):
    with pytest.raises(TypeError, match=r"labels are missing: .* score\(logits, labels\)"):
        ll.score(logits)


def test_the_command_says_how_to_give_labels_and_to_allow_nan(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.where(LOGITS[2, 0] == LOGITS, np.nan, LOGITS))
    np.save(tmp_path / "y.npy", LABELS)
    assert run("score", tmp_path / "x.npy") == 2
    said = capsys.readouterr().err
    assert "second path or with --labels, or with --labels-name the column" in said
    assert run("score", tmp_path / "x.npy", tmp_path / "y.npy") == 2
    assert "row 2: its loss is NaN" in (said := capsys.readouterr().err)
    assert "(--allow-nan leaves" in said
    with pytest.raises(ValueError, match=r"\(allow_nan leaves"):
        ll.score(np.load(tmp_path / "x.npy"), LABELS)
    files = tmp_path / "x.npy", tmp_path / "y.npy", "--json", tmp_path / "score.json"
    assert run("score", *files, "--allow-nan") == 0
    assert "NaN in row 2." in capsys.readouterr().out
    (named,) = json.loads((tmp_path / "score.json").read_bytes())["nan_rows"]
    assert (named["source"], named["source_row"]) == (str(tmp_path / "x.npy"), 2)


def test_rows_of_nan_are_counted_in_all_files_before_they_are_an_error(tmp_path, capsys):
    (tmp_path / "all").mkdir()
    for name, bad in ("a.csv", [2]), ("b.csv", [0, 5]):
        x = LOGITS.copy()
        x[bad, 1] = np.nan
        write(tmp_path / "all" / name, x)
    assert run("score", tmp_path / "all", "--json", tmp_path / "score.json") == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'all' / 'a.csv'}: row 2: its loss is NaN" in said
    assert f"; 3 of the {2 * len(LOGITS)} rows read are so (--allow-nan leaves" in said
    assert not (tmp_path / "score.json").exists()
    assert run("score", tmp_path / "all", "--allow-nan", "--json", tmp_path / "score.json") == 0
    assert ll.Score.from_json((tmp_path / "score.json").read_bytes()).nan == 3


def test_scores_without_nan_keep_the_setting_that_refuses_it(tmp_path):
    write(tmp_path / "x.csv", LOGITS)
    for words, allowed in ([], False), (["--allow-nan"], True):
        assert run("score", tmp_path / "x.csv", *words, "--json", tmp_path / "x.json") == 0
        settings = json.loads((tmp_path / "x.json").read_bytes())["settings"]
        assert settings["allow_nan"] is allowed


# --------------------------------------------------------------------------- written together


def test_the_json_and_the_page_are_written_together_or_not_at_all(tmp_path, monkeypatch, capsys):
    write(tmp_path / "columns.parquet")
    out, page = tmp_path / "score.json", tmp_path / "page.html"
    out.write_text("old")
    right = files._write

    def full(partial, path, content):
        if path == page:
            raise OSError(28, "No space left on device", str(path))
        right(partial, path, content)

    monkeypatch.setattr(files, "_write", full)
    words = ["score", tmp_path / "columns.parquet", "--json", out, "--report", page, "-q"]
    assert run(*words) == 1
    assert "page.html: No space left" in capsys.readouterr().err
    assert out.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["columns.parquet", "score.json"]
    monkeypatch.undo()
    assert run(*words) == 0
    assert json.loads(out.read_bytes())["count"] == len(LABELS)
    assert page.read_text().startswith("<!doctype html>")


def test_a_file_may_have_the_longest_name_there_is(tmp_path):
    names = ["a" * 254 + "b", "a" * 255, "ä" * 127]
    files.write_together({tmp_path / name: name.encode() for name in names})
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == dict(
        zip(names, names, strict=True)
    )


# --------------------------------------------------------------------------- mapped


@pytest.fixture
def shards(tmp_path, monkeypatch):
    """Ten blocks of 100 rows in a mapped file, with labels in another."""
    x, y = rows_of(1000, 5, "float32")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    monkeypatch.setattr(predictions, "MAPPED", 100 * (5 * 4 + 8))
    monkeypatch.setattr(labels, "COPIED", 1)
    return open_predictions(tmp_path / "x.npy", tmp_path / "y.npy"), x, y


def test_labels_are_cut_as_the_rows_are_and_not_copied(shards):
    found, x, y = shards
    blocks = list(found.blocks())
    assert [len(block.logits) for block in blocks] == [100] * 10
    assert not any(block.logits.flags.owndata or block.labels.flags.owndata for block in blocks)
    assert np.array_equal(np.concatenate([block.logits for block in blocks]), x)
    assert np.array_equal(np.concatenate([block.labels for block in blocks]), y)


def test_less_is_mapped_at_a_time_where_addresses_are_few(shards, monkeypatch):
    monkeypatch.setattr(predictions, "room", lambda: predictions.SHARE * 50 * (5 * 4 + 8))
    assert [len(block.logits) for block in shards[0].blocks()] == [50] * 20


@pytest.mark.parametrize(
    ("dtype", "made"), [(np.uint8, 0), (np.bool_, 8), (np.float32, 24), (np.float16, 24)]
)
def test_what_labels_are_turned_into_counts_as_well(tmp_path, monkeypatch, dtype, made):
    np.save(tmp_path / "x.npy", rows_of(200, 5, "float32")[0])
    np.save(tmp_path / "y.npy", (np.arange(200) % 2).astype(dtype))
    monkeypatch.setattr(predictions, "MAPPED", 50 * (5 * 4 + np.dtype(dtype).itemsize + made))
    found = open_predictions(tmp_path / "x.npy", tmp_path / "y.npy")
    assert [len(block.logits) for block in found.blocks()] == [50] * 4


def test_distributions_of_whole_numbers_count_as_floating_ones(tmp_path, monkeypatch):
    x, y = rows_of(200, 5, "float32")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", np.eye(5, dtype=np.int8)[y])
    monkeypatch.setattr(predictions, "MAPPED", 50 * (5 * 4 + 5 * (1 + 4)))
    found = open_predictions(tmp_path / "x.npy", tmp_path / "y.npy")
    assert [len(block.logits) for block in found.blocks()] == [50] * 4


def parts_that_are_let_go(count=3):
    """Arrays one after the other; the one before must be gone by then."""
    alive = []
    for _ in range(count):
        assert all(one() is None for one in alive)
        part = np.arange(4.0)
        alive.append(weakref.ref(part))
        yield part
        del part


def test_labels_let_go_of_a_part_before_the_next_is_read():
    source = SimpleNamespace(file="y.npy")
    stream = SimpleNamespace(sources=[(source, "")], blocks=lambda rows: parts_that_are_let_go())
    cut = labels.Cut(stream, 4)
    for _ in range(3):
        assert len(cut.take(4)) == 4


def test_fitting_a_temperature_lets_go_of_a_block_before_the_next_is_read():
    def blocks():
        for part in parts_that_are_let_go():
            yield part.reshape(2, 2), [0, 1]
            del part

    # what compiles a kernel leaves its callers' frames to the collector, with what they hold
    ll.fit_temperature([(np.eye(2), [0, 1])])
    assert ll.fit_temperature(blocks).temperature > 0


def test_a_system_without_a_limit_of_addresses_has_room(monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.delattr(resource, "RLIMIT_AS")
    assert readers_source.room() == sys.maxsize


def test_large_tables_are_zeros_with_and_without_huge_pages(monkeypatch):
    shape = 2, large_arrays.LARGE_ZEROS // 16 + 3
    first = large_arrays.zeros(shape, np.int64)
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    for zeros in (first, large_arrays.zeros(shape, np.int64)):
        assert (zeros.shape, zeros.dtype, zeros.flags.writeable) == (shape, np.int64, True)
        zeros[-1, -1] = 1
        assert zeros.sum() == 1


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="it has no huge pages")
def test_no_room_for_a_large_table_is_too_little_memory(monkeypatch):
    def refuse(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(large_arrays.mmap, "mmap", refuse)
    with pytest.raises(MemoryError, match="no room for"):
        large_arrays.zeros((large_arrays.LARGE_ZEROS,), np.int64)


def test_a_bar_that_is_shown_moves_within_a_block(tmp_path, monkeypatch):
    x, y = rows_of(100, 5, "float32")
    np.savez(tmp_path / "both.npz", logits=x, labels=y)
    monkeypatch.setattr(cli_progress, "STEP", 30 * 5 * 4)
    for shown, lengths in ((True, [30, 30, 30, 10]), (False, [100])):
        screen = Console(file=io.StringIO(), force_terminal=shown, width=100)
        with cli_progress.progress(screen) as watch:
            blocks = list(watch(open_predictions(tmp_path / "both.npz"), "Scoring"))
        assert [len(block.logits) for block in blocks] == lengths
        assert [block.first_row for block in blocks] == [0, 30, 60, 90][: len(blocks)]
        assert np.array_equal(np.concatenate([block.logits for block in blocks]), x)
        assert np.array_equal(np.concatenate([block.labels for block in blocks]), y)


# --------------------------------------------------------------------------- Parquet


def rows_of(rows, classes, dtype):
    x = np.random.default_rng(1).normal(size=(rows, classes)).astype(dtype)
    return x, np.arange(rows) % classes


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_columns_are_put_together_by_any_number_of_threads(tmp_path, monkeypatch, threads, dtype):
    x, y = rows_of(1003, 37, dtype)
    monkeypatch.setattr(columnar, "DECODED", 300 * 37 * 8)  # several batches, of several blocks
    monkeypatch.setattr("lastlayer.kernels.threads.WORTHWHILE", 1)  # rows are shared out too
    pq.write_table(table("columns", x, y), tmp_path / "x.parquet", row_group_size=700)
    with ll.num_threads(threads):
        source = open_predictions(tmp_path / "x.parquet").parts[0].source
        blocks = list(source.read({"logit_*": 37, "label": 0}, 100 * 37 * x.itemsize, 5))
    assert len(blocks) > 5
    logits, labels = (np.concatenate(column) for column in zip(*blocks, strict=True))
    assert logits.dtype == dtype
    assert np.array_equal(logits, x[5:])
    assert np.array_equal(labels, y[5:])


def test_columns_of_different_dtypes_are_put_together(tmp_path):
    x, y = rows_of(50, 3, "float32")
    columns = {"logit_0": x[:, 0], "logit_1": x[:, 1].astype(float), "logit_2": x[:, 2]}
    pq.write_table(pa.table({**columns, "label": y}), tmp_path / "x.parquet")
    assert np.array_equal(read(tmp_path / "x.parquet")[0], x.astype(float))


@pytest.mark.parametrize("kind", [pa.bool_(), pa.int8(), pa.uint8(), pa.int16(), pa.int64()])
def test_labels_in_a_column_a_class_may_be_small_whole_numbers(tmp_path, kind):
    hot = np.eye(3, dtype=np.int64)[LABELS]
    columns = {f"logit_{k}": LOGITS[:, k] for k in range(3)}
    columns |= {f"y_{k}": pa.array(hot[:, k]).cast(kind) for k in range(3)}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert np.array_equal(read(tmp_path / "x.parquet", labels_name="y_*")[1], hot)


def test_a_null_in_a_later_batch_has_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr(columnar, "DECODED", 100 * 2 * 4)
    monkeypatch.setattr(columnar, "FEW", 1)
    values = [1.0] * 1000
    values[777] = None
    columns = {"logit_0": np.ones(1000), "logit_1": pa.array(values), "label": np.zeros(1000, int)}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    source = open_predictions(tmp_path / "x.parquet").parts[0].source
    with pytest.raises(ll.FileFormatError, match=r"'logit_1'\]: row 777 is null"):
        list(source.read({"logit_*": 2, "label": 0}, 100 * 16))


def test_an_error_of_one_thread_is_that_of_the_file_and_the_others_end(tmp_path):
    x, y = rows_of(5000, 8, "float32")
    plain = {"use_dictionary": False, "compression": "snappy"}
    pq.write_table(table("columns", x, y), tmp_path / "x.parquet", **plain)
    content = bytearray((tmp_path / "x.parquet").read_bytes())
    middle = pq.read_metadata(tmp_path / "x.parquet").row_group(0).column(7).data_page_offset
    content[middle : middle + 2000] = bytes(2000)
    (tmp_path / "x.parquet").write_bytes(content)
    with ll.num_threads(4), pytest.raises(ll.FileFormatError, match=r"x\.parquet: not a \.parquet"):
        read(tmp_path / "x.parquet")


def test_no_room_for_a_thread_is_too_little_memory(tmp_path, monkeypatch):
    def none(*_):
        raise RuntimeError("can't start new thread")

    write(tmp_path / "columns.parquet")
    source = open_predictions(tmp_path / "columns.parquet").parts[0].source
    monkeypatch.setattr(batches.ThreadPoolExecutor, "submit", none)
    with ll.num_threads(2), pytest.raises(MemoryError, match="one more thread"):
        list(source.read({"logit_*": 3, "label": 0}, 1000))
