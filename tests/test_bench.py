"""`lastlayer bench`: that what it shows is right. How fast anything is, no test says."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import lastlayer as ll
from lastlayer.bench import cases, machine, measure, memory, report, results, run
from lastlayer.bench.cases import Case, Outcome
from lastlayer.bench.contestants import Contestant, Prepared
from lastlayer.cli.bench import command

THREADS = measure.available_threads()


def invoke(*words):
    return CliRunner().invoke(command, [str(word) for word in words])


def peer(prepare, **options):
    return Contestant("test", "Test", prepare, **options)


def answering(outcome):
    """A peer that gives this answer at once."""
    return peer(lambda inputs: Prepared("", lambda: outcome, lambda answer: answer))


def measured(case, *extra):
    takers = (*measure.contestants(["numpy"]), *extra)
    return measure.measure(case, takers, THREADS, rounds=2)


# --------------------------------------------------------------------------- a whole run


@pytest.fixture(scope="module")
def results_folder(tmp_path_factory):
    """One run of the command on small shapes, with all its files."""
    folder = tmp_path_factory.mktemp("bench") / "new" / "folder"
    run = invoke(
        *("--shape", "64x300", "--shape", "200x10", "--out", folder, "--repeat", 2, "--no-memory"),
        *("--peer", "numpy", "--peer", "scipy", "--peer", "torch", "--task", "loss"),
        *("--task", "gradient", "--task", "softmax"),
    )
    assert run.exit_code == 0, run.output
    (folder / "screen").write_text(run.output)
    return folder


def test_a_run_writes_every_file_and_leaves_nothing_else(results_folder):
    assert {path.name for path in results_folder.iterdir()} == {*report.FILES, "screen"}
    assert (results_folder / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert ET.parse(results_folder / "bench.svg").getroot().tag.endswith("svg")


def test_json_holds_every_case_contestant_and_sample(results_folder):
    found = json.loads((results_folder / "bench.json").read_text())
    assert found["lastlayer"] == ll.__version__
    assert [(c["rows"], c["classes"], c["task"]) for c in found["cases"]] == [
        (rows, classes, task) for rows, classes in ((64, 300), (200, 10)) for task in cases.TASKS
    ]
    for case in found["cases"]:
        names = [row["name"] for row in case["contestants"]]
        peers = {"numpy", "scipy", "torch", "lastlayer", "read", "copy"}
        assert set(names) == peers | ({"lastlayer-out"} if case["task"] != "loss" else set())
        assert names[0] == "lastlayer"
        assert set(names[-2:]) == {"read", "copy"}
        assert case["left_out"] == []
        ours = case["contestants"][0]["seconds"]["median"]
        for row in case["contestants"]:
            times = row["seconds"]
            assert len(row["samples"]) == 2
            assert times["median"] == pytest.approx(np.median(row["samples"]), rel=1e-5)
            assert 0 < times["lower_quartile"] <= times["median"] <= times["upper_quartile"]
            assert row["speed_up"] == pytest.approx(times["median"] / ours)
            speed = case["logits_bytes"] / times["median"] / 1e9
            assert row["gigabytes_per_second"] == pytest.approx(speed)
            assert row["settings"]
        limit = next(r for r in case["contestants"] if r["name"] == case["limit"])
        assert limit["of_limit"] == 1
        assert limit["name"] == ("read" if case["task"] == "loss" else "copy")


def test_markdown_has_a_well_formed_table_a_case(results_folder):
    text = (results_folder / "bench.md").read_text()
    tables = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 6
    for table in tables:
        head, rule, *rows = table.splitlines()
        assert head.startswith("|  | ms | GB/s | of limit | speed-up |")
        assert set(rule) == {"|", "-", ":"}
        assert {line.count("|") for line in (head, rule, *rows)} == {6}
        assert rows[0].startswith("| **lastlayer** |")
    assert re.search(r"\*\*PyTorch eager\*\*: torch [\d.]+\S*, eager, \d+ thread", text)


def test_the_screen_shows_the_same_figures_in_80_columns(results_folder):
    screen = (results_folder / "screen").read_text()
    found = json.loads((results_folder / "bench.json").read_text())
    for case in found["cases"]:
        for row in case["contestants"]:
            assert results.milliseconds(row["seconds"]["median"]) in screen
    tables = [line for line in screen.splitlines() if "×" in line]
    assert max(map(len, tables)) <= 80


def test_nothing_names_the_machine_or_its_folders(results_folder):
    import getpass
    import platform
    from pathlib import Path

    for name in ("bench.json", "bench.md", "bench.svg"):
        text = (results_folder / name).read_text()
        for word in (platform.node(), str(Path.home()), str(results_folder.parent)):
            assert len(word) < 4 or word not in text
        assert f"/{getpass.getuser()}" not in text


def test_peak_memory_gets_a_column(tmp_path):
    words = ("--shape", "30000x100", "--task", "loss", "--repeat", 1, "--peer", "numpy")
    ran = invoke(*words, "--out", tmp_path)
    assert ran.exit_code == 0, ran.output
    assert "peak memory" in ran.output
    assert "| peak memory |" in (tmp_path / "bench.md").read_text()
    rows = json.loads((tmp_path / "bench.json").read_text())["cases"][0]["contestants"]
    peaks = {row["name"]: row["peak_bytes"] for row in rows}
    assert peaks["read"] is None
    if peaks["numpy"] is not None:  # None where the platform can't say
        assert peaks["numpy"] > 1.9 * 30000 * 100 * 4  # the difference and its exponentials


# --------------------------------------------------------------------------- wrong and missing


def test_a_wrong_loss_is_found_and_not_timed():
    case = Case(50, 7, "float32", "loss")
    right = cases.expected(cases.make_inputs(case, 1)).loss
    found = measured(case, answering(Outcome(loss=right * 1.001)))
    assert found.timing("test") is None
    ((contestant, reason),) = found.left_out
    assert contestant.key == "test"
    assert reason == f"wrong: its loss is {right * 1.001:.6g}, and {right:.6g} is right"
    assert measured(case, answering(Outcome(loss=right))).left_out == ()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda g: g * 1.01, "gradient at row 0, class 0"),
        (lambda g: np.where(np.arange(len(g))[:, None] == 1, 0, g), "sum of its |gradient|"),
        (lambda g: np.full_like(g, np.nan), "gradient at row 0, class 0 is nan"),
        (lambda g: g[:-1], "gradient have shape (499, 7)"),
        (lambda g: None, "gradient have shape None"),
    ],
)
def test_a_wrong_gradient_is_found(spoil, words):
    case = Case(500, 7, "float32", "gradient")  # 64 rows are looked at one by one, not row 1
    inputs = cases.make_inputs(case, 1)
    right = cases.expected(inputs)
    loss, gradient = ll.cross_entropy_with_grad(inputs.logits, inputs.labels)
    assert cases.fault(Outcome(loss, gradient), right, case) is None
    assert words in cases.fault(Outcome(loss, spoil(gradient)), right, case)


@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_lastlayer_is_right_for_every_dtype(dtype):
    pytest.importorskip("ml_dtypes")
    for task in cases.TASKS:
        found = measured(Case(40, 12, dtype, task))
        assert found.left_out == ()
        assert found.timing("lastlayer").contestant.title == "lastlayer"


def test_a_missing_peer_is_reported_and_the_others_go_on():
    def prepare(inputs):
        import a_library_that_nobody_has  # noqa: F401

    found = measured(Case(20, 5, "float32", "loss"), peer(prepare))
    assert [(c.title, reason) for c, reason in found.left_out] == [
        ("Test", "a_library_that_nobody_has is not installed")
    ]
    assert found.timing("numpy")
    entry = results.Entry(found, {})
    written = report.markdown(run.make_report([entry], THREADS))
    assert "\n- Test: a_library_that_nobody_has is not installed\n" in written


def test_a_peer_that_fails_says_why_without_folders():
    def call():
        raise RuntimeError("no compiler in /opt/someone/bin/g++, giving up\nsecond line")

    found = measured(
        Case(20, 5, "float32", "loss"), peer(lambda inputs: Prepared("", call, lambda _: None))
    )
    assert found.left_out[0][1] == "not available: RuntimeError: no compiler in …, giving up"


def test_lastlayer_itself_must_be_right():
    ours = replace(answering(Outcome(loss=0.0)), key="lastlayer", kind="lastlayer")
    with pytest.raises(RuntimeError, match="wrong: its loss is 0"):
        measure.measure(Case(20, 5, "float32", "loss"), [ours], THREADS, rounds=1)


# --------------------------------------------------------------------------- figures


def timing(key, kind, *samples):
    contestant = replace(peer(lambda inputs: None), key=key, title=key, kind=kind)
    return measure.Timing(contestant, "as it is", samples)


def test_medians_ratios_and_order():
    found = measure.Measured(
        Case(1000, 1000, "float32", "gradient"),
        (
            timing("slow", "peer", 0.9, 0.8, 1.0),
            timing("read", "limit", 0.001, 0.001),
            timing("copy", "limit", 0.002, 0.002),
            timing("fast", "peer", 0.008, 0.008),
            timing("lastlayer", "lastlayer", 0.003, 0.005, 0.004, 0.1),
        ),
        (),
    )
    entry = results.Entry(found, {"slow": 8_000_000, "fast": None})
    rows = {row.title: row for row in entry.rows}
    assert list(rows) == ["lastlayer", "fast", "slow", "read", "copy"]
    assert rows["lastlayer"].timing.seconds == pytest.approx(0.0045)
    assert rows["slow"].timing.quartiles == pytest.approx((0.85, 0.9, 0.95))
    assert rows["lastlayer"].gigabytes == pytest.approx(4e6 / 0.0045 / 1e9)
    assert rows["slow"].speed_up == pytest.approx(200)
    assert rows["fast"].of_limit == pytest.approx(0.25)  # of the copy: a gradient is written too
    assert results.cells(rows["slow"], entry) == (
        "slow", "900", "0.00", "0.2%", "200×", "8.0 MB (2.0×)",
    )  # fmt: skip
    assert results.cells(rows["read"], entry)[4:] == ("–", "–")
    assert results.cells(rows["fast"], entry)[-1] == "–"


def test_everyone_has_one_turn_a_round():
    turns = []

    def prepare(name):
        def call():
            turns.append(name)
            return Outcome(loss=right)

        return lambda inputs: Prepared("", call, lambda answer: answer)

    case = Case(20, 5, "float32", "loss")
    right = cases.expected(cases.make_inputs(case, 1)).loss
    names = "abc"
    takers = [replace(peer(prepare(name)), key=name) for name in names]
    found = measure.measure(case, takers, THREADS, rounds=6)
    assert [len(t.samples) for t in found.timings] == [6, 6, 6]
    order = [name for place, name in enumerate(turns) if not place or turns[place - 1] != name]
    assert set(order) == set(names)


def test_the_threads_of_a_run_are_put_back(monkeypatch):
    monkeypatch.setenv("NPROC", "7")
    monkeypatch.delenv("LASTLAYER_NUM_THREADS", raising=False)
    with measure.use_threads(3):
        assert measure.os.environ["NPROC"] == "3"
        assert measure.os.environ["LASTLAYER_NUM_THREADS"] == "3"
    assert measure.os.environ["NPROC"] == "7"
    assert "LASTLAYER_NUM_THREADS" not in measure.os.environ


def test_the_machine_is_described_by_its_parts_alone():
    assert set(machine.describe()) == {
        "processor", "instructions", "cores", "memory_gb", "system", "python",
    }  # fmt: skip
    assert machine.versions()["numpy"] == np.__version__


# --------------------------------------------------------------------------- memory


def test_memory_counts_what_a_call_takes_and_returns():
    case = Case(4000, 500, "float32", "loss")
    inputs = cases.make_inputs(case, 1)

    def prepare(copies):
        def build(inputs):
            return Prepared("", lambda: np.repeat(inputs.logits, copies, 0), lambda _: None)

        return peer(build)

    nothing = peer(lambda inputs: Prepared("", lambda: None, lambda _: None))
    if memory.growth(nothing, inputs) is None:
        pytest.skip("no way to ask this platform")
    assert memory.growth(nothing, inputs) < 0.5 * case.logits_bytes
    assert 2.9 * case.logits_bytes < memory.growth(prepare(3), inputs) < 3.5 * case.logits_bytes


def test_memory_in_a_process_of_its_own():
    case = Case(20_000, 100, "float32", "gradient")
    numpy_peer, ours = measure.contestants(["numpy"])[2], measure.contestants(["numpy"])[0]
    taken = memory.peak_bytes(numpy_peer, case, THREADS)
    if taken is None:
        pytest.skip("no way to ask this platform")
    assert 1.9 * case.logits_bytes < taken < 4 * case.logits_bytes
    assert memory.peak_bytes(ours, case, THREADS) > 0.9 * case.logits_bytes  # the gradient
    assert memory.peak_bytes(peer(None), case, THREADS) is None  # unknown there: no figure


# --------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shape", "abc"], "'abc' is no shape: write rows x classes, such as 65536x1000"),
        (["--shape", "0x10"], "'0x10' is no shape"),
        (["--peer", "theano"], "'theano' is no peer: choose from numpy, scipy"),
        (["--task", "accuracy"], "'accuracy' is not one of"),
        (["--threads", "0"], "0 is not in the range"),
        (["--seconds", "nan"], "nan is not in the range x>0"),
        (["--seconds", "inf"], "inf is not in the range x>0"),
        (["--shape", f"{10**11 - 1}x{10**11 - 1}"], "more than an array can hold"),
        (["--shape", f"{10**400}x1"], "more than an array can hold"),
    ],
)
def test_bad_input_is_one_clear_line(words, message, tmp_path):
    ran = invoke(*words, "--out", tmp_path / "out")
    assert ran.exit_code == 2
    errors = [line for line in ran.output.splitlines() if line.startswith("Error")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_said_before_measuring(tmp_path):
    (tmp_path / "file").write_text("")
    ran = invoke("--shape", "10x10", "--out", tmp_path / "file" / "below")
    assert ran.exit_code == 1
    assert re.fullmatch(r"Error: can't write into .*: Not a directory\n", ran.output)


def test_help_teaches():
    text = invoke("--help").output
    assert "limits" in text
    assert "lastlayer bench --quick" in text


def test_shapes():
    assert cases.parse_shape("2048x32000") == (2048, 32000)
    assert cases.parse_shape(" 10 × 4 ") == (10, 4)
