"""What Hydra may be told to call: Hydra's own part of a configuration is looked at before Hydra acts on it.

A yaml can put callbacks, handlers of log messages and launchers there, each with the name of a class or a function, and
Hydra calls them all. Such a yaml may come from a folder of somebody else's (`--config-dir`), so the rule of `build`
holds here too: a name is held against a list before anything is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runner.core.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

TARGETS = ("hydra.", "hydra_plugins.")  # where Hydra itself looks for launchers and sweepers
HANDLERS = ("logging.StreamHandler", "logging.FileHandler", "logging.NullHandler", "colorlog.ColoredFormatter")
STREAMS = ("ext://sys.stdout", "ext://sys.stderr")


@contextmanager
def watched(plugins: tuple[str, ...]) -> Iterator[None]:
    """Within, Hydra acts on nothing that was not looked at; `plugins`: packages that the command line names."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    load = ConfigLoaderImpl.load_configuration

    def looked_at(self: ConfigLoaderImpl, *arguments: Any, **options: Any) -> DictConfig:
        config = load(self, *arguments, **options)
        refuse_foreign(config, plugins)
        return config

    ConfigLoaderImpl.load_configuration = looked_at  # type: ignore[method-assign]
    try:
        yield
    finally:
        ConfigLoaderImpl.load_configuration = load  # type: ignore[method-assign]


def refuse_foreign(config: DictConfig, plugins: tuple[str, ...]) -> None:
    """`ConfigError` for the first thing in Hydra's own part of a configuration that could call anything at all."""
    from omegaconf import OmegaConf

    targets = (*TARGETS, *(f"{package}." for package in plugins))
    for key, value in leaves(OmegaConf.to_container(config.hydra, resolve=False), "hydra"):
        name = key.rpartition(".")[2]
        text = str(value)
        foreign = {
            "_target_": not text.startswith(targets),
            "class": text not in HANDLERS,
            "()": text not in HANDLERS,
        }.get(name, text.startswith(("ext://", "cfg://")) and text not in STREAMS)
        if foreign:
            raise ConfigError(
                key,
                value,
                allowed="what comes with Hydra, or is in a package of plugins=[...]",
                do="remove it from the yaml, or name your package on the command line: plugins=[my_package]",
            )


def leaves(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Every value in a tree of mappings and lists, with its dotted key."""
    match node:
        case dict():
            for name, value in node.items():
                yield from leaves(value, f"{key}.{name}")
        case list():
            for number, value in enumerate(node):
                yield from leaves(value, f"{key}[{number}]")
        case _:
            yield key, node
