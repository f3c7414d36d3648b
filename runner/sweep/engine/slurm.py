"""On a cluster that Slurm manages: each group is a task of a job array, submitted by submitit.

Slurm has to keep accounts (`sacct`): nobody else says how a job ended that told nothing itself.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

from runner.core.check import Count
from runner.core.errors import ConfigError
from runner.sweep.engine.base import Workers
from runner.sweep.engine.cluster import Cluster
from runner.sweep.engine.errand import CORNER, Errand, run

SUBMITIT = "slurm"  # the name of its executor; tests put its "local" here, which starts plain processes
AT_ONCE = 16  # jobs that run at a time, unless workers=N says otherwise: few enough for a cluster that others use too
ARRAY = 1000  # tasks of a job array: Slurm's own limit is 1001, unless its configuration says otherwise (MaxArraySize)
ASKED_S = 5.0  # between two questions to the accounts, each for all jobs at once


@final
@dataclass(frozen=True)
class Slurm(Cluster):
    """Job arrays.

    partition, account  as with sbatch; null: Slurm's own default
    time                minutes that a group may take; a minute and a half before their end its runs commit and stop
    memory              gigabytes for a group
    sbatch              further options of sbatch by their long names: engine.sbatch.qos=high is --qos=high
    """

    typed: ClassVar[tuple[str, ...]] = ("sbatch",)  # --export, --output: what a job runs, and which files it writes

    partition: str | None = None
    account: str | None = None
    time: Count = 60
    memory: Count | None = None
    sbatch: dict[str, str | int] = field(default_factory=dict)

    def ready(self, wanted: Workers) -> None:
        try:
            submitit()
        except ImportError:
            allowed, do = "submitit, which speaks to Slurm", "pip install 'optrun[slurm]'"
            raise ConfigError("engine", "slurm without submitit", allowed=allowed, do=do) from None
        if SUBMITIT == "slurm":
            refuse_no_slurm()

    def workers(self, jobs: int, wanted: Workers) -> int:
        return max(1, min(AT_ONCE if wanted == "auto" else wanted, jobs))

    def words(self, workers: int) -> str:
        return f" through Slurm, at most {workers} job{'s' if workers > 1 else ''} at a time,"

    def sent(self, errands: Sequence[Errand], workers: int) -> Sequence[SlurmTicket]:
        executor = submitit().AutoExecutor(errands[0].sweep / CORNER / "slurm", cluster=SUBMITIT)
        executor.update_parameters(**self.asked(workers))
        watch = Watch()
        starts = range(0, len(errands), ARRAY)
        jobs = [job for start in starts for job in executor.map_array(run, errands[start : start + ARRAY])]
        return [SlurmTicket(job, watch) for job in jobs]

    def asked(self, workers: int) -> dict[str, Any]:
        """The parameters of submitit, without those that are left to Slurm."""
        wanted = {
            "name": "optrun",
            "timeout_min": self.time,
            "cpus_per_task": self.cpus,
            "gpus_per_node": self.gpus or None,
            "mem_gb": self.memory,
            "slurm_partition": self.partition,
            "slurm_account": self.account,
            "slurm_array_parallelism": workers,
            "slurm_additional_parameters": dict(self.sbatch) or None,
        }
        return {key: value for key, value in wanted.items() if value is not None}

    def called_off(self, tickets: Sequence[Any]) -> None:
        for ticket in tickets:
            ticket.job.cancel(check=False)  # SIGTERM, at which runs commit; 30 s later SIGKILL


class Watch:
    """When the accounts were asked last, for all jobs."""

    def __init__(self) -> None:
        self.asked = -ASKED_S

    def due(self) -> bool:
        """Whether to ask now; by itself submitit soon waits for minutes between two questions."""
        now = time.monotonic()
        due = now - self.asked >= ASKED_S
        self.asked = now if due else self.asked
        return due


@dataclass(frozen=True)
class SlurmTicket:
    """A task of a job array."""

    job: Any
    watch: Watch

    @property
    def name(self) -> str:
        return f"Slurm job {self.job.job_id} (log: {self.job.paths.stderr})"

    def ended(self) -> str:
        return f"ended as {self.job.state}" if self.job.done(force_check=self.watch.due()) else ""


def submitit() -> Any:
    """The package, told to warn of the end of a job's time by the signal that runs heed anyway."""
    os.environ.setdefault("SUBMITIT_PREEMPT_SIGNAL", "USR1")  # read at its import
    return importlib.import_module("submitit")


def refuse_no_slurm() -> None:
    """`ConfigError` on a machine from which nothing can be submitted, or of whose jobs nobody would hear again."""
    missing = [name for name in ("sbatch", "sacct", "scancel") if shutil.which(name) is None]
    if missing:
        do = "run it on a machine of the cluster from which jobs are submitted, or choose another engine"
        raise ConfigError("engine", "slurm", allowed=f"where {', '.join(missing)} can be found", do=do)
    accounts = subprocess.run(["sacct", "--noheader"], capture_output=True, text=True, check=False)
    if accounts.returncode:
        said = accounts.stderr.strip().splitlines() or ["it failed"]
        do = "have slurmdbd set up (AccountingStorageType), or choose another engine"
        raise ConfigError("engine", "slurm", allowed=f"with accounting; sacct says: {said[-1]}", do=do)
