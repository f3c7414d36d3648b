"""The time of one training step: `runner.train.train` itself against a plain PyTorch loop.

Same network, same initial weights, same batches in the same order, same rule, one thread, float32, digits in memory.

    ours, whole loop     `train()` as a run calls it: order, batches, schedule, steps, training loss, accuracy and norm
                         of the gradient of every step, validation, rows of both CSV files, commits with fsync
    theirs, whole loop   the leanest loop that a competent person writes: x[perm[i:i+B]], zero_grad, forward, loss,
                         backward, step; once an epoch the validation loss and accuracy. It keeps no training loss, no
                         accuracy, no norm, asks no number of a step, and writes nothing.
    step alone           for both, the batches lie ready and there is no validation: forward, loss, backward and update;
                         ours takes loss and norm of the gradient as numbers, and checks that they are finite

The promised bounds are for the whole loop.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.architecture.mlp import MLP
from runner.core.streams import stream
from runner.dataset.digits import Digits
from runner.init.kaiming_normal import KaimingNormal
from runner.loss.cross_entropy import CrossEntropy
from runner.optimizer.adagrad import Adagrad
from runner.optimizer.adam import Adam
from runner.optimizer.adamw import AdamW
from runner.optimizer.base import Optimizer
from runner.optimizer.momentum import Momentum
from runner.optimizer.nesterov import Nesterov
from runner.optimizer.rmsprop import RMSprop
from runner.preprocess.standardize import Standardize
from runner.probe.none import NoProbe
from runner.recorder.none import NoRecorder
from runner.regularizer.none import NoRegularizer
from runner.run import Run, prepare
from runner.sampler.shuffle import Shuffle
from runner.schedule.constant import Constant
from runner.screen.base import Silent
from runner.stop.epochs import Epochs
from runner.store.folder import RunFolder
from runner.train import batches, columns, train
from tests.bench.turns import Comparison, in_turns

ROUNDS = 6  # a turn of steps alone has so many times fewer epochs: there is no commit to wait for
OUTPUTS = Path(__file__).parents[2] / "outputs"  # the disk that runs are written to: an fsync in /tmp may cost nothing


@dataclass(frozen=True)
class Rival:
    """A torch optimizer by its call, and the promised ratios: of the loop, per network."""

    name: str
    make: Callable[[Any], torch.optim.Optimizer]
    bound: float | None


@dataclass(frozen=True)
class Contest:
    """One of our optimizers on one network against rivals."""

    hidden: tuple[int, ...]
    optimizer: Optimizer
    lr: float
    rivals: tuple[Rival, ...]
    epochs: int  # in one turn: some seconds for a large network, as its runs take; a run commits about once a second

    @property
    def run(self) -> Run:
        return Run(
            dataset=Digits(),
            preprocess=Standardize(),
            sampler=Shuffle(batch_size=100),
            architecture=MLP(hidden=self.hidden),
            init=KaimingNormal(),
            loss=CrossEntropy(),
            regularizer=NoRegularizer(),
            optimizer=self.optimizer,
            schedule=Constant(),
            stop=Epochs(epochs=self.epochs),
            probe=NoProbe(),
            recorder=NoRecorder(),
            lr=self.lr,
            epochs=self.epochs,
            seed=0,
            device="cpu",
            threads=1,
            precision="float32",
            expect={},
        )

    def compared(self, seconds: float) -> Iterator[tuple[str, Comparison]]:
        """(whole loop or step alone, the comparison) for every rival, in about so many seconds."""
        with tempfile.TemporaryDirectory(prefix=".bench.", dir=OUTPUTS) as scratch:
            ours = Ours(self.run, Path(scratch))
            theirs = {rival.name: Theirs(self.run, rival.make) for rival in self.rivals}
            for each in theirs.values():
                refuse_different(ours, each)
            for kind in ("whole loop", "step alone"):
                sides = {"ours": ours.loop if kind == "whole loop" else ours.steps}
                sides |= {name: each.loop if kind == "whole loop" else each.steps for name, each in theirs.items()}
                times = in_turns(sides, seconds * (0.8 if kind == "whole loop" else 0.2))
                sizes = "-".join(map(str, (64, *self.hidden, 10)))
                for rival in self.rivals:
                    what = f"{sizes}, {type(self.optimizer).__name__} : {rival.name}"
                    bound = rival.bound if kind == "whole loop" else None
                    yield kind, Comparison(what, times["ours"], times[rival.name], bound)


class Ours:
    """A run of `optrun`, trained anew in every turn."""

    def __init__(self, run: Run, scratch: Path) -> None:
        self.run, self.scratch, self.number = run, scratch, 0
        self.m = prepare(run)
        self.start = self.m.theta.clone()
        self.ready = list(batches(run, self.m.train, 1, 0))
        self.count = run.epochs * len(self.ready)

    def loop(self) -> float:
        self.number += 1
        self.m.theta.copy_(self.start)
        with RunFolder.claim(self.scratch / str(self.number), "", {}, columns(self.run)) as folder:
            begun = time.perf_counter()
            train(self.run, self.m, folder, Silent())
            return (time.perf_counter() - begun) / self.count

    def steps(self) -> float:
        self.m.theta.copy_(self.start)
        memory = self.run.optimizer.start(self.m.theta, self.m.layout)
        rounds = self.run.epochs // ROUNDS
        begun = time.perf_counter()
        for t, (x, y) in enumerate(self.ready * rounds, start=1):
            self.m.objective.on(x, y)
            self.run.optimizer.step(self.m.theta, memory, self.m.objective, self.run.lr, t)
        return (time.perf_counter() - begun) / (rounds * len(self.ready))


class Theirs:
    """The plain loop."""

    def __init__(self, run: Run, make: Callable[[Any], torch.optim.Optimizer]) -> None:
        self.run, self.make, self.m = run, make, prepare(run)
        self.ready = list(batches(run, self.m.train, 1, 0))
        self.count = run.epochs * len(self.ready)

    def fresh(self) -> tuple[nn.Sequential, torch.optim.Optimizer]:
        """The same network as an `nn.Sequential`, with the weights that ours starts from."""
        linears = [nn.Linear(*reversed(each.shape)) for each in self.m.layout.views(self.m.theta)[::2]]
        layers: list[nn.Module] = [layer for linear in linears for layer in (linear, nn.ReLU())]
        net = nn.Sequential(*layers[:-1])
        with torch.no_grad():
            for parameter, value in zip(net.parameters(), self.m.layout.views(self.m.theta), strict=True):
                parameter.copy_(value)
        return net, self.make(net.parameters())

    def loop(self) -> float:
        net, optimizer = self.fresh()
        begun = time.perf_counter()
        self.train(net, optimizer, self.run.epochs)
        return (time.perf_counter() - begun) / self.count

    def train(self, net: nn.Sequential, optimizer: torch.optim.Optimizer, epochs: int) -> list[tuple[float, float]]:
        x, y, x_val, y_val = self.m.train.x, self.m.train.y, self.m.validation.x, self.m.validation.y
        curve = []
        for epoch in range(1, epochs + 1):
            perm = torch.randperm(len(x), generator=stream(self.run.seed, "order", epoch))
            for i in range(0, len(x), 100):
                rows = perm[i : i + 100]
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x[rows]), y[rows])
                loss.backward()
                optimizer.step()
            with torch.no_grad():
                output = net(x_val)
                right = (output.argmax(1) == y_val).float().mean()
                curve.append((F.cross_entropy(output, y_val).item(), right.item()))
        return curve

    def steps(self) -> float:
        net, optimizer = self.fresh()
        rounds = self.run.epochs // ROUNDS
        begun = time.perf_counter()
        for x, y in self.ready * rounds:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
        return (time.perf_counter() - begun) / (rounds * len(self.ready))


def refuse_different(ours: Ours, theirs: Theirs) -> None:
    """Stop where the two do not compute the same: after an epoch their parameters must agree up to rounding."""
    net, optimizer = theirs.fresh()
    theirs.train(net, optimizer, 1)
    ours.m.theta.copy_(ours.start)
    memory = ours.run.optimizer.start(ours.m.theta, ours.m.layout)
    for t, (x, y) in enumerate(ours.ready, start=1):
        ours.m.objective.on(x, y)
        ours.run.optimizer.step(ours.m.theta, memory, ours.m.objective, ours.run.lr, t)
    other = torch.cat([parameter.detach().reshape(-1) for parameter in net.parameters()])
    apart = _norm(ours.m.theta - other) / _norm(other - ours.start)
    # 13 steps in float32; what is left is rounding, which Adam's division enlarges where a gradient is almost 0.
    if not apart < 1e-3:
        raise RuntimeError(f"not the same training: after an epoch the parameters are {apart:.1e} of their path apart")


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector))


def contests() -> list[Contest]:
    """What is promised."""
    sgd = partial(torch.optim.SGD, lr=0.01, momentum=0.9)
    adam = partial(torch.optim.Adam, lr=1e-3)
    small, large = (32, 32), (1024, 1024)
    plain_sgd = Rival("torch.optim.SGD", sgd, 0.80)
    plain_adam = Rival("torch.optim.Adam", adam, 0.65)
    fused_sgd = partial(Rival, "torch.optim.SGD(fused=True)", partial(sgd, fused=True))
    fused_adam = partial(Rival, "torch.optim.Adam(fused=True)", partial(adam, fused=True))
    promised = [
        Contest(small, Momentum(), 0.01, (plain_sgd, fused_sgd(None)), epochs=400),
        Contest(small, Adam(), 1e-3, (plain_adam, fused_adam(0.85)), epochs=400),
        Contest(large, Momentum(), 0.01, (fused_sgd(1.10),), epochs=60),
        Contest(large, Adam(), 1e-3, (fused_adam(1.10),), epochs=60),
    ]
    # The others against the fastest that torch has for each: fused where there is a fused one, else foreach.
    others: list[tuple[Optimizer, float, str, Callable[[Any], torch.optim.Optimizer]]] = [
        (Adagrad(), 0.01, "Adagrad(fused=True)", partial(torch.optim.Adagrad, lr=0.01, fused=True)),
        (RMSprop(), 1e-3, "RMSprop(foreach=True)", partial(torch.optim.RMSprop, lr=1e-3, foreach=True)),
        (AdamW(), 1e-3, "AdamW(fused=True)", partial(torch.optim.AdamW, lr=1e-3, fused=True)),
        (Nesterov(), 0.01, "SGD(nesterov=True, fused=True)", partial(sgd, nesterov=True, fused=True)),
    ]
    for rule, lr, name, make in others:
        promised.append(Contest(small, rule, lr, (Rival(f"torch.optim.{name}", make, 1.00),), epochs=400))
        promised.append(Contest(large, rule, lr, (Rival(f"torch.optim.{name}", make, 1.10),), epochs=60))
    return promised
