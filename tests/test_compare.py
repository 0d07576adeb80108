"""Both costs from one start: the classic numbers, equal conditions, and files that tell it."""

from __future__ import annotations

import gzip
import json
import math
import re
import string
import struct
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import lastlayer as ll
from lastlayer.cli import main
from lastlayer.learning.compare import fonts, words_en, words_zh
from lastlayer.learning.compare.charts import GAP, apart
from lastlayer.learning.compare.network import compare_network
from lastlayer.learning.compare.network_story import Setting, network_story
from lastlayer.learning.compare.neuron import COSTS, compare_neuron
from lastlayer.learning.compare.neuron_story import neuron_story
from lastlayer.learning.compare.page import page
from lastlayer.learning.compare.results import contents
from lastlayer.learning.datasets import load
from lastlayer.learning.demo import DivergedError
from lastlayer.learning.parts import Part, split

FILES = {"compare.html", "compare.json", "compare.png", "compare.svg"}


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["compare", *arguments])
    return end.value.code


@pytest.fixture(scope="module")
def parts():
    return split(load("digits"))


@pytest.fixture(scope="module")
def trained(parts):
    return compare_network("softmax", parts, epochs=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "made" / "by compare"
    assert run("neuron", "--out", str(out), "--quiet") == 0
    return out


# --------------------------------------------------------------------------- one neuron


@pytest.mark.parametrize(
    ("start", "quadratic", "cross", "within"),
    [
        ((2.0, 2.0), 0.2028484242677765, 0.0120087415, 5e-11),
        ((0.6, 0.9), 0.0939556949, 0.0116382090, 5e-11),
    ],
)
def test_the_classic_experiment_ends_at_its_known_outputs(start, quadratic, cross, within):
    curves = compare_neuron(*start, rate=0.15, epochs=300)
    assert curves["quadratic"].output[-1] == pytest.approx(quadratic, abs=within, rel=0)
    assert curves["cross-entropy"].output[-1] == pytest.approx(cross, abs=within, rel=0)


def test_the_longest_of_these_numbers_is_met_in_all_its_digits():
    output = compare_neuron()["quadratic"].output[-1]
    assert output == pytest.approx(0.2028484242677765, rel=1e-15)


def test_the_quadratic_cost_crawls_for_the_first_half_and_cross_entropy_does_not():
    curves = compare_neuron()
    assert curves["quadratic"].output[150] > 0.93
    assert curves["cross-entropy"].output[150] < 0.03


@pytest.mark.parametrize("start", [(2.0, 2.0), (0.6, 0.9), (-1.0, 0.5)])
def test_the_factor_is_in_one_gradient_and_missing_from_the_other(start):
    curves = compare_neuron(*start, epochs=50)
    for curve in curves.values():
        np.testing.assert_allclose(curve.derivative, curve.output * (1 - curve.output), rtol=1e-13)
    quadratic, cross = curves["quadratic"], curves["cross-entropy"]
    np.testing.assert_allclose(quadratic.gradient, quadratic.output * quadratic.derivative)
    np.testing.assert_allclose(cross.gradient, cross.output)
    np.testing.assert_allclose(quadratic.cost, quadratic.output**2 / 2)
    np.testing.assert_allclose(cross.cost, -np.log1p(-cross.output))


def test_every_epoch_is_one_step_down_the_gradient():
    for curve in compare_neuron(rate=0.7, epochs=20).values():
        np.testing.assert_allclose(np.diff(curve.weight), -0.7 * curve.gradient[:-1], rtol=1e-12)
        np.testing.assert_array_equal(curve.weight, curve.bias)  # the input is 1
        np.testing.assert_allclose(curve.output, 1 / (1 + np.exp(-2 * curve.weight)), rtol=1e-14)


def test_every_step_is_told():
    told = []
    compare_neuron(epochs=3, on_step=lambda *step: told.append(step))
    assert told == [(step, 6) for step in range(1, 7)]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("weight", math.nan),
        ("bias", math.inf),
        ("rate", math.nan),
        ("rate", 0.0),
        ("rate", -1.0),
        ("epochs", 0),
    ],
)
def test_an_option_of_the_neuron_outside_its_range_is_named(option, value):
    with pytest.raises(ValueError, match=f"{option} = {value}"):
        compare_neuron(**{option: value})


