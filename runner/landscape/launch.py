"""`optrun landscape`: from run folders to lines on the screen, tables and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from runner.build import subject
from runner.core.check import Choice, Index, Range
from runner.core.errors import ConfigError
from runner.core.precision import ROUNDED
from runner.job import memory_errors
from runner.landscape.base import Trajectory, View
from runner.landscape.few import of_few
from runner.landscape.network import Directions, of_network
from runner.landscape.runs import Trained, names, opened, trajectory
from runner.run import Material, Run, Shared
from runner.store.base import disk

EXAMPLES = 2000  # a mean over them is known to 2 percent of a standard deviation
EVERY_STEP = 10_000  # points of a path in two dimensions: 160 kB
POINTS = 200  # of a path in a network: a figure shows no more
MEMORY = 1 << 29  # bytes of all points together; a network of 10 million parameters has 12 of them in float32
FINE, COARSE = 241, 51  # losses along an axis: of two parameters, microseconds each; of a network, milliseconds


@dataclass(frozen=True, kw_only=True)
class Asked(Choice):
    """What may be asked of a landscape.

    directions  which plane of a network; auto: principal
    points      of each path, evenly over its steps, the two ends included; 2: no training again
    grid        losses along each axis of a plane, and of a line
    examples    of the training part, and of the validation part, that a loss is the mean of
    seed        of random directions
    out         where to write; empty: the folder of the first run, or of the sweep
    """

    directions: Directions | Literal["auto"] = "auto"
    points: Annotated[int, Range(least=2, most=100_000)] | Literal["auto"] = "auto"
    grid: Annotated[int, Range(least=5, most=1001)] | Literal["auto"] = "auto"
    examples: Annotated[int, Range(least=1, most=1e9)] = EXAMPLES
    seed: Index = 0
    out: str = ""


def show(paths: Sequence[Path], plugins: tuple[str, ...], asked: Asked, folder: Path, command: str) -> Iterator[str]:
    """The lines to print; tables, pictures and the command in `folder`."""
    runs = opened(paths, plugins)
    examples = Shared()
    m = runs[-1].material(examples)
    few = m.layout.size <= 2
    if few and asked.directions != "auto":
        raise ConfigError(
            "directions", asked.directions, allowed="for a run of more than two parameters: others have one plane",
            do="leave it out",
        )  # fmt: skip
    if not few and all(one.status["status"] == "diverged" for one in runs):
        raise ConfigError(
            "", paths[-1], allowed="a run that did not diverge, through whose end a plane can go",
            do="name one beside it, or another folder",
        )  # fmt: skip
    kept = [steps(one.steps, count_of(asked, m, len(runs))) for one in runs]
    for one, wanted in zip(runs, kept, strict=True):
        if len(wanted) > 2:
            refuse_several_processes(one)
    yield header(runs, m)
    trajectories: list[Trajectory] = []
    for one, name, wanted in zip(runs, names(runs), kept, strict=True):
        if len(wanted) > 2:
            yield f"again:      {name}: {costs(one)}, {len(wanted)} points kept"
        with memory_errors():
            trajectories.append(trajectory(one, one.material(examples), name, wanted))
    with disk(folder, "make the folder"):
        folder.mkdir(parents=True, exist_ok=True)
    run = exact(runs[-1].run)
    view = View(folder, asked.examples, asked.seed, grid_of(asked, few), command)
    with memory_errors():
        if few:
            yield from of_few(run, trajectories, view)
        else:
            directions = "principal" if asked.directions == "auto" else asked.directions
            yield from of_network(run, trajectories, view, directions)


def refuse_several_processes(one: Trained) -> None:
    """`ConfigError` for a run whose way this one process cannot go again to the bit."""
    count = one.manifest.get("processes", 1)
    if count > 1:
        raise ConfigError(
            "",
            one.path,
            allowed=f"a run of one process, while torchrun has made this one on {count}: their sums round in another "
            "way, so that trained again here it would not come to the parameters of its checkpoint",
            do="give points=2 directions=filter for start and end without training, or train it without torchrun",
        )


def costs(one: Trained) -> str:
    """What it takes to train a run again."""
    took = f", {one.status['train_s']:.3g} s when it was trained" if "train_s" in one.status else ""
    return f"{one.steps} steps{took}"


def exact(run: Run) -> Run:
    """A run whose losses have all the digits of its parameters: rounded products would draw steps."""
    return replace(run, precision="float32") if run.precision in ROUNDED else run


def grid_of(asked: Asked, few: bool) -> int:
    """Losses along each axis."""
    return (FINE if few else COARSE) if asked.grid == "auto" else asked.grid


def header(runs: Sequence[Trained], m: Material) -> str:
    """What is looked at, in one line."""
    several = f"{len(runs)} runs from one start" if len(runs) > 1 else names(runs)[0]
    size = f"{m.layout.size:,} parameter{'s' if m.layout.size > 1 else ''}"
    return f"landscape:  {subject(runs[-1].run)} · {several} · {size}"


def count_of(asked: Asked, m: Material, runs: int) -> int:
    """How many points of each path are kept: all steps of two parameters, of a network what a figure shows."""
    if asked.points != "auto":
        return asked.points
    if m.layout.size <= 2:
        return EVERY_STEP
    return max(2, min(POINTS, MEMORY // (runs * m.theta.nbytes)))


def steps(last: int, count: int) -> list[int]:
    """At most so many steps from 0 to the last one, evenly.

    >>> steps(10, 3), steps(2, 200)
    ([0, 5, 10], [0, 1, 2])
    """
    return sorted({round(at) for at in np.linspace(0, last, min(count, last + 1)).tolist()})
