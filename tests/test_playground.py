"""The playground: its page, and in a browser its arithmetic, its controls and how it is read."""

from __future__ import annotations

import json
import math
import re
from string import Formatter

import numpy as np
import pytest
from browser import choose, find, number, numbers, start, type_into
from click.testing import CliRunner
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import lastlayer as ll
from lastlayer.cli import explain as cli
from lastlayer.learning import playground

FOLDER = next(iter(playground.__path__))
BASES = {"e": math.e, "2": 2.0, "10": 10.0}
TEN = "1.2,-0.4,3.1,0.2,-2.2,0.7,2.9,-1.5,0.1,-0.8"


def run(*arguments):
    return CliRunner().invoke(cli.command, list(map(str, arguments)))


def text(name):
    with open(f"{FOLDER}/{name}", encoding="utf-8") as file:
        return file.read()


def data_of(page):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


# --------------------------------------------------------------------------- the file


def test_the_command_writes_one_page_that_fetches_nothing(tmp_path):
    path = tmp_path / "page.html"
    result = run("--logits", "2,1,0.1;0,3,1", "--labels", "0,1", "--base", 2, "--html", path)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Written: {path} (open it in a browser)\n"
    assert list(tmp_path.iterdir()) == [path]
    page = path.read_text(encoding="utf-8")
    assert all(text(name).strip() in page for name in (*playground.SCRIPTS, "style.css"))
    assert "default-src 'none'" in page
    assert not re.findall(r"https?:|//[a-z]+\.|\bsrc=|@import|url\(|fetch\(|XMLHttp", page)
    data = data_of(page)
    assert (data["lang"], data["base"], data["rate"], data["more"]) == ("en", "2", 1.0, 0)
    assert data["rows"] == [
        {"number": 0, "logits": [2, 1, 0.1], "label": [1, 0, 0]},
        {"number": 1, "logits": [0, 3, 1], "label": [0, 1, 0]},
    ]


def test_it_begins_as_explain_does(tmp_path):
    path = tmp_path / "page.html"
    assert run("--html", path, "--lang", "zh", "--learning-rate", 0.5).exit_code == 0
    page = path.read_text(encoding="utf-8")
    data = data_of(page)
    assert (data["lang"], data["base"], data["rate"]) == ("zh", "10", 0.5)
    assert '<html lang="zh-Hans">' in page
    assert data["rows"][0]["logits"] == np.log([0.5, 0.2, 0.3]).tolist()
    run("--html", path, "--probabilities")
    assert data_of(path.read_text(encoding="utf-8"))["rows"] == data["rows"]


def test_rows_that_do_not_count_are_left_out_and_many_are_counted():
    labels = np.zeros(70, np.int64)
    labels[0] = -100
    data = data_of(playground.page(ll.explain(np.zeros((70, 3)), labels)))
    assert [row["number"] for row in data["rows"]] == list(range(1, 51))
    assert data["more"] == 20


BAD = {
    "11 classes": (["--logits", ",".join("0" * 11), "--labels", "0"], "these logits have 11"),
    "1 class": (["--logits", "0;1", "--labels", "0;0"], "these logits have 1"),
    "masked": (["--logits", "0,1;0,-inf", "--labels", "0;0"], "row 1 has the logit -inf"),
    "no row": (["--logits", "0,1", "--labels", "-100"], "a row with a label that counts"),
    "weights": (["--logits", "0,1", "--labels", "0.5,0.1"], "row 0 sums to 0.6"),
    "bad label": (["--logits", "0,1", "--labels", "2"], "2"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_the_page_cannot_show_is_one_line_and_no_file(name, tmp_path):
    arguments, said = BAD[name]
    result = run(*arguments, "--html", tmp_path / "page.html")
    assert result.exit_code == 2
    error = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(error) == 1
    assert said in error[0]
    assert not list(tmp_path.iterdir())


def test_another_base_is_refused():
    with pytest.raises(ValueError, match=r"base = 3: the playground has the bases e, 2 and 10"):
        playground.page(ll.explain([[0.0, 1.0]], [0], base=3))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("none/page.html", "there is no folder 'none'"),
        ("", "an empty name is no file"),
        (".", "a directory"),
    ],
)
def test_a_page_that_cannot_be_written_is_one_line(path, said, tmp_path):
    result = run("--html", path and tmp_path / path)
    assert result.exit_code == 2
    assert said in result.stderr.replace(f"{tmp_path}/", "")
    assert not result.stdout


