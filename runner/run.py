"""A run: the frozen record of all its choices, and what is made of it before the first step.

`Run` is data, equal for equal choices and the same on every machine. `prepare` reads the examples and makes the
tensors; every fact about the data (the shape of an input, the number of classes) flows from there by value.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor, nn

from runner.architecture.base import Architecture, examine
from runner.core import device as devices
from runner.core.activity import activity
from runner.core.captured import capturer_of
from runner.core.check import Choice, Count, Index, Range, Rate
from runner.core.curvature import Curved
from runner.core.divided import Divided
from runner.core.errors import ConfigError, DataError
from runner.core.moments import Moments
from runner.core.parts import OnDevice, OnDisk, OnHost, Part
from runner.core.precision import DTYPES, Precision, in_bfloat16, settle
from runner.core.processes import Processes
from runner.core.streams import stream
from runner.core.theta import Layout, adopt
from runner.dataset.base import BLOCK_BYTES, Array, Dataset, Split, Table
from runner.init.base import Init
from runner.loss.base import Loss
from runner.optimizer.base import Optimizer
from runner.preprocess.base import Preprocess, Statistics
from runner.probe.base import Network, Probe
from runner.recorder.base import Recorder
from runner.regularizer.base import Regularizer
from runner.sampler.base import Sampler
from runner.schedule.base import Schedule
from runner.stop.base import Stop

Threads = Annotated[int, Range(least=1, most=1024)]  # more than any machine has


@dataclass(frozen=True, kw_only=True)
class Run(Choice):
    """One choice from every room, and the plain numbers.

    lr: the base learning rate; the schedule multiplies it
    epochs: the limit on epochs
    seed: of the initial weights, the order of the examples and all noise; the division of the data has its own
    threads: processor threads for the tensors of this run, or auto: by the size of its work
    expect: bounds that a CI job asks for, as in val_accuracy=0.95; they change nothing in the run
    """

    dataset: Dataset
    preprocess: Preprocess
    sampler: Sampler
    architecture: Architecture
    init: Init
    loss: Loss
    regularizer: Regularizer
    optimizer: Optimizer
    schedule: Schedule
    stop: Stop
    probe: Probe
    recorder: Recorder
    lr: Rate
    epochs: Count
    seed: Index
    device: str
    threads: Threads | Literal["auto"]
    precision: Precision
    expect: dict[str, float]

    @property
    def limit(self) -> int:
        """The number of epochs after which the run surely stops."""
        return self.epochs if self.stop.limit is None else min(self.epochs, self.stop.limit)


@dataclass(frozen=True)
class Material:
    """What a run works on: tensors, the module, and theta, of which the module's parameters are views."""

    train: Part
    validation: Part
    test: Part
    module: nn.Module
    theta: Tensor
    layout: Layout
    objective: Curved
    device: torch.device
    threads: int
    precision: Precision
    statistics: Statistics
    remarks: tuple[str, ...]
    data_sha256: str
    start_sha256: str  # of theta before the first step
    order_sha256: str  # of the batches of the first epoch
    processes: int = 1  # among which the mini-batches are divided

    def settle(self) -> None:
        """Set torch up for this run: what holds for the whole process."""
        torch.set_num_threads(self.threads)
        settle(self.precision)

    @cached_property
    def network(self) -> Network:
        """What a probe may have columns for. Costs a pass over two examples."""
        two = self.objective.measuring().sample(2, 0)
        moments = sum(isinstance(part, Moments) for part in self.module.modules())
        return Network(self.layout, len(activity(two, self.theta)), moments)


@dataclass(frozen=True)
class Examples:
    """The examples of a run as tensors, in three parts, with what was learned of the first; runs can share them.

    classes  how many there are, None where the targets are numbers
    """

    parts: tuple[Part, Part, Part]
    classes: int | None
    statistics: Statistics
    remarks: tuple[str, ...]
    sha256: str


def read(run: Run) -> Examples:
    """Read, divide and map the examples."""
    table = run.dataset.load()
    refuse_bad_values(table, run.dataset.files)
    parts = run.dataset.split(table)
    if not len(parts.validation):
        raise ConfigError(
            "dataset.validation",
            0,
            allowed="at least one row for validation, which judges every epoch",
            do="give dataset.validation=0.15, say",
        )
    tensors, statistics, remarks = mapped(run, table, parts, devices.resolve(run.device))
    classes = None if table.classes is None else len(table.classes)
    return Examples(tensors, classes, statistics, (*run.dataset.remarks(table), *remarks), table.sha256)


class Shared:
    """`read`, once for the runs of a process that have their examples in common: 5 ms for each run of a sweep.

    Only the newest examples are kept, since the jobs of a sweep come in order.
    """

    def __init__(self) -> None:
        self.key = ""
        self.examples: Examples | None = None

    def __call__(self, run: Run) -> Examples:
        key = repr((run.dataset, run.preprocess, run.architecture.flat, run.precision, run.device))
        if self.examples is None or key != self.key:
            self.examples = None  # not two of them in memory
            self.key, self.examples = key, read(run)
        return self.examples


