"""What people look at: the page, the terminal and the comparison of predictions."""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

import lastlayer as ll
from lastlayer.scoring import view
from lastlayer.scoring.comparison import compare
from lastlayer.scoring.report import comparing, html, pictures
from lastlayer.scoring.tables import TemperatureFit
from lastlayer.scoring.terminal import Screen, bar
from lastlayer.scoring.terminal_comparison import ComparisonScreen
from lastlayer.scoring.text import clean, number, percent

HOSTILE = "<script>alert('x')</script>&\x1b[31m\x00\u202e\nname\udcff"


def predictions(rows: int, classes: int, seed: int = 0):
    """Logits that are right more often than not, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)).astype(np.float32)
    logits[np.arange(rows), labels] += 2
    return logits, labels


def fitted(logits, labels, temperature=1.25):
    score = ll.score(logits, labels)
    after = ll.score(logits, labels, temperature=temperature)
    score.temperature_fit = TemperatureFit(temperature, ll.score(logits, labels), after, 5)
    return score


class Page(HTMLParser):
    """A page taken apart: every element is closed, and nothing is left out of the count."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.ids = Counter(), [], []
        self.open, self.words, self.cells = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in {"td", "th", "dd"}:
            self.cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)
        if self.open and self.open[-1] in {"td", "th", "dd"}:
            self.cells[-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def score():
    return fitted(*predictions(400, 4))


@pytest.fixture(scope="module")
def page(score):
    return html(score, title="validation.npy")


# --------------------------------------------------------------------------- the page


def test_a_page_has_every_figure_with_its_numbers(page):
    it = Page(page)
    names = {"reliability", "temperature", "losses", "entropies", "classes", "confusion"}
    assert names <= set(it.ids)
    assert it.tags["figure"] == it.tags["figcaption"] == it.tags["details"] == len(names)
    assert it.tags["svg"] == len(names)
    labelled = [value for name, value in it.attributes if name == "aria-labelledby"]
    assert set(labelled) <= set(it.ids)  # each picture says what it shows
    assert len(labelled) == len(names) + 1
    assert it.tags["h1"] == 1
    scopes = [value for name, value in it.attributes if name == "scope"]
    assert len(scopes) == it.tags["th"]
    assert set(scopes) == {"col", "row"}


def test_a_page_needs_nothing_outside_it_and_no_script(page):
    it = Page(page)
    assert not {"script", "link", "iframe", "object", "embed", "img", "base", "form"} & set(it.tags)
    assert not re.search(r"(?i)https?:|//|@import|javascript:", page)
    for name, value in it.attributes:
        assert not name.startswith("on")
        if name in {"href", "xlink:href", "src"}:
            assert value[1:] in it.ids
    assert all(target in it.ids for target in re.findall(r"url\(#([^)]+)\)", page))


def test_identifiers_are_unique(page):
    assert [name for name, count in Counter(Page(page).ids).items() if count > 1] == []


def test_the_colours_are_those_of_two_palettes(page):
    style, body = page.split("</style>")
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style
    assert not re.search(r"#[0-9a-f]{6}\b", body)
    assert set(re.findall(r"var\(--([a-z]+)\)", page)) <= set(re.findall(r"--([a-z]+):", style))


def test_a_page_is_the_same_each_time(page, score):
    assert html(score, title="validation.npy") == page


def test_a_page_has_the_numbers_of_the_score(page, score):
    it = Page(page)
    for value in (score.loss, score.perplexity, score.brier, score.ece, score.mce):
        assert number(value) in {cell.split()[0] for cell in it.cells if cell}
    low, high = score.loss_interval
    assert f"95 %: {number(low, high)} to {number(high)}" in it.text
    for one in score.reliability:
        assert (f"{one.lo:.3f} to {one.hi:.3f}" in it.cells) == (one.count > 0)
    worst = score.worst[0]
    at = it.cells.index(number(worst.loss))
    assert it.cells[at - 4 : at - 2] == [str(worst.row), str(worst.label)]
    assert "top_k: (1, 5)" in it.text
    assert f"lastlayer {ll.__version__}" in it.text


def test_names_are_text_and_never_markup():
    logits, labels = predictions(20, 2)
    hostile = ll.Score().update(logits, labels, source=HOSTILE)
    hostile.update(logits, labels, source="[red]other[/red].npy")
    text = html(hostile, title=HOSTILE + "y" * 1_000_000)
    it = Page(text)
    assert it.tags["script"] == 0
    assert "<script>alert" in it.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\udc80-\udcff]", text)
    assert r"\x1b[31m\x00\u202e\nname\udcff" in it.text.replace("&", "")
    assert len(text) < 300_000
    text.encode()
    shown = printed(Screen(hostile, HOSTILE))
    assert "\x1b" not in shown
    assert "[red]other[/red].npy, " in shown


