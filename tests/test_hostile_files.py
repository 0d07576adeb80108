"""Files that lie: the right result or one line that names the file, and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prediction_files import (
    CLASSES,
    FORMATS,
    LABELS,
    LOGITS,
    ROWS,
    by_its_library,
    labels_beside,
    read,
    write,
)

import lastlayer as ll
from lastlayer.cli import main
from lastlayer.scoring.readers import open_predictions

MEGABYTE = 1 << 20


def right_or_refused(path: Path, labels: Path | None) -> bool:
    """Read a file; whether it was refused. A result is what the format's own library reads."""
    said = ""
    try:
        found = read(path, labels)
    except (ll.FileFormatError, ll.LabelError) as error:
        said = str(error)
    if said:
        assert said.startswith(str(path)) or "labels" in said
        assert said.isprintable()
        return True
    wanted = by_its_library(path)
    for ours, theirs in zip(found, wanted, strict=True):
        assert np.array_equal(ours, theirs, equal_nan=True)
    return False


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_ends_at_any_byte_is_refused(tmp_path, name):
    path = tmp_path / name
    write(path)
    labels, content = labels_beside(path), path.read_bytes()
    accepted = set()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        if not right_or_refused(path, labels):
            accepted.add(length)
    ends = [at for at in range(len(content)) if name == "text.csv" and content[at] == ord("\n")]
    after_a_row = {length for end in ends[1:] for length in (end, end + 1)}
    assert accepted == after_a_row - {len(content)}


@pytest.fixture(scope="module", params=FORMATS)
def intact(request, tmp_path_factory):
    """A file of each format, its labels, and its bytes."""
    path = tmp_path_factory.mktemp("flipped") / request.param
    write(path)
    return path, labels_beside(path), path.read_bytes()


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1 << 20), st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255)
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# of columns.parquet, a column that then has another name, and what it holds
@example([(300, 0), (466, 0)])
def test_flipped_bytes_give_the_right_result_or_are_refused(intact, changes):
    path, labels, content = intact
    changed = bytearray(content)
    for place, byte in changes:
        changed[place % len(content)] = byte
    path.write_bytes(changed)
    right_or_refused(path, labels)


# --------------------------------------------------------------------------- absurd headers


def npy(
    header: str, data: bytes = b"", version: bytes = b"\1\0", length: int | None = None
) -> bytes:
    text = header.encode()
    size = struct.pack("<H" if version[0] == 1 else "<I", len(text) if length is None else length)
    return b"\x93NUMPY" + version + size + text + data


def header(shape: str = "(6, 3)", descr: str = "'<f4'", fortran: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}}}\n"


DATA = LOGITS.tobytes()
NPY = {
    "more rows than bytes": (npy(header("(7, 3)"), DATA), "calls for"),
    "fewer rows than bytes": (npy(header("(5, 3)"), DATA), "calls for"),
    "2^80 elements": (npy(header(f"({2**40}, {2**40})"), DATA), "calls for"),
    "a product of 0 modulo 2^64": (npy(header(f"({2**32}, {2**32})"), b""), "calls for"),
    "a negative length": (npy(header("(-6, -3)"), DATA), r"shape \(-6, -3\)"),
    "a length that is no number": (npy(header("(True, 18)"), DATA), r"shape \(True, 18\)"),
    "no rows": (npy(header("(0, 3)")), "has no rows"),
    "no classes": (npy(header("(6, 0)")), "has no classes"),
    "a single number": (npy(header("()"), DATA[:4]), r"shape \(\), expected \(rows, classes\)"),
    "one dimension": (npy(header("(18,)"), DATA), r"shape \(18,\), expected \(rows, classes\)"),
    "Python objects": (npy(header(descr="'|O'"), DATA), "Python objects"),
    "fields": (npy(header(descr="[('a', '<f4'), ('b', '|O')]"), DATA), "Python objects"),
    "complex numbers": (npy(header("(6, 3)", "'<c8'"), DATA + DATA), "complex64"),
    "text": (npy(header(descr="'<U1'"), DATA), "<U1"),
    "a type of 2 GB": (npy(header(descr="'|V2000000000'"), DATA), "calls for"),
    "a header of 4 GB": (npy(header(), DATA, b"\2\0", 2**32 - 1), "header of 1 to"),
    "a header that is code": (npy("__import__('os').abort()\n", DATA), "header is not one"),
    "a header of brackets": (npy("(" * 9000, DATA), "header is not one"),
    "no header": (npy("", DATA), "header of 1 to"),
    "another magic": (b"PK\3\4" + DATA, "does not begin as a .npy file"),
    "a version to come": (npy(header(), DATA, b"\4\0"), "does not begin as a .npy file"),
    "nothing": (b"", "does not begin as a .npy file"),
}  # fmt: skip


