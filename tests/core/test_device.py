"""Where a run computes and with how many threads."""

from __future__ import annotations

import os

import pytest
import torch

from runner.core import device
from runner.core.errors import ConfigError


def refused(name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        device.resolve(name)
    return str(caught.value)


def test_the_processor_is_always_there() -> None:
    assert device.available()[0] == "cpu"
    assert device.resolve("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("there", "chosen"),
    [(["cpu"], "cpu"), (["cpu", "mps"], "mps"), (["cpu", "cuda:0", "cuda:1", "cuda"], "cuda")],
)
def test_auto_takes_the_preferred_device(there: list[str], chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available", lambda: there)
    assert device.resolve("auto") == torch.device(chosen)


def test_a_device_is_taken_by_its_name_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available", lambda: ["cpu", "cuda:0", "cuda:1", "cuda"])
    assert device.resolve("cuda:1") == torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("mps", "gpus", "names"),
    [
        (False, 0, ["cpu"]),
        (True, 0, ["cpu", "mps"]),
        (False, 2, ["cpu", "cuda:0", "cuda:1", "cuda"]),
    ],
)
def test_the_devices_are_those_that_torch_finds(
    mps: bool, gpus: int, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert device.available() == names


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "tpu", "CPU", "gpu", "cpu:7"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available", lambda: ["cpu"])
    assert refused(name) == (
        f"device={name} is refused\n  allowed: auto, cpu on this machine\n  do this: give device=auto"
    )


def test_the_number_of_a_gpu_beyond_the_last_is_refused_with_all_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available", lambda: ["cpu", "cuda:0", "cuda"])
    assert refused("cuda:1") == (
        "device=cuda:1 is refused\n  allowed: auto, cpu, cuda:0, cuda on this machine\n  do this: give device=auto"
    )


# A step makes 3 multiply-adds for each parameter and example; one thread for each 30 million of them.
@pytest.mark.parametrize(
    ("parameters", "batch", "threads"),
    [
        (1, 1, 1),
        (3_466, 100, 1),
        (100_000, 199, 1),  # 59.7 million
        (100_000, 200, 2),  # 60.0 million
        (1_000_000, 100, 8),  # 300 million would like 10; there are 8
        (10**9, 10**6, 8),
    ],
)
def test_threads_grow_with_the_work_of_a_step_up_to_the_cores(
    parameters: int, batch: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cores", lambda: 8)
    assert device.threads_for(parameters, batch) == threads


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind a process to processors")
def test_only_the_processors_that_this_process_may_use_count() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert device.cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert device.cores() == len(allowed)


def test_a_device_has_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.describe(torch.device("cpu")) == "cpu"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA X")
    assert device.describe(torch.device("cuda", 1)) == "cuda:1 (NVIDIA X)"
