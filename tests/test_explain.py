"""`explain`: its numbers against independent ones, its words, its text, HTML and command."""

from __future__ import annotations

import io
import math
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import mpmath
import numpy as np
import pytest
from click.testing import CliRunner

import lastlayer as ll
from lastlayer import reference
from lastlayer.cli import explain as cli
from lastlayer.learning import explain_en, explain_rows, explain_text, explain_zh
from lastlayer.learning.explain_view import number, view
from lastlayer.problem import softmax_problem

BATCH = np.log([[0.5, 0.2, 0.3], [0.8, 0.1, 0.1]])
KEYS = [
    *("logits", "maximum", "shifted", "exponentials", "probabilities", "logs"),
    *("picked", "losses", "mean", "binary", "gradient", "step"),
]
INF = math.inf


def problem(logits, labels, base=math.e):
    options = {"class_weight": None, "sample_weight": None, "softcap": None, "divisor": None}
    return softmax_problem(
        np.asarray(logits),
        labels,
        axis=-1,
        ignore_index=-100,
        label_smoothing=0,
        z_loss=0,
        temperature=1,
        base=base,
        reduction="mean",
        empty="nan",
        **options,
    )


# --------------------------------------------------------------------------- numbers


def test_default_batch_by_hand():
    explanation = ll.explain(BATCH, [0, 0], base=10)
    assert [step.key for step in explanation.steps] == KEYS
    by_hand = {
        "maximum": [[-0.6931], [-0.2231]],
        "shifted": [[0, -0.9163, -0.5108], [0, -2.0794, -2.0794]],
        "exponentials": [[1, 0.4, 0.6], [1, 0.125, 0.125]],
        "probabilities": [[0.5, 0.2, 0.3], [0.8, 0.1, 0.1]],
        "logs": [[-0.3010, -0.6990, -0.5229], [-0.0969, -1, -1]],
        "picked": [[-0.3010], [-0.0969]],
        "losses": [[0.3010], [0.0969]],
        "mean": [[0.1990]],
        "binary": [[0.5528], [0.1884]],
    }
    for key, values in by_hand.items():
        np.testing.assert_allclose(explanation[key].values, values, atol=5.1e-5, err_msg=key)
    np.testing.assert_array_equal(explanation["picked"].tables[0].values, [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(explanation["exponentials"].tables[1].values, [[2], [1.25]])
    assert explanation.loss.shape == (2, 1)
    assert f"{explanation.mean:.4f}" == "0.1990"


@pytest.mark.parametrize("base", [math.e, 2, 10, 3.5])
def test_against_300_bits(base):
    rng = np.random.default_rng(1)
    z = rng.standard_normal((6, 5)) * np.array([[1], [3], [10], [30], [100], [600]])
    y = rng.integers(0, 5, 6)
    explanation = ll.explain(z, y, base=base)
    with mpmath.workprec(300):
        for i in range(6):
            e = [mpmath.exp(mpmath.mpf(v)) for v in z[i]]
            p = [v / sum(e) for v in e]
            loss = -mpmath.log(p[y[i]]) / mpmath.log(mpmath.mpf(base))
            others = sum(
                mpmath.log(sum(e[k] for k in range(5) if k != j) / sum(e))
                for j in range(5)
                if j != y[i]
            )
            binary = loss - others / mpmath.log(mpmath.mpf(base))
            assert explanation.loss[i, 0] == pytest.approx(float(loss), rel=2e-14)
            assert explanation["binary"].values[i, 0] == pytest.approx(float(binary), rel=2e-14)
            for j in range(5):
                rest = -sum(p[k] for k in range(5) if k != j)
                slope = (rest if j == y[i] else p[j]) / 6 / mpmath.log(mpmath.mpf(base))
                assert explanation.gradient[i, j] == pytest.approx(float(slope), rel=1e-12)


def test_confident_row_is_exact_and_noted():
    explanation = ll.explain([[20.0, 0.0, 1.0, 2.0]], [0])
    assert explanation.loss[0, 0] == 2.2893929542622445e-08
    assert explanation.gradient[0, 0] == pytest.approx(-2.2893929280551783e-08, rel=1e-12)
    assert "float32" in explanation["logs"].notes[0]
    assert "would be 0." in explanation["logs"].notes[0]
    assert "2.2893929542622445e-08" in explanation["logs"].notes[0]
    assert "Computed from p − 1 in float32 it would be 0," in explanation["gradient"].notes[0]
    assert "1-2.3e-08" in str(explanation)


@pytest.mark.parametrize(
    ("logits", "label", "key", "said"),
    [
        ([60.0, 0.0], 0, "logs", "p rounds to 1 in float64, and its log would be 0"),
        ([0.0, 200.0], 0, "logs", "p rounds to 0 in float32, and its log would be -inf"),
        ([0.0, 800.0], 0, "logs", "p rounds to 0 in float64, and its log would be -inf"),
        ([0.0, 800.0], 0, "shifted", "exp(800) is inf, and inf/inf is NaN"),
        ([0.0, 100.0], 0, "shifted", "lost in float32"),
        ([-800.0, -801.0], 0, "shifted", "exp(-800) is 0, and 0/0 is NaN"),
    ],
)
def test_naive_route_is_noted(logits, label, key, said):
    assert any(said in note for note in ll.explain([logits], [label])[key].notes)


def test_no_notes_where_the_naive_route_is_right():
    explanation = ll.explain(BATCH, [0, 0])
    assert {s.key for s in explanation.steps if s.notes} == {"mean"}


@pytest.mark.parametrize("base", [math.e, 10])
def test_soft_labels(base):
    rng = np.random.default_rng(2)
    z, t = 5 * rng.standard_normal((40, 7)), rng.dirichlet(np.full(7, 0.2), 40)
    t[3] = np.eye(7)[2]
    explanation = ll.explain(z, t, base=base)
    loss, gradient = reference.cross_entropy(problem(z, t, base))
    np.testing.assert_allclose(explanation.loss[:, 0], loss, rtol=1e-14)
    np.testing.assert_allclose(explanation.gradient, gradient, rtol=1e-12, atol=1e-18)
    assert "distribution" in explanation["picked"].why


def test_one_hot_rows_are_the_same_as_indices():
    hard, soft = ll.explain(BATCH, [0, 2]), ll.explain(BATCH, np.eye(3)[[0, 2]])
    assert str(hard).replace("note", "") == str(soft).replace("note", "")


def test_probabilities():
    q = np.exp(BATCH)
    explanation = ll.explain(q, [0, 0], base=10, probabilities=True)
    assert [step.key for step in explanation.steps] == ["given", *KEYS[5:]]
    np.testing.assert_allclose(explanation.loss[:, 0], [0.30103, 0.09691], atol=1e-6)
    np.testing.assert_allclose(
        explanation["binary"].values[:, 0],
        ll.distribution.cross_entropy(np.eye(3)[[0, 0]], q, base=10, form="binary"),
    )
    expected = ll.cross_entropy_with_grad(np.log(q), [0, 0], base=10)[1]
    np.testing.assert_allclose(explanation.gradient, expected, rtol=1e-13)
    assert "ln q" in explanation["gradient"].why


@pytest.mark.parametrize(
    ("q", "rtol"),
    [
        ([[0.333333, 0.333333, 0.333333]], 1e-14),
        ([[0.333, 0.333, 0.333]], 1e-14),
        (np.array([[0.1, 0.2, 0.7]], np.float32), 1e-14),
        (np.array([[0.1, 0.2, 0.7]], np.float16), 1e-14),
        ([[1, 0, 0]], 0),
    ],
)
def test_probabilities_as_files_hold_them(q, rtol):
    """The loss is of q as it was given; the gradient of its softmax, which makes the sum 1."""
    explanation = ll.explain(q, [0], probabilities=True)
    given = np.asarray(q, np.float64)
    np.testing.assert_array_equal(explanation["given"].values, given)
    np.testing.assert_allclose(explanation.loss, [[-math.log(given[0, 0])]], rtol=rtol)
    assert explanation.mean == explanation.loss[0, 0]
    softmax = given / given.sum()
    np.testing.assert_allclose(
        explanation.gradient, softmax - [[1, 0, 0]], rtol=100 * rtol, atol=1e-300
    )


def test_step_lowers_the_mean_and_a_long_one_says_so():
    explanation = ll.explain(BATCH, [0, 0], learning_rate=0.5)
    before, after = (t.values[0, 0] for t in explanation["step"].tables[2:])
    moved = BATCH - 0.5 * explanation.gradient
    assert before == explanation.mean
    assert after < before
    assert after == pytest.approx(reference.cross_entropy(problem(moved, [0, 0]))[0].mean())
    np.testing.assert_allclose(explanation["step"].values, reference.softmax(moved))
    long = ll.explain([[0.0, 0.1]], [[0.5, 0.5]], learning_rate=100)
    assert "smaller learning rate" in long["step"].notes[0]


def test_special_values():
    z = [[-INF, 0, 1], [-INF, -INF, -INF], [-INF, 0, 1], [0, INF, 1], [math.nan, 0, 0]]
    explanation = ll.explain(np.array(z, dtype=float), [1, 0, 0, 1, 1])
    loss, gradient = reference.cross_entropy(problem(np.array(z), [1, 0, 0, 1, 1]))
    np.testing.assert_allclose(explanation.loss[:, 0], loss)
    np.testing.assert_allclose(explanation.gradient, gradient)
    assert explanation.loss[2, 0] == INF
    assert explanation["probabilities"].values[0, 0] == 0
    assert "infinite" in explanation["losses"].notes[0]
    assert "row 1 (and 2 more" in explanation["logits"].notes[0].lower()
    assert str(explanation).count("NaN") > 10


def test_ignored_rows():
    z = np.vstack([BATCH, [[math.nan, 1, 2]]])
    explanation = ll.explain(z, [0, 0, -100], base=10)
    assert explanation.mean == pytest.approx(0.198970004)
    assert explanation.loss[2, 0] == 0
    assert not explanation.gradient[2].any()
    assert "−100" in explanation["picked"].notes[0]
    assert str(explanation).count("ignored") == 3
    assert math.isnan(ll.explain(BATCH, [-100, -100]).mean)
    assert "NaN" in ll.explain(BATCH, [-100, -100])["mean"].notes[0]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (3,), (2, 2, 3)])
