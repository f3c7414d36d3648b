"""Sweeps: many runs as one thing.

    sweep.json            every job with its overrides and its whole configuration, written before the first one starts
    sweep.csv             one row for each job: what was varied, how it ended, its best and its last numbers
    sweep_seeds.csv       one row for each setting, where several runs differ in nothing but a seed
    sweep_importance.csv  how much of the result each axis explains, where there are two or more
    sweep.png             all of them in one figure (and sweep.svg)
    0/ 1/ ...             the run folders

What varies between the jobs is an axis. A job that diverges, fails or is refused is a row with its status and stops
nobody else. Jobs are ranked by their best validation loss; the test part is not looked at for that.

All but sweep.json is derived from the run folders. Ten thousand of them are not opened again for every ranking: a run
that completed or diverged never changes, so its row is taken from sweep.csv, as long as that file is the one which was
written here for this list of jobs (`.sweep.csv.json` has the hashes of both). Every other row is made anew.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.core.errors import CorruptError, OptrunError
from runner.core.seeds import is_seed
from runner.store.base import disk, read_json, write_json, write_whole
from runner.store.folder import ENDED, is_run, read_status, sealed, unsealed
from runner.store.form import Each, Later, Maybe, refuse_other_form

FORMAT = 2  # 1 had the whole configuration in the line of every job; no release wrote it
SEAL = ".sweep.csv.json"
# The form of sweep.json.
JOB = {"job": int, "dir": str, "overrides": [str], "config": Maybe([Maybe(int)])}
ENGINE = {"name": str, "given": Each((int, str, dict)), "workers": (int, str)}  # see `engine.kept`
PLAN = {
    **{"title": str, "metrics": Each(str), "threads": Later((int, str)), "lanes": Later((int, str))},
    **{"engine": Later(ENGINE), "side_by_side": Later(Each(bool)), "elsewhere": Later(bool)},
    **{"axes": Each([str]), "values": Each(list), "jobs": [JOB]},
}


@dataclass(frozen=True)
class Job:
    """One run of a sweep: its number, its folder inside the sweep's, what the user varied, and its configuration."""

    number: int
    folder: str
    overrides: tuple[str, ...]
    config: dict[str, Any]


@dataclass(frozen=True)
class Row:
    """How a job ended. `values` has the text of every axis; numbers that do not exist are None."""

    job: Job
    values: Mapping[str, str]
    status: str
    verdict: str
    epochs: int | None = None
    best_epoch: int | None = None
    numbers: Mapping[str, float | None] | None = None

    def number(self, name: str) -> float | None:
        """A measured number, if there is one."""
        return None if self.numbers is None else self.numbers.get(name)


def axes(jobs: Iterable[Job]) -> dict[str, list[str]]:
    """The keys whose value is not the same in all jobs, with their values in the order in which they come.

    >>> axes([Job(0, "0", ("lr=0.1", "epochs=3"), {}), Job(1, "1", ("lr=0.2", "epochs=3"), {})])
    {'lr': ['0.1', '0.2']}
    """
    seen: dict[str, dict[str, None]] = {}  # a dictionary is a set that keeps the order
    for job in jobs:
        for key, value in pairs(job):
            seen.setdefault(key, {})[value] = None
    return {key: list(values) for key, values in seen.items() if len(values) > 1}


def without_seeds(varied: Iterable[str]) -> list[str]:
    """The axes that are no seed."""
    return [key for key in varied if not is_seed(key)]


def pairs(job: Job) -> list[tuple[str, str]]:
    """The overrides of a job as (key, value)."""
    return [(key, value) for key, _, value in (override.partition("=") for override in job.overrides)]


def write_jobs(path: Path, jobs: list[Job], about: dict[str, Any]) -> None:
    """Write sweep.json, which holds the hash of itself.

    Two jobs of a sweep share most of what they choose. So each different value of a key of the configuration is
    written once, in `values`, and a job has the places of its own in these lists; one that was refused has none.
    """
    places: dict[str, dict[str, int]] = {key: {} for job in jobs for key in job.config}
    values: dict[str, list[Any]] = {key: [] for key in places}
    listed = []
    for job in jobs:
        chosen = {key: _place(places[key], values[key], value) for key, value in job.config.items()}
        at = [chosen.get(key) for key in places] if chosen else None
        listed.append({"job": job.number, "dir": job.folder, "overrides": list(job.overrides), "config": at})
    content = sealed({"format": FORMAT, **about, "axes": axes(jobs), "values": values, "jobs": listed})
    write_whole(path / "sweep.json", _spelled(content).encode())


