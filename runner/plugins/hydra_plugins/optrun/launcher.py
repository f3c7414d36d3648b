"""The launcher of the house. Hydra imports this file at every start, so it imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.optrun.compose import Composer
from omegaconf import DictConfig


class OptrunLauncher(Launcher):
    """Hands the jobs of a multirun to `runner.sweep` as one sweep.

    workers: processes that train, one thread each, or auto: as many as there are processors
    lanes: runs side by side in one program at most, or auto: where it is faster, or off
    """

    def __init__(self, workers: int | str, lanes: int | str) -> None:
        self.workers, self.lanes = workers, lanes

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from runner.command.sweep import launched

        composer = Composer(self.context.config_loader, self.config)
        launched(
            Path(str(self.config.hydra.sweep.dir)), composer, job_overrides, workers=self.workers, lanes=self.lanes
        )
        return []


ConfigStore.instance().store(
    group="hydra/launcher",
    name="optrun",
    node={"_target_": "hydra_plugins.optrun.launcher.OptrunLauncher", "workers": "auto", "lanes": "auto"},
    provider="optrun",
)
