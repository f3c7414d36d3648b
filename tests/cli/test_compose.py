"""A structure is composed once and its values are set on copies: what comes out is what Hydra itself would compose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from hydra_plugins.optrun import compose
from hydra_plugins.optrun.compose import Composer
from omegaconf import DictConfig, OmegaConf, open_dict

from runner import build, composing, grammar
from runner.core.errors import ConfigError

JOBS = {
    "nothing": [],
    "a number": ["lr=0.1"],
    "another number for the same key": ["lr=0.2"],
    "a whole number, an exponent, nan": ["epochs=5", "optimizer.eps=1e-7", "optimizer.weight_decay=nan"],
    "the number behind an interpolation": ["optimizer.lr=0.5"],
    "an interpolation": ["lr=${optimizer.eps}", "batch_size=${epochs}"],
    "an interpolation inside a text": ["device='${precision}!'"],
    "an interpolation into nothing": ["lr=${nowhere}"],
    "null": ["lr=null"],
    "true": ["seed=true"],
    "quoted texts": ["device='a,b=c'", 'precision="float 64"', "plugins='[x]'"],
    "an empty text": ["device="],
    "a text with escapes": [r"device=a\,b\ \\"],
    "a list": ["architecture.hidden=[4,5]"],
    "another list for the same key": ["architecture.hidden=[6]"],
    "a list of lists": ["optimizer.betas=[[0.1,0.2],[0.3]]"],
    "a dictionary, merged": ["expect={val_accuracy:0.9}", "expect.val_loss=1"],
    "a dictionary for a room": ["optimizer={lr:0.3}"],
    "the keys after the dictionary that they were in": ["optimizer.lr=0.1", "optimizer={lr:0.3}", "optimizer.eps=1"],
    "an unknown key": ["lrr=0.1", "optimizer.nothing.at.all=1"],
    "a key that is added": ["+own=1", "+optimizer.own=[1]"],
    "a key that is added though it is there": ["+lr=1"],
    "a key that is deleted": ["~batch_size"],
    "a key that is deleted and set": ["~batch_size", "batch_size=7"],
    "a key that is deleted and is not there": ["~nothing"],
    "a key within a number": ["lr.x=1"],
    "a part of a list": ["architecture.hidden.0=3"],
    "the same key twice": ["lr=1", "lr=2"],
    "a choice": ["optimizer=sgd", "lr=0.1"],
    "a choice and its argument": ["optimizer=momentum", "optimizer.mu=0.5", "optimizer.lr=3"],
    "a choice that brings its own rate": ["optimizer=clip_norm"],
    "a choice inside a choice": ["optimizer=sam", "optimizer.inner=adam", "optimizer.inner.eps=1e-3", "lr=0.1"],
    "a choice two deep": ["optimizer=sam", "optimizer.inner=clip_norm", "optimizer.inner.inner=adam"],
    "a choice inside that does not fit": ["optimizer=sgd", "optimizer.inner=adam"],
    "a choice that follows": ["schedule=warmup", "schedule.then=cosine", "schedule.steps=4"],
    "an inner room": ["architecture/activation=gelu", "architecture/normalization=batch", "architecture.hidden=[3]"],
    "an inner choice by its name alone": ["architecture.activation=tanh"],
    "a problem": ["problem=rosenbrock", "start=[-1,1]", "lr=0.01"],
    "a problem with a choice beside it": ["optimizer=adam", "problem=reddi", "epochs=3"],
    "a choice that is deleted": ["~problem"],
    "a choice that is added": ["+dataset@second=iris"],
    "an unknown choice": ["optimizer=adamm"],
    "an unknown room": ["optimiser@x=adam"],
    "a setting of Hydra's": ["hydra.job.name=mine", "lr=0.1"],
}


@pytest.fixture(scope="module")
def composer() -> Iterator[Composer]:
    """One composer for all cases: a value of one job must not be seen in another."""
    composing.prepared([])
    with initialize_config_dir(str(grammar.CONF), version_base="1.3", job_name="optrun"):
        loader = GlobalHydra.instance().config_loader()
        yield Composer(loader, loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN))  # type: ignore[arg-type]


def outcome(compose: Any) -> Any:
    """The configuration as it is written and as it is resolved, or the messages."""
    said = []
    try:
        with composing.translated():
            config = compose()
    except ConfigError as error:
        return str(error)
    for resolve in (False, True):
        try:
            said.append(repr(OmegaConf.to_container(config, resolve=resolve)))
        except Exception as error:
            said.append(str(error))
    return [*said, OmegaConf.is_struct(config)]


@pytest.mark.parametrize("case", [*JOBS, *reversed(JOBS)])  # the other way round as well: nothing may stay behind
def test_a_job_is_what_hydra_composes_for_it(case: str, composer: Composer) -> None:
    overrides = grammar.lenient(JOBS[case])

    def whole() -> DictConfig:
        return composing.task(composer.loader.load_sweep_config(composer.master, overrides))

    assert outcome(lambda: composer.task(overrides)) == outcome(whole)


NUMBERS = {
    "one key": ("lr=0.1", "lr=0.2", "lr=3", "lr=nan"),
    "two keys": ("lr=0.1 seed=1", "lr=0.2 seed=2"),
    "a number that others ask for": ("optimizer.lr=0.1", "optimizer.lr=0.2"),
    "a number that one of two asks for": ("optimizer.lr=0.1 lr=1", "optimizer.lr=0.2 lr=2"),
    "a number that a default asks for": ("optimizer.batch_size=10", "optimizer.batch_size=20"),
    "a number in a choice": ("optimizer=momentum optimizer.mu=0.1", "optimizer=momentum optimizer.mu=0.2"),
    "a number in an inner choice": ("optimizer=sam optimizer.inner.lr=0.1", "optimizer=sam optimizer.inner.lr=0.2"),
    "a number under a choice that asks from within": (
        "optimizer=sam optimizer.rho=0.1",
        "optimizer=sam optimizer.rho=0.2",
    ),
    "truth values": ("seed=true", "seed=false", "seed=1"),
    "a text among numbers": ("lr=0.1", "lr=abc", "lr=0.2"),
    "an interpolation among numbers": ("lr=0.1", "lr=${seed}", "lr=0.2"),
    "an interpolation beside numbers": ("lr=${seed} seed=1", "lr=${seed} seed=2"),
    "a key twice": ("lr=0.1 lr=0.2", "lr=0.3 lr=0.4"),
    "a key within a number": ("lr=1 lr.x=1", "lr=2 lr.x=2"),
    "a part of a list": ("architecture.hidden.0=3", "architecture.hidden.0=4"),
    "a part of a list and the list": ("architecture.hidden.0=3", "architecture.hidden=[3,5]"),
    "a list": ("architecture.hidden=[3]", "architecture.hidden=[4,5]"),
    "a new key": ("optimizer.new.one=1", "optimizer.new.one=2"),
    "a number where a room is": ("optimizer=1", "optimizer=2"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_set_on_a_copy_are_what_composing_and_resolving_give(case: str, composer: Composer) -> None:
    fresh = Composer(composer.loader, composer.master)
    for job in NUMBERS[case]:
        overrides = grammar.lenient(job.split())
        assert said(lambda o=overrides: fresh.values(o, build.plain)) == said(
            lambda o=overrides: build.plain(composer.task(o))
        )


def said(compose: Callable[[], dict[str, Any]]) -> str:
    try:
        with composing.translated():
            return repr(compose())
    except Exception as error:  # whatever one way raises, the other raises too
        return repr(error)


def test_jobs_that_agree_in_the_numbers_that_others_ask_for_are_resolved_once(composer: Composer) -> None:
    fresh, resolved = Composer(composer.loader, composer.master), []

    def plain(config: DictConfig) -> dict[str, Any]:
        resolved.append(config)
        return build.plain(config)

    for epochs in (3, 4):  # stop.epochs is an interpolation of it
        for seed in range(5):
            numbers = [f"++seed={seed}", "++lr=0.1", "++optimizer.mu=0.5", f"++epochs={epochs}"]
            fresh.values(["optimizer=momentum", *numbers], plain)
    assert len(resolved) == 2
    for rate in range(100):
        fresh.values([f"++optimizer.lr={rate}"], plain)  # lr is one of it
    assert len(resolved) == 102
    assert len(fresh.resolved) == compose.KEPT


SUBDIRS = [
    "${hydra.job.num}",
    "run_${hydra.job.num}",
    "${seed}/${optimizer.lr}",
    "'${hydra.job.override_dirname}'",
    "${hydra.job.id}_${hydra.runtime.choices.optimizer}",
]


@pytest.mark.parametrize("subdir", SUBDIRS)
def test_the_folder_of_a_job_is_what_hydra_names_it(subdir: str, composer: Composer) -> None:
    for number, own in enumerate((["optimizer=adam", "lr=0.1", "seed=3"], ["optimizer=sgd", "seed=4"])):
        overrides = [*grammar.lenient(own), f"hydra.sweep.subdir={subdir}"]
        config = composer.loader.load_sweep_config(composer.master, overrides)
        with open_dict(config):
            config.hydra.job.num, config.hydra.job.id = number, str(number)
        assert composer.folder(overrides, number) == str(config.hydra.sweep.subdir)


def test_jobs_that_differ_in_values_alone_are_composed_once(
    composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, composed = composer.loader.load_sweep_config, []

    def counting(master: DictConfig, overrides: list[str]) -> DictConfig:
        composed.append(overrides)
        return real(master, overrides)

    monkeypatch.setattr(composer.loader, "load_sweep_config", counting)
    fresh = Composer(composer.loader, composer.master)
    for optimizer in ("sgd", "adam"):
        for seed in range(5):
            overrides = [f"optimizer={optimizer}", f"++seed={seed}", "++lr=0.1"]
            fresh.task(overrides)
            fresh.folder(overrides, seed)
    assert composed == [["optimizer=sgd"], ["optimizer=adam"]]
