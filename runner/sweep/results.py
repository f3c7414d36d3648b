"""What a sweep says at its end: the files that are derived from its rows, and the tables on the screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from runner.core.seeds import is_seed
from runner.screen.base import percent
from runner.sweep.base import Job, Row, completed, ranked, without_seeds, write_table
from runner.sweep.importance import Importance, importance, write_importance
from runner.sweep.seeds import Estimate, Setting, scale_of, settings, write_settings

SHOWN = 20  # rows of a table on the screen; all of them are in the files

Table = tuple[list[str], list[list[str]], str]  # header, cells, caption


def conclude(
    path: Path, jobs: Sequence[Job], rows: Sequence[Row], varied: Iterable[str], metrics: Iterable[str]
) -> list[Table]:
    """Write sweep.csv, and where they say something sweep_seeds.csv and sweep_importance.csv; returns their tables."""
    varied, metrics = list(varied), list(metrics)
    rows = sorted(rows, key=lambda row: row.job.number)  # they come as they end
    seeded = any(map(is_seed, varied))
    write_table(path, rows, varied, metrics)
    order = settings(jobs, rows, varied)
    if seeded:
        write_settings(path, order, metrics)
    tables = [table_of_settings(order, metrics) if seeded else table_of_runs(ranked(rows), varied, metrics)]
    if len(without_seeds(varied)) > 1:
        found = importance(order, seeded)
        write_importance(path, found)
        tables.append(table_of_importance(found))
    return tables


def table_of_runs(order: Sequence[Row], varied: Iterable[str], metrics: Iterable[str]) -> Table:
    """The ranked runs."""
    numbers = ["best_val_loss", *(f"best_val_{name}" for name in metrics), "final_val_loss"]
    cells = []
    for rank, row in enumerate(order[:SHOWN], start=1):
        good = completed(row)
        values = [row.number(name) for name in numbers]
        shown = [percent(n, v) if good and v is not None else "" for n, v in zip(numbers, values, strict=True)]
        place = str(rank) if good else "-"
        epoch = "" if row.best_epoch is None or not good else str(row.best_epoch)
        cells.append([place, str(row.job.number), *row.values.values(), row.status, *shown, epoch])
    header = ["rank", "job", *varied, "status", *numbers, "best_epoch"]
    return header, cells, f"ranked by the best validation loss{_more(len(order), 'sweep.csv')}"


def table_of_settings(order: Sequence[Setting], metrics: Iterable[str]) -> Table:
    """The ranked settings, each with the mean of its seeds."""
    numbers = ["best_val_loss", *(f"best_val_{name}" for name in metrics), "final_val_loss"]
    scale = scale_of(order)
    cells = []
    for rank, setting in enumerate(order[:SHOWN], start=1):
        place = str(rank) if setting.completed else "-"
        count = f"{len(setting.completed)}/{setting.planned}"
        shown = [spelled(name, setting.estimate(name)) for name in numbers]
        cells.append([place, *setting.values.values(), setting.status, count, *shown, setting.beside(order[0], scale)])
    header = ["rank", *order[0].values, "status", "runs", *numbers, "compared"]
    caption = (
        "ranked by the mean of the best validation loss over the seeds, settings with all runs completed first; "
        "± and compared with the best, seed by seed: 95 % intervals"
    )
    return header, cells, caption + _more(len(order), "sweep_seeds.csv")


def table_of_importance(found: Importance) -> Table:
    """What explains the result, the largest share first; without shares, why there are none."""
    cells = [
        [
            each.source,
            "" if each.values is None else str(each.values),
            "" if each.share is None else f"{100 * each.share:.1f} %",
            "" if each.by_chance is None else f"{100 * each.by_chance:.1f} %",
        ]
        for each in found.shares
    ]
    return ["axis", "values", "share", "by chance"], cells, found.words


def spelled(name: str, estimate: Estimate | None) -> str:
    """A mean with its interval, for the eye.

    >>> spelled("val_accuracy", (0.9704, 0.0123)), spelled("val_loss", (0.12345678, None))
    ('97.04 ± 1.23 %', '0.12346')
    """
    if estimate is None:
        return ""
    mean, half = estimate
    if half is None:
        return percent(name, mean)
    return f"{100 * mean:.2f} ± {100 * half:.2f} %" if "accuracy" in name else f"{mean:.5g} ± {half:.2g}"


def _more(rows: int, file: str) -> str:
    return f"; {rows - SHOWN} more in {file}" if rows > SHOWN else ""
