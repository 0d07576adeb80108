"""Where other libraries give up: no cache folder, damaged files, forks, threads, shutdown.

Each case is a process of its own, over a copy of the package with a cache folder of its own that
is filled once. What a process prints is the loss in hexadecimal: the same bits every time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import lastlayer as ll

ROWS, CLASSES = 60_000, 10  # 2.4 MB, and 64 bytes a row: enough for several threads

SETUP = f"""
import os, sys
import numpy as np
import lastlayer as ll

logits = np.random.default_rng(0).normal(size=({ROWS}, {CLASSES})).astype(np.float32)
labels = np.arange({ROWS}) % {CLASSES}

def loss():
    return ll.cross_entropy(logits, labels).item().hex()

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # also where sys.stdout is gone
"""

# A kernel that compiles in a fraction of a second; `step` is compiled into it.
PROBE = """
from lastlayer.kernels.jit import kernel
from lastlayer.kernels.vecmath import step

@kernel
def probe(x):
    return x + step(x)
"""
STEP = """

@inner
def step(x):
    return {body}
"""
ASK_PROBE = """
from lastlayer.kernels.probe import probe
import numpy as np
number = np.float32(3) if {single} else np.float64(3)
print(probe(number), *(sum(c.values()) for c in (probe.stats.cache_hits, probe.stats.cache_misses)))
"""


@dataclass(frozen=True)
class Place:
    """A copy of the package, a cache folder and a home."""

    root: Path
    cache: Path

    @property
    def kernels(self) -> Path:
        return self.root / "lib" / "lastlayer" / "kernels"

    def start(self, script: str, **environment: str) -> subprocess.Popen[str]:
        path = self.root / "script.py"
        path.write_text(script)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHON"))}
        settings = {
            "PYTHONPATH": str(self.root / "lib"),
            "NUMBA_CACHE_DIR": str(self.cache),
            "LASTLAYER_NUM_THREADS": "4",
            **environment,
        }
        return subprocess.Popen(
            [sys.executable, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root,
            env={**kept, **settings},
        )

    def run(self, script: str, **environment: str) -> list[str]:
        """The lines that a script prints; it ends well and has nothing to complain about."""
        process = self.start(script, **environment)
        try:
            said, complaints = process.communicate(timeout=120)
        finally:
            process.kill()
        assert (process.returncode, complaints) == (0, "")
        return said.splitlines()

    def ask_probe(self, single: bool = False) -> tuple[float, int, int]:
        """What the probe answers to 3, and how often it was loaded and compiled for that."""
        value, hits, misses = self.run(ASK_PROBE.format(single=single))[0].split()
        return float(value), int(hits), int(misses)

    def files(self, suffix: str = "") -> list[Path]:
        """What the cache folder holds."""
        return [p for p in self.cache.rglob(f"*{suffix}") if p.is_file()]

    def with_cache(self, cache: Path, *, filled: bool = True) -> Place:
        """The same package with a cache folder of its own, a copy of this one or empty."""
        if filled:
            shutil.copytree(self.cache, cache)
        return replace(self, cache=cache)


def copied_package(root: Path) -> Path:
    shutil.copytree(
        Path(ll.__file__).parent,
        root / "lib" / "lastlayer",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return root / "lib" / "lastlayer"


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """The package with the kernel of float32 losses in its cache folder."""
    root = tmp_path_factory.mktemp("place")
    package = copied_package(root)
    here = Place(root, root / "cache")
    said = here.run(SETUP + "say(ll.__file__)\nsay(loss())")
    assert said[0] == str(package / "__init__.py")
    return here


@pytest.fixture(scope="session")
def expected(place):
    """The loss as the first process computed it, checked against NumPy in float64."""
    [said] = place.run(SETUP + "say(loss())")
    x = np.random.default_rng(0).normal(size=(ROWS, CLASSES)).astype(np.float32).astype(np.float64)
    losses = np.log(np.exp(x).sum(axis=1)) - x[np.arange(ROWS), np.arange(ROWS) % CLASSES]
    assert float.fromhex(said) == pytest.approx(losses.mean(), rel=1e-6)
    return said


@pytest.fixture(scope="session")
def probed(tmp_path_factory):
    """A package with the probe among its kernels, compiled for float64 and kept."""
    root = tmp_path_factory.mktemp("probed")
    copied_package(root)
    here = Place(root, root / "cache")
    (here.kernels / "probe.py").write_text(PROBE)
    vecmath = (here.kernels / "vecmath.py").read_text()
    (here.kernels / "vecmath.py").write_text(vecmath + STEP.format(body="x * x"))
    assert here.ask_probe() == (12, 0, 1)
    return here


# --------------------------------------------------------------------------- kept kernels


def test_a_second_process_loads_the_kernel_instead_of_compiling_it(place, expected):
    said = place.run(
        SETUP
        + "say(loss())\n"
        + "from lastlayer.kernels.narrow import loss_rows\n"
        + "stats = loss_rows.stats\n"
        + "say(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))"
    )
    assert said == [expected, "1 0"]


def test_no_folder_that_can_be_written_is_needed(probed, tmp_path):
    """Permissions do not bind root: what lies below a regular file, nobody can write."""
    shutil.copytree(
        probed.root / "lib", tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__")
    )
    wall = tmp_path / "file"
    wall.write_text("")
    nowhere = str(wall / "folder")
    own = Place(tmp_path, wall / "cache")
    (own.kernels / "__pycache__").write_text("")
    said = own.run(
        ASK_PROBE.format(single=False) + "print(probe.stats.cache_path)",
        HOME=nowhere,
        XDG_CACHE_HOME=nowhere,
        LOCALAPPDATA=nowhere,
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert said == ["12.0 0 1", "None"]


def test_a_cache_folder_deleted_between_import_and_first_call_is_made_again(probed, tmp_path):
    own = probed.with_cache(tmp_path / "cache")
    said = own.run(
        "import shutil\nimport lastlayer.kernels.probe\n"
        + f"shutil.rmtree({str(own.cache)!r})\n"
        + ASK_PROBE.format(single=False)
    )
    assert said == ["12.0 0 1"]
    assert own.files()


def test_a_cache_folder_that_becomes_a_file_is_done_without(probed, tmp_path):
    own = probed.with_cache(tmp_path / "cache")
    said = own.run(
        "import shutil\nfrom pathlib import Path\nimport lastlayer.kernels.probe\n"
        + f"shutil.rmtree({str(own.cache)!r})\nPath({str(own.cache)!r}).write_text('')\n"
        + ASK_PROBE.format(single=False)
    )
    assert said == ["12.0 0 1"]


def emptied(content: bytes) -> bytes:
    return b""


def cut_short(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def zeroed(content: bytes) -> bytes:
    return bytes(len(content))


def replaced(content: bytes) -> bytes:
    return b"not a kernel"


@pytest.mark.parametrize("damage", [emptied, cut_short, zeroed, replaced])
def test_a_damaged_file_is_compiled_anew_and_replaced(probed, tmp_path, damage):
    """Each kind of file by itself: an index, where there is one, and compiled code."""
    for suffix in sorted({path.suffix for path in probed.files()}):
        own = probed.with_cache(tmp_path / suffix[1:])
        for path in own.files(suffix):
            path.write_bytes(damage(path.read_bytes()))
        assert own.ask_probe() == (12, 0, 1), suffix
        assert own.ask_probe() == (12, 1, 0), f"{suffix}: compiled in every process from now on"


def test_two_processes_that_fill_the_cache_at_once_do_not_get_each_others_kernel(probed, tmp_path):
    """Each has seen an empty folder; the last index is of one, the last data of the other."""
    other = probed.with_cache(tmp_path / "other", filled=False)
    assert other.ask_probe(single=True) == (12, 0, 1)
    both = other.with_cache(tmp_path / "both")
    for path in probed.files(".nbc"):
        shutil.copy(path, both.cache / path.relative_to(probed.cache))
    third = "third = probe(np.float32(1 / 3))\nprint(third == float(np.float32(third)))"
    said = both.run(ASK_PROBE.format(single=True) + third)
    assert (said[0].split()[0], said[1]) == ("12.0", "True")  # in float64 it would not be exact


def test_a_change_in_a_function_that_a_kernel_calls_is_seen(probed, tmp_path):
    """Numba alone looks at the file of the kernel, and would go on with the old code."""
    changed = Place(tmp_path / "moved", probed.cache)
    shutil.copytree(probed.root, changed.root)
    own = changed.with_cache(tmp_path / "cache", filled=False)
    assert own.ask_probe() == (12, 0, 1)
    assert own.ask_probe() == (12, 1, 0)
    with (own.kernels / "narrow.py").open("a") as beside:
        beside.write("# what the probe does not import\n")
    assert own.ask_probe() == (12, 1, 0)
    before = set(own.files(".nbc"))
    source = own.kernels / "vecmath.py"
    source.write_text(source.read_text().replace("return x * x\n", "return x * x + x\n"))
    assert own.ask_probe() == (15, 0, 1)
    assert before
    assert not before & set(own.files(".nbc")), "the old code is still there, for nobody"


# --------------------------------------------------------------------------- forks

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
FORK = """
import signal, threading

