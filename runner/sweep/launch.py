"""A sweep from its first job to its picture: started, extended, taken up again, drawn anew."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from runner import build
from runner.core.errors import ConfigError, CorruptError, ExpectationMissed
from runner.run import Run
from runner.screen.base import Screen, shortest
from runner.store.base import disk
from runner.store.folder import ABANDONED_S, ENDED, clear_abandoned, is_run, read_status, verified, whole
from runner.store.lock import locked
from runner.sweep.base import (
    Job,
    Row,
    axes,
    is_sweep,
    ranked,
    read_jobs,
    row_from,
    row_of,
    rows_of,
    values_of,
    write_jobs,
    write_table,
)
from runner.sweep.engine import follow, kept
from runner.sweep.engine.base import Event, Lost, Tick
from runner.sweep.extend import divided
from runner.sweep.gate import judged
from runner.sweep.grid import Cell, Choices, Grid, refuse_shared_folders
from runner.sweep.group import Manner, Outcome, Task, failed, groups
from runner.sweep.progress import Progress
from runner.sweep.results import conclude
from runner.sweep.seeds import settings
from runner.sweep.way import Way

PICTURED = 8  # runs, up to which each draws its own curves: two pictures take longer than 30 epochs of digits


def start(cells: Sequence[Cell], path: Path, command: str, way: Way) -> int:
    """Run a new sweep. Returns the exit code."""
    path = whole(path)
    refuse_taken(path)
    way.engine.ready(way.workers)
    grid = Grid.of(cells, way.plugins).usable()
    refuse_shared_folders(grid.jobs)
    with claimed(path):
        about = way.about(grid.title, command, grid.metrics, len(grid.jobs))
        write_jobs(path, grid.jobs, about)
        return Sweep(path, grid.jobs, about, way, grid.runs, grid.refused).run()


def extend(cells: Sequence[Cell], path: Path, command: str, way: Way) -> int:
    """Add the jobs that a sweep does not have yet, and run what is not completed. Returns the exit code."""
    path = whole(path)
    if not is_sweep(path):
        raise ConfigError(
            "--extend",
            path,
            allowed="the folder of a sweep",
            do="name it with hydra.sweep.dir=outputs/..., or leave out --extend for a new sweep",
        )
    with owned(path):
        there, about = read_jobs(path)
        way = way.again(about)
        cleared(path, there, about)
        grid = Grid.of(cells, way.plugins).usable()
        old, new = divided(path, there, grid.jobs)
        first = 1 + max(job.number for job in there)
        added = [
            replace(job, number=number, folder=cells[job.number].folder(number))
            for number, job in enumerate(new, start=first)
        ]
        jobs = [*old, *added]
        refuse_shared_folders(jobs)
        title = about["title"] if grid.title == about["title"] else "sweep"
        about |= {"title": title, "command": command, "metrics": about["metrics"] | grid.metrics}
        about |= {"engine": kept.noted(way.engine, way.workers)}
        write_jobs(path, jobs, about)
        way.screen.say(f"{len(added)} of {len(jobs)} runs are new")
        return Sweep(path, jobs, about, way).run()


def resume(path: Path, way: Way) -> int:
    """Run what is not completed of a sweep; a run that was cut off goes on where its last commit left it."""
    path = whole(path)
    with owned(path):
        jobs, about = read_jobs(path)
        way = way.again(about)
        cleared(path, jobs, about)
        return Sweep(path, jobs, about, way).run()


def cleared(path: Path, jobs: Iterable[Job], about: Mapping[str, Any]) -> None:
    """Remove what processes that were killed left of run folders in the making.

    Nobody else makes any in a sweep, unless machines of a cluster may still be at work for one that is gone.
    """
    after_s = ABANDONED_S if about.get("elsewhere") else -math.inf
    for parent in {(path / job.folder).parent for job in jobs}:
        clear_abandoned(parent, after_s)


@dataclass(frozen=True)
class Work:
    """What there is to do in a sweep: tasks for it, runs that somebody else trains at this moment, refused jobs."""

    tasks: list[Task]
    theirs: list[Task]
    refused: list[Outcome]


def redraw(path: Path, screen: Screen) -> int:
    """Write the tables and the picture of a sweep anew, from its rows, and show the tables."""
    path = whole(path)
    jobs, about = read_jobs(path)
    sweep = Sweep(path, jobs, about, Way((), screen))
    sweep.rows = rows_of(path, jobs, sweep.metrics)
    if not sweep.rows:
        raise ConfigError("", path, allowed="a sweep with at least one run", do=f"optrun resume {path}")
    sweep.told()
    for each in sweep.drawn():
        screen.say(str(shortest(each)))
    return 0


class Sweep:
    """The jobs of one sweep folder while they run.

    runs, refused: of the jobs, by number, as far as somebody has built them already
    total: how many jobs there will be, where more are added while it runs
    """

    def __init__(
        self,
        path: Path,
        jobs: list[Job],
        about: dict[str, Any],
        way: Way,
        runs: Mapping[int, Run] = MappingProxyType({}),
        refused: Mapping[int, ConfigError] = MappingProxyType({}),
        total: int = 0,
    ) -> None:
        total = max(total, len(jobs))
        self.path = path
        self.jobs = jobs
        self.about = about
        self.metrics: dict[str, str] = about["metrics"]
        self.way = way
        self.runs, self.refused = dict(runs), dict(refused)
        self.manner = Manner(way.plugins, total <= PICTURED, about.get("threads", "auto"))
        self.axes = axes(jobs)
        self.rows: list[Row] = []
        self.codes: dict[int, int] = {}
        self.traces: set[str] = set()
        self.by_number = {each.number: each for each in jobs}
        self.screen = way.screen
        self.progress = Progress(way.screen, total)

    def add(self, grid: Grid) -> None:
        """Take in more jobs, which number on, and write the list of all."""
        self.jobs += grid.jobs
        self.by_number |= {each.number: each for each in grid.jobs}
        self.runs |= grid.runs
        self.refused |= grid.refused
        self.metrics |= grid.metrics
        self.axes = axes(self.jobs)
        self.rows = [replace(row, values=values_of(row.job, self.axes)) for row in self.rows]
        write_jobs(self.path, self.jobs, self.about)

    def run(self) -> int:
        """Every job that has not ended; then the table, the picture and the gate. Returns the exit code."""
        say = self.screen.say
        work = self.work(self.jobs)
        workers = self.workers(work)
        where = self.way.engine.words(workers) if work.tasks else ""
        say(f"{len(self.jobs)} runs{where} in {shortest(self.path)}, over " + (", ".join(self.axes) or "nothing"))
        if self.progress.known:
            say(f"{self.progress.known} of them have ended before")
        self.trained(work, workers)
        order = self.told()
        self.pictured()
        if not self.manner.pictures:
            say(f"curves of one run: optrun plot {shortest(self.path / order[0].job.folder)}")
        say(f"files: {shortest(self.path)}")
        return self.exit_code()

    def workers(self, work: Work) -> int:
        """How many groups are trained at a time."""
        return self.way.engine.workers(len(work.tasks), self.way.workers) if work.tasks else 1

    def trained(self, work: Work, workers: int) -> None:
        """Do the work and write sweep.csv, however it ends."""
        way = self.way
        try:
            for outcome in work.refused:
                self.noticed(outcome)
            torch.set_num_threads(1)  # before anything is computed here: see `engine.processes`
            together = self.grouped(work.tasks, workers)
            events = follow.trained(way.engine, self.path, together, work.theirs, self.manner, workers, way.screen.say)
            with self.screen.sweeping(), closing(events):
                for event in events:
                    self.noticed(event)
        finally:
            self.progress.summed_up()
            write_table(self.path, self.rows, self.axes, self.metrics)

    def pictured(self) -> None:
        """Draw the picture, which is derived: it can be drawn again and must not fail a sweep."""
        try:
            self.drawn()
        except Exception as error:
            again = f"optrun plot {shortest(self.path)}"
            self.screen.say(f"the picture was not drawn ({type(error).__name__}: {error}); {again}")

    def grouped(self, tasks: list[Task], workers: int) -> list[list[Task]]:
        """The tasks in groups. Which programs train side by side, and that machines elsewhere had any of them, is noted
        in the list of jobs.

        A sweep that was cut off before that keeps to what its command said of lanes.
        """
        known = dict(self.about.get("side_by_side", {}))
        wanted = self.about.get("lanes", "auto") if self.way.lanes == "auto" else self.way.lanes
        found = groups(tasks, workers, self.way.engine.lanes(wanted), known, self.screen.say)
        noted: dict[str, Any] = {"elsewhere": True} if self.way.engine.elsewhere else {}
        noted |= {"side_by_side": known} if known else {}
        if self.about | noted != self.about:
            self.about |= noted
            write_jobs(self.path, self.jobs, self.about)
        return found

    def work(self, jobs: Iterable[Job]) -> Work:
        """What there is to do; the jobs that have ended already become their rows."""
        work, choices = Work([], [], []), Choices()
        for each in jobs:
            try:
                row = self.known(each)
            except CorruptError as damage:  # of this run alone
                work.refused.append(failed(each, "failed", damage))
                continue
            if row is not None and row.status in ENDED:
                self.rows.append(row)
                self.progress.before(row)
                continue
            try:
                if error := self.refused.get(each.number):
                    raise error
                run = self.runs.get(each.number) or choices.run(build.SINCE | each.config, self.way.plugins)
                running = row is not None and row.status == "running"
                (work.theirs if running else work.tasks).append(Task.of(self.path, each, run))
            except ConfigError as error:
                work.refused.append(failed(each, "refused", error))
        return work

    def noticed(self, event: Event) -> None:
        """What the engine reports becomes rows, lines and codes."""
        match event:
            case Tick():
                self.progress.running = event.running
                self.progress.shown()
                self.look_ahead()
            case Outcome():
                self.ended(event.number, event.summary, event.exit_code)
                if event.trace and event.trace not in self.traces:
                    self.traces.add(event.trace)  # a bug that many runs meet is shown once
                    print(event.trace, file=sys.stderr, end="", flush=True)
            case Lost():
                listed = ", ".join(map(str, event.numbers))
                do = f"optrun resume {shortest(self.path)} completes them"
                self.screen.notice(f"{event.who} {event.how}, with jobs {listed} in its hands; {do}")
                for number in event.numbers:
                    self.lost(number, event.how)

    def lost(self, number: int, how: str) -> None:
        """The row of a job whose process died, from what it left."""
        folder = self.path / self.by_number[number].folder
        summary: dict[str, Any] = {"status": "interrupted", "verdict": f"its process {how}"}
        if is_run(folder):
            summary = read_status(folder)
        self.ended(number, summary, 0 if summary["status"] in ENDED else 1)

    def ended(self, number: int, summary: dict[str, Any], code: int) -> None:
        """A job has ended, somehow."""
        row = row_from(self.by_number[number], self.axes, self.metrics, summary)
        self.rows.append(row)
        self.codes[number] = code
        self.progress.ended(row)

    def known(self, each: Job) -> Row | None:
        """What an earlier process left of a job."""
        return row_of(self.path, each, self.axes, self.metrics) if is_run(self.path / each.folder) else None

    def told(self) -> list[Row]:
        """Write the tables, show them, and return the runs from the best to the worst."""
        for table in conclude(self.path, self.jobs, self.rows, self.axes, self.metrics):
            self.screen.table(*table)
        return ranked(self.rows)

    def look_ahead(self) -> None:
        """While others work: read what the picture will need, which takes 0.3 s."""
        from runner.plot import sweep  # noqa: F401

    def drawn(self) -> list[Path]:
        from runner.plot import sweep

        return sweep.draw(self.path, verified)

    def exit_code(self) -> int:
        """That of the gate, judged on the best setting; else of the first job that failed; 3 where no run completed."""
        codes = [code for _, code in sorted(self.codes.items())]
        worst = [code for code in codes if code not in (0, 3, ExpectationMissed.exit_code)]
        order = settings(self.jobs, self.rows, self.axes)
        if not order[0].completed:
            return worst[0] if worst else 3
        found = list(judged([read_status(self.path / row.job.folder) for row in order[0].completed]))
        for each in found:
            self.screen.say(each.words)
        if not all(each.met for each in found):
            return ExpectationMissed.exit_code
        return worst[0] if worst else 0


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Make a new sweep folder and hold its lock; refuses one that holds something."""
    with disk(path, "make the sweep folder"):
        path.mkdir(parents=True, exist_ok=True)
    with owned(path):
        refuse_taken(path)
        yield


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Hold the lock of a sweep folder."""
    lock = locked(path)
    try:
        yield
    finally:
        os.close(lock)


def refuse_taken(path: Path) -> None:
    """Refuse a folder that holds anything but the lock and what Hydra's own sweeper wrote for this very sweep."""
    if is_sweep(path):
        raise ConfigError(
            "hydra.sweep.dir",
            path,
            allowed="a new or an empty folder; this one holds a sweep",
            do=f"optrun resume {path} completes it; --extend adds the runs that it lacks",
        )
    if path.is_dir() and {entry.name for entry in path.iterdir()} - {".lock", "multirun.yaml"}:
        raise ConfigError(
            "hydra.sweep.dir",
            path,
            allowed="a new or an empty folder; something else is there",
            do="choose a new folder",
        )