def test_any_shape(shape, lang):
    z = np.linspace(-1, 1, math.prod(shape)).reshape(shape)
    explanation = ll.explain(z, np.zeros(shape[:-1], dtype=int), lang=lang)
    assert explanation.loss.shape == (math.prod(shape[:-1]), 1)
    assert "L = " in str(explanation)
    assert "L = " in explanation._repr_html_()


def test_input_is_not_modified():
    z, before = BATCH.copy(), BATCH.copy()
    z.flags.writeable = False
    ll.explain(z, [0, 0])
    np.testing.assert_array_equal(z, before)


def test_large_input_in_blocks(monkeypatch):
    rng = np.random.default_rng(3)
    z, y = 3 * rng.standard_normal((50, 200)), rng.integers(0, 200, 50)
    y[40] = -100
    whole = ll.explain(z, y)
    monkeypatch.setattr(explain_rows, "KEPT", 3000)
    parts = ll.explain(z, y)
    assert parts.gradient.shape == (15, 200)
    np.testing.assert_array_equal(parts.loss, whole.loss)
    assert parts.mean == whole.mean
    assert str(parts) == str(whole)
    assert "Row 40 " in parts["picked"].notes[0]


# --------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "options", "error", "said"),
    [
        ((BATCH, [0, 3]), {}, ll.LabelError, "outside [0, 3)"),
        ((BATCH, [0]), {}, ValueError, "shape"),
        (([0, 0], BATCH), {}, TypeError, "swapped"),
        ((BATCH, [0, 0]), {"base": 1}, ValueError, "base"),
        ((BATCH, [0, 0]), {"lang": "fr"}, ValueError, "lang"),
        ((BATCH, [0, 0]), {"learning_rate": -1}, ValueError, "learning_rate"),
        (
            (BATCH, [0, 0]),
            {"probabilities": True},
            ValueError,
            "probabilities[0, 0] = -0.6931471805599453: probabilities must be probabilities in "
            "[0, 1] (6 of 6 are not)",
        ),
        (
            ([[0.5, 0.5], [0.5, 0.4]], [0, 0]),
            {"probabilities": True},
            ValueError,
            "probabilities[1] sums to 0.9, not to 1",
        ),
    ],
)
def test_errors(arguments, options, error, said):
    with pytest.raises(error, match=re.escape(said)):
        ll.explain(*arguments, **options)


