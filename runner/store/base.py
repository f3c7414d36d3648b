"""The run folder, designed for `kill -9` at any instruction.

    config.yaml     every choice, resolved: enough to repeat the run
    manifest.json   what it ran with: versions, device, hashes, the update rule
    metrics.csv     one line per epoch, full-precision floats; byte-identical for equal runs
    preprocess.npz  what the preprocessing learned of the training part
    timing.csv      seconds and throughput, which never repeat, kept apart
    summary.json    status, best epoch, last epoch, test result, and the hash of all that
    checkpoint/     the two newest commits
    curves.png/svg  derived from metrics.csv, drawn anew by `optrun plot`

A folder appears complete: it is written under a temporary name with its lock held and its first files in it, made
durable, and then renamed, which the file system does at once or not at all. A folder with a run in it is never taken
again. A kill finds it there or not; when the power fails it may be gone until the first commit, never in part.

A commit writes the checkpoint, which records how long the two CSV files are, under a temporary name, makes the three of
them durable, reads it back and compares, renames it, and makes that durable. Resuming cuts what lies behind, and
repeats it bit for bit. So a commit is due about once a second, on a signal and at the end, not after every epoch of
four milliseconds.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from runner.core.errors import CorruptError, DiskError
from runner.core.signals import Signals
from runner.store.pulse import Pulse

FORMAT = 2  # of the run folder; a reader refuses a later one. In 1, summary.json had no hash of itself
Row = dict[str, float]
THREADS = 16  # that wait for the disk at once: one that takes 1 ms for an fsync takes about as long for sixteen


class Listener(Protocol):
    """Somebody who is told what is in a run folder for good. He raises nothing but `Interrupted`."""

    def committed(self, rows: Sequence[Row]) -> None:
        """These rows, the first ones of the run, will not be taken away again."""

    def concluded(self, summary: Mapping[str, Any]) -> Sequence[str]:
        """The run has ended or was cut off; returns what he could not note, in words."""

    def close(self) -> None:
        """The folder is given back."""


class Nobody:
    """Hears nothing."""

    def committed(self, rows: Sequence[Row]) -> None: ...

    def concluded(self, summary: Mapping[str, Any]) -> Sequence[str]:
        return ()

    def close(self) -> None: ...


class Folder(Protocol):
    """What the loop knows of a run folder.

    rows       the rows of metrics.csv so far
    restored   what the last commit of an earlier process holds, or None
    elapsed_s  seconds of training so far
    """

    path: Path
    rows: list[Row]
    restored: dict[str, Any] | None

    @property
    def elapsed_s(self) -> float: ...

    def expect(self, size: int) -> None:
        """A commit will have so many bytes."""

    def pulse(self, signals: Signals) -> Pulse:
        """When to look up for signals and for the time."""

    def append(self, row: Row, epoch_s: float, examples: int) -> None:
        """Write the row of an epoch; it is durable from the next commit on."""

    def commit(self, content: dict[str, Any]) -> None:
        """Make all rows so far and `content` durable."""

    def sync(self) -> None:
        """Make all rows so far durable."""

    def tell(self) -> None:
        """Tell whoever listens what is committed; apart from committing, which several runs do at once."""

    def conclude(self, summary: dict[str, Any]) -> None:
        """Replace summary.json."""


@contextmanager
def disk(path: Path, doing: str) -> Iterator[None]:
    """Turn an `OSError` into a `DiskError` that names the file and the cause."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"cannot {doing} {path}: {error.strerror or error}") from error


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` by `data`: the old content or the new one is there at any time, never a part of either."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk(path, "write"):
        try:
            with open(temporary, "wb", buffering=0) as file:
                write_all(file.fileno(), data)
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def refuse_missing(path: Path) -> None:
    """`CorruptError` where a file is gone that was written together with the folder which it belongs to."""
    if not path.exists() and path.parent.is_dir():
        raise CorruptError(f"{path} is missing; it was there when the folder was made")


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """`os.write` until everything is written; the system may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_new(path: Path, data: bytes) -> None:
    """Write a file where nobody looks yet; it is durable after `synced`."""
    with disk(path, "write"), open(path, "wb", buffering=0) as file:
        write_all(file.fileno(), data)


def synced(*paths: Path) -> None:
    """Make files durable, and what was renamed in folders: together, since one write of the file system's journal then
    does for all. Six one after the other take three times as long and more. Raises `OSError`."""
    first, *others = paths
    waiting = [_threads(os.getpid()).submit(_synced, path) for path in others]
    _synced(first)
    for each in waiting:
        each.result()


def _synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """Those of a process: a fork has none of the threads of its parent. Signals are for the main thread."""
    blocked = (signal.SIG_BLOCK, signal.valid_signals())
    return ThreadPoolExecutor(THREADS, initializer=signal.pthread_sigmask, initargs=blocked)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a JSON file."""
    write_whole(path, as_json(content))


def as_json(content: dict[str, Any]) -> bytes:
    """A dictionary as indented JSON; floats round-trip, and NaN stays readable by Python's own reader."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def read_json(path: Path) -> dict[str, Any]:
    """The dictionary in a JSON file; `CorruptError` where there is none."""
    try:
        with disk(path, "read"):
            refuse_missing(path)
            content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise CorruptError(f"{path} does not hold a JSON object")
    return content
