"""An experiment from its runs to its verdict: started, taken up again, judged and drawn anew.

    sweep.json ... 0/ 1/   the folder of a sweep (`runner.sweep`), one job for every circumstance, arm and seed
    lecture.json           the claim, and what each job is for
    verdict.json           what was measured in each circumstance, and the verdict
    claim.png              the figure (and claim.svg)

The last two are derived from the run folders, and are made anew by `optrun plot FOLDER`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.core.errors import ConfigError, CorruptError
from runner.lecture.base import HERE, Claim, claim
from runner.lecture.measure import Outcome, estimated, measured
from runner.screen.base import Screen, shortest
from runner.store.base import read_json, write_json
from runner.store.folder import is_run, read_rows, read_status, sealed, unsealed, whole
from runner.sweep.base import Job, read_jobs, write_jobs
from runner.sweep.grid import Cell, Grid, refuse_shared_folders
from runner.sweep.launch import Sweep, claimed, cleared, owned, refuse_taken
from runner.sweep.way import Way

Found = dict[str, dict[str, list[float]]]  # circumstance -> arm -> one number for each seed

FORMAT = 1
FILE, VERDICT = "lecture.json", "verdict.json"
THE_CASE = "the experiment"  # how a figure calls the case of an experiment that names none


@dataclass(frozen=True)
class Asked:
    """What a command asks for.

    name   of the experiment: deck/claim
    node   of the configuration: the claim as plain values
    cell   overrides, as a job
    """

    name: str
    node: Any
    cell: Callable[[Sequence[str]], Cell]
    command: str


@dataclass(frozen=True)
class Place:
    """What a job is for."""

    circumstance: str
    arm: str
    seed: int


def places(claim: Claim) -> list[Place]:
    """What there is to run, in the order of the jobs."""
    every = itertools.product(claim.circumstances(), claim.arms, range(claim.seeds))
    return [Place(*each) for each in every]


def overrides(claim: Claim, place: Place) -> list[str]:
    """What a job has beside the experiment itself; what a circumstance says of a key goes before what the arm says."""
    more = claim.circumstances()[place.circumstance]
    given = (
        *claim.arms[place.arm],
        *(more.get(place.arm, ()) if isinstance(more, dict) else more),
        f"seed={place.seed}",
    )
    last = {each.partition("=")[0].lstrip("+~"): each for each in given}
    return list(last.values())


def start(asked: Asked, path: Path, way: Way) -> int:
    """Run the experiment in a new folder. Returns the exit code."""
    path = whole(path)
    refuse_taken(path)
    way.engine.ready(way.workers)
    made = claim(asked.node)
    todo = places(made)
    grid = Grid.of([asked.cell(overrides(made, place)) for place in todo], way.plugins)
    for refused in grid.refused.values():
        raise refused
    refuse_shared_folders(grid.jobs)
    with claimed(path):
        about = way.about(asked.name, asked.command, grid.metrics, len(grid.jobs))
        write_jobs(path, grid.jobs, about)
        listed = [dataclasses.asdict(place) for place in todo]
        write_json(path / FILE, sealed({"format": FORMAT, "name": asked.name, "claim": asked.node, "jobs": listed}))
        return run(path, grid.jobs, about, way, grid)


def resume(path: Path, way: Way) -> int:
    """Complete an experiment that was cut off."""
    path = whole(path)
    with owned(path):
        jobs, about = read_jobs(path)
        way = way.again(about)
        cleared(path, jobs, about)
        return run(path, jobs, about, way, Grid())


def run(path: Path, jobs: list[Job], about: dict[str, Any], way: Way, grid: Grid) -> int:
    """Train what has not ended, then judge."""
    name, made, todo = read(path)
    sweep = Sweep(path, jobs, about, way, grid.runs, grid.refused)
    work = sweep.work(jobs)
    seeds = f", {made.seeds} seeds" if made.seeds > 1 else ""
    way.screen.say(f"{name}: {len(todo)} runs{seeds} in {shortest(path)}")
    way.screen.say(f"claim ({made.place}): {made.claim}")
    if made.right:
        way.screen.say(f"more exactly: {made.right}")
    sweep.trained(work, sweep.workers(work))
    failed = [row for row in sweep.rows if row.status not in ("completed", "diverged")]
    if failed:
        do = f"optrun resume {shortest(path)} completes them"
        way.screen.notice(f"{len(failed)} of {len(todo)} runs did not end ({failed[0].verdict}); {do}")
        return next((code for _, code in sorted(sweep.codes.items()) if code not in (0, 3)), 1)
    return judged(path, way.screen)


def judged(path: Path, screen: Screen) -> int:
    """Measure, write the verdict, draw the figure, and say all of it."""
    name, made, todo = read(path)
    jobs, about = read_jobs(path)
    numbers = found(path, made, todo, jobs)
    outcome = Outcome(made, {name: estimated(arms, made.compare) for name, arms in numbers.items()})
    write_json(path / VERDICT, told(name, about["command"], outcome, numbers))
    screen.table(*table(outcome))
    screen.say(f"predicted: {made.predicted:.6g}, {made.because}")
    if outcome.as_printed:
        screen.say(f"as printed: {outcome.as_printed}")
    screen.say(f"verdict: {outcome.verdict}")
    from runner.plot import lecture

    for picture in lecture.draw(path):
        screen.say(str(shortest(picture)))
    return 0


def found(path: Path, made: Claim, todo: list[Place], jobs: list[Job]) -> Found:
    """What was measured of every run."""
    numbers: Found = {name: {arm: [] for arm in made.arms} for name in made.circumstances()}
    for place, job in zip(todo, jobs, strict=True):
        folder = path / job.folder
        if not is_run(folder):
            raise ConfigError("", folder, allowed="a run folder", do=f"optrun resume {path} makes it")
        status = str(read_status(folder)["status"])
        value = measured(read_rows(folder / "metrics.csv"), status, made.measure, place.arm)
        numbers[place.circumstance][place.arm].append(value)
    return numbers


def read(path: Path) -> tuple[str, Claim, list[Place]]:
    """Name, claim and jobs of the experiment in a folder; `CorruptError` where the list was changed."""
    content = read_json(path / FILE)
    if not unsealed(content) or content.get("format") != FORMAT:
        raise CorruptError(f"{path / FILE} was changed, or is of a format that this optrun does not read")
    return content["name"], claim(content["claim"]), [Place(**each) for each in content["jobs"]]


def told(name: str, command: str, outcome: Outcome, numbers: Found) -> dict[str, Any]:
    """The verdict as plain data, with all that the figure shows."""
    made = outcome.claim
    return {
        "name": name,
        "place": made.place,
        "claim": made.claim,
        "right": made.right,
        "verdict": outcome.verdict,
        "printed": made.printed,
        "as_printed": outcome.as_printed,
        "predicted": made.predicted,
        "because": made.because,
        "bounds": list(made.bounds),
        "measured": {
            circumstance: {
                "title": THE_CASE if circumstance == HERE else circumstance,
                "value": spelled(each.value),
                "low": spelled(each.low),
                "high": spelled(each.high),
                "within": outcome.held(circumstance),
                "control": circumstance in made.control,
                "numbers": {arm: [spelled(value) for value in values] for arm, values in numbers[circumstance].items()},
            }
            for circumstance, each in outcome.found.items()
        },
        "what": made.what,
        "over": made.over,
        "slope": made.compare.how == "slope",
        "seeds": made.seeds,
        "command": command,
    }


def spelled(value: float) -> float | str:
    """A number for JSON, which has neither infinity nor NaN."""
    return value if value - value == 0 else str(value)


def table(outcome: Outcome) -> tuple[list[str], list[list[str]], str]:
    """What was measured in every circumstance."""
    low, high = outcome.claim.bounds
    lines = []
    for name, each in outcome.found.items():
        kind = "control" if name in outcome.claim.control else "case"
        between = "" if each.low == each.high else f"{each.low:.4g} to {each.high:.4g}"
        lines.append([kind, name, f"{each.value:.5g}", between, "yes" if outcome.held(name) else "no"])
    head = ["", "circumstance", "measured", "95 % interval", "within"]
    return head, lines, f"within: the interval lies in [{low:.6g}, {high:.6g}]; a control must not"


def is_lecture(path: Path) -> bool:
    """Whether a folder holds an experiment of a lecture."""
    return (path / FILE).is_file()
