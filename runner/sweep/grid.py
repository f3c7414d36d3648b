"""The grid of a command: its cells as the command line gives them, and the jobs that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from runner import build
from runner.core.check import Choice
from runner.core.errors import ConfigError
from runner.run import Run
from runner.sweep.base import Job, leads_out


@dataclass(frozen=True)
class Cell:
    """A job as the command line gives it: its overrides, and what they come to."""

    overrides: tuple[str, ...]
    config: Callable[[], dict[str, Any]]  # as plain values
    folder: Callable[[int], str]  # within the folder of the sweep, for a number


@dataclass
class Choices:
    """Builds the choices of runs, each once: the runs of a sweep have most of them in common."""

    built: dict[tuple[str, str], Choice] = field(default_factory=dict)
    described: dict[int, Any] = field(default_factory=dict)  # by the identity of what is built, which stays

    def choose(self, key: str, node: Any, role: type[Choice], plugins: tuple[str, ...]) -> Choice:
        """What `build.choice` makes of a node."""
        written = key, repr(node)  # to Python, 1, 1.0 and True are equal
        if written not in self.built:
            made = self.built[written] = build.choice(key, node, role, plugins)
            self.described[id(made)] = build.described(made)
        return self.built[written]

    def run(self, config: dict[str, Any], plugins: tuple[str, ...]) -> Run:
        """The run for a plain dictionary."""
        return build.run(config, plugins, self.choose)

    def config(self, run: Run) -> dict[str, Any]:
        """A run as the plain node that builds an equal one; runs share the nodes of what they share."""
        values = vars(run).items()
        return {name: self.described.get(id(value)) or build.described(value) for name, value in values}


@dataclass
class Grid:
    """The jobs of a command, their runs, why some of them are refused, and what they have in common.

    metrics  name -> direction of every metric that some run measures
    """

    jobs: list[Job] = field(default_factory=list)
    runs: dict[int, Run] = field(default_factory=dict)
    refused: dict[int, ConfigError] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    titles: set[str] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        cells: Iterable[Cell],
        plugins: tuple[str, ...],
        first: int = 0,
        finished: Callable[[Run], Run] = lambda run: run,
    ) -> Grid:
        """Build every cell to see whether it can be.

        first: the number of the first job
        finished: what the sweep itself adds to a run
        """
        grid, choices = cls(), Choices()
        for number, cell in enumerate(cells, start=first):
            config: dict[str, Any] = {}
            try:
                config = cell.config()  # as given: where it is refused now, it will be when resumed
                run = finished(choices.run(config, plugins))
                run.recorder.ready()
                grid.runs[number] = run
                config = choices.config(run)
                grid.metrics |= run.loss.metrics
                grid.titles.add(build.subject(run))
            except ConfigError as error:
                grid.refused[number] = error
            grid.jobs.append(Job(number, cell.folder(number), cell.overrides, config))
        return grid

    def usable(self) -> Grid:
        """The grid itself. Raises the first refusal where no cell can be built."""
        if len(self.refused) == len(self.jobs):
            raise next(iter(self.refused.values()))
        return self

    @property
    def title(self) -> str:
        (title,) = self.titles if len(self.titles) == 1 else ("sweep",)
        return title


def refuse_shared_folders(jobs: Iterable[Job]) -> None:
    """Refuse a sweep in which two jobs would have one folder, or one that is not within that of the sweep."""
    taken: dict[str, Job] = {}
    for job in jobs:
        if leads_out(job.folder):
            do = "leave it out; hydra.sweep.dir=... says where the sweep is"
            raise ConfigError("hydra.sweep.subdir", job.folder, allowed="a folder within that of the sweep", do=do)
        if (other := taken.setdefault(job.folder, job)) is not job:
            raise ConfigError(
                "hydra.sweep.subdir",
                job.folder,
                allowed="another folder for every job",
                do=f"jobs {other.number} and {job.number} have the same; leave it out, or put every axis into it",
            )
