"""Large results lie where others lay, and never where one still is."""

from __future__ import annotations

import gc
import mmap
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

import lastlayer as ll
from lastlayer import large_arrays
from lastlayer.large_arrays import LARGE, empty, empty_like, zeros

pytestmark = pytest.mark.skipif(
    not hasattr(mmap, "MADV_HUGEPAGE"), reason="the system cannot be told about pages"
)
SHAPE = 1024, LARGE // 4096


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    """What other tests have left, and these will."""
    monkeypatch.setattr(large_arrays, "_kept", [])


def place(array):
    return array.__array_interface__["data"][0]


def test_an_array_lies_where_one_lay_that_is_gone():
    first = empty(SHAPE, np.float32)
    first[:] = 1
    at = place(first)
    del first
    assert place(empty(SHAPE, np.float32)) == at


def test_an_array_does_not_lie_where_one_is_of_which_there_is_a_view():
    first = empty(SHAPE, np.float32)
    first[:] = 1
    view = first[3:5].T.view(np.int32)[::2]
    del first
    second = empty(SHAPE, np.float32)
    second[:] = 2
    assert not np.may_share_memory(view, second)
    assert (view.view(np.float32) == 1).all()


def test_every_kind_of_reference_keeps_an_array():
    for hold in (memoryview, lambda a: a.reshape(-1).data, torch.from_numpy, np.asarray, iter):
        first = empty(SHAPE, np.float32)
        first[:] = 1
        held = hold(first)
        del first
        second = empty(SHAPE, np.float32)
        second[:] = 2
        if hold is iter:
            assert (next(held) == 1).all()
        else:
            assert (np.asarray(held) == 1).all()
        del held, second
        large_arrays._kept.clear()


def test_a_smaller_array_takes_what_is_not_much_too_large():
    at = place(empty((8 * SHAPE[0], SHAPE[1]), np.float32))
    assert place(empty((4 * SHAPE[0], SHAPE[1]), np.float32)) == at
    assert place(empty(SHAPE, np.float32)) != at


def test_two_sets_of_pages_are_kept_and_no_more():
    arrays = [empty(SHAPE, np.float32) for _ in range(4)]
    del arrays
    assert len(large_arrays._kept) == 2


