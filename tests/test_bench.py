"""`lastlayer bench`: that what it shows is right. How fast anything is, no test says."""

import importlib.util
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import lastlayer as ll
from lastlayer.bench import (
    answers,
    cases,
    curves,
    inputs,
    machine,
    measure,
    memory,
    overview,
    report,
    results,
    run,
    suites,
    terminal,
)
from lastlayer.bench.answers import Outcome
from lastlayer.bench.cases import Case, make_case
from lastlayer.bench.contestants import Contestant, Prepared
from lastlayer.cli import bench as cli
from lastlayer.cli.bench import command

THREADS = measure.available_threads()


@pytest.fixture(autouse=True, scope="module")
def short_turns():
    """What makes times fit to be compared takes most of the time, and here nobody compares them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "PAUSE", 1e-4)
        patch.setattr(measure, "TURN", 1e-4)
        yield


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


def right_loss(case):
    return answers.expected(case).loss


# --------------------------------------------------------------------------- a whole run


@pytest.fixture(scope="module")
def results_folder(tmp_path_factory):
    """One run of the command on small shapes, with all its files."""
    folder = tmp_path_factory.mktemp("bench") / "new" / "folder"
    run = invoke(
        *("--shape", "64x300", "--shape", "200x10", "--out", folder, "--repeat", 2, "--no-memory"),
        *("--peer", "numpy", "--peer", "scipy", "--peer", "torch", "--task", "loss"),
        *("--task", "gradient", "--task", "softmax", "--task", "log-softmax"),
    )
    assert run.exit_code == 0, run.output
    (folder / "screen").write_text(run.output)
    return folder


def test_a_run_writes_every_file_and_leaves_nothing_else(results_folder):
    assert {path.name for path in results_folder.iterdir()} == {
        "bench.json", "bench.md", "bench.svg", "bench.png", "screen",
    }  # fmt: skip
    assert (results_folder / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert ET.parse(results_folder / "bench.svg").getroot().tag.endswith("svg")


def test_json_holds_every_case_contestant_and_sample(results_folder):
    found = json.loads((results_folder / "bench.json").read_text())
    assert found["lastlayer"] == ll.__version__
    assert [(c["rows"], c["classes"], c["task"]) for c in found["cases"]] == [
        (rows, classes, task)
        for rows, classes in ((64, 300), (200, 10))
        for task in cases.FUNCTIONS
    ]
    for case in found["cases"]:
        names = [row["name"] for row in case["contestants"]]
        peers = {"numpy", "scipy", "torch", "lastlayer", "read", "copy"}
        own = {"lastlayer-out"} if case["task"] != "loss" else set()
        own |= {"lastlayer-in-place"} if "softmax" in case["task"] else set()
        assert set(names) == peers | own
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
    assert len(tables) == 1 + 8
    for table in tables[1:]:
        head, rule, *rows = table.splitlines()
        assert head.startswith("|  | ms | GB/s | of limit | speed-up |")
        assert set(rule) == {"|", "-", ":"}
        assert {line.count("|") for line in (head, rule, *rows)} == {6}
        assert rows[0].startswith("| **lastlayer** |")
    assert "](bench.svg)" in text
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
    right = right_loss(case)
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
    given = inputs.make_inputs(case, 1)
    right = answers.expected(case)
    loss, gradient = ll.cross_entropy_with_grad(given.logits, given.labels)
    assert answers.fault(Outcome(loss, gradient), right, case) is None
    assert words in answers.fault(Outcome(loss, spoil(gradient)), right, case)


@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_lastlayer_and_peers_are_right_for_every_dtype(dtype):
    pytest.importorskip("ml_dtypes")
    for task in cases.TASKS:
        takers = measure.contestants(["numpy", "torch"])
        found = measure.measure(Case(40, 12, dtype, task), takers, THREADS, rounds=1)
        assert found.left_out == ()
        assert found.timing("lastlayer").contestant.title == "lastlayer"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_score_is_held_against_other_libraries_scores_and_the_loss_alone(dtype):
    pytest.importorskip("torchmetrics")
    takers = measure.contestants(["scikit-learn", "torchmetrics"])
    found = measure.measure(Case(64, 12, dtype, "score"), takers, THREADS, rounds=1)
    assert found.left_out == ()
    keys = {timing.contestant.key for timing in found.timings}
    assert keys == {"lastlayer", "scikit-learn", "torchmetrics", "read", "loss"}
    entry = results.Entry(found, {})
    assert entry.limit is found.timing("loss")
    assert "the loss alone" in results.limit_text(entry)
    assert {taker.key for taker in takers if taker.kind == "peer"} == {
        "scikit-learn",
        "torchmetrics",
    }


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
        "slow", "900", "0.004", "0.2%", "200×", "8.0 MB (2.0×)",
    )  # fmt: skip
    assert results.cells(rows["read"], entry)[4:] == ("–", "–")
    assert results.cells(rows["fast"], entry)[-1] == "–"


def test_everyone_has_as_many_turns_as_asked_and_each_begins_with_a_call_that_is_not_timed(
    monkeypatch,
):
    turns, timed = [], []
    case = Case(20, 5, "float32", "loss")
    right = right_loss(case)

    def prepare(name):
        def call():
            turns.append(name)
            return Outcome(loss=right)

        return lambda inputs: Prepared("", call, lambda answer: answer)

    def time_one(call, calls):
        call()
        timed.append(len(turns) - 1)
        return 0.02  # more than TURN: one call a turn

    monkeypatch.setattr(measure, "_time", time_one)
    takers = [replace(peer(prepare(name)), key=name) for name in "abc"]
    found = measure.measure(case, takers, THREADS, rounds=6)
    assert [len(t.samples) for t in found.timings] == [6, 6, 6]
    last = turns[-2 * 18 :]  # 18 turns of two calls, the second timed
    assert Counter(last[::2]) == Counter("abc" * 6)
    assert last[::2] == last[1::2]
    assert timed[-18:] == list(range(len(turns) - 35, len(turns), 2))


def test_who_is_slow_has_fewer_turns_spread_over_the_whole_time():
    order = measure._order([20, 20, 3])
    assert Counter(order) == {0: 20, 1: 20, 2: 3}
    slow = [place for place, who in enumerate(order) if who == 2]
    assert [place * 3 // len(order) for place in slow] == [0, 1, 2]
    assert measure._order([20, 20, 3]) == order


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
    given = inputs.make_inputs(case, 1)

    def prepare(copies):
        def build(inputs):
            return Prepared("", lambda: np.repeat(inputs.logits, copies, 0), lambda _: None)

        return peer(build)

    nothing = peer(lambda inputs: Prepared("", lambda: None, lambda _: None))
    if memory.growth(nothing, given) is None:
        pytest.skip("no way to ask this platform")
    assert memory.growth(nothing, given) < 0.5 * case.logits_bytes
    assert 2.9 * case.logits_bytes < memory.growth(prepare(3), given) < 3.5 * case.logits_bytes


def test_memory_in_a_process_of_its_own():
    case = Case(20_000, 100, "float32", "gradient")
    known = {taker.key: taker for taker in measure.contestants(["numpy"])}
    numpy_peer, ours = known["numpy"], known["lastlayer"]
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
        (["--shape", "2x3x4"], "'2x3x4' is no shape"),
        (["--suite", "everything"], "'everything' is not one of"),
        (["--suite", "small", "--shape", "2x3"], "--shape is in place of a suite"),
        (["scoring", "--shape", "2x3"], "--shape is in place of a suite"),
        (["scorin"], "'scorin' is not one of"),
        (["--shape", "1x3x2x2", "--task", "score"], "no images for it"),
        (["--suite", "small", "--task", "softmax"], "nothing is left to measure"),
        (["--option", "z-loss"], "--option and --layout go with --shape"),
        (["--shape", "8x3", "--option", "z-loss", "--task", "softmax"], "softmax has no z-loss"),
        (["--shape", "1x3x2x2", "--layout", "padded"], "no layout 'padded' for them"),
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
    assert cases.parse_shape("2x21x8x6") == (2, 21, 8, 6)
    case = make_case((2, 21, 8, 6), "float32", "loss")
    assert (case.rows, case.classes, case.dims) == (96, 21, (2, 21, 8, 6))
    assert case.title == "2×21×8×6 float32, loss"
    assert make_case((9, 4), "float64", "gradient", "soft-cap", "fortran").title == (
        "9×4 float64, Fortran order, loss and gradient, soft-cap"
    )


# --------------------------------------------------------------------------- kinds of cases


@pytest.mark.parametrize("option", cases.OPTIONS)
def test_every_option_is_right_for_all_who_have_it(option):
    takers = measure.contestants(["numpy", "torch"])
    for task in ("loss", "gradient"):
        found = measure.measure(Case(60, 7, "float32", task, option), takers, THREADS, rounds=1)
        assert found.timing("torch")
        assert found.timing("lastlayer")
        assert [(c.key, why) for c, why in found.left_out] == (
            []
            if option == "plain"
            else [("numpy", f"it has no {cases.OPTION_TITLES[option]} of its own")]
        )


@pytest.mark.parametrize("option", [option for option in cases.OPTIONS if option != "plain"])
def test_leaving_an_option_out_is_found(option):
    plain = Case(60, 7, "float32", "loss")
    case = replace(plain, option=option)
    found = measured(case, answering(Outcome(loss=right_loss(plain))))
    assert "wrong: its loss is" in {c.key: why for c, why in found.left_out}["test"]


@pytest.mark.parametrize("dims", [(90, 6), (3, 6, 5, 4)])
@pytest.mark.parametrize("layout", cases.LAYOUTS)
def test_every_layout_is_what_it_says_and_right(dims, layout):
    if len(dims) == 4 and layout != "rows":
        return
    for task in cases.FUNCTIONS:
        case = make_case(dims, "float32", task, "plain", layout)
        logits = inputs.make_inputs(case, 1).logits
        assert logits.shape == dims
        assert logits.strides[1] == {"strided": 8, "fortran": 4 * 90}.get(
            layout, 4 if len(dims) == 2 else 4 * 20
        )
        assert logits.flags.c_contiguous == (layout == "rows")
        found = measure.measure(case, measure.contestants(["torch"]), THREADS, rounds=1)
        assert found.left_out == ()
        assert {t.contestant.key for t in found.timings} >= {"lastlayer", "torch", "read", "copy"}


def test_soft_targets_of_images_have_their_gradient_checked():
    case = make_case((2, 5, 4, 3), "float32", "gradient", "soft-targets")
    found = measure.measure(case, measure.contestants(["torch"]), THREADS, rounds=1)
    assert found.left_out == ()


def test_whoever_cannot_take_images_says_so():
    case = make_case((2, 5, 4, 3), "float32", "loss")
    assert [(c.key, reason) for c, reason in measured(case).left_out] == [
        ("numpy", "it would have to copy images so that the class axis is the last")
    ]


def test_in_place_is_checked_on_logits_that_are_restored():
    case = Case(50, 6, "float32", "softmax")
    found = measure.measure(case, measure.contestants(["numpy"]), THREADS, rounds=2)
    assert found.timing("lastlayer-in-place")
    before = inputs.make_inputs(case, 1).logits
    assert answers.expected(case).array == pytest.approx(
        ll.softmax(before)[answers.expected(case).rows], rel=1e-4
    )


# --------------------------------------------------------------------------- suites


def test_the_command_knows_every_suite_option_and_layout():
    assert set(suites.SUITES) == set(cli.SUITES)
    assert cases.OPTIONS == cli.OPTIONS
    text = invoke("--help").output
    for name in (*cli.SUITES, *cli.OPTIONS, *cases.LAYOUTS, *cases.TASKS, *cases.DTYPES):
        assert name in text
    for name in cli.SUITES:
        assert re.search(rf"^ +{name} {{2,}}\w", text, re.MULTILINE)


@pytest.mark.parametrize("name", suites.SUITES)
def test_a_suite_has_cases_and_smaller_ones_for_a_quick_look(name):
    steps = run.plan_suites([name], run.Wishes(), 2)
    quick = run.plan_suites([name], run.Wishes(quick=True), 2)
    assert len(steps) == len({step.case for step in steps})
    assert 0 < len(quick) <= len(steps)
    assert max(step.case.logits_bytes for step in quick) <= 2**25
    assert not any(step.with_memory for step in quick)
    assert all(step.with_memory for step in steps) == (name in ("headline", "scoring"))


def test_the_sweep_has_the_same_bytes_in_every_case():
    sizes = [step.case.logits_bytes for step in run.plan_suites(["classes"], run.Wishes(), 2)]
    assert max(sizes) < 1.02 * min(sizes)


def test_what_is_asked_for_restricts_a_suite():
    wishes = run.Wishes(tasks=("gradient",), dtype="float64", peers=("torch",), memory=True)
    steps = run.plan_suites(["headline", "dtypes"], wishes, 2)
    assert {(step.case.task, step.case.dtype) for step in steps} == {("gradient", "float64")}
    assert [step.suite for step in steps].count("dtypes") == 1
    assert all(step.with_memory for step in steps)
    assert {c.key for c in steps[0].takers if c.kind == "peer"} == {"torch"}


def test_threads_are_compared_with_as_many_as_there_are():
    step = run.plan_suites(["threads"], run.Wishes(), 6)[0]
    keys = [taker.key for taker in step.takers if step.case.task in taker.tasks]
    assert keys == ["lastlayer", "lastlayer-1", "lastlayer-2", "lastlayer-4", "read", "copy"]
    with pytest.raises(ValueError, match="nothing is left"):
        run.plan_suites(["threads"], run.Wishes(), 1)


@pytest.mark.parametrize("who", ["both threads", "one"])
def test_threads_are_not_compared_by_what_a_new_array_takes(who):
    from lastlayer.bench.contestants import ALONE, on_threads

    contestant = ALONE if who == "both threads" else on_threads(1)
    prepared = contestant.prepare(inputs.make_inputs(Case(5, 3, "float32", "gradient"), 2))
    assert prepared.call()[1] is prepared.call()[1]


def test_fewer_threads_are_used_for_one_contestant_alone(monkeypatch):
    from lastlayer.bench.contestants import on_threads
    from lastlayer.kernels import threads

    seen = []
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "2")
    monkeypatch.setattr(ll, "cross_entropy", lambda *a, **k: seen.append(threads.get_num_threads()))
    prepared = on_threads(1).prepare(inputs.make_inputs(Case(5, 3, "float32", "loss"), 2))
    prepared.call()
    assert (seen, threads.get_num_threads()) == ([1], 2)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A suite of many cases, in miniature: its report and its folder."""
    folder = tmp_path_factory.mktemp("many")
    steps = run.plan_suites(["classes"], run.Wishes(peers=("numpy",), quick=True), 2)
    entries = [
        run.run_step(replace(step, case=replace(step.case, rows=4)), 1, rounds=1)
        for step in steps
        if step.case.classes < 2000
    ]
    found = run.make_report(entries, 1)
    return found, folder, report.write(found, folder)