def test_both_languages_have_the_same_words():
    def places(words):
        return {
            key: sorted(name for _, name, _, _ in Formatter().parse(value) if name)
            for key, value in words.items()
        }

    en, zh = playground.WORDS["en"], playground.WORDS["zh"]
    assert places(en) == places(zh)
    own = set(playground.words_en.WORDS)
    assert own == set(playground.words_zh.WORDS)
    everything = "".join(map(text, (*playground.SCRIPTS, "page.html")))
    asked = re.findall(r'\b(?:t|word|slider)\("([\w.-]+)"|data-a="([\w.-]+)"', everything)
    assert {key for keys in asked for key in keys if key} <= set(en)
    used = set(re.findall(r"[\w.-]+", everything))
    composed = {"losses.title", "descend.by-cross-entropy", "descend.by-quadratic"}
    steps = {key for key in own if key.endswith((".title", ".why"))}
    neuron = {"neuron.output", "neuron.cost"}
    assert own - used - composed - steps - neuron == set()


# --------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def driver():
    driver = start()
    yield driver
    driver.quit()


@pytest.fixture
def opened(driver, tmp_path):
    """Opens a page and afterwards sees that it has complained of nothing and fetched nothing."""

    def open_page(*arguments, width=1280, dark=False, still=True):
        path = tmp_path / "page.html"
        result = run(*arguments, "--html", path)
        assert result.exit_code == 0, result.output
        command = driver.execute_cdp_cmd
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        command("Emulation.setDeviceMetricsOverride", size)
        media = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if still else "no-preference",
        }
        features = [{"name": name, "value": value} for name, value in media.items()]
        command("Emulation.setEmulatedMedia", {"features": features})
        driver.get(path.as_uri())
        return driver

    yield open_page
    assert driver.get_log("browser") == []
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0


def logit(j, kind="number"):
    return f".class:nth-child({j + 1}) .z input[type={kind}]"


def share(j, kind="number"):
    return f".class:nth-child({j + 1}) .share input[type={kind}]"


def line(i):
    return f"#classes .g .line:nth-of-type({i}) data"


def agree(found, expected, **options):
    np.testing.assert_allclose(found, expected, **{"rtol": 1e-12, "atol": 0, **options})


def check(driver, logits, labels, temperature=1.0, base=math.e):
    """Everything that stands on the page, against the library."""
    z = np.array([logits], dtype=np.float64)
    t = np.asarray(labels, dtype=np.float64)
    # where a soft label is nearly met, p − t has lost digits to the subtraction
    slack = {"atol": 0 if t.max() == 1 else 1e-16}
    options = {"temperature": temperature, "base": base}
    loss, gradient = ll.cross_entropy_with_grad(z, t[None], **options)
    cost, slope = ll.quadratic_cost_with_grad(z / temperature, t[None], activation="softmax")
    slope = slope / temperature
    p = ll.softmax(z / temperature)[0]
    agree(number(driver, "#cross-entropy .cost"), loss)
    agree(number(driver, "#quadratic .cost"), cost, **slack)
    agree(numbers(driver, ".cell.p data"), p)
    agree(numbers(driver, line(1)), gradient[0], **slack)
    agree(numbers(driver, line(2)), slope[0], **slack)
    agree(number(driver, "#cross-entropy .gradient"), np.linalg.norm(gradient), **slack)
    agree(number(driver, "#quadratic .gradient"), np.linalg.norm(slope), **slack)
    step = '[data-step="{}"] .values data'.format
    shifted = (z[0] - z.max()) / temperature
    agree(numbers(driver, step("logits")), z[0])
    agree(numbers(driver, step("shifted")), shifted)
    agree(numbers(driver, step("exponentials")), np.exp(shifted))
    agree(numbers(driver, step("probabilities")), p)
    logs = ll.log_softmax(z / temperature)[0] / math.log(base)
    agree(numbers(driver, step("logs")), logs)
    agree(numbers(driver, step("picked")), t)
    agree(numbers(driver, step("gradient")), gradient[0], **slack)
    agree(numbers(driver, step("quadratic")), p - t, atol=1e-15)
    agree(numbers(driver, step("quadratic-gradient")), slope[0], **slack)
    worked = '[data-step="{}"] .worked data'.format
    agree(number(driver, worked("maximum")), z.max())
    assert (
        numbers(driver, worked("exponentials"))[1] == 1 + numbers(driver, worked("exponentials"))[0]
    )
    agree(number(driver, worked("picked")), -loss)
    agree(number(driver, worked("losses")), loss)
    agree(number(driver, worked("quadratic")), cost, **slack)
    rate = float(find(driver, "#rate input[type=number]").get_attribute("title"))
    after = z - rate * gradient
    agree(numbers(driver, step("step")), after[0], atol=1e-15)
    agree(
        numbers(driver, worked("step"))[1], ll.cross_entropy(after, t[None], **options), rtol=1e-11
    )
    return gradient[0], slope[0]


