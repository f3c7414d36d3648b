"""A run looked at by the doctor: from its rows as it ends, or again from its folder, with what can be measured then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner import build
from runner.core.errors import ConfigError, CorruptError
from runner.doctor.base import Case
from runner.doctor.chance import chance
from runner.doctor.measure import measured
from runner.doctor.told import told
from runner.job import memory_errors
from runner.run import Run, prepare, read
from runner.state import COMMITTED
from runner.store import checkpoint
from runner.store.base import Row
from runner.store.folder import read_config, read_manifest, read_rows, read_status, verified
from runner.store.form import refuse_other_form


def looked_at(path: Path, plugins: tuple[str, ...]) -> tuple[Case, dict[str, Any]]:
    """The case of a run in a folder, which is built again from there, and its manifest; nothing is written.

    Raises `CorruptError` where the folder does not hold what was written, or the data are others now; `ConfigError`
    where there are no rows yet, or no data to look at.
    """
    manifest, status = read_manifest(path), read_status(path)
    run, rows = rebuilt(path, plugins)
    with memory_errors():
        m = prepare(run)
    refuse_other_data(path, manifest, m.data_sha256)
    found = checkpoint.newest(path / "checkpoint")
    saved = found[0]["content"] if found else None
    if saved is not None:
        refuse_other_form(path / "checkpoint", saved, COMMITTED)
    m.settle()
    with memory_errors():
        found_there = measured(run, m, saved)
    case = Case(run, rows, status["status"], len(m.train), len(m.validation), chance(run.loss, m.train.y), found_there)
    return case, manifest


def seen(path: Path, plugins: tuple[str, ...]) -> Case:
    """The case of a run in a folder from its rows alone, which costs reading its data; raises what `looked_at` does."""
    run, rows = rebuilt(path, plugins)
    with memory_errors():
        examples = read(run)
    refuse_other_data(path, read_manifest(path), examples.sha256)
    train, validation, _ = examples.parts
    return Case(run, rows, read_status(path)["status"], len(train), len(validation), chance(run.loss, train.y))


def rebuilt(path: Path, plugins: tuple[str, ...]) -> tuple[Run, list[Row]]:
    """A run on data, built from its folder, with its rows."""
    verified(path)
    rows = read_rows(path / "metrics.csv")
    run = build.from_yaml(read_config(path), plugins)
    if not rows or run.dataset.empty:
        what = "a problem without data" if rows else "no epoch yet"
        raise ConfigError(
            "",
            path,
            allowed=f"a run on data with an epoch or more; this one has {what}",
            do="name another folder; of a run that was cut off, optrun resume makes one",
        )
    return run, rows


def refuse_other_data(path: Path, manifest: dict[str, Any], now: str) -> None:
    """`CorruptError` where the data are not those that the run was trained on."""
    if manifest["data_sha256"] != now:
        raise CorruptError(f"{path}: the data are not those that this run was trained on (data_sha256 differs)")


def report(path: Path, plugins: tuple[str, ...]) -> Iterator[str]:
    """What the doctor says of the run in a folder."""
    case, manifest = looked_at(path, plugins)
    yield f"{manifest['title']}, {len(case.rows)} epochs, {case.status}"
    yield from told(case, manifest["command"])
