"""The command line, called in this process (fast) or as a program of its own (what users have)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner import cli

REPOSITORY = Path(__file__).parents[2]
TINY = ("epochs=2", "architecture.hidden=[8]")  # a run of a few milliseconds


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


Call = Callable[..., Answer]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """`call("lr=0.1", ...)` is `optrun lr=0.1 ...` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def called(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["optrun", *arguments])
        code = cli.main(list(arguments))
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return called


@pytest.fixture
def program(tmp_path: Path) -> Call:
    """The same as a process of its own."""

    def called(*arguments: str, module: str = "runner", **environment: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return called


def only_folder(path: Path) -> Path:
    """The one run or sweep folder in `outputs/`."""
    (folder,) = (path / "outputs").iterdir()
    return folder
