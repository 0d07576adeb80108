"""Images from where people have them, and what is wrong with them said in a line."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lastlayer.files import FileFormatError
from lastlayer.learning.datasets import DataSet, load, load_idx
from lastlayer.learning.idx import read_idx
from lastlayer.learning.parts import split


def idx(array, code=8):
    array = np.asarray(array, np.uint8)
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.tobytes()


def random_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


# --------------------------------------------------------------------------- IDX


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read_whatever_they_are_called(tmp_path, packed):
    images, labels = random_images(6, 5, 4), [0, 1, 2, 0, 1, 2]
    for name, array in (("images", images), ("labels", labels)):
        content = idx(array)
        (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    data = load_idx(tmp_path / "images", tmp_path / "labels")
    np.testing.assert_array_equal(data.pixels, images[:, None])
    np.testing.assert_array_equal(data.labels, labels)
    assert data.labels.dtype == np.int64
    assert data.names == ("0", "1", "2")
    assert data.shape == (1, 5, 4)


IMAGES = idx(random_images(2, 3, 3))
BROKEN_IDX = {
    "empty": (b"", "no IDX file"),
    "text": (b"label,pixel\n", "no IDX file: it begins with b'labe'"),
    "floats": (idx(random_images(2, 3, 3), code=0x0D), "type 0x0d, not unsigned bytes"),
    "labels": (idx([1, 2]), "1 dimension (labels), and images have 3"),
    "four dimensions": (idx(random_images(1, 1, 3, 3)), "4 dimensions (neither"),
    "half a header": (IMAGES[:9], "ends within its header"),
    "truncated": (IMAGES[:-1], "2 x 3 x 3 = 18 bytes, and holds 17"),
    "longer": (IMAGES + b"x", "18 bytes, and holds more"),
    "absurd": (struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**32 - 1] * 3), "and holds 0"),
    "broken gzip": (b"\x1f\x8b\x08\x00 what is this", "broken gzip"),
    "cut gzip": (gzip.compress(IMAGES)[:-9], "broken gzip"),
    "wrong checksum": (gzip.compress(IMAGES)[:-8] + bytes(8), "broken gzip"),
}


@pytest.mark.parametrize("name", BROKEN_IDX)
def test_a_broken_idx_file_is_named_with_what_is_wrong(tmp_path, name):
    content, said = BROKEN_IDX[name]
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as error:
        read_idx(path, 3)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_labels_of_another_length_name_both_files(tmp_path):
    (tmp_path / "a").write_bytes(IMAGES)
    (tmp_path / "b").write_bytes(idx([1, 2, 3]))
    with pytest.raises(FileFormatError, match=r"a has 2 images, and .*b 3 labels"):
        load_idx(tmp_path / "a", tmp_path / "b")


# --------------------------------------------------------------------------- npz


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("images", "shape"),
    [
        (random_images(4, 5, 6), (1, 5, 6)),
        (random_images(4, 5, 6, 3), (3, 5, 6)),
        (random_images(4, 5, 6) / 255, (1, 5, 6)),
    ],
)
def test_an_npz_file_is_read(tmp_path, images, shape):
    data = load(npz(tmp_path / "a.npz", images=images, labels=np.array([0, 2, 1, 2], np.uint8)))
    assert data.shape == shape
    assert data.pixels.dtype == (np.uint8 if images.dtype == np.uint8 else np.float32)
    np.testing.assert_allclose(data.pixels.transpose(0, 2, 3, 1).reshape(images.shape), images)
    assert len(data.names) == 3


NAN = np.full((2, 3, 3), np.nan)
BROKEN_NPZ = {
    "names": ({"x": np.ones(2), "labels": [0, 1]}, "no array called images, but x, labels"),
    "nothing": ({}, "no array called images or labels, but none"),
    "lengths": ({"images": random_images(2, 3, 3), "labels": [0]}, "2 images, and"),
    "rows": ({"images": random_images(2, 9), "labels": [0, 1]}, "shape (2, 9) are neither"),
    "channels": ({"images": random_images(2, 3, 3, 2), "labels": [0, 1]}, "are neither (N, H, W)"),
    "no pixels": ({"images": random_images(2, 0, 3), "labels": [0, 1]}, "are neither"),
    "no images": ({"images": random_images(0, 3, 3), "labels": np.array([], int)}, "no images in"),
    "nan": ({"images": NAN, "labels": [0, 1]}, "NaN or infinite"),
    "beyond float32": (
        {"images": np.full((2, 3, 3), 1e300), "labels": [0, 1]},
        "NaN or infinite",
    ),
    "complex": ({"images": NAN.astype(complex), "labels": [0, 1]}, "complex128, not uint8"),
    "floating labels": ({"images": random_images(2, 3, 3), "labels": [0.0, 1.0]}, "float64 of"),
    "one-hot": ({"images": random_images(2, 3, 3), "labels": np.eye(2, dtype=int)}, "(2, 2)"),
    "negative": ({"images": random_images(2, 3, 3), "labels": [0, -1]}, "a label is -1"),
    "far": ({"images": random_images(2, 3, 3), "labels": [0, 10**9]}, "a label is 1000000000"),
    "objects": ({"images": np.array([None, 1]), "labels": [0, 1]}, "not an .npz file that can be"),
}


@pytest.mark.parametrize("name", BROKEN_NPZ)
def test_an_npz_file_with_something_else_in_it_is_named(tmp_path, name):
    arrays, said = BROKEN_NPZ[name]
    path = npz(tmp_path / "data.npz", **{k: np.asarray(v) for k, v in arrays.items()})
    with pytest.raises(FileFormatError) as error:
        load(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def member(shape):
    """An .npy of a few bytes whose header claims a shape."""
    file = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + bytes(9)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (member((10**12, 28, 28)), "claims 784,000,000,000,000 bytes"),
        (member((2**62, 2**62, 2**62)), "claims"),
        (b"\x93NUMPY\x07\x00", "not an .npz file"),
        (b"", "not an .npz file"),
    ],
)
def test_an_absurd_header_in_an_npz_file_is_not_believed(tmp_path, content, said):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", content)
        archive.writestr("labels.npy", content)
    with pytest.raises(FileFormatError, match=said):
        load(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_npz_file_of_any_compression_is_named(tmp_path, method):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, array in (("images", random_images(9, 9, 9)), ("labels", np.arange(9))):
            file = io.BytesIO()
            np.save(file, array)
            archive.writestr(f"{name}.npy", file.getvalue())
    assert len(load(path)) == 9
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * 40 + content[140:])
    with pytest.raises(FileFormatError, match=r"not an \.npz file that can be read"):
        load(path)


def test_members_that_are_no_arrays_are_not_taken_for_some(tmp_path):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images", b"")
        archive.writestr("labels", b"")
    with pytest.raises(FileFormatError, match="no array called images or labels, but none"):
        load(path)


def test_a_damaged_npz_file_is_named(tmp_path):
    path = npz(tmp_path / "data.npz", images=random_images(9, 9, 9), labels=np.arange(9))
    whole = path.read_bytes()
    for damaged in (b"", b"text", whole[:100], whole[:200] + bytes(50) + whole[250:]):
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=r"not an \.npz file that can be read"):
            load(path)


# --------------------------------------------------------------------------- folders


def save(path: Path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path, **options)


def test_a_folder_is_read_by_the_order_of_its_names(tmp_path):
    first, second, third = random_images(3, 5, 4)
    save(tmp_path / "dog" / "b.png", first)
    save(tmp_path / "dog" / "a.png", second)
    save(tmp_path / "cat" / "z.BMP", third)
    (tmp_path / "dog" / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden").mkdir()
    data = load(tmp_path)
    assert data.names == ("cat", "dog")
    assert data.labels.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(data.pixels[:, 0], [third, second, first])


def test_one_image_in_colour_makes_all_of_them_so(tmp_path):
    grey, colour = random_images(4, 4), random_images(4, 4, 3)
    save(tmp_path / "a" / "1.png", grey)
    save(tmp_path / "b" / "1.png", colour)
    data = load(tmp_path)
    assert data.shape == (3, 4, 4)
    np.testing.assert_array_equal(data.pixels[0], [grey] * 3)
    np.testing.assert_array_equal(data.pixels[1], colour.transpose(2, 0, 1))


def test_a_size_makes_images_alike_and_keeps_the_middle(tmp_path):
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 200
    save(tmp_path / "a" / "wide.png", wide)
    save(tmp_path / "b" / "tall.png", wide.T)
    with pytest.raises(FileFormatError, match=r"wide.png is 24 x 8 pixels and .* 8 x 24.*--size"):
        load(tmp_path)
    data = load(tmp_path, size=4)
    assert data.shape == (1, 4, 4)
    assert data.pixels[:, :, 1:3, 1:3].min() >= 200


def test_a_photograph_is_turned_as_its_camera_was(tmp_path):
    pixels = random_images(4, 6)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to see it upright
    save(tmp_path / "a" / "1.png", pixels, exif=exif)
    np.testing.assert_array_equal(load(tmp_path).pixels[0, 0], np.rot90(pixels, -1))


def broken_folder(tmp_path, name):
    save(tmp_path / "a" / "1.png", random_images(4, 4))
    if name == "empty class":
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "readme.txt").write_text("nothing here")
    elif name == "truncated":
        save(tmp_path / "b" / "2.png", random_images(40, 40))
        path = tmp_path / "b" / "2.png"
        path.write_bytes(path.read_bytes()[:300])
    elif name == "no image":
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "2.jpg").write_text("no image")
    elif name == "16 bits":
        save(tmp_path / "b" / "2.png", random_images(4, 4).astype(np.uint16))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("empty class", "class folder .*b has no images"),
        ("truncated", "2.png is not an image that can be read"),
        ("no image", "2.jpg is not an image that can be read"),
        ("16 bits", "2.png has more than 8 bits a pixel"),
    ],
)
def test_what_is_wrong_in_a_folder_is_named(tmp_path, name, said):
    broken_folder(tmp_path, name)
    with pytest.raises(FileFormatError, match=said):
        load(tmp_path)


def test_an_image_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    save(tmp_path / "a" / "1.png", random_images(40, 40))
    for most in (1000, 500):  # a warning of Pillow's, and an error
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with pytest.raises(FileFormatError, match="decompression bomb"):
            load(tmp_path)


def test_a_folder_without_classes_and_other_formats_are_named(tmp_path):
    with pytest.raises(FileFormatError, match="has no sub-folders"):
        load(tmp_path)
    path = tmp_path / "data.csv"
    path.write_text("1,2")
    with pytest.raises(FileFormatError, match=r"data.csv: an unknown format. Data is 'digits'"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.npz")
    with pytest.raises(ValueError, match="digits is no folder"):
        load("digits", size=8)


# --------------------------------------------------------------------------- parts


def data(labels, pixels=None):
    labels = np.asarray(labels)
    pixels = random_images(len(labels), 3, 2, 2) if pixels is None else pixels
    return DataSet(pixels, labels, tuple(map(str, range(labels.max() + 1))), "made up")


def test_the_parts_share_nothing_leave_nothing_out_and_keep_the_order():
    whole = data(np.arange(200) % 4)
    parts = split(whole, held_out=0.3, seed=5)
    positions = [part.positions for part in (parts.train, parts.validation, parts.test)]
    assert sorted(np.concatenate(positions)) == list(range(200))
    assert all((np.diff(p) > 0).all() for p in positions)
    assert [len(p) for p in positions] == [128, 12, 60]
    assert all(len(set(np.bincount(whole.labels[p]))) == 1 for p in positions)
    assert not np.array_equal(split(whole, seed=6).test.positions, parts.test.positions)


def test_pixels_are_scaled_by_the_training_part_alone():
    pixels = random_images(100, 3, 4, 4)
    pixels[:, 2] = 77  # a channel without anything in it
    parts = split(data(np.arange(100) % 2, pixels))
    images, labels = parts.train.batch(slice(None))
    assert images.dtype == np.float32
    np.testing.assert_array_equal(labels, parts.train.labels)
    np.testing.assert_allclose(images.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(images.std(axis=(0, 2, 3)), [1, 1, 0], atol=1e-6)
    assert abs(parts.test.batch(slice(None))[0].mean(axis=(0, 2, 3))[0]) > 1e-4


def test_too_few_images_for_three_parts_are_refused():
    with pytest.raises(ValueError, match="made up has 6 images in 3 classes: too few"):
        split(data([0, 1, 2, 0, 1, 2]))


def test_a_fingerprint_tells_data_apart():
    first, again, other = data([0, 1]), data([0, 1]), data([1, 0])
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    dots = first.pixels.copy()
    dots[0, 0, 0, 0] ^= 1
    assert data([0, 1], dots).fingerprint() != first.fingerprint()