def cases():
    """Rows with their targets, temperature and base: drawn, and those that break formulas."""
    generator = np.random.default_rng(5)
    drawn = []
    for _ in range(300):
        classes = int(generator.integers(2, 11))
        z = generator.normal(scale=generator.choice([0.1, 3, 30]), size=classes)
        t = np.eye(classes)[generator.integers(classes)]
        if generator.random() < 0.5:
            t = generator.dirichlet(np.full(classes, 0.5))
            t = np.where(generator.random(classes) < 0.3, 0.0, t)
            t = t / t.sum() if t.sum() else np.eye(classes)[0]
        drawn.append((z, t, generator.choice([0.25, 0.7, 1, 3]), generator.choice([math.e, 2, 10])))
    for lead in (0, 17, 20, 37, 80, 700, 800):
        for y in range(3):
            z = np.array([lead, 0.0, -1.5]) + generator.choice([0, 1e3, -1e8])
            drawn.append((z, np.eye(3)[y], 1.0, math.e))
        drawn.append((np.array([lead, 0.0, 1.0]), np.array([0.5, 0.5, 0.0]), 2.0, 2.0))
        drawn.append((np.array([lead, 0.0, 1.0]), np.array([0.0, 0.25, 0.75]), 1.0, 10.0))
        drawn.append((np.array([lead, lead, 0.0]), np.array([0.0, 1.0, 0.0]), 1.0, math.e))
    drawn.append((np.zeros(10), np.eye(10)[9], 1.0, 2.0))
    drawn.append((np.array([2.0, 0, 1]) + 1e8, np.eye(3)[1], 0.7, math.e))  # an offset and T
    return [tuple(np.asarray(part).tolist() for part in case) for case in drawn]


def test_the_arithmetic_is_the_librarys(driver):
    """By itself, without the page: what a script of the page computes for many rows."""
    driver.get("about:blank")
    script = (
        text("arithmetic.js")
        + """
    return JSON.stringify(JSON.parse(arguments[0]).map(([z, t, temperature, base]) => {
      const parts = softmaxParts(z, temperature);
      const e = crossEntropy(parts, t, base), q = quadraticCost(parts, t);
      return [e.cost, e.gradient, q.cost, q.gradient, parts.p, parts.beside];
    }))"""
    )
    rows = cases()
    found = json.loads(driver.execute_script(script, json.dumps(rows)))
    assert len(found) == len(rows) > 300
    for (z, t, temperature, base), row in zip(rows, found, strict=True):
        logits, targets = np.array([z]), np.array([t])
        options = {"temperature": temperature, "base": base}
        loss, gradient = ll.cross_entropy_with_grad(logits, targets, **options)
        small = (logits - logits.max()) / temperature  # a difference, and then no offset to round
        cost, slope = ll.quadratic_cost_with_grad(small, targets, activation="softmax")
        slack = {"atol": 1e-300 if max(t) == 1 else 1e-15}
        agree(row[0], loss, atol=1e-300)
        agree(row[1], gradient[0], **slack)
        agree(row[2], cost, **slack)
        agree(row[3], slope[0] / temperature, **slack)
        agree(row[4], ll.softmax(small)[0], atol=1e-300)
        agree(row[5], 1 - ll.softmax(small)[0], atol=1e-15)