@pytest.mark.parametrize("classes", [2, 1000])
def test_few_and_many_classes(classes):
    logits, labels = predictions(3 * classes, classes)
    it = Page(html(ll.score(logits, labels), title="many"))
    assert it.tags["figure"] == 5
    assert ("The 30 most confused of 1,000 classes" in it.text) == (classes == 1000)
    assert ("the 30 of" in it.text) == (classes == 1000)


def test_one_class_leaves_nothing_to_confuse():
    it = Page(html(ll.score(np.zeros((5, 1), np.float32), np.zeros(5, np.int64)), title="one"))
    assert {"reliability", "losses"} <= set(it.ids)
    assert "confusion" not in it.ids
    assert "5 rows with a loss of exactly 0" in it.text


def test_no_rows():
    it = Page(html(ll.Score(), title="none"))
    assert "0 rows of 0 classes" in it.text
    assert "There are no rows." in it.text
    assert not re.search(r"(?i)\bnan\b", it.text)
    assert "0 rows" in printed(Screen(ll.Score(), "none"))


def test_infinite_losses():
    logits, labels = predictions(50, 3)
    logits[7, labels[7]] = -np.inf
    score = ll.score(logits, labels)
    it = Page(html(score, title="infinite"))
    assert "1 row with an infinite loss" in it.text
    assert "∞" in it.cells
    assert score.worst[0].row == 7
    assert "∞" in printed(Screen(score, "infinite"))


# --------------------------------------------------------------------------- what is shown of it


def test_rows_are_numbered_within_their_file_where_there_are_several():
    logits, labels = predictions(6, 3)
    one = ll.Score(worst=2).update(logits, labels, source="a.npy")
    first = one.worst[0].row
    assert view.places(one.worst, 20)[0] == str(first)
    two = ll.Score(worst=12).update(logits, labels, source="a.npy")
    two.update(logits, labels, source="b.npy")
    assert view.places(two.worst, 20)[:2] == [f"a.npy, {first}", f"b.npy, {first}"]


