"""The house keeps its own rules: floors, public names, documents, and tests that can fail."""

from __future__ import annotations

import ast
import inspect
import math
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import test_exactness
from frontends import FRONT_ENDS

import lastlayer as ll
import lastlayer.torch as front_end

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "lastlayer"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --------------------------------------------------------------------------- floors

# From the ground up. Parts of one floor do not import each other.
FLOORS = [
    {"large_arrays", "files"},
    {"contract"},
    {"labels", "reduction"},
    {"problem"},
    {"reference"},
    {"kernels"},
    {"functional", "distribution"},
    {"lastlayer"},  # the public names: what `import lastlayer` gives
    {"torch", "jax", "sklearn"},
    {"scoring", "learning", "bench"},
    {"cli"},
    {"__main__"},
]
FLOOR = {part: number for number, floor in enumerate(FLOORS) for part in floor}
FRONT_END_FLOOR = FLOOR["torch"]

# The public names that a floor above the rest provides, loaded when they are first asked for.
LENT = {("lastlayer", "learning"), ("lastlayer", "scoring")}


def part_of(module: str) -> str:
    """The part of the house to which a module of the package belongs."""
    names = module.split(".")
    return names[1] if len(names) > 1 else names[0]


def module_of(path: Path) -> str:
    names = ["lastlayer", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def imported(path: Path, source: str) -> Iterator[str]:
    """What a file imports from the package, wherever in it: in functions and relatively too."""
    inside = module_of(path).split(".")
    if path.name != "__init__.py":
        inside.pop()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module, names, level):
                start = inside[: len(inside) - level + 1] if level else []
                origin = ".".join([*start, *filter(None, [module])])
                for alias in names:  # from lastlayer import: a part, or a public name
                    part = origin == "lastlayer" and alias.name in FLOOR
                    yield f"lastlayer.{alias.name}" if part else origin
            case ast.Call(ast.Name("import_module") | ast.Attribute(_, "import_module"), arguments):
                yield from (a.value for a in arguments if isinstance(a, ast.Constant))


def upward(path: Path, source: str) -> list[str]:
    """The imports of a file that do not run downward."""
    here = part_of(module_of(path))
    wrong = []
    for module in imported(path, source):
        if module.split(".")[0] != "lastlayer" or part_of(module) == here:
            continue
        there = part_of(module)
        skips = FLOOR[there] == FRONT_END_FLOOR and FLOOR[here] != FRONT_END_FLOOR + 1
        if (FLOOR[there] >= FLOOR[here] or skips) and (here, there) not in LENT:
            wrong.append(module)
    return wrong


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_run_downward_only(path):
    assert part_of(module_of(path)) in FLOOR, "a new part of the house needs a floor"
    assert upward(path, path.read_text()) == []


@pytest.mark.parametrize(
    ("file", "source", "wrong"),
    [
        ("contract.py", "def f():\n    from lastlayer import kernels", ["lastlayer.kernels"]),
        ("kernels/wide.py", "import lastlayer.functional as f", ["lastlayer.functional"]),
        ("kernels/wide.py", "from ..cli.demo import x", ["lastlayer.cli.demo"]),
        ("kernels/wide.py", "from .. import functional", ["lastlayer.functional"]),
        ("functional/a.py", "from lastlayer.torch import x", ["lastlayer.torch"]),
        ("functional/a.py", "from lastlayer import softmax", ["lastlayer"]),
        ("cli/demo.py", "import lastlayer.torch", ["lastlayer.torch"]),
        ("learning/a.py", "from lastlayer.bench import b", ["lastlayer.bench"]),
        ("kernels/a.py", "import_module('lastlayer.learning.b')", ["lastlayer.learning.b"]),
        ("kernels/a.py", "from .b import c\nfrom lastlayer.contract import d\nimport numpy", []),
        ("__init__.py", "from .functional import softmax", []),
        ("learning/a.py", "import lastlayer.torch\nfrom lastlayer import softmax", []),
    ],
)
def test_an_import_that_runs_upward_is_found(file, source, wrong):
    assert upward(PACKAGE / file, source) == wrong


