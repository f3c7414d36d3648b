"""The runs of a figure, built again from their folders: one start, one network, one set of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner import build
from runner.core.errors import ConfigError, CorruptError
from runner.core.precision import DTYPES
from runner.job import memory_errors
from runner.landscape.base import Trajectory
from runner.landscape.replay import judged, replayed
from runner.run import Material, Run, Shared, prepare
from runner.state import COMMITTED
from runner.store import checkpoint
from runner.store.folder import read_config, read_manifest, read_status, verified
from runner.store.form import refuse_other_form

MOST = 8  # runs in a figure: as many as have a colour (runner/plot/panel/base.py)
# What makes a landscape, and what it is called in words.
ALIKE = ("dataset", "preprocess", "architecture", "loss", "precision")


@dataclass(frozen=True)
class Trained:
    """A run that was trained.

    saved   what its newest commit holds
    status  its summary
    """

    path: Path
    run: Run
    saved: dict[str, Any]
    status: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def steps(self) -> int:
        """Made up to its newest commit."""
        return int(self.saved["step"])

    @property
    def together(self) -> bool:
        """Whether it went through the program of runs side by side."""
        return bool(self.manifest.get("side_by_side", False))

    def material(self, examples: Shared) -> Material:
        """What it works on, theta at its start; `CorruptError` where data or start are others now."""
        with memory_errors():
            m = prepare(self.run, examples)
        for key, now in (("data_sha256", m.data_sha256), ("start_sha256", m.start_sha256)):
            if self.manifest[key] != now:
                what = "the data" if key == "data_sha256" else "the initial parameters"
                raise CorruptError(f"{self.path}: {what} are not those that this run was started with ({key} differs)")
        return m

    def end(self, m: Material) -> Tensor:
        """Its last parameters `[P]`, as they are judged."""
        return judged(self.run, m, self.saved["theta"].to(m.device).clone(), self.saved["memory"])


def opened(paths: Sequence[Path], plugins: tuple[str, ...]) -> list[Trained]:
    """The runs in some folders; `ConfigError` where they are too many, or not of one landscape."""
    if len(paths) > MOST:
        raise ConfigError(
            "", f"{len(paths)} runs", allowed=f"at most {MOST} runs, each with a colour of its own",
            do=f"name those to compare, as in optrun landscape {paths[0]} {paths[1]}",
        )  # fmt: skip
    found = [one(path, plugins) for path in paths]
    for other in found[1:]:
        refuse_other(found[0], other)
    return found


def one(path: Path, plugins: tuple[str, ...]) -> Trained:
    """The run in a folder, which nothing is written to."""
    manifest = read_manifest(path)
    verified(path)
    run = build.from_yaml(read_config(path), plugins)
    commit = checkpoint.newest(path / "checkpoint")
    if commit is not None:
        refuse_other_form(path / "checkpoint", commit[0]["content"], COMMITTED)
    if commit is None or not commit[0]["content"]["step"]:
        raise ConfigError(
            "", path, allowed="a run that has made a step and kept it",
            do="name another folder; of a run that was cut off, optrun resume makes one",
        )  # fmt: skip
    return Trained(path, run, commit[0]["content"], read_status(path), manifest)


def refuse_other(first: Trained, other: Trained) -> None:
    """`ConfigError` where a run does not move in the landscape of the first."""
    for name in ALIKE:
        mine, its = told(first.run, name), told(other.run, name)
        if mine != its:
            refuse(first, other, f"{name} here is {its}, there {mine}", f"train both with {name} of one of them")
    if first.manifest["start_sha256"] != other.manifest["start_sha256"]:
        refuse(
            first, other, "their initial parameters differ",
            "train both with one init and one seed: these draw the start, whatever the optimizer",
        )  # fmt: skip


def told(run: Run, name: str) -> str:
    """A choice of a run in words; whether training takes the sum of the losses or their mean does not
    count, nor how it multiplies."""
    if name == "precision":
        return str(DTYPES[run.precision]).removeprefix("torch.")
    chosen = replace(run.loss, reduction="mean") if name == "loss" else getattr(run, name)
    return str(chosen.label)


def refuse(first: Trained, other: Trained, what: str, do: str) -> None:
    raise ConfigError("", other.path, allowed=f"runs in the landscape of {first.path}: {what}", do=do)


def names(runs: Sequence[Trained]) -> list[str]:
    """What tells the runs of a figure apart, in short: the optimizer, and of the rest what varies.

    Where that is not enough, the name of the folder.
    """
    parts = [
        [
            *(one.run.optimizer.label, f"lr {one.run.lr:g}", one.run.schedule.label, one.run.sampler.label),
            *(one.run.regularizer.label, f"{one.run.epochs} epochs", f"seed {one.run.seed}", one.run.precision),
        ]
        for one in runs
    ]
    vary = [number for number, column in enumerate(zip(*parts, strict=True)) if not number or len(set(column)) > 1]
    short = [" · ".join(each[number] for number in vary) for each in parts]
    if len(set(short)) == len(short):
        return short
    return [f"{name} ({one.path.name})" for name, one in zip(short, runs, strict=True)]


def trajectory(one: Trained, m: Material, name: str, wanted: Sequence[int]) -> Trajectory:
    """Where a run was after the wanted steps, from 0 on; trained again where that is more than its two ends."""
    start = m.theta.clone()
    points = {0: start, one.steps: one.end(m)}
    between = [step for step in wanted if step not in points]
    if between:
        with memory_errors():
            points |= replayed(one.run, m, one.path, [*between, one.steps], one.together, one.saved["theta"])
    steps = tuple(sorted(points))
    kind = type(one.run.optimizer).__module__.rpartition(".")[2]
    return Trajectory(name, kind, one.status["status"], steps, torch.stack([points[step] for step in steps]))
