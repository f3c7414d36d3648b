"""The sweeper of the house: the same jobs in the same order as Hydra's own, each of them composed once.

Hydra's own composes every job to see whether it can be, lets the launcher compose it again, and writes a multirun.yaml
into the folder before anybody has looked whether that is free.
"""

from __future__ import annotations

from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException


class OptrunSweeper(BasicSweeper):
    """The product of all axes, handed to the launcher at once.

    params: axes that a yaml names, as in {lr: "0.1,0.01"}; the command line goes before
    """

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size=None, params=params)

    def sweep(self, arguments: list[str]) -> Any:
        assert self.hydra_context is not None
        assert self.launcher is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        for override in overrides:
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise HydraException(f"{override.input_line} has no list of values; give key=a,b or key=range(n)")
        (jobs,) = self.split_arguments(overrides, None)
        results = self.launcher.launch(jobs, initial_job_idx=0)
        return [[result.return_value for result in results]]  # which raises what a job raised


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="optrun",
    node={"_target_": "hydra_plugins.optrun.sweeper.OptrunSweeper", "params": None},
    provider="optrun",
)
