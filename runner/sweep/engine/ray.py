"""On a Ray cluster: each group is a task of Ray's, on the cluster that is there or on one of this machine alone.

Ray ends the tasks of a process that dies. What they had not committed is trained again when the sweep is resumed.
"""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

from runner.core import device
from runner.core.errors import ConfigError
from runner.sweep.engine.base import Workers
from runner.sweep.engine.cluster import Cluster
from runner.sweep.engine.errand import Errand, run

ANSWER_S = 10.0  # for a machine to answer, before it counts as none
QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}


@final
@dataclass(frozen=True)
class Ray(Cluster):
    """Tasks of Ray's.

    address  of the cluster, as in HOST:6379 or ray://HOST:10001; null: the one that RAY_ADDRESS names, else one that is
             started here and ends with this process
    """

    typed: ClassVar[tuple[str, ...]] = ("address",)  # what comes from there is unpickled

    address: str | None = None

    def ready(self, wanted: Workers) -> None:
        try:
            package()
        except ImportError:
            allowed, do = "Ray, which finds machines for the groups", "pip install 'optrun[ray]'"
            raise ConfigError("engine", "ray without ray", allowed=allowed, do=do) from None
        if self.named:
            refuse_silence(self.named)

    @property
    def named(self) -> str:
        """The address of the cluster to join; nothing where one is to be started."""
        return self.address or os.environ.get("RAY_ADDRESS", "")

    def workers(self, jobs: int, wanted: Workers) -> int:
        """On a cluster that is there already Ray decides how many run, by cpus; then this shapes the groups alone."""
        return max(1, min(device.cores() // self.cpus if wanted == "auto" else wanted, jobs))

    def words(self, workers: int) -> str:
        return f" through Ray, in groups for {workers} workers,"

    def sent(self, errands: Sequence[Errand], workers: int) -> Sequence[RayTicket]:
        # A task that was killed is not tried again behind our back: the sweep says what was lost.
        task = package().remote(max_retries=0, num_cpus=self.cpus, num_gpus=self.gpus)(run)
        return [RayTicket(task.remote(errand)) for errand in errands]

    def connect(self, workers: int) -> None:
        """Join the cluster that was named, or start one that trains so many groups at a time.

        Another that happens to run here is not joined: it may end with the process that started it.
        """
        if package().is_initialized():
            return
        if self.named:
            try:
                package().init(address=self.named, **QUIET)
            except ConnectionError as error:
                raise nobody(self.named, error) from None
        else:
            package().init(address="local", num_cpus=workers * self.cpus, include_dashboard=False, **QUIET)

    def called_off(self, tickets: Sequence[Any]) -> None:
        for ticket in tickets:
            package().cancel(ticket.reference)  # a KeyboardInterrupt, by the handler that lets runs commit


@dataclass(frozen=True)
class RayTicket:
    """A task of Ray's."""

    reference: Any

    @property
    def name(self) -> str:
        return f"Ray task {self.reference.task_id().hex()}"

    def ended(self) -> str:
        ray = package()
        done, _ = ray.wait([self.reference], timeout=0)
        if not done:
            return ""
        try:
            ray.get(done[0])
        except ray.exceptions.RayError as error:
            return words(error)
        return "ended"


def refuse_silence(address: str) -> None:
    """`ConfigError` where nobody answers at an address. Ray itself would ask for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except (OSError, ValueError) as error:
        raise nobody(address, error) from None


def nobody(address: str, error: Exception) -> ConfigError:
    """The refusal of an address at which there is no Ray."""
    do = "start a cluster there (ray start --head), or leave out engine.address"
    if type(error) is ConnectionError and "RAY_AUTH_MODE" not in os.environ:  # Ray's own: there is one that says no
        do += "; where the cluster asks for a token, RAY_AUTH_MODE=token shows it that of ~/.ray/auth_token"
    allowed = f"HOST:PORT of a Ray cluster, or ray://HOST:PORT ({error})"
    return ConfigError("engine.address", address, allowed=allowed, do=do)


def words(error: Exception) -> str:
    """How a task ended that did not return."""
    ray = package()
    match error:
        case ray.exceptions.WorkerCrashedError() | ray.exceptions.NodeDiedError():
            return "was killed"
        case ray.exceptions.TaskCancelledError():
            return "was cancelled"
        case ray.exceptions.RayTaskError():
            return f"failed: {str(error).strip().splitlines()[-1]}"
        case _:
            return f"ended by {type(error).__name__}"


def package() -> Any:
    """Ray, which tells its makers nothing of its use unless the user asks for that."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when it starts
    return importlib.import_module("ray")