def test_a_start_beyond_the_largest_number_is_not_blamed_on_the_rate():
    with pytest.raises(ValueError, match="weight \\+ bias"):
        compare_neuron(1e308, 1e308)


def test_a_neuron_that_diverges_is_an_error_that_names_the_rate():
    with pytest.raises(DivergedError, match="cross-entropy cost: rate 1e\\+308 is too large"):
        compare_neuron(rate=1e308)


# --------------------------------------------------------------------------- one network


def test_both_costs_begin_at_the_same_network(parts):
    curves = compare_network("mlp", parts, epochs=1)
    quadratic, cross = (curves[cost] for cost in COSTS)
    for name in ("cross_entropy", "held_out_cross_entropy", "accuracy", "held_out_accuracy"):
        assert getattr(quadratic, name)[0] == getattr(cross, name)[0]
        assert getattr(quadratic, name)[1] != getattr(cross, name)[1]
    assert cross.loss == cross.cross_entropy
    assert cross.held_out_loss == cross.held_out_cross_entropy
    assert list(cross.gradient) == ["dense1", "dense2"]


def test_both_costs_see_the_same_batches_in_the_same_order(parts, monkeypatch):
    seen = []
    batch = Part.batch

    def told(part, chosen):
        if isinstance(chosen, np.ndarray):  # to train on; what is measured is a slice
            seen.append(chosen.copy())
        return batch(part, chosen)

    monkeypatch.setattr(Part, "batch", told)
    compare_network("softmax", parts, epochs=2, batch_size=400)
    assert len(seen) == 16
    first, second = (np.concatenate(half) for half in (seen[:8], seen[8:]))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[:1295], first[1295:])  # another order every epoch
    np.testing.assert_array_equal(np.sort(first[:1295]), np.arange(1295))


def test_the_first_gradients_are_those_of_the_formulas(parts, trained):
    """From weights of 0, p = 1/C: cross-entropy's error is p - t, the other's a C-th of it."""
    images, labels = parts.train.batch(slice(None))
    error = (0.1 - np.eye(10)[labels]) / len(labels)
    both = np.concatenate([images.reshape(len(labels), -1).T @ error, error.sum(axis=0)[None]])
    length = float(np.linalg.norm(both))
    assert trained["cross-entropy"].gradient["dense1"][0] == pytest.approx(length, rel=1e-5)
    assert trained["quadratic"].gradient["dense1"][0] == pytest.approx(length / 10, rel=1e-5)
    assert trained["cross-entropy"].loss[0] == pytest.approx(math.log(10), rel=1e-6)
    assert trained["quadratic"].loss[0] == pytest.approx(0.45, rel=1e-6)  # (0.81 + 9 · 0.01) / 2


def test_one_full_batch_is_one_step_down_that_gradient(parts):
    curves = compare_network("softmax", parts, epochs=1, rate=0.5, batch_size=len(parts.train))
    images, labels = parts.train.batch(slice(None))
    x = np.column_stack([images.reshape(len(labels), -1), np.ones(len(labels))])
    error = (0.1 - np.eye(10)[labels]) / len(labels)
    for cost, factor in (("cross-entropy", 1.0), ("quadratic", 0.1)):
        logits = x @ (-0.5 * factor * x.T @ error)
        loss = float(ll.cross_entropy(logits, labels))
        assert curves[cost].cross_entropy[1] == pytest.approx(loss, rel=1e-5)


def test_the_same_seed_gives_the_same_curves_and_another_one_others(parts, trained):
    assert compare_network("softmax", parts, epochs=2) == trained
    assert compare_network("softmax", parts, epochs=2, seed=1) != trained


def test_every_step_of_the_networks_is_told(parts):
    told = []
    compare_network(
        "softmax", parts, epochs=1, batch_size=500, on_step=lambda *step: told.append(step)
    )
    assert told == [(step, 6) for step in range(1, 7)]


@pytest.mark.parametrize(
    ("option", "value"), [("rate", math.nan), ("rate", 0.0), ("epochs", 0), ("batch_size", 0)]
)
def test_an_option_of_the_network_outside_its_range_is_named(parts, option, value):
    with pytest.raises(ValueError, match=f"{option} = {value}"):
        compare_network("softmax", parts, **{option: value})


