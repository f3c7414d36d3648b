"""Where a run stands: everything that the next step depends on, beside the rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from runner.core.errors import CorruptError, Diverged
from runner.core.objective import Counts, Objective
from runner.core.streams import stream
from runner.loss.base import Loss
from runner.run import Material, Run
from runner.store.base import Folder, Row
from runner.store.form import NUMBER, Each, Later, Maybe, refuse_other_form

PENDING = 1 << 12  # outputs that wait before the training metrics are taken of them together


def moved(tree: Any, device: torch.device) -> Any:
    """A tree of lists, dictionaries and tensors with every tensor on `device`."""
    match tree:
        case Tensor():
            return tree.to(device)
        case dict():
            return {key: moved(item, device) for key, item in tree.items()}
        case list() | tuple():
            return type(tree)(moved(item, device) for item in tree)
        case _:
            return tree


def tensors(tree: Any) -> Iterator[Tensor]:
    """The tensors in a tree of lists and dictionaries."""
    match tree:
        case Tensor():
            yield tree
        case dict():
            yield from tensors(list(tree.values()))
        case list() | tuple():
            for item in tree:
                yield from tensors(item)


@dataclass
class Tally:
    """Sums over the epoch in progress. Training metrics are taken of many outputs at once, to save small operations."""

    examples: int = 0
    steps: int = 0
    loss: float = 0.0
    grad_norm: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    pending: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    waiting: int = 0

    def add(self, objective: Objective, loss: Loss) -> None:
        value, norm = objective.first
        y = objective.target
        size = y.shape[0]  # len() of a tensor takes three times as long
        self.examples += size
        self.steps += 1
        self.loss += value * size
        self.grad_norm += norm
        self.pending.append((objective.output, y))
        self.waiting += size
        if self.waiting >= PENDING:
            self.settle(loss)

    def settle(self, loss: Loss) -> None:
        """Take the metrics of the outputs that wait."""
        if not self.pending:
            return
        output, y = (torch.cat(parts) for parts in zip(*self.pending, strict=True))
        for name, value in loss.measure(output, y).items():
            self.metrics[name] = self.metrics.get(name, 0.0) + value.item() * len(y)
        self.pending, self.waiting = [], 0

    def means(self) -> dict[str, float]:
        """Loss and metrics over the examples, the norm of the gradient over the steps; NaN before the first step."""
        n, steps = self.examples or math.nan, self.steps or math.nan
        return {"loss": self.loss / n, "grad_norm": self.grad_norm / steps} | {
            k: v / n for k, v in self.metrics.items()
        }


def refuse_other_memory(fresh: dict[str, Any], saved: dict[str, Any]) -> None:
    """`ValueError` where a memory does not have the parts of a fresh one, or a tensor that is not of such vectors."""
    if fresh.keys() != saved.keys():
        raise ValueError(f"memory of {', '.join(saved) or 'nothing'}, where it is {', '.join(fresh) or 'nothing'}")
    for name, value in fresh.items():
        kept = saved[name]
        if type(value) is Tensor and (type(kept) is not Tensor or extent(value) != extent(kept)):
            raise ValueError(f"memory {name} of another form")


def extent(memory: Tensor) -> tuple[int, ...]:
    """Dimensions and the length of a vector: of `[k, P]`, k grows in L-BFGS."""
    return memory.ndim, *memory.shape[-1:]


# The form of what a commit keeps of it.
TALLY = {
    **{"examples": int, "steps": int, "loss": NUMBER, "grad_norm": NUMBER, "metrics": Each(NUMBER)},
    **{"pending": [tuple], "waiting": int},
}
COMMITTED = {
    **{"theta": Tensor, "best_theta": Tensor, "buffers": Each(Tensor), "best_buffers": Each(Tensor), "memory": dict},
    **{"best_loss": NUMBER, "best_epoch": int, "step": int, "examples": int, "batch": int, "lr": NUMBER},
    **{"tally": TALLY, "noise_state": Maybe(Tensor), "counts": Later(Each(int))},
}


@dataclass
class State:
    """Everything that the next step depends on, beside the rows.

    batch     steps done in the epoch in progress
    counts    what the objective was asked
    buffers   what the module keeps beside theta (running statistics), by name
    followed  what the probe said of the last step of the epoch in progress
    best_*    the epoch with the lowest validation loss so far (0: none), that loss, its parameters and its buffers
    """

    theta: Tensor
    memory: dict[str, Any]
    best_theta: Tensor
    buffers: dict[str, Tensor] = field(default_factory=dict)
    best_buffers: dict[str, Tensor] = field(default_factory=dict)
    best_loss: float = math.inf
    best_epoch: int = 0
    step: int = 0
    examples: int = 0
    batch: int = 0
    lr: float = math.nan
    tally: Tally = field(default_factory=Tally)
    noise_state: Tensor | None = None
    followed: list[float] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def fresh(cls, run: Run, m: Material) -> State:
        buffers = m.objective.buffers
        kept = {name: buffer.clone() for name, buffer in buffers.items()}
        memory = run.optimizer.start(m.theta, m.layout)
        m.objective.counts = Counts()  # it may have been asked already, to see whether it can be
        return cls(m.theta, memory, m.theta.clone(), buffers, kept, counts=m.objective.counts)

    @classmethod
    def restored(cls, run: Run, m: Material, folder: Folder) -> State:
        """The state of a commit; theta and buffers take its numbers in place, since the module looks at them.

        Raises `CorruptError` where it is none of this run: its hash says that it is as it was written, not by whom.
        """
        saved = folder.restored or {}
        refuse_other_form(folder.path / "checkpoint", saved, COMMITTED)
        try:
            if not 0 <= saved["best_epoch"] <= len(folder.rows):
                raise ValueError(f"best_epoch is {saved['best_epoch']} of {len(folder.rows)}")
            return cls._restored(run, m, saved)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise CorruptError(f"{folder.path / 'checkpoint'} does not hold what this run keeps: {error}") from error

    @classmethod
    def _restored(cls, run: Run, m: Material, saved: dict[str, Any]) -> State:
        memory = run.optimizer.start(m.theta, m.layout)
        refuse_other_memory(run.optimizer.saved(memory), saved["memory"])
        m.theta.copy_(saved["theta"])
        for name, buffer in m.objective.buffers.items():
            buffer.copy_(saved["buffers"][name])
        m.objective.counts = Counts(**saved.get("counts", {}))  # the first run folders have none, and no such columns
        noise_state, saved = saved["noise_state"], moved(saved, m.device)
        return cls(
            **saved
            | {
                "theta": m.theta,
                "buffers": m.objective.buffers,
                "memory": run.optimizer.restored(memory, saved["memory"]),
                "tally": Tally(**saved["tally"]),
                "noise_state": noise_state,  # of a generator, which keeps it on the CPU
                "counts": m.objective.counts,
            }
        )

    def content(self, noise: torch.Generator | None, run: Run) -> dict[str, Any]:
        """What a commit keeps; `noise` is the stream of the epoch in progress, None between two epochs."""
        return vars(self) | {
            "memory": run.optimizer.saved(self.memory),
            "tally": vars(self.tally),
            "counts": vars(self.counts),
            "noise_state": noise.get_state() if noise else None,
        }

    @property
    def size(self) -> int:
        """The bytes of its tensors, about what a commit writes."""
        return sum(tensor.nbytes for tensor in tensors(vars(self)))

    def noise(self, run: Run, m: Material, epoch: int) -> torch.Generator:
        """The stream of this epoch's noise, where a commit in the middle of the epoch left it."""
        noise = stream(run.seed, "noise", epoch, m.device)
        if self.noise_state is not None:
            noise.set_state(self.noise_state)
            self.noise_state = None
        return noise

    def count(self, objective: Objective, loss: Loss) -> None:
        """Note a step that was made."""
        self.step += 1
        self.batch += 1
        self.examples += objective.target.shape[0]
        self.tally.add(objective, loss)

    def row(self, epoch: int, val: dict[str, float], loss: Loss, bad: Diverged | None) -> Row:
        """The row of the epoch; where it diverged, with the loss and the norm that were not finite."""
        self.tally.settle(loss)
        mean = self.tally.means()
        row: Row = {"epoch": epoch, "step": self.step, "examples": self.examples, "lr": self.lr}
        row |= {"train_loss": bad.loss if bad else mean["loss"], "val_loss": val["loss"]}
        for name in loss.metrics:
            row |= {f"train_{name}": mean.get(name, math.nan), f"val_{name}": val[name]}
        return row | {"grad_norm": bad.norm if bad else mean["grad_norm"]} | vars(self.counts)

    def close_epoch(self, row: Row, judged: Tensor) -> None:
        """Start counting anew, and keep the parameters and the buffers where they are the best so far."""
        self.batch, self.tally, self.followed = 0, Tally(), []
        if row["val_loss"] < self.best_loss and math.isfinite(row["train_loss"]):
            self.best_loss, self.best_epoch = row["val_loss"], int(row["epoch"])
            self.best_theta.copy_(judged)
            for name, buffer in self.buffers.items():
                self.best_buffers[name].copy_(buffer)