def forked():
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # ends a child that waits for a lock for ever
        say(loss())
        os._exit(0 if threading.active_count() > 1 else 3)  # 3: it used no threads
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""
# Python 3.12 warns of any fork beside threads; here the child is what is tested.
QUIET = {"PYTHONWARNINGS": "ignore::DeprecationWarning"}


@needs_fork
def test_a_forked_child_computes_in_threads_of_its_own(place, expected):
    said = place.run(SETUP + FORK + "say(loss())\nsay(forked())\nsay(loss())", **QUIET)
    assert said == [expected, expected, "0", expected]


@needs_fork
def test_a_child_forked_before_the_first_call_computes(place, expected):
    said = place.run(SETUP + FORK + "say(forked())\nsay(loss())", **QUIET)
    assert said == [expected, "0", expected]


@needs_fork
def test_a_child_forked_while_other_threads_compute_computes(place, expected):
    busy = """
loss()
end = threading.Event()

def keep_busy():
    while not end.is_set():
        loss()

threads = [threading.Thread(target=keep_busy) for _ in range(2)]
for thread in threads: thread.start()
statuses = [forked() for _ in range(10)]
end.set()
for thread in threads: thread.join()
say(*statuses)
"""
    said = place.run(SETUP + FORK + busy, **QUIET)
    assert said == [expected] * 10 + [" ".join("0" * 10)]


