"""How well a device is used: `make bench DEVICE=cuda`, or `python -m tests.bench --device cpu`.

one run       a step of Adam on batches that lie ready, against a plain loop on the same device: zero_grad, forward,
              loss, backward, step, without a look at any number, which would wait for the device; ours looks at its
              numbers, once a step. Whether it is replayed from a CUDA graph is said beside it
arithmetic    the multiplications and additions of the layers' products in a second, as a share of those in a
              product of two large matrices, measured here in the same precision
memory        what the parameters alone make the device read and write, at least: each is read forth and back, its
              gradient written, and the update reads four vectors and writes three; as a share of copying a large
              vector here
side by side  the gradient of 8 to 512 runs in one program, for each run, against the same of one
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from statistics import median

import torch
from torch import nn
from torch.nn import functional as F

from runner.core.device import describe, resolve
from runner.core.rows import Rows
from runner.optimizer.adam import Adam
from runner.run import Run, prepare
from tests.bench.step import Contest
from tests.bench.turns import Comparison, in_turns
from tests.bench.turns import table as compared

LANES = (8, 32, 128, 512)
PRODUCT, COPY = {"cpu": 1024, "cuda": 8192}, {"cpu": 1 << 26, "cuda": 1 << 30}  # rows of a matrix; bytes of a vector
TOUCHED = 10  # how often a step reads or writes a number for each parameter: 2 forth and back, 1 gradient, 7 the update


@dataclass(frozen=True)
class Size:
    """A network on digits and its mini-batches; so many steps in a turn."""

    hidden: tuple[int, ...]
    batch: int
    steps: int

    @property
    def what(self) -> str:
        return f"{'-'.join(map(str, self.widths))}, batch {self.batch}"

    @property
    def widths(self) -> tuple[int, ...]:
        return (64, *self.hidden, 10)

    @property
    def operations(self) -> int:
        """Multiplications and additions of a step: three products for each layer, two for the first."""
        layers = [2 * self.batch * prod(pair) for pair in pairwise(self.widths)]
        return 3 * sum(layers) - layers[0]


SIZES = (Size((32, 32), 100, 200), Size((1024, 1024), 1000, 20), Size((4096, 4096), 1000, 3))


class Device:
    """A device with the peaks that it shows here."""

    def __init__(self, name: str) -> None:
        self.device = resolve(name)
        kind = self.device.type
        side, length = PRODUCT[kind], COPY[kind] // 4
        a, b = (torch.randn(side, side, device=self.device) for _ in range(2))
        self.operations = 2 * side**3 / self.shortest(lambda: a @ b)
        vector, other = (torch.zeros(length, device=self.device) for _ in range(2))
        self.bytes = 2 * 4 * length / self.shortest(lambda: other.copy_(vector))

    def shortest(self, work: Callable[[], object], times: int = 10) -> float:
        """The fewest seconds that something takes."""
        return min(self.seconds(work) for _ in range(times))

    def seconds(self, work: Callable[[], object]) -> float:
        """The seconds that something takes, to its end on the device."""
        self.wait()
        begun = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - begun

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class Step:
    """Ours and theirs on one network."""

    def __init__(self, size: Size, device: Device) -> None:
        self.size, self.device = size, device
        self.run: Run = replace(Contest(size.hidden, Adam(), 1e-3, (), 1).run, device=str(device.device))
        self.m = prepare(self.run)
        self.m.settle()
        self.start = self.m.theta.clone()
        self.x, self.y = self.m.train.rows(torch.arange(size.batch))

    def ours(self) -> float:
        self.m.theta.copy_(self.start)
        memory = self.run.optimizer.start(self.m.theta, self.m.layout)

        def steps() -> None:
            for t in range(1, self.size.steps + 1):
                self.m.objective.on(self.x, self.y)
                self.run.optimizer.step(self.m.theta, memory, self.m.objective, self.run.lr, t)

        return self.device.seconds(steps) / self.size.steps

    def theirs(self) -> float:
        layers: list[nn.Module] = [
            layer for pair in pairwise(self.size.widths) for layer in (nn.Linear(*pair), nn.ReLU())
        ]
        net = nn.Sequential(*layers[:-1]).to(self.device.device)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

        def steps() -> None:
            for _ in range(self.size.steps):
                optimizer.zero_grad()
                F.cross_entropy(net(self.x), self.y).backward()
                optimizer.step()

        return self.device.seconds(steps) / self.size.steps

    def one(self) -> float:
        """Seconds of a gradient."""
        self.m.objective.on(self.x, self.y)
        return self.device.seconds(lambda: self.m.objective.value_and_grad(self.m.theta))

    def together(self, count: int) -> Callable[[], float]:
        """Seconds of a gradient for each of so many runs in one program."""
        rows = Rows([self.m.objective] * count, [self.run.loss] * count)
        theta = torch.stack([self.start] * count)
        rows.on(torch.stack([self.x] * count), torch.stack([self.y] * count), [None] * count)
        return lambda: self.device.seconds(lambda: rows.value_and_grad(theta)) / count


def tables(name: str, seconds: float) -> Iterator[str]:
    """The two tables of a device, about so many seconds for each line."""
    device = Device(name)
    steps = {size: Step(size, device) for size in SIZES}
    rows = []
    shares = []
    for size, step in steps.items():
        times = in_turns({"ours": step.ours, "theirs": step.theirs}, seconds)
        captures = step.m.objective.captures
        how = ", replayed" if captures is not None and captures.replays else ""
        rows.append(Comparison(f"{size.what}{how} : torch.optim.Adam(fused=True)", times["ours"], times["theirs"]))
        typical = median(times["ours"])
        arithmetic = size.operations / typical / device.operations
        memory = 4 * TOUCHED * step.m.layout.size / typical / device.bytes
        shares.append(f"{size.what:<32}{arithmetic:>12.1%}{memory:>10.1%}")
    peaks = f"{device.operations / 1e9:,.0f} GFLOP/s in a product, {device.bytes / 1e9:,.1f} GB/s in a copy"
    yield compared(f"One run on {describe(device.device)}, us a step", rows, unit=1e-6)
    head = f"{'shares of the peaks':<32}{'arithmetic':>12}{'memory':>10}"
    yield "\n".join([f"Measured here: {peaks}, float32", "", head, *shares])
    small = steps[SIZES[0]]
    sides = {count: small.together(count) for count in LANES}
    lines = []
    for count, side in sides.items():
        times = in_turns({"together": side, "one": small.one}, seconds)
        lines.append(Comparison(f"{count} runs : one run", times["together"], times["one"]))
    yield compared(f"Side by side, {SIZES[0].what}, us a gradient and run", lines, unit=1e-6)
