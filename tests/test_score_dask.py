"""Scores by a Dask cluster of two processes: the bits of one process, whatever dies on the way."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from prediction_files import table, write
from pyarrow import parquet

import lastlayer as ll
from lastlayer.cli import main
from lastlayer.scoring import dask_cluster, parts
from lastlayer.scoring.dask_cluster import ClusterError
from lastlayer.scoring.dask_engine import DaskEngine
from lastlayer.scoring.dask_worker import WorkerError
from lastlayer.scoring.readers import open_predictions

ROWS, CLASSES = 5000, 12
RNG = np.random.default_rng(1)
LABELS = RNG.integers(0, CLASSES, ROWS)
LOGITS = RNG.normal(size=(ROWS, CLASSES)).astype(np.float32)
LOGITS[np.arange(ROWS), LABELS] += 2


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"}, memory_limit=0, silence_logs=60,
    ) as two:  # fmt: skip
        yield two


@pytest.fixture
def files(tmp_path):
    """One large array in a file, with labels in another."""
    np.save(tmp_path / "logits.npy", LOGITS)
    np.save(tmp_path / "labels.npy", LABELS)
    return tmp_path


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as end:
        main([*map(str, arguments), "--quiet"])
    return end.value.code


def by_one_process(predictions, **options):
    score = ll.Score(**options)
    for block in predictions.blocks():
        score.update(block.logits, block.labels, source=block.source)
    return score


def none(rows, words):
    assert rows >= 0


def on_workers(cluster, function, *arguments):
    from distributed import Client

    with Client(cluster, set_as_default=False) as client:
        client.run(function, *arguments)


# --------------------------------------------------------------------------- cutting


def sets(folder: Path):
    """Data sets whose files begin, end and can be read from the middle in all kinds of places."""
    np.save(folder / "all.npy", LOGITS)
    np.save(folder / "labels.npy", LABELS)
    yield open_predictions(folder / "all.npy", folder / "labels.npy")
    (folder / "shards").mkdir()
    for number, rows in enumerate([slice(0, 1777), slice(1777, 1777), slice(1777, ROWS)]):
        np.save(folder / f"shards/{number}.npy", LOGITS[rows])
    (folder / "targets").mkdir()
    np.save(folder / "targets/0.npy", LABELS[:4001])
    np.save(folder / "targets/1.npy", LABELS[4001:])
    yield open_predictions(folder / "shards", folder / "targets")
    for name in ("one.parquet", "one.csv", "two.npz", "a.safetensors"):
        (folder / name).mkdir()
        write(folder / name / f"1.{name.partition('.')[2]}", LOGITS[:3001], LABELS[:3001])
        write(folder / name / f"2.{name.partition('.')[2]}", LOGITS[3001:], LABELS[3001:])
    for part, rows in (("1", slice(0, 3001)), ("2", slice(3001, ROWS))):
        whole = table("lists", LOGITS[rows], LABELS[rows])
        parquet.write_table(whole, folder / f"one.parquet/{part}.parquet", row_group_size=701)
        yield open_predictions(folder / f"one.parquet/{part}.parquet")
    for name in ("one.parquet", "one.csv", "two.npz", "a.safetensors"):
        yield open_predictions(folder / name)


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("least", [1, 30_000])
def test_parts_add_up_to_the_bits_of_one_process(tmp_path, number, least):
    found = list(sets(tmp_path))[number]
    expected = by_one_process(found)
    counts = [file.count(name) for file, name in parts.uncounted(found)]
    cut = list(parts.cut(parts.counted(found, counts), least))
    assert sum(part.rows for part in cut) == expected.rows
    assert len(cut) > 1
    whole = parts.score(cut[0], {})
    for part in cut[1:]:
        whole += parts.score(part, {})
    assert whole.to_json() == expected.to_json()


def test_rows_that_gave_nan_are_named_as_by_one_process(tmp_path):
    logits = LOGITS.copy()
    logits[5::400, 1] = np.nan
    for number, rows in enumerate([slice(0, 1777), slice(1777, ROWS)]):
        np.save(tmp_path / f"logits-{number}.npy", logits[rows])
        np.save(tmp_path / f"labels-{number}.npy", LABELS[rows])
    found = open_predictions(tmp_path)
    expected = by_one_process(found, allow_nan=True)
    assert len(expected.nan_rows) > 5
    cut = list(parts.cut(found, 30_000))
    whole = parts.score(cut[0], {"allow_nan": True})
    for part in cut[1:]:
        whole += parts.score(part, {"allow_nan": True})
    assert whole.to_json() == expected.to_json()


def test_parts_are_no_smaller_than_asked_for(files):
    found = open_predictions(files / "logits.npy", files / "labels.npy")
    row = found.bytes / ROWS
    *most, last = parts.cut(found, 70_000)
    assert len(most) == 3
    assert all(69_000 < part.rows * row < 71_000 for part in most)
    assert last.rows <= most[0].rows
    assert len(list(parts.cut(found))) == 1


def test_a_row_at_fault_has_its_number_in_its_file(files):
    logits = LOGITS.copy()
    logits[3333] = np.nan
    np.save(files / "logits.npy", logits)
    found = open_predictions(files / "logits.npy", files / "labels.npy")
    second = list(parts.cut(found, 120_000))[1]
    with pytest.raises(ValueError, match=r"logits\.npy: row 3333: its loss is NaN"):
        parts.score(second, {})


# --------------------------------------------------------------------------- the cluster


def test_the_command_gives_the_bits_of_one_process(cluster, files, monkeypatch, capsys):
    monkeypatch.chdir(files)  # paths are relative to where the command runs, not the workers
    monkeypatch.setattr(DaskEngine.__init__, "__kwdefaults__", {"least": 30_000})
    arguments = ["score", "logits.npy", "labels.npy", "--fit-temperature", "--bytes", 9999]
    assert run(*arguments, "--json", "one.json") == 0
    alone = capsys.readouterr()
    assert run(*arguments, "--json", "two.json", "--dask", cluster.scheduler_address) == 0
    assert capsys.readouterr() == alone
    assert alone.err == ""
    assert Path("two.json").read_bytes() == Path("one.json").read_bytes()


def test_rows_of_nan_are_counted_in_all_parts_before_they_are_an_error(
    cluster, files, monkeypatch, capsys
):
    monkeypatch.setattr(DaskEngine.__init__, "__kwdefaults__", {"least": 30_000})
    logits = LOGITS.copy()
    logits[[33, 34, ROWS - 1], 0] = np.nan
    np.save(files / "logits.npy", logits)
    arguments = ["score", files / "logits.npy", files / "labels.npy"]
    assert run(*arguments) == 2
    alone = capsys.readouterr().err
    assert "row 33: its loss" in alone
    assert f"; 3 of the {ROWS} rows read are so" in alone
    assert run(*arguments, "--dask", cluster.scheduler_address) == 2
    assert capsys.readouterr().err == alone


def test_predictions_are_compared(cluster, files, capsys):
    np.save(files / "sharp.npy", 2 * LOGITS)
    arguments = ["score", files / "logits.npy", files / "sharp.npy", "--labels"]
    arguments += [files / "labels.npy"]
    assert run(*arguments) == 0
    alone = capsys.readouterr().out
    assert run(*arguments, "--dask", cluster.scheduler_address) == 0
    assert capsys.readouterr().out == alone


def wait_to_be_killed(folder):
    """On a worker: the part with row 3000 says which process scores it, and waits, once."""
    from lastlayer.scoring import parts

    score = parts.score

    def waiting(part, options):
        if part.first <= 3000 < part.first + part.rows and not (folder / "killed").exists():
            (folder / "pid.part").write_text(str(os.getpid()))
            (folder / "pid.part").rename(folder / "pid")
            threading.Event().wait()
        return score(part, options)

    parts.score = waiting


def test_a_worker_is_killed_midway(cluster, files):
    found = open_predictions(files / "logits.npy", files / "labels.npy")
    rows = []

    def kill():
        while not (files / "pid").exists():
            time.sleep(0.01)
        (files / "killed").touch()
        os.kill(int((files / "pid").read_text()), signal.SIGKILL)

    on_workers(cluster, wait_to_be_killed, files)
    killer = threading.Thread(target=kill)
    killer.start()
    with DaskEngine(cluster.scheduler_address, least=30_000) as engine:
        score = engine.score(found, {"bytes": 77}, lambda more, words: rows.append(more))
    killer.join()
    assert (files / "killed").exists()
    assert sum(rows) == ROWS
    assert len(rows) == 6
    assert score.to_json() == by_one_process(found, bytes=77).to_json()


def test_workers_that_all_die_of_a_part_are_an_error(cluster, monkeypatch):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with (
        DaskEngine(cluster.scheduler_address) as engine,
        pytest.raises(ClusterError, match="1 workers died one after another of the same part"),
    ):
        list(engine._done([(1, [], functools.partial(os._exit, 1))], none))


# --------------------------------------------------------------------------- errors


def refused(capsys, cluster, *arguments, status=2) -> str:
    """The one line of an error, after which nothing is written."""
    folder = Path(arguments[0]).parent
    address = cluster if isinstance(cluster, str) else cluster.scheduler_address
    assert run("score", *arguments, "--json", folder / "no.json", "--dask", address) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert not (folder / "no.json").exists()
    return said.err


@pytest.mark.parametrize("row", [0, 4321])
def test_a_label_at_fault_is_the_error_of_one_process(cluster, files, capsys, row):
    labels = LABELS.copy()
    labels[row] = 99
    np.save(files / "labels.npy", labels)
    paths = files / "logits.npy", files / "labels.npy"
    assert run("score", *paths) == 2
    alone = capsys.readouterr().err
    assert f"row {row}: label 99 is outside [0, 12)" in alone
    assert refused(capsys, cluster, *paths) == alone


def test_a_file_that_is_no_table_is_the_error_of_one_process(cluster, tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("logit_0,logit_1,label\n1,2,0\n1,x,0\n")
    assert run("score", path) == 2
    alone = capsys.readouterr().err
    assert "row 1: expected a number" in alone
    assert refused(capsys, cluster, path) == alone


def test_labels_of_another_number_than_the_rows_of_text(cluster, tmp_path, capsys):
    (tmp_path / "a.csv").write_text("logit_0,logit_1\n1,2\n1,3\n")
    (tmp_path / "b.csv").write_text("label\n1\n1\n0\n")
    error = refused(capsys, cluster, tmp_path / "a.csv", tmp_path / "b.csv")
    assert "b.csv: has 3 labels, expected 2, the rows of" in error


def test_a_file_that_a_worker_does_not_find_or_finds_changed(cluster, files):
    found = open_predictions(files / "logits.npy", files / "labels.npy")
    with DaskEngine(cluster.scheduler_address) as engine:
        np.save(files / "labels.npy", LABELS[:-1])
        with pytest.raises(WorkerError, match=r"labels\.npy: it has 40120 bytes there and 40128"):
            engine.score(found, {}, none)
        (files / "logits.npy").unlink()
        with pytest.raises(WorkerError, match=r"tcp://.* finds no file .*logits\.npy: .*shared"):
            engine.score(found, {}, none)


@contextlib.contextmanager
def without(cluster, package):
    """Workers that cannot import a package."""

    def hide():
        sys.modules[f"hidden {package}"] = sys.modules.get(package)
        sys.modules[package] = None

    def show():
        sys.modules[package] = sys.modules.pop(f"hidden {package}")
        if sys.modules[package] is None:
            del sys.modules[package]

    on_workers(cluster, hide)
    yield
    on_workers(cluster, show)


def with_version(version):
    import lastlayer

    lastlayer.__version__ = version


def test_a_worker_with_another_version_or_without_a_package(cluster, files, capsys):
    paths = files / "logits.npy", files / "labels.npy"
    write(files / "a.parquet", LOGITS[:9], LABELS[:9])
    on_workers(cluster, with_version, "9.9")
    error = refused(capsys, cluster, *paths)
    assert f"has lastlayer 9.9, and here is {ll.__version__}: install the same" in error
    on_workers(cluster, with_version, ll.__version__)
    with without(cluster, "pyarrow"):
        error = refused(capsys, cluster, files / "a.parquet")
    assert "has no pyarrow: install it there too" in error
    with without(cluster, "lastlayer"):
        error = refused(capsys, cluster, *paths)
    assert "has no lastlayer: install it there too" in error
    assert run("score", *paths, "--dask", cluster.scheduler_address) == 0


def test_a_worker_with_another_python_is_refused():
    there = {"tcp://10.0.0.2:1": {"host": {"python": "3.8.10.final.0"}}}
    with pytest.raises(WorkerError, match=r"worker tcp://10.0.0.2:1 has Python 3\.8, and here is"):
        dask_cluster._compare(there)


def test_no_scheduler_answers(files, capsys, monkeypatch):
    paths = files / "logits.npy", files / "labels.npy"
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr("lastlayer.scoring.dask_cluster.ANSWER", 0.1)
        error = refused(capsys, address, *paths, status=1)
        assert f"no Dask scheduler answers at {address}: timed out" in error
    error = refused(capsys, address, *paths, status=1)
    assert f"no Dask scheduler answers at {address}: Connection refused" in error


@pytest.mark.parametrize("address", ["", "here", "s3://bucket:1"])
def test_what_is_no_address_is_an_error(files, capsys, address):
    error = refused(capsys, address, files / "logits.npy", files / "labels.npy")
    assert f"{address!r} is no address of a Dask scheduler, as tcp://host:8786" in error


def test_without_dask_a_line_says_what_to_install(files, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    error = refused(capsys, "local", files / "logits.npy", files / "labels.npy", status=1)
    assert error == "lastlayer: distributed is not installed: pip install 'lastlayer[dask]'\n"


def test_a_cluster_of_this_machine(files, capsys):
    paths = files / "logits.npy", files / "labels.npy"
    with ll.num_threads(1):
        assert run("score", *paths, "--json", files / "a.json", "--dask", "local") == 0
    assert ll.Score.from_json((files / "a.json").read_bytes()).count == ROWS