def test_unknown_step():
    with pytest.raises(KeyError, match="logits, maximum"):
        ll.explain(BATCH, [0, 0])["nothing"]


# --------------------------------------------------------------------------- words

PLACES = re.compile(r"\{(\w+)")
# What Chinese mathematics writes in Latin letters.
LATIN = {
    *("logit", "softmax", "sigmoid", "exp", "log", "max"),
    *("float32", "float64", "NaN", "inf"),
}


def test_languages_have_the_same_keys_and_places():
    assert explain_en.WORDS.keys() == explain_zh.WORDS.keys()
    for key, text in explain_en.WORDS.items():
        assert text, key
        assert explain_zh.WORDS[key] or key == "between"
        assert sorted(set(PLACES.findall(text))) == sorted(
            set(PLACES.findall(explain_zh.WORDS[key]))
        ), key


@pytest.mark.parametrize("probabilities", [False, True])
def test_chinese_is_complete(probabilities):
    z = np.array([[0.0, 800, 1], [60, 0, -INF], [-INF, 0, 1], [-INF] * 3, [1, 2, 3], [1, 2, 3]])
    y = [0, 0, 0, 0, -100, 1]
    if probabilities:
        z, y = np.exp(BATCH), [0, 0]
    shown = [ll.explain(z, y, lang="zh", base=b, probabilities=probabilities) for b in (2, 3, 10)]
    if not probabilities:
        shown.append(ll.explain([[0.0, 0.1]], [[0.5, 0.6]], lang="zh", learning_rate=100))
    for explanation in shown:
        for text in (
            str(explanation),
            re.sub(r"(?s)<style>.*?</style>|<[^>]*>", " ", html(explanation)),
        ):
            words = set(re.findall(r"[A-Za-z]{3,}\d*", text.replace("&quot;", "")))
            assert words <= LATIN, words - LATIN
        for step in explanation.steps:
            for sentence in (step.title, step.why, *step.notes):
                assert re.search("[\u4e00-\u9fff]", sentence)


