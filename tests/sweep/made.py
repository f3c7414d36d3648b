"""Sweep folders as a sweep of any size would leave them, without training: what listing and ranking are measured on."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.store.folder import sealed
from runner.sweep.base import Job, write_jobs

EPOCHS = 20
# As long as the configuration of a real run, 2 kB as JSON.
ROOMS = (
    *("dataset", "preprocess", "sampler", "architecture", "init", "loss", "regularizer", "schedule", "stop"),
    *("probe", "recorder"),
)
CONFIG: dict[str, Any] = {
    room: {"_target_": f"runner.{room}.choice.Choice", **{f"argument_{k}": 0.1 * k for k in range(5)}} for room in ROOMS
}
BEST_LR = {"sgd": 0.3, "momentum": 0.1, "adam": 0.003, "lion": 0.001}


def sweep(at: Path, axes: Mapping[str, list[str]]) -> list[Job]:
    """Make a sweep over a full grid in the empty folder `at`, with a finished run folder for each job.

    The loss is least at a learning rate of each optimizer's own; a hundred times that one diverges.
    """
    jobs = []
    for number, values in enumerate(itertools.product(*axes.values())):
        given = dict(zip(axes, values, strict=True))
        config = CONFIG | {"optimizer": {"_target_": given.get("optimizer", "sgd")}} | given
        jobs.append(Job(number, str(number), tuple(f"{key}={value}" for key, value in given.items()), config))
        run(at / str(number), given)
    write_jobs(at, jobs, {"title": "digits · mlp 128-128", "command": "optrun -m ...", "metrics": {"accuracy": "max"}})
    return jobs


def run(at: Path, given: Mapping[str, str]) -> None:
    """Make the files of a run folder that a sweep looks at."""
    chance = random.Random(repr(sorted(given.items())))
    ratio = float(given.get("lr", "0.1")) / BEST_LR[given.get("optimizer", "sgd")]
    level = (
        0.05 * (1 + math.log10(ratio) ** 2) * (1 + abs(math.log10(float(given.get("weight_decay", "1e-3"))) + 3) / 3)
    )
    level *= (64 / float(given.get("width", "64"))) ** 0.2 * math.exp(chance.gauss(0, 0.1))
    lost = math.log10(ratio) + chance.gauss(0, 0.1) > 2
    losses = [level + 2.3 * math.exp(-epoch * 0.5 / (1 + abs(math.log10(ratio)))) for epoch in range(1, EPOCHS + 1)]
    if lost:
        losses = [*losses[: chance.randrange(5)], math.inf]
    rows = [
        {"epoch": epoch, "train_loss": 0.8 * loss, "val_loss": loss, "val_accuracy": math.exp(-loss)}
        for epoch, loss in enumerate(losses, start=1)
    ]
    best = min(range(len(rows)), key=losses.__getitem__)
    summary = {
        "status": "diverged" if lost else "completed",
        "verdict": "the training loss became inf" if lost else f"reached the limit of {EPOCHS} epochs",
        "epochs": len(rows),
        "best_epoch": None if math.isinf(losses[best]) else best + 1,
        "best": None if math.isinf(losses[best]) else rows[best],
        "final": rows[-1],
    }
    at.mkdir()
    (at / "config.yaml").write_text("{}\n")
    manifest = sealed({"format": 2, "config_sha256": hashlib.sha256(b"{}\n").hexdigest(), "columns": list(rows[0])})
    (at / "manifest.json").write_text(json.dumps(manifest))
    lines = [",".join(map(repr, row.values())) for row in rows]
    metrics = ",".join(rows[0]) + "\n" + "\n".join(lines) + "\n"
    (at / "metrics.csv").write_text(metrics)
    summary["metrics_sha256"] = hashlib.sha256(metrics.encode()).hexdigest()
    (at / "summary.json").write_text(json.dumps(sealed(summary, of=manifest["sha256"]), indent=2))