def test_many_cases_are_one_table_of_a_line_each(many):
    found, folder, _ = many
    text = (folder / "bench.md").read_text()
    table = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)[0].splitlines()
    assert len(table) == 2 + len(found.entries)
    assert len({line.count("|") for line in table}) == 1
    for head in ("lastlayer ms", "of limit", "out= ms", "read GB/s", "copy GB/s", "NumPy"):
        assert f"| {head} |" in table[0]
    assert re.search(r"\| 4×257 \| \+ gradient \| [\d.]+ \|", text)


@pytest.mark.parametrize("width", [80, 120, 300])
def test_the_table_of_many_cases_fits_the_screen(many, width):
    from rich.console import Console

    screen = Console(width=width, file=open("/dev/null", "w"), record=True)  # noqa: SIM115
    screen.print(terminal.overview(many[0].entries, "classes", width))
    text = screen.export_text()
    screen.file.close()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert text.count("4×257") == 2 * {80: 2, 120: 1, 300: 1}[width]
    for entry in many[0].entries:
        assert results.milliseconds(entry.row("lastlayer").timing.seconds) in text


def test_a_sweep_has_its_two_charts_and_no_bars(many):
    _, folder, written = many
    assert {path.name for path in written} == {path.name for path in folder.iterdir()} == {
        "bench.json", "bench.md",
        "bandwidth.svg", "bandwidth.png", "speedup.svg", "speedup.png",
    }  # fmt: skip
    for name in ("bandwidth", "speedup"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert ET.parse(folder / f"{name}.svg").getroot().tag.endswith("svg")


def test_a_chart_is_the_same_for_the_same_results_and_an_old_one_goes(many):
    found, folder, _ = many
    again = curves.bandwidth(found.entries, found.place, "svg")
    assert again == (folder / "bandwidth.svg").read_bytes()
    (folder / "bench.svg").write_text("of a run before")
    report.write(found, folder)
    assert not (folder / "bench.svg").exists()


def test_heads_are_folded_and_unfolded():
    torch = next(c for c in measure.contestants() if c.key == "torch-compile")
    assert overview._folded(torch) == "torch.\ncompile"
    assert overview.unfolded("peak\ntorch.\ncompile") == "peak torch.compile"


# --------------------------------------------------------------------------- ended early


def ending(error, after):
    """`run.run_step`, which raises at some step."""
    real, done = run.run_step, []

    def run_step(*arguments, **options):
        if len(done) == after:
            raise error
        done.append(1)
        return real(*arguments, **options)

    return run_step


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, ""),
        (MemoryError(), 1, "lastlayer: not enough memory"),
        (RuntimeError("lastlayer: wrong"), 1, "lastlayer: lastlayer: wrong"),
    ],
)
@pytest.mark.parametrize("shapes", [3, 9])
def test_what_is_complete_is_written(monkeypatch, capsys, tmp_path, error, status, said, shapes):
    from lastlayer.cli import main

    monkeypatch.setattr(run, "run_step", ending(error, 2))
    words = [word for n in range(shapes) for word in ("--shape", f"{n + 10}x3")]
    words += ["--peer", "numpy", "--task", "loss", "--repeat", "1", "--no-memory"]
    with pytest.raises(SystemExit) as end:
        main(["bench", *words, "--out", str(tmp_path)])
    assert end.value.code == status
    out, err = capsys.readouterr()
    assert err.strip() == said  # click ends the line of a ^C
    assert f"Ended early: 2 of {shapes} cases are complete." in out
    assert "10×3" in out
    found = json.loads((tmp_path / "bench.json").read_text())
    assert (len(found["cases"]), found["complete"]) == (2, False)
    assert f"Interrupted: 2 of {shapes} cases." in (tmp_path / "bench.md").read_text()