def test_units():
    for base, en, zh in [(math.e, "nats", "奈特"), (2, "bits", "比特"), (10, "hartleys", "哈特利")]:
        assert f"{en}\n" in str(ll.explain(BATCH, [0, 0], base=base))
        assert f"{zh}\n" in str(ll.explain(BATCH, [0, 0], base=base, lang="zh"))
        assert "1 nat " in ll.explain(BATCH, [0, 0], base=base)["logs"].why
    assert "units of base 3" in str(ll.explain(BATCH, [0, 0], base=3))


# --------------------------------------------------------------------------- text


def columns_of(text):
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def wide_batch(classes):
    rng = np.random.default_rng(4)
    return 10 * rng.standard_normal((12, classes)), rng.integers(0, classes, 12)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("classes", [3, 10, 1000])
def test_lines_fit_and_columns_line_up(classes, lang, columns):
    explanation = ll.explain(*wide_batch(classes), lang=lang)
    text = explanation.text(columns)
    assert max(map(columns_of, text.split("\n"))) <= columns
    first = "row 0" if lang == "en" else "第 0 行"
    number = re.compile(r"-?\d+\.\d+(e-\d+)?(?=[] ]|$)|1-\S+?(?=[] ]|$)")
    tables = re.findall(rf"(?m)^    {first} .*(?:\n    .*\d.*)+", text)
    assert len(tables) > 10
    for table in tables:
        drawn = ["".join(c * columns_of(c) for c in line) for line in table.split("\n")]
        ends = [[m.end() for m in number.finditer(line)] for line in drawn if "." in line]
        assert all(e == ends[0] for e in ends), table


def test_picked_classes_are_always_shown():
    z, y = wide_batch(1000)
    text = str(ll.explain(z, y))
    assert "… 994 more classes" in text or "… 993 more classes" in text
    step = next(
        p for p in text.split("\n\n") if p.startswith("               labels") or "labels t" in p
    )
    head = step.split("\n")[1].split()
    for row, line in enumerate(x for x in step.split("\n") if x.startswith("    row")):
        assert line.split()[2:][head[1:].index(str(y[row]))] == "1"
    shown = view(np.eye(1000)[y], z, 12)
    assert set(y[:8]) <= set(shown.classes)
    assert set(shown.classes) - set(y[:8]) <= set(z[:8].argmax(axis=1))
    assert (len(shown.rows), len(shown.classes), shown.more_rows) == (8, 10, 4)