def _place(places: dict[str, int], values: list[Any], value: Any) -> int:
    # Compared as text: to Python, 1, 1.0 and True are equal.
    text = json.dumps(value)
    if text not in places:
        places[text] = len(values)
        values.append(value)
    return places[text]


def _spelled(content: dict[str, Any]) -> str:
    """One line a job and one a key: a list of ten thousand is still read and searched with ordinary tools."""
    values = [f"    {_line(key)}: {_line(held)}" for key, held in content["values"].items()]
    jobs = [f"    {_line(job)}" for job in content["jobs"]]
    parts = [f"  {_line(key)}: {_line(value)}" for key, value in content.items() if key not in ("values", "jobs")]
    parts += ['  "values": {\n' + ",\n".join(values) + "\n  }", '  "jobs": [\n' + ",\n".join(jobs) + "\n  ]"]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def read_jobs(path: Path) -> tuple[list[Job], dict[str, Any]]:
    """The jobs in sweep.json and what else stands there; `CorruptError` where it was changed or is of another format.

    Jobs that made the same choice share the node of it in their configurations, which are to be read only.
    """
    content = read_json(path / "sweep.json")
    if content.get("format") != FORMAT:
        raise CorruptError(f"{path} has format {content.get('format')}; this optrun reads sweeps of format {FORMAT}")
    if not unsealed(content):
        raise CorruptError(f"{path / 'sweep.json'} was changed or damaged since it was written")
    refuse_other_form(path / "sweep.json", content, PLAN)
    values = content.pop("values")
    jobs = []
    for each in content.pop("jobs"):
        try:
            places = zip(values.items(), each.get("config") or [None] * len(values), strict=True)
            config = {key: held[at] for (key, held), at in places if at is not None}
        except (ValueError, IndexError):
            raise CorruptError(f"{path / 'sweep.json'}: job {each['job']} has a choice that is not listed") from None
        jobs.append(Job(each["job"], each["dir"], tuple(each["overrides"]), config))
        if leads_out(each["dir"]):
            raise CorruptError(
                f"{path / 'sweep.json'}: the folder {each['dir']!r} of job {each['job']} is not within it"
            )
    return jobs, content


def leads_out(folder: str) -> bool:
    """Whether the folder of a job is not within that of its sweep.

    >>> leads_out("7"), leads_out("adam/0.1"), leads_out("../other"), leads_out("/tmp"), leads_out(".")
    (False, False, True, True, True)
    """
    parts = Path(folder).parts
    return not parts or ".." in parts or Path(folder).is_absolute()


def is_sweep(path: Path) -> bool:
    """Whether a folder holds a sweep."""
    return (path / "sweep.json").is_file()


def rows_of(path: Path, jobs: Iterable[Job], metrics: Iterable[str]) -> list[Row]:
    """What is known of the jobs, in their order: from sweep.csv where it can be trusted, else from the run folders."""
    jobs, metrics = list(jobs), list(metrics)
    varied = list(axes(jobs))
    told = {row.job.number: row for row in trusted_rows(path, jobs, varied, metrics)}
    rows = []
    for job in jobs:
        row = told.get(job.number)
        if (row is None or row.status not in ENDED) and is_run(path / job.folder):
            row = row_of(path, job, varied, metrics)
        rows += [] if row is None else [row]
    return rows


def row_of(path: Path, job: Job, varied: Iterable[str], metrics: Iterable[str]) -> Row:
    """What the run folder of a job says of it."""
    return row_from(job, varied, metrics, read_status(path / job.folder))


def values_of(job: Job, varied: Iterable[str]) -> dict[str, str]:
    """The text of every axis in a job; nothing where it does not set it."""
    given = dict(pairs(job))
    return {key: given.get(key, "") for key in varied}


def row_from(job: Job, varied: Iterable[str], metrics: Iterable[str], summary: Mapping[str, Any]) -> Row:
    """The row of a job whose summary is known."""
    best, final = summary.get("best") or {}, summary.get("final") or {}
    numbers: dict[str, float | None] = {"best_val_loss": best.get("val_loss")}
    numbers |= {f"final_{name}": final.get(name) for name in ("train_loss", "val_loss")}
    for name in metrics:
        numbers |= {f"best_val_{name}": best.get(f"val_{name}"), f"final_val_{name}": final.get(f"val_{name}")}
    return Row(
        job,
        values_of(job, varied),
        str(summary["status"]),
        str(summary.get("verdict", "")),
        summary.get("epochs"),
        summary.get("best_epoch"),
        numbers,
    )


