"""The three streams of a process: one that is closed or full must not reach what is written elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner.selftest.program import environment
from runner.store.folder import read_rows, read_status

RUN = "-m runner architecture.hidden=[4] epochs=2 hydra.run.dir=run"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_run_without_a_stream_is_trained_and_nothing_is_printed_into_its_files(closed: str, tmp_path: Path) -> None:
    command = f"{sys.executable} {RUN} {closed}"
    done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_status(tmp_path / "run")["status"] == "completed"
    assert len(read_rows(tmp_path / "run" / "metrics.csv")) == 2
    assert (tmp_path / "run" / ".lock").read_text().strip().isdigit()


def test_what_a_killed_claim_left_is_removed_by_the_next_run_beside_it(tmp_path: Path) -> None:
    left = tmp_path / ".claim.0123456789ab.tmp"
    left.mkdir()
    subprocess.run(["touch", "-d", "1 hour ago", left], check=True)
    subprocess.run([sys.executable, *RUN.split()], cwd=tmp_path, env=environment(), check=True)
    assert not left.exists()
