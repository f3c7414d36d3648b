"""The whole program on a second device: every tensor is where it belongs, or the program would stop.

The device is that of tests/second/device.py, whose numbers are the processor's: the runs are equal to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from runner import build, job
from runner.core import device as devices
from runner.core.errors import ConfigError
from runner.run import prepare
from runner.screen.base import Silent
from runner.selftest.program import differing, remains
from tests.second import device
from tests.second.device import THERE
from tests.test_menu_trains import COMPANY, NEVER, ROOMS, node

SMALL = ("dataset=iris", "epochs=2", "batch_size=40", "seed=1")
NET = "architecture.hidden=[4]"
TOUCHED = ("architecture", "architecture/normalization", "loss", "regularizer", "probe", "stop")
# With the slopes of a matrix's eigenvalues LAPACK takes another way, and torch asks for both of tensors like these.
ROUNDS = {("regularizer", "spectral_orthogonal"): ["metrics.csv", "summary.json"]}


def left(config: dict[str, Any], place: str, path: Path) -> dict[str, Any]:
    """What a run leaves."""
    job.start(build.run(config | {"device": place}), path, "optrun", Silent(), pictures=False)
    return remains(path)


def apart(config: dict[str, Any], path: Path) -> list[str]:
    """In what a run there and here differ."""
    return differing(left(config, "cpu", path / "here"), left(config, THERE, path / "there"))


@pytest.mark.parametrize("name", ROOMS["optimizer"])
def test_an_optimizer_there_is_that_of_the_processor(name: str, tmp_path: Path) -> None:
    assert apart(node(*SMALL, NET, f"optimizer={name}"), tmp_path) == []


def others() -> Iterator[tuple[str, str]]:
    for room in TOUCHED:
        for name in ROOMS[room]:
            if (room, name) not in NEVER:
                yield room, name


@pytest.mark.parametrize(("room", "name"), list(others()))
def test_any_other_choice_there_is_that_of_the_processor(room: str, name: str, tmp_path: Path) -> None:
    reasons = []
    for number, company in enumerate(COMPANY):
        try:
            config = node(*words(room, name, company))
            assert apart(config, tmp_path / str(number)) == ROUNDS.get((room, name), [])
            return
        except ConfigError as error:
            reasons.append(str(error))
        except Exception as error:
            if type(error).__module__.split(".")[0] not in ("hydra", "omegaconf"):
                raise
    pytest.fail("\n".join(reasons))


def words(room: str, name: str, company: list[str]) -> list[str]:
    """A small run with a choice, in company."""
    chosen = dict(each.split("=", 1) for each in (*SMALL, *company)) | {room: name}
    if "problem" in chosen:
        del chosen["dataset"], chosen["batch_size"]
    elif "architecture" in chosen or "architecture/normalization" in chosen:
        chosen |= {"dataset": "digits", "batch_size": "400"}
    else:
        chosen["architecture.hidden"] = "[4]"
    return [f"{key}={value}" for key, value in chosen.items()]


def test_examples_for_which_there_is_no_room_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = node(*SMALL, "architecture.hidden=[4]")
    here = left(config, "cpu", tmp_path / "here")
    monkeypatch.setattr(devices, "fits", lambda size, device: False)
    assert prepare(build.run(config | {"device": THERE})).train.on_device is False
    assert differing(here, left(config, THERE, tmp_path / "there")) == []


def test_a_tensor_of_the_processor_is_refused_there() -> None:
    there = torch.ones(3).to(device.known())
    with pytest.raises(RuntimeError, match="tensors on elsewhere and on cpu"):
        there + torch.ones(3)
    with pytest.raises(RuntimeError, match="numbers for cpu"):
        there.bernoulli_(0.5, generator=device.GENERATOR())
    assert (there + torch.ones(3).to(there.device)).tolist() == [2, 2, 2]