@pytest.mark.parametrize("what", NPY)
def test_an_absurd_npy_is_refused(tmp_path, what):
    content, said = NPY[what]
    (tmp_path / "x.npy").write_bytes(content)
    refused(tmp_path / "x.npy", labels_beside(tmp_path / "x.npy"), said)


def refused(path, labels, said, error=ll.FileFormatError, **options):
    """Refused in Python, and by the command in one line; in little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(error, match=said) as raised:
            score_of(path, labels, **options)
        assert tracemalloc.get_traced_memory()[1] < 40 * MEGABYTE
    finally:
        tracemalloc.stop()
    assert "\n" not in str(raised.value)
    words = [path, *([labels] if labels else [])]
    folder = Path(path).parent
    before = sorted(os.listdir(folder))
    status, out, err = command("score", *words, "--json", folder / "score.json")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert Path(path).name.isprintable() <= (Path(path).name in err or str(labels) in err)
    assert sorted(os.listdir(folder)) == before


def score_of(path, labels=None, **options):
    score = ll.Score()
    for block in open_predictions(path, labels, **options).blocks():
        score.update(block.logits, block.labels, source=block.source)
    return score


def command(*words):
    out, err = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with streams[0], streams[1], pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code, out.getvalue(), err.getvalue()


def tensors(header: object, data: bytes = DATA) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(dtype: str = "F32", shape: object = (6, 3), offsets: object = (0, 72)) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


TENSORS = {
    "a header of 2^63 bytes": (b"\xff" * 7 + b"\x7f" + DATA, "header has"),
    "a header beyond the file": (tensors({})[:8] + b"{", "header has"),
    "no JSON": (tensors(b"{'logits': 0}"), "can be read"),
    "brackets": (tensors(b"[" * 100_000), "can be read"),
    "a list": (tensors([1]), "no table"),
    "a name twice": (tensors(b'{"a":{},"a":{}}'), "twice"),
    "an end beyond the file": (tensors({"logits": tensor(shape=(7, 3), offsets=(0, 84))}), "calls"),
    "a wrong length": (tensors({"logits": tensor(offsets=(0, 71))}), "in 71 bytes"),
    "an end before the beginning": (tensors({"logits": tensor(offsets=(72, 0))}), "before it"),
    "a negative offset": (tensors({"logits": tensor(offsets=(-72, 0))}), "expected dtype"),
    "a length that is no number": (tensors({"logits": tensor(shape=(True, 3))}), "expected dtype"),
    "a gap": (tensors({"logits": tensor(offsets=(4, 76))}, b"1234" + DATA), "gaps at byte 0"),
    "bytes left over": (tensors({"logits": tensor()}, DATA + b"more"), "calls for"),
    "overlapping": (tensors({"logits": tensor(), "labels": tensor()}), "overlap"),
    "floats of eight bits": (tensors({"logits": tensor("F8_E4M3")}), "it has nothing"),
    "no logits": (tensors({"scores": tensor(), "more": tensor(offsets=(72, 144))}, 2 * DATA),
                  "it has scores, more"),
}  # fmt: skip


@pytest.mark.parametrize("what", TENSORS)
def test_an_absurd_safetensors_file_is_refused(tmp_path, what):
    content, said = TENSORS[what]
    (tmp_path / "x.safetensors").write_bytes(content)
    labels = labels_beside(tmp_path / "y.npy")
    refused(tmp_path / "x.safetensors", labels, said)


CSV = {
    "nothing": ("", "is empty"),
    "a blank header": ("\n1,2,0\n", "expected a header"),
    "no header": ("1,2,0\n", "its first line is numbers"),
    "a header alone": ("logit_0,logit_1,label\n", "has no rows"),
    "a short row": ("logit_0,logit_1,label\n1,2,0\n3,1\n", "row 1: has 2 cells, the header 3"),
    "a long row": ("logit_0,logit_1,label\n1,2,0,0\n", "row 0: has 4 cells, the header 3"),
    "a word": ("logit_0,logit_1,label\n1,2,0\n1,two,0\n", "row 1: .* a number, found 'two'"),
    "an empty cell": ("logit_0,logit_1,label\n1,,0\n", "row 0: expected a number, found ''"),
    "hexadecimal": ("logit_0,logit_1,label\n1,0x1,0\n", "found '0x1'"),
    "an open quote": ('logit_0,logit_1,label\n"1,2,0\n', "row 0: has"),
    "a NUL": ("logit_0,logit_1,label\n1,2\0,0\n", "row 0: expected a number"),
    "half a class": ("logit_0,logit_1,label\n1,2,0.5\n", "row 0: .* found 0.5"),
    "a class of 1e300": ("logit_0,logit_1,label\n1,2,1e300\n", "row 0: .* found 1e"),
    "a column twice": ("logit_0,logit_0,label\n1,2,0\n", "two columns are named 'logit_0'"),
    "columns from 1 on": ("logit_1,logit_2,label\n1,2,0\n", "numbered 1 to 2"),
    "no logits": ("a,b,label\n1,2,0\n", "expected logits named .*; it has a, b, label"),
    "no labels": ("logit_0,logit_1\n1,2\n", "has no labels"),
    "letters of no code": (b"logit_0,\xff\xfe,label\n1,2,0\n", "header of a .csv"),
    "a cell of 9 MB": ("logit_0,logit_1,label\n1," + "2" * (9 << 20) + ",0\n", "longer than"),
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True], ids=["csv", "gz"])
@pytest.mark.parametrize("what", CSV)
def test_an_absurd_csv_is_refused(tmp_path, what, packed):
    text, said = CSV[what]
    content = text if isinstance(text, bytes) else text.encode()
    path = tmp_path / ("x.csv.gz" if packed else "x.csv")
    path.write_bytes(zlib.compress(content, wbits=31) if packed else content)
    refused(path, None, said, (ll.FileFormatError, ll.LabelError))


WIDE = ",".join([*(f"logit_{k}" for k in range(3000)), "label"])
ROW = ",".join(["0"] * 3001)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ROW, ROW[:-2]], "row 1 has 3000 cells, the header 3001"),
        ([ROW, ROW + ",0"], "row 1 has 3002 cells, the header 3001"),
        ([ROW, "x" + ROW[1:]], "row 1: expected a number, found 'x'"),
        ([ROW, "0" * 200_000], "row 1 is longer than"),
        (['"' + ROW], "not a .csv"),
    ],
)
def test_an_absurd_csv_of_many_columns_is_refused(tmp_path, rows, said):
    (tmp_path / "x.csv").write_text("\n".join([WIDE, *rows]) + "\n")
    refused(tmp_path / "x.csv", None, said)


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)


LISTS = pa.list_(pa.float32())
PARQUET = {
    "a shorter list": ({"logits": pa.array([[1, 2], [1]], LISTS)}, "row 1 has 1 numbers"),
    "a null list": ({"logits": pa.array([[1, 2], None], LISTS)}, "row 1 is null"),
    "a null": ({"logits": pa.array([[1, 2], [1, None]], LISTS)}, "row 1 is null"),
    "no rows": ({"logits": pa.array([], LISTS), "label": pa.array([], pa.int64())}, "has no rows"),
    "empty lists": ({"logits": pa.array([[], []], LISTS)}, "no classes"),
    "text": ({"logits": ["a", "b"]}, "holds string"),
    "whole numbers": ({"logits": [[1, 2], [3, 4]]}, "holds int64"),
    "a null column": ({"logit_0": [1.0, None], "logit_1": [0.0, 0.0]}, "'logit_0'.: row 1 is null"),
    "null labels": ({"logit_0": [1.0, 2.0], "label": [0, None]}, "'label'.: row 1 is null"),
    "labels of text": ({"logit_0": [1.0, 2.0], "label": ["0", "1"]}, "holds string"),
}  # fmt: skip


@pytest.mark.parametrize("what", PARQUET)
def test_an_absurd_parquet_file_is_refused(tmp_path, what):
    columns, said = PARQUET[what]
    parquet(tmp_path / "x.parquet", **{"label": [0, 0], **columns})
    refused(tmp_path / "x.parquet", None, said)


def test_a_footer_of_4_gb_is_refused(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1" + b"\xff" * 20 + b"\xff\xff\xff\xffPAR1")
    refused(tmp_path / "x.parquet", labels_beside(tmp_path / "y.npy"), "footer has 4294967295")


# --------------------------------------------------------------------------- bombs


def bomb(path, count, claimed):
    """A .npz whose logits are `count` zero bytes after a header that claims a shape."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("logits.npy", "w", force_zip64=True) as member,
    ):
        member.write(npy(header(claimed)))
        for _ in range(count >> 20):
            member.write(bytes(MEGABYTE))