def test_a_confident_row_has_a_loss_and_a_gradient(opened):
    page = opened("--logits", "20,0,1,2", "--labels", "0")
    check(page, [20, 0, 1, 2], [1, 0, 0, 0])
    assert number(page, "#cross-entropy .cost") == pytest.approx(2.2893929542622445e-08, rel=1e-13)
    assert find(page, "#cross-entropy .cost").text == "2.29×10−8"
    assert find(page, ".cell.p data").text == "1−2.3×10−8"
    notes = [note.text for note in page.find_elements(By.CSS_SELECTOR, ".note")]
    assert notes[0].startswith(
        "Note: In class 0, p rounds to 1 in float32, and its log would be 0."
    )
    assert "Computed from p − 1 in float32 it would be 0" in notes[1]
    type_into(page, logit(0), 80)
    check(page, [80, 0, 1, 2], [1, 0, 0, 0])
    type_into(page, logit(0), -700)
    check(page, [-700, 0, 1, 2], [1, 0, 0, 0])


def test_everything_follows_what_is_moved(opened):
    page = opened("--logits", "2,1,0.1;4,-3,0.5", "--labels", "0;1")
    z, t = [2, 1, 0.1], [1, 0, 0]
    check(page, z, t)
    for key, value in (
        (Keys.ARROW_RIGHT, 2.1),
        (Keys.ARROW_LEFT, 2.0),
        (Keys.HOME, -5),
        (Keys.END, 5),
    ):
        find(page, logit(0, "range")).send_keys(key)
        z[0] = number(page, logit(0, "range"))
        assert z[0] == pytest.approx(value, abs=0.051)
        check(page, z, t)
    slider = find(page, logit(1, "range"))
    ActionChains(page).click_and_hold(slider).move_by_offset(40, 0).release().perform()
    z[1] = number(page, logit(1, "range"))
    assert 0 < z[1] < 5
    check(page, z, t)
    type_into(page, logit(2), "-1.25")
    z[2] = -1.25
    check(page, z, t)
    find(page, ".class:nth-child(3) .t > input").click()
    check(page, z, [0, 0, 1])
    for unit, base in BASES.items():
        choose(page, "base", unit)
        check(page, z, [0, 0, 1], base=base)
    type_into(page, "#temperature input[type=number]", 2.5)
    check(page, z, [0, 0, 1], 2.5, 10.0)
    find(page, "#temperature input[type=range]").send_keys(Keys.ARROW_LEFT)
    check(page, z, [0, 0, 1], 2.4, 10.0)
    find(page, "#rows select").send_keys(Keys.ARROW_DOWN)
    check(page, [4, -3, 0.5], [0, 1, 0], 2.4, 10.0)


def test_what_is_no_number_changes_nothing(opened):
    page = opened("--logits", "2,1,0.1", "--labels", "0")
    for selector, wrong in ((logit(0), ""), ("#temperature input[type=number]", "-1")):
        field = find(page, selector)
        before = field.get_attribute("value")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(wrong or Keys.DELETE)
        assert field.get_attribute("aria-invalid") == "true"
        check(page, [2, 1, 0.1], [1, 0, 0])
        field.send_keys(Keys.TAB)
        assert field.get_attribute("aria-invalid") == "false"
        assert field.get_attribute("value") == before


def test_a_soft_label_stays_a_distribution(opened):
    page = opened("--logits", "2,1,0.1", "--labels", "0.7,0.3,0", "--base", 2)

    def label():
        found = numbers(page, '[data-step="picked"] .values data')
        assert found.sum() == pytest.approx(1, abs=1e-15)
        assert (found >= 0).all()
        return found

    agree(label(), [0.7, 0.3, 0])
    check(page, [2, 1, 0.1], label(), base=2)
    find(page, share(0, "range")).send_keys(Keys.ARROW_LEFT)
    agree(label(), [0.69, 0.31, 0])
    type_into(page, share(2), 0.5)
    agree(label(), [0.345, 0.155, 0.5])
    check(page, [2, 1, 0.1], label(), base=2)
    find(page, share(1, "range")).send_keys(Keys.END)
    agree(label(), [0, 1, 0])
    find(page, share(1, "range")).send_keys(Keys.HOME)
    agree(label(), [0.5, 0, 0.5])
    type_into(page, share(2), 0.6)
    find(page, ".class:nth-child(1) .remove").click()
    agree(label(), [0, 1])
    choose(page, "kind", "one")
    agree(label(), [0, 1])
    check(page, [1, 0.1], label(), base=2)


