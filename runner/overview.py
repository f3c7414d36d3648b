"""Runs and sweeps as a page tells of them: read from their folders, ranked, and looked at by the doctor.

Nothing is trained, measured or written here. A folder that is damaged stands on the page with what is wrong with it; a
run whose parts or data are not at hand is told of without the doctor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from runner.checkup import seen
from runner.core.errors import CorruptError, DiskError, OptrunError
from runner.core.seeds import is_seed
from runner.doctor.base import command
from runner.doctor.rules import findings
from runner.doctor.told import short, unknown
from runner.report import runs
from runner.report.folders import LOSS, Damaged, Look, Sweep, report, room
from runner.report.runs import Finding, Run
from runner.report.table import Table, table
from runner.store.folder import is_run
from runner.sweep import importance, seeds
from runner.sweep.base import (
    Job,
    Row,
    axes,
    completed,
    is_sweep,
    lines,
    measures,
    ranked,
    read_jobs,
    row_of,
    rows_of,
    values_of,
)
from runner.tune.base import Plan, direction_of, is_tune, read_plan
from runner.tune.ranked import ranked as by_goal

HEALTHY = "Its rows show nothing wrong; that is no proof."


def page(folders: Sequence[Path], plugins: tuple[str, ...], doctor: bool, command: str) -> tuple[str, list[Damaged]]:
    """The page of some folders, and those of them that are not on it.

    doctor  whether each run that is told of in detail is built again, for its data and its rules

    Raises `ConfigError` for a folder that holds neither a run nor a sweep.
    """
    damaged: list[Damaged] = []
    look: Look = (lambda run: examined(run, plugins)) if doctor else unexamined
    named, sweeps = [], []
    of_sweeps = [folder for folder in folders if is_sweep(folder)]
    _, each = room(len(folders) - len(of_sweeps), len(of_sweeps))
    for folder in folders:
        try:
            if folder in of_sweeps:
                sweeps.append(sweep(folder, each, f"{folder}: " if len(folders) > 1 else "", damaged))
            else:
                named.append(runs.read(folder, str(folder)))
        except (CorruptError, DiskError) as error:
            damaged.append(Damaged(str(folder), str(error)))
    return report(named, sweeps, damaged, command, look), damaged


def unexamined(run: Run) -> Run:
    """A run that the doctor was not asked about."""
    return replace(run, doctor="The doctor was not asked (doctor=off).")


def examined(run: Run, plugins: tuple[str, ...]) -> Run:
    """A run with what the doctor sees in its rows."""
    if run.config.get("dataset") == "none":
        return replace(run, doctor="The doctor looks at runs on data, which a problem does not have.")
    closer = f"optrun doctor {run.folder} looks closer."
    try:
        case = seen(run.folder, plugins)
    except OptrunError as error:
        return replace(run, doctor=f"The doctor could not look at it: {error}")
    found = tuple(
        Finding(each.name, each.seen, each.source, command(run.command, each.change)) for each in findings(case)
    )
    # Of a run without a finding `short` says at most that it learned nothing, and sends to the doctor.
    suspect = [] if found else [f"Not well: {line}." for line in short(case, run.command, str(run.folder))]
    words = suspect or ([closer] if found else [HEALTHY, closer])
    words += [f"Not known: {line}." for line in unknown(case)]
    return replace(run, findings=found, doctor=" ".join(words))


def sweep(folder: Path, most: int, prefix: str, damaged: list[Damaged]) -> Sweep:
    """A sweep with its best runs, `most` at most; what cannot be read of them is added to `damaged`."""
    jobs, about = read_jobs(folder)
    metrics, varied = about["metrics"], list(axes(jobs))
    rows = known(folder, jobs, metrics)
    plan = read_plan(folder)[0] if is_tune(folder) else None
    order = by_goal(folder, rows, plan.goal, direction_of(plan.goal, metrics)) if plan else ranked(rows)
    good = [row for row in order if completed(row)]
    best = list(readable(folder, good[:most], prefix, damaged))
    counts = Counter(row.status for row in order) + Counter({"not started": len(jobs) - len(rows)})
    told = ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
    return Sweep(
        folder,
        str(about["title"]),
        str(about.get("command", "")),
        str(about.get("created", "")),
        f"{len(jobs):,} {'trials' if plan else 'runs'}: {told}",
        [of_trials(folder, order, varied, metrics, plan)]
        if plan
        else list(tables(folder, jobs, order, varied, metrics)),
        best,
        len(good) - len(best),
        plan.goal if plan else LOSS,
    )


def of_trials(
    folder: Path, order: Sequence[Row], varied: list[str], metrics: dict[str, str], plan: Plan
) -> tuple[Table, str]:
    """The ranking of a tune. What its axes explain is no table: its trials were not drawn for that."""
    header, *told = ranking(order, varied, metrics)
    to = len(header) - len(["epochs_done", "best_epoch", *measures(metrics), "verdict"])  # an axis may have these names
    at = header.index(f"best_{plan.goal}", to)
    shown = [[*line[:to], line[at], *line[to:at], *line[at + 1 :]] for line in (header, *told)]
    best = "lowest" if direction_of(plan.goal, metrics) == "min" else "highest"
    pruning = "" if plan.prune == "none" else f" with {plan.prune} pruning"
    searched = f"Searched by {plan.search}{pruning} for the {best} {plan.goal} of the best epoch, and ranked by it"
    caption = f"{searched}; trials that were pruned or did not complete come last"
    return table("Ranking", shown, str(folder / "sweep.csv")), caption


def known(folder: Path, jobs: Sequence[Job], metrics: dict[str, str]) -> list[Row]:
    """The rows of a sweep; a run whose summary is damaged has that as its status."""
    try:
        return rows_of(folder, jobs, metrics)
    except CorruptError:
        varied = axes(jobs)
        return [row_or_damage(folder, job, list(varied), metrics) for job in jobs if is_run(folder / job.folder)]


def row_or_damage(folder: Path, job: Job, varied: list[str], metrics: dict[str, str]) -> Row:
    try:
        return row_of(folder, job, varied, metrics)
    except CorruptError as error:
        return Row(job, values_of(job, varied), "damaged", str(error))


def readable(folder: Path, rows: Sequence[Row], prefix: str, damaged: list[Damaged]) -> Iterator[Run]:
    """The runs of some rows, but those that cannot be read."""
    for row in rows:
        place = folder / row.job.folder
        name = " ".join(f"{key}={value}" for key, value in row.values.items()) or row.job.folder
        try:
            yield runs.read(place, f"{prefix}{name}")
        except OptrunError as error:
            damaged.append(Damaged(str(place), str(error)))


def ranking(order: Sequence[Row], varied: list[str], metrics: dict[str, str]) -> list[list[str]]:
    """The header and the rows of sweep.csv in their order, each with its place."""
    header, *told = lines(order, varied, metrics)
    places = ["rank", *(str(place) if completed(row) else "" for place, row in enumerate(order, 1))]
    own = 2 if all(row.job.folder == str(row.job.number) for row in order) else 1  # one column says both
    return [[place, line[0], *line[own:]] for place, line in zip(places, [header, *told], strict=True)]


def tables(
    folder: Path, jobs: Sequence[Job], order: Sequence[Row], varied: list[str], metrics: dict[str, str]
) -> Iterator[tuple[Table, str]]:
    """The ranking, the settings over their seeds, and what explains the result, as the files of the sweep have them."""
    if not order:
        return
    caption = "Ranked by the best validation loss; runs that did not complete come last"
    yield table("Ranking", ranking(order, varied, metrics), str(folder / "sweep.csv")), caption
    settled = seeds.settings(jobs, sorted(order, key=lambda row: row.job.number), varied)
    seeded = any(map(is_seed, varied))
    if seeded:
        caption = "Ranked by the mean over the seeds; half: half a 95 % interval; compared with the best, seed by seed"
        yield table("Seeds", seeds.lines(settled, metrics), str(folder / "sweep_seeds.csv")), caption
    if sum(not is_seed(key) for key in varied) > 1:
        found = importance.importance(settled, seeded)
        yield table("Importance", importance.lines(found), str(folder / "sweep_importance.csv")), found.words
