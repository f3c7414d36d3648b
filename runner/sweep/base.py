"""Sweeps: many runs as one thing.

    sweep.json   every job with its overrides and its whole configuration, written before the first one starts
    sweep.csv    one row for each job: what was varied, how it ended, its best and its last numbers
    sweep.png    all of them in one figure (and sweep.svg)
    0/ 1/ ...    the run folders

What varies between the jobs is an axis. A job that diverges, fails or is refused is a row with its status and stops
nobody else. Jobs are ranked by their best validation loss; the test part is not looked at for that.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.core.errors import CorruptError
from runner.store.base import read_json, write_whole
from runner.store.folder import read_status, sealed, unsealed

FORMAT = 1


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
    seen: dict[str, list[str]] = {}
    for job in jobs:
        for key, value in pairs(job):
            values = seen.setdefault(key, [])
            if value not in values:
                values.append(value)
    return {key: values for key, values in seen.items() if len(values) > 1}


def pairs(job: Job) -> list[tuple[str, str]]:
    """The overrides of a job as (key, value)."""
    return [(key, value) for key, _, value in (override.partition("=") for override in job.overrides)]


def write_jobs(path: Path, jobs: list[Job], about: dict[str, Any]) -> None:
    """Write sweep.json, which holds the hash of itself."""
    listed = [
        {"job": job.number, "dir": job.folder, "overrides": list(job.overrides), "config": job.config} for job in jobs
    ]
    content = sealed({"format": FORMAT, **about, "axes": axes(jobs), "jobs": listed})
    # One line a job: a list of ten thousand is still read and searched with ordinary tools.
    write_whole(path / "sweep.json", _spelled(content).encode())


def _spelled(content: dict[str, Any]) -> str:
    head = {key: value for key, value in content.items() if key != "jobs"}
    lines = ",\n".join("    " + json.dumps(job, ensure_ascii=False) for job in content["jobs"])
    return json.dumps(head, indent=2, ensure_ascii=False)[:-2] + ',\n  "jobs": [\n' + lines + "\n  ]\n}\n"


def read_jobs(path: Path) -> tuple[list[Job], dict[str, Any]]:
    """The jobs in sweep.json and what else stands there; `CorruptError` where it was changed."""
    content = read_json(path / "sweep.json")
    if not isinstance(content.get("format"), int) or content["format"] > FORMAT:
        raise CorruptError(f"{path} has format {content.get('format')}; this optrun reads formats up to {FORMAT}")
    if not unsealed(content):
        raise CorruptError(f"{path / 'sweep.json'} was changed or damaged since it was written")
    jobs = [Job(each["job"], each["dir"], tuple(each["overrides"]), each["config"]) for each in content["jobs"]]
    return jobs, content


def is_sweep(path: Path) -> bool:
    """Whether a folder holds a sweep."""
    return (path / "sweep.json").is_file()


def row_of(path: Path, job: Job, varied: Iterable[str], metrics: Iterable[str]) -> Row:
    """What the run folder of a job says of it."""
    return row_from(job, varied, metrics, read_status(path / job.folder))


def row_from(job: Job, varied: Iterable[str], metrics: Iterable[str], summary: Mapping[str, Any]) -> Row:
    """The row of a job whose summary is known."""
    given = dict(pairs(job))
    best, final = summary.get("best") or {}, summary.get("final") or {}
    numbers: dict[str, float | None] = {"best_val_loss": best.get("val_loss")}
    numbers |= {f"final_{name}": final.get(name) for name in ("train_loss", "val_loss")}
    for name in metrics:
        numbers |= {f"best_val_{name}": best.get(f"val_{name}"), f"final_val_{name}": final.get(f"val_{name}")}
    return Row(
        job,
        {key: given.get(key, "") for key in varied},
        str(summary["status"]),
        str(summary.get("verdict", "")),
        summary.get("epochs"),
        summary.get("best_epoch"),
        numbers,
    )


def ranked(rows: Iterable[Row]) -> list[Row]:
    """Completed runs by their best validation loss, then the others in the order of their numbers."""

    def key(row: Row) -> tuple[bool, float, int]:
        loss = row.number("best_val_loss")
        usable = row.status == "completed" and loss is not None and math.isfinite(loss)
        return not usable, loss if usable and loss is not None else 0.0, row.job.number

    return sorted(rows, key=key)


def write_table(path: Path, rows: Iterable[Row], varied: Iterable[str], metrics: Iterable[str]) -> None:
    """Write sweep.csv: one row for each job that has ended, in the order of their numbers."""
    varied = list(varied)
    numbers = ["best_val_loss", "final_train_loss", "final_val_loss"]
    numbers += [f"{kind}_val_{name}" for name in metrics for kind in ("best", "final")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["job", "dir", *varied, "status", "epochs_done", "best_epoch", *numbers, "verdict"])
    for row in sorted(rows, key=lambda row: row.job.number):
        cells: list[Any] = [row.job.number, row.job.folder, *(row.values[key] for key in varied), row.status]
        cells += [_cell(row.epochs), _cell(row.best_epoch), *(_cell(row.number(name)) for name in numbers), row.verdict]
        writer.writerow(cells)
    write_whole(path / "sweep.csv", text.getvalue().encode())


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)