def test_a_zip_that_unpacks_to_more_than_its_header_says_is_not_unpacked(tmp_path):
    bomb(tmp_path / "x.npz", 200 * MEGABYTE, "(6, 3)")
    assert (tmp_path / "x.npz").stat().st_size < MEGABYTE
    refused(tmp_path / "x.npz", labels_beside(tmp_path / "y.npy"), "calls for")


def test_a_zip_that_unpacks_to_much_takes_little_memory(tmp_path):
    rows = 64 * MEGABYTE // 16
    bomb(tmp_path / "x.npz", 64 * MEGABYTE, f"({rows}, 4)")
    np.save(tmp_path / "y.npy", np.zeros(rows, np.uint8))
    tracemalloc.start()
    try:
        predictions = open_predictions(tmp_path / "x.npz", tmp_path / "y.npy")
        assert sum(len(block.logits) for block in predictions.blocks()) == rows
        assert tracemalloc.get_traced_memory()[1] < 40 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_a_zip_that_claims_more_than_deflate_can_pack_is_refused(tmp_path):
    write(tmp_path / "x.npz")
    content = bytearray((tmp_path / "x.npz").read_bytes())
    entry = content.rindex(b"PK\1\2", 0, content.index(b"labels.npy", content.index(b"PK\1\2")))
    content[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")
    (tmp_path / "x.npz").write_bytes(content)
    refused(tmp_path / "x.npz", None, "cannot be unpacked to 2147483648")


def test_a_zip_with_a_directory_of_a_megabyte_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for number in range(20):
            archive.writestr(f"{number:060000d}.npy", npy(header(), DATA))
    refused(tmp_path / "x.npz", None, "lists what it holds in more than")


def test_members_that_are_no_predictions_are_left_alone(tmp_path):
    names = np.array([{"never": "loaded"}] * ROWS, dtype=object)
    words = np.array(["a"] * ROWS)
    np.savez(
        tmp_path / "x.npz", allow_pickle=True, logits=LOGITS, label=LABELS, names=names, w=words
    )
    assert np.array_equal(read(tmp_path / "x.npz")[0], LOGITS)
    with pytest.raises(ll.FileFormatError, match="Python objects, which are never read"):
        read(tmp_path / "x.npz", logits_name="names")


# --------------------------------------------------------------------------- what is in them


@pytest.mark.parametrize("name", FORMATS)
def test_a_nan_is_an_error_with_its_row_unless_it_is_allowed(tmp_path, name):
    x = LOGITS.copy()
    x[4, 1] = np.nan
    write(tmp_path / name, x)
    labels = labels_beside(tmp_path / name)
    refused(tmp_path / name, labels, "row 4: .*NaN", ValueError)
    words = [labels] if labels else []
    status, _, _ = command(
        "score", tmp_path / name, *words, "--allow-nan", "--json", tmp_path / "score.json"
    )
    assert status == 0
    assert json.loads((tmp_path / "score.json").read_bytes())["nan"] == 1


@pytest.mark.parametrize("name", [name for name in FORMATS if ".npy" not in name])
@pytest.mark.parametrize("label", [CLASSES, -1, 2**40])
def test_a_label_out_of_range_is_an_error_with_its_row(tmp_path, name, label):
    write(tmp_path / name, LOGITS, np.where(np.arange(ROWS) == 2, label, LABELS))
    refused(tmp_path / name, None, f"row 2: .*{label}", ll.LabelError)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("count", [ROWS - 1, ROWS + 1])
def test_labels_of_another_number_are_refused(tmp_path, name, count):
    write(tmp_path / name)
    np.save(tmp_path / "y.npy", np.zeros(count, int))
    with pytest.raises(ll.FileFormatError, match=rf"y\.npy: .*{min(count, ROWS)}"):
        score_of(tmp_path / name, tmp_path / "y.npy")


def test_labels_of_each_part_fit_it(tmp_path):
    for part, rows in (("a", 4), ("b", 2)):
        np.save(tmp_path / f"x{part}.npy", LOGITS[:rows])
        np.save(tmp_path / f"y{part}.npy", LABELS[: 6 - rows])
    with pytest.raises(ll.FileFormatError, match=r"ya\.npy: has 2 labels, expected 4, the rows"):
        open_predictions(tmp_path / "x?.npy", tmp_path / "y?.npy")


def test_a_class_count_that_changes_between_files_is_refused(tmp_path):
    np.save(tmp_path / "xa.npy", LOGITS)
    np.save(tmp_path / "xb.npy", LOGITS[:, :2])
    np.save(tmp_path / "y.npy", np.zeros(2 * ROWS, int))
    with pytest.raises(ll.FileFormatError, match=r"xb\.npy: has 2 classes, expected 3 as in .*xa"):
        open_predictions(tmp_path / "x?.npy", tmp_path / "y.npy")


def test_probabilities_that_do_not_sum_to_1_are_an_error_with_the_row(tmp_path):
    (tmp_path / "x.csv").write_text("prob_0,prob_1,label\n1,0,0\n0.5,0.4,0\n")
    status, out, err = command("score", tmp_path / "x.csv", "--probabilities")
    assert (status, out) == (2, "")
    assert "row 1: " in err
    assert "0.9" in err


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "x.npy")
    refused(tmp_path / "x.npy", labels_beside(tmp_path / "y.npy"), "expected a file")


