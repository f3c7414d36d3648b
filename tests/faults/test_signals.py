"""Ctrl-C and friends: the run commits, says so, answers with 128 + the signal, and can be resumed to the bit."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from runner.core.signals import Signals
from runner.selftest.program import (
    CONFIGURATIONS,
    Done,
    commits,
    differing,
    finished,
    ran,
    remains,
    rows,
    started,
    until,
)
from runner.store.folder import read_status

OFTEN = "runner.selftest.inside.often"
ARGUMENTS = (*CONFIGURATIONS["adam with dropout"], "epochs=120")


pytestmark = pytest.mark.usefixtures("usual_handling")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    assert ran(*ARGUMENTS, "hydra.run.dir=run", cwd=folder, module=OFTEN).code == 0
    return folder / "run"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=lambda n: str(n)
)
def test_a_signal_in_training_ends_it_with_a_commit_that_is_resumed_to_the_bit(
    number: int, code: int, whole: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut"
    for reached in (5, 60):  # the second one interrupts a run that was already resumed
        arguments = ("resume", "cut") if cut.exists() else (*ARGUMENTS, "hydra.run.dir=cut")
        process = started(*arguments, cwd=tmp_path, module=OFTEN)
        until(lambda reached=reached: rows(cut) >= reached, process)  # type: ignore[misc]
        process.send_signal(number)
        done = finished(process)
        assert done.code == code
        assert done.err == f"optrun: stopped by signal {int(number)}; `optrun resume` goes on where it was\n"
        status = read_status(cut)
        assert (status["status"], status["verdict"]) == ("interrupted", f"stopped by signal {int(number)}")
        assert status["epochs"] == rows(cut), "what is committed is all there is"
    done = ran("resume", "cut", cwd=tmp_path, module=OFTEN)
    assert (done.code, done.err) == (0, "")
    assert differing(remains(whole), remains(cut)) == []


def test_after_a_signal_nothing_has_to_be_repeated(tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    process = started(*ARGUMENTS, "hydra.run.dir=cut", cwd=tmp_path)  # with a commit a second, not fifty
    until(lambda: rows(cut) >= 3, process)
    process.send_signal(signal.SIGTERM)
    assert finished(process).code == 143
    done = rows(cut)
    assert commits(cut)
    resumed = ran("resume", "cut", cwd=tmp_path)
    assert resumed.code == 0
    assert f"note: resumed after epoch {done}\n" in resumed.out


SLOW = """
import signal
import time
from pathlib import Path
import torch

class Slow(torch.optim.SGD):
    def step(self, closure=None):
        if not hasattr(signal.getsignal(signal.SIGINT), "__self__"):
            return  # tried before any training
        Path("in step").touch()
        while True:
            time.sleep(0.01)
            if signal.getsignal(signal.SIGINT).__self__.received:
                Path("noted").touch()
"""


def test_a_second_ctrl_c_does_not_wait_for_the_step(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    process = started(
        *("optimizer=torch", "optimizer._target_=slow.Slow", "plugins=[slow]", "hydra.run.dir=run"), cwd=tmp_path
    )
    until((tmp_path / "in step").exists, process)
    process.send_signal(signal.SIGINT)
    until((tmp_path / "noted").exists, process)
    process.send_signal(signal.SIGINT)
    done = finished(process)
    said = "optrun: interrupted; what was committed is kept, `optrun resume` goes on from there\n"
    assert (done.code, done.err) == (130, said)
    assert read_status(tmp_path / "run")["status"] == "interrupted"


def interrupted_after(module: str, folder: Path) -> Done:
    """The program, sent SIGINT as soon as it has imported a module; what Python itself notes on stderr left out."""
    process = started("epochs=2", "hydra.run.dir=run", cwd=folder, flags=("-X", "importtime"))
    for line in process.stderr:
        if line.rsplit("|", 1)[-1].strip() == module:
            break
    process.send_signal(signal.SIGINT)
    done = finished(process)
    said = [line for line in done.err.splitlines() if not line.startswith("import time:")]
    return Done(done.code, done.out, "\n".join(said))


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="-X importtime is CPython's")
@pytest.mark.parametrize(
    "module",
    [
        "omegaconf",
        "hydra",
        "numpy._core.multiarray",
        "numpy.linalg",
        "torch._C",
        "torch.nn",
        "runner.job",
    ],
)
def test_ctrl_c_in_start_up_ends_it_in_one_line_with_nothing_left(module: str, tmp_path: Path) -> None:
    done = interrupted_after(module, tmp_path)
    # Where the signal fell into code that Python compiled at run time, it ends by the signal itself: 130 to the shell.
    assert done.code in (130, -signal.SIGINT)
    assert done.err.startswith("optrun: interrupted")
    assert done.err.count("\n") == 0
    assert list(tmp_path.iterdir()) == []


# ---- the handler by itself


def test_the_first_signal_is_kept_and_a_second_ctrl_c_raises() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with Signals() as signals:
        assert signals.received == 0
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.received == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.received == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
