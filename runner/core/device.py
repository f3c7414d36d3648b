"""Where a run computes and with how many threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from runner.core.errors import ConfigError

# A second thread pays once a step has about this many multiply-adds for it; below, waking it costs more than it does,
# and on a busy machine ten times more.
MULTIPLY_ADDS_PER_THREAD = 30_000_000


def resolve(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `cuda:N` or `mps` as a device that exists here; else `ConfigError` that names those."""
    there = available()
    if name == "auto":
        return torch.device(there[-1] if there[-1] != "cpu" else "cpu")
    if name in there:
        return torch.device(name)
    raise ConfigError("device", name, allowed=f"auto, {', '.join(there)} on this machine", do="give device=auto")


def available() -> list[str]:
    """The devices of this machine by name, the preferred one last."""
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.append("mps")
    if torch.cuda.is_available():
        there += [f"cuda:{index}" for index in range(torch.cuda.device_count())] + ["cuda"]
    return there


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute by one thread what must not depend on the number of processors: several round differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_for(parameters: int, batch: int, neighbours: int = 1) -> int:
    """The number of threads for steps on `batch` examples and a network of so many parameters.

    neighbours: processes that share the machine for this run, this one among them

    A dense layer does one multiply-add for each parameter and example, in each of three products (forward, gradient of
    the weights, gradient of the inputs).

    >>> threads_for(3_466, 100)
    1
    """
    work = 3 * parameters * batch
    return max(1, min(cores() // neighbours, work // MULTIPLY_ADDS_PER_THREAD))


# Of what is free: the rest is for the network, its gradients and what is fetched.
SHARE = 0.5


def fits(size: int, device: torch.device) -> bool:
    """Whether so many bytes of examples are to lie on the device: up to half of what is free there.

    Where they come from is the memory that a processor works on, so there they lie already.
    """
    return device.type != "cuda" or size <= SHARE * free(device)


def free(device: torch.device) -> int:
    """The bytes of memory that nobody has there."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def is_here(name: str) -> bool:
    """Whether this machine has such a device: whoever submits to a cluster may have none."""
    return name == "auto" or name in available()


def describe(device: torch.device) -> str:
    """The device in words, for the header and the manifest."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
