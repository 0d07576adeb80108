"""lastlayer.torch beside PyTorch's threads: its setting, data loaders, forks, Python's threads."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
import warnings

import pytest
import torch
from torch_workers import Losses, X, Y

import lastlayer.torch as lt
from lastlayer.kernels import threads


@pytest.fixture
def expected():
    return lt.cross_entropy(X, Y)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_data_loader_workers(method, expected):
    x = X.clone().requires_grad_()
    lt.cross_entropy(x, Y).backward()  # the pool is there, and is not in a forked worker
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python's, on forks beside threads
        loader = torch.utils.data.DataLoader(
            Losses(), num_workers=2, batch_size=None, multiprocessing_context=method, timeout=60
        )
        got = list(loader)
    assert len(got) == 4
    for loss, count in got:
        torch.testing.assert_close(loss, expected)
        assert count == 1  # as PyTorch sets in its workers, so that they do not crowd each other


def test_threads_are_as_many_as_pytorchs(monkeypatch):
    monkeypatch.delenv("LASTLAYER_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            assert threads.get_num_threads() == count
    finally:
        torch.set_num_threads(before)


def test_many_python_threads_at_once():
    def gradient():
        x = X.clone().requires_grad_()
        lt.cross_entropy(x, Y).backward()
        return x.grad

    expected, found = gradient(), []
    workers = [
        threading.Thread(target=lambda: found.append([gradient() for _ in range(3)]))
        for _ in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(found) == 6
    assert all(torch.equal(g, expected) for group in found for g in group)


def test_a_fork_in_the_middle_of_training():
    x = X.clone().requires_grad_()
    loss = lt.cross_entropy(x, Y)
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        reader, writer = context.Pipe(False)
        child = context.Process(target=lambda: writer.send(lt.cross_entropy(X, Y).item()))
        child.start()
        assert reader.poll(60)
        assert reader.recv() == loss.item()
        child.join(60)
    loss.backward()
    assert x.grad is not None


def test_importing_torchs_front_end_compiles_nothing():
    code = "import lastlayer.torch, sys; print('numba' in sys.modules, 'ml_dtypes' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False"] * 2
