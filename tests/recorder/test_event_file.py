"""The event file of TensorBoard: cut to what was committed, written nowhere else, and a full disk is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tensorboard", reason="pip install tensorboard")

from tensorboard.summary.writer.record_writer import RecordWriter

from runner.recorder.base import About
from runner.recorder.log.event_file import FILE, EventFile, kept

SETTINGS = {"lr": 0.1, "optimizer": "adam"}


def about(path: Path, rows: int) -> About:
    return About(path, "0" * 16, "a run", SETTINGS, rows_of(rows))


def rows_of(count: int) -> list[dict[str, float]]:
    return [{"epoch": epoch, "val_loss": 1 / epoch} for epoch in range(1, count + 1)]


def written(path: Path, rows: int) -> bytes:
    """The bytes of a log with so many rows."""
    log = EventFile(about(path, rows))
    log.close()
    return (path / "tensorboard" / FILE).read_bytes()


def test_at_every_byte_that_a_kill_may_leave_the_rows_before_it_are_kept(tmp_path: Path) -> None:
    whole = written(tmp_path, 3)
    file = tmp_path / "tensorboard" / FILE
    lengths = []
    for length in range(len(whole) + 1):
        file.write_bytes(whole[:length])
        bytes_, rows = kept(file, 3)
        assert bytes_ <= length
        assert whole[:bytes_] == file.read_bytes()[:bytes_]
        lengths.append(rows)
    assert lengths == sorted(lengths)
    assert set(lengths) == {0, 1, 2, 3}
    assert kept(file, 3) == (len(whole), 3)


@pytest.mark.parametrize("committed", [0, 1, 3])
def test_rows_that_are_not_committed_are_cut_off(committed: int, tmp_path: Path) -> None:
    whole = written(tmp_path, 3)
    again = written(tmp_path, committed)
    assert kept(tmp_path / "tensorboard" / FILE, 3)[1] == committed
    assert committed == 0 or whole.startswith(again)  # with the times at which they were first told


def test_a_flipped_bit_costs_the_rows_behind_it_which_are_written_again(tmp_path: Path) -> None:
    whole = bytearray(written(tmp_path, 3))
    file = tmp_path / "tensorboard" / FILE
    whole[-40] ^= 1  # in the last record
    file.write_bytes(whole)
    assert kept(file, 3)[1] == 2
    EventFile(about(tmp_path, 3)).close()
    assert kept(file, 3)[1] == 3


def test_a_full_disk_is_an_error_of_the_call_that_met_it(tmp_path: Path) -> None:
    log = EventFile(about(tmp_path, 1))
    log.close()
    full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115 - closed below
    log._file, log._records = full, RecordWriter(full)  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space left on device"):
        log.rows(rows_of(2)[1:])
    full.close()


@pytest.mark.parametrize("what", ["the folder", "the file"])
def test_a_link_is_not_followed(what: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / FILE).write_bytes(b"mine")
    path = tmp_path / "run"
    path.mkdir()
    if what == "the folder":
        (path / "tensorboard").symlink_to(elsewhere)
    else:
        (path / "tensorboard").mkdir()
        (path / "tensorboard" / FILE).symlink_to(elsewhere / FILE)
    with pytest.raises(OSError, match="link"):
        EventFile(about(path, 1))
    assert (elsewhere / FILE).read_bytes() == b"mine"
