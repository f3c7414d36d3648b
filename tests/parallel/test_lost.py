"""Whatever ends one process of a run ends all of them, with one message and a folder that can be resumed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from runner.selftest import program
from runner.selftest.program import commits, differing, finished, remains, rows, started, until
from runner.store.folder import read_status
from tests.parallel.launch import launched, ran, said, signalled

OFTEN = "runner.selftest.inside.often"  # commits fifty times as often
ARGUMENTS = (
    *("dataset=iris", "architecture.hidden=[8]", "architecture/normalization=batch", "architecture.dropout=0.2"),
    *("optimizer=adam", "lr=0.01", "batch_size=35", "epochs=60", "stop=epochs", "threads=1"),
)
LOST = r"optrun: a process of this run was lost \(.+\); what was committed is kept, "
LOST += r"`torchrun --nproc-per-node=2 -m runner resume \S+/cut` goes on from there"


pytestmark = pytest.mark.usefixtures("usual_handling")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    assert ran(2, *ARGUMENTS, "hydra.run.dir=run", cwd=folder, module=OFTEN).code == 0
    return folder / "run"


def begun(process: subprocess.Popen[str], folder: Path) -> None:
    """Wait until a run is in the middle."""
    until(lambda: rows(folder) >= 5 and bool(commits(folder)), process)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_and_the_run_goes_on_to_the_bit(rank: int, whole: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    process = launched(2, *ARGUMENTS, "hydra.run.dir=cut", cwd=tmp_path, module=OFTEN)
    begun(process, cut)
    signalled(rank, signal.SIGKILL)(process)
    done = finished(process)
    assert done.code == 1  # the launcher's own, whatever its processes end with
    assert [bool(re.fullmatch(LOST, line)) for line in said(done)] == [True], done.err
    assert read_status(cut)["status"] in ("failed", "interrupted")  # interrupted: nobody was left to write it
    assert rows(cut) < 60
    resumed = ran(2, "resume", "cut", cwd=tmp_path, module=OFTEN)
    assert (resumed.code, said(resumed)) == (0, [])
    assert differing(remains(whole), remains(cut)) == []


def test_a_signal_to_any_process_ends_all_at_one_step_with_a_commit(whole: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    process = launched(2, *ARGUMENTS, "hydra.run.dir=cut", cwd=tmp_path, module=OFTEN)
    begun(process, cut)
    signalled(1, signal.SIGTERM)(process)
    done = finished(process)
    assert said(done) == ["optrun: stopped by signal 15; `optrun resume` goes on where it was"]
    status = read_status(cut)
    assert (status["status"], status["verdict"]) == ("interrupted", "stopped by signal 15")
    assert status["epochs"] == rows(cut), "what is committed is all there is"
    refused = program.ran("resume", "cut", cwd=tmp_path)
    assert (refused.code, refused.err) == (
        2,
        "optrun: cut is refused\n"
        "  allowed: as many processes as it was started on, 2 and not 1: with other parts of a mini-batch sums "
        "round in another way, and a resumed run is one that was never cut off, to the bit\n"
        "  do this: torchrun --nproc-per-node=2 -m runner resume cut\n",
    )
    assert ran(2, "resume", "cut", cwd=tmp_path, module=OFTEN).code == 0
    assert differing(remains(whole), remains(cut)) == []


def test_who_loses_another_process_ends_with_9(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        started(
            *(*ARGUMENTS, "hydra.run.dir=cut"),
            cwd=tmp_path,
            module=OFTEN,
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    begun(processes[0], tmp_path / "cut")
    os.kill(processes[1].pid, signal.SIGKILL)
    done = finished(processes[0])
    finished(processes[1])
    assert done.code == 9
    assert re.fullmatch(LOST + "\n", done.err)
    status = read_status(tmp_path / "cut")
    assert status["status"] == "failed"
    assert status["verdict"].startswith("a process of this run was lost (")
