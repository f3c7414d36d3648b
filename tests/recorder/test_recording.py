"""Who listens to a run: what he is told and when, and that nothing of him comes back to the run."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runner import build, job
from runner.core.errors import ConfigError, CorruptError, DiskError, Interrupted
from runner.recorder.base import About, Log, Row, Writer
from runner.recorder.none import NoRecorder
from runner.recorder.several import Several
from runner.recorder.tensorboard import TensorBoard
from runner.run import Run
from runner.screen.base import Silent
from runner.stop.epochs import Epochs
from runner.store import checkpoint, folder
from runner.store.folder import read_rows, read_status
from tests.sweep.test_fuse import ONE

EPOCHS = 6
Told = list[tuple[str, Any]]


@dataclass(frozen=True)
class Heard(Writer):
    """Writes down what it is told; fails where it is told to."""

    told: ClassVar[Told] = []
    fails: str = ""

    def begin(self, about: About) -> Log:
        return Minutes(self.told, self.fails, about)


class Minutes(Log):
    def __init__(self, told: Told, fails: str, about: About) -> None:
        self.told, self.fails = told, fails
        self.note("begin", about)

    def note(self, what: str, content: object = None) -> None:
        if self.fails == what:
            raise OSError(errno.ENOSPC, "No space left on \x1b[31mdevice")
        self.told.append((what, content))

    def rows(self, rows: Sequence[Row]) -> None:
        self.note("rows", [int(row["epoch"]) for row in rows])

    def end(self, summary: Mapping[str, Any]) -> None:
        self.note("end", summary["status"])

    def close(self) -> None:
        self.note("close")


@dataclass(frozen=True)
class Other(Heard):
    """Another kind, which a run may have beside it."""


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> Told:
    """A commit in every epoch, and nothing told yet."""
    monkeypatch.setattr(folder, "LEAST_S", 0.0)
    monkeypatch.setattr(folder, "SHARE", 0)
    Heard.told.clear()
    return Heard.told


class Listening(Silent):
    """Keeps the notices, and sends a signal in one epoch."""

    def __init__(self, stop_in: int = 0) -> None:
        self.notices: list[str] = []
        self.stop_in, self.seen = stop_in, 0

    def row(self, row: Row) -> None:
        self.seen += 1
        if self.seen == self.stop_in:
            os.kill(os.getpid(), signal.SIGTERM)

    def notice(self, text: str) -> None:
        self.notices.append(text)


def with_(recorder: Any) -> Run:
    return replace(ONE, recorder=recorder, stop=Epochs(epochs=EPOCHS), epochs=EPOCHS)


def trained(run: Run, path: Path, screen: Silent | None = None) -> job.Result:
    return job.start(run, path, "optrun", screen or Silent(), pictures=False)


def test_rows_are_told_when_they_are_committed_and_the_end_before_it_is_written(often: Told, tmp_path: Path) -> None:
    trained(with_(Heard()), tmp_path / "run")
    (_, about), *rest = often
    assert (about.path, about.title, about.rows) == (tmp_path / "run", build.title(ONE), ())
    assert about.settings["optimizer"] == "sgd"
    # epoch n is committed after the first step of epoch n + 1, and the last one at the end
    assert rest == [*(("rows", [n]) for n in range(1, EPOCHS + 1)), ("end", "completed"), ("close", None)]


def test_a_row_that_is_not_committed_is_not_told(often: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = checkpoint.write

    def full(at: Path, number: int, *rest: Any) -> Path:
        if number > 1:  # in the second epoch
            raise DiskError("cannot write: No space left on device")
        return write(at, number, *rest)

    monkeypatch.setattr(checkpoint, "write", full)
    with pytest.raises(DiskError):
        trained(with_(Heard()), tmp_path / "run")
    assert [what for what, _ in often] == ["begin", "end", "close"]
    assert often[1] == ("end", "failed")
    assert len(read_rows(tmp_path / "run" / "metrics.csv")) == 1


@pytest.mark.usefixtures("usual_handling")
def test_a_run_that_was_interrupted_goes_on_in_the_same_log(often: Told, tmp_path: Path) -> None:
    run = with_(Heard())
    with pytest.raises(Interrupted):
        trained(run, tmp_path / "run", Listening(stop_in=3))
    first = list(often)
    often.clear()
    job.resume(tmp_path / "run", (__name__.partition(".")[0],), Silent(), pictures=False)
    assert first[-2:] == [("end", "interrupted"), ("close", None)]
    (_, about), *rest = often
    assert about.id == first[0][1].id
    assert [int(row["epoch"]) for row in about.rows] == [1, 2, 3]
    assert rest == [*(("rows", [n]) for n in range(4, EPOCHS + 1)), ("end", "completed"), ("close", None)]


@pytest.mark.parametrize("fails", ["begin", "rows", "end"])
def test_a_recorder_that_fails_is_given_up_with_a_notice_and_the_run_goes_on(
    fails: str, often: Told, tmp_path: Path
) -> None:
    screen = Listening()
    path = tmp_path / "run"
    several = Several(of={"broken": Heard(fails=fails), "whole": Other()})
    assert trained(with_(several), path, screen).exit_code == 0
    notice = f"Heard fails={fails} records no more of this run: [Errno 28] No space left on \\x1b[31mdevice"
    assert screen.notices == read_status(path)["not_recorded"] == [notice]
    assert [told for told in often if told[0] == "end"][-1] == ("end", "completed")
    trained(with_(NoRecorder()), tmp_path / "without")
    assert (path / "metrics.csv").read_bytes() == (tmp_path / "without" / "metrics.csv").read_bytes()


def test_a_recorder_cannot_change_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forged(self: Minutes, rows: Sequence[Any]) -> None:
        rows[0]["val_loss"] = 0.0

    monkeypatch.setattr(Minutes, "rows", forged)
    screen = Listening()
    result = trained(with_(Heard()), tmp_path / "run", screen)
    assert result.summary["best"]["val_loss"] > 0
    assert screen.notices == [
        "Heard records no more of this run: 'mappingproxy' object does not support item assignment"
    ]


def test_two_recorders_of_one_kind_are_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        Several(of={"one": TensorBoard(), "two": TensorBoard()})
    assert str(refused.value) == (
        "of=one, two is refused\n  allowed: recorders of different kinds: two of one would write into one log\n"
        "  do this: leave one of them out"
    )


def test_a_forged_id_leads_nowhere(tmp_path: Path) -> None:
    run = with_(NoRecorder())
    trained(run, tmp_path / "run")  # whose manifest has none
    with pytest.raises(CorruptError) as refused, folder.RunFolder.open(tmp_path / "run") as opened:
        job.recorded(with_(Heard()), opened, Silent())
    assert str(refused.value) == (
        f"{tmp_path / 'run' / 'manifest.json'} does not hold what optrun writes there: id is None"
    )
