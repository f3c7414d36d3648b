"""The sweeper of the house: the same jobs in the same order as Hydra's own, each of them composed once.

Hydra's own composes every job to see whether it can be, lets the launcher compose it again, and writes a multirun.yaml
into the folder before anybody has looked whether that is free.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

if TYPE_CHECKING:
    from runner.core.errors import ConfigError

MOST = 1_000_000  # runs of a sweep: their list alone has a gigabyte


def refuse_no_grid(axes: list[Override]) -> None:
    """Refuse axes without values, with more than anybody can wait for, and two of one name."""
    from runner.core.errors import ConfigError

    runs, keys = 1, set()
    for axis in axes:
        key, _, value = (axis.input_line or "").lstrip("+").partition("=")
        try:
            count = sum(1 for _ in islice(axis.sweep_string_iterator(), MOST + 1))
        except (ValueError, ArithmeticError) as error:
            raise ConfigError(key, value, allowed="a list of values", do=f"give {key}=A,B ({error})") from None
        if not count:
            raise ConfigError(key, value, allowed="one value at least", do=f"give {key}=A,B or leave it out")
        runs *= count
        if runs > MOST:
            do = "give fewer values; a sweep can be extended with --extend"
            raise ConfigError(key, value, allowed=f"a sweep of at most {MOST:,} runs", do=do)
        if key in keys:
            raise ConfigError(key, value, allowed="every axis once", do=f"give all values at once: {key}=A,B")
        keys.add(key)


def endless(typed: str) -> ConfigError:
    """The refusal of an interval, which has no end of values to train."""
    from runner.core.errors import ConfigError
    from runner.grammar import plain

    key, _, value = plain(typed).partition("=")
    do = f"optrun tune {key}='{value}' searches for the best one; or give {key}=A,B"
    return ConfigError(key, value, allowed="a list of values, each of which is trained", do=do)


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
                raise endless(override.input_line or "")
        refuse_no_grid([each for each in overrides if each.is_sweep_override()])
        (jobs,) = self.split_arguments(overrides, None)
        results = self.launcher.launch(jobs, initial_job_idx=0)
        return [[result.return_value for result in results]]  # which raises what a job raised


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="optrun",
    node={"_target_": "hydra_plugins.optrun.sweeper.OptrunSweeper", "params": None},
    provider="optrun",
)
