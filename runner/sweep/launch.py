"""Running the jobs of a sweep one after the other in this process, and going on with a sweep that was cut off."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import build, job
from runner.core.errors import (
    ConfigError,
    DiskError,
    ExpectationMissed,
    Interrupted,
    LockedError,
    OptrunError,
)
from runner.screen.base import Screen, Silent, shortest
from runner.store.base import disk
from runner.store.folder import is_run, locked, read_status
from runner.sweep.base import (
    ENDED,
    Job,
    Row,
    axes,
    is_sweep,
    ranked,
    read_jobs,
    row_from,
    row_of,
    rows_of,
    write_jobs,
    write_table,
)
from runner.sweep.results import conclude

if TYPE_CHECKING:
    from omegaconf import DictConfig


def start(
    parts: list[tuple[list[str], DictConfig, str]], plugins: tuple[str, ...], path: Path, command: str, screen: Screen
) -> int:
    """Run a new sweep: parts are (overrides, configuration, folder) of every job. Returns the exit code."""
    path = path.resolve()
    refuse_taken(path)
    jobs: list[Job] = []
    refused: dict[int, ConfigError] = {}
    titles: set[str] = set()
    metrics: dict[str, str] = {}
    for number, (overrides, config, folder) in enumerate(parts):
        plain: dict[str, Any] = {}
        try:
            run = build.from_hydra(config, plugins)
            plain = build.described(run)
            metrics |= run.loss.metrics
            titles.add(f"{run.dataset.label} · {run.architecture.label}")
        except ConfigError as error:
            refused[number] = error
        jobs.append(Job(number, folder, tuple(overrides), plain))
    if len(refused) == len(jobs):
        raise refused[0]
    with disk(path, "make the sweep folder"):
        path.mkdir(parents=True, exist_ok=True)
    with owned(path):
        refuse_taken(path)
        title = titles.pop() if len(titles) == 1 else "sweep"
        created = datetime.now(UTC).isoformat(timespec="seconds")
        write_jobs(path, jobs, {"title": title, "command": command, "created": created, "metrics": metrics})
        return Sweep(path, jobs, metrics, plugins, screen, refused).run()


def resume(path: Path, plugins: tuple[str, ...], screen: Screen) -> int:
    """Run what is not completed of a sweep; a run that was cut off goes on where its last commit left it."""
    path = path.resolve()
    with owned(path):
        jobs, about = read_jobs(path)
        return Sweep(path, jobs, about["metrics"], plugins, screen, {}).run()


def redraw(path: Path, screen: Screen) -> int:
    """Write the tables and the picture of a sweep anew, from its rows, and show the tables."""
    path = path.resolve()
    jobs, about = read_jobs(path)
    sweep = Sweep(path, jobs, about["metrics"], (), screen, {})
    sweep.rows = rows_of(path, jobs, sweep.metrics)
    if not sweep.rows:
        raise ConfigError("", path, allowed="a sweep with at least one run", do=f"optrun resume {path}")
    sweep.told()
    for each in sweep.drawn():
        screen.say(str(shortest(each)))
    return 0


class Sweep:
    """The jobs of one sweep folder while they run."""

    def __init__(
        self,
        path: Path,
        jobs: list[Job],
        metrics: dict[str, str],
        plugins: tuple[str, ...],
        screen: Screen,
        refused: dict[int, ConfigError],
    ) -> None:
        self.path = path
        self.jobs = jobs
        self.metrics = metrics
        self.plugins = plugins
        self.screen = screen
        self.refused = refused
        self.axes = axes(jobs)
        self.rows: list[Row] = []
        self.codes: list[int] = []

    def run(self) -> int:
        """Every job that has not ended; then the table, the picture and the gate. Returns the exit code."""
        say = self.screen.say
        say(f"{len(self.jobs)} runs in {shortest(self.path)}, over " + (", ".join(self.axes) or "nothing"))
        try:
            for each in self.jobs:
                row = self.known(each)
                if row is None or row.status not in ENDED:
                    row = self.one(each)
                self.rows.append(row)
                say(self.line(row))
        finally:
            write_table(self.path, self.rows, self.axes, self.metrics)
        order = self.told()
        try:
            self.drawn()
        except Exception as error:  # a picture is derived; it can be drawn again and must not fail a sweep
            say(f"the picture was not drawn ({type(error).__name__}: {error}); optrun plot {shortest(self.path)}")
        say(f"files: {shortest(self.path)}")
        return self.exit_code(order)

    def known(self, each: Job) -> Row | None:
        """What an earlier process left of a job."""
        return row_of(self.path, each, self.axes, self.metrics) if is_run(self.path / each.folder) else None

    def one(self, each: Job) -> Row:
        """Run a job, or go on with it; whatever happens to it becomes its row."""
        folder = self.path / each.folder
        try:
            if error := self.refused.get(each.number):
                raise error
            if is_run(folder):
                result = job.resume(folder, self.plugins, Silent())
            else:
                run = build.run(each.config, self.plugins)
                result = job.start(run, folder, f"optrun {' '.join(each.overrides)}", Silent())
            self.codes.append(result.exit_code)
            return row_from(each, self.axes, self.metrics, result.summary)
        except Interrupted:
            raise
        except DiskError:
            raise  # the next job would meet the same disk
        except LockedError as error:
            return self.failed(each, "locked", error)
        except ConfigError as error:
            return self.failed(each, "refused", error)
        except OptrunError as error:
            return self.failed(each, "failed", error)
        except Exception as error:
            traceback.print_exc()
            return self.failed(each, "failed", error)

    def failed(self, each: Job, status: str, error: Exception) -> Row:
        self.codes.append(getattr(error, "exit_code", 1))
        verdict = "; ".join(line.strip() for line in str(error).splitlines()) or type(error).__name__
        return row_from(each, self.axes, self.metrics, {"status": status, "verdict": verdict})

    def line(self, row: Row) -> str:
        """A job in one line, as it ends."""
        what = " ".join(f"{key}={value}" for key, value in row.values.items()) or " ".join(row.job.overrides)
        done = f"[{row.job.number + 1}/{len(self.jobs)}] {what}: "
        best = row.number("best_val_loss")
        if row.status == "completed" and best is not None:
            return done + f"best val_loss {best:.5g} in epoch {row.best_epoch}, {row.epochs} epochs"
        return done + f"{row.status.upper()}: {row.verdict}"

    def told(self) -> list[Row]:
        """Write the tables, show them, and return the runs from the best to the worst."""
        for table in conclude(self.path, self.jobs, self.rows, self.axes, self.metrics):
            self.screen.table(*table)
        return ranked(self.rows)

    def drawn(self) -> list[Path]:
        from runner.plot import sweep

        return sweep.draw(self.path)

    def exit_code(self, order: list[Row]) -> int:
        """That of the gate, judged on the best run; else of the first job that failed; 3 where no run completed."""
        worst = [code for code in self.codes if code not in (0, 3, ExpectationMissed.exit_code)]
        best = order[0] if order else None
        if best is None or best.status != "completed":
            return worst[0] if worst else 3
        summary = read_status(self.path / best.job.folder)
        missed = False
        for name, each in summary.get("expect", {}).items():
            missed |= not each["met"]
            verb = "met" if each["met"] else "MISSED"
            value = "not measured" if each["measured"] is None else f"{each['measured']:.6g}"
            self.screen.say(f"expected of the best run: {name} at {each['at']} {each['bound']:g}: {verb}, {value}")
        return ExpectationMissed.exit_code if missed else worst[0] if worst else 0


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Hold the lock of a sweep folder."""
    lock = locked(path)
    try:
        yield
    finally:
        os.close(lock)


def refuse_taken(path: Path) -> None:
    """Refuse a folder that holds anything but the lock and what Hydra wrote for this very sweep."""
    if is_sweep(path):
        raise ConfigError(
            "hydra.sweep.dir",
            path,
            allowed="a new or an empty folder; this one holds a sweep",
            do=f"optrun resume {path} completes it; for another sweep choose a new folder",
        )
    if path.is_dir() and {entry.name for entry in path.iterdir()} - {".lock", "multirun.yaml"}:
        raise ConfigError(
            "hydra.sweep.dir",
            path,
            allowed="a new or an empty folder; something else is there",
            do="choose a new folder",
        )
