"""Whatever optrun does, the process that it is forked from goes on: a hang, and what is left behind, is told."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from runner.selftest import fed, program
from runner.selftest.base import NotHeld
from runner.selftest.forked import forks
from runner.selftest.nursery import Order
from runner.selftest.program import SMALL

OWN = """
import os, signal, time
import torch

class Hangs(torch.optim.SGD):
    def step(self, closure=None):
        if not hasattr(signal.getsignal(signal.SIGTERM), "__self__"):
            return  # tried before any training
        while True:
            time.sleep(0.01)

class Leaves(torch.optim.SGD):
    def step(self, closure=None):
        if not os.path.exists("pid"):
            pid = os.fork()  # which keeps all that is open
            if pid == 0:
                time.sleep(1000)
                os._exit(0)
            open("pid", "w").write(str(pid))
        return super().step(closure)
"""
PLUGIN = (*SMALL, "epochs=1", "optimizer=torch", "plugins=[own]", "lr=0.01")
HANGS, LEAVES = (*PLUGIN, "optimizer._target_=own.Hangs"), (*PLUGIN, "optimizer._target_=own.Leaves")
REACHED_S = 15.0  # within which a run comes to its first step, on a busy machine
LEFT = "a process that it started was still there 10 s after its end"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path


def gone(pid: int) -> bool:
    """Whether a process ends, which it does soon after it was killed; one that nobody has waited for yet has ended."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def test_a_hang_is_told_with_the_stacks_and_the_next_order_is_answered(child: Order, own: Path) -> None:
    with pytest.raises(NotHeld, match=r"no end after 15 s\n(.*\n)*.*own\.py.* in step"):
        child(*HANGS, "hydra.run.dir=run", cwd=own, limit_s=REACHED_S)
    assert child(*SMALL, "epochs=1", "hydra.run.dir=next", cwd=own)["code"] == 0


def test_a_step_that_hangs_ends_with_a_second_ctrl_c(child: Order, own: Path) -> None:
    answer = child(*HANGS, "hydra.run.dir=run", cwd=own, after_s=REACHED_S, signals=[signal.SIGINT, signal.SIGINT])
    assert answer["code"] == 130


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for a process in /proc")
def test_what_does_not_end_is_told_and_ended(own: Path) -> None:
    with forks() as optrun:
        left = optrun(*LEAVES, "hydra.run.dir=left", cwd=own)
        assert (left.code, left.endless) == (0, LEFT)
        assert left.wrong.startswith(LEFT)
        assert gone(int((own / "pid").read_text()))
        hung = optrun(*HANGS, "hydra.run.dir=hung", cwd=own, limit_s=REACHED_S)
        assert hung.endless == "no end after 15 s"
        assert "own.py" in hung.wrong, "the stacks say where"


def test_a_process_that_answers_nothing_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fed, "PATIENCE_S", 0.1)
    monkeypatch.setattr(program, "PYTHON", [sys.executable, "-c", "import sys; sys.stdin.read()"])
    with fed.fed("runner") as ask, pytest.raises(NotHeld, match=r"no answer after 0 s .*: {'argv': 3}"):
        ask({"argv": 3})


def test_a_process_that_dies_is_told_with_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "PYTHON", [sys.executable, "-c", "input()"])
    with fed.fed("runner") as ask, pytest.raises(NotHeld, match=r"has died of {'argv': 3}"):
        ask({"argv": 3})
