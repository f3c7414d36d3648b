"""The launcher of the house, in the only namespace where Hydra looks for one; `runner.cli` puts it on the path.

Hydra imports this file at every start, so it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict


class OptrunLauncher(Launcher):
    """Hands the jobs of a multirun to `runner.sweep` as one sweep."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from runner.cli import launched

        configs = []
        for number, overrides in enumerate(job_overrides, start=initial_job_idx):
            config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
            with open_dict(config):
                config.hydra.job.id = str(number)
                config.hydra.job.num = number
            configs.append((list(overrides), config))
        launched(self.config, configs)
        return []


ConfigStore.instance().store(
    group="hydra/launcher",
    name="optrun",
    node={"_target_": "hydra_plugins.optrun_launcher.OptrunLauncher"},
    provider="optrun",
)
