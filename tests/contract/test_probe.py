"""The exam of every probe in runner/probe/."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from runner.core.curvature import Curved
from runner.core.theta import adopt
from runner.probe.base import Observation, Probe
from tests.contract.rooms import choices
from tests.optimizer.problems import Examples, drawn

CLASSES = choices("probe")
each = pytest.mark.parametrize("probe", [cls() for cls in CLASSES.values()], ids=CLASSES)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])

# what metrics.csv holds anyway
TAKEN = {
    "epoch",
    "step",
    "examples",
    "lr",
    "grad_norm",
    "forward",
    "backward",
    "hvp",
    "penalty",
    *(f"{part}_loss" for part in ("train", "val")),
}


def seen(dtype: torch.dtype = torch.float64) -> Observation:
    numbers = torch.Generator().manual_seed(0)
    theta, start = (torch.randn(20, generator=numbers, dtype=torch.float64).to(dtype) for _ in range(2))
    module = nn.Linear(4, 4).to(dtype)
    own, layout = adopt(module)
    asked = Curved(module, functional.cross_entropy, own, layout, pool=Examples(dtype), drawn=drawn)
    return Observation(theta, start, layout, lambda n: asked.sample(n, 0))


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"none", "distance", "sharpness"} <= CLASSES.keys()


@each
def test_its_columns_have_names_of_their_own(probe: Probe) -> None:
    assert isinstance(probe.columns, tuple)
    assert len(set(probe.columns)) == len(probe.columns)
    assert not set(probe.columns) & TAKEN
    assert all(name.isidentifier() for name in probe.columns)


@each_dtype
@each
def test_it_answers_one_number_for_each_column(probe: Probe, dtype: torch.dtype) -> None:
    numbers = probe.measure(seen(dtype))
    assert isinstance(numbers, tuple)
    assert len(numbers) == len(probe.columns)
    assert all(type(number) is float for number in numbers)


@each
def test_it_answers_the_same_when_asked_again_and_changes_nothing(probe: Probe) -> None:
    looked, kept = seen(), seen()
    before = torch.random.get_rng_state()
    assert probe.measure(looked) == probe.measure(looked) == type(probe)().measure(kept)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(looked.theta, seen().theta)
    assert torch.equal(looked.start, seen().start)


@each
def test_equal_arguments_make_equal_probes(probe: Probe) -> None:
    assert probe == type(probe)()
    assert hash(probe) == hash(type(probe)())