def test_nothing_is_written_where_nothing_is_complete(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "run_step", ending(KeyboardInterrupt(), 0))
    ran = invoke("--shape", "10x3", "--out", tmp_path)
    assert ran.exit_code != 0
    assert "0 of 2 cases" in ran.output
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------- what is asked of it


@pytest.fixture(scope="module")
def limits():
    path = Path(__file__).parents[1] / "benchmarks" / "limits.py"
    spec = importlib.util.spec_from_file_location("limits", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_check_of_the_limits_finds_the_cases_of_the_suites(limits, tmp_path, capsys):
    steps = run.plan_suites([*suites.SUITES], run.Wishes(), 2)
    fast = ("lastlayer", "lastlayer-out", "lastlayer-in-place", "read", "copy", "loss")
    speeds = dict.fromkeys(fast, 6)
    found = []
    for step in steps:
        samples = {
            taker.key: step.case.logits_bytes / speeds.get(taker.key, 1)
            for taker in step.takers
            if step.case.task in taker.tasks
        }
        timings = [
            replace(timing(key, "peer", taken), contestant=taker)
            for taker in step.takers
            for key, taken in samples.items()
            if key == taker.key
        ]
        entry = results.Entry(measure.Measured(step.case, tuple(timings), ()), {}, step.suite)
        found.append(entry)
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(report.as_json(run.make_report(found, 2))))
    status = limits.main([str(path)])
    lines = [line for line in capsys.readouterr().out.splitlines() if "≥" in line]
    assert len(lines) > 100
    assert not [line for line in lines if line.startswith("  not measured")]
    assert not [line for line in lines if line.startswith("  NOT met")]
    assert status == 0

    document = json.loads(path.read_text())
    for case in document["cases"]:
        if case["suite"] == "small" and case["logits"] == [32, 10] and case["task"] == "loss":
            case["contestants"][0]["seconds"]["median"] *= 12
    path.write_text(json.dumps(document))
    assert limits.main([str(path)]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "NOT met" in line]
    assert " ".join(line.split()) == "NOT met 0.50 ≥ 1 32×10 loss: over PyTorch eager"


def test_the_check_of_the_limits_says_what_is_not_measured(limits, tmp_path, capsys):
    path = tmp_path / "bench.json"
    path.write_text('{"cases": []}')
    assert limits.main([str(path)]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "≥" in line]
    assert lines
    assert all(line.startswith("  not measured") for line in lines)