def test_wrapping_keeps_chinese_stops_off_the_line_start():
    for text in explain_zh.WORDS.values():
        for columns in range(20, 60):
            lines = explain_text.wrap(text, columns)
            assert "".join(lines).replace(" ", "") == text.replace(" ", "")
            assert not any(line[:1] in "，。；：、）”" for line in lines if line)


def test_number():
    values = [0, -0.0, 1, -0.30103, 2.29e-8, -1e9, INF, -INF, math.nan, 0.0004, 99999.5]
    said = ["0.0000", "0.0000", "1.0000", "-0.3010", "2.29e-08", "-1.00e+09", "inf", "-inf", "NaN"]
    assert list(map(number, values)) == [*said, "4.00e-04", "99999.5000"]


def test_repr_is_short():
    assert repr(ll.explain(BATCH, [0, 0], base=2)) == "<Explanation: 2 × 3, mean 0.6610 bits>"


# --------------------------------------------------------------------------- HTML


class Checker(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.count, self.text = [], {}, []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        kind = dict(attrs).get("class", "")
        self.count[tag, kind] = self.count.get((tag, kind), 0) + 1
        assert not {"src", "href", "onload"} & dict(attrs).keys()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def html(explanation):
    return explanation._repr_html_()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_html_is_well_formed(lang):
    checker = Checker()
    checker.feed(html(ll.explain(BATCH, [0, 2], base=10, lang=lang)))
    checker.close()
    assert not checker.open
    assert checker.count["li", ""] == 12
    assert checker.count["td", "picked"] == 2 * 4  # logs, gradient, before, after
    assert ("script", "") not in checker.count
    assert "-0.3010" in checker.text


def test_html_is_escaped(monkeypatch):
    monkeypatch.setitem(explain_en.WORDS, "logits.why", "<script>alert('&')</script>")
    monkeypatch.setitem(explain_en.WORDS, "name.loss", "<b>")
    text = html(ll.explain(BATCH, [0, 0]))
    assert "<script>" not in text
    assert "<b>" not in text
    assert "&lt;script&gt;" in text


# --------------------------------------------------------------------------- the command


def run(*arguments):
    return CliRunner().invoke(cli.command, list(map(str, arguments)))


def test_command_without_arguments():
    result = run()
    assert result.exit_code == 0
    assert result.stdout == f"{ll.explain(BATCH, [0, 0], base=10)}\n"
    assert "L = 0.1990 hartleys" in result.stdout
    assert "L = 0.1990" in run("--probabilities").stdout
    assert "L = 0.6610 bits" in run("--base", 2).stdout
    assert "L = 0.1990 哈特利" in run("--lang", "zh").stdout


def test_docs_show_what_the_command_prints():
    docs = Path(__file__).parent.parent / "docs" / "explain.md"
    assert f"$ lastlayer explain\n{run().stdout}```" in docs.read_text(encoding="utf-8")


def test_command_on_a_terminal():
    from rich.console import Console

    console = Console(record=True, force_terminal=True, width=100, file=io.StringIO())
    cli._show(ll.explain(BATCH, [0, 0]), console)
    assert console.export_text().rstrip() == ll.explain(BATCH, [0, 0]).text(100).rstrip()


def test_command_reads_words():
    result = run("--logits", "2,1,0.1;0,3,1", "--labels", "0,1")
    assert result.stdout == f"{ll.explain([[2, 1, 0.1], [0, 3.0, 1]], [0, 1])}\n"
    soft = run("--logits", "-2,1", "--labels", "0.9,0.1", "--learning-rate", 3)
    assert soft.stdout == f"{ll.explain([[-2.0, 1]], [[0.9, 0.1]], learning_rate=3)}\n"
    assert run("--logits", "1,2;3,4", "--labels", "1,0;0,1").exit_code == 0


@pytest.mark.parametrize(
    ("logits", "labels", "expected"),
    [
        ("1,2;3,4", "0;1", [0, 1]),
        ("1,2;3,4", "0,1", [0, 1]),
        ("1,2;3,4", "0.0,1.0", [0, 1]),
        ("1,2;3,4", "1.0;-100;", [1, -100]),
        ("1,2", "1.0", [1]),
        ("1,2", "1", [1]),
        ("1,2", "0,1", [[0.0, 1]]),  # as long as the only row: its distribution
        ("1,2", "0.5,0.5", [[0.5, 0.5]]),
        ("1,2;3,4", "1,0;0,1", [[1.0, 0], [0, 1]]),
    ],
)
def test_command_takes_labels_for_classes_or_distributions_by_their_number(
    logits, labels, expected
):
    result = run("--logits", logits, "--labels", labels)
    rows = [[float(x) for x in row.split(",")] for row in logits.split(";")]
    assert result.stdout == f"{ll.explain(rows, expected)}\n", result.stderr


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64"])
def test_command_reads_whole_numbers(tmp_path, dtype):
    z = np.array([[2, 1, 0], [0, 3, 1]], dtype)
    np.save(tmp_path / "z.npy", z)
    np.savetxt(tmp_path / "z.csv", z, fmt="%d", delimiter=",")
    expected = f"{ll.explain(z.astype(float), [0, 1])}\n"
    for name in ("z.npy", "z.csv"):
        result = run(tmp_path / name, "--labels", "0,1")
        assert result.stdout == expected, result.stderr


def test_command_reads_logits_of_any_shape(tmp_path):
    z = np.arange(12.0).reshape(2, 2, 3) ** 0.5
    np.save(tmp_path / "all.npy", z)
    np.save(tmp_path / "one.npy", z[0, 0])
    soft = "1,0,0;0,1,0;0,0,1;0.5,0.5,0"
    t = np.array([[float(x) for x in row.split(",")] for row in soft.split(";")])
    for labels, expected in (("0;1;2;1", [[0, 1], [2, 1]]), (soft, t.reshape(z.shape))):
        result = run(tmp_path / "all.npy", "--labels", labels)
        assert result.stdout == f"{ll.explain(z, expected)}\n", result.stderr
    for labels, expected in (("2", 2), ("0.5,0.5,0", [0.5, 0.5, 0])):
        result = run(tmp_path / "one.npy", "--labels", labels)
        assert result.stdout == f"{ll.explain(z[0, 0], expected)}\n", result.stderr


def test_command_reads_files(tmp_path):
    z, y = np.array([[2, 1, 0.1], [0, 3, 1]]), np.array([0, 1])
    expected = f"{ll.explain(z, y)}\n"
    np.save(tmp_path / "z.npy", z)
    np.save(tmp_path / "y.npy", y)
    rows = "2,1,0.1\n0,3,1\n"
    (tmp_path / "z.csv").write_text(rows)
    (tmp_path / "head.csv").write_text("\ufeffa,b,c\r\n" + rows, encoding="utf-8")
    (tmp_path / "label.csv").write_text("0,Label,1,2\n2,0,1,0.1\n\n0,1.0,3,1\n")
    (tmp_path / "y.csv").write_text("label\n0\n1\n")
    (tmp_path / "soft.csv").write_text("1,0,0\n0,1,0\n")
    for file in ("z.npy", "z.csv", "head.csv"):
        for labels in ("0,1", tmp_path / "y.npy", tmp_path / "y.csv", tmp_path / "soft.csv"):
            result = run(tmp_path / file, "--labels", labels)
            assert result.stdout == expected, (file, labels, result.stderr)
    assert run(tmp_path / "label.csv").stdout == expected


BAD = {
    "wrong label": (["--logits", "1,2", "--labels", "2"], "outside [0, 2)"),
    "fraction": (["--logits", "1,2", "--labels", "x"], "'x' in row 0 is not a number"),
    "ragged": (["--logits", "1,2;3", "--labels", "0,0"], "row 1 has 1 numbers, and row 0 has 2"),
    "not a number": (["--logits", "1,two", "--labels", "0"], "'two' in row 0 is not a number"),
    "empty": (["--logits", "", "--labels", "0"], "'' in row 0 is not a number"),
    "too few labels": (["--logits", "1,2;3,4", "--labels", "0"], "shape"),
    "no labels": (["--logits", "1,2"], "no labels"),
    "no logits": (["--labels", "0"], "--labels needs"),
    "missing file": (["nowhere.npy", "--labels", "0"], "nowhere.npy"),
    "missing labels": (["--logits", "1,2", "--labels", "nowhere.npy"], "no such file"),
    "not probabilities": (
        ["--logits", "1,2", "--labels", "0", "--probabilities"],
        "in [0, 1]",
    ),
    "learning rate": (["--learning-rate", "0"], "learning_rate"),
    "base": (["--base", "3"], "--base"),
    "both": (["FILES/z.csv", "--logits", "1,2", "--labels", "0"], "not both"),
    "labels twice": (["FILES/label.csv", "--labels", "0"], "leave out --labels"),
    "file without labels": (["FILES/z.csv"], 'a column called "label"'),
    "bad label in file": (["FILES/bad_label.csv"], "'cat' in row 0 is not a number"),
    "half label in file": (["FILES/half_label.csv"], "'0.5' (row 0) is not a class"),
    "huge label in file": (["FILES/huge_label.csv"], "is not a class"),
    "short row in file": (["FILES/short.csv"], "row 0 has 2 cells, and the header 3"),
    "ragged file": (["FILES/ragged.csv", "--labels", "0,0"], "row 1 has 3 numbers"),
    "empty file": (["FILES/empty.csv", "--labels", "0"], "no rows of numbers"),
    "not text": (["FILES/binary.csv", "--labels", "0"], "cannot be read as .csv"),
    "pickle": (["FILES/pickle.npy", "--labels", "0"], "not a .npy file of numbers"),
    "truncated": (["FILES/truncated.npy", "--labels", "0"], "not a .npy file of numbers"),
    "archive": (["FILES/archive.npy", "--labels", "0"], "not a .npy file of numbers"),
    "other file": (["FILES/z.txt", "--labels", "0"], "neither a .npy nor a .csv"),
    "swapped": (["FILES/integers.npy", "--labels", "FILES/floats.npy"], "shape"),
    "no axis": (["FILES/number.npy", "--labels", "0"], "class axis"),
    "too many classes": (["--logits", "1,2,3", "--labels", "0,1"], "class indices have shape (1,)"),
    "half class": (["--logits", "1,2;3,4", "--labels", "0;0.5"], "'0.5' (row 1) is not a class"),
    "short distribution": (
        ["--logits", "1,2;3,4", "--labels", "0.9,0.1"],
        "distributions and have the logits' shape (2, 2)",
    ),
    "turned distributions": (
        ["--logits", "1,2;3,4;5,6", "--labels", "0,1,0;1,0,1"],
        "shape (3, 2)",
    ),
    "class and distribution": (["--logits", "1,2;3,4", "--labels", "0;0,1"], "row 1 has 2 numbers"),
}


@pytest.fixture
def files(tmp_path):
    texts = {
        "z.csv": "1,2\n",
        "z.txt": "1,2\n",
        "label.csv": "label,a,b\n0,1,2\n",
        "bad_label.csv": "label,a,b\ncat,1,2\n",
        "half_label.csv": "label,a,b\n0.5,1,2\n",
        "huge_label.csv": "label,a,b\n99999999999999999999,1,2\n",
        "short.csv": "label,a,b\n0,1\n",
        "ragged.csv": "1,2\n1,2,3\n",
        "empty.csv": "",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81")
    (tmp_path / "truncated.npy").write_bytes(b"\x93NUMPY\x01\x00")
    np.save(tmp_path / "pickle.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "integers.npy", np.array([0, 1]))
    np.save(tmp_path / "floats.npy", np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.save(tmp_path / "number.npy", np.array(1.0))
    np.savez(tmp_path / "archive.npz", np.zeros(3))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    return tmp_path


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_exit_code_2(name, files):
    arguments, said = BAD[name]
    result = run(*(a.replace("FILES", str(files)) for a in arguments))
    assert result.exit_code == 2, result.output
    error = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(error) == 1
    assert said in error[0]
    assert result.stderr.rstrip().endswith(error[0])
    assert not result.stdout


def test_help_has_examples():
    text = run("--help").stdout
    assert text.count("lastlayer explain") >= 3
    assert "hartleys" in text
