"""The command: help that costs nothing, one line for every error, the exit status of each."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lastlayer as ll
from lastlayer.cli import EXTRA, VERBS, main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_every_verb(capsys, arguments):
    assert run(*arguments) == 0
    said = capsys.readouterr()
    assert said.err == ""
    for verb, short in VERBS.items():
        assert f"  {verb} " in said.out
        assert short in " ".join(said.out.split())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_that_begins_with_its_line_in_the_list(capsys, verb):
    assert run(verb, "--help") == 0
    usage, first, *_ = capsys.readouterr().out.split("\n\n")
    assert usage.startswith(f"Usage: lastlayer {verb} ")
    assert " ".join(first.split()) == VERBS[verb]


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"lastlayer {ll.__version__}\n"


@pytest.mark.parametrize(
    ("verb", "hint"), [("dmeo", "did you mean 'demo'?"), ("zzz", f"there are {', '.join(VERBS)}")]
)
def test_an_unknown_verb_is_answered_with_known_ones(capsys, verb, hint):
    assert run(verb) == 2
    error = capsys.readouterr().err
    assert f"no verb {verb!r}; {hint}" in error
    assert error.count("\n") == 1


def test_an_unknown_option_is_one_line(capsys):
    assert run("demo", "--lerning-rate", "1") == 2
    error = capsys.readouterr().err
    assert error.startswith("lastlayer demo: ")
    assert "--learning-rate" in error
    assert error.count("\n") == 1


def test_help_imports_no_heavy_package():
    result = python(
        "import sys\n"
        "from lastlayer.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numba', 'matplotlib', 'sklearn', 'rich', 'torch', 'scipy'}\n"
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    assert result.returncode == 0, result.stderr


NEEDED_BY = {"safetensors": ["train"]}  # the others by the demo


@pytest.mark.parametrize("package", sorted(EXTRA))
def test_a_missing_extra_is_one_line_that_says_what_to_install(package, tmp_path):
    result = python(
        f"import sys; sys.modules[{package!r}] = None\n"
        "from lastlayer.cli import main\n"
        f"main([*{NEEDED_BY.get(package, ['demo'])}, '--quiet', '--out', {str(tmp_path)!r}])"
    )
    assert result.returncode == 1
    expected = f"lastlayer: {package} is not installed: pip install 'lastlayer[cli]'\n"
    assert result.stderr == expected
    assert result.stdout == ""


def test_a_missing_package_of_another_kind_keeps_its_traceback(monkeypatch):
    def broken(arguments):
        raise ModuleNotFoundError("No module named 'numpy'", name="numpy")

    monkeypatch.setattr("lastlayer.cli._run", broken)
    with pytest.raises(ModuleNotFoundError):
        main([])


def test_the_module_is_the_command():
    result = subprocess.run(
        [sys.executable, "-m", "lastlayer", "--version"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0
    assert result.stdout == f"lastlayer {ll.__version__}\n"


def test_the_script_is_declared():
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="lastlayer")
    assert script.load() is main


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("LABELS = 'x'\nmust be a number"), "LABELS = 'x' must be a number"),
        (ValueError(), "a value that cannot be"),
        (MemoryError(), "not enough memory"),
        (OSError("Invalid data stream"), "Invalid data stream"),
    ],
)
def test_a_value_that_cannot_be_is_one_line(monkeypatch, capsys, error, said):
    def failing(arguments):
        raise error

    monkeypatch.setattr("lastlayer.cli._run", failing)
    assert run() == 1
    assert capsys.readouterr() == ("", f"lastlayer: {said}\n")


@pytest.mark.parametrize("error", [AttributeError, AssertionError, TypeError, IndexError])
def test_a_mistake_in_the_code_keeps_its_traceback(monkeypatch, error):
    def broken(arguments):
        raise error

    monkeypatch.setattr("lastlayer.cli._run", broken)
    with pytest.raises(error):
        main([])


def test_ctrl_c_is_130_without_a_traceback(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("lastlayer.cli._run", interrupted)
    assert run("demo") == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_that_leaves_is_no_error_to_read_about():
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time; from lastlayer.cli import main; time.sleep(.2); main()",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        error = process.stderr.read()
    assert process.returncode == 1
    assert error == ""


@pytest.mark.parametrize("verb", ["demo", "bench"])
def test_an_empty_folder_name_is_refused(verb, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([verb, "--out", ""])
    assert "an empty name is no folder" in capsys.readouterr().err