def test_classes_come_and_go_between_two_and_ten(opened):
    page = opened("--logits", "1,2", "--labels", "1")
    assert not find(page, ".remove").is_enabled()
    for count in range(3, 11):
        find(page, "#add").click()
        assert len(page.find_elements(By.CSS_SELECTOR, ".class")) == count
    assert not find(page, "#add").is_enabled()
    check(page, [1, 2, *[0] * 8], np.eye(10)[1])
    find(page, ".class:nth-child(2) .remove").click()
    check(page, [1, *[0] * 8], np.eye(9)[0])


def test_a_step_goes_down_the_gradient_of_each_cost(opened):
    page = opened("--logits", "4,-3,0.5", "--labels", "1", "--learning-rate", 0.5)
    runs = {"cross-entropy": np.array([4, -3, 0.5]), "quadratic": np.array([4, -3, 0.5])}
    seen = []

    def go():
        for name, function in (
            ("cross-entropy", ll.cross_entropy_with_grad),
            ("quadratic", lambda z, y: ll.quadratic_cost_with_grad(z, y, activation="softmax")),
        ):
            runs[name] = runs[name] - 0.5 * function(runs[name][None], [1])[1][0]

    def drawn():
        return [
            len(found.get_attribute("points").split())
            for found in page.find_elements(By.CSS_SELECTOR, "#chart-cross-entropy polyline")
        ]

    assert drawn() == [1, 1]
    for steps, button in ((1, "#step"), (10, "#steps"), (10, "#steps")):
        find(page, button).click()
        for _ in range(steps):
            go()
        check(page, numbers(page, '[data-step="logits"] .values data'), [0, 1, 0])
        agree(numbers(page, '[data-step="logits"] .values data'), runs["cross-entropy"])
        seen.append(number(page, "#cross-entropy .cost"))
    assert 7 > seen[0] > seen[1] > seen[2] > 0
    assert drawn() == [22, 22]
    assert "Steps taken: 21. Cross-entropy was 7.03" in find(page, "#count").text
    choose(page, "follow", "quadratic")
    agree(numbers(page, '[data-step="logits"] .values data'), runs["quadratic"])
    assert number(page, "#cross-entropy .cost") > 6  # the quadratic cost has hardly taught it
    find(page, "#back").click()
    check(page, [4, -3, 0.5], [0, 1, 0])
    assert drawn() == [1, 1]


def test_a_step_that_is_too_long_is_noted(opened):
    page = opened("--logits", "1,0", "--labels", "0.5,0.5", "--learning-rate", 40)
    assert "The loss rose" in find(page, '[data-step="step"] .note').text


# --------------------------------------------------------------------------- one neuron


def neuron(page, kind, key):
    return number(page, f'#neuron-table [data-kind="{kind}"] .{key}')


def test_the_neuron_learns_with_cross_entropy_and_crawls_with_the_quadratic_cost(opened):
    page = opened(still=True)  # with motion reduced the end is shown at once
    assert neuron(page, "quadratic", "output") == neuron(page, "cross-entropy", "output")
    find(page, "#play").click()
    agree(neuron(page, "quadratic", "output"), 0.2028484242677765)
    agree(neuron(page, "cross-entropy", "output"), 0.012008741510817504)
    find(page, "#epoch input[type=range]").send_keys(Keys.HOME)
    z = np.array([[4.0]])
    agree(neuron(page, "cross-entropy", "cost"), ll.binary_cross_entropy(z, [[0.0]]))
    cost, slope = ll.quadratic_cost_with_grad(z, [[0.0]])
    agree(neuron(page, "quadratic", "cost"), cost)
    agree(neuron(page, "quadratic", "gradient"), slope[0, 0])
    type_into(page, "#weight input[type=number]", 0.6)
    type_into(page, "#bias input[type=number]", 0.9)
    find(page, "#epoch input[type=range]").send_keys(Keys.END)
    agree(neuron(page, "quadratic", "output"), 0.0939556949, rtol=1e-9)
    agree(neuron(page, "cross-entropy", "output"), 0.0116382090, rtol=1e-8)
    type_into(page, "#epochs input[type=number]", 20)
    type_into(page, "#neuron-rate input[type=number]", 1)
    type_into(page, "#epoch input[type=number]", 20)
    w, b = 0.6, 0.9
    for _ in range(20):
        slope = float(ll.binary_cross_entropy_with_grad([[w + b]], [[0.0]])[1][0, 0])
        w, b = w - slope, b - slope
    agree(neuron(page, "cross-entropy", "output"), 1 / (1 + math.exp(-w - b)))