@pytest.mark.parametrize(("model", "rate"), [("softmax", 1e38), ("softmax", 50.0), ("mlp", 1e38)])
def test_a_network_that_diverges_is_an_error_that_names_the_rate(parts, model, rate):
    with pytest.raises(DivergedError, match=rf"learning rate {rate:g}".replace("+", r"\+")):
        compare_network(model, parts, rate=rate, epochs=2)


# --------------------------------------------------------------------------- what is told


def fields(text: str) -> list[str]:
    return sorted({name for _, name, _, _ in string.Formatter().parse(text) if name})


def test_both_languages_say_the_same_things():
    assert list(words_zh.WORDS) == list(words_en.WORDS)
    for key, text in words_en.WORDS.items():
        assert fields(words_zh.WORDS[key]) == fields(text), key


def told(story) -> str:
    rows = [cell for row in story.summary.rows for cell in row]
    panels = [panel.described for panel in story.panels]
    return "\n".join([story.lead, *rows, *panels, *(t for s in story.sections for t in s.text)])


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("start", [(2, 2), (0.6, 0.9), (-8, -8), (500, 500), (400, -400.5)])
@pytest.mark.parametrize("epochs", [1, 40])
def test_any_neuron_has_a_story_and_pictures(lang, start, epochs):
    curves = compare_neuron(*map(float, start), epochs=epochs)
    story = neuron_story(curves, 0.15, "command", lang)
    assert not re.search(r"[{}]|\bnan\b|\binf\b", told(story))
    assert page(story, None).count(b"<svg") == 4


def test_the_story_of_the_classic_neuron_has_its_numbers():
    said = told(neuron_story(compare_neuron(), 0.15, "command", "en"))
    for number in ("0.202848", "0.012009", "17 epochs", "56.6 times", "1.77 %"):
        assert number in said


def test_a_neuron_that_is_not_sure_is_not_called_so():
    said = told(neuron_story(compare_neuron(0.6, 0.9), 0.15, "command", "en"))
    assert "is not very sure" in said
    assert "is sure and wrong" not in said


def test_a_name_in_the_data_cannot_become_markup(trained):
    setting = Setting("softmax", "<script>alert(1)</script>", 1295, 359, 10, 0.1)
    html = page(network_story(trained, setting, "a & b <i>", "en"), None).decode()
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "a &amp; b &lt;i&gt;" in html


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.used: set[str] = set()
        self.tags: set[str] = set()
        self.lang = None

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.add(tag)
        self.lang = found.get("lang", self.lang)
        self.ids += [found["id"]] if "id" in found else []
        for value in filter(None, found.values()):
            self.used.update(re.findall(r"url\(#([^)]+)\)", value))
        if (found.get("xlink:href") or "").startswith("#"):
            self.used.add(found["xlink:href"][1:])
        if tag not in {"meta", "br", "link", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_is_whole_and_needs_nothing_from_elsewhere(trained, lang):
    setting = Setting("softmax", "digits", 1295, 359, 10, 0.1)
    html = page(network_story(trained, setting, "command", lang), None).decode()
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert tags.lang == {"en": "en", "zh": "zh-Hans"}[lang]
    assert len(set(tags.ids)) == len(tags.ids)  # of all pictures together
    assert tags.used <= set(tags.ids)
    assert tags.tags.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert not re.search(r"https?:|@import|url\((?!#)", html.replace("http-equiv", ""))
    assert "var(--cross-entropy)" in html
    assert not re.search(r"(?:stroke|fill): #", html)  # dark and light choose


def test_texts_at_the_ends_of_curves_keep_apart_and_inside():
    rows = np.array([2, 2, 1, 2])
    places = apart([3.0, 4.0, 130.0, 131.0], list(rows), 136)
    assert (np.diff(places) >= GAP * (rows[1:] + rows[:-1]) / 2 - 1e-9).all()
    assert places[0] >= GAP
    assert places[-1] <= 136


# --------------------------------------------------------------------------- the command


def test_the_four_files_and_nothing_else(folder):
    assert {path.name for path in folder.iterdir()} == FILES
    assert (folder / "compare.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert b"</svg>" in (folder / "compare.svg").read_bytes()


def test_the_numbers_are_written_whole(folder):
    written = json.loads((folder / "compare.json").read_text(), parse_constant=pytest.fail)
    assert list(written["curves"]) == list(COSTS)
    for cost, curve in compare_neuron().items():
        columns = written["curves"][cost]
        assert columns.pop("epoch") == list(range(301))
        assert columns == {name: list(values) for name, values in vars(curve).items()}
    assert written["settings"] == {
        "of": "neuron", "weight": 2.0, "bias": 2.0, "rate": 0.15, "epochs": 300,
    }  # fmt: skip
    assert written["versions"]["lastlayer"] == ll.__version__


def test_the_page_names_the_command_that_makes_it_again(folder, tmp_path):
    html = (folder / "compare.html").read_text(encoding="utf-8")
    again = re.search(r"<code>lastlayer compare ([^<]+)</code>", html)[1].split()
    assert run(*again, "--out", str(tmp_path), "-q") == 0
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_the_command_on_the_page_has_every_digit_of_a_number(tmp_path):
    options = ["--weight", "0.12345678", "--bias", "-1e-07", "--rate", "0.1500001"]
    assert run("neuron", *options, "--epochs", "2", "--out", str(tmp_path), "-q") == 0
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert f"compare neuron {' '.join(options)} --epochs 2" in page


def idx(path: Path, array: np.ndarray) -> str:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))
    return str(path)