@pytest.mark.parametrize("name", ["x.txt", "x", "npy"])
def test_a_file_of_another_kind_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"logits")
    refused(tmp_path / name, labels_beside(tmp_path / "y.npy"), "expected a name that ends in")


@pytest.mark.parametrize("name", ["<b>bold<i>.npy", "\x1b[31mred\n\u202e.npy", "\udcff.npy"])
def test_a_name_with_control_characters_or_html_is_shown_escaped(tmp_path, name):
    path = tmp_path / name
    np.save(path, LOGITS)
    labels = labels_beside(tmp_path / "y.npy")
    page, out = tmp_path / "page.html", tmp_path / "score.json"
    status, said, err = command("score", path, labels, "--report", page, "--json", out)
    assert status == 0
    assert all(line.isprintable() for line in (said + err).splitlines())
    content = page.read_text("utf-8")
    assert "<b>bold" not in content
    assert "\x1b" not in content
    assert "\u202e" not in content
    path.write_bytes(b"")
    status, said, err = command("score", path, labels)
    assert (status, said) == (2, "")
    assert err[:-1].isprintable()


# --------------------------------------------------------------------------- memory

LIMITED = """
import os, re, resource, sys
from pathlib import Path
import numpy as np
from lastlayer.cli.frugal import claim_few_addresses
claim_few_addresses()
import lastlayer as ll
from lastlayer.scoring.readers import open_predictions
def score(path, labels):
    one = ll.Score()
    for block in open_predictions(path, labels).blocks():
        one.update(block.logits, block.labels, source=block.source)
        del block
    return one
small, small_labels, path, labels, headroom = sys.argv[1:]
score(small, small_labels or None)
used = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (used + int(headroom), resource.RLIM_INFINITY))
one = score(path, labels or None)
print(one.count, one.loss)
"""