def test_the_animation_plays_pauses_and_begins_anew(opened):
    page = opened(still=False)

    def epoch():
        return number(page, "#epoch input[type=range]")

    # frames come when the test gives them, and at the time that it says
    page.execute_script(
        "window.requestAnimationFrame = (frame) => { window.frame = frame; return 1; };"
        "window.cancelAnimationFrame = () => { window.frame = null; };"
        "const begun = performance.now(); performance.now = () => begun;"
    )
    later = "frame(performance.now() + 1000 * arguments[0])"
    play = find(page, "#play")
    assert (play.text, epoch()) == ("Play", 0)
    play.send_keys(Keys.SPACE)
    assert (play.text, epoch()) == ("Pause", 0)
    page.execute_script(later, 2)
    assert (play.text, epoch()) == ("Pause", 75)
    points = find(page, "#chart-output polyline").get_attribute("points").split()
    assert len(points) == 76
    play.send_keys(Keys.ENTER)
    assert (play.text, epoch()) == ("Play", 75)
    assert page.execute_script("return window.frame === null")
    play.send_keys(Keys.ENTER)
    page.execute_script(later, 2)
    assert (play.text, epoch()) == ("Pause", 150)
    page.execute_script(later, 20)
    assert (play.text, epoch()) == ("Play", 300)
    agree(neuron(page, "quadratic", "output"), 0.2028484242677765)
    play.click()
    assert (play.text, epoch()) == ("Pause", 0)
    page.execute_script(later, 1)
    find(page, "#reset").click()
    assert epoch() == 0
    assert not find(page, "#reset").is_enabled()


# --------------------------------------------------------------------------- for every reader


def test_the_keyboard_reaches_and_works_every_control(opened):
    page = opened("--logits", "2,1", "--labels", "0")
    reached = []
    for _ in range(60):
        ActionChains(page).send_keys(Keys.TAB).perform()
        name = page.execute_script(
            "const e = document.activeElement;"
            "return e.id || e.ariaLabel || e.name || (e !== document.body && e.textContent)"
        )
        if name in reached[:1] or not name:
            break
        reached.append(name)
    wanted = [
        *("English", "中文", "kind", "base", "temperature T", "the label is class 0"),
        *("logit of class 0", "logit of class 1", "add", "learning rate η", "step", "steps"),
        *("follow", "weight w", "bias b", "epochs", "play", "epoch"),
    ]
    assert [name for name in wanted if name not in reached] == []
    order = [reached.index(name) for name in ("temperature T", "logit of class 0", "step", "play")]
    assert order == sorted(order)
    find(page, "#step").send_keys(Keys.ENTER)
    assert "Steps taken: 1." in find(page, "#count").text
    find(page, "#step").send_keys(Keys.SPACE)
    assert "Steps taken: 2." in find(page, "#count").text
    find(page, ".class:nth-child(1) .t > input").send_keys(Keys.ARROW_DOWN)
    assert find(page, ".class:nth-child(2) .t > input").is_selected()
    find(page, 'input[name=base][value="e"]').send_keys(Keys.ARROW_RIGHT)
    assert find(page, "#cross-entropy .unit").text == "bits"
    find(page, "#add").send_keys(Keys.ENTER)
    assert len(page.find_elements(By.CSS_SELECTOR, ".class")) == 3


