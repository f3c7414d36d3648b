"""Where the examples lie: the numbers are the same, and what does not lie on the device is fetched in good time."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from runner.core import device as devices
from runner.core.parts import Batch, OnDevice, OnDisk, OnHost, Part
from runner.job import start
from runner.run import prepare
from runner.screen.base import Silent
from runner.store.folder import read_rows
from runner.train import batches
from tests.lanes.sides import composed

X = torch.arange(60.0, dtype=torch.float64).reshape(20, 3)
Y = torch.arange(20)
CPU = torch.device("cpu")
WAIT_S = 60.0  # for a thread on a busy machine


def everywhere() -> dict[str, Part]:
    return {
        "on the device": OnDevice(X, Y, at_once=8),
        "in memory": OnHost(X, Y, 8, CPU),
        "on the disk": OnDisk(lambda numbers: X[numbers], Y, (3,), 8),
    }


@pytest.mark.parametrize("where", everywhere())
def test_the_examples_are_the_same_wherever_they_lie(where: str) -> None:
    part = everywhere()[where]
    assert (len(part), part.shape) == (20, (3,))
    numbers = torch.tensor([5, 0, 5])
    assert [each.tolist() for each in part.rows(numbers)] == [X[numbers].tolist(), [5, 0, 5]]
    wanted = torch.split(torch.randperm(20), 6)
    for rows, (x, y) in zip(wanted, part.fetched(wanted), strict=True):
        assert (x.tolist(), y.tolist()) == (X[rows].tolist(), rows.tolist())
    assert list(part.fetched([])) == []
    for skip in range(5):
        sizes = [len(y) for _, y in part.consecutive(6, skip)]
        assert sizes == [6, 6, 6, 2][skip:]
        assert torch.cat([x for x, _ in part.consecutive(6, skip)] or [X[:0]]).tolist() == X[6 * skip :].tolist()


class Slow(Part):
    """Notes which rows it is asked for, and in which thread; the last ones cannot be had."""

    def __init__(self, on_device: bool = False) -> None:
        self.y, self.shape, self.at_once = Y, (3,), 8
        self.on_device = on_device  # type: ignore[misc]
        self.begun = [threading.Event() for _ in range(4)]
        self.threads: list[str] = []

    def rows(self, numbers: Tensor) -> Batch:
        self.begun[int(numbers[0])].set()
        self.threads.append(threading.current_thread().name)
        if int(numbers[0]) == 3:
            raise OSError("the disk is gone")
        return X[numbers], Y[numbers]


def one_by_one() -> list[Tensor]:
    return [torch.tensor([number]) for number in range(4)]


def test_the_next_are_fetched_while_some_are_worked_on_and_not_those_after_the_next() -> None:
    part = Slow()
    coming = part.fetched(one_by_one())
    next(coming)
    assert part.begun[1].wait(WAIT_S)
    assert not part.begun[2].wait(0.2)
    coming.close()
    assert all(name.startswith("fetch") for name in part.threads)
    assert not any(thread.name.startswith("fetch") for thread in threading.enumerate())


def test_what_lies_on_the_device_is_not_fetched() -> None:
    part = Slow(on_device=True)
    coming = part.fetched(one_by_one())
    next(coming)
    assert not part.begun[1].is_set()
    assert part.threads == [threading.current_thread().name]


def test_an_error_comes_at_the_place_of_the_rows_that_could_not_be_fetched() -> None:
    coming = Slow().fetched(one_by_one())
    assert [int(next(coming)[1]) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(coming)


def test_half_of_what_is_free_on_a_gpu_is_for_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 4000))
    gpu = torch.device("cuda", 0)
    assert [devices.fits(size, gpu) for size in (0, 500, 501)] == [True, True, False]
    assert devices.fits(10**15, CPU)


def test_a_run_whose_device_has_no_room_trains_on_the_same_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = composed("dataset=digits", "architecture=convnet", "epochs=2", "stop=epochs")
    asked: list[int] = []

    def full(size: int, device: torch.device) -> bool:
        asked.append(size)
        return False

    there = prepare(run)
    start(run, tmp_path / "there", "optrun", Silent(), pictures=False)
    with monkeypatch.context() as patch:
        patch.setattr(devices, "fits", full)
        here = prepare(run)
        start(run, tmp_path / "here", "optrun", Silent(), pictures=False)
    assert asked[0] == sum(m.x.nbytes for m in (there.train, there.validation, there.test) if isinstance(m, OnDevice))
    assert isinstance(here.train, OnHost)
    assert here.train.at_once == 2**24 // (8 * 64)
    for one, other in zip(batches(run, there.train, 1, 3), batches(run, here.train, 1, 3), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    losses = [[row["val_loss"] for row in read_rows(tmp_path / name / "metrics.csv")] for name in ("there", "here")]
    # gathered in other portions they may lie at other addresses, where products round otherwise
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)


def test_a_part_is_asked_for_its_rows_in_one_thread_at_a_time() -> None:
    busy, most, lock = [0], [0], threading.Lock()

    def read(numbers: Tensor) -> Tensor:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        found = X[numbers]
        with lock:
            busy[0] -= 1
        return found

    part: Any = OnDisk(read, Y, (3,), 8)
    assert len(list(part.fetched(one_by_one() * 10))) == 40
    assert most == [1]