def scored_within(headroom, small, small_labels, path, labels=""):
    """Score in a process that may claim so many bytes more than a small score needs."""
    words = [small, small_labels, path, labels, headroom]
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, words)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    count, loss = result.stdout.split()
    return int(count), float(loss)


needs_limits = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="RLIMIT_AS is Linux's"
)


@needs_limits
def test_logits_of_ten_times_the_memory_are_scored(tmp_path):
    rows, classes = 500_000, 1000
    with (tmp_path / "x.npy").open("wb") as file:  # all zeros, which take no place on the disk
        text = header(f"({rows}, {classes})").rstrip("\n").ljust(118) + "\n"
        file.write(npy(text.ljust(118)))
        file.truncate(file.tell() + rows * classes * 4)
    np.save(tmp_path / "y.npy", np.zeros(rows, np.int16))
    np.save(tmp_path / "small.npy", np.zeros((50_000, classes), np.float32)[:20_000])
    np.save(tmp_path / "small_y.npy", np.zeros(20_000, np.int16))
    headroom = rows * classes * 4 // 10
    small = tmp_path / "small.npy", tmp_path / "small_y.npy"
    count, loss = scored_within(headroom, *small, tmp_path / "x.npy", tmp_path / "y.npy")
    assert count == rows
    assert loss == pytest.approx(np.log(classes), rel=1e-6)