def test_the_most_confused_classes_are_those_of_the_most_frequent_confusions():
    labels = np.repeat(np.arange(100), 10)
    predicted = labels.copy()
    for k in range(12):  # class 8k is taken for 8k + 3, more often for larger k
        predicted[labels == 8 * k] = np.where(np.arange(10) < 10 - k // 2, 8 * k, 8 * k + 3)
    predicted[labels == 96] = 99
    score = ll.score(8 * np.eye(100, dtype=np.float32)[predicted], labels)
    which = pictures.most_confused(score.confusion, 100)
    assert len(which) <= 30
    assert {96, 99, 88, 91} <= set(which.tolist())
    np.testing.assert_array_equal(which, np.unique(which))
    matrix = pictures.among(score, which)
    place = which.tolist().index
    assert matrix[place(96), place(99)] == 10
    assert matrix[place(88), place(88)] == np.sum((labels == 88) & (predicted == 88))


def test_beyond_a_matrix_the_counts_come_from_the_pairs():
    classes = 1200
    labels = np.repeat([3, 1100], [6, 4])
    predicted = np.array([3, 3, 3, 1100, 1100, 7, 1100, 1100, 1100, 3])
    score = ll.score(9 * np.eye(classes, dtype=np.float32)[predicted], labels)
    assert score.confusion.matrix is None
    which = pictures.most_confused(score.confusion, classes)
    np.testing.assert_array_equal(which, [3, 7, 1100])
    np.testing.assert_array_equal(pictures.among(score, which), [[3, 1, 2], [0, 0, 0], [1, 0, 3]])


def test_wilson_is_the_interval_of_scipy():
    from scipy.stats import binomtest

    for right, total in ((0, 1), (3, 7), (433, 450), (10, 10)):
        low, high = binomtest(right, total).proportion_ci(method="wilson")
        assert view.wilson(right / total, total) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.99996, "1.000"), (9.9996, "10.00"), (999.96, "1,000"), (-0.5, "−0.5000"), (math.nan, "–")],
)
def test_numbers_have_four_digits(value, text):
    assert number(value) == text


def test_a_share_is_100_per_cent_only_where_all_are_right():
    assert [percent(x) for x in (1, 0.99999, 0, 1e-7)] == ["100 %", ">99.99 %", "0 %", "<0.01 %"]


def test_a_name_is_one_line_whatever_it_is():
    for name in (HOSTILE, "x" * 10**6, HOSTILE * 10**4):
        text = clean(name)
        assert len(text) <= 80
        assert text.isprintable()
    assert clean("a" * 80) == "a" * 80


# --------------------------------------------------------------------------- the terminal