def completed(row: Row) -> bool:
    """Whether a run completed with a finite loss, and so can be compared."""
    loss = row.number("best_val_loss")
    return row.status == "completed" and loss is not None and math.isfinite(loss)


def ranked(rows: Iterable[Row]) -> list[Row]:
    """Completed runs by their best validation loss, then the others in the order of their numbers."""

    def key(row: Row) -> tuple[bool, float, int]:
        usable = completed(row)
        return not usable, (row.number("best_val_loss") or 0.0) if usable else 0.0, row.job.number

    return sorted(rows, key=key)


def measures(metrics: Iterable[str]) -> list[str]:
    """The columns of sweep.csv with numbers of the validation and the training part."""
    own = [f"{kind}_val_{name}" for name in metrics for kind in ("best", "final")]
    return ["best_val_loss", "final_train_loss", "final_val_loss", *own]


def lines(rows: Iterable[Row], varied: Iterable[str], metrics: Iterable[str]) -> list[list[str]]:
    """The header of sweep.csv and its line of each row."""
    varied, metrics = list(varied), list(metrics)
    found = [_header(varied, metrics)]
    for row in rows:
        numbers = [row.epochs, row.best_epoch, *(row.number(name) for name in measures(metrics))]
        told = [str(row.job.number), row.job.folder, *(row.values[key] for key in varied), row.status]
        found.append([*told, *map(cell, numbers), row.verdict])
    return found


def _header(varied: Iterable[str], metrics: Iterable[str]) -> list[str]:
    return ["job", "dir", *varied, "status", "epochs_done", "best_epoch", *measures(metrics), "verdict"]


def write_table(path: Path, rows: Iterable[Row], varied: Iterable[str], metrics: Iterable[str]) -> None:
    """Write sweep.csv: one row for each job that has ended, in the order of their numbers; and its seal."""
    data = write_csv(path / "sweep.csv", lines(sorted(rows, key=lambda row: row.job.number), varied, metrics))
    write_json(path / SEAL, sealed({"plan": _sha256(path / "sweep.json"), "table": hashlib.sha256(data).hexdigest()}))


def write_csv(path: Path, lines: Iterable[Iterable[str]]) -> bytes:
    """Replace a CSV file; returns what is in it now."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    data = text.getvalue().encode()
    write_whole(path, data)
    return data


def cell(value: float | None) -> str:
    """A number in a CSV file, in full precision; nothing where there is none."""
    return "" if value is None else repr(value)


def trusted_rows(path: Path, jobs: Iterable[Job], varied: Iterable[str], metrics: Iterable[str]) -> list[Row]:
    """The rows of sweep.csv; none of a file that was not written here for these jobs."""
    varied, numbers, by_number = list(varied), measures(metrics), {job.number: job for job in jobs}
    if not _is_ours(path):
        return []
    with disk(path / "sweep.csv", "read"), open(path / "sweep.csv", encoding="utf-8", newline="") as file:
        _, *lines = csv.reader(file)
    rows = []
    first = 2 + len(varied)  # by place: an axis may be called like a column of results
    for line in lines:
        number, _, *values = line[:first]
        status, epochs, best_epoch, *measured, verdict = line[first:]
        epochs_done, best = (int(text) if text else None for text in (epochs, best_epoch))
        found = {name: float(text) if text else None for name, text in zip(numbers, measured, strict=True)}
        given = dict(zip(varied, values, strict=True))
        rows.append(Row(by_number[int(number)], given, status, verdict, epochs_done, best, found))
    return rows


def _is_ours(path: Path) -> bool:
    """Whether sweep.csv is as it was written here, for the jobs that stand in sweep.json now."""
    try:
        seal = read_json(path / SEAL)
        hashes = {"plan": _sha256(path / "sweep.json"), "table": _sha256(path / "sweep.csv")}
    except OptrunError:  # one of them is missing or damaged: the run folders say the same, only slower
        return False
    return unsealed(seal) and seal == seal | hashes


def _sha256(path: Path) -> str:
    with disk(path, "read"), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
