"""The trials of a tune as its goal ranks them: read from its folder, without Optuna and however far it has come."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from runner.core.errors import CorruptError
from runner.stop.base import Direction
from runner.store.folder import read_rows
from runner.sweep.base import Row, completed
from runner.tune.pruning import NAME, pruned

ORDER = {"completed": 0, "pruned": 1}  # others come after these


def ranked(path: Path, rows: Iterable[Row], goal: str, direction: Direction) -> list[Row]:
    """Completed trials from the best to the worst, then pruned ones, then the others in the order of their numbers.

    A row of a trial that a hurdle has ended says so in its status.
    """
    sign = 1 if direction == "min" else -1

    def key(row: Row) -> tuple[int, float, int]:
        value = row.number(f"best_{goal}")
        if row.status not in ORDER or value is None or not math.isfinite(value):
            return len(ORDER), 0.0, row.job.number
        return ORDER[row.status], sign * value, row.job.number

    return sorted((told(path, row) for row in rows), key=key)


def told(path: Path, row: Row) -> Row:
    """A row with what became of its trial."""
    if not completed(row) or NAME not in row.job.config.get("stop", {}).get("rules", {}):
        return row
    try:
        rows = read_rows(path / row.job.folder / "metrics.csv")
    except CorruptError:  # which the page says where it tells of this run
        return row
    return replace(row, status="pruned") if pruned(row.job.config, rows) else row