@needs_limits
def test_one_row_group_of_many_times_the_memory_is_scored(tmp_path):
    rows, classes = 320_000, 256
    schema = pa.schema([("logits", pa.list_(pa.float32(), classes)), ("label", pa.int16())])
    values = np.resize(np.random.default_rng(0).normal(size=99_991), rows * classes)
    values = values.astype(np.float32)

    def table(count):
        flat = pa.array(values[: count * classes])
        lists = pa.FixedSizeListArray.from_arrays(flat, classes)
        return pa.table([lists, pa.array(np.zeros(count, np.int16))], schema=schema)

    plain = {"use_dictionary": False, "column_encoding": "PLAIN", "write_statistics": False}
    pq.write_table(table(rows), tmp_path / "x.parquet", rows, compression="none", **plain)
    pq.write_table(table(20_000), tmp_path / "small.parquet", compression="none", **plain)
    assert pq.read_metadata(tmp_path / "x.parquet").num_row_groups == 1
    size = rows * classes * 4
    count, _ = scored_within(size // 4, tmp_path / "small.parquet", "", tmp_path / "x.parquet")
    assert count == rows


@needs_limits
def test_columns_of_one_row_group_of_many_times_the_memory_are_scored(tmp_path):
    rows, classes = 400_000, 64
    values = np.random.default_rng(0).normal(size=rows).astype(np.float32)

    def columns(count):
        logits = {f"logit_{k}": np.roll(values, k)[:count] for k in range(classes)}
        return pa.table({**logits, "label": np.zeros(count, np.int16)})

    plain = {"use_dictionary": False, "compression": "none", "data_page_size": 1 << 16}
    pq.write_table(columns(rows), tmp_path / "x.parquet", rows, **plain)
    pq.write_table(columns(60_000), tmp_path / "small.parquet", **plain)
    size = rows * classes * 4
    count, _ = scored_within(size // 4, tmp_path / "small.parquet", "", tmp_path / "x.parquet")
    assert count == rows


def test_a_footer_with_another_number_of_rows_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    write(tmp_path / "columns.parquet")
    content = (tmp_path / "columns.parquet").read_bytes()
    sixes = [at for at in range(len(content)) if content[at : at + 2] == b"\x16\x0c"]  # Thrift's 6
    said = []
    for places in combinations_with_replacement(sixes, 2):
        changed = bytearray(content)
        for at in places:
            changed[at + 1] = 0x0E  # 7
        path.write_bytes(changed)
        try:
            assert np.array_equal(read(path)[0], LOGITS)
        except ll.FileFormatError as error:
            said.append(str(error))
    assert any("has 7 rows by its footer, and 6 in its row groups" in words for words in said)
    assert any("has 6 rows, and its footer says 7" in words for words in said)
