"""Where the examples of a run lie: on its device, in the memory of the machine, or on the disk.

What does not lie on the device is fetched in good time: while some are worked on, a thread fetches those that come
after them. The numbers are the same wherever they lie.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]


class Part(ABC):
    """The examples of one part of the division, which come as tensors on the device: x `[n, ...]`, y `[n]`.

    y         [N], always on the device
    shape     of one input
    at_once   how many examples to ask for at a time
    on_device whether the inputs lie there, and nothing has to be fetched
    """

    y: Tensor
    shape: tuple[int, ...]
    at_once: int
    on_device: ClassVar[bool] = False

    @abstractmethod
    def rows(self, numbers: Tensor) -> Batch:
        """The examples of these numbers `[n]`, in that order."""

    def consecutive(self, size: int, skip: int = 0) -> Iterator[Batch]:
        """All examples as they lie, `size` at a time, without the first `skip` of these batches."""
        return self.fetched(torch.split(torch.arange(len(self)), size)[skip:])

    def fetched(self, wanted: Iterable[Tensor]) -> Iterator[Batch]:
        """`rows` of each; up to two of them are in memory besides the one in use."""
        if self.on_device:
            yield from map(self.rows, wanted)
            return
        with ThreadPoolExecutor(1, "fetch") as pool:
            coming: Future[Batch] | None = None
            for numbers in wanted:
                coming, ready = pool.submit(self.rows, numbers), coming
                if ready is not None:
                    yield ready.result()
            if coming is not None:
                yield coming.result()

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Inputs:
    """The inputs of a part, at most `size` at a time; can be gone through more than once."""

    part: Part
    size: int

    def __iter__(self) -> Iterator[Tensor]:
        return (x for x, _ in self.part.consecutive(min(self.size, self.part.at_once)))


@dataclass(frozen=True)
class OnDevice(Part):
    """Examples that lie on the device: x `[N, ...]`."""

    on_device = True

    x: Tensor
    y: Tensor
    at_once: int = 1 << 14  # that are put into order together: a gathering costs ten microseconds

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.x.shape[1:])

    def rows(self, numbers: Tensor) -> Batch:
        numbers = numbers.to(self.y.device)
        return self.x.index_select(0, numbers), self.y.index_select(0, numbers)

    def consecutive(self, size: int, skip: int = 0) -> Iterator[Batch]:
        # split from the first on: kernels may round differently at another alignment
        return islice(zip(torch.split(self.x, size), torch.split(self.y, size), strict=True), skip, None)


@dataclass(frozen=True)
class OnHost(Part):
    """Examples for which the device has no room: x `[N, ...]` in the memory of the machine."""

    x: Tensor
    y: Tensor
    at_once: int
    device: torch.device

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.x.shape[1:])

    def rows(self, numbers: Tensor) -> Batch:
        x = self.x.index_select(0, numbers)
        if self.device.type == "cuda":
            x = x.pin_memory()  # from there it goes over while the processor goes on
        return x.to(self.device, non_blocking=True), self.y.index_select(0, numbers.to(self.y.device))


@dataclass(frozen=True)
class OnDisk(Part):
    """Examples whose inputs are read when they are asked for.

    read  the inputs of these numbers `[n]`, on the device
    """

    read: Callable[[Tensor], Tensor]
    y: Tensor
    shape: tuple[int, ...]
    at_once: int

    def rows(self, numbers: Tensor) -> Batch:
        return self.read(numbers), self.y.index_select(0, numbers.to(self.y.device))
