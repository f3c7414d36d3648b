"""A run of MLflow's. Which one it is says a tag with the id of the run folder, so that no kill can lose the answer."""

from __future__ import annotations

import importlib
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from runner.core.errors import shown
from runner.recorder.base import About, Log, Row, outcome

STORE = "sqlite:///outputs/mlflow.db"
TAG = "optrun.run"
COUNTED = "epoch"  # the metric that says which rows are there
METRICS, PARAMS = 1000, 100  # in a batch, the most that MLflow takes
KEY, VALUE = 250, 6000  # characters, the most that MLflow takes
STATUSES = {"completed": "FINISHED", "interrupted": "KILLED"}

Item = TypeVar("Item")


class Tracked(Log):
    """The run, by its client."""

    def __init__(self, about: About, experiment: str) -> None:
        self._of = package().entities
        self._client = client = package().MlflowClient(tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or STORE)
        place = experiment_of(client, experiment)
        found = client.search_runs([place], f"tags.`{TAG}` = '{about.id}'", max_results=1)
        if found:
            self._id = found[0].info.run_id
            client.update_run(self._id, status="RUNNING")
        else:
            tags = {TAG: about.id, "optrun.folder": str(about.path)}
            self._id = client.create_run(place, tags=tags, run_name=about.title).info.run_id
        params = [self._of.Param(key_of(key), shown(value)[:VALUE]) for key, value in about.settings.items()]
        for some in batches(params, PARAMS):
            client.log_batch(self._id, params=some)
        self._there = {metric.step for metric in client.get_metric_history(self._id, COUNTED)} if found else set()
        self.rows(about.rows)

    def rows(self, rows: Sequence[Row]) -> None:
        """Whole rows in each batch, which MLflow writes at once or not at all; it can add, and not take back."""
        new, now = [row for row in rows if row["epoch"] not in self._there], int(1000 * time.time())
        for some in batches(new, max(1, METRICS // len(new[0])) if new else 1):
            metrics = [self._metric(key, value, now, int(row["epoch"])) for row in some for key, value in row.items()]
            for part in batches(metrics, METRICS):
                self._client.log_batch(self._id, metrics=part)

    def end(self, summary: Mapping[str, Any]) -> None:
        self._client.set_tag(self._id, "optrun.verdict", str(summary.get("verdict", "")))
        numbers, step = outcome(summary), int(summary.get("best_epoch") or 0)
        if numbers and not self._client.get_metric_history(self._id, next(iter(numbers))):
            now = int(1000 * time.time())
            metrics = [self._metric(key, value, now, step) for key, value in numbers.items()]
            self._client.log_batch(self._id, metrics=metrics)
        self._client.set_terminated(self._id, status=STATUSES.get(summary["status"], "FAILED"))

    def close(self) -> None: ...

    def _metric(self, key: str, value: float, now: int, step: int) -> Any:
        return self._of.Metric(key_of(key), value, now, step)


def package() -> Any:
    """MLflow, which is not to report its use to its makers, and not to tell of every table that it makes."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    found = importlib.import_module("mlflow")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return found


def experiment_of(client: Any, name: str) -> str:
    """The id of the experiment of a name, which is made where there is none."""
    if (found := client.get_experiment_by_name(name)) is not None:
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except package().MlflowException:
        if (found := client.get_experiment_by_name(name)) is None:
            raise
        return str(found.experiment_id)  # another process was faster


def key_of(name: str) -> str:
    """A name with the characters that MLflow allows in one.

    >>> key_of("stop.rules.[x]$")
    'stop.rules._x__'
    """
    return re.sub(r"[^\w.: -]", "_", name, flags=re.ASCII).lstrip(".")[:KEY]


def batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """Neighbours together, so many at a time."""
    left = iter(items)
    while some := list(islice(left, size)):
        yield some