def test_an_array_is_like_any_other():
    made = empty((7, 11, LARGE // 77 + 1), np.float16)
    flags = made.flags
    assert (flags.writeable, flags.aligned, flags.c_contiguous) == (True, True, True)
    assert place(made) % large_arrays.PAGE == 0
    assert (made.shape, made.dtype) == ((7, 11, LARGE // 77 + 1), np.float16)
    made[:] = 3
    assert made.copy().flags.owndata
    assert type(made) is np.ndarray


@pytest.mark.parametrize("size", [0, 1, LARGE // 4 - 1])
def test_a_small_array_is_of_numpy(size):
    assert empty((size,), np.float32).flags.owndata
    assert empty_like(np.empty((size,), np.float32)).flags.owndata


@pytest.mark.parametrize(
    "like",
    [
        np.empty(SHAPE, np.float32),
        np.empty(SHAPE, np.float32, order="F"),
        np.empty((3, 5, SHAPE[0], SHAPE[1]), np.float32).transpose(0, 2, 3, 1),
        np.empty((2 * SHAPE[0], SHAPE[1]), np.float32)[::2],
        np.empty((2 * SHAPE[0], SHAPE[1]), np.float32)[::-2],
        np.empty((SHAPE[0], 2 * SHAPE[1]), np.float32)[:, ::2].T,
    ],
    ids=["C", "F", "channels last", "strided", "backwards", "strided columns"],
)
def test_an_array_is_laid_out_as_numpy_does(like):
    made, numpys = empty_like(like), np.empty_like(like, order="K")
    assert not made.flags.owndata
    assert (made.shape, made.strides, made.dtype) == (numpys.shape, numpys.strides, numpys.dtype)


def test_results_of_a_loop_lie_in_the_same_place_and_are_right():
    x = np.zeros((64, LARGE // 256), np.float32)
    labels = np.zeros(64, int)
    places = set()
    for step in range(6):
        x[:] = step
        x[:, 0] += 5
        loss, gradient = ll.cross_entropy_with_grad(x, labels)
        p = ll.softmax(x)
        if step:
            places |= {place(gradient), place(p)}
        others = np.exp(-5.0) * (x.shape[1] - 1)
        assert loss == pytest.approx(np.log1p(others), rel=5e-6)
        np.testing.assert_allclose(p[:, 0], 1 / (1 + others), rtol=8e-6)
        np.testing.assert_allclose(64 * gradient[:, 0], -others / (1 + others), rtol=8e-6)
        del gradient, p
        if step == 0:  # kernels may have been compiled, of which frames are left that hold arrays
            gc.collect()
    assert len(places) == 2


def test_threads_do_not_share_what_they_are_given():
    wrong = []

    def make(number: int) -> None:
        for _ in range(20):
            mine = empty(SHAPE, np.float32)
            mine[::64] = number
            if not (mine[::64] == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=make, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(large_arrays._kept) <= 2


def test_arrays_of_a_cycle_come_back_when_it_is_collected():
    first = empty(SHAPE, np.float32)
    at, cycle = place(first), [first]
    cycle.append(cycle)
    del first, cycle
    gc.collect()
    assert place(empty(SHAPE, np.float32)) == at


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_what_is_kept_to_itself():
    del_me = empty(SHAPE, np.float32)
    del del_me
    mine = empty(SHAPE, np.float32)
    mine[:] = 1
    at = place(mine)
    del mine
    child = os.fork()
    if child == 0:
        theirs = empty(SHAPE, np.float32)
        theirs[:] = 2
        os._exit(0 if place(theirs) == at else 1)
    again = empty(SHAPE, np.float32)
    again[:] = 1
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (again == 1).all()


def test_where_there_is_no_room_what_is_kept_is_given_up(monkeypatch):
    del_me = empty(SHAPE, np.float32)
    del del_me
    real, refused = mmap.mmap, []

    def full(*arguments, **options):
        if large_arrays._kept:
            refused.append(arguments)
            raise OSError(12, "Cannot allocate memory")
        return real(*arguments, **options)

    monkeypatch.setattr(large_arrays.mmap, "mmap", full)
    assert empty((2 * SHAPE[0], SHAPE[1]), np.float32).size == 2 * SHAPE[0] * SHAPE[1]
    assert len(refused) == 1


def test_what_is_kept_can_be_given_back():
    arrays = [empty(SHAPE, np.float32) for _ in range(2)]
    del arrays
    assert len(large_arrays._kept) == 2
    large_arrays.release()
    assert large_arrays._kept == []


def test_no_room_is_too_little_memory():
    with pytest.raises(MemoryError, match="no room for"):
        empty((1 << 60,), np.uint8)


def test_zeros_are_zeros_though_others_lay_there():
    dirty = empty(SHAPE, np.float32)
    dirty[:] = 1
    del dirty
    assert not zeros(SHAPE, np.float32).any()
    assert len(large_arrays._kept) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_without_huge_pages_numpy_makes_all_arrays(monkeypatch):
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE")
    assert empty(SHAPE, np.float32).flags.owndata
    assert empty_like(np.empty(SHAPE, np.float32, order="F")).flags.f_contiguous


@pytest.mark.parametrize("holder", ["np", "builtins", "sys", "torch", "ll"])
def test_a_result_that_outlives_its_modules_is_let_go_silently(holder):
    code = f"""
import builtins, sys, numpy as np, torch, lastlayer as ll
from lastlayer.large_arrays import LARGE, empty
{holder}.keep = empty((LARGE,), np.uint8)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
