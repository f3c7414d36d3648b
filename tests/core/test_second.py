"""The program on a second device, in processes of their own: torch counts the devices once, when it first
differentiates, and the other tests are to see the machine as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1] / "second"


@pytest.mark.parametrize("part", ["choices", "side_by_side", "captured", "commands"])
def test_on_a_second_device_the_program_is_what_it_is_on_the_processor(part: str) -> None:
    ours = ["-o", "addopts=--import-mode=importlib -p no:cacheprovider", "-p", "no:xdist"]
    command = [sys.executable, "-m", "pytest", "-q", *ours, f"{HERE / part}.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