def prepare(run: Run, examples_of: Callable[[Run], Examples] = read, processes: Processes | None = None) -> Material:
    """Read, divide and map the examples; build and initialize the network.

    processes: those among which mini-batches are divided, None where this one is alone
    """
    device = devices.resolve(run.device)
    run.loss.refuse_training()
    examples = examples_of(run)
    train, validation, test = examples.parts
    outputs = run.loss.outputs(examples.classes)
    module = run.architecture.build(train.shape, outputs)
    module = module.to(dtype=DTYPES[run.precision])
    with devices.one_thread():  # and on the CPU, so that every machine and device starts from the same numbers
        run.init.apply(module, run.seed)
    module.to(device).train()
    if run.precision == "bf16":
        in_bfloat16(module, device)
    examine(module, train.rows(torch.arange(min(2, len(train))))[0], outputs, of_classes=bool(examples.classes))
    theta, layout = adopt(module)
    with devices.one_thread():
        run.architecture.project(theta)
    run.optimizer.check(layout)
    run.probe.check(layout)
    threads = run.threads
    together, neighbours = (processes.size, processes.local_size) if processes else (1, 1)
    if threads == "auto":
        threads = devices.threads_for(layout.size, run.sampler.size(len(train)) // together, neighbours)
    alone = partial(Curved, capturer=capturer_of(device))
    objective_of = partial(Divided, processes=processes) if processes else alone
    objective = objective_of(
        module,
        run.loss.value,
        theta,
        layout,
        summed=run.loss.summed,
        penalty=run.regularizer.term,
        pool=train,
        drawn=partial(drawn, run.seed, len(train)),
        own_slopes=partial(own_slopes, run.loss, run.seed),
    )
    objective.refuse(run.optimizer.needs, run.optimizer.label)
    return Material(
        train=train,
        validation=validation,
        test=test,
        module=module,
        theta=theta,
        layout=layout,
        objective=objective,
        device=device,
        threads=threads,
        precision=run.precision,
        statistics=examples.statistics,
        remarks=(*examples.remarks, *run.optimizer.remarks(run.sampler.size(len(train)), len(train))),
        data_sha256=examples.sha256,
        start_sha256=hashlib.sha256(theta.cpu().numpy().tobytes()).hexdigest(),
        order_sha256=order_sha256(run, len(train)),
        processes=together,
    )


def drawn(seed: int, n: int, size: int, t: int) -> Tensor:
    """The numbers `[size]` of examples for step t, of `n`, without replacement, whatever the mini-batches are."""
    return torch.randperm(n, generator=stream(seed, "sample", t))[:size]


def order_sha256(run: Run, n: int) -> str:
    """The hash of the batches of the first epoch over `n` rows: their size, then the row numbers in order."""
    order = run.sampler.order(n, stream(run.seed, "order", 1))
    rows = torch.arange(n) if order is None else order
    return hashlib.sha256(f"{run.sampler.size(n)}\n".encode() + rows.cpu().numpy().tobytes()).hexdigest()


def own_slopes(loss: Loss, seed: int, output: Tensor, t: int) -> Tensor:
    """The slopes of the loss for targets that the model itself draws in step t."""
    return loss.own_slopes(output, stream(seed, "targets", t, output.device))


def mapped(
    run: Run, table: Table, parts: Split, device: torch.device
) -> tuple[tuple[Part, Part, Part], Statistics, list[str]]:
    """The three parts, with the statistics that were fitted on the first of them."""
    inputs = run.preprocess.learn(table.blocks(parts.train))
    numbers = table.classes is None
    targets = run.preprocess.fit_target(table.y[parts.train]) if numbers else {}
    dtype = DTYPES[run.precision]
    shape = table.x.shape[1:]
    if run.architecture.flat:
        shape = (math.prod(shape),)

    examples = len(parts.train) + len(parts.validation) + len(parts.test)
    fits = devices.fits(examples * math.prod(shape) * dtype.itemsize, device)
    there = device if fits or not table.resident else torch.device("cpu")

    def tensor(x: Array) -> Tensor:
        x = run.preprocess.transform(x, inputs).reshape(len(x), *shape)
        return torch.from_numpy(np.ascontiguousarray(x)).to(there, dtype)

    def part(rows: Array) -> Part:
        y = table.y[rows]
        if numbers:
            y = run.preprocess.transform_target(y, targets)
        target = torch.from_numpy(y).to(device, dtype if numbers else torch.int64)
        if not table.resident:
            return OnDisk(lambda numbers: tensor(table.x[rows[numbers.numpy()]]), target, shape, table.block)
        blocks = [tensor(block) for block in table.blocks(rows)]
        x = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
        return OnDevice(x, target) if fits else OnHost(x, target, max(1, BLOCK_BYTES // max(1, x[:1].nbytes)), device)

    statistics = inputs | {f"target_{name}": value for name, value in targets.items()}
    three = part(parts.train), part(parts.validation), part(parts.test)
    return three, statistics, run.preprocess.remarks(inputs)


def refuse_bad_values(table: Table, files: tuple[str, str] = ("", "")) -> None:
    """`DataError` for the first input or target that is not a finite number; `files`: where these are."""
    for name, file, blocks in (("input", files[0], table.blocks()), ("target", files[1], (table.y,))):
        first = 0
        for array in blocks:
            finite = np.isfinite(array)
            if not finite.all():
                row, *place = (int(i) for i in np.argwhere(~finite)[0])
                column = table.columns[place[0]] if table.columns and place else place
                raise DataError(
                    file or "dataset",
                    f"{array[(row, *place)]} in row {first + row} of the {name}s, column {column}",
                    allowed="finite numbers",
                    do="remove or repair that row",
                )
            first += len(array)
