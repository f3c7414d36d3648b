"""What the program is given to write to: a terminal of ASCII, or nothing at all."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import REPOSITORY, TINY

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def program(*arguments: str, without: str = "") -> list[str]:
    """The command line of the program; `without` is what the shell closes, as in `>&-`."""
    return ["sh", "-c", f'exec "$@" {without}', "sh", sys.executable, "-m", "runner", *arguments]


def test_a_terminal_of_ascii_shows_a_question_mark_for_any_other_character(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", **ASCII}
    process = subprocess.Popen(
        program(*TINY, "hydra.run.dir=run"),
        cwd=tmp_path,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    try:
        while piece := os.read(controller, 1 << 16):
            shown += piece
    except OSError:
        pass  # on Linux the end of a terminal is an error
    assert process.wait() == 0, shown.decode()
    assert b"mlp 8 ? " in shown
    assert shown.isascii()


@pytest.mark.parametrize("without", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_run_with_a_closed_stream_completes_and_nobody_writes_into_its_files(without: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    for place, closed in (("whole", ""), ("closed", without)):
        (tmp_path / place).mkdir()
        done = subprocess.run(
            program(*TINY, "hydra.run.dir=run", without=closed), cwd=tmp_path / place, env=environment, check=False,
            capture_output=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "closed" / "run").iterdir()}
    assert {"curves.png", "metrics.csv", "summary.json"} <= names
    for name in ("metrics.csv", "config.yaml", "preprocess.npz"):
        left = (tmp_path / "closed" / "run" / name).read_bytes()
        assert left == (tmp_path / "whole" / "run" / name).read_bytes()


def test_what_a_killed_claim_left_is_removed_by_the_next_run_beside_it(tmp_path: Path) -> None:
    left = tmp_path / ".claim.0123456789ab.tmp"
    left.mkdir()
    subprocess.run(["touch", "-d", "1 hour ago", left], check=True)
    subprocess.run(
        [sys.executable, "-m", "runner", *TINY, "hydra.run.dir=run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=True,
    )
    assert not left.exists()
