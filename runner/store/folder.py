"""One run folder: claimed or opened, locked while alive, appended to, committed, finished."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from runner.core.errors import ConfigError, CorruptError, DiskError, LockedError, TakenError
from runner.core.signals import Signals
from runner.store import checkpoint
from runner.store.base import (
    FORMAT,
    Listener,
    Nobody,
    Row,
    as_json,
    disk,
    read_json,
    refuse_missing,
    synced,
    write_all,
    write_json,
    write_new,
)
from runner.store.form import NUMBER, Each, Later, Maybe, refuse_other_form
from runner.store.lock import in_use, in_use_by, locked
from runner.store.pulse import OwnPulse

WHOLE = ("epoch", "step", "examples", "forward", "backward", "hvp")  # the columns of metrics.csv that are counts
TIMING = ("epoch", "time_s", "epoch_s", "examples_per_s")
STATUSES = ("running", "completed", "diverged", "interrupted", "failed")
ENDED = ("completed", "diverged")  # and never changes again
SEALED_SINCE = 2  # the format from which on summary.json has a hash
LEAST_S = 1.0  # between two commits that nobody asked for
# The form of manifest.json, of summary.json, and of what a commit says of the folder; `job` asks for more.
MANIFEST = {
    **{"format": int, "config_sha256": str, "columns": [str], "title": Later(str), "metrics": Later(Each(str))},
    **{"rows": Later(Each(int)), "versions": Later(Each(Maybe(str))), "side_by_side": Later(bool)},
    "processes": Later(int),
}
EXPECTED = {"bound": NUMBER, "at": str, "measured": (*NUMBER, type(None)), "met": bool}
SUMMARY = {
    **{"status": str, "verdict": Later(str), "epochs": Later(int), "best_epoch": Maybe(int)},
    **{"best": Maybe(Each(NUMBER)), "final": Maybe(Each(NUMBER)), "test": Later(Each(NUMBER))},
    **{"expect": Later(Each(EXPECTED)), "metrics_sha256": Later(str)},
}
LENGTH_AND_HASH = [(int, str)]
COMMIT = {
    "folder": {"run": str, "metrics": LENGTH_AND_HASH, "timing": LENGTH_AND_HASH, "elapsed_s": NUMBER},
    "content": dict,
}
STAGED = ".claim.*.tmp"  # a run folder in the making
ABANDONED_S = 60.0  # a claim takes milliseconds; between making its folder and locking it, microseconds
SHARE = 100  # a commit that takes c seconds is due again after 100 c, so writing stays at 1 percent of the time
RATE = 3e8  # bytes a second, for the first one: hashed, written, made durable, read back (0.25 to 0.5 GB/s measured)


class RunFolder:
    """An open run folder with its lock held. Use as a context: leaving it releases the lock.

    rows      the rows of metrics.csv so far, from the first epoch on
    restored  what the last commit of an earlier process holds, or None
    notices   what the user should know of the opening
    listener  who is told what is committed
    """

    def __init__(self, path: Path, lock: int, manifest: dict[str, Any]) -> None:
        self.path = path
        self.columns = tuple(manifest["columns"])
        self.rows: list[Row] = []
        self.restored: dict[str, Any] | None = None
        self.notices: list[str] = []
        self.listener: Listener = Nobody()
        self._lock = lock
        self._run = manifest["sha256"]  # every commit names the run that it belongs to
        self._metrics = Lines(path / "metrics.csv")
        try:
            self._timing = Lines(path / "timing.csv")
        except BaseException:
            self._metrics.close()
            raise
        self._number = 0
        self._settled = 0  # rows that no kill takes away
        self._elapsed_before = 0.0
        self._started = self._committed = time.monotonic()
        self._wait = LEAST_S

    @classmethod
    def claim(
        cls,
        path: Path,
        config: str,
        manifest: dict[str, Any],
        columns: Sequence[str],
        files: Mapping[str, bytes] | None = None,
    ) -> RunFolder:
        """Make a new run folder at `path`, complete or not at all, with further `files` by name.

        Raises `LockedError` where a live process has one there, `ConfigError` where a run or anything else is there.
        """
        path = whole(path)
        refuse_taken(path)
        # A random name: in two containers that share a disk, two processes may have one number.
        staging = path.with_name(f".claim.{os.urandom(6).hex()}.tmp")
        lock = None
        try:
            with disk(path, "make the run folder"):
                (staging / "checkpoint").mkdir(parents=True)
                lock = locked(staging)
                config_sha256 = hashlib.sha256(config.encode()).hexdigest()
                fixed: dict[str, Any] = {"format": FORMAT, "config_sha256": config_sha256, "columns": list(columns)}
                about = sealed(fixed | manifest)
                first = {
                    "config.yaml": config.encode(),
                    "manifest.json": as_json(about),
                    "summary.json": as_json(sealed({"status": "running"}, of=about["sha256"])),
                    "metrics.csv": (",".join(columns) + "\n").encode(),
                    "timing.csv": (",".join(TIMING) + "\n").encode(),
                    **(files or {}),
                }
                for name, data in first.items():
                    write_new(staging / name, data)
                synced(staging, *(staging / name for name in first))
                try:
                    os.rename(staging, path)
                except OSError:
                    refuse_taken(path)  # somebody was faster
                    raise
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            if lock is not None:
                os.close(lock)
            raise
        return cls(path, lock, about)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Take up an existing run folder where its last commit left it.

        Raises `LockedError` where a live process has it, `CorruptError` where its files do not fit together.
        """
        path = whole(path)
        read_manifest(path)  # before a lock file is made where no run is
        refuse_links(path)
        lock = locked(path)
        try:
            folder = cls(path, lock, read_manifest(path))
        except BaseException:
            os.close(lock)
            raise
        try:
            folder._restore()
        except BaseException:
            folder.__exit__()
            raise
        return folder

    def _restore(self) -> None:
        for left in (*self.path.glob(".*.tmp"), *self.path.glob("checkpoint/.*.tmp")):  # by a process that was killed
            with disk(left, "remove"):
                left.unlink()
        if not (self.path / "checkpoint").is_dir():
            raise CorruptError(f"{self.path} has lost the folder checkpoint with its commits")
        found = checkpoint.newest(self.path / "checkpoint")
        if found is None:  # cut off before its first commit: it starts again, from the same seed
            for lines, names in ((self._metrics, self.columns), (self._timing, TIMING)):
                header = (",".join(names) + "\n").encode()
                lines.cut(len(header), hashlib.sha256(header).hexdigest())
        else:
            content, file, self.notices = found
            kept = _committed(content, file, self._run)
            # A damaged file is replaced by the next commit, a folder of that name is in its way.
            in_the_way = [each for each in checkpoint.stored(self.path / "checkpoint") if not each.is_file()]
            self._number = max(int(each.stem) for each in (file, *in_the_way))
            self._elapsed_before = kept["elapsed_s"]
            self._metrics.cut(*kept["metrics"])
            self._timing.cut(*kept["timing"])
            self.restored = content["content"]
        self.rows = read_rows(self.path / "metrics.csv")
        self._settled = len(self.rows)

    def append(self, row: Row, epoch_s: float, examples: int) -> None:
        """Write the row of an epoch; it is durable from the next commit on."""
        self._metrics.append(",".join(spelled(row[name]) for name in self.columns) + "\n")
        throughput = examples / epoch_s if epoch_s > 0 else 0.0
        self._timing.append(f"{len(self.rows) + 1},{self.elapsed_s:.6f},{epoch_s:.6f},{throughput:.1f}\n")
        self.rows.append(row)

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, over all processes that worked on this run up to what they committed."""
        return self._elapsed_before + time.monotonic() - self._started

    def expect(self, size: int) -> None:
        """Wait with the first commit as a commit of so many bytes deserves; later ones are measured."""
        self._wait = max(LEAST_S, SHARE * size / RATE)

    def due_at(self) -> float:
        """The monotonic time from which on a commit is due."""
        return self._committed + self._wait

    def pulse(self, signals: Signals) -> OwnPulse:
        """When to look up for signals and for a commit."""
        return OwnPulse(signals, self.due_at)

    def due(self, ahead_s: float) -> bool:
        """Whether a commit will be due in so many seconds."""
        return time.monotonic() + ahead_s > self.due_at()

    def commit(self, content: dict[str, Any]) -> None:
        """Make all rows so far and `content` durable."""
        begun = time.monotonic()
        self._refuse_replaced()
        kept = {
            "run": self._run,
            "metrics": [self._metrics.length, self._metrics.sha256],
            "timing": [self._timing.length, self._timing.sha256],
            "elapsed_s": self.elapsed_s,
        }
        self._number += 1
        beside = [self._metrics.path, self._timing.path]
        if self._number == 1:
            beside.append(self.path.parent)  # in which the claim has renamed
        checkpoint.write(self.path / "checkpoint", self._number, {"folder": kept, "content": content}, beside)
        self._settled = len(self.rows)
        self._committed = time.monotonic()
        self._wait = max(LEAST_S, SHARE * (self._committed - begun))

    def sync(self) -> None:
        """Make all rows so far durable."""
        self._refuse_replaced()
        with disk(self._metrics.path, "write"):
            synced(self._metrics.path, self._timing.path)

    def tell(self) -> None:
        """Tell the listener what is committed."""
        self.listener.committed(self.rows[: self._settled])

    def conclude(self, summary: dict[str, Any]) -> None:
        """Replace summary.json; that of a run which has ended vouches for metrics.csv too.

        The listener hears of it before: once the summary is there, nobody takes up the run again.
        """
        self._refuse_replaced()
        if summary["status"] in ENDED:
            self._settled = len(self.rows)
        self.tell()
        if lost := self.listener.concluded(summary):
            summary = summary | {"not_recorded": list(lost)}
        if summary["status"] in ENDED:
            summary = summary | {"metrics_sha256": self._metrics.sha256}
        write_json(self.path / "summary.json", sealed(summary, of=self._run))

    def _refuse_replaced(self) -> None:
        """Refuse to write into a folder that somebody else has made at the same path in the meantime."""
        with disk(self.path, "write to"):
            if not os.path.samestat(os.stat(self.path / ".lock"), os.fstat(self._lock)):
                raise OSError(0, "it was replaced by another folder while this run was using it")

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        self._metrics.close()
        self._timing.close()
        os.close(self._lock)


def _committed(content: dict[str, Any], file: Path, run: str) -> dict[str, Any]:
    """What a commit says of the folder; `CorruptError` where it is a commit of another run."""
    refuse_other_form(file, content, COMMIT)
    kept: dict[str, Any] = content["folder"]
    for name in ("metrics", "timing"):
        if [type(each) for each in kept[name]] != [int, str]:
            raise CorruptError(f"{file} does not hold what optrun writes there: folder.{name} is {kept[name]}")
    if kept["run"] != run:
        raise CorruptError(f"{file} belongs to another run")
    return kept


class Lines:
    """A file that is only appended to, with the SHA-256 of everything in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk(path, "open"):
            refuse_missing(path)
            self._file = open(path, "r+b", buffering=0)  # noqa: SIM115 - closed by close()
            data = self._file.readall()
        self._hash = hashlib.sha256(data)
        self.length = len(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def append(self, text: str) -> None:
        data = text.encode()
        with disk(self.path, "write"):
            write_all(self._file.fileno(), data)
        self._hash.update(data)
        self.length += len(data)

    def cut(self, length: int, sha256: str) -> None:
        """Drop what lies behind `length`; `CorruptError` where what stays is not what was committed."""
        with disk(self.path, "read"):
            self._file.seek(0)
            kept = self._file.read(length) or b""
        self._hash = hashlib.sha256(kept)
        if self.sha256 != sha256:
            raise CorruptError(f"{self.path} does not hold what was committed; it was changed or damaged since")
        with disk(self.path, "cut"):
            os.ftruncate(self._file.fileno(), length)
            self._file.seek(length)
        self.length = length

    def close(self) -> None:
        self._file.close()


def spelled(value: float) -> str:
    """A number so that reading it gives the same number: integers plain, floats in full precision."""
    return str(value) if isinstance(value, int) else repr(float(value))


def read_rows(path: Path) -> list[Row]:
    """The rows of a metrics.csv; `CorruptError` for a line that does not fit its header."""
    with disk(path, "read"):
        refuse_missing(path)
        header, *lines = path.read_text(encoding="ascii", errors="replace").splitlines() or [""]
    columns = header.split(",")
    rows = []
    for number, line in enumerate(lines, start=2):
        cells = line.split(",")
        try:
            values = [int(cell) if name in WHOLE else float(cell) for name, cell in zip(columns, cells, strict=True)]
        except ValueError:
            raise CorruptError(f"{path}, line {number}: {line[:80]!r} does not fit the header") from None
        rows.append(dict(zip(columns, values, strict=True)))
    return rows


def is_run(path: Path) -> bool:
    """Whether a folder holds a run."""
    return (path / "manifest.json").is_file() and (path / "config.yaml").is_file()


def whole(path: Path) -> Path:
    """A path from the root on, without links; `DiskError` where links go round in a circle."""
    try:
        return path.resolve()
    except RuntimeError:  # which is what Python 3.11 and 3.12 raise
        raise DiskError(f"cannot find {path}: {os.strerror(errno.ELOOP)}") from None


def refuse_links(path: Path) -> None:
    """Refuse a run folder in which what is written to is a link: it may lead anywhere."""
    for name in ("metrics.csv", "timing.csv", "checkpoint"):
        if (path / name).is_symlink():
            raise CorruptError(f"{path / name} is a link: a run writes into its own folder alone")


def is_damaged(path: Path) -> bool:
    """Whether a folder held a run before one of the two files was lost that make it one."""
    return (path / ".lock").is_file() and (path / "metrics.csv").is_file()


def refuse_taken(path: Path) -> None:
    """Refuse a path where a new run folder cannot appear."""
    if path == Path.cwd():
        do = "give hydra.run.dir=NAME, or leave it out"
        raise ConfigError("hydra.run.dir", path, allowed="a new folder; this is the one you are in", do=do)
    with disk(path, "make the run folder"):
        # In this order: a run that appears in between is seen as a run.
        taken = path.exists() and not (path.is_dir() and not any(path.iterdir()))
        run, mounted = is_run(path), not taken and os.path.ismount(path)
    if run and in_use(path):
        raise LockedError(in_use_by(path))
    if run:
        raise TakenError(
            "hydra.run.dir",
            path,
            allowed="a new or an empty folder; this one holds a run",
            do=f"optrun resume {path} continues it; for another run choose a new folder",
        )
    if taken:
        raise ConfigError(
            "hydra.run.dir", path, allowed="a new or an empty folder; something else is there", do="choose a new folder"
        )
    if mounted:  # a disk cannot be exchanged for another folder, which is how a run folder appears
        raise ConfigError(
            "hydra.run.dir",
            path,
            allowed="a new or an empty folder that is not itself a mounted disk",
            do=f"name a folder on it: hydra.run.dir={path}/run",
        )


def clear_abandoned(parent: Path, after_s: float = ABANDONED_S) -> None:
    """Remove what claims that were killed left in a folder: half a run, under a name that nobody will ask for.

    after_s  how old it must be, since a claim that has just begun holds no lock yet
    """
    with suppress(OSError):  # what is gone meanwhile need not be removed; what cannot be read the next claim will name
        for left in parent.glob(STAGED):
            if time.time() - left.stat().st_mtime > after_s and not in_use(left):
                shutil.rmtree(left, ignore_errors=True)


def sealed(content: dict[str, Any], of: str = "") -> dict[str, Any]:
    """A dictionary for a JSON file, with the hash of itself as its last key; `of`: the run that alone may have it."""
    return content | {"sha256": _seal(content, of)}


def unsealed(content: dict[str, Any], of: str = "") -> bool:
    """Whether a sealed dictionary is as it was written, for this run."""
    return content.get("sha256") == _seal(content, of)


def _seal(content: dict[str, Any], of: str) -> str:
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256((of + json.dumps(rest, sort_keys=True)).encode()).hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a run folder; refuses folders without a run, of a later format, or with a changed manifest."""
    if not is_run(path) and not is_damaged(path):
        raise ConfigError(
            "",
            path,
            allowed="the folder of a run or of a sweep",
            do="name a folder that optrun made, as in outputs/...",
        )
    for name in ("manifest.json", "config.yaml"):
        refuse_missing(path / name)
    manifest = read_json(path / "manifest.json")
    if not isinstance(manifest.get("format"), int) or manifest["format"] > FORMAT:
        raise CorruptError(f"{path} has format {manifest.get('format')}; this optrun reads formats up to {FORMAT}")
    if not unsealed(manifest):
        raise CorruptError(f"{path / 'manifest.json'} was changed or damaged since it was written")
    refuse_other_form(path / "manifest.json", manifest, MANIFEST)
    return manifest


def read_config(path: Path) -> str:
    """The text of config.yaml; `CorruptError` where it is not what the run was started with."""
    manifest = read_manifest(path)
    with disk(path / "config.yaml", "read"):
        data = (path / "config.yaml").read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest["config_sha256"]:
        raise CorruptError(
            f"{path / 'config.yaml'} was changed since the run started; start a new run for another choice"
        )
    return data.decode()


def read_status(path: Path) -> dict[str, Any]:
    """The summary of a run; a run that says `running` without a live process was killed, which is `interrupted`.

    Raises `CorruptError` where it is not what was written for this run.
    """
    return _status(path, read_manifest(path))


def _status(path: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    summary = read_json(path / "summary.json")
    status, verdict = summary.get("status"), summary.get("verdict", "")
    unknown = status not in STATUSES or not isinstance(verdict, str) or (status != "running" and not verdict)
    if unknown or not (unsealed(summary, of=manifest["sha256"]) or is_bare(summary, manifest)):
        raise CorruptError(f"{path / 'summary.json'} was changed or damaged since it was written")
    refuse_other_form(path / "summary.json", summary, SUMMARY)
    if status == "running" and not in_use(path):
        summary |= {"status": "interrupted", "verdict": "the process was killed"}
    return summary


def is_bare(summary: dict[str, Any], manifest: dict[str, Any]) -> bool:
    """Whether a summary is from a time when it had no hash."""
    return manifest["format"] < SEALED_SINCE and "sha256" not in summary


def verified(path: Path) -> list[str]:
    """`CorruptError` where metrics.csv, the summary or the manifest is not what was written for this run.

    Returns a notice for what nothing vouches for: rows behind the last commit of a run that has not ended.
    """
    manifest, metrics = read_manifest(path), path / "metrics.csv"
    summary = _status(path, manifest)
    with disk(metrics, "read"):
        refuse_missing(metrics)
        data = metrics.read_bytes()
    header = (",".join(manifest["columns"]) + "\n").encode()
    length, sha256 = len(header), hashlib.sha256(header).hexdigest()
    if "metrics_sha256" in summary:
        length, sha256 = len(data), summary["metrics_sha256"]
    elif (found := checkpoint.newest(path / "checkpoint")) is not None:
        length, sha256 = _committed(*found[:2], manifest["sha256"])["metrics"]
    if sha256 != hashlib.sha256(data[:length]).hexdigest():
        raise CorruptError(f"{metrics} does not hold what was committed; it was changed or damaged since")
    behind = data[length:].count(b"\n")
    return [f"nothing vouches for the last {behind} rows of {metrics}: no commit has them yet"] if behind else []
