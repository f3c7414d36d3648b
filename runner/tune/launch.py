"""A tune from its first trial to its picture: started, taken up again, drawn anew."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.core.errors import ConfigError
from runner.run import Run
from runner.screen.base import Screen, percent, shortest
from runner.store.folder import is_run, read_rows, whole
from runner.sweep.base import Job, Row, completed, read_jobs, row_from, rows_of, write_jobs, write_table
from runner.sweep.grid import Grid, refuse_shared_folders
from runner.sweep.launch import Sweep, claimed, cleared, owned, refuse_taken
from runner.sweep.way import Way
from runner.tune.base import Asked, Plan, Search, State, Told, read_plan, searched, write_plan
from runner.tune.pruning import History, hurdles, judged_by, pruned
from runner.tune.results import Results, Trial, table_of_expected, table_of_trials, write_results
from runner.tune.space import at_the_edge
from runner.tune.study import Study

UNSETTLED = ("interrupted", "running", "locked")  # a trial that can go on: nothing can be told of it yet


def start(asked: Asked, plan: Plan, path: Path, way: Way) -> int:
    """Run a new tune. Returns the exit code."""
    path = whole(path)
    refuse_taken(path)
    way.engine.ready(way.workers)
    search = searched(asked, plan, way.plugins)
    with claimed(path):
        about = way.about(search.grid.title, asked.command, search.grid.metrics, plan.runs)
        write_jobs(path, [], about)
        write_plan(path, plan, asked)
        return Tune(path, asked, search, way, [], about).run()


def resume(path: Path, again: Callable[[dict[str, Any], str], Asked], budget: dict[str, Any], way: Way) -> int:
    """Complete a tune: trials that were cut off go on, and the study proposes those that it lacks.

    again: what the typed words of tune.json, and its command, ask for
    budget: a new number of runs or of epochs, by name
    """
    path = whole(path)
    with owned(path):
        plan, command, typed = read_plan(path)
        plan = replace(plan, **budget)
        asked = again(typed, command)
        jobs, about = read_jobs(path)
        way = way.again(about)
        cleared(path, jobs, about)
        search = searched(asked, plan, way.plugins)
        write_plan(path, plan, asked)
        return Tune(path, asked, search, way, jobs, about).run()


def redraw(path: Path, screen: Screen) -> int:
    """Write sweep.csv and the pictures of a tune anew."""
    path = whole(path)
    jobs, about = read_jobs(path)
    sweep = Sweep(path, jobs, about, Way((), screen))
    sweep.rows = rows_of(path, jobs, sweep.metrics)
    if not sweep.rows or not (path / "tune.csv").is_file():
        raise ConfigError("", path, allowed="a tune that has come to its end once", do=f"optrun resume {path}")
    write_table(path, sweep.rows, sweep.axes, sweep.metrics)
    for each in (*sweep.drawn(), *drawn(path)):
        screen.say(str(shortest(each)))
    return 0


class Tune:
    """The trials of one folder while they run."""

    def __init__(
        self, path: Path, asked: Asked, search: Search, way: Way, jobs: list[Job], about: dict[str, Any]
    ) -> None:
        self.path = path
        self.asked = asked
        self.search = search
        self.plan = search.plan
        self.way = way
        self.screen = way.screen
        self.study = Study(path, search.space, self.plan.search, search.seed, search.direction)
        self.sweep = Sweep(path, jobs, about, way, total=self.plan.runs)
        self.ended: dict[int, tuple[Told, History]] = {}

    def run(self) -> int:
        """Batch after batch until the budget is spent; then tables and pictures. Returns the exit code."""
        self.introduced()
        self.recalled()
        while True:
            self.study.ask()
            self.prepared()
            self.trained()
            if lost := [row for row in self.sweep.rows if row.status in UNSETTLED]:
                do = f"optrun resume {shortest(self.path)} completes them"
                self.screen.notice(f"{len(lost)} trials were cut off; {do}")
                return 1
            size = self.plan.size(len(self.ended), self.spent, self.search.longest)
            if not size:
                return self.concluded()
            self.study.announce(size)

    @property
    def spent(self) -> int:
        """Epochs of all trials that have ended."""
        return sum(told.epochs for told, _ in self.ended.values())

    def introduced(self) -> None:
        """Say what is searched, and what for."""
        say, plan, longest = self.screen.say, self.plan, self.search.longest
        epochs = plan.runs * longest
        epochs = epochs if plan.total_epochs == "unlimited" else min(epochs, plan.total_epochs)
        pruning = "" if plan.prune == "none" else f", {plan.prune} pruning"
        say(f"{plan.runs} trials by {plan.search}{pruning} for the {word(self.search.direction)} {plan.goal}, "
            f"at most {epochs:,} epochs, {longest} each, in {shortest(self.path)}")  # fmt: skip
        width = max(len(each.key) + 1 + len(each.text) for each in self.search.space)
        for each in self.search.space:
            say(f"  {f'{each.key}={each.text}':<{width}}  {each.told}")

    def recalled(self) -> None:
        """What earlier processes told the study already."""
        open_trials = set(self.study.open)
        settled = [job for job in self.sweep.jobs if job.number not in open_trials]
        known = {row.job.number: row for row in rows_of(self.path, settled, self.sweep.metrics)}
        for job in settled:
            row = known.get(job.number)
            if row is None:  # a trial without a folder, of which sweep.csv alone has told
                gone = {"status": "failed", "verdict": "it failed in an earlier process"}
                row = row_from(job, self.sweep.axes, self.sweep.metrics, gone)
            self.sweep.rows.append(row)
            self.sweep.progress.before(row)
            self.ended[job.number] = self.settled(row)
        if settled:
            self.screen.say(f"{len(settled)} of them have ended before")

    def prepared(self) -> None:
        """Make jobs of the trials that have none yet, with hurdles from those that have ended."""
        first = len(self.sweep.jobs)
        cells = [self.asked.cell(setting) for setting in self.study.settings(first)]
        if cells:
            grid = Grid.of(cells, self.way.plugins, first, self.judged)
            refuse_shared_folders([*self.sweep.jobs, *grid.jobs])
            self.sweep.add(grid)

    def judged(self, run: Run) -> Run:
        """A run that must be as good as the trials before it."""
        earlier = [history for _, (_, history) in sorted(self.ended.items())]
        plan, search = self.plan, self.search
        return judged_by(run, hurdles(plan.prune, earlier, search.longest, plan.goal, search.direction))

    def trained(self) -> None:
        """Train the trials of which nothing was told, and tell the study what became of them."""
        waiting = set(self.study.open)
        work = self.sweep.work(job for job in self.sweep.jobs if job.number in waiting)
        self.sweep.trained(work, self.sweep.workers(work))
        found = {
            row.job.number: self.settled(row)
            for row in self.sweep.rows
            if row.job.number in waiting and row.status not in UNSETTLED
        }
        if found.keys() == waiting:
            self.study.tell(told for told, _ in found.values())
        self.ended |= found

    def settled(self, row: Row) -> tuple[Told, History]:
        """What became of a trial, and its goal after each epoch."""
        job, goal = row.job, self.plan.goal
        metrics = self.path / job.folder / "metrics.csv"
        rows = read_rows(metrics) if is_run(self.path / job.folder) else []
        value, epochs = row.number(f"best_{goal}"), row.epochs or 0
        early = pruned(job.config, rows)
        history = History(tuple(each[goal] for each in rows), completed(row) and not early)
        if completed(row) and value is not None and math.isfinite(value):
            return Told(job.number, "pruned" if early else "completed", value, epochs), history
        state: State = "diverged" if row.status in ("completed", "diverged") else "failed"
        return Told(job.number, state, None, epochs), history

    def concluded(self) -> int:
        """Tables, pictures, the best setting and how to have it again. Returns the exit code."""
        say, path = self.screen.say, self.path
        results = self.results()
        curve = results.curve()
        write_results(path, results, curve)
        self.screen.table(*table_of_trials(results))
        if curve:
            self.screen.table(*table_of_expected(results, curve, self.plan.search == "tpe"))
        self.sweep.pictured()
        self.pictured()
        budget = "" if self.plan.total_epochs == "unlimited" else f" of {self.plan.total_epochs:,}"
        say(f"spent: {len(self.ended)} of {self.plan.runs} trials ({results.counts()}), {self.spent:,}{budget} epochs")
        for line in self.best_lines(results):
            say(line)
        say(f"files: {shortest(path)}")
        return self.sweep.exit_code()

    def results(self) -> Results:
        """All trials in their order."""
        rows = {row.job.number: row for row in self.sweep.rows}
        settings = self.study.settings(0)
        trials = [Trial(rows[number], self.ended[number][0], setting) for number, setting in enumerate(settings)]
        return Results(trials, self.plan.goal, self.search.direction, self.search.seed)

    def best_lines(self, results: Results) -> Iterator[str]:
        """The best setting, where it lies, and the command that trains it again."""
        best = results.best
        if best is None:
            yield "best: no trial completed"
            return
        chosen = " ".join(f"{key}={value}" for key, value in best.setting.items())
        yield f"best: trial {best.number}, {results.goal} {percent(results.goal, best.value)}: {chosen}"
        for sentence in at_the_edge(self.search.space, best.setting):
            yield f"edge: {sentence}"
        own = [
            each for each in best.row.job.overrides if not each.startswith("hydra.")
        ]  # a run has a folder of its own
        yield f"again: optrun {shlex.join(own)}"

    def pictured(self) -> None:
        """Draw the picture, which is derived: it can be drawn again and must not fail a tune."""
        try:
            drawn(self.path)
        except Exception as error:
            again = f"optrun plot {shortest(self.path)}"
            self.screen.say(f"the picture was not drawn ({type(error).__name__}: {error}); {again}")


def drawn(path: Path) -> list[Path]:
    """Draw the picture of a tune; imports matplotlib."""
    from runner.plot import tune

    return tune.draw(path)


def word(direction: str) -> str:
    return "lowest" if direction == "min" else "highest"