def modules_after(code: str) -> set[str]:
    asked = (
        f"import numpy, sys; before = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    )
    return set(subprocess.check_output([sys.executable, "-c", asked], text=True).split())


def test_importing_costs_numpy_and_no_more():
    roots = {name.partition(".")[0] for name in modules_after("import lastlayer")}
    assert "lastlayer" in roots
    assert roots - sys.stdlib_module_names - {"numpy"} == {"lastlayer"}


def test_a_call_loads_numba_and_none_of_the_other_packages():
    loaded = modules_after("import lastlayer as ll; ll.cross_entropy([[0.0, 1.0]], [0])")
    assert "numba" in loaded
    assert not loaded & {"torch", "matplotlib", "sklearn", "click", "rich", "ml_dtypes"}


# --------------------------------------------------------------------------- public names

API = (ROOT / "docs" / "api.md").read_text()


def documented(package: str) -> dict[str, str]:
    """The names of a package that the document has, and their signatures there."""
    entry = rf"^### `{package}\.([\w.]+)`\n\n(?:```python\n(.*?)```)?"
    return dict(re.findall(entry, API, re.MULTILINE | re.DOTALL))


DOCUMENTED = documented("ll")
IN_TORCH = documented("lastlayer\\.torch")


def public(name: str) -> object:
    found: object = ll
    for part in name.split("."):
        found = getattr(found, part)
    return found


FUNCTIONS = [name for name in DOCUMENTED if inspect.isfunction(public(name))]


def signature(name: str) -> str:
    """As written in a document: without annotations."""
    full = inspect.signature(public(name))
    bare = [p.replace(annotation=p.empty) for p in full.parameters.values()]
    text = str(full.replace(parameters=bare, return_annotation=full.empty))
    return text.replace(str(math.e), "math.e").replace("'", '"')


def test_the_public_names_are_those_that_the_documents_list():
    inside = [f"distribution.{name}" for name in ll.distribution.__all__]
    assert sorted(DOCUMENTED) == sorted([*ll.__all__, *inside])
    assert list(ll.__all__) == sorted(ll.__all__)
    assert set(ll.__all__) <= set(dir(ll))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_documents_have_the_signature(name):
    assert " ".join(DOCUMENTED[name].split()) == f"ll.{name}{signature(name)}"


def test_the_names_of_the_pytorch_front_end_are_those_that_the_documents_list():
    assert sorted(IN_TORCH) == sorted(front_end.__all__)
    assert list(front_end.__all__) == sorted(front_end.__all__)


@pytest.mark.parametrize("name", sorted(set(front_end.__all__) - {"LabelError"}))
def test_the_pytorch_front_end_is_described_whole(name):
    found = getattr(front_end, name)
    bare = [p.replace(annotation=p.empty) for p in inspect.signature(found).parameters.values()]
    text = str(inspect.Signature(bare)).replace("'", '"')
    written = " ".join(IN_TORCH[name].split()).replace("( ", "(").replace(" )", ")")
    assert written == f"lastlayer.torch.{name}{text}"
    described = inspect.cleandoc(found.__doc__)
    parts = {"Parameters", "Examples"}
    if inspect.isfunction(found):
        parts |= {"Returns", "Raises", "References"}
    assert all(f"\n{part}\n---" in described for part in parts)
    assert ">>> " in described
    words = set(re.findall(r"\w+", described))
    assert set(inspect.signature(found).parameters) <= words


def test_cross_entropy_has_the_signature_of_the_design():
    shared = (
        "logits, labels, *, axis=-1, class_weight=None, sample_weight=None, ignore_index=-100, "
        "label_smoothing=0.0, z_loss=0.0, softcap=None, temperature=1.0, base=math.e, "
        'reduction="mean", divisor=None, empty="nan"'
    )
    assert signature("cross_entropy") == f"({shared})"
    assert signature("cross_entropy_with_grad").startswith(f"({shared}, out=None")
    assert signature("distribution.cross_entropy") == (
        '(p, q, *, axis=-1, base=math.e, form="categorical")'
    )


def sections(name: str) -> dict[str, str]:
    """A docstring's numpydoc sections."""
    text = inspect.cleandoc(public(name).__doc__ or "")
    parts = re.split(r"^(\w+)\n-+\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_described_whole(name):
    found = sections(name)
    wanted = {"Parameters", "Returns", "Raises", "Examples"}
    if not inspect.signature(public(name)).parameters:
        wanted.remove("Parameters")
    assert wanted <= set(found)
    assert ">>> " in found["Examples"]
    # a gradient's formula is derived from its loss, and has that one's sources
    if name.endswith("num_threads"):  # no formula
        return
    assert "References" in found or (
        name.endswith("_with_grad") and "References" in sections(name.removesuffix("_with_grad"))
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_described(name):
    """In a list of names before a colon, or alone on its line where another function has it."""
    if not inspect.signature(public(name)).parameters:
        return
    described = " ".join(
        line.partition(" :")[0]
        for line in sections(name)["Parameters"].splitlines()
        if line and not line.startswith(" ")
    )
    words = set(re.findall(r"\w+", described))
    assert set(inspect.signature(public(name)).parameters) <= words


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'cross_entropie'"):
        _ = ll.cross_entropie


# --------------------------------------------------------------------------- files

LINES = 300
LONGER = {
    "contract.py": "one place for everything that is accepted and refused",
}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_says_what_it_is_for_and_is_not_long(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert text.count("\n") <= LINES or path.relative_to(PACKAGE).as_posix() in LONGER


def texts() -> list[Path]:
    """All that is written by hand, and not what tools leave behind."""
    kinds = {".md", ".py", ".toml", ".cfg", ".yml", ".yaml", ".txt", ".sh", ".html", ".css", ".js"}
    places = ["src", "tests", "docs", "benchmarks", ".ci", ".github"]
    found = [p for place in places for p in (ROOT / place).rglob("*")] + list(ROOT.glob("*"))
    return sorted(p for p in found if p.is_file() and (p.suffix in kinds or p.parent.name == ".ci"))


@pytest.mark.parametrize("path", texts(), ids=name_of)
def test_a_text_names_no_host_of_packages_no_home_folder_and_nothing_left_to_do(path):
    """Where packages come from is the business of whoever installs them."""
    text = path.read_text(encoding="utf-8")
    assert not re.findall(
        r"\b(?:py[p]i\.|pythonh[o]sted|anac[o]nda\.|--(?:extra-)?ind[e]x-url)", text
    )
    assert not re.findall(r"(?<![\w.~])/(?:h[o]me|r[o]ot|U[s]ers)/", text)
    assert not re.findall(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b", text)


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == ll.__version__


def test_the_first_two_commands_of_the_readme_are_what_is_run_for_every_change():
    blocks = re.findall(
        r"```(?:sh|bash|console)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    commands = [line for block in blocks for line in block.splitlines() if line.strip()]
    assert commands[:2] == [
        "python -m pip install '.[cli]' && lastlayer demo",
        "python -m pip install -e '.[test]' && python -m pytest",
    ]
    run = ROOT / ".ci" / "run"
    lines = run.read_text().splitlines()
    wanted = commands[1].split(" && ")
    assert [line for line in lines if line in wanted] == wanted
    assert {"ruff check .", "ruff format --check .", "mypy", "set -euo pipefail"} <= set(lines)
    assert run.stat().st_mode & 0o111


# --------------------------------------------------------------------------- tests that can fail


def right(logits, labels, **options):
    return ll.cross_entropy_with_grad(logits, labels, **options)


def naive(logits, labels, **options):
    """log(softmax) as it is usually written."""
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    hot = np.eye(logits.shape[-1], dtype=logits.dtype)[np.asarray(labels)]
    with np.errstate(divide="ignore"):
        return -np.log(p[np.arange(len(p)), labels]), p - hot


def less_the_label(logits, labels, **options):
    """logsumexp − x_y: right for small logits, 0 for a large lead."""
    loss = ll.logsumexp(logits) - logits[np.arange(len(logits)), labels]
    return loss, ll.cross_entropy_with_grad(logits, labels, **options)[1]


def collapsed(logits, labels, **options):
    """p_y − 1 for the label's own entry."""
    loss, gradient = ll.cross_entropy_with_grad(logits, labels, **options)
    rows = np.arange(len(gradient))
    gradient[rows, labels] = ll.softmax(logits)[rows, labels] - 1
    return loss, gradient


def nearly(logits, labels, **options):
    """Wrong in the fifth digit."""
    loss, gradient = ll.cross_entropy_with_grad(logits, labels, **options)
    return loss * np.float32(1 + 2e-5), gradient


MUTANTS = [
    (naive, "a confident row"),
    (naive, "a lead of 80"),
    (less_the_label, "a confident row"),
    (collapsed, "a confident row"),
    (nearly, "ten classes"),
]


def compare(monkeypatch, implementation, case):
    """The comparison that every front-end passes, on an implementation of this file."""
    monkeypatch.setitem(FRONT_ENDS, "mutant", implementation)
    with np.errstate(over="ignore", invalid="ignore"):
        test_exactness.test_losses_and_gradients_are_within_the_bounds("mutant", case, "float32")


@pytest.mark.parametrize(("mutant", "case"), MUTANTS)
def test_the_comparison_with_exact_arithmetic_finds_what_is_wrong(monkeypatch, mutant, case):
    compare(monkeypatch, right, case)
    with pytest.raises(AssertionError):
        compare(monkeypatch, mutant, case)
