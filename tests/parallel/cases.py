"""Runs that are compared between one process and several: choices on the command line, by name.

As a program, which torchrun starts: trains all of them into a folder, `python -m tests.parallel.cases FOLDER`.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

from runner import build, job, parallel
from runner.composing import composed, prepared
from runner.core.launched import place
from runner.core.processes import Processes
from runner.run import Run
from runner.screen.base import Silent

IRIS = ("dataset=iris", "architecture.hidden=[8]", "epochs=3", "precision=float64", "threads=1")
# 106 rows for training: batches of 35 leave a last one of a single row, batches of 50 one of 6.
CASES: dict[str, tuple[str, ...]] = {
    "sgd": (*IRIS, "optimizer=sgd", "lr=0.1", "batch_size=50"),
    "momentum": (*IRIS, "optimizer=momentum", "lr=0.05", "batch_size=50"),
    "adam": (*IRIS, "optimizer=adam", "lr=0.01", "batch_size=50"),
    "a last batch of one row": (*IRIS, "optimizer=adam", "lr=0.01", "batch_size=35"),
    "a batch of three rows": (*IRIS, "optimizer=sgd", "lr=0.01", "batch_size=3", "epochs=1"),
    "weight decay": (*IRIS, "optimizer=adamw", "lr=0.01", "batch_size=50"),
    "a penalty": (*IRIS, "regularizer=l2", "optimizer=momentum", "lr=0.05", "batch_size=50"),
    "a loss that is a sum": (*IRIS, "loss.reduction=sum", "optimizer=sgd", "lr=0.001", "batch_size=50"),
    "dropout": (*IRIS, "architecture.dropout=0.3", "optimizer=adam", "lr=0.01", "batch_size=35"),
    "batch norm": (*IRIS, "architecture/normalization=batch", "optimizer=adam", "lr=0.01", "batch_size=35"),
    "exact batch norm": (
        *(*IRIS, "architecture/normalization=batch", "architecture.normalization.evaluation=exact"),
        *("optimizer=momentum", "lr=0.05", "batch_size=50"),
    ),
    "batch norm of images": (
        *("dataset=digits", "architecture=convnet", "architecture.channels=[4]", "architecture.hidden=[8]"),
        *("architecture/normalization=batch", "architecture.dropout=0.2", "optimizer=adam", "lr=0.01"),
        *("batch_size=300", "epochs=2", "precision=float64", "threads=1"),
    ),
    "a line search": (*IRIS, "optimizer=strong_wolfe", "sampler=full"),
    "products with a Hessian": (*IRIS, "optimizer=newton_cg", "sampler=full"),
    "products through a batch norm": (
        *(*IRIS, "architecture/normalization=batch", "optimizer=newton_cg", "sampler=full"),
    ),
    "two gradients a step": (*IRIS, "optimizer=sam", "lr=0.05", "batch_size=50"),
    "numbers": ("dataset=diabetes", "loss=mse", *IRIS[1:], "optimizer=adam", "lr=0.01", "batch_size=64"),
    "a probe": (*IRIS, "probe=[layers,step_quality]", "optimizer=sgd", "lr=0.05", "batch_size=50"),
    "a batch norm that is probed": (
        *(*IRIS, "architecture/normalization=batch", "probe=[batch_norm_gap,step_quality]"),
        *("optimizer=sgd", "lr=0.05", "batch_size=35"),
    ),
    "a full gradient": (*IRIS, "stop=gradient_norm", "optimizer=sgd", "lr=0.1", "batch_size=50"),
}
# Where the clock decides, there is nothing to compare: that they end together is all.
TIMED = {"a limit of seconds": (*IRIS, "stop=seconds", "stop.seconds=0.2", "epochs=100000", "optimizer=sgd", "lr=0.1")}


def made(name: str) -> Run:
    """The run of a case."""
    config, _ = composed([*(CASES | TIMED)[name]])
    return build.from_hydra(config)


def main(folder: Path) -> None:
    """Train all of them on the processes that were started with this one."""
    with closing(Processes(place())) as processes:
        parallel.join(processes, "cpu")
        for name in CASES | TIMED:
            run, m = job.prepared(made(name), processes=processes)
            parallel.refuse_strangers(processes, run, m)
            own = job.claimed(run, m, folder / name, "", together=False).folder if processes.writes else None
            parallel.worked(run, m, own, processes, Silent(), pictures=False)


if __name__ == "__main__":
    prepared([])
    main(Path(sys.argv[1]))