def names(page):
    """What a screen reader calls controls, pictures and groups, with their roles."""
    roles = {"slider", "spinbutton", "button", "radio", "combobox", "image", "group", "region"}
    nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    shown = [node for node in nodes if not node["ignored"] and node["role"]["value"] in roles]
    return [(node["role"]["value"], node["name"]["value"]) for node in shown]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_control_and_picture_has_a_name_and_changes_are_spoken(opened, lang):
    page = opened("--logits", "2,1", "--labels", "0.9,0.1", "--lang", lang)
    # a class has two sliders and three pictures; in place of one slider it may have a choice
    for kind, sliders, radios in (("soft", 2 * 2 + 7, 7), ("one", 2 + 7, 2 + 7)):
        choose(page, "kind", kind)
        named = names(page)
        roles = [role for role, _ in named]
        assert roles.count("image") == 2 * 3 + 5
        assert roles.count("slider") == roles.count("spinbutton") == sliders
        assert roles.count("radio") == radios
        # a title is a name too, but a number alone tells nothing
        assert [node for node in named if not re.search(r"[^\W\d]", node[1])] == []
        assert ("image", {"en": "probability 0.7311", "zh": "概率 0.7311"}[lang]) in named
    choose(page, "kind", "soft")
    type_into(page, share(0), 0.9)
    type_into(page, logit(1), 2)
    spoken = {
        "en": "Cross-entropy 0.6931 nats, quadratic cost 0.1600.",
        "zh": "交叉熵 0.6931 奈特，二次代价 0.1600。",
    }
    live = find(page, "[aria-live=polite]")
    WebDriverWait(page, 30).until(lambda _: live.get_attribute("textContent") == spoken[lang])


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_the_screen(opened, width):
    page = opened("--logits", TEN, "--labels", 6, "--base", 10, width=width)
    find(page, "#steps").click()
    for button in page.find_elements(By.CSS_SELECTOR, "[data-language]"):
        button.click()
        for kind in ("one", "soft"):
            choose(page, "kind", kind)
            assert page.execute_script("return document.documentElement.scrollWidth") <= width
    beyond = (
        "const inside = e => e.closest('.scroll, svg, .unseen');"
        "const right = e => e.getBoundingClientRect().right;"
        "return [...document.querySelectorAll('main *')]"
        ".filter(e => !inside(e) && right(e) > arguments[0] + 0.5).map(e => e.outerHTML)"
    )
    assert page.execute_script(beyond, width) == []


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(opened, dark):
    page = opened("--logits", "2,1", "--labels", 0, dark=dark)
    colours = page.execute_script(
        "const style = getComputedStyle(document.documentElement);"
        "return Object.fromEntries(['paper', 'raised', 'ink', 'faint', 'logit', 'probability',"
        " 'gradient', 'label', 'loss'].map(n => [n, style.getPropertyValue('--' + n).trim()]))"
    )

    def light(colour):
        parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    grounds = [light(colours.pop("paper")), light(colours.pop("raised"))]
    assert (max(grounds) < 0.05) == dark
    for name, colour in colours.items():
        for ground in grounds:
            low, high = sorted([ground, light(colour)])
            assert (high + 0.05) / (low + 0.05) >= 4.5, name
    assert len(set(colours.values())) == len(colours)


# What is written on the page, but for what is spoken when it changes, some time afterwards.
WRITTEN = """
const body = document.body.cloneNode(true);
body.querySelectorAll("[aria-live], [role=status], script, style").forEach((part) => part.remove());
return body.textContent;
"""


def test_the_languages_switch(opened):
    page = opened("--logits", "2,1;0,0", "--labels", "0;0")
    english, written = (
        page.execute_script("return document.body.innerText"),
        page.execute_script(WRITTEN),
    )
    assert not re.findall(r"[\u4e00-\u9fff]", english.replace("中文", ""))
    find(page, "[data-language=zh]").click()
    chinese = page.execute_script("return document.body.innerText")
    assert page.execute_script("return document.documentElement.lang") == "zh-Hans"
    assert page.title == playground.words_zh.WORDS["title"]
    known = {"English", "lastlayer", "explain", "html", "softmax", "logit", "sigmoid", "float"}
    known |= {"exp", "log", "maxj"}  # maxⱼ
    assert set(re.findall(r"[A-Za-z]{3,}", chinese)) <= known
    check(page, [2, 1], [1, 0])
    assert page.execute_script(WRITTEN) != written
    find(page, "[data-language=en]").click()
    assert page.execute_script(WRITTEN) == written