def printed(what, width: int = 80, **options) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, **options).print(what)
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 160])
def test_the_terminal_shows_it_all_within_the_width(score, width):
    text = printed(Screen(score, "validation.npy"), width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text  # no terminal, no colour
    assert "…" not in text
    for word in ("nats", "Perplexity", "ECE", "95 % interval", "Calibration", "Temperature 1.250",
                 "Classes with the largest loss", "Worst rows", "█"):  # fmt: skip
        assert word in text
    assert number(score.loss) in text
    assert f"{score.worst[0].loss:.3f}" in text
    beside = [line for line in text.splitlines() if "Loss" in line and "confidence" in line]
    assert bool(beside) == (width == 160)


def test_a_terminal_has_few_bins_however_many_were_asked_for():
    fine = ll.score(*predictions(300, 3), bins=1000)
    lines = printed(Screen(fine, "x")).splitlines()
    assert sum(bool(re.match(r"\d\.\d\d to \d\.\d\d ", line)) for line in lines) <= 20
    joined = view.coarse(fine.reliability, 20)
    assert sum(it.count for it in joined) == 300
    means = [sum(it.count * getattr(it, key) for it in joined) / 300
             for key in ("confidence", "accuracy")]  # fmt: skip
    assert means == pytest.approx([fine.confidence, fine.accuracy], rel=1e-6)


def test_colours_are_left_out_where_they_are_not_wanted(score, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    options = {"force_terminal": True, "color_system": "standard"}
    coloured = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
    assert coloured.search(printed(Screen(score, "x"), **options))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured.search(printed(Screen(score, "x"), **options))


def test_a_terminal_without_blocks_gets_plain_letters(score):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    Console(file=stream, width=80).print(Screen(score, "x"))
    stream.flush()
    text = stream.buffer.getvalue().decode()
    assert "####" in text
    assert "?" not in text


def test_a_row_without_a_source_is_named_by_its_number_over_all():
    bad = np.full((1, 2), np.nan)
    score = ll.Score(allow_nan=True)
    score.update(np.zeros((3, 2)), [0, 1, 0]).update(bad, [0])
    score.update(bad, [0], source="b.npy")
    assert view.places(score.nan_rows, 40) == ["3", "b.npy, 0"]


def test_rows_that_gave_nan_are_named_on_page_and_screen():
    logits, labels = predictions(60, 3)
    logits[2], logits[9::5] = np.nan, np.inf
    one = ll.score(logits, labels, allow_nan=True)
    two = ll.Score(allow_nan=True).update(logits[:9], labels[:9], source="[b]\x1b.npy")
    two.update(logits[9:10], labels[9:10], source="<b>.npy")
    both = compare(["a", "b"], [one, ll.score(logits, labels, allow_nan=True)])
    assert "NaN in rows 2; 9; 14; 19; 24; 29; 34; 39; and 4 more." in " ".join(
        printed(Screen(one, "x")).split()
    )
    assert "NaN in rows [b]\\x1b.npy, 2; <b>.npy, 0." in printed(Screen(two, "x"))
    assert "a: NaN in rows 2; 9;" in printed(ComparisonScreen(both), 160)
    assert "NaN in rows 2; 9; 14; 19; 24; 29; 34; 39; 44; 49; 54; 59." in html(one, title="x")
    assert "NaN in rows [b]\\x1b.npy, 2; &lt;b&gt;.npy, 0." in html(two, title="x")
    assert "b: NaN in rows 2; 9;" in comparing.html(both, title="x")
    assert "NaN in row " not in html(ll.score(*predictions(9, 3)), title="x")


def test_a_hostile_name_does_not_reach_the_terminal():
    text = printed(Screen(ll.Score(), "a\x1b]0;owned\x07[red]b[/red]\r\n"))
    assert "\x1b" not in text
    assert r"a\x1b]0;owned\x07[red]b[/red]\r\n" in text


def test_bars_end_where_they_should():
    for width in (8, 24):
        for eighths in range(8 * width + 1):
            drawn = bar(eighths / (8 * width), 1.0, width)
            assert len(drawn) == width
            assert drawn.count("█") == min(eighths // 8, width - 1)


# --------------------------------------------------------------------------- comparison


@pytest.fixture(scope="module")
def compared():
    logits, labels = predictions(500, 3)
    noise = np.random.default_rng(1).normal(size=logits.shape).astype(np.float32)
    several = [logits, logits + noise, logits]
    return several, labels, compare(["a", "b", "a again"], [ll.score(x, labels) for x in several])


def test_differences_are_those_of_the_rows(compared):
    """Up to 2048 rows a block is a row, and the interval is the plain paired bootstrap."""
    from lastlayer.scoring.interval import draws

    several, labels, it = compared
    losses = [ll.cross_entropy(x, labels, reduction="none").astype(float) for x in several]
    right = [x.argmax(axis=1) == labels for x in several]
    drawn = np.concatenate(list(draws(len(labels))))
    for which, found in enumerate(it.differences, 1):
        loss = losses[which] - losses[0]
        hits = right[which].astype(float) - right[0]
        assert found.loss == pytest.approx(loss.mean(), rel=1e-9, abs=1e-15)
        assert found.accuracy == pytest.approx(hits.mean(), abs=1e-12)
        for paired, interval in ((loss, found.loss_interval), (hits, found.accuracy_interval)):
            wanted = np.quantile(paired[drawn].mean(axis=1), [0.025, 0.975])
            np.testing.assert_allclose(interval, wanted, rtol=1e-7, atol=1e-9)
    assert it.differences[1].loss == 0
    assert it.differences[1].loss_interval == (0, 0)


def test_paired_intervals_are_narrower_than_those_of_each_by_itself(compared):
    _, _, it = compared
    low, high = it.differences[0].loss_interval
    widths = [end - start for start, end in (s.loss_interval for s in it.scores[:2])]
    assert high - low < sum(widths)
    assert low < it.differences[0].loss < high


def test_more_rows_than_blocks_fall_into_the_same_blocks_however_they_come():
    logits, labels = predictions(5000, 3)
    other = logits + 0.3
    other[:, 0] -= 0.5
    at_once = [ll.score(x, labels) for x in (logits, other)]
    in_parts = ll.Score()
    for start in range(0, 5000, 777):
        in_parts.update(other[start : start + 777], labels[start : start + 777])
    first = compare("ab", at_once).differences[0]
    assert compare("ab", [at_once[0], in_parts]).differences[0] == first
    losses = [ll.cross_entropy(x, labels, reduction="none").mean() for x in (logits, other)]
    assert first.loss == pytest.approx(losses[1] - losses[0], rel=1e-5)
    low, high = first.loss_interval
    assert low < first.loss < high


def test_infinite_losses_have_no_interval():
    logits, labels = predictions(30, 3)
    other = logits.copy()
    other[3, labels[3]] = -np.inf
    it = compare(["a", "b"], [ll.score(logits, labels), ll.score(other, labels)])
    assert it.differences[0].loss == math.inf
    assert np.isnan(it.differences[0].loss_interval).all()
    assert np.isfinite(it.differences[0].accuracy_interval).all()
    assert "takes finite losses" in printed(ComparisonScreen(it))
    Page(comparing.html(it, title="x"))


@pytest.mark.parametrize(
    ("rows", "classes", "message"),
    [(9, 3, "b has 9 rows of 3 classes, a 10 of 3"), (10, 4, "b has 10 rows of 4"),
     (10, 3, "same rows with the same labels")],
)  # fmt: skip
def test_other_rows_are_not_compared(rows, classes, message):
    first = ll.score(np.zeros((10, 3)), np.zeros(10, np.int64))
    other = ll.score(np.zeros((rows, classes)), np.ones(rows, np.int64))
    with pytest.raises(ValueError, match=message):
        compare(["a", "b"], [first, other])


def test_a_comparison_takes_two():
    with pytest.raises(ValueError, match="two or more"):
        compare(["a"], [ll.Score()])
    with pytest.raises(ValueError, match="1 names and 2 scores"):
        compare(["a"], [ll.Score(), ll.Score()])


def test_a_comparison_as_a_page_and_in_the_terminal(compared):
    _, _, it = compared
    text = comparing.html(it, title=HOSTILE)
    page = Page(text)
    assert page.tags["script"] == 0
    assert page.tags["figure"] == page.tags["svg"] == 2
    assert not re.search(r"(?i)https?:|//", text)
    assert "b: a higher loss than a" in page.text
    assert "a again: no difference in loss from a" in page.text
    for width in (80, 160):
        shown = printed(ComparisonScreen(it), width)
        assert max(map(len, shown.splitlines())) <= width
        assert "…" not in shown
        assert "3 predictions of 500 rows of 3 classes" in shown
        assert f"+{number(it.differences[0].loss)}" in shown


def test_numbers_of_a_comparison_are_never_cut(compared):
    _, _, it = compared
    apart = replace(it.differences[0], loss=-5.728e-06, loss_interval=(-1.485e-05, -4.198e-06))
    it = replace(it, names=("a" * 30, "b" * 30, "c" * 30), differences=(apart, apart))
    shown = printed(ComparisonScreen(it), 80)
    assert shown.count("−1.485e-05 to −4.198e-06") == 2
    assert max(map(len, shown.splitlines())) <= 80


def test_names_that_are_cut_to_the_same_still_differ(compared):
    _, _, it = compared
    names = [f"{'long ' * 20}{k}{' name' * 20}" for k in range(2)]
    shown = printed(ComparisonScreen(compare(names, it.scores[:2])))
    assert "1. long" in shown
    assert "2. long" in shown


def test_more_predictions_than_colours():
    logits, labels = predictions(60, 3)
    names = [f"run {i}" for i in range(7)]
    it = compare(names, [ll.score((1 + i) * logits, labels) for i in range(7)])
    assert Page(comparing.html(it, title="seven")).text.count("run 6") >= 4
