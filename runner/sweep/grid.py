"""The grid of a command: its cells as the command line gives them, and the jobs that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runner import build
from runner.core.errors import ConfigError
from runner.sweep.base import Job, leads_out

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass(frozen=True)
class Cell:
    """A job as the command line gives it: its overrides, and what they come to."""

    overrides: tuple[str, ...]
    config: Callable[[], DictConfig]
    folder: Callable[[int], str]  # within the folder of the sweep, for a number


@dataclass
class Grid:
    """The jobs of a command, why some of them are refused, and what their runs have in common.

    metrics  name -> direction of every metric that some run measures
    """

    jobs: list[Job] = field(default_factory=list)
    refused: dict[int, ConfigError] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    titles: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, cells: Iterable[Cell], plugins: tuple[str, ...]) -> Grid:
        """Build every cell to see whether it can be. Raises `ConfigError` where none can."""
        grid = cls()
        for number, cell in enumerate(cells):
            config: dict[str, Any] = {}
            try:
                config = build.plain(cell.config())  # as given: where it is refused now, it will be when resumed
                run = build.run(config, plugins)
                config = build.described(run)
                grid.metrics |= run.loss.metrics
                grid.titles.add(f"{run.dataset.label} · {run.architecture.label}")
            except ConfigError as error:
                grid.refused[number] = error
            grid.jobs.append(Job(number, cell.folder(number), cell.overrides, config))
        if len(grid.refused) == len(grid.jobs):
            raise grid.refused[0]
        return grid

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