def test_a_network_on_images_of_ones_own(tmp_path, capsys):
    labels = np.arange(90) % 3
    images = np.zeros((90, 6, 6))
    images[np.arange(90), labels * 2] = 200
    out = tmp_path / "out"
    given = ["--images", idx(tmp_path / "i.gz", images), "--labels", idx(tmp_path / "l.gz", labels)]
    options = ["--model", "softmax", "--epochs", "3", "--lang", "zh", "--out", str(out)]
    assert run("network", *given, *options) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "一个网络，两种代价" in said.out
    assert {path.name for path in out.iterdir()} == FILES
    written = json.loads((out / "compare.json").read_text())
    for cost in COSTS:
        curve = written["curves"][cost]
        assert len(curve["loss"]) == len(curve["held_out_accuracy"]) == 4
        assert len(curve["gradient"]["dense1"]) == 4
        assert curve["held_out_accuracy"][-1] == 1
    assert written["settings"]["images"] == given[1]


def test_without_a_chinese_font_the_charts_are_english_and_the_command_says_so(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(fonts, "chinese_font", lambda: None)
    assert run("neuron", "--epochs", "3", "--lang", "zh", "--out", str(tmp_path)) == 0
    assert "compare.png and .svg are in English" in capsys.readouterr().out
    assert "一个神经元" in (tmp_path / "compare.html").read_text(encoding="utf-8")
    tell = partial(neuron_story, compare_neuron(epochs=3), 0.15, "command")
    files = [contents(tell, lang, None, {}, {}) for lang in ("zh", "en")]
    assert files[0]["compare.svg"] == files[1]["compare.svg"]
    assert files[0]["compare.html"] != files[1]["compare.html"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["neuron", "--rate", "1e308"], 1, "rate 1e+308 is too large"),
        (["network", "--rate", "1e30", "--model", "softmax", "--epochs", "1"], 1, "1e+30"),
        (["neuron", "--rate", "nan"], 2, "nan is not in the range"),
        (["neuron", "--epochs", "0"], 2, "0 is not in the range"),
        (["network", "--data", "nowhere.npz"], 1, "nowhere.npz"),
        (["network", "--images", __file__], 2, "--images needs --labels beside it"),
        (["network", "--labels", __file__], 2, "--labels needs --images beside it"),
        (
            ["network", "--images", __file__, "--labels", __file__, "--data", "digits"],
            2,
            "not both",
        ),
        (["network", "--images", __file__, "--labels", __file__], 2, "test_compare.py"),
        (["neurone"], 2, "No such command 'neurone'"),
    ],
)
def test_what_cannot_be_is_one_line_and_writes_nothing(tmp_path, capsys, arguments, code, said):
    out = ["--out", str(tmp_path)] if len(arguments) > 1 else []
    assert run(*arguments, *out) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_result_survives_a_run_that_fails(folder, tmp_path):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run("neuron", "--rate", "1e308", "--out", str(folder)) == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_alone_it_shows_its_help(capsys):
    assert run() == 0
    said = capsys.readouterr().out
    assert "  neuron " in said
    assert "  network " in said