@needs_fork
def test_a_child_forked_while_a_kernel_is_compiled_collects_garbage(place):
    """Compiling rests the collection of garbage; the thread that resumes it is not in the child."""
    meanwhile = """
import gc, threading
from numba.core.compiler import CompilerBase
from lastlayer.kernels.pipeline import Kernel

begun, end = threading.Event(), threading.Event()

def compile(self):
    begun.set()
    assert end.wait(60)

CompilerBase._compile_core = compile
compiling = threading.Thread(target=Kernel.__new__(Kernel)._compile_core)
compiling.start()
assert begun.wait(60)
say(gc.isenabled())
if (child := os.fork()) == 0:
    say(gc.isenabled())
    os._exit(0)
os.waitpid(child, 0)
say(gc.isenabled())
end.set()
compiling.join()
say(gc.isenabled())
"""
    assert place.run(SETUP + meanwhile, **QUIET) == ["False", "True", "False", "True"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_multiprocessing_compute(place, expected, method):
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    pool = f"""
def job(number):
    return loss()

if __name__ == "__main__":
    import multiprocessing
    first = loss()
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        say(first, *pool.map_async(job, range(4)).get(timeout=60))
"""
    [said] = place.run(SETUP + pool, **QUIET)
    assert said.split() == [expected] * 5


# --------------------------------------------------------------------------- threads


def test_eight_threads_that_call_first_and_at_once_get_what_one_thread_gets(place):
    """Each has data of its own, and loads the kernels together with the others."""
    [said] = place.run(
        SETUP
        + """
import threading
data = [np.roll(logits, shift, axis=1) for shift in range(8)]
found, start = [None] * 8, threading.Barrier(8)

def call(number):
    start.wait()
    found[number] = [ll.cross_entropy(data[number], labels) for _ in range(20)]

threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
os.environ["LASTLAYER_NUM_THREADS"] = "1"
alone = [ll.cross_entropy(each, labels) for each in data]
say(len(set(alone)), found == [[value] * 20 for value in alone])
"""
    )
    assert said == "8 True"


def test_no_more_threads_to_be_had_is_no_error(place, expected):
    said = place.run(
        SETUP
        + """
import threading

def refuse(thread):
    raise RuntimeError("can't start new thread")

start, threading.Thread.start = threading.Thread.start, refuse
say(loss())
threading.Thread.start = start
say(loss())
"""
    )
    assert said == [expected, expected]


# --------------------------------------------------------------------------- shutdown

AT_EXIT = "import atexit\natexit.register(lambda: say(loss()))\n"
IN_DEL = "class Late:\n    def __del__(self): say(loss())\n\nlate = Late()\n"
IN_THREAD = """
import threading

def late():
    threading.main_thread().join()
    say(loss())

threading.Thread(target=late).start()
"""


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(AT_EXIT, id="in an atexit handler"),
        pytest.param(IN_DEL, id="in __del__ of a global"),
        pytest.param(IN_THREAD, id="in a thread that outlives the main one"),
    ],
)
def test_an_interpreter_that_shuts_down_still_computes(place, expected, late):
    assert place.run(SETUP + "say(loss())\n" + late) == [expected, expected]


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(AT_EXIT, id="in an atexit handler"),
        pytest.param(IN_THREAD, id="in a thread that outlives the main one"),
    ],
)
def test_even_the_first_call_of_all_may_come_at_shutdown(place, expected, late):
    assert place.run(SETUP + late) == [expected]
