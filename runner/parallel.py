"""One run on several processes, which torchrun or a launcher like it has started.

    torchrun --nproc-per-node=2 -m runner optimizer=adam lr=1e-3

Every process reads the data and makes the network for itself, from the same choices and the same seed; the first one
has the folder and the screen. What each does of a step is told in `core/divided.py`, what they agree on in
`core/processes.py` and `store/shared.py`.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import torch

from runner import build, job
from runner.core import device
from runner.core.errors import ConfigError, ProcessLost
from runner.core.launched import place
from runner.core.processes import Processes
from runner.core.signals import Signals
from runner.job import Result
from runner.provenance import header, versions
from runner.run import Material, Run
from runner.screen.base import Screen
from runner.store.folder import (
    ENDED,
    RunFolder,
    clear_abandoned,
    read_config,
    read_manifest,
    read_status,
    refuse_taken,
    whole,
)
from runner.store.shared import SharedFolder
from runner.train import train


def start(run: Run, path: Path, command: str, screen: Screen) -> Result:
    """Train a new run in a new folder, on the processes that were started together with this one."""
    refuse_undivided(run)
    with closing(Processes(place())) as processes:
        join(processes, run.device)
        if processes.writes:
            clear_abandoned(path.absolute().parent)
            refuse_taken(whole(path))
        run, m = job.prepared(run, processes=processes)
        refuse_strangers(processes, run, m)
        own = job.claimed(run, m, path, command, together=False).folder if processes.writes else None
        return worked(run, m, own, processes, screen)


def resume(path: Path, plugins: tuple[str, ...], screen: Screen) -> Result:
    """Go on with a run that was interrupted, on as many processes as it was started on."""
    with closing(Processes(place())) as processes:
        config = json.loads(processes.early(json.dumps(unended(path)) if processes.writes else ""))
        if config is None:
            return job.resume(path, plugins, screen) if processes.writes else Result(path, {}, 0)
        run = build.from_yaml(config, plugins)
        join(processes, run.device)
        if processes.writes:
            opened = job.taken_up(path, plugins, screen, processes=processes)
            m, own = opened.m, opened.folder
        else:
            m, own = job.prepared(run, processes=processes)[1], None
        refuse_strangers(processes, run, m)
        return worked(run, m, own, processes, screen)


def unended(path: Path) -> str | None:
    """The configuration of a run that can go on, None of one that has ended."""
    read_manifest(path)
    return None if read_status(path)["status"] in ENDED else read_config(path)


def worked(
    run: Run, m: Material, own: RunFolder | None, processes: Processes, screen: Screen, pictures: bool = True
) -> Result:
    """Train, then write the summary, judge the expectations and draw the pictures; `own` is process 0's open folder.

    Raises `ProcessLost` where one of the processes is gone, with what to do.
    """
    if own is not None:
        job.recorded(run, own, screen)
    m.settle()
    folder = SharedFolder(processes, own)
    # A launcher ends the others when one process ends with an error. They have ended too, and only have to say how.
    with Signals(last=True):
        try:
            with processes.leaving_together(), closing(folder):
                with screen.training(header(run, m, folder)), job.failures_noted(folder), job.memory_errors():
                    ending = train(run, m, folder, screen)
                result = job.finished(run, folder, ending, screen, pictures=pictures and processes.writes)
                job.remark(run, m, folder, ending.status, screen)
                return result
        except ProcessLost as error:
            again = f"torchrun --nproc-per-node={processes.size} -m runner resume {folder.path}"
            raise ProcessLost(f"{error}; what was committed is kept, `{again}` goes on from there") from error


def join(processes: Processes, name: str) -> None:
    """Let the processes meet, on the device of a configuration: a GPU for each of them, or the processors."""
    here = device.resolve(name)
    local = place()
    if here.type == "mps" or here.index is not None:
        raise ConfigError(
            "device",
            name,
            allowed="on several processes, cpu, or cuda with a GPU for each of them",
            do="give device=cpu or device=cuda",
        )
    if here.type == "cuda":
        if torch.cuda.device_count() < local.local_size:
            raise ConfigError(
                "device",
                name,
                allowed=f"cuda with a GPU for each of the {local.local_size} processes of a machine; this one has "
                f"{torch.cuda.device_count()}",
                do="give device=cpu, or start fewer processes",
            )
        torch.cuda.set_device(local.local_rank)  # which `cuda` without a number means from now on
    processes.join(here)


def refuse_undivided(run: Run) -> None:
    """Refuse a run without examples, which could be divided."""
    if run.dataset.empty:
        raise ConfigError(
            "dataset",
            run.dataset.label,
            allowed="on several processes, examples that can be divided among them",
            do="start it on one process: optrun, without torchrun",
        )


def refuse_strangers(processes: Processes, run: Run, m: Material) -> None:
    """Refuse processes that would train something else than process 0."""
    facts = {"the choices": build.to_yaml(run), "the data": m.data_sha256, "the initial parameters": m.start_sha256}
    processes.refuse_strangers(facts | {"the versions": repr(versions())})
